"""Notices, attempts to deliver them, what people chose, and replicas of people and places."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.database import Counter, UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "person",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("email", sa.String(255), nullable=False),
        sa.Column("language", sa.String(255), nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
    )
    op.create_table(
        "person_role",
        sa.Column("person_id", sa.Uuid, sa.ForeignKey("person.id"), primary_key=True),
        sa.Column("role", sa.String(32), primary_key=True),
        sa.Column("scope", sa.String(255), primary_key=True),
    )
    op.create_index("ix_person_role_scope_role", "person_role", ["scope", "role"])
    op.create_table(
        "organisation",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
    )
    op.create_table(
        "facility",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("time_zone", sa.String(255), nullable=False),
        sa.Column("contact_email", sa.String(255), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
    )
    op.create_table(
        "notice",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("correlation_id", sa.Uuid, nullable=False),
        sa.Column("booking_id", sa.Uuid, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("recipient_kind", sa.String(32), nullable=False),
        sa.Column("recipient_id", sa.Uuid, nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("title", sa.String(255), nullable=False),
        sa.Column("lead", sa.Text, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("next", sa.Text, nullable=False),
        sa.Column("path", sa.String(255), nullable=False),
        sa.Column("to_booker", sa.Boolean, nullable=False),
        sa.Column("invitation", sa.JSON),
        sa.Column("told_at", UtcDateTime, nullable=False),
        sa.Column("read_at", UtcDateTime),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("due_at", UtcDateTime),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("settled_at", UtcDateTime),
        sa.Column("remark", sa.String(255), nullable=False),
        sa.UniqueConstraint("event_id", "recipient_id", "channel", name="uq_notice_event_id_recipient_id_channel"),
    )
    op.create_index(
        "ix_notice_recipient_id_channel_told_at_id",
        "notice",
        ["recipient_id", "channel", "told_at", "id"],
    )
    op.create_index("ix_notice_booking_id_sequence", "notice", ["booking_id", "sequence"])
    op.create_index(
        "ix_notice_due_at",
        "notice",
        ["due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "delivery",
        sa.Column("id", Counter, primary_key=True, autoincrement=True),
        sa.Column("notice_id", sa.Uuid, sa.ForeignKey("notice.id"), nullable=False),
        sa.Column("tried_at", UtcDateTime, nullable=False),
        sa.Column("address", sa.String(255), nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("code", sa.Integer),
        sa.Column("detail", sa.String(255), nullable=False),
    )
    op.create_index("ix_delivery_notice_id", "delivery", ["notice_id"])
    op.create_table(
        "mail_choice",
        sa.Column("person_id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("wanted", sa.Boolean, nullable=False),
    )
