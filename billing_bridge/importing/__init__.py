"""Registers and invoices taken over from CSV files: every fault told, all rows or none."""
