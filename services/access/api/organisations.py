"""Organisations, to those who act for them and to administrators."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.access import queries
from services.access.api.cursors import name_cursor, page_of
from services.access.commands import organisations
from services.access.models import Organisation, SizeDeclaration
from services.access.schemas import (
    ChangeOrganisationSchema,
    MemberSchema,
    NewMemberSchema,
    NewOrganisationSchema,
    OrganisationSchema,
    OrganisationsPage,
    OrganisationsQuery,
    SizeDeclarationSchema,
    SizeSchema,
)
from shared.web.api import Blueprint, etag, located, must_match
from shared.web.app import current_actor, snapshot, work
from shared.web.auth import require_login
from shared.web.paging import Page

blueprint = Blueprint(
    "organisations",
    __name__,
    url_prefix="/api/v1/organisations",
    description="Organisations, their size and members",
)
blueprint.before_request(require_login)


@blueprint.get("")
@blueprint.takes(OrganisationsQuery, location="query")
@blueprint.gives(OrganisationsPage)
def organisations_(wanted: dict[str, Any]) -> Page[Organisation]:
    """List your organisations; all of them, for an administrator"""
    with snapshot() as session:
        found = queries.organisations(
            session,
            actor=current_actor(),
            q=wanted["q"],
            after=name_cursor(wanted["cursor"]),
            limit=wanted["limit"] + 1,
        )
    return page_of(found, wanted["limit"])


@blueprint.post("")
@blueprint.takes(NewOrganisationSchema)
@blueprint.gives(OrganisationSchema, 201)
def add_organisation(wanted: dict[str, Any]) -> Organisation:
    """Enter an organisation without people, as an administrator"""
    with work() as uow:
        organisation = organisations.add_organisation(uow, **wanted)
    located(f"/access/api/v1/organisations/{organisation.id}")
    etag(organisation.sequence)
    return organisation


@blueprint.get("/<uuid:organisation_id>")
@blueprint.gives(OrganisationSchema)
def organisation(organisation_id: UUID) -> Organisation:
    """Read an organisation you act for"""
    with snapshot() as session:
        found = queries.organisation_for(session, current_actor(), organisation_id)
    etag(found.sequence)
    return found


@blueprint.patch("/<uuid:organisation_id>")
@blueprint.takes(ChangeOrganisationSchema)
@blueprint.gives(OrganisationSchema)
def change_organisation(wanted: dict[str, Any], organisation_id: UUID) -> Organisation:
    """Change an organisation that you administer"""
    with work() as uow:
        queries.organisation_for(uow.session, uow.actor, organisation_id)
        must_match(queries.organisation_for_update(uow.session, organisation_id).sequence)
        changed = organisations.change_organisation(uow, organisation_id, **wanted)
    etag(changed.sequence)
    return changed


@blueprint.post("/<uuid:organisation_id>/deactivate")
@blueprint.gives(OrganisationSchema)
def deactivate(organisation_id: UUID) -> Organisation:
    """Let an organisation take part no longer, as an administrator"""
    with work() as uow:
        return organisations.set_active(uow, organisation_id, active=False)


@blueprint.post("/<uuid:organisation_id>/reactivate")
@blueprint.gives(OrganisationSchema)
def reactivate(organisation_id: UUID) -> Organisation:
    """Let an organisation take part again, as an administrator"""
    with work() as uow:
        return organisations.set_active(uow, organisation_id, active=True)


@blueprint.get("/<uuid:organisation_id>/size-declarations")
@blueprint.gives(SizeDeclarationSchema, many=True)
def size_declarations(organisation_id: UUID) -> Any:
    """List what a firm declared of its size, oldest first"""
    with snapshot() as session:
        queries.organisation_for(session, current_actor(), organisation_id)
        return queries.declarations_of(session, organisation_id)


@blueprint.post("/<uuid:organisation_id>/size-declarations")
@blueprint.takes(SizeSchema)
@blueprint.gives(SizeDeclarationSchema, 201)
def declare_size(wanted: dict[str, Any], organisation_id: UUID) -> SizeDeclaration:
    """Declare the size of a firm that you administer

    The class follows from all declarations by Recommendation 2003/361/EC: it changes when a
    ceiling was crossed in two consecutive years.
    """
    with work() as uow:
        declaration = organisations.declare_size(uow, organisation_id, **wanted)
    located(f"/access/api/v1/organisations/{organisation_id}/size-declarations")
    return declaration


@blueprint.get("/<uuid:organisation_id>/members")
@blueprint.gives(MemberSchema, many=True)
def members(organisation_id: UUID) -> Any:
    """List who acts for an organisation of yours"""
    with snapshot() as session:
        queries.organisation_for(session, current_actor(), organisation_id)
        return queries.members_of(session, organisation_id)


@blueprint.post("/<uuid:organisation_id>/members")
@blueprint.takes(NewMemberSchema)
@blueprint.gives(MemberSchema, 201)
def add_member(wanted: dict[str, Any], organisation_id: UUID) -> queries.Member:
    """Let somebody who has registered act for an organisation that you administer"""
    with work() as uow:
        person = organisations.add_member(uow, organisation_id, **wanted)
        every = queries.members_of(uow.session, organisation_id)
    located(f"/access/api/v1/organisations/{organisation_id}/members/{person.id}")
    return next(member for member in every if member.person_id == person.id)


@blueprint.delete("/<uuid:organisation_id>/members/<uuid:person_id>")
@blueprint.gives_nothing()
def remove_member(organisation_id: UUID, person_id: UUID) -> None:
    """Let somebody act for an organisation no longer; or leave it"""
    with work() as uow:
        organisations.remove_member(uow, organisation_id, person_id)
