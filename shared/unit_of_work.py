"""A unit of work: one transaction, one actor, one moment. What every use case is handed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from shared import mailbox
from shared.auth import SYSTEM, Actor
from shared.clock import utc_now
from shared.database import Database
from shared.events import Envelope, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitOfWork:
    """Use cases read and write through `session`, speak through `emit`, and never commit.

    Lock what is decided about before looking at it, and emit last: then the events of one subject
    follow the order in which its changes commit.
    """

    session: Session
    service: str
    actor: Actor
    now: datetime  # one moment for the whole of the work
    correlation_id: UUID  # the request that began it all
    causation_id: UUID | None = None  # the message this work answers
    emitted: list[Envelope] = field(default_factory=list)

    def emit(self, event: Event) -> None:
        """Tell the other services that `event` happened, if and only if this work commits."""
        self.emitted.append(
            Envelope.wrap(
                event,
                source=self.service,
                time=self.now,
                actor=self.actor.id,
                correlation_id=self.correlation_id,
                causation_id=self.causation_id,
            )
        )


@contextmanager
def unit_of_work(
    database: Database,
    service: str,
    *,
    actor: Actor = SYSTEM,
    now: datetime | None = None,
    correlation_id: UUID | None = None,
) -> Iterator[UnitOfWork]:
    """Commit on leaving the block, with everything emitted in it; roll back on any exception."""
    with database.transaction() as session:
        uow = UnitOfWork(
            session=session,
            service=service,
            actor=actor,
            now=now or utc_now(),
            correlation_id=correlation_id or uuid4(),
        )
        yield uow
        mailbox.post(session, uow.emitted)
