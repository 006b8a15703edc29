"""The booking service, put together."""

from __future__ import annotations

from flask import Flask

from services.booking import api, handlers, jobs, pages
from services.booking.models import Base
from shared.service import Instance, Service
from shared.web.app import build_app

SERVICE = Service(
    name="booking",
    mount="/booking",
    title="Bookings",
    import_name=__package__ or "",
    metadata=Base.metadata,
    handlers=handlers.HANDLERS,
    jobs=jobs.JOBS,
    blueprints=(*api.BLUEPRINTS, *pages.BLUEPRINTS),
)


def create_app() -> Flask:
    """For web servers; settings come from the environment."""
    return build_app(Instance.from_env(SERVICE))
