"""Reads: facts for counting, and counted figures for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Select, case, cast, distinct, func, or_, select, text, true
from sqlalchemy.orm import Session

from services.usage_stats.domain import (
    DEMAND_FIGURES,
    SUPPLY_FIGURES,
    Cell,
    Filters,
    Grouping,
    Machine,
    NoSuchGroup,
    NotYourRegion,
    Period,
    Reader,
    Report,
    folded,
    must_be_coarse,
)
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
from shared.auth import Actor
from shared.calendar import Span
from shared.mailbox import Inbox

# --- facts, for counting ------------------------------------------------------------------------------


def equipment_for_update(session: Session, equipment_id: UUID) -> Equipment | None:
    """Equipment, locked: nobody else counts its days until this work ends."""
    return session.get(Equipment, equipment_id, with_for_update=True, populate_existing=True)


def machine(session: Session, equipment: Equipment) -> Machine:
    """Everything that decides how the days of `equipment` are counted."""
    versions = session.scalars(select(TimetableFact).where(TimetableFact.equipment_id == equipment.id))
    return Machine(
        zone=equipment.zone,
        units=equipment.units,
        commissioned_on=equipment.commissioned_on,
        decommissioned_on=equipment.decommissioned_on,
        timetables=tuple(version.as_timetable() for version in versions),
    )


def bookings_touching(session: Session, equipment_id: UUID, span: Span | None = None) -> Sequence[BookingFact]:
    """Bookings that can change figures within `span`, or at any time."""
    statement = select(BookingFact).where(BookingFact.equipment_id == equipment_id)
    if span:
        statement = statement.where(
            BookingFact.touches_from < span.ends_at,
            or_(BookingFact.touches_until.is_(None), BookingFact.touches_until >= span.starts_at),
        )
    return session.scalars(statement).all()


def downtimes_touching(session: Session, equipment_id: UUID, span: Span) -> Sequence[DowntimeFact]:
    """Outages within `span` that were not entered by mistake."""
    return session.scalars(
        select(DowntimeFact)
        .where(DowntimeFact.equipment_id == equipment_id, DowntimeFact.withdrawn.is_(False))
        .where(DowntimeFact.starts_at < span.ends_at)
        .where(or_(DowntimeFact.ends_at.is_(None), DowntimeFact.ends_at > span.starts_at))
    ).all()


def newer_waits(session: Session, subject: str, sequence: int, *, source: str) -> bool:
    """Whether a later event of `subject` has arrived and waits to be handled."""
    return (
        session.scalar(
            select(Inbox.seq)
            .where(Inbox.source == source, Inbox.subject == subject, Inbox.sequence > sequence)
            .where(Inbox.state == "new", text("inbox.state <> 'done'"))  # as its index has it
            .limit(1)
        )
        is not None
    )


def equipment_counted_before(session: Session, moment: datetime) -> Sequence[UUID]:
    """Equipment that has days to be counted, the longest neglected first."""
    return session.scalars(
        select(Equipment.id).where(Equipment.counted_until < moment).order_by(Equipment.counted_until, Equipment.id)
    ).all()


def all_equipment(session: Session) -> Sequence[UUID]:
    return session.scalars(select(Equipment.id).order_by(Equipment.id)).all()


# --- who reads what -----------------------------------------------------------------------------------


def reader(actor: Actor) -> Reader:
    """Funders read their regions, operators and managers their facilities, administrators everything."""
    return Reader(everything=actor.is_administrator, regions=actor.regions, facilities=actor.facilities)


def _readable(who: Reader) -> ColumnElement[bool]:
    if who.everything or who.is_public:
        return true()
    return or_(Equipment.region_id.in_(who.regions), Equipment.facility_id.in_(who.facilities))


def must_read(session: Session, who: Reader, filters: Filters) -> None:
    """Raise `NoSuchGroup` or `NotYourRegion` unless what `filters` name exists and is open to `who`."""
    if filters.region is not None:
        known = session.get(Region, filters.region) or session.scalar(
            select(Equipment.id).where(Equipment.region_id == filters.region).limit(1)
        )
        if not known:
            raise NoSuchGroup("There is no such region.")
        in_region = [Equipment.region_id == filters.region, _readable(who)]
        own = who.is_public or who.everything or filters.region in who.regions
        if not own and not session.scalar(select(Equipment.id).where(*in_region).limit(1)):
            raise NotYourRegion("Exact figures of this region are for its funders. Public ones: add view=public.")
    for name, wanted, column in (
        ("facility", filters.facility, Equipment.facility_id),
        ("equipment", filters.equipment, Equipment.id),
    ):
        if wanted and not session.scalar(select(Equipment.id).where(column == wanted, _readable(who)).limit(1)):
            raise NoSuchGroup(f"There is no such {name}, or its figures are not yours to read.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Something figures can be filtered by."""

    value: str
    label: str
    group: str = ""


def regions_of(session: Session, who: Reader) -> list[Choice]:
    """Regions with equipment `who` may read figures of, by name."""
    rows = session.execute(
        select(Equipment.region_id, Region.name)
        .outerjoin(Region, Region.id == Equipment.region_id)
        .where(_readable(who))
        .distinct()
    )
    choices = [Choice(value=region_id, label=name or region_id) for region_id, name in rows]
    return sorted(choices, key=lambda choice: choice.label)


def facilities_of(session: Session, who: Reader, region: str | None = None) -> list[Choice]:
    """Facilities `who` may read figures of, by region and name."""
    statement = (
        select(Equipment.facility_id, _FACILITY_NAME, Equipment.region_id, Region.name)
        .outerjoin(Facility, Facility.id == Equipment.facility_id)
        .outerjoin(Region, Region.id == Equipment.region_id)
        .where(_readable(who), Equipment.region_id == region if region else true())
        .distinct()
    )
    choices = {
        facility_id: Choice(value=str(facility_id), label=name, group=region_name or region_id)
        for facility_id, name, region_id, region_name in session.execute(statement)
    }
    return sorted(choices.values(), key=lambda choice: (choice.group, choice.label))


# --- figures --------------------------------------------------------------------------------------------

_FACILITY_NAME = func.coalesce(Facility.name, Equipment.facility_name)

Days = type[EquipmentDay] | type[OrganisationDay]


def _columns(days: Days, groupings: Iterable[Grouping]) -> list[ColumnElement[Any]]:
    column: dict[Grouping, ColumnElement[Any]] = {
        Grouping.EQUIPMENT: Equipment.id.expression,
        Grouping.FACILITY: Equipment.facility_id.expression,
        Grouping.REGION: Equipment.region_id.expression,
        Grouping.MONTH: days.month.expression,
        Grouping.SIZE_CLASS: OrganisationDay.size_class.expression,
    }
    return [column[grouping] for grouping in groupings]


def _within(
    days: Days, columns: Sequence[ColumnElement[Any]], *, period: Period, who: Reader, filters: Filters
) -> Select[Any]:
    """Rows of days in `period`, open to `who` and as `filters` ask, grouped by `columns`."""
    statement = (
        select(*columns)
        .select_from(days)
        .join(Equipment, Equipment.id == days.equipment_id)
        .where(days.day >= period.first, days.day < period.end, _readable(who))
        .group_by(*columns)
    )
    if filters.region is not None:
        statement = statement.where(Equipment.region_id == filters.region)
    if filters.facility is not None:
        statement = statement.where(Equipment.facility_id == filters.facility)
    if filters.equipment is not None:
        statement = statement.where(Equipment.id == filters.equipment)
    return statement


def _sums(days: Days, figures: Iterable[str]) -> list[ColumnElement[Any]]:
    return [func.coalesce(func.sum(getattr(days, figure)), 0).label(figure) for figure in figures]


def _organisations_with(*figures: str) -> ColumnElement[int]:
    """How many different organisations have one of `figures`."""
    has = or_(*(getattr(OrganisationDay, figure) > 0 for figure in figures))
    return func.count(distinct(case((has, OrganisationDay.organisation_id))))


_CONTRIBUTORS = (
    _organisations_with("requests", "used_inside", "used_outside", "booked_whole"),
    _organisations_with("approved", "booked_whole"),
    _organisations_with("used_inside", "used_outside"),
)


def cells(
    session: Session, groupings: Sequence[Grouping], *, period: Period, who: Reader, filters: Filters
) -> list[Cell]:
    """Exact sums per group; with no groupings, one cell, if there is anything at all.

    By size class, what a class used and booked is its own; what was offered is offered to all classes,
    so that their rates add up to the rate of the whole.
    """
    shared = [grouping for grouping in groupings if grouping is not Grouping.SIZE_CLASS]
    grain: dict[str, Any] = {"period": period, "who": who, "filters": filters}
    supplied: dict[tuple[Any, ...], Cell] = {}
    statement = _within(EquipmentDay, _columns(EquipmentDay, shared), **grain).add_columns(
        func.max(cast(EquipmentDay.provisional, Integer)),
        func.max(EquipmentDay.counted_until),
        *_sums(EquipmentDay, SUPPLY_FIGURES),
    )
    for row in session.execute(statement):
        key, (provisional, counted_until, *figures) = tuple(row[: len(shared)]), row[len(shared) :]
        if counted_until is None:
            continue  # no day at all: only the one group of everything is told when it is empty
        supplied[key] = Cell(
            key=key,
            sums=dict(zip(SUPPLY_FIGURES, map(int, figures), strict=True)),
            provisional=bool(provisional),
            counted_until=counted_until,
        )
    found: dict[tuple[Any, ...], Cell] = {}
    statement = _within(OrganisationDay, _columns(OrganisationDay, groupings), **grain).add_columns(
        *_CONTRIBUTORS, *_sums(OrganisationDay, DEMAND_FIGURES)
    )
    for row in session.execute(statement):
        key, (asked, booked, used, *figures) = tuple(row[: len(groupings)]), row[len(groupings) :]
        if not any(figures):
            continue
        at_hand = tuple(part for part, each in zip(key, groupings, strict=True) if each in shared)
        offered = supplied.get(at_hand) or Cell(key=at_hand, provisional=True)
        found[key] = Cell(
            key=key,
            sums=offered.sums | dict(zip(DEMAND_FIGURES, map(int, figures), strict=True)),
            organisations=used,
            contributors=(asked, booked, used),
            provisional=offered.provisional,
            counted_until=offered.counted_until,
        )
    if len(shared) == len(groupings):
        found = supplied | found
    return list(found.values())


def utilisation(
    session: Session,
    groupings: Sequence[Grouping],
    *,
    period: Period,
    who: Reader,
    filters: Filters,
    today: date,
) -> Report:
    """Figures of `period` per group and as a whole, exact or as the public may read them.

    Raises `TooFine`, `NoSuchGroup` or `NotYourRegion`.
    """
    if who.is_public:
        must_be_coarse(groupings, filters)
    must_read(session, who, filters)
    wanted = tuple(dict.fromkeys(groupings))
    if who.is_public:
        period = period.whole_months_before(today)
        base = (Grouping.REGION, Grouping.MONTH)
        finest = cells(session, base, period=period, who=who, filters=filters)
        found = folded(finest, [base.index(each) for each in wanted])
        wholes = folded(finest, [])
    else:
        found = cells(session, wanted, period=period, who=who, filters=filters)
        wholes = cells(session, (), period=period, who=who, filters=filters)
    names = _names(session, wanted)
    return Report(
        period=period,
        groupings=wanted,
        filters=filters,
        published=who.is_public,
        cells=sorted(found, key=lambda cell: [(names.get(part, str(part)), str(part)) for part in cell.key]),
        whole=wholes[0] if wholes else Cell(key=()),
        names=names,
    )


def _names(session: Session, groupings: Sequence[Grouping]) -> dict[Any, str]:
    """What people call the parts of the keys."""
    statements: dict[Grouping, Any] = {
        Grouping.REGION: select(Region.id, Region.name),
        Grouping.FACILITY: select(Equipment.facility_id, _FACILITY_NAME)
        .outerjoin(Facility, Facility.id == Equipment.facility_id)
        .distinct(),
        Grouping.EQUIPMENT: select(Equipment.id, Equipment.name),
    }
    names: dict[Any, str] = {}
    for grouping in groupings:
        if grouping in statements:
            names |= {key: name for key, name in session.execute(statements[grouping]) if name}
    return names
