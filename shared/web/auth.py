"""The current actor: from a bearer token, or from the cookie that access sets for all services."""

from __future__ import annotations

from urllib.parse import quote

from flask import Flask, current_app, g, redirect, request
from werkzeug.wrappers import Response

from shared import logs
from shared.auth import ANONYMOUS
from shared.errors import Unauthorised
from shared.service import Instance

SESSION_COOKIE = "infrashare_session"  # the access token; minutes long
REFRESH_COOKIE = "infrashare_refresh"  # seen by access alone
MARKER_COOKIE = "infrashare_signed_in"  # tells the others that a refresh is worth trying


def init_app(app: Flask) -> None:
    """Find out who is acting before each request; a wrong bearer token is refused, not ignored."""
    instance: Instance = app.extensions["instance"]

    @app.before_request
    def identify() -> Response | None:
        g.actor = ANONYMOUS
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme:
            if request.endpoint == "events.feed":
                return None  # checks its own kind of token
            actor = instance.tokens.read(token.strip()) if scheme.lower() == "bearer" else None
            if actor is None:
                raise Unauthorised("This token is not valid, or no longer.")
            g.actor = actor
        elif cookie := request.cookies.get(SESSION_COOKIE):
            g.actor = instance.tokens.read(cookie) or ANONYMOUS
        logs.actor.set(g.actor.id if g.actor.signed_in else None)
        if _may_have_expired():
            return redirect(f"/access/refresh?next={quote(_here())}", 303)
        return None


def _may_have_expired() -> bool:
    """Whether a person seems signed in and only the short token has run out."""
    return (
        not g.actor.signed_in
        and request.method == "GET"
        and MARKER_COOKIE in request.cookies
        and "text/html" in request.headers.get("Accept", "")
        and "HX-Request" not in request.headers
        and not request.path.startswith(("/access/", "/static/"))
        and "/api/" not in request.path
    )


def _here() -> str:
    return request.full_path.rstrip("?")


def require_login() -> Response | None:
    """For `blueprint.before_request`: programs get 401, people are sent to sign in and come back."""
    if g.actor.signed_in:
        return None
    if f"{current_app.extensions['instance'].service.mount}/api/" in request.path or request.method != "GET":
        raise Unauthorised("Sign in first.")
    return redirect(f"/access/sign-in?next={quote(_here())}", 303)
