"""What a service is, said as data; and one at work.

Whoever runs a service (a web process, a worker, the embedded mode, a test) needs nothing else.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import MetaData
from sqlalchemy.orm import Session

from shared import logs, mailbox
from shared.auth import SYSTEM, Actor
from shared.clock import utc_now
from shared.config import Config
from shared.database import Database
from shared.events import Envelope, Event
from shared.peers import HttpPeers, Peers
from shared.tokens import Tokens
from shared.unit_of_work import UnitOfWork, unit_of_work

log = logging.getLogger(__name__)

Handler = Callable[[UnitOfWork, Any], None]
Handlers = Mapping[type[Event], Handler]


class Wire(Protocol):
    """What carries events from one service to the others."""

    def publish(self, batch: Sequence[Envelope]) -> int:
        """Send `batch` in order; the length of the prefix that is safe on the other side."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something done by the clock. It opens its own units of work, and is safe to run twice and to skip."""

    run: Callable[[Instance], None]
    every: timedelta


@dataclass(frozen=True, kw_only=True)
class Service:
    """What a service is: its name, its tables, what it hears, does by the clock, and shows."""

    name: str
    mount: str  # where it is found, e.g. "/stats"
    title: str
    import_name: str
    metadata: MetaData
    config: type[Config] = Config
    handlers: Handlers = field(default_factory=dict)
    jobs: tuple[Job, ...] = ()
    blueprints: tuple[Any, ...] = ()
    prepare: Callable[[Instance], None] = lambda _: None  # done after migrating; safe to repeat

    def __post_init__(self) -> None:
        if self.name in self.hears:
            raise TypeError(f"{self.name} must not hear itself: it already knows")

    @property
    def heard(self) -> frozenset[str]:
        """Types of the events it has a handler for."""
        return frozenset(event.type for event in self.handlers)

    @property
    def hears(self) -> frozenset[str]:
        """Services whose log it follows."""
        return frozenset(type_.partition(".")[0] for type_ in self.heard)

    @property
    def histories(self) -> dict[str, Path]:
        """Where the histories of its tables are: that of the core, and its own."""
        return {
            "core": Path(str(files("shared"))) / "migrations" / "versions",
            "schema": Path(str(files(self.import_name))) / "migrations" / "versions",
        }


@dataclass(frozen=True)
class Instance:
    """A service at work: its declaration, its settings, its own database, its way to the others."""

    service: Service
    config: Config
    database: Database
    peers: Peers
    spoke: threading.Event = field(default_factory=threading.Event)  # set when something was told

    @classmethod
    def from_env(cls, service: Service, *, pool_size: int = 8) -> Instance:
        config = service.config.from_env(service.name)
        peers = HttpPeers(service.name, config.peers, config.service_secret)
        return cls(service, config, Database(config.database_url, pool_size=pool_size), peers)

    @cached_property
    def tokens(self) -> Tokens:
        return Tokens(self.peers.keys)

    def migrate(self) -> None:
        """Bring the tables up to date, and enter what the service cannot do without."""
        self.database.migrate(self.service.histories)
        self.service.prepare(self)

    @contextmanager
    def begin(
        self,
        *,
        actor: Actor = SYSTEM,
        now: datetime | None = None,
        correlation_id: UUID | None = None,
    ) -> Iterator[UnitOfWork]:
        """A unit of work that commits on leaving its block and rolls back on any exception."""
        with unit_of_work(self.database, self.service.name, actor=actor, now=now, correlation_id=correlation_id) as uow:
            yield uow
        if uow.emitted:
            self.spoke.set()

    def snapshot(self) -> AbstractContextManager[Session]:
        """A session for reading."""
        return self.database.snapshot()

    def relay(self, wire: Wire) -> int:
        """Publish what was told since the last time; how much of it is safe on the other side."""
        return mailbox.relay(self.database, self.service.name, wire.publish)

    def accept(self, envelopes: Sequence[Envelope]) -> None:
        """Take messages off the wire: keep them, once. Only then may the wire forget them."""
        mailbox.accept(self.database, envelopes, heard=self.service.heard)

    def react(self) -> int:
        """Do what the messages heard ask for; how many were looked at."""
        looked_at = mailbox.react(self.database, self._handle)
        if looked_at:
            self.spoke.set()  # a handler may have told something; only now is it committed
        return looked_at

    def catch_up(self) -> int:
        """Fetch from the others' logs what has not arrived here; how much was fetched."""
        fetched = 0
        for source in sorted(self.service.hears):
            after = self._received_upto(source)
            while missed := self.peers.feed(source, after=after):
                self.accept(missed)
                before, after = after, self._received_upto(source)
                fetched += after - before
                if after == before:
                    log.error("the log of %s does not go on after position %d", source, after)
                    break
        return fetched

    def _received_upto(self, source: str) -> int:
        with self.snapshot() as session:
            return mailbox.received_upto(session).get(source, 0)

    def _handle(self, session: Session, envelope: Envelope) -> None:
        logs.correlation.set(envelope.correlation_id)
        logs.causation.set(envelope.id)
        event = envelope.event
        uow = UnitOfWork(
            session=session,
            service=self.service.name,
            actor=SYSTEM,
            now=utc_now(),
            correlation_id=envelope.correlation_id,
            causation_id=envelope.id,
        )
        self.service.handlers[type(event)](uow, event)
        mailbox.post(session, uow.emitted)
