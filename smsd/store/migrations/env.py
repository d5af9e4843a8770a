"""Alembic's entry: runs on the connection that `foundation.database.migrate` hands in."""

from alembic import context

from smsd.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
