"""The notify service, put together."""

from __future__ import annotations

from flask import Flask

from services.notify import api, handlers, jobs, pages
from services.notify.config import NotifyConfig
from services.notify.models import Base
from shared.service import Instance, Service
from shared.web.app import build_app

SERVICE = Service(
    name="notify",
    mount="/notify",
    title="Notices",
    import_name=__package__ or "",
    metadata=Base.metadata,
    config=NotifyConfig,
    handlers=handlers.HANDLERS,
    jobs=jobs.JOBS,
    blueprints=(api.notices, api.preferences, api.deliveries, pages.blueprint),
)


def create_app() -> Flask:
    """For WSGI servers; settings come from the environment."""
    return build_app(Instance.from_env(SERVICE))
