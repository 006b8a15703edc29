"""A small teller and a small listener, to try the core without any of the real services."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from shared.database import COLUMN_TYPES, new_metadata
from shared.events import Event, event
from shared.service import Service
from shared.unit_of_work import UnitOfWork


@event("teller.counted.v1")
@dataclass(frozen=True, kw_only=True)
class Counted(Event):
    """The teller counted one further on `counter`."""

    counter: str
    fails: bool = False
    takes: float = 0.0  # seconds to handle it

    @property
    def subject(self) -> str:
        return self.counter


@event("teller.whispered.v1")
@dataclass(frozen=True, kw_only=True)
class Whispered(Event):
    """Something the listener has no handler for."""

    @property
    def subject(self) -> str:
        return "whisper"


class Base(MappedAsDataclass, DeclarativeBase):
    metadata = new_metadata()
    type_annotation_map = COLUMN_TYPES


class Heard(Base, kw_only=True):
    """What the listener did, in the order in which it did it."""

    __tablename__ = "heard"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    counter: Mapped[str]
    sequence: Mapped[int]


def hear(uow: UnitOfWork, told: Counted) -> None:
    uow.session.add(Heard(counter=told.counter, sequence=told.sequence))
    uow.session.flush()
    time.sleep(told.takes)
    if told.fails:
        raise ValueError("this one cannot be handled")


TELLER = Service(
    name="teller", mount="/teller", title="Teller", import_name="tests.shared.sample", metadata=Base.metadata
)
LISTENER = Service(
    name="listener",
    mount="/listener",
    title="Listener",
    import_name="tests.shared.sample",
    metadata=Base.metadata,
    handlers={Counted: hear},
)
