"""Counting goes on by itself, and can be done anew."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from services.usage_stats import __main__ as program
from services.usage_stats import commands
from services.usage_stats.models import Equipment, EquipmentDay
from shared.service import Instance
from tests.usage_stats.conftest import NOW, Lab, rows, tell

MONDAY = datetime(2026, 4, 13, 6, tzinfo=UTC)


def extend(stats: Instance, lab: Lab, now: datetime) -> None:
    with stats.begin(now=now) as uow:
        commands.extend(uow, lab.equipment_id)


def test_counting_catches_up_after_a_stop_of_any_length(stats: Instance, lab: Lab) -> None:
    tell(stats, lab.hours_told(), now=datetime(2026, 3, 1, 12, tzinfo=UTC))
    assert len(rows(stats)[0]) == 1
    extend(stats, lab, NOW)
    days = [row[1] for row in rows(stats)[0]]
    assert days == [date(2026, 3, 1) + timedelta(days=n) for n in range(62)]
    before = rows(stats)
    extend(stats, lab, NOW)
    extend(stats, lab, NOW - timedelta(days=3))
    assert rows(stats) == before


def test_the_day_in_progress_grows_until_it_is_over(stats: Instance, lab: Lab) -> None:
    noon = MONDAY + timedelta(hours=3)
    tell(stats, lab.hours_told(), *lab.booking(MONDAY, 8).checked_in().events, now=noon)

    def monday() -> EquipmentDay:
        with stats.snapshot() as session:
            return session.get_one(EquipmentDay, (lab.equipment_id, date(2026, 4, 13)))

    assert (monday().used_inside, monday().provisional) == (3 * 3600, True)
    extend(stats, lab, noon + timedelta(hours=1))
    assert (monday().used_inside, monday().available) == (4 * 3600, 4 * 3600)
    tell(stats, *lab.booking(MONDAY, 8).events, now=noon)
    extend(stats, lab, NOW)
    assert monday().counted_until == datetime(2026, 4, 13, 21, tzinfo=UTC)


def test_a_booking_that_was_ahead_begins_by_itself(stats: Instance, lab: Lab) -> None:
    tell(stats, lab.hours_told(), *lab.booking(MONDAY, 4).approved().events, now=MONDAY - timedelta(days=2))
    extend(stats, lab, NOW)
    with stats.snapshot() as session:
        day = session.execute(sa.text("SELECT approved, booked_ahead, booked_inside FROM organisation_day")).one()
    assert tuple(day) == (1, 0, 4 * 3600)


def test_equipment_nobody_told_of_is_not_counted(stats: Instance, lab: Lab) -> None:
    extend(stats, lab, NOW)
    assert rows(stats) == ([], [])


def test_rebuilding_gives_the_same_rows(
    stats: Instance, lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Lab(name="Autoclave")
    tell(stats, lab.equipment_told(), lab.hours_told(), other.equipment_told(units=2), other.hours_told())
    tell(stats, *lab.booking(MONDAY, 4).used().events, *lab.booking(MONDAY + timedelta(hours=5), 2).no_show().events)
    tell(
        stats,
        *other.booking(MONDAY, 30, unit=2).used().events,
        *other.booking(NOW + timedelta(days=9), 2).approved().events,
    )
    tell(stats, lab.down(MONDAY + timedelta(days=1), MONDAY + timedelta(days=1, hours=2)))
    extend(stats, lab, datetime.now(UTC))
    extend(stats, other, datetime.now(UTC))
    days, organisations = rows(stats)
    with stats.begin() as uow:
        uow.session.execute(sa.update(EquipmentDay).values(available=1))
        uow.session.execute(sa.text("DELETE FROM organisation_day"))
    assert program.rebuild(stats) == 2
    assert "Counting equipment anew" in capsys.readouterr().out
    rebuilt_days, rebuilt_organisations = rows(stats)
    assert rebuilt_organisations == organisations
    over = [row for row in days if not row[4]]
    assert [row for row in rebuilt_days if not row[4]] == over
    with stats.snapshot() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Equipment)) == 2
