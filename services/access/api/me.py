"""What people see and change of themselves."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import request

from services.access import queries
from services.access.commands import people, sessions
from services.access.domain import tokens
from services.access.models import Person
from services.access.schemas import (
    ChangePasswordSchema,
    ChangePersonSchema,
    MeSchema,
    PersonSchema,
    SessionSchema,
)
from shared.clock import utc_now
from shared.web.api import Blueprint, etag, must_match
from shared.web.app import current_actor, snapshot, work
from shared.web.auth import require_login

blueprint = Blueprint("me", __name__, url_prefix="/api/v1/me", description="Yourself")
blueprint.before_request(require_login)


@blueprint.get("")
@blueprint.gives(MeSchema)
def me() -> dict[str, Any]:
    """Read who you are, for whom you act, and your roles"""
    with snapshot() as session:
        person = queries.person(session, current_actor().id)
        roles = queries.roles_of(session, person.id)
        names = queries.scope_names(session, roles)
        etag(person.sequence)
        return {
            "person": person,
            "organisations": queries.organisations_of(session, person.id),
            "roles": [{"role": role.name, "scope": role.scope, "scope_name": names.get(role.scope)} for role in roles],
        }


@blueprint.patch("")
@blueprint.takes(ChangePersonSchema)
@blueprint.gives(PersonSchema)
def change_me(wanted: dict[str, Any]) -> Person:
    """Change your name or language"""
    with work() as uow:
        must_match(queries.person_for_update(uow.session, uow.actor.id).sequence)
        person = people.change_profile(uow, **wanted)
        etag(person.sequence)
        return person


@blueprint.post("/password", once=False)
@blueprint.takes(ChangePasswordSchema)
@blueprint.gives_nothing()
def change_password(wanted: dict[str, Any]) -> None:
    """Change your password; your other sessions end"""
    present = tokens.session_id(request.headers.get("Authorization", "").partition(" ")[2])
    with work() as uow:
        people.change_password(
            uow,
            present=wanted["present_password"],
            password=wanted["password"],
            keep_session=present,
        )


@blueprint.get("/sessions")
@blueprint.gives(SessionSchema, many=True)
def my_sessions() -> Any:
    """List where you are signed in"""
    with snapshot() as session:
        return queries.sessions_of(session, current_actor().id, utc_now())


@blueprint.delete("/sessions/<uuid:session_id>")
@blueprint.gives_nothing()
def end_session(session_id: UUID) -> None:
    """End one of your sessions"""
    with work() as uow:
        sessions.end_session(uow, session_id)
