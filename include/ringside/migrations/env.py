"""Alembic's entry point: runs the revisions on the connection that `migrate` hands in."""

from alembic import context

from ringside.adapters.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
