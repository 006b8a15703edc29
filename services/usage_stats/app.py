"""The usage_stats service, put together."""

from __future__ import annotations

from flask import Flask

from services.usage_stats import api, handlers, jobs, pages
from services.usage_stats.models import Base
from shared.service import Instance, Service
from shared.web.app import build_app

SERVICE = Service(
    name="usage_stats",
    mount="/stats",
    title="Insights",
    import_name=__package__ or "",
    metadata=Base.metadata,
    handlers=handlers.HANDLERS,
    jobs=jobs.JOBS,
    blueprints=(api.blueprint, pages.blueprint),
)


def create_app() -> Flask:
    """For WSGI servers and `flask --app`; settings come from the environment."""
    return build_app(Instance.from_env(SERVICE))
