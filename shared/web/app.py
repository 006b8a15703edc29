"""Turn a service at work into a Flask app, mounted under the service's own address."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

from flask import Blueprint, Flask, Response, current_app, g, request
from jinja2 import ChoiceLoader, PackageLoader
from sqlalchemy.orm import Session
from werkzeug.middleware.proxy_fix import ProxyFix

from shared import formats, logs, metrics
from shared.auth import Actor
from shared.service import Instance
from shared.unit_of_work import UnitOfWork
from shared.web import api, assets, auth, errors, navigation, ops, security

LARGEST_BODY = 64 * 1024  # bytes; a view that takes more says so with `largest_body`


def build_app(instance: Instance) -> Flask:
    """The web side of a service: its API, its pages, health, readiness and metrics, below its mount."""
    service = instance.service
    app = Flask(
        service.import_name,
        static_folder=str(Path(__file__).with_name("static")),
        static_url_path="/static",
        template_folder="templates",
    )
    app.config.update(MAX_CONTENT_LENGTH=LARGEST_BODY, SEND_FILE_MAX_AGE_DEFAULT=None, TRAP_HTTP_EXCEPTIONS=False)
    app.extensions["instance"] = instance
    app.jinja_loader = ChoiceLoader([PackageLoader(service.import_name), PackageLoader("shared.web")])
    app.jinja_env.globals.update(assets.GLOBALS)
    app.jinja_env.filters.update(formats.FILTERS)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]

    app.before_request(_begin)
    auth.init_app(app)
    security.init_app(app)
    app.context_processor(lambda: navigation.context(instance, getattr(g, "actor", None)))
    app.after_request(_end)
    documented = api.init_app(app, service)
    errors.init_app(app)
    for blueprint in (ops.api_blueprint, ops.blueprint, *service.blueprints):
        if isinstance(blueprint, api.Blueprint):
            documented.register_blueprint(blueprint, url_prefix=_below(service.mount, blueprint))
        else:
            app.register_blueprint(blueprint, url_prefix=_below(service.mount, blueprint))
    return app


def _below(mount: str, blueprint: Blueprint) -> str:
    """Where a blueprint goes: below the mount, unless it names an address of its own with `at_root`."""
    prefix = blueprint.url_prefix or ""
    return prefix if getattr(blueprint, "at_root", False) else mount + prefix


def _begin() -> None:
    try:
        g.correlation_id = UUID(request.headers.get("X-Correlation-ID", ""))
    except ValueError:
        g.correlation_id = uuid4()
    g.began = time.perf_counter()
    logs.correlation.set(g.correlation_id)
    logs.causation.set(None)


def _end(response: Response) -> Response:
    response.headers["X-Correlation-ID"] = str(g.correlation_id)
    name = _instance().service.name
    route = request.url_rule.rule if request.url_rule else "unknown"
    metrics.REQUESTS.labels(name, request.method, route, response.status_code).inc()
    metrics.LATENCY.labels(name, route).observe(time.perf_counter() - g.began)
    return response


def current_actor() -> Actor:
    """Who makes the current request."""
    actor: Actor = g.actor
    return actor


@contextmanager
def work() -> Iterator[UnitOfWork]:
    """A unit of work for the current request; commits when its block ends.

    Where the answer is kept under an idempotency key, the work commits together with the answer.
    """
    ongoing: UnitOfWork | None = g.get("work")
    if ongoing is not None:
        yield ongoing
    else:
        with _instance().begin(actor=g.actor, correlation_id=g.correlation_id) as uow:
            yield uow


@contextmanager
def snapshot() -> Iterator[Session]:
    """A session for reading, for the current request; sees what its own ongoing work has changed."""
    ongoing: UnitOfWork | None = g.get("work")
    if ongoing is not None:
        yield ongoing.session
    else:
        with _instance().snapshot() as session:
            yield session


def _instance() -> Instance:
    instance: Instance = current_app.extensions["instance"]
    return instance
