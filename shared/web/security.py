"""What every request must not be and every answer must say, so that browsers protect people."""

from __future__ import annotations

import json
import math
import re
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import BadRequest

from shared.errors import Forbidden

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
DEEPEST_JSON = 32  # levels; deeper than any body we take, far from Python's own limit
LONGEST_NUMBER = 19  # digits
# A string that does not end is taken to the end, so that no second try at it can cost anything.
_STRINGS = re.compile(rb'"(?>[^"\\]+|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")

POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "style-src-attr 'unsafe-inline'",  # the minutes of calendar blocks
        "img-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def init_app(app: Flask) -> None:
    app.before_request(refuse_cross_site)
    app.before_request(allow_large_body)
    app.before_request(refuse_hostile_json)
    app.after_request(protect)


def refuse_cross_site() -> None:
    """Refuse a change that a browser says another site asked for. Raises `Forbidden`.

    By `Sec-Fetch-Site`, falling back to `Origin`; so forms need no hidden token. A request with a
    bearer token is not sent by a browser on its own.
    """
    if request.method in SAFE_METHODS or request.headers.get("Authorization"):
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site in ("same-origin", "none"):
        return
    if site is None:
        if origin is None and not request.cookies:
            return
        if origin and urlsplit(origin).netloc == request.host:
            return
    raise Forbidden("This was sent from another site.")


def allow_large_body() -> None:
    """Take more than usual where the view says so."""
    view = current_app.view_functions.get(request.endpoint or "")
    if (largest := getattr(view, "largest_body", None)) is not None:
        request.max_content_length = largest


def refuse_hostile_json() -> None:
    """Refuse JSON that parses here and explodes later: too deep, repeated keys, NaN, huge numbers."""
    if request.mimetype == "application/json" or request.mimetype.endswith("+json"):
        body = request.get_data(cache=True)
        if body:
            read_json(body)


def read_json(body: bytes) -> Any:
    """The JSON value of `body`. Raises `BadRequest` for what the standard library is too kind to."""
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEEPEST_JSON:
            raise BadRequest("This JSON is nested too deeply.")
    try:
        return json.loads(
            body.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_int=_whole,
            parse_float=_fraction,
            object_pairs_hook=_unrepeated,
        )
    except (UnicodeDecodeError, ValueError) as error:
        raise BadRequest(f"This is not JSON: {error}") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _whole(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError("a number is too long")
    return int(text)


def _fraction(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found


def protect(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    if request.path.startswith("/static/"):
        if response.status_code < 400 and ("v" in request.args or "/vendor/" in request.path):
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    elif getattr(g, "actor", None) is not None and g.actor.signed_in:
        response.headers.setdefault("Cache-Control", "no-store")
    response.vary.update(("Cookie", "HX-Request"))
    return response
