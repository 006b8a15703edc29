"""Signing in and out, registering, and the public keys."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, jsonify, make_response, request
from marshmallow import EXCLUDE, ValidationError
from werkzeug.wrappers import Response as AnyResponse

from services.access import queries
from services.access.commands import organisations, sessions
from services.access.domain.organisations import COUNTRIES, OrganisationKind
from services.access.domain.tokens import Tokens
from services.access.pages.cookies import (
    next_address,
    private,
    signed_in,
    signed_out,
    typed,
    with_next,
)
from services.access.schemas import DEFAULT_NUTS, RegistrationSchema, SignInSchema
from shared.auth import RoleName
from shared.errors import DomainError, TooMany
from shared.web.app import current_actor, snapshot, work
from shared.web.auth import REFRESH_COOKIE
from shared.web.pages import form_errors, redirect_to, render

blueprint = Blueprint("pages", __name__, template_folder="templates")

KINDS = (
    (OrganisationKind.COMPANY, "Company"),
    (OrganisationKind.UNIVERSITY, "University"),
    (OrganisationKind.RESEARCH, "Research organisation"),
    (OrganisationKind.PUBLIC, "Public body"),
    (OrganisationKind.OTHER, "Something else"),
)


@blueprint.get("/.well-known/jwks.json")
def public_keys() -> Response:
    """The keys that verify access tokens, for everybody."""
    with snapshot() as session:
        answer = jsonify(queries.public_keys(session))
    answer.headers["Cache-Control"] = "public, max-age=300"
    return answer


@blueprint.get("/sign-in")
def sign_in_form() -> AnyResponse:
    address = next_address()
    if current_actor().signed_in:
        return redirect_to(address)
    if REFRESH_COOKIE in request.cookies:  # perhaps only the short token has run out
        return redirect_to(with_next("refresh", address))
    return private(make_response(render("access/sign-in.html", next=address, form={}, errors=[])))


@blueprint.post("/sign-in")
def sign_in() -> AnyResponse:
    try:
        wanted = SignInSchema(unknown=EXCLUDE).load(typed())
        with work() as uow:
            attempt = sessions.attempt_sign_in(uow, email=wanted["email"], address=request.remote_addr or "")
        attempt.check(wanted["password"])
        with work() as uow:
            client = request.headers.get("User-Agent", "")
            issued = sessions.sign_in(uow, attempt, password=wanted["password"], client=client)
    except (ValidationError, DomainError) as error:
        errors, status = form_errors(error)
        page = render("access/sign-in.html", next=next_address(), form=request.form, errors=errors)
        answer = make_response(page, status)
        if isinstance(error, TooMany):
            answer.headers["Retry-After"] = str(error.details["retry_after"])
        return private(answer)
    return signed_in(redirect_to(next_address(_home(attempt.person_id))), issued)


def _home(person_id: UUID | None) -> str:
    """Where the day of somebody begins who came by the front door: at their lab's desk, at their figures."""
    with snapshot() as session:
        names = {role.name for role in queries.roles_of(session, person_id)} if person_id else set()
    if names.intersection(queries.OF_FACILITY):
        return "/booking/inbox"
    return "/stats/" if RoleName.FUNDER in names else "/"


@blueprint.post("/sign-out")
def sign_out() -> AnyResponse:
    with work() as uow:
        sessions.sign_out(uow, refresh_token=request.cookies.get(REFRESH_COOKIE, ""))
    answer = signed_out(redirect_to("/"))
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    return answer


@blueprint.get("/refresh")
def refresh() -> AnyResponse:
    """Renew the short token and go on; or to the sign-in page, where the session is over."""
    address = next_address()
    renewed: Tokens | None = None
    if token := request.cookies.get(REFRESH_COOKIE):
        with work() as uow:
            renewed = sessions.renew(uow, refresh_token=token, grace=sessions.TWO_TABS)
    if renewed is None:
        return signed_out(redirect_to(with_next("sign-in", address)))
    return signed_in(redirect_to(address), renewed)


@blueprint.get("/register")
def register_form() -> AnyResponse:
    if current_actor().signed_in:
        return redirect_to("/access/me")
    return private(make_response(_register_page(form={"kind": "company"}, errors=[])))


@blueprint.post("/register")
def register() -> AnyResponse:
    try:
        wanted = RegistrationSchema(unknown=EXCLUDE).load(typed())
        with work() as uow:
            person = organisations.register(uow, **wanted)
            issued = sessions.open_session(uow, person, client=request.headers.get("User-Agent", ""))
    except (ValidationError, DomainError) as error:
        errors, status = form_errors(error)
        return private(make_response(_register_page(form=request.form, errors=errors), status))
    return signed_in(redirect_to(next_address("/access/organisation?done=registered")), issued)


def _register_page(*, form: Any, errors: list[dict[str, Any]]) -> str:
    with snapshot() as session:
        regions = queries.regions(session)
    return render(
        "access/register.html",
        form=form,
        errors=errors,
        next=next_address(""),
        kinds=KINDS,
        countries=sorted(COUNTRIES.items(), key=lambda each: each[1]),
        regions=regions,
        default_nuts=max((region.nuts_version for region in regions), default=DEFAULT_NUTS),
    )
