"""The cookies by which browsers stay signed in, and the forms they send."""

from __future__ import annotations

from urllib.parse import quote, urlsplit
from uuid import UUID

from flask import request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from services.access.domain import tokens
from services.access.domain.tokens import Tokens
from shared.web.auth import MARKER_COOKIE, REFRESH_COOKIE, SESSION_COOKIE

MOUNT = "/access"  # the refresh token is for nobody else's eyes
LONGEST_NEXT = 2000


def signed_in(response: Response, issued: Tokens) -> Response:
    """Let the browser that gets `response` be signed in."""
    whole, secure = int(tokens.SESSION_LIFE.total_seconds()), request.is_secure
    for name, value, lasts, path, hidden in (
        (SESSION_COOKIE, issued.access_token, issued.expires_in, "/", True),
        (REFRESH_COOKIE, issued.refresh_token, whole, MOUNT, True),
        (MARKER_COOKIE, "1", whole, "/", False),
    ):
        response.set_cookie(name, value, max_age=lasts, path=path, secure=secure, httponly=hidden, samesite="Lax")
    return private(response)


def signed_out(response: Response) -> Response:
    """Let the browser that gets `response` forget that anybody was signed in."""
    for name, path in ((SESSION_COOKIE, "/"), (REFRESH_COOKIE, MOUNT), (MARKER_COOKIE, "/")):
        response.delete_cookie(name, path=path, secure=request.is_secure, samesite="Lax")
    return private(response)


def private(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


def present_session() -> UUID | None:
    """The session of the browser that asks."""
    return tokens.session_id(request.cookies.get(SESSION_COOKIE, ""))


def next_address(default: str = "/") -> str:
    """Where to go afterwards: an address of this site, whatever the request says."""
    wanted = request.values.get("next", "")
    parts = urlsplit(wanted) if _is_plain(wanted) and wanted != "/" else None
    if parts is None or parts.scheme or parts.netloc or parts.path.startswith("//"):
        return default
    if parts.path in {f"{MOUNT}/{page}" for page in ("sign-in", "sign-out", "refresh", "register")}:
        return default
    return wanted


def _is_plain(address: str) -> bool:
    """Browsers take a backslash for a slash, and skip what nobody can see."""
    begins = address.startswith("/") and not address.startswith("//")
    return begins and len(address) <= LONGEST_NEXT and address.isprintable() and "\\" not in address


def with_next(page: str, address: str) -> str:
    return f"{MOUNT}/{page}" + (f"?next={quote(address)}" if address != "/" else "")


def typed() -> dict[str, str]:
    """The fields of a form in which something was typed."""
    form: MultiDict[str, str] = request.form
    return {name: value for name, value in form.items() if value.strip() != ""}
