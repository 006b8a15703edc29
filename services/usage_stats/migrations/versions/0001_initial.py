"""Facts heard of the other services, and the days counted from them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.database import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SUPPLY = (
    "calendar",
    "open",
    "used_inside",
    "used_outside",
    "standby",
    "planned_downtime",
    "unplanned_downtime",
    "non_scheduled",
    "available",
    "occupied",
    "booked_inside",
    "booked_unused",
    "lost_to_downtime",
    "used_while_down",
    "set_aside",
)
DEMAND = (
    "booked_whole",
    "realised",
    "used_inside",
    "used_outside",
    "booked_inside",
    "booked_unused",
    "lost_to_downtime",
    "used_while_down",
    "overrun",
    "early_release",
    "no_show",
    "cancelled",
    "booked_ahead",
    "requests",
    "approved",
    "declined",
    "withdrawn",
    "expired",
    "cancelled_in_time",
    "cancelled_late",
    "cancelled_by_operator",
    "no_shows",
    "completed",
    "bookings_ahead",
    "requests_ahead",
)


def upgrade() -> None:
    op.create_table(
        "region",
        sa.Column("id", sa.String(80), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_region"),
    )
    op.create_table(
        "facility",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("region_id", sa.String(80), nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_facility"),
    )
    op.create_table(
        "equipment",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("slug", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(255), nullable=False),
        sa.Column("facility_id", sa.Uuid, nullable=False),
        sa.Column("facility_name", sa.String(255), nullable=False),
        sa.Column("region_id", sa.String(80), nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("units", sa.Integer, nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("commissioned_on", sa.Date),
        sa.Column("decommissioned_on", sa.Date),
        sa.Column("counted_until", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_equipment"),
    )
    op.create_index("ix_equipment_region_id", "equipment", ["region_id"])
    op.create_index("ix_equipment_facility_id", "equipment", ["facility_id"])
    op.create_index("ix_equipment_counted_until", "equipment", ["counted_until"])
    op.create_table(
        "timetable",
        sa.Column("equipment_id", sa.Uuid, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("weekly", sa.JSON, nullable=False),
        sa.Column("closed_on", sa.JSON, nullable=False),
        sa.Column("closures_known_until", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("equipment_id", "sequence", name="pk_timetable"),
    )
    op.create_table(
        "downtime",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("equipment_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("starts_at", UtcDateTime, nullable=False),
        sa.Column("ends_at", UtcDateTime),
        sa.Column("withdrawn", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_downtime"),
    )
    op.create_index("ix_downtime_equipment_id_starts_at", "downtime", ["equipment_id", "starts_at"])
    op.create_table(
        "booking",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("equipment_id", sa.Uuid, nullable=False),
        sa.Column("unit", sa.Integer, nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("organisation_id", sa.Uuid, nullable=False),
        sa.Column("organisation_kind", sa.String(32), nullable=False),
        sa.Column("organisation_nuts", sa.String(8), nullable=False),
        sa.Column("size_class", sa.String(32), nullable=False),
        sa.Column("access_mode", sa.String(32), nullable=False),
        sa.Column("requested_at", UtcDateTime, nullable=False),
        sa.Column("starts_at", UtcDateTime, nullable=False),
        sa.Column("ends_at", UtcDateTime, nullable=False),
        sa.Column("used_from", UtcDateTime),
        sa.Column("used_until", UtcDateTime),
        sa.Column("released_at", UtcDateTime),
        sa.Column("cancelled_by", sa.String(32)),
        sa.Column("late", sa.Boolean, nullable=False),
        sa.Column("touches_from", UtcDateTime, nullable=False),
        sa.Column("touches_until", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_booking"),
    )
    op.create_index("ix_booking_equipment_id_touches_from", "booking", ["equipment_id", "touches_from"])
    op.create_table(
        "equipment_day",
        sa.Column("equipment_id", sa.Uuid, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("month", sa.Date, nullable=False),
        sa.Column("counted_until", UtcDateTime, nullable=False),
        sa.Column("provisional", sa.Boolean, nullable=False),
        *(sa.Column(figure, sa.Integer, nullable=False) for figure in SUPPLY),
        sa.PrimaryKeyConstraint("equipment_id", "day", name="pk_equipment_day"),
    )
    op.create_index("ix_equipment_day_day", "equipment_day", ["day"])
    op.create_table(
        "organisation_day",
        sa.Column("equipment_id", sa.Uuid, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("organisation_id", sa.Uuid, nullable=False),
        sa.Column("size_class", sa.String(32), nullable=False),
        sa.Column("month", sa.Date, nullable=False),
        *(sa.Column(figure, sa.Integer, nullable=False) for figure in DEMAND),
        sa.PrimaryKeyConstraint("equipment_id", "day", "organisation_id", "size_class", name="pk_organisation_day"),
    )
    op.create_index("ix_organisation_day_day", "organisation_day", ["day"])
