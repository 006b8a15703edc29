"""Signing in, going on, and signing out."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from services.access import queries
from services.access.commands import keys
from services.access.domain import limits, tokens
from services.access.domain.people import (
    NoSuchSession,
    SignIn,
    WrongCredentials,
    email_key,
    hash_password,
    is_outdated,
)
from services.access.models import Person, RefreshToken, SignInAttempts, SignInSession
from shared.unit_of_work import UnitOfWork

TWO_TABS = timedelta(seconds=20)  # within which two pages of one browser may renew with the same token
KEPT_AFTER_END = timedelta(days=1)


def attempt_sign_in(uow: UnitOfWork, *, email: str, address: str) -> SignIn:
    """Count an attempt to sign in with `email` from a network `address`, before anything is compared.

    It counts as failed until `sign_in` takes it back, so that attempts made side by side are all counted.
    Commit before checking. Raises `TooManyAttempts`.
    """
    email = email_key(email)
    for limit in limits.limits_of(account=email, address=address):
        attempts = _attempts_for_update(uow, limit.key)
        limits.check_limit(attempts.blocked_until, now=uow.now)
        attempts.failures += 1
        attempts.last_at = uow.now
        delay = limit.delay(attempts.failures)
        attempts.blocked_until = uow.now + delay if delay else None
    person = queries.person_by_email(uow.session, email)
    if person is None or not person.active:
        return SignIn(email, address, None, None)
    return SignIn(email, address, person.id, person.password_hash)


def sign_in(uow: UnitOfWork, attempt: SignIn, *, password: str, client: str = "") -> tokens.Tokens:
    """Begin a session after `attempt.check(password)`.

    Raises `WrongCredentials` if the person was locked out or got another password meanwhile.
    """
    if attempt.person_id is None:
        raise WrongCredentials("The address or the password is not right.")
    person = queries.person_for_update(uow.session, attempt.person_id)
    if not person.active or person.password_hash != attempt.password_hash:
        raise WrongCredentials("The address or the password is not right.")
    if is_outdated(person.password_hash):
        person.password_hash = hash_password(password)
    _take_back(uow, attempt)
    return open_session(uow, person, client=client)


def open_session(uow: UnitOfWork, person: Person, *, client: str = "") -> tokens.Tokens:
    """Begin a session of somebody who has just proved who they are."""
    session = SignInSession(
        person_id=person.id,
        epoch=person.token_epoch,
        client=client[:255],
        created_at=uow.now,
        last_used_at=uow.now,
        expires_at=tokens.session_end(created_at=uow.now, now=uow.now),
    )
    uow.session.add(session)
    uow.session.flush()
    return _issued(uow, session, person)


def renew(uow: UnitOfWork, *, refresh_token: str, grace: timedelta = timedelta()) -> tokens.Tokens | None:
    """New tokens for a refresh token, which is used up; None if it is not, or no longer, good.

    A token that was used before has been stolen from somebody: the whole session ends, so do not
    raise before this is committed. Within `grace` after its first use it is taken for a second tab.
    """
    digest = tokens.digest(refresh_token)
    token = queries.refresh_token(uow.session, digest)
    session = queries.session_for_update(uow.session, token.session_id) if token else None
    token = queries.refresh_token(uow.session, digest)  # as it is now that nobody else can use it
    if session is None or token is None:
        return None
    person = queries.person(uow.session, session.person_id)
    if session.revoked_at or session.expires_at <= uow.now:
        return None
    if not person.active or session.epoch != person.token_epoch:
        return None
    if token.used_at and (not grace or uow.now > token.used_at + grace):
        session.revoked_at = uow.now
        return None
    token.used_at = token.used_at or uow.now
    session.last_used_at = uow.now
    session.expires_at = tokens.session_end(created_at=session.created_at, now=uow.now)
    return _issued(uow, session, person)


def end_session(uow: UnitOfWork, session_id: UUID) -> None:
    """End one of the actor's own sessions. Raises `NoSuchSession`."""
    uow.actor.must_be_signed_in()
    session = queries.session_for_update(uow.session, session_id)
    if session is None or session.person_id != uow.actor.id:
        raise NoSuchSession("There is no such session.")
    session.revoked_at = session.revoked_at or uow.now


def sign_out(uow: UnitOfWork, *, refresh_token: str) -> None:
    """End the session that a refresh token is of, if there is one."""
    token = queries.refresh_token(uow.session, tokens.digest(refresh_token))
    if token and (session := queries.session_for_update(uow.session, token.session_id)):
        session.revoked_at = session.revoked_at or uow.now


def forget_sessions(uow: UnitOfWork) -> None:
    """Forget sessions that have been over for a day."""
    before = uow.now - KEPT_AFTER_END
    over = select(SignInSession.id).where(or_(SignInSession.expires_at <= before, SignInSession.revoked_at <= before))
    uow.session.execute(delete(RefreshToken).where(RefreshToken.session_id.in_(over)))
    uow.session.execute(delete(SignInSession).where(SignInSession.id.in_(over)))


def forget_attempts(uow: UnitOfWork) -> None:
    """Forget attempts to sign in after a day without another."""
    before = uow.now - limits.FORGOTTEN_AFTER
    uow.session.execute(delete(SignInAttempts).where(SignInAttempts.last_at <= before))


def _issued(uow: UnitOfWork, session: SignInSession, person: Person) -> tokens.Tokens:
    refresh_token = tokens.new_refresh_token()
    uow.session.add(RefreshToken(digest=tokens.digest(refresh_token), session_id=session.id, issued_at=uow.now))
    access_token = tokens.sign(
        keys.signing_key(uow).private_jwk,
        now=uow.now,
        session_id=session.id,
        sub=str(person.id),
        name=person.name,
        email=person.email,
        roles=[str(role) for role in queries.roles_of(uow.session, person.id)],
    )
    return tokens.Tokens(access_token=access_token, refresh_token=refresh_token, session_id=session.id)


def _attempts_for_update(uow: UnitOfWork, key: str) -> SignInAttempts:
    """The counter of `key`, locked; made if there is none."""
    insert = postgresql.insert if uow.session.get_bind().dialect.name == "postgresql" else sqlite.insert
    new = insert(SignInAttempts).values(key=key, failures=0, last_at=uow.now)
    uow.session.execute(new.on_conflict_do_nothing())
    return uow.session.get_one(SignInAttempts, key, with_for_update=True, populate_existing=True)


def _take_back(uow: UnitOfWork, attempt: SignIn) -> None:
    """What turned out right was no failure; and who knows the password may forget earlier mistakes."""
    account, address = limits.limits_of(account=attempt.email, address=attempt.address)
    uow.session.execute(delete(SignInAttempts).where(SignInAttempts.key == account.key))
    shared = _attempts_for_update(uow, address.key)
    shared.failures = max(shared.failures - 1, 0)
    if not address.delay(shared.failures):
        shared.blocked_until = None
