"""The SMS dialog: every SMS in and out with its fate, by conversation."""
