"""One service's own database: its engine, its transactions, its history of tables, its idea of a column."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import DateTime, Enum, Integer, MetaData, String, TypeDecorator, event
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Session

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in, aware UTC out, on every database. A naive datetime is a bug and raises."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Seconds(TypeDecorator[timedelta]):
    """A duration kept as whole seconds."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> int | None:
        return None if value is None else int(value.total_seconds())

    def process_result_value(self, value: int | None, dialect: Dialect) -> timedelta | None:
        return None if value is None else timedelta(seconds=value)


MIGRATION_LOCK = 7_405_925  # of PostgreSQL's advisory locks; each service has its own database

Counter = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # only INTEGER counts by itself on SQLite

COLUMN_TYPES: dict[Any, Any] = {
    datetime: UtcDateTime,
    timedelta: Seconds,
    date: sa.Date,
    UUID: sa.Uuid,
    str: String(255),
    dict[str, Any]: sa.JSON,
    list[str]: sa.JSON,
    StrEnum: Enum(
        StrEnum,
        native_enum=False,
        create_constraint=False,
        length=32,
        values_callable=lambda enum: [member.value for member in enum],
    ),
}


def new_metadata() -> MetaData:
    return MetaData(naming_convention=NAMING)


class Database:
    """Opens transactions. `transaction` may write; `snapshot` only reads."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        options: dict[str, Any] = {
            "json_serializer": lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False),
            "pool_size": pool_size,
            "max_overflow": pool_size,
        }
        if url.startswith("sqlite"):
            if sys.version_info >= (3, 12):  # later Pythons will change the driver's default
                options["connect_args"] = {"autocommit": sqlite3.LEGACY_TRANSACTION_CONTROL}
        else:
            # A connection lost to a restart of the server costs one request its answer, and then all of the
            # pool are made anew; asking before each use would cost every request a round trip. A statement
            # that waits for ever is worse than one that fails.
            options |= {"pool_pre_ping": False, "pool_recycle": 1800, "connect_args": _POSTGRESQL_OPTIONS}
        self.engine = sa.create_engine(url, **options)
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _sqlite_on_connect)
            event.listen(self.engine, "begin", _sqlite_on_begin)
        self._reader = self.engine.execution_options(read_only=True)

    @property
    def dialect(self) -> str:
        return self.engine.dialect.name

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Commit on leaving, roll back on any exception."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """A session for reading only; on SQLite it never waits for a writer."""
        with Session(self._reader, expire_on_commit=False) as session:
            yield session

    def migrate(self, histories: dict[str, Path]) -> None:
        """Bring every history of tables to its newest revision. Each has a version table of its own."""
        for name, folder in histories.items():
            with self.engine.connect() as connection, connection.begin():
                if self.dialect == "postgresql":
                    _migrate_alone(connection)
                config = _alembic(name, folder)
                config.attributes["connection"] = connection
                command.upgrade(config, "head")

    def is_migrated(self, histories: dict[str, Path]) -> bool:
        """Whether every history is at its newest revision."""
        with self._reader.connect() as connection:
            for name, folder in histories.items():
                context = MigrationContext.configure(connection, opts={"version_table": f"{name}_version"})
                newest = ScriptDirectory.from_config(_alembic(name, folder)).get_current_head()
                if context.get_current_revision() != newest:
                    return False
        return True


_POSTGRESQL_OPTIONS = {
    "connect_timeout": 5,
    "options": "-c lock_timeout=10s -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s",
    "tcp_user_timeout": 30_000,
}


def _migrate_alone(connection: sa.Connection) -> None:
    """Wait for whoever else migrates, however long; and take what time a change of a large table needs."""
    connection.execute(sa.text("SET LOCAL lock_timeout = 0"))
    connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
    connection.execute(sa.text("SET LOCAL lock_timeout = '10s'"))


def _alembic(name: str, folder: Path) -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("version_locations", str(folder))
    config.set_main_option("path_separator", "newline")
    config.attributes["version_table"] = f"{name}_version"
    return config


def _sqlite_on_connect(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, below
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_on_begin(connection: Any) -> None:
    # A writer takes the write lock at once: what it reads stays true until it commits,
    # which is what SELECT ... FOR UPDATE gives us on PostgreSQL.
    read_only = connection.get_execution_options().get("read_only")
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
