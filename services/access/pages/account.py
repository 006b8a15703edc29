"""What people see and change of themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, request
from marshmallow import EXCLUDE, ValidationError
from werkzeug.wrappers import Response

from services.access import queries
from services.access.commands import people, sessions
from services.access.domain.people import LANGUAGES
from services.access.pages.cookies import present_session, typed, with_next
from services.access.schemas import ChangePasswordSchema, ChangePersonSchema
from shared.clock import utc_now
from shared.errors import DomainError
from shared.unit_of_work import UnitOfWork
from shared.web.app import current_actor, snapshot, work
from shared.web.auth import require_login
from shared.web.pages import form_errors, redirect_to, render

blueprint = Blueprint("account", __name__, url_prefix="/me", template_folder="templates")
blueprint.before_request(require_login)

LANGUAGE_NAMES = {
    "en": "English",
    "cs": "čeština",
    "de": "Deutsch",
    "et": "eesti",
    "fr": "français",
    "it": "italiano",
    "lv": "latviešu",
    "nl": "Nederlands",
    "sv": "svenska",
}
DONE = {
    "profile": "Profile saved.",
    "password": "Password changed. Your other sessions have ended.",
    "session": "Session ended.",
}


@blueprint.get("")
def me() -> str:
    return _page()


@blueprint.post("")
def change_profile() -> Any:
    def change(uow: UnitOfWork, wanted: dict[str, Any]) -> None:
        people.change_profile(uow, **wanted)

    return _changed(ChangePersonSchema, change, part="profile")


@blueprint.post("/password")
def change_password() -> Any:
    def change(uow: UnitOfWork, wanted: dict[str, Any]) -> None:
        people.change_password(
            uow,
            present=wanted["present_password"],
            password=wanted["password"],
            keep_session=present_session(),
        )

    return _changed(ChangePasswordSchema, change, part="password")


@blueprint.post("/sessions/<uuid:session_id>/end")
def end_session(session_id: UUID) -> Response:
    with work() as uow:
        sessions.end_session(uow, session_id)
    return redirect_to("/access/me?done=session")


def _changed(schema: Any, change: Callable[[UnitOfWork, dict[str, Any]], None], *, part: str) -> Any:
    try:
        wanted = schema(unknown=EXCLUDE).load(typed())
        with work() as uow:
            change(uow, wanted)
    except (ValidationError, DomainError) as error:
        errors, status = form_errors(error)
        return _page(errors=errors, part=part), status
    # By way of a renewal, so that the name in the token is the present one.
    return redirect_to(with_next("refresh", f"/access/me?done={part}"))


def _page(*, errors: Any = (), part: str = "") -> str:
    actor = current_actor()
    with snapshot() as session:
        person = queries.person(session, actor.id)
        roles = queries.roles_of(session, person.id)
        return render(
            "access/me.html",
            person=person,
            organisations=queries.organisations_of(session, person.id),
            roles=roles,
            scope_names=queries.scope_names(session, roles),
            sessions=queries.sessions_of(session, person.id, utc_now()),
            present_session=present_session(),
            languages=[(code, LANGUAGE_NAMES[code]) for code in LANGUAGES],
            form=request.form if part == "profile" else {"name": person.name, "language": person.language},
            errors=errors,
            part=part,
            done=DONE.get(request.args.get("done", ""), ""),
        )
