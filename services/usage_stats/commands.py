"""Writes: keep what was heard, and count anew exactly the days it can change."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import delete, insert

from services.usage_stats import queries
from services.usage_stats.domain import NOT_A_FIRM, DayCount, Machine, count_days, month_of, whole_second
from services.usage_stats.models import (
    BookingFact,
    DowntimeFact,
    Equipment,
    EquipmentDay,
    Facility,
    OrganisationDay,
    Region,
    TimetableFact,
)
from shared.calendar import Span, local_day
from shared.contracts.booking import BookingEvent, DowntimeChanged, OpeningHoursChanged
from shared.contracts.catalogue import EquipmentChanged, FacilityChanged, RegionChanged
from shared.unit_of_work import UnitOfWork

UNTOLD = 0  # sequence of equipment the catalogue has not told of yet


def learn_region(uow: UnitOfWork, event: RegionChanged) -> None:
    """Keep the name of a region."""
    region = uow.session.get(Region, event.region_id, with_for_update=True)
    if region and region.sequence >= event.sequence:
        return
    uow.session.merge(Region(id=event.region_id, sequence=event.sequence, name=event.name, country=event.country))


def learn_facility(uow: UnitOfWork, event: FacilityChanged) -> None:
    """Keep the name of a facility."""
    facility = uow.session.get(Facility, event.facility_id, with_for_update=True)
    if facility and facility.sequence >= event.sequence:
        return
    uow.session.merge(
        Facility(
            id=event.facility_id,
            sequence=event.sequence,
            name=event.name,
            region_id=event.region_id,
            open=event.open,
        )
    )


def learn_equipment(uow: UnitOfWork, event: EquipmentChanged) -> None:
    """Keep what the catalogue tells of equipment; count all its days anew if that changes them."""
    equipment = _equipment_of(uow, event)
    if equipment.sequence >= event.sequence:
        return
    before = _what_counts(equipment)
    for name in (
        "sequence", "name", "slug", "kind", "facility_id", "facility_name", "region_id", "time_zone", "units",
        "state", "commissioned_on", "decommissioned_on",
    ):  # fmt: skip
        setattr(equipment, name, getattr(event, name))
    if _what_counts(equipment) != before:
        _recount_all(uow, equipment)


def learn_timetable(uow: UnitOfWork, event: OpeningHoursChanged) -> None:
    """Keep this version of the opening hours and count the days from which it holds."""
    equipment = _equipment_of(uow, event)
    if uow.session.get(TimetableFact, (event.equipment_id, event.sequence)):
        return
    uow.session.add(
        TimetableFact(
            equipment_id=event.equipment_id,
            sequence=event.sequence,
            time_zone=event.time_zone,
            valid_from=event.valid_from,
            weekly=[[opening.weekday, opening.opens, opening.closes] for opening in event.weekly],
            closed_on=sorted(day.isoformat() for day in event.closed_on),
            closures_known_until=event.closures_known_until,
        )
    )
    machine = queries.machine(uow.session, equipment)
    _recount(uow, machine, equipment.id, _days(event.valid_from, machine.today(uow.now)))


def learn_downtime(uow: UnitOfWork, event: DowntimeChanged) -> None:
    """Keep an outage as it is now and count the days it touched and touches."""
    known = uow.session.get(DowntimeFact, event.downtime_id, with_for_update=True)
    if known and known.sequence >= event.sequence:
        return
    heard = DowntimeFact(
        id=event.downtime_id,
        sequence=event.sequence,
        equipment_id=event.equipment_id,
        kind=event.kind,
        starts_at=whole_second(event.starts_at),
        ends_at=whole_second(event.ends_at) if event.ends_at else None,
        withdrawn=event.withdrawn,
    )
    _replace(uow, event, known, heard)


def learn_booking(uow: UnitOfWork, event: BookingEvent) -> None:
    """Keep a booking as it is now and count the days it touched and touches.

    Of several events that arrive together the last tells all that those before it do, so only it is
    counted: after a stop, or with a log heard from its beginning, that is a fraction of the work.
    """
    if queries.newer_waits(uow.session, event.subject, event.sequence, source="booking"):
        return
    known = uow.session.get(BookingFact, event.booking_id, with_for_update=True)
    if known and known.sequence >= event.sequence:
        return
    # What only some of the events tell; of these each is the last word on it.
    used_from: datetime | None = getattr(event, "used_from", None)
    used_until: datetime | None = getattr(event, "used_until", None)
    starts_at, ends_at = whole_second(event.starts_at), whole_second(event.ends_at)
    used_from = whole_second(used_from) if used_from else None
    used_until = whole_second(used_until) if used_until else None
    heard = BookingFact(
        id=event.booking_id,
        sequence=event.sequence,
        equipment_id=event.equipment_id,
        unit=event.unit,
        state=event.state,
        organisation_id=event.organisation_id,
        organisation_kind=event.organisation_kind,
        organisation_nuts=event.organisation_nuts,
        size_class=event.size_class or NOT_A_FIRM,
        access_mode=event.access_mode,
        requested_at=event.requested_at,
        starts_at=starts_at,
        ends_at=ends_at,
        used_from=used_from,
        used_until=used_until,
        released_at=getattr(event, "released_at", None),
        cancelled_by=getattr(event, "cancelled_by", None),
        late=getattr(event, "late", False),
        touches_from=min(starts_at, used_from or starts_at),
        touches_until=None if used_from and not used_until else max(starts_at, ends_at, used_until or ends_at),
    )
    _replace(uow, event, known, heard)


def extend(uow: UnitOfWork, equipment_id: UUID) -> None:
    """Count the days of equipment that have begun since it was last counted, and the one that had not ended."""
    equipment = queries.equipment_for_update(uow.session, equipment_id)
    if equipment is None or equipment.counted_until >= uow.now:
        return
    machine = queries.machine(uow.session, equipment)
    _recount(uow, machine, equipment.id, _days(machine.today(equipment.counted_until), machine.today(uow.now)))
    equipment.counted_until = uow.now


def rebuild(uow: UnitOfWork, equipment_id: UUID) -> None:
    """Count every day of equipment anew from the facts."""
    if equipment := queries.equipment_for_update(uow.session, equipment_id):
        _recount_all(uow, equipment)


Told = EquipmentChanged | OpeningHoursChanged | DowntimeChanged | BookingEvent


def _equipment_of(uow: UnitOfWork, event: Told) -> Equipment:
    """The equipment `event` is about, locked. Where the catalogue has not told of it, `event` says where it is."""
    equipment = queries.equipment_for_update(uow.session, event.equipment_id)
    zone: str | None = getattr(event, "time_zone", None)
    if equipment is None:
        equipment = Equipment(
            id=event.equipment_id,
            sequence=UNTOLD,
            name=getattr(event, "equipment_name", ""),
            slug="",
            kind="",
            facility_id=event.facility_id,
            facility_name=getattr(event, "facility_name", ""),
            region_id=event.region_id,
            time_zone=zone or "UTC",
            units=1,
            state="",
            commissioned_on=None,
            decommissioned_on=None,
            counted_until=uow.now,
        )
        uow.session.add(equipment)
        uow.session.flush()
    elif equipment.sequence == UNTOLD:
        equipment.name = equipment.name or getattr(event, "equipment_name", "")
        equipment.facility_name = equipment.facility_name or getattr(event, "facility_name", "")
        if zone and zone != equipment.time_zone:  # an outage was heard first, and does not tell its zone
            equipment.time_zone = zone
            _recount_all(uow, equipment)
    return equipment


def _what_counts(equipment: Equipment) -> tuple[Any, ...]:
    return equipment.time_zone, equipment.units, equipment.commissioned_on, equipment.decommissioned_on


Fact = TypeVar("Fact", BookingFact, DowntimeFact)


def _replace(uow: UnitOfWork, event: DowntimeChanged | BookingEvent, known: Fact | None, heard: Fact) -> None:
    """Put what is heard in the place of what is known, and count anew the days of both."""
    machines: dict[UUID, Machine] = {}
    # Also the equipment it was moved away from; in the order of ids, so that nobody waits in a circle.
    for equipment_id in sorted({event.equipment_id, known.equipment_id if known else event.equipment_id}):
        if equipment_id == event.equipment_id:
            machines[equipment_id] = queries.machine(uow.session, _equipment_of(uow, event))
        elif left_behind := queries.equipment_for_update(uow.session, equipment_id):
            machines[equipment_id] = queries.machine(uow.session, left_behind)
    days: dict[UUID, set[date]] = {each: set() for each in machines}
    for fact in (known, heard):
        if fact and fact.equipment_id in machines:
            days[fact.equipment_id] |= _touched(fact, machines[fact.equipment_id], uow.now)
    uow.session.merge(heard)
    for equipment_id, machine in machines.items():
        _recount(uow, machine, equipment_id, days[equipment_id])


def _touched(fact: BookingFact | DowntimeFact, machine: Machine, now: datetime) -> set[date]:
    if isinstance(fact, BookingFact):
        return fact.as_claim().days(machine.zone, now)
    # Outside the life of equipment nothing is open, so nothing can be down.
    return set() if fact.withdrawn else fact.as_outage().days(machine.zone, now) & machine.life(now)


def _days(first: date, last: date) -> set[date]:
    return {first + timedelta(days=n) for n in range((last - first).days + 1)}


def _recount_all(uow: UnitOfWork, equipment: Equipment) -> None:
    uow.session.flush()
    for rows in (EquipmentDay, OrganisationDay):
        uow.session.execute(delete(rows).where(rows.equipment_id == equipment.id))
    machine = queries.machine(uow.session, equipment)
    claims = [fact.as_claim() for fact in queries.bookings_touching(uow.session, equipment.id)]
    days = machine.life(uow.now).union(*(claim.days(machine.zone, uow.now) for claim in claims))
    _recount(uow, machine, equipment.id, days)
    equipment.counted_until = uow.now


def _recount(uow: UnitOfWork, machine: Machine, equipment_id: UUID, days: Collection[date]) -> None:
    """Write the rows of `days`, and of no other day, as the facts now have it."""
    if not days:
        return
    session, first, last = uow.session, min(days), max(days)
    span = Span(local_day(first, machine.zone).starts_at, local_day(last, machine.zone).ends_at)
    counted = list(
        count_days(
            days,
            machine=machine,
            claims=[fact.as_claim() for fact in queries.bookings_touching(session, equipment_id, span)],
            outages=[fact.as_outage() for fact in queries.downtimes_touching(session, equipment_id, span)],
            now=uow.now,
        )
    )
    for rows in (EquipmentDay, OrganisationDay):
        gone = delete(rows).where(rows.equipment_id == equipment_id, rows.day.between(first, last))
        if len(days) <= (last - first).days:  # with holes between them
            gone = gone.where(rows.day.in_(days))
        session.execute(gone)
    if supply := [_supply_row(equipment_id, each) for each in counted if each.supply]:
        session.execute(insert(EquipmentDay), supply)
    if demand := [row for each in counted for row in _demand_rows(equipment_id, each)]:
        session.execute(insert(OrganisationDay), demand)


def _supply_row(equipment_id: UUID, counted: DayCount) -> dict[str, Any]:
    assert counted.supply
    return {
        "equipment_id": equipment_id,
        "day": counted.day,
        "month": month_of(counted.day),
        "counted_until": counted.counted_until,
        "provisional": counted.provisional,
        **counted.supply.figures(),
    }


def _demand_rows(equipment_id: UUID, counted: DayCount) -> Iterable[dict[str, Any]]:
    for (organisation_id, size_class), demand in counted.demand.items():
        yield {
            "equipment_id": equipment_id,
            "day": counted.day,
            "organisation_id": organisation_id,
            "size_class": size_class,
            "month": month_of(counted.day),
            **demand.figures(),
        }
