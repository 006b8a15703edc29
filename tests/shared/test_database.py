"""Each service's own database: its transactions, its columns, and the history of its tables."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from deploy import servers
from shared import mailbox
from shared.database import COLUMN_TYPES, Database, Seconds, UtcDateTime, new_metadata
from shared.service import Service
from tests.shared.sample import TELLER
from tests.shared.sample.notes import NOTES

SERVICES = ("access", "catalogue", "booking", "notify", "usage_stats")
MOMENT = datetime(2026, 10, 25, 0, 30, 15, 123456, tzinfo=UTC)


class Shade(StrEnum):
    LIGHT = "light"
    VERY_DARK = "very-dark"


class Base(MappedAsDataclass, DeclarativeBase):
    metadata = new_metadata()
    type_annotation_map = COLUMN_TYPES


class Thing(Base, kw_only=True):
    """One column of each kind."""

    __tablename__ = "thing"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(default=0)
    moment: Mapped[datetime | None] = mapped_column(default=None)
    lasts: Mapped[timedelta | None] = mapped_column(default=None)
    day: Mapped[date | None] = mapped_column(default=None)
    shade: Mapped[Shade | None] = mapped_column(default=None)
    text: Mapped[str | None] = mapped_column(default=None)
    facts: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    words: Mapped[list[str] | None] = mapped_column(default=None)


class Part(Base, kw_only=True):
    __tablename__ = "part"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    thing_id: Mapped[UUID] = mapped_column(sa.ForeignKey("thing.id"))


@pytest.fixture(scope="module")
def emptied(request: pytest.FixtureRequest) -> str:
    """Address of a database on PostgreSQL, for one test after the other."""
    return servers.new_database(request.getfixturevalue("postgresql"), f"emptied_{uuid4().hex[:8]}")


@pytest.fixture
def empty(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table."""
    url = f"sqlite:///{tmp_path}/empty.db" if engine == "sqlite" else request.getfixturevalue("emptied")
    database = Database(url)
    if engine == "postgresql":
        with database.engine.connect() as connection, connection.begin():
            connection.execute(sa.text("DROP SCHEMA public CASCADE"))
            connection.execute(sa.text("CREATE SCHEMA public"))
    yield database
    database.close()


@pytest.fixture
def database(empty: Database) -> Database:
    """A database with the tables above."""
    Base.metadata.create_all(empty.engine)
    return empty


def keep(database: Database, **columns: Any) -> Thing:
    """Store a thing and read it back."""
    id_ = uuid4()
    with database.transaction() as session:
        session.add(Thing(id=id_, **columns))
    with database.snapshot() as session:
        return session.get_one(Thing, id_)


# --- columns


@pytest.mark.parametrize(
    "moment",
    [
        MOMENT,
        MOMENT.astimezone(timezone(timedelta(hours=2))),
        MOMENT.astimezone(timezone(-timedelta(hours=9, minutes=30))),
        datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_moments_come_back_aware_and_in_utc(database: Database, moment: datetime) -> None:
    kept = keep(database, moment=moment).moment
    assert kept == moment
    assert kept is not None
    assert kept.tzinfo is UTC


def test_a_moment_without_a_zone_is_a_bug_and_raises(database: Database) -> None:
    naive = MOMENT.replace(tzinfo=None)
    with pytest.raises(sa.exc.StatementError, match="naive"):
        keep(database, moment=naive)
    with database.snapshot() as session, pytest.raises(sa.exc.StatementError, match="naive"):
        session.scalar(sa.select(Thing).where(Thing.moment > naive))


def test_moments_are_compared_as_moments(database: Database) -> None:
    zones = [timezone(timedelta(hours=hours)) for hours in (0, 2, -9)]
    for step in range(6):
        keep(database, moment=(MOMENT + timedelta(minutes=step)).astimezone(zones[step % 3]), count=step)
    with database.snapshot() as session:
        assert session.scalars(sa.select(Thing.count).order_by(Thing.moment)).all() == [0, 1, 2, 3, 4, 5]
        late = sa.select(Thing.count).where(Thing.moment >= (MOMENT + timedelta(minutes=3)).astimezone(zones[1]))
        assert sorted(session.scalars(late)) == [3, 4, 5]


def test_every_kind_of_column_comes_back_as_it_was(database: Database) -> None:
    columns: dict[str, Any] = {
        "lasts": timedelta(hours=1, seconds=30),
        "day": date(2028, 2, 29),
        "shade": Shade.VERY_DARK,
        "text": "Łódź 日本 👩‍🔬 'quoted' \\ %s",
        "facts": {"a": [1, None, {"ä": "\u2028"}], "n": 2**40},
        "words": ["one", "two"],
    }
    kept = keep(database, **columns)
    assert {name: getattr(kept, name) for name in columns} == columns
    with database.snapshot() as session:
        found = session.scalar(sa.select(Thing).where(Thing.shade == Shade.VERY_DARK))
        assert found is not None
        assert session.scalar(sa.select(sa.cast(Thing.shade, sa.String))) == "very-dark", "its value, not its name"
    nothing = keep(database)
    assert {getattr(nothing, name) for name in columns} == {None}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=255))
def test_any_text_that_is_taken_comes_back(database: Database, text: str) -> None:
    assert keep(database, text=text, facts={"text": text}).text == text


# --- transactions


def test_an_exception_takes_everything_back(database: Database) -> None:
    def work() -> None:
        with database.transaction() as session:
            session.add(Thing(id=uuid4()))
            session.flush()
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError):
        work()
    with database.snapshot() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Thing)) == 0


def test_what_was_locked_and_read_stays_true_until_the_commit(database: Database) -> None:
    """Read, think, write, many at once: nothing is counted twice or lost, and nobody fails."""
    thing = keep(database)

    def count() -> None:
        for _ in range(15):
            with database.transaction() as session:
                found = session.get_one(Thing, thing.id, with_for_update=True)
                found.count = found.count + 1

    threads = [threading.Thread(target=count) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.snapshot() as session:
        assert session.get_one(Thing, thing.id).count == 90


def test_readers_do_not_wait_for_a_writer_and_see_what_is_committed(database: Database) -> None:
    thing = keep(database)
    with database.transaction() as writing:
        writing.get_one(Thing, thing.id, with_for_update=True).count = 1
        writing.flush()
        began = time.monotonic()
        with database.snapshot() as session:
            assert session.get_one(Thing, thing.id).count == 0
        assert time.monotonic() - began < 1
    with database.snapshot() as session:
        assert session.get_one(Thing, thing.id).count == 1


def test_a_writer_does_not_wait_for_readers(database: Database) -> None:
    thing = keep(database)
    with database.snapshot() as reading:
        assert reading.get_one(Thing, thing.id).count == 0
        began = time.monotonic()
        with database.transaction() as session:
            session.get_one(Thing, thing.id, with_for_update=True).count = 1
        assert time.monotonic() - began < 1


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_on_sqlite_a_transaction_that_may_write_is_the_only_one(database: Database) -> None:
    """From its first statement, although that only reads; another waits for its turn."""
    order: list[str] = []
    began = threading.Event()

    def second() -> None:
        began.wait()
        with database.transaction() as session:
            session.scalars(sa.select(Thing)).all()
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with database.transaction() as session:
        session.scalars(sa.select(Thing)).all()
        began.set()
        time.sleep(0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_on_sqlite_a_commit_is_on_the_disk_and_references_hold(database: Database) -> None:
    with database.snapshot() as session:
        pragmas = {
            name: session.scalar(sa.text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}


def test_references_hold(database: Database) -> None:
    with pytest.raises(sa.exc.IntegrityError), database.transaction() as session:
        session.add(Part(id=uuid4(), thing_id=uuid4()))


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_on_postgresql_nothing_waits_for_ever(database: Database) -> None:
    with database.snapshot() as session:
        shown = {
            name: session.scalar(sa.text(f"SHOW {name}"))
            for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
        }
    assert shown == {
        "lock_timeout": "10s",
        "statement_timeout": "1min",
        "idle_in_transaction_session_timeout": "1min",
    }


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_after_a_restart_of_the_server_one_request_fails_at_most(database: Database) -> None:
    """All connections of the pool are dead; the first one found so has the others made anew."""
    sessions = [database.engine.connect() for _ in range(4)]
    for connection in sessions:
        connection.close()
    with database.engine.connect() as connection, connection.begin():
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    failed = 0
    for _ in range(10):
        try:
            with database.transaction() as session:
                session.execute(sa.text("SELECT 1"))
        except sa.exc.OperationalError:
            failed += 1
    assert failed <= 1


# --- the history of the tables


def service_called(name: str) -> Service:
    if name == "sample":
        return NOTES
    service: Service = import_module(f"services.{name}.app").SERVICE
    return service


@pytest.mark.parametrize("name", ["sample", *SERVICES])
def test_the_history_leads_to_the_tables_of_the_models(empty: Database, name: str) -> None:
    service = service_called(name)
    assert not empty.is_migrated(service.histories)
    empty.migrate(service.histories)
    assert empty.is_migrated(service.histories)
    with empty.engine.connect() as connection:
        options: dict[str, Any] = {"compare_type": _differs, "include_object": _is_of_models}
        context = MigrationContext.configure(connection, opts=options)
        metadata: Any = [service.metadata, mailbox.MailboxBase.metadata]
        assert compare_metadata(context, metadata) == []


def _is_of_models(thing: Any, name: str | None, kind: str, *_: Any) -> bool:
    """Not where the histories stand, and no index for full-text search: models cannot say those."""
    return name not in ("core_version", "schema_version") and not (name or "").startswith("search_index")


def _differs(context: Any, inspected: Any, column: Any, found: Any, wanted: Any) -> bool | None:
    """Both engines are compared by what they were told to make; SQLite keeps no more than that."""
    if isinstance(wanted, UtcDateTime):
        return not isinstance(found, sa.DateTime)
    if isinstance(wanted, Seconds):
        return not isinstance(found, sa.Integer)
    return None


@pytest.mark.parametrize("name", ["sample", *SERVICES])
def test_migrating_again_changes_nothing(empty: Database, name: str) -> None:
    service = service_called(name)
    for _ in range(2):
        empty.migrate(service.histories)
    with empty.snapshot() as session:
        assert session.scalars(sa.select(mailbox.Relay.upto)).all() == [0]


def test_several_may_migrate_at_once(empty: Database) -> None:
    processes = [child(empty, "") for _ in range(3)]
    assert [process.wait(30) for process in processes] == [0, 0, 0]
    assert empty.is_migrated(TELLER.histories)


@pytest.mark.parametrize("statement", [1, 7, 18])
def test_killed_while_migrating_it_migrates_again(empty: Database, statement: int) -> None:
    assert child(empty, f"statement {statement}").wait(30) == -signal.SIGKILL
    assert not empty.is_migrated(TELLER.histories)
    assert child(empty, "").wait(30) == 0
    assert empty.is_migrated(TELLER.histories)
    with empty.snapshot() as session:
        assert session.scalars(sa.select(mailbox.Relay.upto)).all() == [0]


def child(database: Database, crash_at: str) -> subprocess.Popen[bytes]:
    """A process that migrates the sample."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.shared.sample.crashing", "teller", "migrate"],
        env={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": database.engine.url.render_as_string(hide_password=False),
            "CRASH_AT": crash_at,
        },
    )


def test_nothing_is_ready_before_every_history_is_at_its_end(empty: Database) -> None:
    histories = TELLER.histories
    empty.migrate({"core": histories["core"]})
    assert empty.is_migrated({"core": histories["core"]})
    assert not empty.is_migrated(histories)
