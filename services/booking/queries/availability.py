"""When equipment is free, and what would become of a request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import bindparam, false, literal, null, select, union_all
from sqlalchemy.orm import Session

from services.booking.domain.free import (
    SEARCHED_AFTER,
    SEARCHED_BEFORE,
    Busy,
    Stretch,
    first_free,
    starts_near,
    stretches,
)
from services.booking.domain.prices import Price
from services.booking.domain.rules import downtime_faults
from services.booking.models import HOLDS_SLOT, Booking, Downtime
from services.booking.queries.settings import Asked, asked
from shared.calendar import Span, subtracted
from shared.database import UtcDateTime
from shared.errors import Fault, Invalid

LONGEST_RANGE = timedelta(days=92)
ALTERNATIVES = 3

_B, _D = Booking.__table__.c, Downtime.__table__.c
_FROM, _TO = bindparam("from_", type_=UtcDateTime), bindparam("to", type_=UtcDateTime)
_LIVE = (
    select(literal("unit").label("what"), _B.unit, _B.busy_from, _B.busy_to)
    .where(_B.equipment_id == bindparam("equipment_id"), HOLDS_SLOT)
    .where(_B.busy_from < _TO, _B.busy_to > _FROM)
)
_DOWN = select(literal("down"), null(), _D.starts_at, _D.ends_at).where(
    _D.equipment_id == bindparam("equipment_id"),
    _D.withdrawn == false(),
    _D.starts_at < _TO,
    (_D.ends_at.is_(None)) | (_D.ends_at > _FROM),
)
_BUSY = union_all(_LIVE, _DOWN)
# A reference is chosen by chance; whether it is taken is asked along with the rest.
_CLASHES = union_all(
    _LIVE,
    _DOWN,
    select(literal("reference"), null(), _B.starts_at, _B.ends_at).where(_B.reference == bindparam("reference")),
)


@dataclass(frozen=True, slots=True)
class Clashes:
    """What stands in the way of a slot."""

    units: frozenset[int]  # taken for part of it
    down: tuple[tuple[datetime, datetime | None], ...]
    reference_taken: bool

    def free_unit(self, units: int) -> int | None:
        return first_free(units, self.units)


def clashes(session: Session, equipment_id: UUID, busy: Span, *, reference: str = "") -> Clashes:
    """What meets `busy`, the slot with its buffers: units taken, downtime, and a taken `reference`."""
    rows = session.execute(
        _CLASHES,
        {
            "equipment_id": equipment_id,
            "from_": busy.starts_at,
            "to": busy.ends_at,
            "reference": reference,
        },
    ).all()
    return Clashes(
        units=frozenset(row[1] for row in rows if row[0] == "unit"),
        down=tuple((row[2], row[3]) for row in rows if row[0] == "down"),
        reference_taken=any(row[0] == "reference" for row in rows),
    )


@dataclass(frozen=True, slots=True)
class Availability:
    """When equipment is free, closed and busy; without saying whose."""

    time_zone: str
    units: int
    free: list[Stretch]
    closed: list[Span]
    busy: list[Stretch]


def availability(session: Session, equipment_id: UUID, span: Span) -> Availability:
    """Raises `NoSuchEquipment`, and `Invalid` for more than 92 days."""
    if span.duration > LONGEST_RANGE:
        said = f"Ask for at most {LONGEST_RANGE.days} days at once."
        fault = Fault("range-too-long", said, "to", {"max_days": LONGEST_RANGE.days})
        raise Invalid("This is too long a time.", faults=[fault])
    facts = asked(session, equipment_id, None)
    terms = facts.terms
    opening = terms.open_within(span) if terms.standing.published and terms.standing.facility_open else []
    busy = busy_within(session, equipment_id, span)
    free, taken = stretches(opening, busy, terms.units)
    return Availability(
        time_zone=terms.time_zone,
        units=terms.units,
        free=free,
        closed=subtracted([span], opening),
        busy=taken,
    )


def busy_within(session: Session, equipment_id: UUID, span: Span) -> list[Busy]:
    """What of `span` is taken, unit by unit, and when equipment is out of order."""
    rows = session.execute(_BUSY, {"equipment_id": equipment_id, "from_": span.starts_at, "to": span.ends_at}).all()
    first, last = span.starts_at, span.ends_at
    # Cut by hand: on a day when everybody asks for the same instrument this runs over hundreds of rows.
    parts = ((unit, max(starts_at, first), min(ends_at or last, last)) for _, unit, starts_at, ends_at in rows)
    return [Busy(Span(starts_at, ends_at), unit) for unit, starts_at, ends_at in parts if starts_at < ends_at]


def alternatives(
    session: Session, facts: Asked, wanted: Span, *, now: datetime, limit: int = ALTERNATIVES
) -> list[Span]:
    """The nearest free times of the same length that keep all rules, nearest first."""
    if not facts.terms.rules.min_duration <= wanted.duration <= facts.terms.rules.max_duration:
        return []
    around = Span(wanted.starts_at - SEARCHED_BEFORE, wanted.ends_at + SEARCHED_AFTER)
    terms = facts.terms
    starts = starts_near(
        wanted,
        opening=terms.open_within(around),
        busy=busy_within(session, facts.equipment_id, around),
        units=terms.units,
        rules=terms.rules,
        zone=terms.zone,
    )
    found: list[Span] = []
    for start in starts:
        slot = Span(start, start + wanted.duration)
        if not terms.faults(slot, now=now):
            found.append(slot)
            if len(found) == limit:
                break
    return found


@dataclass(frozen=True, slots=True)
class Verdict:
    """What would become of a request, if it were made now."""

    faults: list[Fault]
    taken: bool
    alternatives: list[Span]
    price: Price | None
    needs_approval: bool
    answer_due_at: datetime | None

    @property
    def accepted(self) -> bool:
        return not self.faults and not self.taken


def verdict(
    session: Session, equipment_id: UUID, organisation_id: UUID | None, slot: Span, *, now: datetime
) -> Verdict:
    """Judge `slot` as `request_slot` would, and change nothing. Raises `NoSuchEquipment`."""
    facts = asked(session, equipment_id, organisation_id)
    terms, faults = facts.terms, facts.terms.faults(slot, now=now)
    standing = clashes(session, equipment_id, terms.rules.busy(slot))
    faults += downtime_faults(slot, standing.down, terms.zone)
    taken = standing.free_unit(terms.units) is None
    return Verdict(
        faults=faults,
        taken=taken,
        alternatives=alternatives(session, facts, slot, now=now) if taken or faults else [],
        price=terms.price(slot, facts.organisation_kind) if facts.organisation_known else None,
        needs_approval=terms.rules.needs_approval,
        answer_due_at=min(now + terms.rules.answer_within, slot.starts_at) if terms.rules.needs_approval else None,
    )
