"""The rules by which use is counted, without a database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.usage_stats import domain
from services.usage_stats.domain import Cell, Claim, DayCount, Machine, Outage, Period, Timetable
from shared.calendar import Opening, OpeningHours, instant, local_day
from shared.errors import Invalid

RIGA, PRAGUE = ZoneInfo("Europe/Riga"), ZoneInfo("Europe/Prague")
WORKDAYS = tuple(Opening(day, 9 * 60, 17 * 60) for day in range(5))
ALWAYS = tuple(Opening(day, 0, 24 * 60) for day in range(7))
LATER = datetime(2027, 1, 1, tzinfo=UTC)
FIRM = UUID(int=7)


def machine(
    zone: ZoneInfo = RIGA,
    weekly: Sequence[Opening] = WORKDAYS,
    *,
    units: int = 1,
    closed_on: Iterable[date] = (),
    valid_from: date = date(2026, 1, 1),
    commissioned_on: date | None = None,
    decommissioned_on: date | None = None,
) -> Machine:
    timetable = Timetable(
        sequence=1,
        valid_from=valid_from,
        hours=OpeningHours(zone, tuple(weekly), frozenset(closed_on)),
        closures_known_until=date(2028, 1, 1),
    )
    return Machine(
        zone=zone,
        units=units,
        commissioned_on=commissioned_on,
        decommissioned_on=decommissioned_on,
        timetables=(timetable,),
    )


def at(zone: ZoneInfo, day: date, clock: str) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return instant(day, hour * 60 + minute, zone)


def claim(
    day: date,
    start: str,
    end: str,
    *,
    zone: ZoneInfo = RIGA,
    used: tuple[str, str] | None = None,
    state: str = "",
    organisation: UUID = FIRM,
    size_class: str = "small",
    unit: int = 1,
    late: bool = False,
    by_booker: bool = True,
) -> Claim:
    return Claim(
        booking_id=uuid4(),
        organisation_id=organisation,
        size_class=size_class,
        unit=unit,
        state=state or ("completed" if used else "approved"),
        starts_at=at(zone, day, start),
        ends_at=at(zone, day, end),
        used_from=at(zone, day, used[0]) if used else None,
        used_until=at(zone, day, used[1]) if used else None,
        late=late,
        by_booker=by_booker,
    )


def outage(day: date, start: str, end: str | None, *, planned: bool, zone: ZoneInfo = RIGA) -> Outage:
    return Outage(planned=planned, starts_at=at(zone, day, start), ends_at=at(zone, day, end) if end else None)


def days(first: date, end: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((end - first).days)]


def counts(
    first: date,
    end: date,
    *,
    of: Machine,
    claims: Iterable[Claim] = (),
    outages: Iterable[Outage] = (),
    now: datetime = LATER,
) -> list[DayCount]:
    return list(domain.count_days(days(first, end), machine=of, claims=claims, outages=outages, now=now))


def sums(counted: Iterable[DayCount]) -> dict[str, int]:
    counted = list(counted)
    supply = [asdict(day.supply) for day in counted if day.supply]
    demand = [asdict(demand) for day in counted for demand in day.demand.values()]
    return domain.added([domain.added(supply) | domain.added(demand)])


def figures(first: date, end: date, **facts: Any) -> dict[str, domain.metrics.Value]:
    return domain.measures(sums(counts(first, end, **facts)))


# --- the worked example ---------------------------------------------------------------------------

MON, TUE, WED, THU, FRI = (date(2026, 3, 23 + n) for n in range(5))
WEEK = (date(2026, 3, 23), date(2026, 3, 30))
EXAMPLE: dict[str, Any] = {
    "of": machine(),
    "outages": [outage(WED, "9:00", "13:00", planned=True), outage(THU, "14:00", "17:00", planned=False)],
    "claims": [
        claim(MON, "9:00", "13:00", used=("9:10", "12:40")),
        claim(TUE, "9:00", "12:00", state="cancelled"),
        claim(TUE, "13:00", "17:00", state="no_show"),
        claim(FRI, "8:00", "12:00", used=("7:50", "12:30")),
    ],
}


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("calendar_hours", 167.0),
        ("open_hours", 40.0),
        ("planned_downtime_hours", 4.0),
        ("unplanned_downtime_hours", 3.0),
        ("available_hours", 33.0),
        ("used_hours", 7.0),
        ("used_out_of_hours", 1.17),
        ("productive_hours", 8.17),
        ("occupied_hours", 7.0),
        ("booked_hours", 11.0),
        ("booked_slot_hours", 12.0),
        ("booked_unused_hours", 4.5),
        ("free_hours", 21.5),
        ("no_show_hours", 4.0),
        ("cancelled_hours", 3.0),
        ("overrun_hours", 0.5),
        ("early_release_hours", 0.33),
        ("lost_to_downtime_hours", 0.0),
        ("requests", 4),
        ("approved", 4),
        ("completed", 2),
        ("no_shows", 1),
        ("cancelled_in_time", 1),
        ("cancelled_late", 0),
        ("utilisation", 21.2),
        ("booking_rate", 33.3),
        ("realised_share", 62.5),
        ("no_show_rate", 33.3),
        ("cancellation_rate", 25.0),
        ("late_cancellation_rate", 0.0),
        ("approval_rate", 100.0),
        ("uptime", 82.5),
        ("operational_uptime", 83.0),
        ("operational_utilisation", 19.8),
        ("total_utilisation", 4.9),
    ],
)
def test_the_worked_example(metric: str, value: float) -> None:
    assert figures(*WEEK, **EXAMPLE)[metric] == value


def test_the_worked_example_in_seconds() -> None:
    week = sums(counts(*WEEK, **EXAMPLE))
    assert week["used_outside"] == 70 * 60
    assert week["open"] + week["used_outside"] == 41 * 3600 + 10 * 60


# --- clocks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "end", "hours"),
    [
        (date(2026, 3, 1), date(2026, 4, 1), 743),
        (date(2026, 10, 1), date(2026, 11, 1), 745),
        (date(2026, 1, 1), date(2027, 1, 1), 8760),
        (date(2028, 1, 1), date(2029, 1, 1), 8784),
    ],
)
def test_a_month_has_the_hours_its_clock_shows(first: date, end: date, hours: int) -> None:
    month = figures(first, end, of=machine(PRAGUE, ALWAYS), now=datetime(2030, 1, 1, tzinfo=UTC))
    assert month["calendar_hours"] == month["open_hours"] == month["available_hours"] == hours


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 1.0), (date(2026, 10, 25), 3.0)])
def test_a_booking_over_the_change_of_clocks_is_as_long_as_it_lasts(day: date, hours: float) -> None:
    night = claim(day, "1:30", "3:30", zone=PRAGUE, used=("1:30", "3:30"))
    figures_ = figures(day, day + timedelta(days=1), of=machine(PRAGUE, ALWAYS), claims=[night])
    assert figures_["booked_hours"] == figures_["used_hours"] == hours


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)])
def test_opening_hours_after_the_change_of_clocks_are_as_long_as_ever(day: date) -> None:
    sunday = machine(PRAGUE, [Opening(6, 8 * 60, 16 * 60)])
    assert figures(day, day + timedelta(days=1), of=sunday)["open_hours"] == 8


@pytest.mark.parametrize(("saturday", "hours"), [(date(2026, 3, 28), 7.0), (date(2026, 10, 24), 9.0)])
def test_a_night_shift_over_the_change_of_clocks(saturday: date, hours: float) -> None:
    shift = machine(PRAGUE, [Opening(5, 22 * 60, 24 * 60), Opening(6, 0, 6 * 60)])
    assert figures(saturday, saturday + timedelta(days=2), of=shift)["open_hours"] == hours


def test_a_booking_over_midnight_is_split_in_hours_and_counted_where_it_starts() -> None:
    over = Claim(
        booking_id=uuid4(),
        organisation_id=FIRM,
        size_class="small",
        unit=1,
        state="completed",
        starts_at=at(RIGA, MON, "22:00"),
        ends_at=at(RIGA, TUE, "3:00"),
        used_from=at(RIGA, MON, "22:00"),
        used_until=at(RIGA, TUE, "3:00"),
    )
    monday, tuesday = counts(MON, WED, of=machine(weekly=ALWAYS), claims=[over])
    assert monday.supply
    assert tuesday.supply
    assert (monday.supply.used_inside, tuesday.supply.used_inside) == (2 * 3600, 3 * 3600)
    assert [day.demand[FIRM, "small"].completed for day in (monday, tuesday)] == [1, 0]


# --- edges ----------------------------------------------------------------------------------------


def day(claims: Iterable[Claim] = (), outages: Iterable[Outage] = (), **more: Any) -> dict[str, Any]:
    return figures(MON, TUE, claims=claims, outages=outages, **{"of": machine(), **more})


def test_use_out_of_hours_adds_to_operations_time() -> None:
    evening = day(
        [claim(MON, "9:00", "12:00", used=("9:00", "12:00")), claim(MON, "17:00", "22:00", used=("17:00", "22:00"))]
    )
    assert evening["used_out_of_hours"] == 5
    assert evening["operational_utilisation"] == 61.5  # 8 of 13 hours
    assert evening["operational_uptime"] == 100.0


def test_a_booking_over_a_closed_lunch_counts_only_open_time() -> None:
    lunch = machine(weekly=[Opening(0, 9 * 60, 12 * 60), Opening(0, 13 * 60, 17 * 60)])
    figures_ = day([claim(MON, "9:00", "17:00", used=("9:00", "17:00"))], of=lunch)
    assert (figures_["booked_hours"], figures_["booked_slot_hours"], figures_["booking_rate"]) == (7.0, 8.0, 100.0)


def test_a_breakdown_inside_a_booking_wins_over_use_and_takes_the_rest_away() -> None:
    figures_ = day(
        [claim(MON, "9:00", "13:00", used=("9:00", "11:00"))], [outage(MON, "10:00", "17:00", planned=False)]
    )
    assert figures_["used_hours"] == 1
    assert figures_["used_while_down_hours"] == 1
    assert figures_["lost_to_downtime_hours"] == 3
    assert figures_["available_hours"] == 1
    assert figures_["booking_rate"] == 100.0
    assert figures_["no_shows"] == 0


def test_use_wins_over_planned_maintenance() -> None:
    figures_ = day([claim(MON, "9:00", "11:00", used=("9:30", "10:30"))], [outage(MON, "9:00", "13:00", planned=True)])
    assert figures_["planned_downtime_hours"] == 3
    assert figures_["available_hours"] == 5
    assert figures_["used_hours"] == 1
    assert figures_["lost_to_downtime_hours"] == 1


def test_broken_while_closed_is_not_down() -> None:
    assert day(outages=[outage(MON, "18:00", "22:00", planned=False)])["unplanned_downtime_hours"] == 0


def test_overlapping_downtime_counts_once_and_a_breakdown_before_maintenance() -> None:
    figures_ = day(
        outages=[
            outage(MON, "9:00", "12:00", planned=True),
            outage(MON, "10:00", "13:00", planned=True),
            outage(MON, "11:00", "14:00", planned=False),
        ]
    )
    assert (figures_["planned_downtime_hours"], figures_["unplanned_downtime_hours"]) == (2.0, 3.0)


def test_a_slot_that_was_cancelled_late_and_booked_again_counts_once() -> None:
    other = uuid4()
    counted = counts(
        MON,
        TUE,
        of=machine(),
        claims=[
            claim(MON, "9:00", "13:00", state="cancelled", late=True),
            claim(MON, "10:00", "12:00", used=("10:00", "12:00"), organisation=other),
        ],
    )
    assert sums(counted)["booked_inside"] == 4 * 3600
    assert counted[0].demand[other, "small"].booked_inside == 2 * 3600
    assert counted[0].demand[FIRM, "small"].booked_inside == 2 * 3600


def test_several_units_weigh_each() -> None:
    figures_ = day(
        [
            claim(MON, "9:00", "13:00", unit=1, used=("9:00", "13:00")),
            claim(MON, "9:00", "11:00", unit=2, used=("9:00", "11:00")),
        ],
        of=machine(units=3),
    )
    assert figures_["available_hours"] == 24
    assert figures_["used_hours"] == 6
    assert figures_["occupied_hours"] == 4
    assert figures_["utilisation"] == 25.0


def test_days_before_commissioning_and_after_decommissioning_offer_nothing() -> None:
    figures_ = figures(MON, date(2026, 3, 28), of=machine(commissioned_on=TUE, decommissioned_on=THU))
    assert figures_["available_hours"] == 24
    assert figures_["calendar_hours"] == 5 * 24


def test_a_holiday_that_moves_a_working_day() -> None:
    moved = machine(weekly=[*WORKDAYS, Opening(5, 9 * 60, 17 * 60)], closed_on=[date(2026, 6, 22)])
    monday, saturday = date(2026, 6, 22), date(2026, 6, 27)
    assert figures(monday, monday + timedelta(days=1), of=moved)["open_hours"] == 0
    assert figures(saturday, saturday + timedelta(days=1), of=moved)["open_hours"] == 8


def test_the_newest_timetable_in_force_holds() -> None:
    old = machine().timetables[0]
    new = Timetable(sequence=2, valid_from=WED, hours=OpeningHours(RIGA, ALWAYS), closures_known_until=date(2028, 1, 1))
    for timetables in ((old, new), (new, old)):
        changed = Machine(zone=RIGA, units=1, commissioned_on=None, decommissioned_on=None, timetables=timetables)
        assert figures(MON, THU, of=changed)["open_hours"] == 8 + 8 + 24


def test_a_period_in_progress_is_provisional_and_counts_to_now() -> None:
    now = at(RIGA, MON, "12:00")
    to_come = claim(MON, "14:00", "16:00")
    waiting = claim(TUE, "9:00", "10:00", state="requested")
    monday, tuesday = counts(MON, WED, of=machine(), claims=[to_come, waiting], now=now)
    assert monday.provisional
    assert monday.counted_until == now
    assert monday.supply
    assert (monday.supply.calendar, monday.supply.available) == (12 * 3600, 3 * 3600)
    ahead = monday.demand[FIRM, "small"]
    assert (ahead.booked_inside, ahead.approved, ahead.booked_ahead, ahead.bookings_ahead) == (0, 0, 2 * 3600, 1)
    assert tuesday.supply is None
    assert tuesday.demand[FIRM, "small"].requests_ahead == 1


def test_open_records_end_now_and_are_provisional() -> None:
    now = at(RIGA, TUE, "12:00")
    running = Claim(
        booking_id=uuid4(),
        organisation_id=FIRM,
        size_class="small",
        unit=1,
        state="in_use",
        starts_at=at(RIGA, MON, "9:00"),
        ends_at=at(RIGA, MON, "10:00"),
        used_from=at(RIGA, MON, "9:00"),
    )
    monday, tuesday = counts(MON, WED, of=machine(), claims=[running], now=now)
    assert monday.provisional
    assert (monday.supply and monday.supply.used_inside) == 8 * 3600
    assert (tuesday.supply and tuesday.supply.used_inside) == 3 * 3600
    broken = outage(MON, "16:00", None, planned=False)
    monday, tuesday = counts(MON, WED, of=machine(), outages=[broken], now=now)
    assert monday.provisional
    assert (monday.supply and monday.supply.unplanned_downtime) == 3600
    assert (tuesday.supply and tuesday.supply.unplanned_downtime) == 3 * 3600


def test_records_that_cannot_be_true_are_set_aside() -> None:
    backwards = claim(MON, "9:00", "12:00", used=("11:00", "10:00"))
    counted = counts(MON, TUE, of=machine(), claims=[backwards])
    assert sums(counted)["set_aside"] == 1
    assert sums(counted)["used_inside"] == 0
    epoch = Outage(planned=False, starts_at=at(RIGA, MON, "9:00"), ends_at=datetime(1970, 1, 1, tzinfo=UTC))
    assert day(outages=[epoch])["unplanned_downtime_hours"] == 0


def test_nothing_available_is_no_rate() -> None:
    sunday = date(2026, 3, 29)
    figures_ = figures(sunday, sunday + timedelta(days=1), of=machine())
    assert figures_["utilisation"] is None
    assert figures_["no_show_rate"] is None


def test_who_cancelled_and_when_are_told_apart() -> None:
    figures_ = day(
        [
            claim(MON, "9:00", "10:00", state="cancelled"),
            claim(MON, "10:00", "11:00", state="cancelled", late=True),
            claim(MON, "11:00", "12:00", state="cancelled", by_booker=False),
            claim(MON, "12:00", "13:00", state="declined"),
            claim(MON, "13:00", "14:00", state="withdrawn"),
            claim(MON, "14:00", "15:00", state="expired"),
            claim(MON, "15:00", "16:00", used=("15:00", "16:00")),
        ]
    )
    assert figures_["cancellation_rate"] == 50.0
    assert figures_["late_cancellation_rate"] == figures_["lab_cancellation_rate"] == 25.0
    assert figures_["approval_rate"] == 80.0
    assert figures_["no_show_rate"] == 0.0
    assert figures_["booked_hours"] == 2
    assert figures_["cancelled_hours"] == 3


def test_rates_of_several_are_ratios_of_sums() -> None:
    big, small = {"available": 36000, "used_inside": 18000}, {"available": 3600, "used_inside": 0}
    assert domain.measures(domain.added([big, small]))["utilisation"] == 45.5


def test_published_rates_are_made_from_published_hours() -> None:
    ten_of_thirty_minutes = {"available": 1800, "used_inside": 600}
    assert domain.measure(domain.metric("utilisation"), ten_of_thirty_minutes) == 33.3
    assert domain.measure(domain.metric("utilisation"), ten_of_thirty_minutes, published=True) == 34.0


def test_every_metric_is_defined_and_made_of_known_figures() -> None:
    known = {*domain.SUPPLY_FIGURES, *domain.DEMAND_FIGURES}
    assert len({metric.id for metric in domain.METRICS}) == len(domain.METRICS)
    for metric in domain.METRICS:
        assert metric.name
        assert metric.definition.endswith(".")
        assert metric.formula
        assert {figure.removeprefix("-") for figure in metric.numerator + metric.denominator} <= known


# --- invariants -----------------------------------------------------------------------------------

MOMENTS = st.integers(0, 4 * 24 * 60).map(
    lambda minutes: datetime(2026, 3, 27, tzinfo=UTC) + timedelta(minutes=minutes)
)
STATES = st.sampled_from(
    ["requested", "approved", "declined", "withdrawn", "expired", "cancelled", "in_use", "completed", "no_show"]
)


@st.composite
def claims(draw: st.DrawFn) -> Claim:
    state = draw(STATES)
    used_from = draw(MOMENTS) if state in {"in_use", "completed"} else None
    return Claim(
        booking_id=draw(st.uuids()),
        organisation_id=UUID(int=draw(st.integers(1, 4))),
        size_class=draw(st.sampled_from(["micro", "small"])),
        unit=draw(st.integers(1, 3)),
        state=state,
        starts_at=draw(MOMENTS),
        ends_at=draw(MOMENTS),
        used_from=used_from,
        used_until=draw(MOMENTS) if state == "completed" else None,
        late=draw(st.booleans()),
        by_booker=draw(st.booleans()),
    )


@st.composite
def outages(draw: st.DrawFn) -> Outage:
    return Outage(planned=draw(st.booleans()), starts_at=draw(MOMENTS), ends_at=draw(st.none() | MOMENTS))


@given(st.lists(claims(), max_size=8), st.lists(outages(), max_size=4), MOMENTS, st.integers(1, 3))
def test_every_moment_is_in_one_state_and_every_share_is_somebodys(
    some_claims: list[Claim], some_outages: list[Outage], now: datetime, units: int
) -> None:
    night = machine(PRAGUE, [*WORKDAYS, Opening(5, 22 * 60, 24 * 60), Opening(6, 0, 6 * 60)], units=units)
    for counted in counts(
        date(2026, 3, 27), date(2026, 4, 1), of=night, claims=some_claims, outages=some_outages, now=now
    ):
        if (supply := counted.supply) is None:
            continue
        passed = counted.counted_until - local_day(counted.day, PRAGUE).starts_at
        assert supply.calendar % int(passed.total_seconds()) == 0
        states = supply.used_inside + supply.used_outside + supply.standby + supply.non_scheduled
        assert states + supply.planned_downtime + supply.unplanned_downtime == supply.calendar
        assert supply.available == supply.used_inside + supply.standby
        assert supply.available == supply.open - supply.planned_downtime - supply.unplanned_downtime
        assert supply.used_inside + supply.booked_unused <= supply.available
        assert supply.booked_inside - supply.lost_to_downtime <= supply.available
        assert all(value >= 0 for value in asdict(supply).values())
        shares = domain.added(asdict(demand) for demand in counted.demand.values())
        for figure in ("used_inside", "used_outside", "booked_inside", "booked_unused", "lost_to_downtime"):
            assert shares.get(figure, 0) == getattr(supply, figure), figure


# --- groups ---------------------------------------------------------------------------------------


def test_a_period_has_a_day_in_it() -> None:
    with pytest.raises(Invalid):
        Period.between(MON, MON)


def test_the_public_reads_whole_months_that_are_over() -> None:
    period = Period.between(date(2026, 1, 15), date(2026, 12, 20))
    assert period.whole_months_before(date(2026, 5, 5)) == (date(2026, 2, 1), date(2026, 5, 1))
    inside = Period.between(date(2026, 5, 3), date(2026, 5, 9)).whole_months_before(date(2026, 5, 5))
    assert inside.first == inside.end


def test_small_cells_are_in_no_published_sum() -> None:
    large = Cell(key=("a", MON), sums={"available": 3600, "used_inside": 1800}, contributors=(3, 3, 3))
    small = Cell(key=("a", TUE), sums={"available": 3600, "used_inside": 3600}, contributors=(3, 3, 2))
    empty = Cell(key=("b", MON), sums={"available": 3600}, contributors=(0, 0, 0))
    a, b = domain.folded([large, small, empty], [0])
    assert (a.key, a.sums, a.suppressed, a.left_out) == (("a",), large.sums, False, 1)
    assert not b.suppressed
    (both,) = domain.folded([large, small, empty], [])
    assert both.sums == {"available": 7200, "used_inside": 1800}
    (alone,) = domain.folded([small], [0, 1])
    assert alone.suppressed
    published = domain.published_measures(alone.sums, suppressed=True)
    assert published["available_hours"] == 1.0
    assert published["used_hours"] is None
    assert "no_show_hours" not in published
