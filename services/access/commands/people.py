"""People: their profile, their password, their roles."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.exc import IntegrityError

from services.access import queries
from services.access.domain.organisations import LastAdministrator
from services.access.domain.people import (
    EmailTaken,
    NoSuchRole,
    RoleRefused,
    WrongPassword,
    check_password,
    email_key,
    hash_password,
    proves,
)
from services.access.models import Organisation, Person, RoleGrant
from shared.auth import Role, RoleName
from shared.contracts.access import PersonChanged
from shared.errors import Fault
from shared.unit_of_work import UnitOfWork


def add_person(
    uow: UnitOfWork,
    *,
    name: str,
    email: str,
    password: str,
    language: str = "en",
    roles: tuple[Role, ...] = (),
    person_id: UUID | None = None,
) -> Person:
    """Enter somebody, with roles. Only an administrator may. Raises `WeakPassword`, `EmailTaken`, `RoleRefused`."""
    uow.actor.must_administer()
    for role in roles:
        _check_scope(uow, role)
    person = enter(uow, name=name, email=email, password=password, language=language, person_id=person_id)
    for role in roles:
        give(uow, person, role)
    tell(uow, person)
    return person


def change_profile(uow: UnitOfWork, *, name: str | None = None, language: str | None = None) -> Person:
    """Change what the actor is called, or in which language they are told things."""
    uow.actor.must_be_signed_in()
    person = queries.person_for_update(uow.session, uow.actor.id)
    person.name = name or person.name
    person.language = language or person.language
    tell(uow, person)
    return person


def change_password(uow: UnitOfWork, *, present: str, password: str, keep_session: UUID | None = None) -> Person:
    """Give the actor another password and end their sessions, but for `keep_session`.

    Raises `WrongPassword` if `present` is not theirs, or `WeakPassword`.
    """
    uow.actor.must_be_signed_in()
    person = queries.person_for_update(uow.session, uow.actor.id)
    if not proves(present, person.password_hash):
        fault = Fault("wrong-password", "This is not your present password.", "present_password")
        raise WrongPassword("Repeat your present password.", faults=[fault])
    check_password(password, name=person.name, email=person.email)
    person.password_hash = hash_password(password)
    end_sessions(uow, person, but=keep_session)
    tell(uow, person)
    return person


def end_sessions(uow: UnitOfWork, person: Person, *, but: UUID | None = None) -> None:
    """End every session of a locked person, but for one that they still use."""
    person.token_epoch += 1
    kept = but and queries.session_for_update(uow.session, but)
    if kept and kept.person_id == person.id:
        kept.epoch = person.token_epoch


def set_active(uow: UnitOfWork, person_id: UUID, *, active: bool) -> Person:
    """Let somebody sign in, or no longer; their sessions end. Only an administrator may.

    Raises `LastAdministrator` rather than leave the installation to nobody.
    """
    uow.actor.must_administer()
    person = queries.person_for_update(uow.session, person_id)
    if person.active == active:
        return person
    if not active:
        _spare_last_administrator(uow, person_id)
        end_sessions(uow, person)
    person.active = active
    tell(uow, person)
    return person


def grant_role(uow: UnitOfWork, person_id: UUID, *, role: Role) -> Person:
    """Give somebody a role; nothing changes if they have it. Only an administrator may. Raises `RoleRefused`."""
    uow.actor.must_administer()
    person = queries.person_for_update(uow.session, person_id)
    _check_scope(uow, role)
    if give(uow, person, role):
        tell(uow, person)
    return person


def revoke_role(uow: UnitOfWork, person_id: UUID, *, role: Role) -> Person:
    """Take a role away. Only an administrator may. Raises `NoSuchRole`, `LastAdministrator`."""
    uow.actor.must_administer()
    person = queries.person_for_update(uow.session, person_id)
    if role.name is RoleName.ADMINISTRATOR:
        _spare_last_administrator(uow, person_id)
    if not take(uow, person, role):
        raise NoSuchRole("This person does not have this role.")
    tell(uow, person)
    return person


def ensure_administrator(uow: UnitOfWork, *, email: str, password: str) -> Person:
    """That somebody with this address administers the installation; an existing account keeps its password.

    Raises `WeakPassword`.
    """
    person = queries.person_by_email(uow.session, email)
    if person is None:
        person = enter(uow, name="Administrator", email=email, password=password, language="en")
    else:
        person = queries.person_for_update(uow.session, person.id)
    if give(uow, person, Role(RoleName.ADMINISTRATOR)):
        tell(uow, person)
    return person


# Parts of use cases: they check no rights, and the caller tells.


def enter(
    uow: UnitOfWork, *, name: str, email: str, password: str, language: str, person_id: UUID | None = None
) -> Person:
    """A new person. Raises `WeakPassword`; `EmailTaken`, also when two register at the same moment."""
    check_password(password, name=name, email=email)
    person = Person(
        name=name,
        email=email_key(email),
        language=language,
        password_hash=hash_password(password),
        created_at=uow.now,
    )
    if person_id:
        person.id = person_id
    try:
        with uow.session.begin_nested():
            uow.session.add(person)
    except IntegrityError:
        fault = Fault("email-taken", "Somebody has registered with this address. Sign in instead.", "email")
        raise EmailTaken("This address is registered already.", faults=[fault]) from None
    return person


def give(uow: UnitOfWork, person: Person, role: Role) -> bool:
    """Whether the locked person has the role now and did not have it before."""
    if queries.grant(uow.session, person.id, role):
        return False
    granted_by = uow.actor.id if uow.actor.signed_in else person.id
    uow.session.add(
        RoleGrant(
            person_id=person.id,
            role=role.name,
            scope=role.scope,
            granted_by=granted_by,
            granted_at=uow.now,
        )
    )
    uow.session.flush()
    return True


def take(uow: UnitOfWork, person: Person, role: Role) -> bool:
    """Whether the locked person had the role and no longer has it."""
    grant = queries.grant(uow.session, person.id, role)
    if grant is None:
        return False
    grant.revoked_at, grant.revoked_by = uow.now, uow.actor.id
    uow.session.flush()
    return True


def tell(uow: UnitOfWork, person: Person) -> None:
    """Tell the others how the locked person is now."""
    person.sequence += 1
    uow.emit(
        PersonChanged(
            sequence=person.sequence,
            person_id=person.id,
            name=person.name,
            email=person.email,
            language=person.language,
            active=person.active,
            roles=tuple(str(role) for role in queries.roles_of(uow.session, person.id)),
        )
    )


def _check_scope(uow: UnitOfWork, role: Role) -> None:
    """Raise `RoleRefused` unless there is what the role is of, as far as access can know."""
    if role.name in queries.OF_ORGANISATION and uow.session.get(Organisation, UUID(role.scope)) is None:
        fault = Fault("scope-unknown", "There is no such organisation.", "role")
        raise RoleRefused("There is nothing that this role could be of.", faults=[fault])


def _spare_last_administrator(uow: UnitOfWork, person_id: UUID) -> None:
    if queries.administrators_for_update(uow.session) == {person_id}:
        raise LastAdministrator("This is the last administrator. Appoint another one first.")
