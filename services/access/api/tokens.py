"""Getting in: registering, signing in, going on, signing out."""

from __future__ import annotations

from typing import Any

from flask import request

from services.access.commands import organisations, sessions
from services.access.domain import tokens
from services.access.domain.people import SessionOver
from services.access.domain.tokens import Tokens
from services.access.models import Person
from services.access.schemas import (
    PersonSchema,
    RefreshSchema,
    RegistrationSchema,
    SignInSchema,
    TokensSchema,
)
from shared.web.api import Blueprint, located
from shared.web.app import current_actor, work

blueprint = Blueprint("tokens", __name__, url_prefix="/api/v1/tokens", description="Signing in and out")
registrations = Blueprint("registrations", __name__, url_prefix="/api/v1/registrations", description="Becoming a user")


@blueprint.post("", once=False)
@blueprint.takes(SignInSchema)
@blueprint.gives(TokensSchema)
def sign_in(wanted: dict[str, Any]) -> Tokens:
    """Sign in with e-mail address and password

    After five failures an account has to wait, longer each time: 429 with `Retry-After`.
    """
    with work() as uow:
        attempt = sessions.attempt_sign_in(uow, email=wanted["email"], address=request.remote_addr or "")
    attempt.check(wanted["password"])
    with work() as uow:
        client = request.headers.get("User-Agent", "")
        return sessions.sign_in(uow, attempt, password=wanted["password"], client=client)


@blueprint.post("/refresh", once=False)
@blueprint.takes(RefreshSchema)
@blueprint.gives(TokensSchema)
def refresh(wanted: dict[str, Any]) -> Tokens:
    """Take new tokens for a refresh token

    Each refresh token is good once. One that comes again ends its session.
    """
    with work() as uow:
        renewed = sessions.renew(uow, refresh_token=wanted["refresh_token"])
    if renewed is None:
        raise SessionOver("This session is over. Sign in again.")
    return renewed


@blueprint.delete("/current")
@blueprint.gives_nothing()
def sign_out() -> None:
    """Sign out: end the session of the token this is asked with"""
    current_actor().must_be_signed_in()
    session_id = tokens.session_id(request.headers.get("Authorization", "").partition(" ")[2])
    with work() as uow:
        if session_id:
            sessions.end_session(uow, session_id)


@registrations.post("", once=False)
@registrations.takes(RegistrationSchema)
@registrations.gives(PersonSchema, 201)
def register(wanted: dict[str, Any]) -> Person:
    """Register a person together with their organisation"""
    with work() as uow:
        person = organisations.register(uow, **wanted)
    located("/access/api/v1/me")
    return person
