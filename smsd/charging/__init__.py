"""Charges: their states, the desk that moves them by evidence, and the receipts that bring it."""
