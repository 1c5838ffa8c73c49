"""Runs the steps inside the transaction that the store opened; there is no alembic.ini."""

from alembic import context

from cloud.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite cannot alter a column in place
)
with context.begin_transaction():
    context.run_migrations()
