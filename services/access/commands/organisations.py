"""Organisations: what they are, how large, and who acts for them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.access import queries
from services.access.commands import people
from services.access.domain.organisations import (
    Figures,
    LastAdministrator,
    NoSuchMember,
    OrganisationKind,
    Profile,
    SizeClass,
    SizeRefused,
    check_organisation,
    size_class_of,
)
from services.access.models import Organisation, Person, SizeDeclaration
from shared.auth import Role, RoleName
from shared.contracts.access import OrganisationChanged
from shared.errors import Fault, Forbidden
from shared.unit_of_work import UnitOfWork

CHANGEABLE = {"name", "kind", "country", "nuts_code", "nuts_version", "nace_code", "nace_revision"}


def register(
    uow: UnitOfWork, *, name: str, email: str, password: str, organisation: Profile, language: str = "en"
) -> Person:
    """A person registers together with their organisation, and becomes its member and administrator.

    Raises `WeakPassword`, `EmailTaken`, `OrganisationRefused` or `SizeRefused`.
    """
    person = people.enter(uow, name=name, email=email, password=password, language=language)
    entered = _enter(uow, organisation, by=person.id)
    for role in (RoleName.MEMBER, RoleName.ORGANISATION_ADMIN):
        people.give(uow, person, Role(role, str(entered.id)))
    _tell(uow, entered)
    people.tell(uow, person)
    return person


def add_organisation(uow: UnitOfWork, *, organisation: Profile, organisation_id: UUID | None = None) -> Organisation:
    """Enter an organisation without people. Only an administrator may.

    Raises `OrganisationRefused` or `SizeRefused`.
    """
    uow.actor.must_administer()
    entered = _enter(uow, organisation, by=uow.actor.id, organisation_id=organisation_id)
    _tell(uow, entered)
    return entered


def change_organisation(uow: UnitOfWork, organisation_id: UUID, **changes: Any) -> Organisation:
    """Change what an organisation is called, where it is seated, what it does. Its administrators may.

    `changes` are any of name, kind, country, nuts_code, nuts_version, nace_code and nace_revision.
    What kind it is only an administrator of the installation changes: aid depends on it.
    Raises `OrganisationRefused`.
    """
    organisation = _own_for_update(uow, organisation_id)
    if changes.get("kind", organisation.kind) is not organisation.kind:
        uow.actor.must_administer()
    for name in CHANGEABLE & changes.keys():
        setattr(organisation, name, changes[name])
    check_organisation(organisation.seat, organisation.sector)
    organisation.size_class = _size_class(uow, organisation)
    _tell(uow, organisation)
    return organisation


def set_active(uow: UnitOfWork, organisation_id: UUID, *, active: bool) -> Organisation:
    """Let an organisation take part, or no longer. Only an administrator may."""
    uow.actor.must_administer()
    organisation = queries.organisation_for_update(uow.session, organisation_id)
    if organisation.active != active:
        organisation.active = active
        _tell(uow, organisation)
    return organisation


def declare_size(uow: UnitOfWork, organisation_id: UUID, *, figures: Figures) -> SizeDeclaration:
    """Take down what a firm declares of one year, and derive its class anew. Its administrators may.

    Raises `SizeRefused`.
    """
    organisation = _own_for_update(uow, organisation_id)
    declaration = _declare(uow, organisation, figures, by=uow.actor.id)
    _tell(uow, organisation)
    return declaration


def add_member(uow: UnitOfWork, organisation_id: UUID, *, email: str, admin: bool = False) -> Person:
    """Let somebody who has an account act for the organisation. Its administrators may.

    Raises `NoSuchMember` if nobody has registered with this address.
    """
    organisation = _own_for_update(uow, organisation_id)
    found = queries.person_by_email(uow.session, email)
    if found is None or not found.active:
        detail = "Nobody has registered with this address. Ask them to register first."
        raise NoSuchMember(detail, faults=[Fault("no-such-member", detail, "email")])
    person = queries.person_for_update(uow.session, found.id)
    names = [RoleName.MEMBER, *([RoleName.ORGANISATION_ADMIN] if admin else [])]
    if any([people.give(uow, person, Role(name, str(organisation.id))) for name in names]):
        people.tell(uow, person)
    return person


def remove_member(uow: UnitOfWork, organisation_id: UUID, person_id: UUID) -> None:
    """Let somebody act for the organisation no longer. Its administrators may; members may leave.

    Raises `NoSuchMember`; `LastAdministrator` rather than leave the organisation to nobody.
    """
    if uow.actor.id == person_id:
        queries.organisation_for(uow.session, uow.actor, organisation_id)
        queries.organisation_for_update(uow.session, organisation_id)
    else:
        _own_for_update(uow, organisation_id)
    scope = str(organisation_id)
    person = queries.person_for_update(uow.session, person_id)
    admins = queries.administrators_for_update(uow.session, scope)
    if admins == {person_id} and not uow.actor.is_administrator:
        raise LastAdministrator("Nobody else administers this organisation. Appoint somebody first.")
    names = (RoleName.MEMBER, RoleName.ORGANISATION_ADMIN)
    if not any([people.take(uow, person, Role(name, scope)) for name in names]):
        raise NoSuchMember("This person does not act for the organisation.")
    people.tell(uow, person)


def _own_for_update(uow: UnitOfWork, organisation_id: UUID) -> Organisation:
    """The organisation, locked, if the actor administers it; to strangers it does not exist."""
    uow.actor.must_be_signed_in()
    queries.organisation_for(uow.session, uow.actor, organisation_id)
    if not (uow.actor.is_administrator or organisation_id in uow.actor.administered_organisations):
        raise Forbidden("Only an administrator of the organisation may do this.")
    return queries.organisation_for_update(uow.session, organisation_id)


def _enter(uow: UnitOfWork, profile: Profile, *, by: UUID, organisation_id: UUID | None = None) -> Organisation:
    check_organisation(profile.seat, profile.sector)
    organisation = Organisation(
        name=profile.name,
        kind=profile.kind,
        country=profile.seat.country,
        nuts_code=profile.seat.nuts_code,
        nuts_version=profile.seat.nuts_version,
        nace_code=profile.sector.nace_code,
        nace_revision=profile.sector.nace_revision,
        created_at=uow.now,
    )
    if organisation_id:
        organisation.id = organisation_id
    uow.session.add(organisation)
    uow.session.flush()
    if profile.figures:
        _declare(uow, organisation, profile.figures, by=by)
    return organisation


def _declare(uow: UnitOfWork, organisation: Organisation, figures: Figures, *, by: UUID) -> SizeDeclaration:
    if organisation.kind is not OrganisationKind.COMPANY:
        fault = Fault("not-a-firm", "Only companies have a size class.", "kind")
        raise SizeRefused("Only companies declare a size.", faults=[fault])
    figures.check(this_year=uow.now.year)
    organisation.size_class = _size_class(uow, organisation, figures)
    declaration = SizeDeclaration(
        organisation_id=organisation.id,
        year=figures.year,
        staff=figures.staff,
        turnover_cents=figures.turnover_cents,
        balance_cents=figures.balance_cents,
        size_class=organisation.size_class or figures.size_class,
        declared_by=by,
        declared_at=uow.now,
    )
    uow.session.add(declaration)
    uow.session.flush()
    return declaration


def _size_class(uow: UnitOfWork, organisation: Organisation, *more: Figures) -> SizeClass | None:
    """The class by all declarations and `more`; None for what is not a firm."""
    if organisation.kind is not OrganisationKind.COMPANY:
        return None
    declared = queries.declarations_of(uow.session, organisation.id)
    return size_class_of([*(each.figures for each in declared), *more])


def _tell(uow: UnitOfWork, organisation: Organisation) -> None:
    """Tell the others how the locked organisation is now."""
    organisation.sequence += 1
    uow.emit(
        OrganisationChanged(
            sequence=organisation.sequence,
            organisation_id=organisation.id,
            name=organisation.name,
            kind=organisation.kind,
            size_class=organisation.size_class,
            country=organisation.country,
            nuts_code=organisation.nuts_code,
            nuts_version=organisation.nuts_version,
            active=organisation.active,
        )
    )
