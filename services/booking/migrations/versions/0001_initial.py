"""Replicas, opening hours, rules, prices, downtime, and bookings that cannot overlap."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.database import Seconds, UtcDateTime

revision = "0001"
down_revision = None

HOLDS_SLOT = (
    "state IN ('held', 'requested', 'info_needed', 'counter_offered', 'offered', "
    "'approved_conditional', 'approved', 'in_use')"
)


def _name(name: str, *, length: int = 255, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=nullable)


def upgrade() -> None:
    _replicas()
    _settings()
    _downtime()
    _bookings()
    if op.get_bind().dialect.name == "postgresql":
        _refuse_overlaps_on_postgresql()
    else:
        _refuse_overlaps_on_sqlite()


def _replicas() -> None:
    op.create_table(
        "facility",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("sequence", sa.Integer, nullable=False),
        _name("name"),
        _name("region_id"),
        _name("country", length=2),
        _name("time_zone"),
        _name("holiday_subdivision", nullable=True),
        sa.Column("open", sa.Boolean, nullable=False),
    )
    op.create_table(
        "equipment",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("sequence", sa.Integer, nullable=False),
        _name("slug"),
        _name("name"),
        sa.Column("facility_id", sa.Uuid, nullable=False),
        _name("facility_name"),
        _name("region_id"),
        _name("country", length=2),
        _name("time_zone"),
        sa.Column("units", sa.Integer, nullable=False),
        _name("state"),
        sa.Column("commissioned_on", sa.Date),
        sa.Column("decommissioned_on", sa.Date),
        sa.Column("terms_text", sa.Text, nullable=False),
        sa.Column("hours_sequence", sa.Integer, nullable=False),
    )
    op.create_index("ix_equipment_facility_id", "equipment", ["facility_id"])
    op.create_table(
        "organisation",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("sequence", sa.Integer, nullable=False),
        _name("name"),
        _name("kind"),
        _name("size_class", nullable=True),
        _name("country", length=2),
        _name("nuts_code"),
        sa.Column("active", sa.Boolean, nullable=False),
    )


def _settings() -> None:
    op.create_table(
        "opening_week",
        sa.Column("id", sa.Uuid, primary_key=True),
        _name("scope", length=32),
        sa.Column("scope_id", sa.Uuid, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("weekly", sa.JSON, nullable=False),
        _name("holiday_country", length=2, nullable=True),
        _name("holiday_subdivision", nullable=True),
        sa.Column("holiday_categories", sa.JSON, nullable=False),
        sa.Column("closed_days", sa.JSON, nullable=False),
        sa.Column("open_days", sa.JSON, nullable=False),
        sa.Column("closed_on", sa.JSON, nullable=False),
        sa.Column("special_on", sa.JSON, nullable=False),
        sa.Column("known_until", sa.Date, nullable=False),
        sa.Column("set_at", UtcDateTime, nullable=False),
        sa.Column("set_by", sa.Uuid, nullable=False),
        sa.UniqueConstraint("scope_id", "valid_from", name="uq_opening_week_scope_id_valid_from"),
    )
    op.create_table(
        "booking_rules",
        sa.Column("scope_id", sa.Uuid, primary_key=True),
        _name("scope", length=32),
        sa.Column("sequence", sa.Integer, nullable=False),
        *(
            sa.Column(length, Seconds, nullable=False)
            for length in (
                "min_duration",
                "max_duration",
                "granularity",
                "lead_time",
                "horizon",
                "buffer_before",
                "buffer_after",
            )
        ),
        sa.Column("needs_approval", sa.Boolean, nullable=False),
        *(
            sa.Column(length, Seconds, nullable=False)
            for length in ("cancel_before", "check_in_before", "check_in_after", "answer_within")
        ),
        sa.Column("outside_hours", sa.Boolean, nullable=False),
        sa.Column("set_at", UtcDateTime, nullable=False),
        sa.Column("set_by", sa.Uuid, nullable=False),
    )
    op.create_table(
        "price_setting",
        sa.Column("id", sa.Uuid, primary_key=True),
        _name("scope", length=32),
        sa.Column("scope_id", sa.Uuid, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        _name("currency", length=3),
        sa.Column("market_cents", sa.BigInteger),
        sa.Column("other_cents", sa.BigInteger),
        sa.Column("set_up_cents", sa.BigInteger, nullable=False),
        sa.Column("per", Seconds, nullable=False),
        sa.Column("set_at", UtcDateTime, nullable=False),
        sa.Column("set_by", sa.Uuid, nullable=False),
        sa.UniqueConstraint("scope_id", "valid_from", name="uq_price_setting_scope_id_valid_from"),
    )


def _downtime() -> None:
    op.create_table(
        "downtime",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("equipment_id", sa.Uuid, sa.ForeignKey("equipment.id"), nullable=False),
        sa.Column("facility_id", sa.Uuid, nullable=False),
        _name("region_id"),
        _name("kind", length=32),
        sa.Column("starts_at", UtcDateTime, nullable=False),
        sa.Column("ends_at", UtcDateTime),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("withdrawn", sa.Boolean, nullable=False),
        sa.Column("recorded_at", UtcDateTime, nullable=False),
        sa.Column("recorded_by", sa.Uuid, nullable=False),
        sa.CheckConstraint("ends_at IS NULL OR ends_at > starts_at", name="ck_downtime_ends_after_start"),
    )
    op.create_index("ix_downtime_equipment_id_starts_at", "downtime", ["equipment_id", "starts_at"])


def _bookings() -> None:
    op.create_table(
        "booking",
        sa.Column("id", sa.Uuid, primary_key=True),
        _name("reference", length=9),
        sa.Column("sequence", sa.Integer, nullable=False),
        _name("state", length=32),
        sa.Column("equipment_id", sa.Uuid, sa.ForeignKey("equipment.id"), nullable=False),
        _name("equipment_name"),
        sa.Column("unit", sa.Integer, nullable=False),
        sa.Column("facility_id", sa.Uuid, nullable=False),
        _name("facility_name"),
        _name("region_id"),
        _name("time_zone"),
        sa.Column("booker_id", sa.Uuid, nullable=False),
        _name("booker_name"),
        sa.Column("organisation_id", sa.Uuid, nullable=False),
        _name("organisation_name"),
        _name("organisation_kind"),
        _name("size_class", nullable=True),
        _name("organisation_nuts"),
        sa.Column("starts_at", UtcDateTime, nullable=False),
        sa.Column("ends_at", UtcDateTime, nullable=False),
        sa.Column("busy_from", UtcDateTime, nullable=False),
        sa.Column("busy_to", UtcDateTime, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        _name("access_mode", length=32),
        sa.Column("price_cents", sa.BigInteger),
        _name("currency", length=3),
        _name("price_rate", nullable=True),
        sa.Column("price_hourly_cents", sa.BigInteger),
        sa.Column("price_charged_minutes", sa.Integer),
        sa.Column("price_set_up_cents", sa.BigInteger),
        sa.Column("requested_at", UtcDateTime, nullable=False),
        sa.Column("answer_due_at", UtcDateTime),
        sa.Column("automatic", sa.Boolean, nullable=False),
        sa.Column("cancel_until", UtcDateTime, nullable=False),
        sa.Column("check_in_from", UtcDateTime, nullable=False),
        sa.Column("check_in_until", UtcDateTime, nullable=False),
        sa.Column("decided_at", UtcDateTime),
        sa.Column("decided_by", sa.Uuid),
        _name("reason_code"),
        sa.Column("reason", sa.Text, nullable=False),
        _name("cancelled_by", length=32, nullable=True),
        sa.Column("late", sa.Boolean, nullable=False),
        sa.Column("used_from", UtcDateTime),
        sa.Column("used_until", UtcDateTime),
        sa.Column("to_check", sa.Boolean, nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name="ck_booking_ends_after_start"),
        sa.CheckConstraint("busy_to >= busy_from", name="ck_booking_busy_to_after_busy_from"),
        sa.UniqueConstraint("reference", name="uq_booking_reference"),
    )
    live = sa.text(HOLDS_SLOT)
    op.create_index(
        "ix_booking_live", "booking", ["equipment_id", "busy_from"], postgresql_where=live, sqlite_where=live
    )
    op.create_index("ix_booking_due", "booking", ["state", "starts_at"], postgresql_where=live, sqlite_where=live)
    op.create_index("ix_booking_facility_id_starts_at", "booking", ["facility_id", "starts_at"])
    op.create_index("ix_booking_organisation_id_starts_at", "booking", ["organisation_id", "starts_at"])
    op.create_table(
        "booking_history",
        sa.Column("booking_id", sa.Uuid, sa.ForeignKey("booking.id"), primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True),
        _name("state", length=32),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("actor_id", sa.Uuid, nullable=False),
        _name("actor_role", length=32),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("unit", sa.Integer, nullable=False),
        sa.Column("starts_at", UtcDateTime, nullable=False),
        sa.Column("ends_at", UtcDateTime, nullable=False),
    )


def _refuse_overlaps_on_postgresql() -> None:
    # The extension is trusted: whoever owns the database may create it.
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.execute(
        "ALTER TABLE booking ADD CONSTRAINT ex_booking_no_overlap EXCLUDE USING gist "
        "(equipment_id WITH =, unit WITH =, tstzrange(busy_from, busy_to, '[)') WITH &&) "
        f"WHERE ({HOLDS_SLOT})"
    )


def _refuse_overlaps_on_sqlite() -> None:
    for when in ("INSERT", "UPDATE"):
        op.execute(
            f"CREATE TRIGGER booking_no_overlap_{when.lower()} BEFORE {when} ON booking "
            f"WHEN NEW.{HOLDS_SLOT} AND EXISTS ("
            "SELECT 1 FROM booking AS other WHERE other.equipment_id = NEW.equipment_id "
            "AND other.unit = NEW.unit AND other.id IS NOT NEW.id "
            f"AND other.{HOLDS_SLOT} "
            "AND other.busy_from < NEW.busy_to AND NEW.busy_from < other.busy_to) "
            "BEGIN SELECT RAISE(ABORT, 'booking_no_overlap'); END"
        )
