"""A phone to try the gateway with: in the browser and on the command line. It knows the simulated SMSC only."""
