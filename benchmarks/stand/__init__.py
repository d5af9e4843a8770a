"""What several benchmarks stand on: an SMSC that costs little, the gateway beside it, rows and figures."""
