"""An organisation, to those who act for it."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from flask import Blueprint, request
from marshmallow import EXCLUDE, ValidationError
from werkzeug.wrappers import Response

from services.access import queries
from services.access.commands import organisations
from services.access.domain.organisations import COUNTRIES, NACE_REVISIONS, NUTS_VERSIONS, OrganisationKind
from services.access.pages.cookies import typed
from services.access.schemas import ChangeOrganisationSchema, NewMemberSchema, SizeSchema
from shared.clock import utc_now
from shared.errors import DomainError
from shared.web.app import current_actor, snapshot, work
from shared.web.auth import require_login
from shared.web.pages import form_errors, redirect_to, render

blueprint = Blueprint("organisation", __name__, url_prefix="/organisation", template_folder="templates")
blueprint.before_request(require_login)

DONE = {
    "registered": "Welcome. Your account and your organisation are set up.",
    "profile": "Profile saved.",
    "size": "Declaration taken down.",
    "member": "Member added. They can act for the organisation from their next sign-in.",
    "removed": "Member removed.",
    "left": "You have left the organisation.",
}


@blueprint.get("")
def mine() -> Any:
    """The only organisation, the one that `id` names, or a choice."""
    actor = current_actor()
    with snapshot() as session:
        own = queries.organisations_of(session, actor.id)
    if len(own) != 1:
        return render("access/organisations.html", own=own, organisations=own, q=None, done=_done())
    return _page(own[0].id)


@blueprint.get("/<uuid:organisation_id>")
def organisation(organisation_id: UUID) -> str:
    return _page(organisation_id)


@blueprint.post("/<uuid:organisation_id>")
def change(organisation_id: UUID) -> Any:
    wanted = {"nace_code": None, "nace_revision": None} | typed()
    if wanted["nace_code"] is None:
        wanted["nace_revision"] = None
    try:
        loaded = ChangeOrganisationSchema(unknown=EXCLUDE, exclude=["kind"]).load(wanted)
        with work() as uow:
            organisations.change_organisation(uow, organisation_id, **loaded)
    except (ValidationError, DomainError) as error:
        return _refused(organisation_id, error, part="profile")
    return _back(organisation_id, "profile")


@blueprint.post("/<uuid:organisation_id>/size")
def declare_size(organisation_id: UUID) -> Any:
    form = typed()
    for euros, cents in EUROS.items():
        if euros in form:
            form[cents] = _cents(form[euros])
    try:
        loaded = SizeSchema(unknown=EXCLUDE).load(form)
        with work() as uow:
            organisations.declare_size(uow, organisation_id, **loaded)
    except (ValidationError, DomainError) as error:
        return _refused(organisation_id, error, part="size")
    return _back(organisation_id, "size")


@blueprint.post("/<uuid:organisation_id>/members")
def add_member(organisation_id: UUID) -> Any:
    try:
        loaded = NewMemberSchema(unknown=EXCLUDE).load(typed())
        with work() as uow:
            organisations.add_member(uow, organisation_id, **loaded)
    except (ValidationError, DomainError) as error:
        return _refused(organisation_id, error, part="member")
    return _back(organisation_id, "member")


@blueprint.post("/<uuid:organisation_id>/members/<uuid:person_id>/remove")
def remove_member(organisation_id: UUID, person_id: UUID) -> Any:
    try:
        with work() as uow:
            organisations.remove_member(uow, organisation_id, person_id)
    except DomainError as error:
        return _refused(organisation_id, error, part="members")
    if person_id == current_actor().id:
        return redirect_to("/access/refresh?next=/access/organisation%3Fdone%3Dleft")
    return _back(organisation_id, "removed")


EUROS = {"turnover": "turnover_cents", "balance": "balance_cents"}


def _cents(euros: str) -> str:
    """Cents of an amount in whole euros, however its thousands are set apart; what is none stays as it is."""
    digits = re.sub(r"[\s'’]", "", euros)
    return f"{digits}00" if digits.isascii() and digits.isdigit() else euros


def _back(organisation_id: UUID, done: str) -> Response:
    return redirect_to(f"/access/organisation/{organisation_id}?done={done}")


def _done() -> str:
    return DONE.get(request.args.get("done", ""), "")


def _refused(organisation_id: UUID, error: ValidationError | DomainError, *, part: str) -> tuple[str, int]:
    errors, status = form_errors(error)
    typed_as = {cents: euros for euros, cents in EUROS.items()}
    for each in errors:
        each["field"] = typed_as.get(each["field"], each["field"])
    return _page(organisation_id, errors=errors, part=part), status


def _page(organisation_id: UUID, *, errors: Any = (), part: str = "") -> str:
    actor = current_actor()
    with snapshot() as session:
        shown = queries.organisation_for(session, actor, organisation_id)
        return render(
            "access/organisation.html",
            organisation=shown,
            is_company=shown.kind is OrganisationKind.COMPANY,
            may_change=actor.is_administrator or organisation_id in actor.administered_organisations,
            declarations=queries.declarations_of(session, organisation_id)[::-1],
            members=queries.members_of(session, organisation_id),
            regions=queries.regions(session),
            countries=sorted(COUNTRIES.items(), key=lambda each: each[1]),
            nuts_versions=[(year, year) for year in NUTS_VERSIONS[::-1]],
            nace_revisions=[(each, each) for each in NACE_REVISIONS[::-1]],
            last_year=utc_now().year - 1,
            form=request.form,
            errors=errors,
            part=part,
            done=_done(),
        )
