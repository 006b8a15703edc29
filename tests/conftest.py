"""What all tests share: databases on both engines, services at work, people to act as. No mocks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from deploy import servers
from shared import mailbox
from shared.auth import ANONYMOUS, Actor, Role
from shared.database import Database
from shared.events import Envelope, Event
from shared.service import Instance, Service
from shared.tokens import AUDIENCE, ISSUER
from shared.unit_of_work import UnitOfWork
from shared.web.app import build_app

MONDAY = datetime(2031, 5, 5, tzinfo=UTC)
ENGINES = ("sqlite", "postgresql")
SERVICE_SECRET = "a secret of the tests, long enough to sign"
IN_CI = os.environ.get("CI", "").lower() == "true"

_KEY = RSAKey.generate_key(2048, {"kid": "tests", "alg": "RS256", "use": "sig"})


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Address of a private PostgreSQL. Without the programs the test is skipped; in CI it fails."""
    try:
        with servers.private_postgresql() as url:
            yield url
    except servers.Missing as missing:
        _without(str(missing))


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[str]:
    """Address of a private RabbitMQ. Without the programs the test is skipped; in CI it fails."""
    try:
        with servers.private_rabbitmq() as url:
            yield url
    except servers.Missing as missing:
        _without(str(missing))


def _without(why: str) -> None:
    if IN_CI:
        pytest.fail(why)
    pytest.skip(why)


class OwnKeys:
    """Peers of a service that is tested alone: nobody to ask, and a key of the tests to trust."""

    def feed(self, source: str, *, after: int) -> list[Envelope]:
        return []

    def keys(self) -> dict[str, Any]:
        return dict(KeySet([_KEY]).as_dict(private=False))


class Databases:
    """Migrated, empty databases of each service, used again and again."""

    def __init__(self, engine: str, folder: Path, server_url: str) -> None:
        self._engine, self._folder, self._server_url = engine, folder, server_url
        self._free: dict[str, list[Database]] = {}
        self._count = 0

    def take(self, service: Service) -> Database:
        free = self._free.setdefault(service.name, [])
        if free:
            return free.pop()
        self._count += 1
        name = f"{service.name}_{self._count}_{uuid4().hex[:8]}"
        if self._engine == "sqlite":
            database = Database(f"sqlite:///{self._folder / name}.db")
        else:
            database = Database(servers.new_database(self._server_url, name))
        database.migrate(service.histories)
        return database

    def give_back(self, service: Service, database: Database) -> None:
        tables = [*service.metadata.sorted_tables, *mailbox.MailboxBase.metadata.sorted_tables]
        with database.engine.connect() as connection, connection.begin():
            self._lift_guards(connection)
            for table in reversed(tables):
                if table.name == "relay":
                    connection.execute(sa.update(table).values(upto=0))
                else:
                    connection.execute(sa.delete(table))
        if self._engine == "sqlite":
            database.engine.dispose()
        self._free[service.name].append(database)

    def _lift_guards(self, connection: sa.Connection) -> None:
        """Append-only tables refuse a delete; between two tests nobody minds."""
        if self._engine == "postgresql":
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))

    def close(self) -> None:
        for databases in self._free.values():
            for database in databases:
                database.close()


@pytest.fixture(scope="session")
def _databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Databases]]:
    pools: dict[str, Databases] = {}
    yield pools
    for pool in pools.values():
        pool.close()


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Which database the test runs on; every behaviour holds on both."""
    name: str = request.param
    return name


@pytest.fixture
def databases(
    engine: str,
    request: pytest.FixtureRequest,
    _databases: dict[str, Databases],
    tmp_path_factory: pytest.TempPathFactory,
) -> Databases:
    if engine not in _databases:
        url = request.getfixturevalue("postgresql") if engine == "postgresql" else ""
        _databases[engine] = Databases(engine, tmp_path_factory.mktemp("databases"), url)
    return _databases[engine]


@pytest.fixture
def make_instance(databases: Databases) -> Iterator[Callable[..., Instance]]:
    """Put a service to work on an empty database: `make_instance(SERVICE, smtp_url=…)`."""
    taken: list[tuple[Service, Database]] = []

    def make(service: Service, **settings: Any) -> Instance:
        database = databases.take(service)
        taken.append((service, database))
        url = database.engine.url.render_as_string(hide_password=False)
        config = service.config(database_url=url, service_secret=SERVICE_SECRET, **settings)
        instance = Instance(service, config, database, OwnKeys())
        service.prepare(instance)
        return instance

    yield make
    for service, database in taken:
        databases.give_back(service, database)


def make_actor(*roles: str, name: str = "Test Person", id: UUID | None = None) -> Actor:
    """Somebody with these roles: `make_actor("operator@…", "member@…")`."""
    return Actor(id=id or uuid4(), name=name, roles=frozenset(map(Role.parse, roles)), email="test@person.example")


def token_for(actor: Actor, *, lasts: int = 900, key: RSAKey = _KEY, **claims: Any) -> str:
    """A token as access would issue it; negative `lasts` for one that is expired."""
    now = int(time.time())
    return jwt.encode(
        {"alg": "RS256", "kid": key.kid or "tests"},
        {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(actor.id),
            "name": actor.name,
            "email": actor.email,
            "roles": sorted(map(str, actor.roles)),
            "iat": now,
            "exp": now + lasts,
            "jti": str(uuid4()),
            "sid": str(uuid4()),
            **claims,
        },
        key,
    )


def client_for(instance: Instance, actor: Actor | None = None, *, cookie: bool = False) -> FlaskClient:
    """A client of the service's web side, signed in as `actor`: by bearer token, or by cookie as browsers do."""
    client = build_app(instance).test_client()
    if actor is not None and actor != ANONYMOUS:
        if cookie:
            client.set_cookie("infrashare_session", token_for(actor))
            client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
        else:
            client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token_for(actor)}"
    return client


def emitted(uow: UnitOfWork) -> list[Event]:
    """What the work has told so far."""
    return [envelope.event for envelope in uow.emitted]


def told(instance: Instance) -> list[Event]:
    """Everything the service has told and committed, in order."""
    with instance.snapshot() as session:
        rows = session.scalars(sa.select(mailbox.Outbox).order_by(mailbox.Outbox.seq)).all()
    return [Envelope(**_envelope(row, instance)).event for row in rows]


def _envelope(row: mailbox.Outbox, instance: Instance) -> dict[str, Any]:
    columns = ("id", "type", "subject", "sequence", "time", "actor", "correlation_id", "causation_id", "data")
    return {name: getattr(row, name) for name in columns} | {"source": instance.service.name}


def hear(instance: Instance, *events: Event, source: str, first: int | None = None) -> None:
    """Have the service receive `events` from `source`, as off the wire, and handle them."""
    with instance.snapshot() as session:
        known = mailbox.received_upto(session).get(source, 0)
    start = known + 1 if first is None else first
    envelopes = [
        Envelope.wrap(
            event,
            source=source,
            time=datetime.now(UTC),
            actor=UUID(int=0),
            correlation_id=uuid4(),
            causation_id=None,
        ).at(start + offset)
        for offset, event in enumerate(events)
    ]
    instance.accept(envelopes)
    while instance.react():
        pass


@pytest.fixture(scope="session")
def psql() -> Callable[[str, str], None]:
    """Run a statement on a PostgreSQL database, beside the code under test."""

    def run(url: str, statement: str) -> None:
        with psycopg.connect(servers.plain_url(url), autocommit=True) as connection:
            connection.execute(statement)

    return run
