"""Sums per group, who may read them, and what the public is not shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.usage_stats import queries
from services.usage_stats.domain import (
    PUBLIC,
    Filters,
    Grouping,
    NoSuchGroup,
    NotYourRegion,
    Period,
    Reader,
    Report,
    TooFine,
    measures,
    published_measures,
)
from shared.service import Instance
from tests.conftest import make_actor
from tests.usage_stats.conftest import NOW, Lab, tell

TODAY = date(2026, 5, 1)
SPRING = Period(date(2026, 3, 1), date(2026, 5, 1))
ALL = Reader(everything=True)
EXAMPLE_WEEK = Period(date(2026, 3, 23), date(2026, 3, 30))


def riga(day: int, hour: int, minute: int = 0, month: int = 3) -> datetime:
    """A wall time in Riga before the clocks change on 29 March 2026, or after."""
    offset = 2 if (month, day) < (3, 29) else 3
    return datetime(2026, month, day, hour, minute, tzinfo=UTC) - timedelta(hours=offset)


@pytest.fixture
def example(stats: Instance, lab: Lab) -> Lab:
    """The week of the worked example."""
    tell(
        stats,
        lab.region_told(),
        lab.facility_told(),
        lab.equipment_told(),
        lab.hours_told(),
        lab.down(riga(25, 9), riga(25, 13), kind="planned"),
        lab.down(riga(26, 14), riga(26, 17)),
        *lab.booking(riga(23, 9), 4).used(riga(23, 9, 10), riga(23, 12, 40)).events,
        *lab.booking(riga(24, 9), 3).cancelled().events,
        *lab.booking(riga(24, 13), 4).no_show().events,
        *lab.booking(riga(27, 8), 4, size_class=None).used(riga(27, 7, 50), riga(27, 12, 30)).events,
    )
    return lab


def report(
    stats: Instance,
    *groupings: Grouping,
    period: Period = SPRING,
    who: Reader = ALL,
    today: date = TODAY,
    **filters: Any,
) -> Report:
    with stats.snapshot() as session:
        return queries.utilisation(session, groupings, period=period, who=who, filters=Filters(**filters), today=today)


def figure(name: str, cells: Report) -> dict[Any, Any]:
    return {cell.key[0] if len(cell.key) == 1 else cell.key: measures(cell.sums)[name] for cell in cells.cells}


def test_the_worked_example_from_events(stats: Instance, example: Lab) -> None:
    figures = measures(report(stats, period=EXAMPLE_WEEK).whole.sums)
    expected = {
        "calendar_hours": 167.0,
        "open_hours": 40.0,
        "planned_downtime_hours": 4.0,
        "unplanned_downtime_hours": 3.0,
        "available_hours": 33.0,
        "used_hours": 7.0,
        "used_out_of_hours": 1.17,
        "booked_hours": 11.0,
        "utilisation": 21.2,
        "booking_rate": 33.3,
        "realised_share": 62.5,
        "no_show_rate": 33.3,
        "cancellation_rate": 25.0,
        "uptime": 82.5,
        "operational_uptime": 83.0,
        "operational_utilisation": 19.8,
        "total_utilisation": 4.9,
    }
    assert {name: figures[name] for name in expected} == expected


@pytest.mark.parametrize("grouping", [Grouping.EQUIPMENT, Grouping.FACILITY, Grouping.REGION, Grouping.MONTH])
def test_groups_sum_to_the_whole(stats: Instance, example: Lab, grouping: Grouping) -> None:
    other = Lab(name="Autoclave", region="south-moravia", zone="Europe/Prague")
    tell(stats, other.hours_told(), *other.booking(riga(2, 12, month=4), 2).used().events)
    grouped = report(stats, grouping)
    assert len(grouped.cells) == 2
    for name in ("available", "used_inside", "booked_inside", "approved"):
        assert sum(cell.sums.get(name, 0) for cell in grouped.cells) == grouped.whole.sums[name]


def test_several_groupings_at_once(stats: Instance, example: Lab) -> None:
    both = report(stats, Grouping.MONTH, Grouping.REGION)
    assert figure("used_hours", both) == {(date(2026, 3, 1), "vidzeme"): 7.0, (date(2026, 4, 1), "vidzeme"): 0.0}
    assert both.names["vidzeme"] == "Vidzeme"


def test_by_size_class_each_has_its_own_use_of_all_that_was_available(stats: Instance, example: Lab) -> None:
    classes = report(stats, Grouping.SIZE_CLASS, period=EXAMPLE_WEEK)
    assert figure("used_hours", classes) == {"not_a_firm": 3.5, "small": 3.5}
    assert figure("available_hours", classes) == {"not_a_firm": 33.0, "small": 33.0}
    assert figure("utilisation", classes) == {"not_a_firm": 10.6, "small": 10.6}


def test_the_time_zone_of_the_place_decides_the_month(stats: Instance, lab: Lab) -> None:
    first_of_april = datetime(2026, 3, 31, 21, 30, tzinfo=UTC)  # half past midnight in Riga
    tell(stats, lab.hours_told(), *lab.booking(first_of_april, 1).used().events)
    assert figure("completed", report(stats, Grouping.MONTH)) == {date(2026, 3, 1): 0, date(2026, 4, 1): 1}


def test_a_period_in_progress_is_provisional(stats: Instance, lab: Lab) -> None:
    tell(stats, lab.hours_told(), now=NOW + timedelta(hours=9))
    spring = report(stats, Grouping.MONTH, period=Period(date(2026, 3, 1), date(2026, 6, 1)))
    assert [cell.provisional for cell in spring.cells] == [False, False, True]
    assert spring.whole.counted_until == NOW + timedelta(hours=9)
    assert figure("available_hours", spring)[date(2026, 5, 1)] == 3.0


def test_a_future_period_has_only_what_is_ahead(stats: Instance, lab: Lab) -> None:
    soon = NOW + timedelta(days=10)
    tell(stats, lab.hours_told(), *lab.booking(soon, 4).approved().events, *lab.booking(soon, 2).requested().events)
    (cell,) = report(stats, Grouping.EQUIPMENT, period=Period(date(2026, 5, 5), date(2026, 6, 1))).cells
    figures = measures(cell.sums)
    assert (figures["booked_ahead_hours"], figures["bookings_ahead"], figures["requests_ahead"]) == (4.0, 1, 1)
    assert figures["available_hours"] == 0
    assert figures["utilisation"] is None


def test_a_period_without_anything_is_empty(stats: Instance, example: Lab) -> None:
    nothing = report(stats, Grouping.REGION, period=Period(date(2020, 1, 1), date(2020, 2, 1)))
    assert nothing.cells == []
    assert measures(nothing.whole.sums)["available_hours"] == 0


# --- who reads what ---------------------------------------------------------------------------------------


def test_roles_open_figures(example: Lab) -> None:
    facility = uuid4()
    assert queries.reader(make_actor("administrator")).everything
    assert queries.reader(make_actor("funder@vidzeme")).regions == {"vidzeme"}
    assert queries.reader(make_actor(f"operator@{facility}")).facilities == {facility}
    assert queries.reader(make_actor(f"facility_manager@{facility}")).facilities == {facility}
    assert queries.reader(make_actor(f"member@{uuid4()}")).is_public


def test_each_reads_only_what_is_theirs(stats: Instance, example: Lab) -> None:
    other = Lab(name="Autoclave", region="south-moravia", zone="Europe/Prague")
    tell(stats, other.hours_told())
    operator, funder = Reader(facilities=frozenset({other.facility_id})), Reader(regions=frozenset({"vidzeme"}))
    assert set(figure("used_hours", report(stats, Grouping.EQUIPMENT, who=operator))) == {other.equipment_id}
    assert set(figure("used_hours", report(stats, Grouping.EQUIPMENT, who=funder))) == {example.equipment_id}
    theirs: list[dict[str, Any]] = [{"facility": example.facility_id}, {"equipment": example.equipment_id}]
    for filters in theirs:
        with pytest.raises(NoSuchGroup):
            report(stats, who=operator, **filters)
    with pytest.raises(NotYourRegion):
        report(stats, who=operator, region="vidzeme")
    with pytest.raises(NoSuchGroup):
        report(stats, who=ALL, region="atlantis")
    with stats.snapshot() as session:
        assert [choice.value for choice in queries.regions_of(session, operator)] == ["south-moravia"]
        assert [choice.label for choice in queries.facilities_of(session, funder)] == ["Lab of the Nano-CT"]
        assert len(queries.facilities_of(session, ALL, "vidzeme")) == 1


# --- the public -------------------------------------------------------------------------------------------


def many(lab: Lab, organisations: Sequence[int], day: int, month: int) -> list[Any]:
    stories = [
        lab.booking(riga(day + n, 12, month=month), 2, organisation_id=UUID(int=number)).used()
        for n, number in enumerate(organisations)
    ]
    return [event for story in stories for event in story.events]


@pytest.mark.parametrize(
    "finer",
    [
        {"groupings": [Grouping.EQUIPMENT]},
        {"groupings": [Grouping.REGION, Grouping.FACILITY]},
        {"groupings": [Grouping.SIZE_CLASS]},
        {"facility": True},
        {"equipment": True},
    ],
)
def test_the_public_reads_nothing_finer_than_region_and_month(
    stats: Instance, example: Lab, finer: dict[str, Any]
) -> None:
    groupings = finer.get("groupings", [])
    filters: dict[str, Any] = {name: getattr(example, f"{name}_id") for name in finer if name != "groupings"}
    with pytest.raises(TooFine):
        report(stats, *groupings, who=PUBLIC, **filters)


def test_the_public_reads_only_large_groups_and_cannot_find_small_ones_by_subtraction(
    stats: Instance, lab: Lab
) -> None:
    tell(stats, lab.hours_told(), *many(lab, [1, 2, 3], 2, 3), *many(lab, [1, 2, 2], 13, 4))
    by_month = report(stats, Grouping.MONTH, who=PUBLIC)
    march, april = by_month.cells
    assert (march.suppressed, april.suppressed) == (False, True)
    assert published_measures(march.sums, suppressed=False)["used_hours"] == 6.0
    assert published_measures(april.sums, suppressed=True)["used_hours"] is None
    assert published_measures(april.sums, suppressed=True)["available_hours"] == 176.0
    assert by_month.whole.left_out == 1
    assert by_month.whole.sums == march.sums
    by_region = report(stats, Grouping.REGION, who=PUBLIC)
    assert by_region.cells[0].sums == march.sums


def test_the_month_in_progress_is_not_public(stats: Instance, lab: Lab) -> None:
    tell(stats, lab.hours_told(), *many(lab, [1, 2, 3], 13, 4))
    april = report(stats, Grouping.MONTH, who=PUBLIC, today=date(2026, 4, 20))
    assert [cell.key for cell in april.cells] == [(date(2026, 3, 1),)]
    days = report(stats, who=PUBLIC, period=Period(date(2026, 4, 3), date(2026, 4, 20)))
    assert days.cells == []
    assert days.whole.sums == {}


def test_those_who_only_asked_are_counted_apart_from_those_who_used(stats: Instance, lab: Lab) -> None:
    asked = [lab.booking(riga(3 + n, 12), 1, organisation_id=UUID(int=50 + n)).declined() for n in range(3)]
    tell(stats, lab.hours_told(), *many(lab, [1, 2], 9, 3), *(event for story in asked for event in story.events))
    (march, _) = report(stats, Grouping.MONTH, who=PUBLIC).cells
    assert march.suppressed
