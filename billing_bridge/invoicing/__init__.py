"""Invoices: numbers, KIDs, periods, and the double-entry ledger that says what is outstanding."""
