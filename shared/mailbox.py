"""Outbox and inbox: what a service tells and what it hears, as rows of its own database.

Telling. An event is written to the outbox in the transaction of the change it belongs to. One relay a
service gives committed rows their `position`, without gaps, and publishes in that order; the same table
is the log that others read as a feed. Positions are given after commit because serial numbers are not:
a reader that follows those runs past a transaction that commits late.

Hearing. What arrives is stored first, acknowledged, and handled later: one transaction holds the
handler's effects and the mark that it is done. Rows are handled in the order of their positions, only up
to the first gap, and in strict order within a subject. A row that fails is tried again, later and later;
after `MAX_ATTEMPTS` it is parked, where a person can look at it and send it again. While a row waits, the
later ones of its subject wait behind it; a parked row no longer blocks.

So nothing is lost between a service's database and the wire, and nothing takes effect twice.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, Session, mapped_column

from shared.clock import utc_now
from shared.database import COLUMN_TYPES, Counter, Database, new_metadata
from shared.events import Envelope

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 8
FIRST_RETRY = timedelta(milliseconds=100)  # doubles with every attempt: 0.1 s, 0.2 s, … 12.8 s
KEEP_HANDLED = timedelta(days=30)
BATCH = 200  # rows relayed or stored at once
HANDLED_TOGETHER = 50  # rows handled in one transaction
HANDLING_LOCK = 7_405_927  # of PostgreSQL's advisory locks; each service has its own database


_COLUMNS = tuple(each.name for each in fields(Envelope) if each.name != "source")  # of an envelope, in either box


class MailboxBase(MappedAsDataclass, DeclarativeBase):
    metadata = new_metadata()
    type_annotation_map = COLUMN_TYPES


class Outbox(MailboxBase, kw_only=True):
    """One event told: in the log for good."""

    __tablename__ = "outbox"
    __table_args__ = (
        sa.Index("ix_outbox_position", "position", unique=True),
        sa.Index("ix_outbox_subject_sequence", "subject", "sequence", unique=True),
        sa.Index(
            "ix_outbox_unnumbered",
            "seq",
            sqlite_where=text("position IS NULL"),
            postgresql_where=text("position IS NULL"),
        ),
    )

    seq: Mapped[int] = mapped_column(Counter, primary_key=True, init=False, autoincrement=True)
    position: Mapped[int | None] = mapped_column(Counter, default=None)
    id: Mapped[UUID]
    type: Mapped[str]
    subject: Mapped[str]
    sequence: Mapped[int]
    time: Mapped[datetime]
    actor: Mapped[UUID]
    correlation_id: Mapped[UUID]
    causation_id: Mapped[UUID | None]
    data: Mapped[dict[str, Any]]


class Relay(MailboxBase, kw_only=True):
    """How far the log has been published. One row."""

    __tablename__ = "relay"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    upto: Mapped[int] = mapped_column(Counter)


class Inbox(MailboxBase, kw_only=True):
    """One event heard. `state` is new, done or parked."""

    __tablename__ = "inbox"
    __table_args__ = (
        sa.Index("ix_inbox_id", "id", unique=True),
        sa.Index("ix_inbox_source_position", "source", "position", unique=True),
        sa.Index(
            "ix_inbox_open",
            "source",
            "subject",
            "position",
            sqlite_where=text("state <> 'done'"),
            postgresql_where=text("state <> 'done'"),
        ),
        sa.Index(  # the next ones of a long backlog are found without looking at all of it
            "ix_inbox_waiting",
            "source",
            "position",
            sqlite_where=text("state <> 'done'"),
            postgresql_where=text("state <> 'done'"),
        ),
    )

    seq: Mapped[int] = mapped_column(Counter, primary_key=True, init=False, autoincrement=True)
    id: Mapped[UUID]
    source: Mapped[str]
    position: Mapped[int] = mapped_column(Counter)
    type: Mapped[str]
    subject: Mapped[str]
    sequence: Mapped[int]
    time: Mapped[datetime]
    actor: Mapped[UUID]
    correlation_id: Mapped[UUID]
    causation_id: Mapped[UUID | None]
    data: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(sa.String(8))
    attempts: Mapped[int]
    due_at: Mapped[datetime]
    handled_at: Mapped[datetime | None] = mapped_column(default=None)
    last_error: Mapped[str | None] = mapped_column(sa.Text, default=None)

    @property
    def envelope(self) -> Envelope:
        return _envelope(self, self.source)


class Cursor(MailboxBase, kw_only=True):
    """Up to where the log of `source` has been received without a gap."""

    __tablename__ = "cursor"

    source: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(Counter)


# --- telling


def post(session: Session, envelopes: Sequence[Envelope]) -> None:
    """Write `envelopes` to the outbox, in order. They are told if and only if the transaction commits."""
    if envelopes:
        rows = [_told(envelope) for envelope in envelopes]
        session.execute(sa.insert(Outbox.__table__), rows)  # type: ignore[arg-type]


def _told(envelope: Envelope) -> dict[str, Any]:
    row = _row(envelope)
    del row["source"]
    return row


def _row(envelope: Envelope) -> dict[str, Any]:
    """The columns of an envelope. Its data is not copied, which would take longer than to store it."""
    return {"source": envelope.source} | {name: getattr(envelope, name) for name in _COLUMNS}


def _envelope(row: Outbox | Inbox, source: str) -> Envelope:
    """The envelope whose columns the row has."""
    return Envelope(source=source, **{name: getattr(row, name) for name in _COLUMNS})


_NUMBER = text("""
    UPDATE outbox SET position = numbered.position
    FROM (
        SELECT seq, (SELECT coalesce(max(position), 0) FROM outbox) + row_number() OVER (ORDER BY seq) AS position
        FROM outbox WHERE position IS NULL ORDER BY seq LIMIT :limit
    ) AS numbered
    WHERE outbox.seq = numbered.seq
""")


def relay(database: Database, source: str, publish: Callable[[Sequence[Envelope]], int]) -> int:
    """Publish what is committed and not yet published, in log order; how many were safely taken.

    `publish` answers the length of the prefix that is safe on the other side. A crash in between
    publishes again what was sent; the hearers drop what they know.
    """
    with database.snapshot() as session:
        unnumbered = session.scalar(select(Outbox.seq).where(Outbox.position.is_(None)).limit(1))
    if unnumbered is not None:
        with database.transaction() as session:
            # While the leadership changes hands there may be two relays; positions are given by one at a time.
            session.execute(select(Relay.upto).with_for_update())
            session.execute(_NUMBER, {"limit": BATCH})
    with database.snapshot() as session:
        upto = session.scalar(select(Relay.upto)) or 0
        batch = feed(session, source, after=upto, limit=BATCH)
    if not batch:
        return 0
    taken = publish(batch)
    if taken:
        with database.transaction() as session:
            last = batch[taken - 1].position
            session.execute(sa.update(Relay).where(Relay.upto < last).values(upto=last))
    return taken


def feed(session: Session, source: str, *, after: int, limit: int) -> list[Envelope]:
    """The log of this service after position `after`, in order."""
    rows = session.scalars(select(Outbox).where(Outbox.position > after).order_by(Outbox.position).limit(limit))
    return [_envelope(row, source) for row in rows]


# --- hearing


def accept(database: Database, envelopes: Iterable[Envelope], *, heard: frozenset[str]) -> None:
    """Store what arrived. Returning means: it may be acknowledged. What is known already is dropped.

    Types that are not `heard` are stored as done: they keep the positions of the log without gaps.
    """
    batch = [envelope for envelope in envelopes if envelope.position is not None]
    if not batch:
        return
    now = utc_now()
    with database.transaction() as session:
        insert = sqlite.insert if database.dialect == "sqlite" else postgresql.insert
        for source in {envelope.source for envelope in batch}:
            session.execute(insert(Cursor).values(source=source, position=0).on_conflict_do_nothing())
            # Two processes may store for one source while the leadership changes hands: one at a time.
            cursor = session.get_one(Cursor, source, with_for_update=True, populate_existing=True)
            known = cursor.position
            rows = [
                _row(envelope)
                | {
                    "state": "new" if envelope.type in heard else "done",
                    "attempts": 0,
                    "due_at": now,
                    "handled_at": None if envelope.type in heard else now,
                }
                for envelope in batch
                if envelope.source == source and (envelope.position or 0) > known
            ]
            if not rows:
                continue
            session.execute(insert(Inbox).on_conflict_do_nothing(), rows)
            following = session.scalars(
                select(Inbox.position).where(Inbox.source == source, Inbox.position > known).order_by(Inbox.position)
            )
            for position in following:
                if position != cursor.position + 1:
                    break
                cursor.position = position


def received_upto(session: Session) -> dict[str, int]:
    """For each source, the position up to which its log is here without a gap."""
    return {cursor.source: cursor.position for cursor in session.scalars(select(Cursor))}


def gaps(session: Session) -> list[str]:
    """Sources from which something later has arrived while something earlier is missing."""
    later = select(Inbox.seq).where(Inbox.source == Cursor.source, Inbox.position > Cursor.position)
    return list(session.scalars(select(Cursor.source).where(later.exists())))


Handle = Callable[[Session, Envelope], None]


def react(database: Database, handle: Handle) -> int:
    """Handle what is due, oldest first; how many were handled or put off.

    Each message is handled in a savepoint of one transaction, so that one that fails takes nothing of
    the others with it.
    """
    with database.snapshot() as session:
        if session.scalar(select(Inbox.seq).where(*_OPEN, Inbox.due_at <= utc_now()).limit(1)) is None:
            return 0
    with database.transaction() as session:
        if database.dialect == "postgresql":
            # Two processes may handle while the leadership changes hands. Whoever waits has to look anew:
            # what it saw before may be what the other has just put off.
            session.execute(select(sa.func.pg_advisory_xact_lock(HANDLING_LOCK)))
        rows = _due(session, utc_now())
        waiting: set[tuple[str, str]] = set()
        for row in rows:
            if (row.source, row.subject) in waiting:
                continue
            try:
                with session.begin_nested():
                    handle(session, row.envelope)
            except Exception as error:
                if isinstance(error, DBAPIError) and error.connection_invalidated:
                    raise  # the transaction is gone, and that is not the message's fault
                log.warning("%s %s could not be handled", row.type, row.id, exc_info=True)
                waiting.add((row.source, row.subject))
                _put_off(row, error)
            else:
                row.state, row.handled_at, row.last_error = "done", utc_now(), None
        return len(rows)


_OPEN = (Inbox.state == "new", text("inbox.state <> 'done'"))  # the second as the indexes have it


def _due(session: Session, now: datetime) -> list[Inbox]:
    """The next to handle: before the first gap, and behind nothing of its subject that has to wait.

    Read in the order of an index and sorted out here, since a database that plans this as one statement
    may compare each row of a long backlog with all the others.
    """
    held = {
        (source, subject)
        for source, subject in session.execute(
            select(Inbox.source, Inbox.subject).where(*_OPEN, Inbox.due_at > now).distinct()
        )
    }
    due: list[Inbox] = []
    for source, upto in sorted(received_upto(session).items()):
        after = 0
        while len(due) < HANDLED_TOGETHER:
            page = session.scalars(
                select(Inbox)
                .where(*_OPEN, Inbox.source == source, Inbox.due_at <= now)
                .where(Inbox.position > after, Inbox.position <= upto)
                .order_by(Inbox.position)
                .limit(HANDLED_TOGETHER)
            ).all()
            if not page:
                break
            due += [row for row in page if (row.source, row.subject) not in held]
            after = page[-1].position
    return due[:HANDLED_TOGETHER]


def _put_off(row: Inbox, error: Exception) -> None:
    row.attempts += 1
    row.last_error = f"{type(error).__name__}: {error}"[:2000]
    row.due_at = utc_now() + FIRST_RETRY * 2 ** (row.attempts - 1) * random.uniform(0.8, 1.2)
    if row.attempts >= MAX_ATTEMPTS:
        row.state = "parked"


# --- looking after


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How the mailboxes of a service stand."""

    position: int  # of the last event published
    unpublished: int
    oldest_unpublished: timedelta
    waiting: int
    parked: int


def load(session: Session, *, now: datetime) -> Load:
    """How much waits to be told and to be handled."""
    upto = session.scalar(select(Relay.upto)) or 0
    unpublished = sa.or_(Outbox.position.is_(None), Outbox.position > upto)
    count, oldest = session.execute(select(sa.func.count(), sa.func.min(Outbox.time)).where(unpublished)).one()
    by_state: dict[str, int] = {
        state: number
        for state, number in session.execute(
            select(Inbox.state, sa.func.count()).where(text("state <> 'done'")).group_by(Inbox.state)
        )
    }
    return Load(
        position=upto,
        unpublished=count,
        oldest_unpublished=now - oldest if oldest else timedelta(),
        waiting=by_state.get("new", 0),
        parked=by_state.get("parked", 0),
    )


def parked(session: Session) -> Sequence[Inbox]:
    """The dead letters: what could not be handled, oldest first."""
    return session.scalars(select(Inbox).where(Inbox.state == "parked").order_by(Inbox.seq)).all()


def send_again(session: Session, message_id: UUID) -> bool:
    """Have a parked message handled once more. False if there is no such message."""
    row = session.scalar(select(Inbox).where(Inbox.id == message_id, Inbox.state == "parked").with_for_update())
    if row is None:
        return False
    row.state, row.attempts, row.due_at = "new", 0, utc_now()
    return True


def forget_handled(session: Session, *, now: datetime) -> int:
    """Delete what was handled long ago; the cursors still know that it was here."""
    due = (
        select(Inbox.seq)
        .join(Cursor, Cursor.source == Inbox.source)
        .where(Inbox.state == "done", Inbox.handled_at < now - KEEP_HANDLED, Inbox.position <= Cursor.position)
    )
    result = session.execute(sa.delete(Inbox).where(Inbox.seq.in_(due.limit(10_000))))
    return result.rowcount  # type: ignore[no-any-return,attr-defined]


# --- answers under an idempotency key

KEEP_ANSWERS = timedelta(days=2)


class Answer(MailboxBase, kw_only=True):
    """What was answered to a write that carried an `Idempotency-Key`."""

    __tablename__ = "answer"

    principal: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(sa.String(64))  # SHA-256 of method, path and body
    status: Mapped[int]
    headers: Mapped[dict[str, Any]]
    body: Mapped[str] = mapped_column(sa.Text)
    given_at: Mapped[datetime]

    __table_args__ = (sa.Index("ix_answer_given_at", "given_at"),)


def forget_answers(session: Session, *, now: datetime) -> None:
    """Delete answers nobody will ask for again."""
    session.execute(sa.delete(Answer).where(Answer.given_at < now - KEEP_ANSWERS))
