"""What booking does by the clock. Each booking is closed in a unit of work of its own."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from services.booking import commands, queries
from services.booking.domain.hours import RENEWED_BELOW
from services.booking.domain.rules import GRACE
from services.booking.domain.states import State
from shared.clock import utc_now
from shared.errors import Conflict
from shared.service import Instance, Job

log = logging.getLogger(__name__)

_BATCH = 500
_WHAT_THE_CLOCK_DOES = {
    State.REQUESTED: commands.expire,
    State.APPROVED: commands.close_missed,
    State.IN_USE: commands.check_out,
}


def close_what_is_due(booking: Instance, *, now: datetime | None = None) -> None:
    """Let requests lapse nobody decided, record no-shows, and end use nobody checked out of."""
    moment = now or utc_now()
    with booking.snapshot() as session:
        due = queries.due(session, undecided=moment, missed=moment, unfinished=moment - GRACE, limit=_BATCH)
    for booking_id, state in due:
        try:
            with booking.begin(now=moment) as uow:
                _WHAT_THE_CLOCK_DOES[state](uow, booking_id)
        except Conflict as refusal:
            log.info("booking %s was changed meanwhile: %s", booking_id, refusal)


def extend_closed_days(booking: Instance, *, now: datetime | None = None) -> None:
    """Resolve public holidays that have come within reach, so that they are always known far ahead."""
    moment = now or utc_now()
    with booking.snapshot() as session:
        short = queries.weeks_known_short(session, moment.date() + RENEWED_BELOW)
        scopes = {(week.scope, week.scope_id) for week in short}
    for scope, scope_id in sorted(scopes):
        with booking.begin(now=moment) as uow:
            commands.extend_closed_days(uow, scope=scope, scope_id=scope_id)


JOBS = (
    Job(close_what_is_due, every=timedelta(minutes=1)),
    Job(extend_closed_days, every=timedelta(hours=6)),
)
