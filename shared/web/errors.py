"""Refusals on the wire: problem details (RFC 9457) under /api, a page elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, g, jsonify, render_template, request
from marshmallow import ValidationError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from shared import errors
from shared.errors import DomainError, Fault

log = logging.getLogger(__name__)

STATUS: dict[type[DomainError], HTTPStatus] = {
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Unauthorised: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Stale: HTTPStatus.PRECONDITION_FAILED,
    errors.Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Unversioned: HTTPStatus.PRECONDITION_REQUIRED,
    errors.TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
TITLES = {
    HTTPStatus.BAD_REQUEST: "This could not be read",
    HTTPStatus.UNAUTHORIZED: "Sign in first",
    HTTPStatus.FORBIDDEN: "Not open to you",
    HTTPStatus.NOT_FOUND: "Not found",
    HTTPStatus.METHOD_NOT_ALLOWED: "Not possible here",
    HTTPStatus.CONFLICT: "No longer possible",
    HTTPStatus.PRECONDITION_FAILED: "Changed meanwhile",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Too large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "Another format is needed",
    HTTPStatus.UNPROCESSABLE_ENTITY: "This cannot be done as asked",
    HTTPStatus.PRECONDITION_REQUIRED: "Say which version you changed",
    HTTPStatus.TOO_MANY_REQUESTS: "Too often",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not available right now",
}


def init_app(app: Flask) -> None:
    app.register_error_handler(DomainError, refused)
    app.register_error_handler(ValidationError, _malformed)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(OperationalError, _database_away)
    app.register_error_handler(Exception, _broken)


def status_of(error: DomainError) -> HTTPStatus:
    return next(status for kind, status in STATUS.items() if isinstance(error, kind))


def refused(error: DomainError) -> tuple[Response | str, int]:
    """The answer to a request that was refused."""
    faults = [_fault(fault) for fault in error.faults]
    return _problem(status_of(error), error.code, str(error), faults, dict(error.details))


def _fault(fault: Fault) -> dict[str, Any]:
    shown: dict[str, Any] = {"field": fault.field, "code": fault.code, "detail": fault.detail}
    return shown | ({"numbers": dict(fault.numbers)} if fault.numbers else {})


def _malformed(error: ValidationError) -> tuple[Response | str, int]:
    return _problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "malformed",
        "Some of what was sent is not as it must be.",
        [_fault(fault) for fault in faults_of(error.messages)],
    )


def faults_of(messages: Any, field: str = "") -> Iterator[Fault]:
    """marshmallow's messages, flat: one fault for each."""
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            name = "" if key == "_schema" else str(key)
            yield from faults_of(inner, ".".join(filter(None, (field, name))))
    elif isinstance(messages, list | tuple):
        for message in messages:
            yield from faults_of(message, field)
    else:
        yield Fault("malformed", str(messages), field)


def _http(error: HTTPException) -> tuple[Response | str, int]:
    status = HTTPStatus(error.code or 500)
    data: dict[str, Any] = getattr(error, "data", None) or {}
    if messages := data.get("messages"):  # webargs found the body, query or form malformed
        by_field = messages.values() if isinstance(messages, Mapping) else [messages]
        return _malformed(ValidationError(_joined(by_field)))
    code = status.phrase.lower().replace(" ", "-").replace("'", "")
    answer, _ = _problem(status, code, error.description or status.phrase)
    if isinstance(answer, str):
        answer = Response(answer)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            answer.headers[name] = value
    return answer, status


def _joined(by_location: Any) -> dict[str, Any]:
    joined: dict[str, Any] = {}
    for messages in by_location:
        joined |= messages if isinstance(messages, Mapping) else {"_schema": messages}
    return joined


def _database_away(error: OperationalError) -> tuple[Response | str, int]:
    log.error("the database failed: %s", error.orig)
    answer, status = _problem(
        HTTPStatus.SERVICE_UNAVAILABLE, "not-ready", "The database does not answer. Try again in a moment."
    )
    if isinstance(answer, str):
        answer = Response(answer)
    answer.headers["Retry-After"] = "5"
    return answer, status


def _broken(error: Exception) -> tuple[Response | str, int]:
    """A bug: logged whole, shown as its number only."""
    log.exception("%s %s failed", request.method, request.path)
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", "Something went wrong on our side.")


def _problem(
    status: HTTPStatus,
    code: str,
    detail: str,
    faults: list[dict[str, Any]] | None = None,
    details: dict[str, object] | None = None,
) -> tuple[Response | str, int]:
    correlation_id = str(g.get("correlation_id", ""))
    problem: dict[str, Any] = {
        "type": f"urn:infrashare:problem:{code}",
        "title": TITLES.get(status, status.phrase),
        "status": int(status),
        "code": code,
        "detail": detail,
        "instance": f"urn:uuid:{correlation_id}",
        "correlation_id": correlation_id,
        "errors": faults or [],
    }
    if "/api/" in request.path or request.path.endswith(".json"):
        answer = jsonify(problem | {key: value for key, value in (details or {}).items() if key not in problem})
        answer.content_type = "application/problem+json"
        if details and isinstance(seconds := details.get("retry_after"), int):
            answer.headers["Retry-After"] = str(seconds)
        if status is HTTPStatus.UNAUTHORIZED:
            answer.headers["WWW-Authenticate"] = "Bearer"
        return answer, status
    return render_template("error.html", problem=problem), status
