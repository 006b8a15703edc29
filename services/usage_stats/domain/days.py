"""The figures of a day of equipment: what state every moment was in, and whose it was.

A day is counted from the facts that touch it, never from what was counted before, so late, repeated and
corrected facts give the same figures in whatever order they come. Lengths are whole seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from operator import attrgetter
from uuid import UUID

from services.usage_stats.domain.facts import UNDECIDED_ENDS, Claim, Machine, Outage, whole_second
from shared.calendar import Span, intersected, local_day, merged, subtracted, total

EARLY_RELEASE = timedelta(minutes=15)  # an unused tail shorter than this is not worth telling


@dataclass(slots=True, kw_only=True)
class Supply:
    """Seconds of one day of equipment, all units together.

    The E10 states `used_inside + used_outside` (productive), `standby`, `planned_downtime`,
    `unplanned_downtime` and `non_scheduled` share the whole of `calendar` among them.
    """

    calendar: int = 0
    open: int = 0
    used_inside: int = 0  # in opening hours
    used_outside: int = 0
    standby: int = 0
    planned_downtime: int = 0
    unplanned_downtime: int = 0
    non_scheduled: int = 0
    available: int = 0  # open and not down
    occupied: int = 0  # in opening hours, at least one unit used
    booked_inside: int = 0
    booked_unused: int = 0  # of `available`
    lost_to_downtime: int = 0  # of `booked_inside`
    used_while_down: int = 0  # recorded as use in an outage; the outage wins
    set_aside: int = 0  # records, not seconds

    def figures(self) -> dict[str, int]:
        """All of it, by name."""
        return dict(zip(SUPPLY_FIGURES, _SUPPLY(self), strict=True))

    def add(self, other: Supply, times: int = 1) -> None:
        for name, amount in other.figures().items():
            if amount:
                setattr(self, name, getattr(self, name) + times * amount)


@dataclass(slots=True, kw_only=True)
class Demand:
    """What one organisation asked for and made of one day of equipment; seconds and counts.

    Time that two claims share is one's alone, so the organisations' seconds add up to the equipment's.
    Counts are of bookings that start on the day and have begun.
    """

    booked_whole: int = 0  # also outside opening hours
    realised: int = 0  # of the slots, really used
    used_inside: int = 0
    used_outside: int = 0
    booked_inside: int = 0
    booked_unused: int = 0
    lost_to_downtime: int = 0
    used_while_down: int = 0
    overrun: int = 0
    early_release: int = 0
    no_show: int = 0
    cancelled: int = 0
    booked_ahead: int = 0  # not yet begun, whole slots
    requests: int = 0
    approved: int = 0
    declined: int = 0
    withdrawn: int = 0
    expired: int = 0
    cancelled_in_time: int = 0
    cancelled_late: int = 0
    cancelled_by_operator: int = 0
    no_shows: int = 0
    completed: int = 0
    bookings_ahead: int = 0
    requests_ahead: int = 0

    def figures(self) -> dict[str, int]:
        """All of it, by name."""
        return dict(zip(DEMAND_FIGURES, _DEMAND(self), strict=True))

    def __bool__(self) -> bool:
        return any(_DEMAND(self))


SUPPLY_FIGURES = tuple(each.name for each in fields(Supply))
DEMAND_FIGURES = tuple(each.name for each in fields(Demand))
_SUPPLY, _DEMAND = attrgetter(*SUPPLY_FIGURES), attrgetter(*DEMAND_FIGURES)  # copying field by field is slow

Booker = tuple[UUID, str]  # organisation and its size class


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCount:
    """All that is known of one day: None for `supply` where the day is yet to come or has no figures."""

    day: date
    counted_until: datetime
    provisional: bool
    supply: Supply | None
    demand: Mapping[Booker, Demand]


def seconds(spans: Iterable[Span]) -> int:
    return int(total(spans).total_seconds())


@dataclass(slots=True)
class _Day:
    """The layers that all units of equipment share on one day, and the sums as they grow."""

    window: list[Span]  # the part of the day that has passed
    open: list[Span]
    broken: list[Span]  # in opening hours
    maintained: list[Span]  # in opening hours
    now: datetime
    supply: Supply = field(default_factory=Supply)
    occupied: list[Span] = field(default_factory=list)
    demand: dict[Booker, Demand] = field(default_factory=dict)

    def of(self, claim: Claim) -> Demand:
        return self.demand.setdefault((claim.organisation_id, claim.size_class), Demand())

    def idle(self) -> Supply:
        """A unit nobody booked or used."""
        planned = subtracted(self.maintained, self.broken)
        return self._states(used=[], planned=planned)

    def _states(self, *, used: list[Span], planned: list[Span]) -> Supply:
        inside = subtracted(intersected(used, self.open), self.broken)
        outside = subtracted(used, self.open)
        standby = subtracted(self.open, [*self.broken, *inside, *planned])
        return Supply(
            calendar=seconds(self.window),
            open=seconds(self.open),
            used_inside=seconds(inside),
            used_outside=seconds(outside),
            standby=seconds(standby),
            planned_downtime=seconds(planned),
            unplanned_downtime=seconds(self.broken),
            non_scheduled=seconds(subtracted(self.window, [*self.open, *outside])),
            available=seconds(inside) + seconds(standby),
        )

    def count_unit(self, claims: Sequence[Claim]) -> None:
        """Add one unit with its bookings: first what state each moment was in, then whose it was."""
        uses = _shared_out(
            (claim, [use] if (use := claim.use(self.now)) else [], self.window) for claim in sorted(claims, key=_by_use)
        )
        used = merged(span for _, spans in uses for span in spans)
        inside = subtracted(intersected(used, self.open), self.broken)
        planned = subtracted(self.maintained, [*self.broken, *inside])
        down = merged([*planned, *self.broken])
        states = self._states(used=used, planned=planned)
        self.occupied += inside

        for claim, spans in uses:
            mine, slot = self.of(claim), [claim.slot] if claim.slot else []
            mine.used_inside += seconds(intersected(spans, inside))
            mine.used_outside += seconds(subtracted(spans, self.open))
            mine.used_while_down += seconds(intersected(spans, self.broken))
            mine.realised += seconds(intersected(spans, slot))
            mine.overrun += seconds(
                Span(max(span.starts_at, claim.ends_at), span.ends_at) for span in spans if span.ends_at > claim.ends_at
            )
            mine.early_release += seconds(intersected(_unused_tail(claim), self.window))
            states.used_while_down += seconds(intersected(spans, self.broken))

        for claim, spans in _shared_out(
            (claim, [claim.slot], self.window) for claim in sorted(claims, key=_by_worth) if claim.blocks and claim.slot
        ):
            mine, opened = self.of(claim), intersected(spans, self.open)
            mine.booked_whole += seconds(spans)
            mine.booked_inside += seconds(opened)
            mine.booked_unused += seconds(subtracted(opened, [*down, *inside]))
            mine.lost_to_downtime += seconds(intersected(opened, down))
            states.booked_inside += seconds(opened)
            states.booked_unused += seconds(subtracted(opened, [*down, *inside]))
            states.lost_to_downtime += seconds(intersected(opened, down))

        for figure, state in (("no_show", "no_show"), ("cancelled", "cancelled")):
            for claim, spans in _shared_out(
                (claim, [claim.slot], self.open)
                for claim in sorted(claims, key=_by_worth)
                if claim.state == state and claim.slot
            ):
                mine = self.of(claim)
                setattr(mine, figure, getattr(mine, figure) + seconds(spans))
        self.supply.add(states)


def _by_use(claim: Claim) -> tuple[object, ...]:
    return claim.used_from or claim.starts_at, claim.starts_at, str(claim.booking_id)


def _by_worth(claim: Claim) -> tuple[object, ...]:
    """Whose is time that was booked twice: theirs who kept the booking, before those who gave it up."""
    kept = {"cancelled": 2, "no_show": 1}.get(claim.state, 0)
    return kept, claim.starts_at, str(claim.booking_id)


def _unused_tail(claim: Claim) -> list[Span]:
    """The end of a slot that was handed back, if it is long enough to be worth telling."""
    if claim.used_until is None or claim.set_aside or claim.ends_at - claim.used_until < EARLY_RELEASE:
        return []
    return [Span(max(claim.used_until, claim.starts_at), claim.ends_at)]


def _shared_out(
    wishes: Iterable[tuple[Claim, list[Span], list[Span]]],
) -> list[tuple[Claim, list[Span]]]:
    """To each in turn the part of what it wants, within bounds, that nobody before it has taken."""
    taken: list[Span] = []
    shares = []
    for claim, wanted, bounds in wishes:
        share = subtracted(intersected(wanted, bounds), taken)
        taken = merged([*taken, *share])
        shares.append((claim, share))
    return shares


def _count_bookings(mine: Demand, claim: Claim) -> None:
    mine.requests += 1
    mine.approved += claim.confirmed
    match claim.state:
        case "declined":
            mine.declined += 1
        case "withdrawn":
            mine.withdrawn += 1
        case "expired":
            mine.expired += 1
        case "no_show":
            mine.no_shows += 1
        case "completed":
            mine.completed += 1
        case "cancelled" if not claim.by_booker:
            mine.cancelled_by_operator += 1
        case "cancelled" if claim.late:
            mine.cancelled_late += 1
        case "cancelled":
            mine.cancelled_in_time += 1


def _look_ahead(mine: Demand, claim: Claim, to_come: Span, *, starts_today: bool) -> None:
    """What a booking that has not begun adds to a day: the slot if approved, a request if not yet decided."""
    slot = claim.slot
    if slot is None:
        return
    if claim.state == "approved":
        mine.booked_ahead += seconds(intersected([slot], [to_come]))
        mine.bookings_ahead += starts_today
    elif not claim.confirmed and claim.state not in UNDECIDED_ENDS:
        mine.requests_ahead += starts_today


def count_days(
    days: Iterable[date],
    *,
    machine: Machine,
    claims: Iterable[Claim],
    outages: Iterable[Outage],
    now: datetime,
) -> Iterator[DayCount]:
    """The figures of each of `days`, in order, as they stand at `now`.

    `claims` and `outages` must hold all that touch these days and may hold more.
    """
    now = whole_second(now)
    claims_of: dict[date, list[Claim]] = {}
    for claim in claims:
        for day in claim.days(machine.zone, now):
            claims_of.setdefault(day, []).append(claim)
    outages = list(outages)
    for day in sorted(days):
        yield _count_day(day, machine=machine, claims=claims_of.get(day, []), outages=outages, now=now)


def _count_day(
    day: date, *, machine: Machine, claims: Sequence[Claim], outages: Sequence[Outage], now: datetime
) -> DayCount:
    """The figures of one local day; time after `now` is only looked ahead at."""
    whole = local_day(day, machine.zone)
    until = min(max(now, whole.starts_at), whole.ends_at)
    window = [Span(whole.starts_at, until)] if whole.starts_at < until else []
    down = [(outage, span) for outage in outages if (span := outage.span(now)) and span.overlaps(whole)]
    opened = intersected(machine.open_on(day), window)
    layers = _Day(
        window=window,
        open=opened,
        broken=intersected((span for outage, span in down if not outage.planned), opened),
        maintained=intersected((span for outage, span in down if outage.planned), opened),
        now=now,
    )
    # Units that were given up since then are still counted on the days they were booked.
    units = max([machine.units, 1, *(claim.unit for claim in claims if claim.holds_unit)])
    by_unit: dict[int, list[Claim]] = {}
    for claim in claims:
        by_unit.setdefault(min(claim.unit, units), []).append(claim)
    for unit in sorted(by_unit):
        layers.count_unit(by_unit[unit])
    if idle := units - len(by_unit):
        layers.supply.add(layers.idle(), times=idle)
    layers.supply.occupied = seconds(merged(layers.occupied))

    for claim in claims:
        starts_today = claim.starts_at.astimezone(machine.zone).date() == day
        if starts_today and claim.starts_at < until:
            _count_bookings(layers.of(claim), claim)
            layers.supply.set_aside += claim.set_aside
        if claim.starts_at >= until and until < whole.ends_at:
            _look_ahead(layers.of(claim), claim, Span(until, whole.ends_at), starts_today=starts_today)

    lives = machine.first_day is not None and machine.first_day <= day
    unended = any(claim.in_use for claim in claims) or any(outage.ends_at is None for outage, _ in down)
    return DayCount(
        day=day,
        counted_until=until,
        provisional=until < whole.ends_at or unended or not machine.closures_known(day),
        supply=layers.supply if window and (lives or claims) else None,
        demand={booker: demand for booker, demand in layers.demand.items() if demand},
    )
