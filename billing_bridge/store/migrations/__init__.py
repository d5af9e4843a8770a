"""Migrations of the bridge's store, newest last; run by `foundation.store.migrate`."""
