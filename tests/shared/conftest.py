"""Servers that the tests of the core may kill, freeze and restart."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest

from deploy import servers
from tests.conftest import IN_CI

# How long one example takes says more about what else the machine does than about the code.
hypothesis.settings.register_profile("patient", deadline=None)
if not IN_CI:  # there the library is patient by itself, and repeats itself
    hypothesis.settings.load_profile("patient")


def _use(server: servers.Server) -> Iterator[servers.Server]:
    try:
        with server:
            yield server
            server.kill()  # nobody needs what it would write down in leaving
    except servers.Missing as missing:
        if IN_CI:
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def own_broker() -> Iterator[servers.Server]:
    """A RabbitMQ that nobody else uses."""
    yield from _use(servers.RabbitMQ())


@pytest.fixture
def broker(own_broker: servers.RabbitMQ) -> Iterator[servers.RabbitMQ]:
    """The broker, running; whatever a test does to it, the next one finds it running again."""
    yield own_broker
    own_broker.start()
    own_broker.resume()


@pytest.fixture(scope="session")
def own_database_server() -> Iterator[servers.Server]:
    """A PostgreSQL that nobody else uses."""
    yield from _use(servers.PostgreSQL())


@pytest.fixture
def database_server(own_database_server: servers.PostgreSQL) -> Iterator[servers.PostgreSQL]:
    yield own_database_server
    own_database_server.start()
    own_database_server.resume()
