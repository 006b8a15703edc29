"""What is done by the clock."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from services.access import jobs, queries
from services.access.commands import keys, sessions
from services.access.domain import tokens
from services.access.models import Person, RefreshToken, SignInAttempts, SigningKey, SignInSession
from shared.clock import utc_now
from shared.service import Instance


def count(access: Instance, table: type) -> int:
    with access.snapshot() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def test_sessions_and_attempts_are_forgotten_a_day_after_they_ended(access: Instance, ben: Person) -> None:
    for days in (3, 0):
        with access.begin(now=utc_now() - timedelta(days=days)) as uow:
            sessions.open_session(uow, queries.person(uow.session, ben.id))
            sessions.attempt_sign_in(uow, email=f"{days}@owl.example", address=f"192.0.2.{days}")
    jobs.forget_what_is_over(access)
    jobs.forget_what_is_over(access)
    assert count(access, SignInSession) == 1
    assert count(access, RefreshToken) == 1
    assert count(access, SignInAttempts) == 2  # the account and the address of today


def test_a_key_is_published_before_it_signs_and_after_it_has_signed(access: Instance) -> None:
    with access.begin() as uow:
        first = keys.signing_key(uow).kid
    moment = utc_now() + tokens.KEY_LIFE + timedelta(seconds=1)

    def after(wait: timedelta) -> tuple[str, set[str]]:
        nonlocal moment
        moment += wait
        with access.begin(now=moment) as uow:
            keys.rotate_keys(uow)
            return keys.signing_key(uow).kid, {each["kid"] for each in queries.public_keys(uow.session)["keys"]}

    signing, published = after(timedelta())
    assert signing == first
    assert len(published) == 2
    assert after(timedelta(minutes=1)) == (first, published)  # twice is harmless
    signing, published = after(tokens.KEY_AHEAD)
    assert signing != first
    assert published == {first, signing}
    assert after(tokens.KEY_AFTERLIFE) == (signing, {signing})
    assert count(access, SigningKey) == 1


def test_the_job_leaves_a_young_key_alone(access: Instance) -> None:
    jobs.rotate_keys(access)
    assert count(access, SigningKey) == 1
