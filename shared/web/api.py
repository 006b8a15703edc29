"""flask-smorest, kept behind one door: its errors silenced, its decorators typed, writes answered once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar, TypeVar

import flask_smorest
from flask import Flask, Response, current_app, g, make_response, request
from marshmallow import INCLUDE, Schema, fields
from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from shared import errors
from shared.clock import utc_now
from shared.errors import DomainError, Fault, Invalid
from shared.mailbox import Answer
from shared.service import Instance, Service
from shared.unit_of_work import UnitOfWork
from shared.web.auth import require_login
from shared.web.errors import refused

View = TypeVar("View", bound=Callable[..., Any])

KEPT_HEADERS = ("Location", "ETag", "Content-Type")
LONGEST_KEY = 255
TOKEN_NEEDED: list[dict[str, list[str]]] = [{"token": []}]
TOKEN_OR_NONE: list[dict[str, list[str]]] = [*TOKEN_NEEDED, {}]
_KEY = re.compile("[!-~]+")
_NO_ANSWER_YET = 0


class FaultSchema(Schema):
    """One broken rule."""

    field = fields.String(required=True, metadata={"description": "Where; empty for the whole."})
    code = fields.String(required=True)
    detail = fields.String(required=True)
    numbers = fields.Dict(metadata={"description": "The limit, and what was asked."})


class ProblemSchema(Schema):
    """Problem details (RFC 9457). Some problems carry further members."""

    class Meta:
        unknown = INCLUDE

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    code = fields.String(required=True, metadata={"description": "Stable; for programs."})
    detail = fields.String(required=True, metadata={"description": "A plain sentence; for people."})
    instance = fields.String(required=True)
    correlation_id = fields.String(required=True)
    errors = fields.List(fields.Nested(FaultSchema), required=True)


_PROBLEMS = {
    400: "Could not be read",
    401: "Sign in first, or the token is no longer valid",
    403: "Not open to you",
    404: "Not there, or not visible to you",
    409: "No longer possible",
    413: "Too large",
    415: "Another format is needed",
    422: "Cannot be done as asked; every broken rule is named",
    429: "Too often",
    500: "Something went wrong on our side",
    503: "Not available right now",
}
_PROBLEMS_OF_CHANGES = {412: "Changed meanwhile", 428: "If-Match is missing"}


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]
    """A blueprint whose views appear in the service's OpenAPI document."""

    at_root: ClassVar[bool] = False  # True: not below the mount

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._prepare_doc_cbks.append(self._say_the_usual)

    def _say_the_usual(
        self, operation: dict[str, Any], info: dict[str, Any], *, method: str, **_: Any
    ) -> dict[str, Any]:
        """Document what all views share: headers of writes, problems, and whether a token is needed.

        Not by `alt_response`: each of those is one more function to pass through at every request.
        """
        changes = method.upper() in ("PUT", "PATCH", "DELETE")
        headers = [_KEY_PARAMETER] if info.get("kept") else []
        headers += [_VERSION_PARAMETER] if changes else []
        if headers:
            operation.setdefault("parameters", []).extend(headers)
        for status, description in (_PROBLEMS | (_PROBLEMS_OF_CHANGES if changes else {})).items():
            operation.setdefault("responses", {})[status] = {
                "description": description,
                "content": {"application/problem+json": {"schema": ProblemSchema}},
            }
        if require_login in self.before_request_funcs.get(None, ()):
            operation["security"] = TOKEN_NEEDED
        return operation

    def get(self, rule: str) -> Callable[[View], View]:
        return self._route("GET", rule)

    def post(self, rule: str, *, largest_body: int | None = None, once: bool = True) -> Callable[[View], View]:
        """`largest_body` in bytes, for uploads; `once=False` where an answer must not be kept."""
        return self._route("POST", rule, largest_body, once=once)

    def put(self, rule: str) -> Callable[[View], View]:
        return self._route("PUT", rule)

    def patch(self, rule: str) -> Callable[[View], View]:
        return self._route("PATCH", rule)

    def delete(self, rule: str) -> Callable[[View], View]:
        return self._route("DELETE", rule)

    def takes(self, schema: type[Schema], location: str = "json") -> Callable[[View], View]:
        """Hand the view what was sent, loaded by `schema`, before its own arguments."""
        return self.arguments(schema, location=location)  # type: ignore[no-any-return]

    def gives(self, schema: type[Schema], status: int = 200, *, many: bool = False) -> Callable[[View], View]:
        return self.response(status, schema(many=many))  # type: ignore[no-any-return]

    def needs_token(self) -> Callable[[View], View]:
        """Say in the document that the view asks for a token by itself."""
        return self.doc(security=TOKEN_NEEDED)  # type: ignore[no-any-return]

    def gives_nothing(self) -> Callable[[View], View]:
        return self.response(204)  # type: ignore[no-any-return]

    def gives_raw(
        self, content_type: str, description: str, status: int = 200, *, shape: str = "string"
    ) -> Callable[[View], View]:
        """For views that return a response of their own making."""
        return self.response(  # type: ignore[no-any-return]
            status,
            {"type": shape} | ({"items": {}} if shape == "array" else {}),
            content_type=content_type,
            description=description,
        )

    def _route(
        self, method: str, rule: str, largest_body: int | None = None, *, once: bool = True
    ) -> Callable[[View], View]:
        kept = once and method != "GET"

        def decorate(view: View) -> View:
            answered: Any = _answered(view, largest_body, once=kept)
            answered._apidoc = getattr(view, "_apidoc", {}) | {"kept": kept}
            routed: View = self.route(rule, methods=[method])(answered)
            return routed

        return decorate


_KEY_PARAMETER = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[!-~]+$"},
    "description": "The same key again has no second effect and gets the same answer.",
}


_VERSION_PARAMETER = {
    "in": "header",
    "name": "If-Match",
    "required": False,
    "schema": {"type": "string"},
    "description": "The ETag of what is changed. Needed where reading it gives one.",
}


class _Api(flask_smorest.Api):  # type: ignore[misc]
    DEFAULT_ERROR_RESPONSE_NAME = None  # all of ours are named, and of another shape

    def _register_error_handlers(self) -> None:
        """Leave errors to `shared.web.errors`: this app serves pages too."""


def init_app(app: Flask, service: Service) -> _Api:
    app.config.update(
        API_TITLE=f"Infrashare: {service.title}",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX=f"{service.mount}/api",
        OPENAPI_JSON_PATH="openapi.json",
    )
    documented = _Api(app)
    documented.spec.components.security_scheme("token", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    documented.spec.options["security"] = TOKEN_OR_NONE
    return documented


def located(address: str) -> None:
    """Say where what was made can be found."""
    _headers()["Location"] = address


def etag(sequence: int) -> None:
    """Say which version this is, so that a change can name it."""
    _headers()["ETag"] = f'"{sequence}"'


def must_match(sequence: int) -> None:
    """Refuse a change to another version than the present one, `sequence`.

    Raises `Unversioned` (428) when `If-Match` is missing, `Stale` (412) when it names another.
    """
    named = request.headers.get("If-Match")
    if named is None:
        raise errors.Unversioned("Send the ETag of what you changed as If-Match.")
    if named.strip() not in ("*", f'"{sequence}"'):
        raise errors.Stale("Somebody changed this since you read it. Read it again.", present=sequence)


def _headers() -> dict[str, str]:
    headers: dict[str, str] = g.setdefault("answer_headers", {})
    return headers


def _answered(view: Callable[..., Any], largest_body: int | None, *, once: bool) -> Callable[..., Any]:
    @wraps(view)
    def answer(*args: Any, **kwargs: Any) -> Response:
        key = request.headers.get("Idempotency-Key")
        if not once or key is None or not g.actor.signed_in:
            return _response(view, args, kwargs)
        return _once(key, lambda: _response(view, args, kwargs))

    answer.largest_body = largest_body  # type: ignore[attr-defined]  # for `security`, which looks at it first
    return answer


def _response(view: Callable[..., Any], args: Any, kwargs: Any) -> Response:
    response = make_response(view(*args, **kwargs))
    response.headers.update(g.pop("answer_headers", {}))
    return response


def _once(key: str, respond: Callable[[], Response]) -> Response:
    """Answer a repeated write as it was answered the first time.

    The answer is kept in the transaction of its effect: whoever crashes between commit and answer
    answers the same when asked again. Two at once: the second waits for the first. A refusal is an answer
    too, unless it says that the same may work later.
    """
    if not (len(key) <= LONGEST_KEY and _KEY.fullmatch(key)):
        detail = f"A key is 1 to {LONGEST_KEY} printable ASCII characters without spaces."
        raise Invalid("This idempotency key cannot be used.", faults=[Fault("bad-key", detail, "Idempotency-Key")])
    instance: Instance = current_app.extensions["instance"]
    fingerprint = _fingerprint()
    try:
        with instance.begin(actor=g.actor, correlation_id=g.correlation_id) as uow:
            if kept := _claim(uow, key, fingerprint):
                return _repeated(kept, fingerprint)
            g.work = uow
            try:
                response = respond()
            finally:
                g.pop("work", None)
            _keep(uow.session, key, response)
            return response
    except (errors.TooMany, errors.Unavailable):
        raise
    except DomainError as refusal:
        body, status = refused(refusal)
        response = make_response(body, status)
        with instance.begin(actor=g.actor, correlation_id=g.correlation_id) as uow:
            if kept := _claim(uow, key, fingerprint):  # the same was asked again and answered meanwhile
                return _repeated(kept, fingerprint)
            _keep(uow.session, key, response)
        return response


def _fingerprint() -> str:
    """What tells one request from another: method, address, and what was sent."""
    digest = hashlib.sha256(f"{request.method} {request.full_path}\n".encode())
    if request.mimetype == "multipart/form-data":  # parted by another mark each time it is sent
        for name, value in request.form.items(multi=True):
            digest.update(f"{name}={hashlib.sha256(value.encode()).hexdigest()}\n".encode())
        for name, file in request.files.items(multi=True):
            content = hashlib.sha256(file.stream.read()).hexdigest()
            file.stream.seek(0)
            digest.update(f"{name}={file.filename}={content}\n".encode())
    else:
        digest.update(request.get_data(cache=True))
    return digest.hexdigest()


def _claim(uow: UnitOfWork, key: str, fingerprint: str) -> Answer | None:
    """Take the key for this request; or the answer given under it before."""
    dialect_insert = sqlite.insert if uow.session.get_bind().dialect.name == "sqlite" else postgresql.insert
    claim = {
        "principal": uow.actor.id,
        "key": key,
        "fingerprint": fingerprint,
        "status": _NO_ANSWER_YET,
        "headers": {},
        "body": "",
        "given_at": utc_now(),
    }
    taken = uow.session.execute(dialect_insert(Answer).values(claim).on_conflict_do_nothing().returning(Answer.key))
    if taken.scalar() is not None:
        return None
    return uow.session.get_one(Answer, (uow.actor.id, key), populate_existing=True)


def _keep(session: Session, key: str, response: Response) -> None:
    session.execute(
        update(Answer)
        .where(Answer.principal == g.actor.id, Answer.key == key)
        .values(
            status=response.status_code,
            headers={name: response.headers[name] for name in KEPT_HEADERS if name in response.headers},
            body=response.get_data(as_text=True),
        )
    )


def _repeated(kept: Answer, fingerprint: str) -> Response:
    if kept.fingerprint != fingerprint:
        fault = Fault("key-reused", "This key was used for another request.", "Idempotency-Key")
        raise KeyReused("Take a new idempotency key for a new request.", faults=[fault])
    return Response(kept.body, kept.status, headers=kept.headers | {"Idempotency-Replayed": "true"})


class KeyReused(Invalid):
    """An idempotency key stands for one request."""

    code = "idempotency-key-reused"
