"""What those who run a service need of it: is it well, what did it tell, what could it not handle."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from flask import Blueprint as Pages
from flask import Response, current_app, g, jsonify, request
from marshmallow import Schema
from sqlalchemy.exc import DBAPIError

from shared import mailbox, metrics
from shared.clock import utc_now
from shared.errors import NotFound, Unauthorised
from shared.events import BATCH_CONTENT_TYPE
from shared.fields import Whole
from shared.service import Instance
from shared.tokens import is_service_token
from shared.web.api import Blueprint
from shared.web.pages import redirect_to, render

blueprint = Pages("ops", __name__)
api_blueprint = Blueprint("events", __name__, url_prefix="/api/v1", description="What this service told")


def _instance() -> Instance:
    instance: Instance = current_app.extensions["instance"]
    return instance


@blueprint.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "alive", "service": _instance().service.name}


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Ready when the database answers and its tables are up to date; a broker that is away is only reported."""
    instance = _instance()
    try:
        ready = instance.database.is_migrated(instance.service.histories)
        with instance.snapshot() as session:
            load = mailbox.load(session, now=utc_now())
            received = mailbox.received_upto(session)
    except DBAPIError:
        return jsonify(status="not ready", database="does not answer"), 503
    body = {
        "status": "ready" if ready else "not ready",
        "database": "up to date" if ready else "has to be migrated",
        "outbox": {
            "position": load.position,
            "unpublished": load.unpublished,
            "oldest_seconds": round(load.oldest_unpublished.total_seconds(), 3),
        },
        "inbox": {"waiting": load.waiting, "parked": load.parked},
        "received": received,
    }
    return jsonify(body), 200 if ready else 503


@blueprint.get("/metrics")
def prometheus() -> Response:
    return Response(metrics.exposition(_instance()), content_type="text/plain; version=0.0.4; charset=utf-8")


class FeedQuery(Schema):
    """Which part of the log is wanted."""

    after = Whole(0, 2**53, load_default=0, metadata={"description": "Position after which to go on."})
    limit = Whole(1, 500, load_default=200)


@api_blueprint.get("/events")
@api_blueprint.takes(FeedQuery, location="query")
@api_blueprint.gives_raw(BATCH_CONTENT_TYPE, "CloudEvents in the order of their positions", shape="array")
@api_blueprint.needs_token()
def feed(wanted: dict[str, Any]) -> Response:
    """Read the log of this service, for other services and administrators"""
    _must_read_logs()
    instance = _instance()
    with instance.snapshot() as session:
        log = mailbox.feed(session, instance.service.name, **wanted)
    body = json.dumps([envelope.to_dict() for envelope in log], separators=(",", ":"))
    return Response(body, content_type=BATCH_CONTENT_TYPE)


def _must_read_logs() -> None:
    instance = _instance()
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        if is_service_token(instance.config.service_secret, token.strip()):
            return
        g.actor = instance.tokens.read(token.strip()) or g.actor
        if not g.actor.signed_in:
            raise Unauthorised("This token is not valid, or no longer.")
    g.actor.must_administer()


@blueprint.get("/ops/messages")
def messages() -> str:
    """What could not be handled, for the administrator."""
    g.actor.must_administer()
    with _instance().snapshot() as session:
        return render(
            "ops/messages.html",
            parked=mailbox.parked(session),
            load=mailbox.load(session, now=utc_now()),
            title=_instance().service.title,
        )


@blueprint.post("/ops/messages/<uuid:message_id>/send-again")
def send_again(message_id: UUID) -> Any:
    g.actor.must_administer()
    with _instance().begin(actor=g.actor, correlation_id=g.correlation_id) as uow:
        if not mailbox.send_again(uow.session, message_id):
            raise NotFound("This message is not waiting here any more.")
    return redirect_to(f"{_instance().service.mount}/ops/messages")


@blueprint.get("/api/docs")
def docs() -> str:
    """The API for people: what can be asked, with what, and what comes back."""
    documented = current_app.extensions["flask-smorest"]["apis"][""]["ext_obj"]
    return render("ops/docs.html", spec=documented.spec.to_dict(), title=_instance().service.title)
