"""Opening hours, rules and prices: a facility's defaults, and what holds for one piece of equipment instead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from services.booking import queries
from services.booking.domain.hours import KNOWN_AHEAD, RENEWED_BELOW, HolidayCalendar, resolve
from services.booking.domain.prices import PriceList
from services.booking.domain.refusals import NoSuchEquipment, NoSuchFacility, RulesBroken
from services.booking.domain.rules import Rules, Standing
from services.booking.domain.terms import Terms, days_to_json, openings_to_json
from services.booking.models import (
    BookingRules,
    Equipment,
    Facility,
    OpeningWeek,
    PriceSetting,
    Scope,
)
from shared import formats
from shared.calendar import Opening
from shared.contracts.booking import OpeningHoursChanged
from shared.errors import Fault
from shared.unit_of_work import UnitOfWork

_BEFORE_ALL = date.min

S = TypeVar("S", OpeningWeek, PriceSetting)


def set_opening_hours(
    uow: UnitOfWork,
    *,
    scope: Scope,
    scope_id: UUID,
    weekly: Iterable[Opening],
    calendar: HolidayCalendar | None,
    closed_days: Iterable[date] = (),
    open_days: Iterable[date] = (),
    valid_from: date | None = None,
) -> OpeningWeek:
    """Set when a facility, or one piece of equipment, is open from `valid_from` on (today, if not given).

    The past cannot be changed, except where nothing was set yet. Managers of the facility only.
    """
    zone, concerned = _taken_in_hand(uow, scope, scope_id)
    present = list(queries.weeks_of(uow.session, scope_id))
    today = uow.now.astimezone(zone).date()
    valid_from = valid_from or today
    weekly = tuple(sorted(set(weekly)))
    _refuse([*_past_faults(valid_from, today, bool(present)), *_overlap_faults(weekly)])

    week = next((each for each in present if each.valid_from == valid_from), None)
    known_until = max(valid_from, today) + KNOWN_AHEAD
    resolved = resolve(
        weekly=weekly,
        calendar=calendar,
        closed_days=closed_days,
        open_days=open_days,
        first=valid_from,
        last=known_until,
    )
    values: dict[str, Any] = {
        "sequence": max((each.sequence for each in present), default=0) + 1,
        "weekly": openings_to_json(weekly),
        "holiday_country": calendar.country if calendar else None,
        "holiday_subdivision": calendar.subdivision if calendar else None,
        "holiday_categories": list(calendar.categories) if calendar else [],
        "closed_days": days_to_json(set(closed_days)),
        "open_days": days_to_json(set(open_days)),
        "closed_on": {day.isoformat(): why for day, why in resolved.closed_on.items()},
        "special_on": {day.isoformat(): openings_to_json(each) for day, each in resolved.special_on.items()},
        "known_until": known_until,
        "set_at": uow.now,
        "set_by": uow.actor.id,
    }
    if week is None:
        week = OpeningWeek(scope=scope, scope_id=scope_id, valid_from=valid_from, **values)
        uow.session.add(week)
    else:
        for name, value in values.items():
            setattr(week, name, value)
    uow.session.flush()
    settle(uow, concerned, hours_changed_from=valid_from)
    return week


def set_rules(uow: UnitOfWork, *, scope: Scope, scope_id: UUID, rules: Rules) -> BookingRules:
    """Set what is asked of a slot from now on; bookings already made keep what held for them."""
    _, concerned = _taken_in_hand(uow, scope, scope_id)
    _refuse(rules.faults())
    setting = queries.rules_setting(uow.session, scope_id)
    values: dict[str, Any] = {name: getattr(rules, name) for name in Rules.__dataclass_fields__}
    values |= {"set_at": uow.now, "set_by": uow.actor.id}
    if setting is None:
        setting = BookingRules(scope=scope, scope_id=scope_id, sequence=1, **values)
        uow.session.add(setting)
    else:
        setting.sequence += 1
        for name, value in values.items():
            setattr(setting, name, value)
    uow.session.flush()
    settle(uow, concerned)
    return setting


def set_prices(uow: UnitOfWork, *, scope: Scope, scope_id: UUID, prices: PriceList) -> PriceSetting:
    """Set what an hour costs from a day on. Past days keep their prices."""
    zone, concerned = _taken_in_hand(uow, scope, scope_id)
    present = queries.price_settings(uow.session, scope_id)
    today = uow.now.astimezone(zone).date()
    _refuse([*prices.faults(), *_past_faults(prices.valid_from, today, bool(present))])
    setting = next((each for each in present if each.valid_from == prices.valid_from), None)
    values: dict[str, Any] = {name: getattr(prices, name) for name in PriceList.__dataclass_fields__}
    values |= {
        "sequence": max((each.sequence for each in present), default=0) + 1,
        "set_at": uow.now,
        "set_by": uow.actor.id,
    }
    if setting is None:
        setting = PriceSetting(scope=scope, scope_id=scope_id, **values)
        uow.session.add(setting)
    else:
        for name, value in values.items():
            setattr(setting, name, value)
    uow.session.flush()
    settle(uow, concerned)
    return setting


def extend_closed_days(uow: UnitOfWork, *, scope: Scope, scope_id: UUID) -> None:
    """Resolve the holidays that have come within reach; those already resolved stay as they are."""
    zone, concerned = _reach(uow, scope, scope_id)
    today = uow.now.astimezone(zone).date()
    changed = False
    for week in queries.weeks_of(uow.session, scope_id):
        if week.known_until >= today + RENEWED_BELOW:
            continue
        first, last = week.known_until + timedelta(days=1), today + KNOWN_AHEAD
        added = resolve(
            weekly=week.openings,
            calendar=week.calendar,
            closed_days=week.own_closed_days,
            open_days=week.own_open_days,
            first=first,
            last=last,
        )
        week.closed_on = week.closed_on | {day.isoformat(): why for day, why in added.closed_on.items()}
        week.special_on = week.special_on | {
            day.isoformat(): openings_to_json(each) for day, each in added.special_on.items()
        }
        week.known_until = last
        changed = True
    uow.session.flush()
    if changed:
        settle(uow, concerned, hours_changed_from=today)


def settle(uow: UnitOfWork, concerned: Sequence[Equipment], *, hours_changed_from: date | None = None) -> None:
    """Write down anew what holds for each of `concerned`, all locked; and tell its hours, if they changed."""
    settings: dict[UUID, tuple[Sequence[OpeningWeek], BookingRules | None, Sequence[PriceSetting]]] = {}

    def of(scope_id: UUID) -> tuple[Sequence[OpeningWeek], BookingRules | None, Sequence[PriceSetting]]:
        if scope_id not in settings:
            settings[scope_id] = (
                queries.weeks_of(uow.session, scope_id),
                queries.rules_setting(uow.session, scope_id),
                queries.price_settings(uow.session, scope_id),
            )
        return settings[scope_id]

    facilities: dict[UUID, Facility | None] = {}
    for equipment in concerned:
        if equipment.facility_id not in facilities:
            facilities[equipment.facility_id] = uow.session.get(Facility, equipment.facility_id)
        default_weeks, default_rules, default_prices = of(equipment.facility_id)
        own_weeks, own_rules, own_prices = of(equipment.id)
        facility = facilities[equipment.facility_id]
        rules = own_rules or default_rules
        terms = Terms(
            time_zone=equipment.time_zone,
            units=equipment.units,
            standing=Standing(
                published=equipment.state == "published",
                facility_open=facility.open if facility else True,
                commissioned_on=equipment.commissioned_on,
                decommissioned_on=equipment.decommissioned_on,
            ),
            rules=rules.rules if rules else Rules(),
            weeks=tuple(week.week for week in _own_over_default(own_weeks, default_weeks)),
            prices=tuple(each.prices for each in _own_over_default(own_prices, default_prices)),
        )
        equipment.terms_text = terms.to_text()
        if hours_changed_from is not None:
            _tell_hours(uow, equipment, terms, hours_changed_from)
    uow.session.flush()


def _own_over_default(own: Sequence[S], default: Sequence[S]) -> list[S]:
    """The default until the first of its own comes into force, and only its own from then on."""
    first = min((each.valid_from for each in own), default=date.max)
    kept = [each for each in default if each.valid_from < first]
    return kept + list(own)


def _tell_hours(uow: UnitOfWork, equipment: Equipment, terms: Terms, day: date) -> None:
    for hours in terms.timetable.told_from(day):
        equipment.hours_sequence += 1
        uow.emit(
            OpeningHoursChanged(
                sequence=equipment.hours_sequence,
                equipment_id=equipment.id,
                facility_id=equipment.facility_id,
                region_id=equipment.region_id,
                time_zone=equipment.time_zone,
                valid_from=hours.valid_from,
                weekly=hours.weekly,
                closed_on=hours.closed_on,
                closures_known_until=hours.known_until,
            )
        )


def _taken_in_hand(uow: UnitOfWork, scope: Scope, scope_id: UUID) -> tuple[ZoneInfo, Sequence[Equipment]]:
    """The zone of what is set, and the equipment concerned, locked. Managers of the facility only."""
    zone, concerned = _reach(uow, scope, scope_id)
    uow.actor.must_manage(scope_id if scope is Scope.FACILITY else concerned[0].facility_id)
    return zone, concerned


def _reach(uow: UnitOfWork, scope: Scope, scope_id: UUID) -> tuple[ZoneInfo, Sequence[Equipment]]:
    if scope is Scope.EQUIPMENT:
        equipment = queries.equipment_for_update(uow.session, scope_id)
        if equipment is None:
            raise NoSuchEquipment("There is no such equipment.")
        return ZoneInfo(equipment.time_zone), [equipment]
    # First the facility, then its equipment: whoever enters new equipment takes the same order.
    facility = queries.facility_for_update(uow.session, scope_id)
    if facility is None:
        raise NoSuchFacility("There is no such facility.")
    return ZoneInfo(facility.time_zone), queries.equipment_of_for_update(uow.session, scope_id)


def _past_faults(valid_from: date, today: date, is_set: bool) -> list[Fault]:
    if not is_set or valid_from >= today:
        return []
    said = f"It can change from today on ({formats.day(today)}); what held before stays as it was."
    return [Fault("in-the-past", said, "valid_from", {"earliest": today.isoformat()})]


def _overlap_faults(weekly: Sequence[Opening]) -> list[Fault]:
    return [
        Fault("hours-overlap", "Two opening times of one day overlap.", "weekly")
        for one, next_ in pairwise(weekly)
        if one.weekday == next_.weekday and next_.opens < one.closes
    ]


def _refuse(faults: Sequence[Fault]) -> None:
    if faults:
        raise RulesBroken("This cannot be set as it is.", faults=faults)


def tell_hours_of_newcomer(uow: UnitOfWork, equipment: Equipment, *, since: date | None = None) -> None:
    """Settle equipment that was not known before, or that changed facility on the day `since`."""
    settle(uow, [equipment], hours_changed_from=since or _BEFORE_ALL)
