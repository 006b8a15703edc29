"""How Alembic runs the history of one service, or of the core, over a connection it is handed."""

from __future__ import annotations

from alembic import context

config = context.config
context.configure(
    connection=config.attributes["connection"],
    version_table=config.attributes["version_table"],
    transaction_per_migration=False,
)
context.run_migrations()
