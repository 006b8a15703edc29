"""When a mail is tried again, and when to stop."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

RETRIES = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
    timedelta(hours=12),
    timedelta(hours=24),
)
LOOK_AGAIN = timedelta(seconds=30)  # for a recipient of whom nothing was heard yet
LOOK_AGAIN_LATER = timedelta(minutes=10)
GIVE_UP_LOOKING = timedelta(days=14)
STALE = timedelta(days=7)


class Channel(StrEnum):
    """The way a notice takes."""

    IN_APP = "in_app"
    EMAIL = "email"


class RecipientKind(StrEnum):
    """Who is meant: a person, or whoever operates a facility."""

    PERSON = "person"
    FACILITY = "facility"


class NoticeState(StrEnum):
    """How far the telling is."""

    DUE = "due"  # to be mailed, or its readers still to be found
    SHOWN = "shown"  # on the page of its reader
    SENT = "sent"  # the mail server took it
    PASSED_ON = "passed_on"  # became notices of the facility's operators
    SUPPRESSED = "suppressed"  # not wanted, or too late to be of use
    FAILED = "failed"  # refused for good, or tried for too long


class Outcome(StrEnum):
    """What came of one attempt to deliver."""

    SENT = "sent"
    POSTPONED = "postponed"
    REFUSED = "refused"


def next_try(attempts: int, *, now: datetime) -> datetime | None:
    """When to try again after `attempts` vain ones; None: not any more."""
    return now + RETRIES[attempts - 1] if attempts <= len(RETRIES) else None


def next_look(told_at: datetime, *, now: datetime) -> datetime | None:
    """When to look again for a recipient not heard of; None: give up."""
    age = now - told_at
    if age > GIVE_UP_LOOKING:
        return None
    return now + (LOOK_AGAIN if age < timedelta(hours=1) else LOOK_AGAIN_LATER)


def too_late(*, told_at: datetime, slot_ends_at: datetime, now: datetime) -> bool:
    """Whether a mail would only puzzle: the news is old and the time it speaks of is over.

    So that a log heard again from its beginning fills the pages and no letter-boxes.
    """
    return now - told_at > STALE and slot_ends_at < now
