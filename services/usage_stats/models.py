"""Tables: what was heard of the others (facts), and what was counted from it (days).

No person and no name of an organisation is kept here: the figures need neither.
"""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from services.usage_stats.domain import Claim, Outage, Timetable
from shared.calendar import Opening, OpeningHours
from shared.database import COLUMN_TYPES, new_metadata


class Base(MappedAsDataclass, DeclarativeBase):
    metadata = new_metadata()
    type_annotation_map = COLUMN_TYPES


class Region(Base, kw_only=True):
    """A region, as the catalogue tells it."""

    __tablename__ = "region"

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    sequence: Mapped[int]
    name: Mapped[str]
    country: Mapped[str] = mapped_column(String(2))


class Facility(Base, kw_only=True):
    """A facility, as the catalogue tells it."""

    __tablename__ = "facility"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int]
    name: Mapped[str]
    region_id: Mapped[str] = mapped_column(String(80))
    open: Mapped[bool]


class Equipment(Base, kw_only=True):
    """Equipment, as the catalogue tells it, and how far its days are counted.

    A booking or a timetable may be heard before the catalogue is; then `sequence` is 0 and the rest is
    what that event says of the equipment. Whoever counts locks this row first.
    """

    __tablename__ = "equipment"
    __table_args__ = (
        Index("ix_equipment_region_id", "region_id"),
        Index("ix_equipment_facility_id", "facility_id"),
        Index("ix_equipment_counted_until", "counted_until"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int]
    name: Mapped[str]
    slug: Mapped[str]
    kind: Mapped[str]
    facility_id: Mapped[UUID]
    facility_name: Mapped[str]
    region_id: Mapped[str] = mapped_column(String(80))
    time_zone: Mapped[str] = mapped_column(String(64))
    units: Mapped[int]
    state: Mapped[str] = mapped_column(String(32))
    commissioned_on: Mapped[date | None]
    decommissioned_on: Mapped[date | None]
    counted_until: Mapped[datetime]  # no day before has still to be counted

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


class TimetableFact(Base, kw_only=True):
    """One version of the opening hours of equipment. All are kept: each holds for its days."""

    __tablename__ = "timetable"

    equipment_id: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    time_zone: Mapped[str] = mapped_column(String(64))
    valid_from: Mapped[date]
    weekly: Mapped[list[list[int]]] = mapped_column(JSON)  # weekday, opens, closes
    closed_on: Mapped[list[str]] = mapped_column(JSON)
    closures_known_until: Mapped[date]

    def as_timetable(self) -> Timetable:
        weekly = tuple(Opening(*opening) for opening in self.weekly)
        closed_on = frozenset(map(date.fromisoformat, self.closed_on))
        return Timetable(
            sequence=self.sequence,
            valid_from=self.valid_from,
            hours=OpeningHours(ZoneInfo(self.time_zone), weekly, closed_on),
            closures_known_until=self.closures_known_until,
        )


class DowntimeFact(Base, kw_only=True):
    """Time in which equipment could not be used, as last told."""

    __tablename__ = "downtime"
    __table_args__ = (Index("ix_downtime_equipment_id_starts_at", "equipment_id", "starts_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int]
    equipment_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(String(32))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    withdrawn: Mapped[bool]

    def as_outage(self) -> Outage:
        return Outage(planned=self.kind == "planned", starts_at=self.starts_at, ends_at=self.ends_at)


class BookingFact(Base, kw_only=True):
    """A booking as last told, without who made it and what for."""

    __tablename__ = "booking"
    __table_args__ = (Index("ix_booking_equipment_id_touches_from", "equipment_id", "touches_from"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int]
    equipment_id: Mapped[UUID]
    unit: Mapped[int]
    state: Mapped[str] = mapped_column(String(32))
    organisation_id: Mapped[UUID]
    organisation_kind: Mapped[str] = mapped_column(String(32))
    organisation_nuts: Mapped[str] = mapped_column(String(8))
    size_class: Mapped[str] = mapped_column(String(32))
    access_mode: Mapped[str] = mapped_column(String(32))
    requested_at: Mapped[datetime]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    used_from: Mapped[datetime | None]
    used_until: Mapped[datetime | None]
    released_at: Mapped[datetime | None]
    cancelled_by: Mapped[str | None] = mapped_column(String(32))
    late: Mapped[bool]
    touches_from: Mapped[datetime]  # the first moment whose figures it can change
    touches_until: Mapped[datetime | None]  # None: still in use

    def as_claim(self) -> Claim:
        return Claim(
            booking_id=self.id,
            organisation_id=self.organisation_id,
            size_class=self.size_class,
            unit=self.unit,
            state=self.state,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            used_from=self.used_from,
            used_until=self.used_until,
            by_booker=self.cancelled_by == "booker",
            late=self.late,
        )


class EquipmentDay(Base, kw_only=True):
    """One local day of equipment, all units together; lengths in seconds (`domain.Supply`)."""

    __tablename__ = "equipment_day"
    __table_args__ = (Index("ix_equipment_day_day", "day"),)

    equipment_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    month: Mapped[date]
    counted_until: Mapped[datetime]
    provisional: Mapped[bool]
    calendar: Mapped[int]
    open: Mapped[int]
    used_inside: Mapped[int]
    used_outside: Mapped[int]
    standby: Mapped[int]
    planned_downtime: Mapped[int]
    unplanned_downtime: Mapped[int]
    non_scheduled: Mapped[int]
    available: Mapped[int]
    occupied: Mapped[int]
    booked_inside: Mapped[int]
    booked_unused: Mapped[int]
    lost_to_downtime: Mapped[int]
    used_while_down: Mapped[int]
    set_aside: Mapped[int]


class OrganisationDay(Base, kw_only=True):
    """What one organisation asked for and made of a local day of equipment (`domain.Demand`)."""

    __tablename__ = "organisation_day"
    __table_args__ = (Index("ix_organisation_day_day", "day"),)

    equipment_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    size_class: Mapped[str] = mapped_column(String(32), primary_key=True)
    month: Mapped[date]
    booked_whole: Mapped[int]
    realised: Mapped[int]
    used_inside: Mapped[int]
    used_outside: Mapped[int]
    booked_inside: Mapped[int]
    booked_unused: Mapped[int]
    lost_to_downtime: Mapped[int]
    used_while_down: Mapped[int]
    overrun: Mapped[int]
    early_release: Mapped[int]
    no_show: Mapped[int]
    cancelled: Mapped[int]
    booked_ahead: Mapped[int]
    requests: Mapped[int]
    approved: Mapped[int]
    declined: Mapped[int]
    withdrawn: Mapped[int]
    expired: Mapped[int]
    cancelled_in_time: Mapped[int]
    cancelled_late: Mapped[int]
    cancelled_by_operator: Mapped[int]
    no_shows: Mapped[int]
    completed: Mapped[int]
    bookings_ahead: Mapped[int]
    requests_ahead: Mapped[int]
