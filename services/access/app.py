"""The access service, put together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Flask

from services.access import api, handlers, jobs, pages, queries
from services.access.commands import keys, people
from services.access.config import AccessConfig
from services.access.models import Base
from shared.events import Envelope
from shared.service import Instance, Service
from shared.web.app import build_app


def prepare(access: Instance) -> None:
    """Make the first signing key and, where the settings name one, the first administrator."""
    with access.begin() as uow:
        keys.signing_key(uow)
    config = access.config
    if isinstance(config, AccessConfig) and config.admin_email and config.admin_password:
        with access.begin() as uow:
            people.ensure_administrator(uow, email=config.admin_email, password=config.admin_password)


SERVICE = Service(
    name="access",
    mount="/access",
    title="People and organisations",
    import_name=__package__ or "",
    metadata=Base.metadata,
    config=AccessConfig,
    handlers=handlers.HANDLERS,
    jobs=jobs.JOBS,
    blueprints=(*api.BLUEPRINTS, *pages.BLUEPRINTS),
    prepare=prepare,
)


class WithOwnKeys:
    """The way to the others, but for the keys: access has them, and must not ask itself over the network."""

    def __init__(self, access: Instance) -> None:
        self._access = access

    def feed(self, source: str, *, after: int) -> list[Envelope]:
        return self._access.peers.feed(source, after=after)

    def keys(self) -> dict[str, Any]:
        with self._access.snapshot() as session:
            return queries.public_keys(session)


def create_app() -> Flask:
    """For WSGI servers and `flask --app`; settings come from the environment."""
    access = Instance.from_env(SERVICE)
    return build_app(replace(access, peers=WithOwnKeys(access)))
