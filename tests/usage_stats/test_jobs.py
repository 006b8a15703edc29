"""What the clock does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from services.usage_stats.jobs import JOBS, count_time_that_passed
from services.usage_stats.models import Equipment, EquipmentDay
from shared.service import Instance
from tests.usage_stats.conftest import Lab, tell


def test_every_instrument_is_counted_up_to_now(stats: Instance, lab: Lab) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=40)
    other = Lab(name="Autoclave")
    for each in (lab, other):
        tell(stats, each.hours_told(valid_from=long_ago.date()), now=long_ago)
    count_time_that_passed(stats)
    with stats.snapshot() as session:
        per_instrument = sa.select(sa.func.count()).select_from(EquipmentDay).group_by(EquipmentDay.equipment_id)
        assert all(count >= 40 for count in session.scalars(per_instrument))
        lag = datetime.now(UTC) - min(session.scalars(sa.select(Equipment.counted_until)))
    assert lag < timedelta(minutes=1)
    count_time_that_passed(stats)


def test_the_job_runs_by_the_clock() -> None:
    assert [job.run for job in JOBS] == [count_time_that_passed]
