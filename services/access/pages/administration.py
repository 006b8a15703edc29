"""People and organisations, to administrators."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, request
from marshmallow import EXCLUDE, ValidationError

from services.access import queries
from services.access.commands import people
from services.access.pages.cookies import typed
from services.access.schemas import PeopleQuery, RoleSchema
from shared.auth import RoleName
from shared.errors import DomainError
from shared.web.app import current_actor, snapshot, work
from shared.web.auth import require_login
from shared.web.pages import form_errors, redirect_to, render

blueprint = Blueprint("administration", __name__, template_folder="templates")
blueprint.before_request(require_login)

SHOWN = 100
ROLE_NAMES = {
    RoleName.MEMBER: "Member of an organisation",
    RoleName.ORGANISATION_ADMIN: "Administrator of an organisation",
    RoleName.OPERATOR: "Operator of a lab",
    RoleName.FACILITY_MANAGER: "Manager of a lab",
    RoleName.FUNDER: "Funder of a region",
    RoleName.ADMINISTRATOR: "Administrator of the installation",
}
DONE = {
    "granted": "Role granted. It works from their next sign-in, or within a quarter of an hour.",
    "revoked": "Role revoked. It stops working within a quarter of an hour.",
    "active": "This person can sign in again.",
    "inactive": "This person can no longer sign in; their sessions have ended.",
}


@blueprint.get("/people")
def people_() -> str:
    current_actor().must_administer()
    q = _asked()
    with snapshot() as session:
        found = queries.people(session, q=q, limit=SHOWN + 1)
        roles = queries.roles_by_person(session, found)
        names = queries.scope_names(session, [role for each in roles.values() for role in each])
    return render(
        "access/people.html", people=found[:SHOWN], more=len(found) > SHOWN, roles=roles, scope_names=names, q=q
    )


@blueprint.get("/people/<uuid:person_id>")
def person(person_id: UUID) -> str:
    return _page(person_id)


@blueprint.post("/people/<uuid:person_id>/roles")
def grant_role(person_id: UUID) -> Any:
    try:
        loaded = RoleSchema(unknown=EXCLUDE).load(typed())
        with work() as uow:
            people.grant_role(uow, person_id, **loaded)
    except (ValidationError, DomainError) as error:
        errors, status = form_errors(error)
        return _page(person_id, errors=errors), status
    return redirect_to(f"/access/people/{person_id}?done=granted")


@blueprint.post("/people/<uuid:person_id>/roles/revoke")
def revoke_role(person_id: UUID) -> Any:
    try:
        loaded = RoleSchema(unknown=EXCLUDE).load(typed())
        with work() as uow:
            people.revoke_role(uow, person_id, **loaded)
    except (ValidationError, DomainError) as error:
        errors, status = form_errors(error)
        return _page(person_id, errors=errors), status
    return redirect_to(f"/access/people/{person_id}?done=revoked")


@blueprint.post("/people/<uuid:person_id>/<any(activate, deactivate):verb>")
def set_active(person_id: UUID, verb: str) -> Any:
    active = verb == "activate"
    try:
        with work() as uow:
            people.set_active(uow, person_id, active=active)
    except DomainError as error:
        errors, status = form_errors(error)
        return _page(person_id, errors=errors), status
    return redirect_to(f"/access/people/{person_id}?done={'active' if active else 'inactive'}")


@blueprint.get("/organisations")
def organisations_() -> str:
    actor = current_actor()
    actor.must_administer()
    q = _asked()
    with snapshot() as session:
        found = queries.organisations(session, actor=actor, q=q, limit=SHOWN)
    return render("access/organisations.html", organisations=found, q=q)


def _asked() -> str:
    """What the search box holds; what cannot be searched for finds everybody."""
    try:
        return str(PeopleQuery(only=["q"]).load({"q": request.args.get("q", "")})["q"])
    except ValidationError:
        return ""


def _page(person_id: UUID, *, errors: Any = ()) -> str:
    current_actor().must_administer()
    with snapshot() as session:
        shown = queries.person(session, person_id)
        roles = queries.roles_of(session, person_id)
        return render(
            "access/person.html",
            person=shown,
            roles=roles,
            scope_names=queries.scope_names(session, roles),
            role_names=ROLE_NAMES,
            places=_places(session),
            form=request.form,
            errors=errors,
            done=DONE.get(request.args.get("done", ""), ""),
        )


def _places(session: Any) -> list[tuple[str, list[tuple[str, str]]]]:
    """What roles can be of, by kind."""
    actor = current_actor()
    every = queries.organisations(session, actor=actor, limit=1000)
    return [
        ("Labs", [(str(each.id), each.name) for each in queries.facilities(session)]),
        ("Regions", [(each.id, each.name) for each in queries.regions(session)]),
        ("Organisations", [(str(each.id), each.name) for each in every]),
    ]
