"""Migrations of the bridge's store, newest last; run by `foundation.database.migrate`."""
