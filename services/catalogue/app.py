"""The catalogue service, put together."""

from __future__ import annotations

from flask import Flask

from services.catalogue import api, commands, handlers, jobs, pages
from services.catalogue.domain.vocabulary import TECHNIQUES
from services.catalogue.models import Base
from shared.service import Instance, Service
from shared.web.app import build_app


def enter_vocabulary(instance: Instance) -> None:
    """A catalogue knows the usual techniques from its first start on."""
    with instance.begin() as uow:
        commands.enter_techniques(uow, TECHNIQUES)


SERVICE = Service(
    name="catalogue",
    mount="/catalogue",
    title="Catalogue",
    import_name=__package__ or "",
    metadata=Base.metadata,
    handlers=handlers.HANDLERS,
    jobs=jobs.JOBS,
    blueprints=(*api.BLUEPRINTS, pages.blueprint, pages.root),
    prepare=enter_vocabulary,
)


def create_app() -> Flask:
    """For WSGI servers; settings come from the environment."""
    return build_app(Instance.from_env(SERVICE))
