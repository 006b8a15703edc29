"""What access does by the clock."""

from __future__ import annotations

from datetime import timedelta

from services.access.commands import keys, sessions
from shared.service import Instance, Job


def forget_what_is_over(access: Instance) -> None:
    """Forget sessions that ended and attempts to sign in, a day later."""
    with access.begin() as uow:
        sessions.forget_sessions(uow)
    with access.begin() as uow:
        sessions.forget_attempts(uow)


def rotate_keys(access: Instance) -> None:
    """Let a new key sign every month; the old one is published until its tokens are over."""
    with access.begin() as uow:
        keys.rotate_keys(uow)


JOBS = (
    Job(forget_what_is_over, every=timedelta(hours=1)),
    Job(rotate_keys, every=timedelta(minutes=30)),
)
