"""The tables of the booking service."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from services.booking.domain.hours import HolidayCalendar, Week
from services.booking.domain.prices import PriceList
from services.booking.domain.rules import Rules
from services.booking.domain.states import SLOT_HOLDING, AccessMode, DowntimeKind, Party, State
from services.booking.domain.terms import (
    Terms,
    days_from_json,
    openings_from_json,
    terms_from_text,
)
from shared.calendar import Opening, Span
from shared.database import COLUMN_TYPES, new_metadata


class Base(MappedAsDataclass, DeclarativeBase):
    metadata = new_metadata()
    type_annotation_map = COLUMN_TYPES


HOLDS_SLOT = text("state IN ({})".format(", ".join(f"'{state}'" for state in SLOT_HOLDING)))


# --- what others tell -------------------------------------------------------------------------------


class Facility(Base, kw_only=True):
    """A facility as the catalogue tells of it. Its row is locked before defaults of it are changed."""

    __tablename__ = "facility"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int]  # of the last event heard
    name: Mapped[str]
    region_id: Mapped[str]
    country: Mapped[str] = mapped_column(sa.String(2))
    time_zone: Mapped[str]
    holiday_subdivision: Mapped[str | None]
    open: Mapped[bool]


class Equipment(Base, kw_only=True):
    """Equipment as the catalogue tells of it, and the effect of all that is set here for it.

    Its row is the lock under which slots are given away.
    """

    __tablename__ = "equipment"
    __table_args__ = (Index("ix_equipment_facility_id", "facility_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int]  # of the last event heard
    slug: Mapped[str]
    name: Mapped[str]
    facility_id: Mapped[UUID]
    facility_name: Mapped[str]
    region_id: Mapped[str]
    country: Mapped[str] = mapped_column(sa.String(2))
    time_zone: Mapped[str]
    units: Mapped[int]
    state: Mapped[str]  # draft, published, withdrawn
    commissioned_on: Mapped[date | None]
    decommissioned_on: Mapped[date | None]
    terms_text: Mapped[str] = mapped_column(Text)
    hours_sequence: Mapped[int] = mapped_column(default=0)  # of the last OpeningHoursChanged told

    @property
    def terms(self) -> Terms:
        return terms_from_text(self.terms_text)


class Organisation(Base, kw_only=True):
    """An organisation as access tells of it."""

    __tablename__ = "organisation"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int]
    name: Mapped[str]
    kind: Mapped[str]
    size_class: Mapped[str | None]
    country: Mapped[str] = mapped_column(sa.String(2))
    nuts_code: Mapped[str]
    active: Mapped[bool]


# --- what facilities set ----------------------------------------------------------------------------


class Scope(StrEnum):
    """What something is set for: a facility's default, or one piece of equipment instead of it."""

    FACILITY = "facility"
    EQUIPMENT = "equipment"


class OpeningWeek(Base, kw_only=True):
    """Opening hours from a day on, with the closed days that were resolved for them."""

    __tablename__ = "opening_week"
    __table_args__ = (UniqueConstraint("scope_id", "valid_from"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid4)
    scope: Mapped[Scope]
    scope_id: Mapped[UUID]
    sequence: Mapped[int]
    valid_from: Mapped[date]
    weekly: Mapped[list[Any]] = mapped_column(sa.JSON)  # [weekday, opens, closes], minutes since midnight
    holiday_country: Mapped[str | None] = mapped_column(sa.String(2))
    holiday_subdivision: Mapped[str | None]
    holiday_categories: Mapped[list[str]]
    closed_days: Mapped[list[str]]  # the facility's own
    open_days: Mapped[list[str]]  # worked as usual although the calendar says otherwise
    closed_on: Mapped[dict[str, Any]]  # resolved: day and why
    special_on: Mapped[dict[str, Any]]  # resolved: day and its openings
    known_until: Mapped[date]
    set_at: Mapped[datetime]
    set_by: Mapped[UUID]

    @property
    def calendar(self) -> HolidayCalendar | None:
        if self.holiday_country is None:
            return None
        return HolidayCalendar(self.holiday_country, self.holiday_subdivision, tuple(self.holiday_categories))

    @property
    def openings(self) -> tuple[Opening, ...]:
        return openings_from_json(self.weekly)

    @property
    def week(self) -> Week:
        return Week(
            valid_from=self.valid_from,
            weekly=self.openings,
            closed_on={date.fromisoformat(day): why for day, why in self.closed_on.items()},
            special_on={date.fromisoformat(day): openings_from_json(raw) for day, raw in self.special_on.items()},
            known_until=self.known_until,
        )

    @property
    def own_closed_days(self) -> tuple[date, ...]:
        return days_from_json(self.closed_days)

    @property
    def own_open_days(self) -> tuple[date, ...]:
        return days_from_json(self.open_days)


class BookingRules(Base, kw_only=True):
    """What is asked of a slot. A change never touches bookings already made."""

    __tablename__ = "booking_rules"

    scope_id: Mapped[UUID] = mapped_column(primary_key=True)
    scope: Mapped[Scope]
    sequence: Mapped[int]
    min_duration: Mapped[timedelta]
    max_duration: Mapped[timedelta]
    granularity: Mapped[timedelta]
    lead_time: Mapped[timedelta]
    horizon: Mapped[timedelta]
    buffer_before: Mapped[timedelta]
    buffer_after: Mapped[timedelta]
    needs_approval: Mapped[bool]
    cancel_before: Mapped[timedelta]
    check_in_before: Mapped[timedelta]
    check_in_after: Mapped[timedelta]
    answer_within: Mapped[timedelta]
    outside_hours: Mapped[bool]
    set_at: Mapped[datetime]
    set_by: Mapped[UUID]

    @property
    def rules(self) -> Rules:
        return Rules(**{name: getattr(self, name) for name in Rules.__dataclass_fields__})


class PriceSetting(Base, kw_only=True):
    """Prices per hour from a day on. A price is kept by each booking as it was when it was asked for."""

    __tablename__ = "price_setting"
    __table_args__ = (UniqueConstraint("scope_id", "valid_from"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid4)
    scope: Mapped[Scope]
    scope_id: Mapped[UUID]
    sequence: Mapped[int]
    valid_from: Mapped[date]
    currency: Mapped[str] = mapped_column(sa.String(3))
    market_cents: Mapped[int | None] = mapped_column(sa.BigInteger)
    other_cents: Mapped[int | None] = mapped_column(sa.BigInteger)
    set_up_cents: Mapped[int] = mapped_column(sa.BigInteger)
    per: Mapped[timedelta]
    set_at: Mapped[datetime]
    set_by: Mapped[UUID]

    @property
    def prices(self) -> PriceList:
        return PriceList(**{name: getattr(self, name) for name in PriceList.__dataclass_fields__})


class Downtime(Base, kw_only=True):
    """Equipment is out of order or being maintained; while it is, none of its units can be booked."""

    __tablename__ = "downtime"
    __table_args__ = (
        CheckConstraint("ends_at IS NULL OR ends_at > starts_at", name="ends_after_start"),
        Index("ix_downtime_equipment_id_starts_at", "equipment_id", "starts_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid4)
    sequence: Mapped[int]
    equipment_id: Mapped[UUID] = mapped_column(ForeignKey("equipment.id"))
    facility_id: Mapped[UUID]
    region_id: Mapped[str]
    kind: Mapped[DowntimeKind]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(Text)
    withdrawn: Mapped[bool]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[UUID]


# --- bookings ---------------------------------------------------------------------------------------


class Booking(Base, kw_only=True):
    """One organisation's claim on one unit of equipment for one slot.

    Facts of equipment and organisation, price, buffers and deadlines are those of the moment it was
    asked for: what is changed later holds for later bookings.
    """

    __tablename__ = "booking"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
        CheckConstraint("busy_to >= busy_from", name="busy_to_after_busy_from"),
        UniqueConstraint("reference"),
        ExcludeConstraint(
            ("equipment_id", "="),
            ("unit", "="),
            (text("tstzrange(busy_from, busy_to, '[)')"), "&&"),
            where=HOLDS_SLOT,
            using="gist",
            name="ex_booking_no_overlap",
        ).ddl_if(dialect="postgresql"),
        Index(
            "ix_booking_live",
            "equipment_id",
            "busy_from",
            postgresql_where=HOLDS_SLOT,
            sqlite_where=HOLDS_SLOT,
        ),
        Index("ix_booking_due", "state", "starts_at", postgresql_where=HOLDS_SLOT, sqlite_where=HOLDS_SLOT),
        Index("ix_booking_facility_id_starts_at", "facility_id", "starts_at"),
        Index("ix_booking_organisation_id_starts_at", "organisation_id", "starts_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(sa.String(9))
    sequence: Mapped[int]
    state: Mapped[State]
    equipment_id: Mapped[UUID] = mapped_column(ForeignKey("equipment.id"))
    equipment_name: Mapped[str]
    unit: Mapped[int]
    facility_id: Mapped[UUID]
    facility_name: Mapped[str]
    region_id: Mapped[str]
    time_zone: Mapped[str]
    booker_id: Mapped[UUID]
    booker_name: Mapped[str]
    organisation_id: Mapped[UUID]
    organisation_name: Mapped[str]
    organisation_kind: Mapped[str]
    size_class: Mapped[str | None]
    organisation_nuts: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    busy_from: Mapped[datetime]  # with the buffers of the rules at the time
    busy_to: Mapped[datetime]
    purpose: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)
    access_mode: Mapped[AccessMode]
    price_cents: Mapped[int | None] = mapped_column(sa.BigInteger)
    currency: Mapped[str] = mapped_column(sa.String(3))
    price_rate: Mapped[str | None]
    price_hourly_cents: Mapped[int | None] = mapped_column(sa.BigInteger)
    price_charged_minutes: Mapped[int | None]
    price_set_up_cents: Mapped[int | None] = mapped_column(sa.BigInteger)
    requested_at: Mapped[datetime]
    answer_due_at: Mapped[datetime | None]
    automatic: Mapped[bool]  # the rules needed nobody's approval
    cancel_until: Mapped[datetime]  # later than this a cancellation by the booker is late
    check_in_from: Mapped[datetime]
    check_in_until: Mapped[datetime]
    decided_at: Mapped[datetime | None] = mapped_column(default=None)
    decided_by: Mapped[UUID | None] = mapped_column(default=None)
    reason_code: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(Text, default="")
    cancelled_by: Mapped[Party | None] = mapped_column(default=None)
    late: Mapped[bool] = mapped_column(default=False)
    used_from: Mapped[datetime | None] = mapped_column(default=None)
    used_until: Mapped[datetime | None] = mapped_column(default=None)
    to_check: Mapped[bool] = mapped_column(default=False)  # nobody checked out

    @property
    def slot(self) -> Span:
        return Span(self.starts_at, self.ends_at)


class BookingHistory(Base, kw_only=True):
    """One transition of a booking. Rows are only added."""

    __tablename__ = "booking_history"

    booking_id: Mapped[UUID] = mapped_column(ForeignKey("booking.id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[State]
    at: Mapped[datetime]
    actor_id: Mapped[UUID]
    actor_role: Mapped[Party]
    reason: Mapped[str] = mapped_column(Text)
    unit: Mapped[int]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
