"""What Alembic runs for each migration: with the connection and in the transaction that `api.store.schema` opened."""

from alembic import context

from api.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite can, though Alembic assumes it cannot
)
with context.begin_transaction():
    context.run_migrations()
