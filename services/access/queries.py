"""Reads. They take a session and never write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select, tuple_
from sqlalchemy.orm import Session

from services.access.domain import tokens
from services.access.domain.organisations import NoSuchOrganisation
from services.access.domain.people import NoSuchPerson, email_key
from services.access.models import (
    KnownFacility,
    KnownRegion,
    Organisation,
    Person,
    RefreshToken,
    RoleGrant,
    SigningKey,
    SignInSession,
    SizeDeclaration,
)
from shared.auth import Actor, Role, RoleName

OF_ORGANISATION = (RoleName.MEMBER, RoleName.ORGANISATION_ADMIN)
OF_FACILITY = (RoleName.OPERATOR, RoleName.FACILITY_MANAGER)


# People


def person(session: Session, person_id: UUID) -> Person:
    if found := session.get(Person, person_id):
        return found
    raise NoSuchPerson("There is no such person.")


def person_for_update(session: Session, person_id: UUID) -> Person:
    """The person as they are now, locked until commit: what is decided about them waits."""
    if found := session.get(Person, person_id, with_for_update=True, populate_existing=True):
        return found
    raise NoSuchPerson("There is no such person.")


def person_by_email(session: Session, email: str) -> Person | None:
    return session.scalar(select(Person).where(Person.email == email_key(email)))


def people(
    session: Session, *, q: str = "", after: tuple[str, UUID] | None = None, limit: int = 50
) -> Sequence[Person]:
    """People whose name or address contains `q`, by name; `after` is the last of the page before."""
    wanted = select(Person).order_by(Person.name, Person.id).limit(limit)
    if q:
        wanted = wanted.where(
            or_(Person.name.icontains(q, autoescape=True), Person.email.icontains(q, autoescape=True))
        )
    if after:
        wanted = wanted.where(tuple_(Person.name, Person.id) > tuple_(*after))
    return session.scalars(wanted).all()


# Roles


def grant(session: Session, person_id: UUID, role: Role) -> RoleGrant | None:
    """The grant by which the person has `role` at present."""
    return session.scalar(
        select(RoleGrant).where(
            RoleGrant.person_id == person_id,
            RoleGrant.role == role.name,
            RoleGrant.scope == role.scope,
            RoleGrant.revoked_at.is_(None),
        )
    )


def roles_of(session: Session, person_id: UUID) -> list[Role]:
    """The roles the person has at present, in the order of their names."""
    grants = session.scalars(select(RoleGrant).where(RoleGrant.person_id == person_id, RoleGrant.revoked_at.is_(None)))
    return sorted(grant.as_role for grant in grants)


def roles_by_person(session: Session, people_: Iterable[Person]) -> dict[UUID, list[Role]]:
    """The present roles of each of `people_`."""
    ids = [each.id for each in people_]
    roles: dict[UUID, list[Role]] = {person_id: [] for person_id in ids}
    for grant_ in session.scalars(
        select(RoleGrant).where(RoleGrant.person_id.in_(ids), RoleGrant.revoked_at.is_(None))
    ):
        roles[grant_.person_id].append(grant_.as_role)
    return {person_id: sorted(each) for person_id, each in roles.items()}


def administrators_for_update(session: Session, scope: str = "") -> set[UUID]:
    """Who, being active, administers the organisation `scope`, or the installation; locked, so that
    the last two cannot remove one another at the same moment."""
    name = RoleName.ORGANISATION_ADMIN if scope else RoleName.ADMINISTRATOR
    grants = select(RoleGrant).where(RoleGrant.role == name, RoleGrant.scope == scope, RoleGrant.revoked_at.is_(None))
    session.scalars(grants.order_by(RoleGrant.id).with_for_update()).all()
    # Looked at after the lock, in a statement of its own: the first one saw who was active before it waited.
    holders = grants.join(Person, Person.id == RoleGrant.person_id).where(Person.active)
    return set(session.scalars(holders.with_only_columns(RoleGrant.person_id)))


def scope_names(session: Session, roles: Iterable[Role]) -> dict[str, str]:
    """What people call the organisations, facilities and regions that `roles` are of, as far as known here."""
    roles = list(roles)

    def scopes(*names: RoleName) -> list[UUID]:
        return [UUID(role.scope) for role in roles if role.name in names]

    regions = [role.scope for role in roles if role.name is RoleName.FUNDER]
    found: list[Any] = [
        *session.scalars(select(Organisation).where(Organisation.id.in_(scopes(*OF_ORGANISATION)))),
        *session.scalars(select(KnownFacility).where(KnownFacility.id.in_(scopes(*OF_FACILITY)))),
        *session.scalars(select(KnownRegion).where(KnownRegion.id.in_(regions))),
    ]
    return {str(each.id): each.name for each in found}


# Organisations


def organisation(session: Session, organisation_id: UUID) -> Organisation:
    if found := session.get(Organisation, organisation_id):
        return found
    raise NoSuchOrganisation("There is no such organisation.")


def organisation_for(session: Session, actor: Actor, organisation_id: UUID) -> Organisation:
    """The organisation, if it is one of the actor's own; to others it does not exist."""
    if not (actor.is_administrator or organisation_id in actor.organisations):
        raise NoSuchOrganisation("There is no such organisation.")
    return organisation(session, organisation_id)


def organisation_for_update(session: Session, organisation_id: UUID) -> Organisation:
    """The organisation as it is now, locked until commit."""
    if found := session.get(Organisation, organisation_id, with_for_update=True, populate_existing=True):
        return found
    raise NoSuchOrganisation("There is no such organisation.")


def organisations_of(session: Session, person_id: UUID) -> Sequence[Organisation]:
    """The organisations for which the person acts at present, by name."""
    ids = {UUID(role.scope) for role in roles_of(session, person_id) if role.name in OF_ORGANISATION}
    return session.scalars(
        select(Organisation).where(Organisation.id.in_(ids)).order_by(Organisation.name, Organisation.id)
    ).all()


def organisations(
    session: Session,
    *,
    actor: Actor,
    q: str = "",
    after: tuple[str, UUID] | None = None,
    limit: int = 50,
) -> Sequence[Organisation]:
    """The actor's organisations, or all for an administrator, whose name contains `q`, by name."""
    wanted = select(Organisation).order_by(Organisation.name, Organisation.id).limit(limit)
    if not actor.is_administrator:
        wanted = wanted.where(Organisation.id.in_(actor.organisations))
    if q:
        wanted = wanted.where(Organisation.name.icontains(q, autoescape=True))
    if after:
        wanted = wanted.where(tuple_(Organisation.name, Organisation.id) > tuple_(*after))
    return session.scalars(wanted).all()


def declarations_of(session: Session, organisation_id: UUID) -> Sequence[SizeDeclaration]:
    """Everything the organisation declared of its size, in the order in which it did."""
    return session.scalars(
        select(SizeDeclaration)
        .where(SizeDeclaration.organisation_id == organisation_id)
        .order_by(SizeDeclaration.declared_at, SizeDeclaration.id)
    ).all()


@dataclass(frozen=True, slots=True)
class Member:
    """A person in an organisation."""

    person_id: UUID
    name: str
    email: str
    active: bool
    is_admin: bool
    since: datetime


def members_of(session: Session, organisation_id: UUID) -> list[Member]:
    """Who acts for the organisation at present, by name."""
    rows = session.execute(
        select(Person, RoleGrant)
        .join(RoleGrant, RoleGrant.person_id == Person.id)
        .where(RoleGrant.scope == str(organisation_id), RoleGrant.role.in_(OF_ORGANISATION))
        .where(RoleGrant.revoked_at.is_(None))
        .order_by(Person.name, Person.id)
    )
    members: dict[UUID, Member] = {}
    for each, grant_ in rows:
        known = members.get(each.id)
        is_admin = grant_.role is RoleName.ORGANISATION_ADMIN or (known is not None and known.is_admin)
        since = min(grant_.granted_at, known.since) if known else grant_.granted_at
        members[each.id] = Member(each.id, each.name, each.email, each.active, is_admin, since)
    return list(members.values())


def regions(session: Session) -> Sequence[KnownRegion]:
    """The regions of the catalogue, by name."""
    return session.scalars(select(KnownRegion).order_by(KnownRegion.name)).all()


def facilities(session: Session) -> Sequence[KnownFacility]:
    """The facilities of the catalogue, by name."""
    return session.scalars(select(KnownFacility).order_by(KnownFacility.name)).all()


# Sessions and keys


def session_for_update(session: Session, session_id: UUID) -> SignInSession | None:
    return session.get(SignInSession, session_id, with_for_update=True, populate_existing=True)


def refresh_token(session: Session, digest: str) -> RefreshToken | None:
    return session.get(RefreshToken, digest, populate_existing=True)


def sessions_of(session: Session, person_id: UUID, now: datetime) -> Sequence[SignInSession]:
    """Where the person is signed in at present, last used first."""
    return session.scalars(
        select(SignInSession)
        .join(Person, Person.id == SignInSession.person_id)
        .where(SignInSession.person_id == person_id, SignInSession.epoch == Person.token_epoch)
        .where(SignInSession.revoked_at.is_(None), SignInSession.expires_at > now)
        .order_by(SignInSession.last_used_at.desc(), SignInSession.id)
    ).all()


def signing_keys(session: Session) -> Sequence[SigningKey]:
    """Every key that is published, newest first."""
    return session.scalars(select(SigningKey).order_by(SigningKey.generation.desc())).all()


def public_keys(session: Session) -> dict[str, Any]:
    """The JWK set with which anybody can verify access tokens; the key that signs next is in it already."""
    return {"keys": [tokens.public(key.private_jwk) for key in signing_keys(session)]}
