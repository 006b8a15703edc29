"""Events told by the booking service: when equipment is open, and who has it when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from shared.calendar import Opening
from shared.events import Event, event


@event("booking.opening_hours_changed.v1")
@dataclass(frozen=True, kw_only=True)
class OpeningHoursChanged(Event):
    """From `valid_from` on, equipment is open at other times. Carries the whole timetable from that day.

    Public holidays are already resolved into days, so that a past figure does not move when a
    holiday calendar is corrected later.
    """

    equipment_id: UUID
    facility_id: UUID
    region_id: str
    time_zone: str
    valid_from: date  # local day
    weekly: tuple[Opening, ...]
    closed_on: tuple[date, ...]  # holidays and closures from `valid_from` to `closures_known_until`
    closures_known_until: date

    @property
    def subject(self) -> str:
        return str(self.equipment_id)


@event("booking.downtime_changed.v1")
@dataclass(frozen=True, kw_only=True)
class DowntimeChanged(Event):
    """Equipment is or was out of order, is to be maintained, or such an entry was corrected."""

    downtime_id: UUID
    equipment_id: UUID
    facility_id: UUID
    region_id: str
    kind: str  # planned, unplanned
    starts_at: datetime
    ends_at: datetime | None  # None: not known yet
    reason: str
    withdrawn: bool  # True: entered by mistake, counts for nothing

    @property
    def subject(self) -> str:
        return str(self.downtime_id)


@dataclass(frozen=True, kw_only=True)
class BookingEvent(Event):
    """What every event of a booking tells: the whole of the booking as it is after the transition."""

    booking_id: UUID
    reference: str  # short, can be read over the telephone
    state: str  # of `lifecycle`: requested, approved, declined, withdrawn, cancelled, expired, in_use, …
    equipment_id: UUID
    equipment_name: str
    unit: int  # which of the equipment's units, from 1
    facility_id: UUID
    facility_name: str
    region_id: str
    time_zone: str
    booker_id: UUID
    organisation_id: UUID
    organisation_name: str
    organisation_kind: str
    size_class: str | None  # of the organisation, as declared when the booking was requested
    organisation_nuts: str
    starts_at: datetime
    ends_at: datetime
    requested_at: datetime
    purpose: str
    access_mode: str  # market, excellence, wide
    price_cents: int | None  # None: no price is published
    currency: str
    actor_role: str  # booker, operator, system: who made this transition

    @property
    def subject(self) -> str:
        return str(self.booking_id)


@event("booking.requested.v1")
@dataclass(frozen=True, kw_only=True)
class BookingRequested(BookingEvent):
    """Somebody asked for a slot; it is kept for them until the facility decides."""

    answer_due_at: datetime | None = None  # by when the facility promises to decide


@event("booking.approved.v1")
@dataclass(frozen=True, kw_only=True)
class BookingApproved(BookingEvent):
    """The slot is theirs."""

    automatic: bool  # True: the rules need nobody's approval


@event("booking.declined.v1")
@dataclass(frozen=True, kw_only=True)
class BookingDeclined(BookingEvent):
    """The facility refused; the slot is free again."""

    reason_code: str
    reason: str  # written by the operator, shown to the booker


@event("booking.withdrawn.v1")
@dataclass(frozen=True, kw_only=True)
class BookingWithdrawn(BookingEvent):
    """The booker took the request back before it was decided; the slot is free again."""


@event("booking.expired.v1")
@dataclass(frozen=True, kw_only=True)
class BookingExpired(BookingEvent):
    """Nobody decided before the slot began; the slot is free again."""


@event("booking.cancelled.v1")
@dataclass(frozen=True, kw_only=True)
class BookingCancelled(BookingEvent):
    """An approved booking was given up; the slot is free again."""

    cancelled_by: str  # booker, operator, system
    late: bool  # by the booker, after the equipment's deadline: the slot counts as booked
    reason: str


@event("booking.checked_in.v1")
@dataclass(frozen=True, kw_only=True)
class BookingCheckedIn(BookingEvent):
    """Use has begun."""

    used_from: datetime


@event("booking.completed.v1")
@dataclass(frozen=True, kw_only=True)
class BookingCompleted(BookingEvent):
    """Use is over; what is left of the slot is free."""

    used_from: datetime
    used_until: datetime
    to_check: bool  # True: nobody checked out; the end was set by the system


@event("booking.no_show.v1")
@dataclass(frozen=True, kw_only=True)
class BookingNoShow(BookingEvent):
    """Nobody came in time; what is left of the slot is free."""

    released_at: datetime
