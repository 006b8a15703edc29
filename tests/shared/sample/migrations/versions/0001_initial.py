"""What was heard."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "heard",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("counter", sa.String(255), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
    )
    op.create_table(
        "note",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("writer", sa.Uuid, nullable=False),
        sa.Column("text", sa.String(255), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
    )
