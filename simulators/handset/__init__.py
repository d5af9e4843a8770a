"""A phone to try the gateway with, in the browser and on the command line; knows the simulated SMSC only."""
