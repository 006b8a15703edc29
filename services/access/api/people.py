"""People, to administrators."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from services.access import queries
from services.access.api.cursors import name_cursor, page_of
from services.access.commands import people
from services.access.domain.people import NoSuchRole
from services.access.models import Person
from services.access.schemas import (
    NewPersonSchema,
    PeoplePage,
    PeopleQuery,
    PersonWithRolesSchema,
    RoleSchema,
)
from shared.auth import Role
from shared.web.api import Blueprint, etag, located
from shared.web.app import current_actor, snapshot, work
from shared.web.auth import require_login

blueprint = Blueprint(
    "people", __name__, url_prefix="/api/v1/people", description="People and their roles, for administrators"
)
blueprint.before_request(require_login)


@blueprint.get("")
@blueprint.takes(PeopleQuery, location="query")
@blueprint.gives(PeoplePage)
def people_(wanted: dict[str, Any]) -> dict[str, Any]:
    """List people, by name"""
    current_actor().must_administer()
    with snapshot() as session:
        found = queries.people(session, q=wanted["q"], after=name_cursor(wanted["cursor"]), limit=wanted["limit"] + 1)
        page = page_of(found, wanted["limit"])
        roles = queries.roles_by_person(session, page.items)
    return {"items": [_shown(person, roles[person.id]) for person in page.items], "next": page.next}


@blueprint.post("", once=False)
@blueprint.takes(NewPersonSchema)
@blueprint.gives(PersonWithRolesSchema, 201)
def add_person(wanted: dict[str, Any]) -> dict[str, Any]:
    """Enter a person"""
    with work() as uow:
        person = people.add_person(uow, **wanted)
        located(f"/access/api/v1/people/{person.id}")
        return _with_roles(uow.session, person)


@blueprint.get("/<uuid:person_id>")
@blueprint.gives(PersonWithRolesSchema)
def person(person_id: UUID) -> dict[str, Any]:
    """Read a person"""
    current_actor().must_administer()
    with snapshot() as session:
        return _with_roles(session, queries.person(session, person_id))


@blueprint.post("/<uuid:person_id>/roles")
@blueprint.takes(RoleSchema)
@blueprint.gives(PersonWithRolesSchema, 201)
def grant_role(wanted: dict[str, Any], person_id: UUID) -> dict[str, Any]:
    """Give a person a role"""
    with work() as uow:
        changed = people.grant_role(uow, person_id, **wanted)
        located(f"/access/api/v1/people/{person_id}/roles/{wanted['role']}")
        return _with_roles(uow.session, changed)


@blueprint.delete("/<uuid:person_id>/roles/<role>")
@blueprint.gives_nothing()
def revoke_role(person_id: UUID, role: str) -> None:
    """Take a role from a person: `administrator`, or a name and a scope such as `operator@<facility id>`"""
    current_actor().must_administer()
    try:
        parsed = Role.parse(role)
    except ValueError:
        raise NoSuchRole("This person does not have this role.") from None
    with work() as uow:
        people.revoke_role(uow, person_id, role=parsed)


@blueprint.post("/<uuid:person_id>/deactivate")
@blueprint.gives(PersonWithRolesSchema)
def deactivate(person_id: UUID) -> dict[str, Any]:
    """Let a person sign in no longer; their sessions end"""
    with work() as uow:
        return _with_roles(uow.session, people.set_active(uow, person_id, active=False))


@blueprint.post("/<uuid:person_id>/reactivate")
@blueprint.gives(PersonWithRolesSchema)
def reactivate(person_id: UUID) -> dict[str, Any]:
    """Let a person sign in again"""
    with work() as uow:
        return _with_roles(uow.session, people.set_active(uow, person_id, active=True))


def _with_roles(session: Session, person: Person) -> dict[str, Any]:
    etag(person.sequence)
    return _shown(person, queries.roles_of(session, person.id))


def _shown(person: Person, roles: list[Role]) -> dict[str, Any]:
    return {
        "id": person.id,
        "name": person.name,
        "email": person.email,
        "language": person.language,
        "active": person.active,
        "roles": [str(role) for role in roles],
    }
