"""Mailboxes, and the answers given under an idempotency key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.database import Counter, UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("seq", Counter, primary_key=True, autoincrement=True),
        sa.Column("position", Counter),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("type", sa.String(255), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("time", UtcDateTime, nullable=False),
        sa.Column("actor", sa.Uuid, nullable=False),
        sa.Column("correlation_id", sa.Uuid, nullable=False),
        sa.Column("causation_id", sa.Uuid),
        sa.Column("data", sa.JSON, nullable=False),
    )
    op.create_index("ix_outbox_position", "outbox", ["position"], unique=True)
    op.create_index("ix_outbox_subject_sequence", "outbox", ["subject", "sequence"], unique=True)
    op.create_index(
        "ix_outbox_unnumbered",
        "outbox",
        ["seq"],
        sqlite_where=sa.text("position IS NULL"),
        postgresql_where=sa.text("position IS NULL"),
    )
    op.create_table(
        "relay",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("upto", Counter, nullable=False),
    )
    op.execute("INSERT INTO relay (id, upto) VALUES (1, 0)")
    op.create_table(
        "inbox",
        sa.Column("seq", Counter, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("source", sa.String(255), nullable=False),
        sa.Column("position", Counter, nullable=False),
        sa.Column("type", sa.String(255), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("time", UtcDateTime, nullable=False),
        sa.Column("actor", sa.Uuid, nullable=False),
        sa.Column("correlation_id", sa.Uuid, nullable=False),
        sa.Column("causation_id", sa.Uuid),
        sa.Column("data", sa.JSON, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("handled_at", UtcDateTime),
        sa.Column("last_error", sa.Text),
    )
    op.create_index("ix_inbox_id", "inbox", ["id"], unique=True)
    op.create_index("ix_inbox_source_position", "inbox", ["source", "position"], unique=True)
    op.create_index(
        "ix_inbox_open",
        "inbox",
        ["source", "subject", "position"],
        sqlite_where=sa.text("state <> 'done'"),
        postgresql_where=sa.text("state <> 'done'"),
    )
    op.create_index(
        "ix_inbox_waiting",
        "inbox",
        ["source", "position"],
        sqlite_where=sa.text("state <> 'done'"),
        postgresql_where=sa.text("state <> 'done'"),
    )
    op.create_table(
        "cursor",
        sa.Column("source", sa.String(255), primary_key=True),
        sa.Column("position", Counter, nullable=False),
    )
    op.create_table(
        "answer",
        sa.Column("principal", sa.Uuid, primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("given_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_answer_given_at", "answer", ["given_at"])
    if op.get_bind().dialect.name == "postgresql":
        # Wakes the worker when a transaction that told something commits. A hint only: it also polls.
        op.execute(
            "CREATE FUNCTION wake_relay() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_notify('outbox', ''); RETURN NULL; END $$"
        )
        op.execute("CREATE TRIGGER wake_relay AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION wake_relay()")
