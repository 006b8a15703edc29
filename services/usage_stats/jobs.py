"""What is done by the clock."""

from __future__ import annotations

from datetime import timedelta

from services.usage_stats import commands, queries
from shared.clock import utc_now
from shared.service import Instance, Job


def count_time_that_passed(stats: Instance) -> None:
    """Bring every day up to now: also days on which nothing happened have hours that were available.

    After a stop of any length it goes on where it was, one piece of equipment at a time.
    """
    with stats.snapshot() as session:
        due = queries.equipment_counted_before(session, utc_now())
    for equipment_id in due:
        with stats.begin() as uow:
            commands.extend(uow, equipment_id)


JOBS = (Job(count_time_that_passed, every=timedelta(minutes=10)),)
