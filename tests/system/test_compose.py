"""The deployed mode as it is written down: who may reach what, and whether files that must agree do agree."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pika
import psycopg
import pytest
import yaml  # type: ignore[import-untyped]
from pika.exceptions import AMQPError

from deploy.programs import postgresql_programs
from deploy.servers import Missing, PostgreSQL, RabbitMQ, plain_url
from deploy.services import SERVICES
from deploy.topology import declare
from shared.transport.rabbit import EXCHANGE, queue_of

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
NAMES = [service.name for service in SERVICES]
VERBS = ("web", "worker", "migrate")
# What an installation fetches from others.
FETCHED = {"caddy:2", "postgres:17", "rabbitmq:4-management"}

Container = dict[str, Any]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return parsed


@pytest.fixture(scope="module")
def containers(compose: dict[str, Any]) -> dict[str, Container]:
    found: dict[str, Container] = compose["services"]
    return found


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installation") / "secrets"
    _make_secrets(folder)
    return folder


def _make_secrets(folder: Path) -> None:
    subprocess.run(["sh", DEPLOY / "secrets.sh", folder], check=True)


def _skip_or_fail(missing: Missing) -> None:
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(str(missing))
    pytest.skip(str(missing))


def _is_ours(container: Container) -> bool:
    return str(container["image"]).startswith("infrashare:")


def _stays(container: Container) -> bool:
    return bool(container["restart"] != "no")


# --- what is written in docker-compose.yml


def test_each_service_has_a_web_a_worker_and_a_migration(containers: dict[str, Container]) -> None:
    for name in NAMES:
        for verb in VERBS:
            assert containers[f"{name}-{verb}"]["command"] == ["python", "-m", f"services.{name}", verb]


def test_nothing_else_is_fetched_than_the_four_official_images(containers: dict[str, Container]) -> None:
    fetched = {container["image"] for container in containers.values() if "build" not in container}
    assert fetched == FETCHED
    assert set(re.findall(r"^ARG PYTHON=(\S+)", (DEPLOY / "Dockerfile").read_text(), re.M)) == {"python:3.13-slim"}


def test_only_the_gateway_can_be_reached_from_outside(containers: dict[str, Container]) -> None:
    assert [name for name, container in containers.items() if "ports" in container] == ["gateway"]


def test_only_gateway_and_mail_are_on_networks_that_reach_out(
    compose: dict[str, Any], containers: dict[str, Container]
) -> None:
    open_networks = {name for name, network in compose["networks"].items() if not (network or {}).get("internal")}
    reaching = {name for name, container in containers.items() if open_networks & set(container["networks"])}
    assert reaching == {"gateway", "notify-worker", "mail"}


def test_the_gateway_reaches_webs_only(containers: dict[str, Container]) -> None:
    beside = {name for name, c in containers.items() if set(c["networks"]) & set(containers["gateway"]["networks"])}
    assert beside == {"gateway", *(f"{name}-web" for name in NAMES)}


@pytest.mark.parametrize("name", [*(f"{name}-{verb}" for name in NAMES for verb in VERBS), "topology", "mail"])
def test_our_containers_can_change_nothing(containers: dict[str, Container], name: str) -> None:
    container = containers[name]
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert "cap_add" not in container
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert container["tmpfs"]
    assert container["mem_limit"]
    assert container["pids_limit"]


def test_no_container_of_ours_is_root() -> None:
    stages = (DEPLOY / "Dockerfile").read_text().split("\nFROM ")
    built = {stage.split(" AS ")[1].split()[0]: stage for stage in stages[1:]}
    for stage in ("infrashare", "mail"):
        assert "\nUSER 10001:10001\n" in built[stage]


def test_everything_that_stays_is_asked_for_its_health(containers: dict[str, Container]) -> None:
    for name, container in containers.items():
        assert ("healthcheck" in container) == _stays(container), name


def test_health_is_asked_where_the_service_answers(containers: dict[str, Container]) -> None:
    for service in SERVICES:
        web = containers[f"{service.name}-web"]["healthcheck"]["test"][-1]
        assert web == f"http://127.0.0.1:8000{service.mount}/healthz"
        assert containers[f"{service.name}-worker"]["healthcheck"]["test"][-1] == "http://127.0.0.1:8001/healthz"


def test_tables_and_queues_are_there_before_they_are_used(containers: dict[str, Container]) -> None:
    done = {"condition": "service_completed_successfully"}
    for name in NAMES:
        assert containers[f"{name}-web"]["depends_on"] == {f"{name}-migrate": done}
        assert containers[f"{name}-worker"]["depends_on"].items() >= {f"{name}-migrate": done, "topology": done}.items()


def test_each_service_knows_the_webs_of_all(containers: dict[str, Container]) -> None:
    for container in containers.values():
        if "PEER_URLS" in container.get("environment", {}):
            peers = dict(pair.split("=") for pair in container["environment"]["PEER_URLS"].split(","))
            assert peers == {name: f"http://{name}-web:8000" for name in NAMES}


def test_secrets_come_as_files_that_the_container_has(containers: dict[str, Container]) -> None:
    for name, container in containers.items():
        for variable, value in container.get("environment", {}).items():
            if variable.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in container["secrets"], (name, variable)
            else:
                assert not re.search("SECRET|PASSWORD|DATABASE_URL|BROKER_URL", variable), (name, variable)


def test_no_service_holds_the_secrets_of_another(containers: dict[str, Container]) -> None:
    for name in NAMES:
        for verb in VERBS:
            held = set(containers[f"{name}-{verb}"]["secrets"]) - {"service_secret", "admin_password"}
            own = {"migrate": {"owner_url"}}.get(verb, {"database_url", "broker_url"})
            assert held == {f"{name}_{kind}" for kind in own}


def test_every_secret_is_made_and_used(
    compose: dict[str, Any], containers: dict[str, Container], secrets: Path
) -> None:
    files = {name: Path(secret["file"]).name for name, secret in compose["secrets"].items()}
    assert set(files.values()) == {path.name for path in secrets.iterdir()}
    assert set(files) == {name for container in containers.values() for name in container.get("secrets", [])}


def test_the_gateway_leads_each_mount_to_its_service() -> None:
    text = (DEPLOY / "gateway" / "Caddyfile").read_text()
    routes = re.findall(r"@\w+ path (/\w+) (/\w+)/\*\n\thandle @\w+ \{\n\t\timport service (\w+)-web", text)
    assert all(path == below for path, below, _ in routes)
    led = {name: path for path, _, name in routes} | {"catalogue": "/catalogue"}
    assert led == {service.name: service.mount for service in SERVICES}
    assert text.index("handle @inside") < text.index("handle @access"), "figures would be shown to anyone"


def test_every_setting_is_explained() -> None:
    text = (DEPLOY / ".env.example").read_text()
    defaults = dict(re.findall(r"\$\{(\w+):-(\S*?)\}", (ROOT / "docker-compose.yml").read_text()))
    assert dict(re.findall(r"^(\w+)=(.*)$", text, re.M)) == defaults
    explained = set(re.findall(r"^#?(\w+)=", text, re.M))
    settings = {field.name.upper() for service in SERVICES for field in fields(service.config)}
    assert settings <= explained


def test_the_mail_catcher_has_the_tested_versions() -> None:
    def pinned(path: Path) -> set[str]:
        return set(re.findall(r"^\S+==\S+|--hash=\S+", path.read_text(), re.M))

    assert pinned(DEPLOY / "requirements-mail.txt") <= pinned(ROOT / "requirements-dev.txt")


# --- secrets


def test_secrets_are_made_once(secrets: Path) -> None:
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    _make_secrets(secrets)
    assert {path.name: path.read_text() for path in secrets.iterdir()} == before


def test_secrets_differ_and_are_kept_from_others(secrets: Path) -> None:
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    words = [word for path in secrets.iterdir() if path.suffix == "" for word in _random_words(path)]
    assert len(words) == len(set(words)) == len(list(secrets.iterdir())) - 1


def _random_words(path: Path) -> list[str]:
    return re.findall(r"\b[0-9a-f]{48}\b", path.read_text())


# --- what accounts may do, on real servers


@pytest.fixture(scope="module")
def database(secrets: Path) -> Iterator[PostgreSQL]:
    """A database server as the installation sets it up, with each service's tables made by its owner."""
    try:
        with PostgreSQL() as server:
            _set_up(server, secrets)
            yield server
    except Missing as missing:
        _skip_or_fail(missing)


def _set_up(server: PostgreSQL, secrets: Path) -> None:
    environment = {
        **os.environ,
        "SECRETS": str(secrets),
        "PGHOST": "127.0.0.1",
        "PGPORT": str(server.port),
        "PATH": f"{postgresql_programs()}:{os.environ['PATH']}",
    }
    for _ in range(2):  # the second time it must change nothing
        subprocess.run([DEPLOY / "database" / "roles.sh"], check=True, env=environment)
    migrations = [
        subprocess.Popen(
            [sys.executable, "-m", f"services.{name}", "migrate"],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": f"postgresql+psycopg://{name}_owner@127.0.0.1:{server.port}/{name}",
                "SERVICE_SECRET": "of a test, and long enough to be taken for one",
            },
        )
        for name in NAMES
    ]
    assert [migration.wait(120) for migration in migrations] == [0] * len(NAMES)


def _connect(server: PostgreSQL, *, role: str, database: str) -> psycopg.Connection[tuple[Any, ...]]:
    url = urlsplit(plain_url(server.url))
    return psycopg.connect(url._replace(netloc=f"{role}@127.0.0.1:{server.port}", path=f"/{database}").geturl())


@pytest.mark.parametrize("name", NAMES)
def test_a_service_reads_and_writes_its_tables_and_changes_none(database: PostgreSQL, name: str) -> None:
    with _connect(database, role=name, database=name) as connection:
        rights = connection.execute(
            "SELECT tablename, has_table_privilege(format('public.%I', tablename), 'TRUNCATE'),"
            " has_table_privilege(format('public.%I', tablename), 'SELECT') AND"
            " has_table_privilege(format('public.%I', tablename), 'INSERT') AND"
            " has_table_privilege(format('public.%I', tablename), 'UPDATE') AND"
            " has_table_privilege(format('public.%I', tablename), 'DELETE')"
            " FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        assert rights
        assert {(may_empty, may_use) for _, may_empty, may_use in rights} == {(False, True)}
        table = rights[0][0]
    for statement in (f'DROP TABLE "{table}"', "CREATE TABLE mine (id int)", f'ALTER TABLE "{table}" ADD mine int'):
        with (
            _connect(database, role=name, database=name) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement.encode())


@pytest.mark.parametrize("name", NAMES)
def test_no_service_enters_the_database_of_another(database: PostgreSQL, name: str) -> None:
    for role in (name, f"{name}_owner"):
        for other in {*NAMES, "postgres"} - {name}:
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                _connect(database, role=role, database=other).close()


def test_roles_have_passwords_that_are_not_stored(database: PostgreSQL, secrets: Path) -> None:
    with psycopg.connect(plain_url(database.url)) as connection:
        stored = connection.execute("SELECT rolname, rolpassword, rolsuper FROM pg_authid WHERE rolcanlogin").fetchall()
    kept = {name: password for name, password, _ in stored if name != "postgres"}
    assert set(kept) == {*NAMES, *(f"{name}_owner" for name in NAMES)}
    assert all(password.startswith("SCRAM-SHA-256$") for password in kept.values())
    assert [name for name, _, is_super in stored if is_super] == ["postgres"]


@pytest.fixture(scope="module")
def broker(secrets: Path) -> Iterator[RabbitMQ]:
    """A broker as the installation sets it up."""
    try:
        with RabbitMQ() as server:
            definitions = server.directory / "definitions.json"
            definitions.write_bytes((secrets / "broker_definitions.json").read_bytes())
            definitions.chmod(0o644)
            server.control("import_definitions", str(definitions))
            declare(_broker_url(server, secrets, "broker_admin_url"))
            yield server
    except Missing as missing:
        _skip_or_fail(missing)


def _broker_url(server: RabbitMQ, secrets: Path, name: str) -> str:
    return (secrets / name).read_text().strip().replace("@broker:5672/", f"@127.0.0.1:{server.port}/")


@pytest.fixture
def account(broker: RabbitMQ, secrets: Path, request: pytest.FixtureRequest) -> Iterator[pika.BlockingConnection]:
    connection = pika.BlockingConnection(
        pika.URLParameters(_broker_url(broker, secrets, f"{request.param}_broker_url"))
    )
    yield connection
    if connection.is_open:
        connection.close()


@pytest.mark.parametrize("account", ["booking"], indirect=True)
def test_a_service_tells_its_own_events_and_reads_its_own_queue(
    account: pika.BlockingConnection, broker: RabbitMQ, secrets: Path
) -> None:
    administrator = pika.BlockingConnection(pika.URLParameters(_broker_url(broker, secrets, "broker_admin_url")))
    administrator.channel().basic_publish(EXCHANGE, "catalogue.tried.v1", b"heard")
    administrator.close()
    channel = account.channel()
    channel.confirm_delivery()
    channel.basic_publish(EXCHANGE, "booking.tried.v1", b"told", mandatory=True)
    _, _, body = next(channel.consume(queue_of("booking"), auto_ack=True, inactivity_timeout=10))
    assert body == b"heard"


@pytest.mark.parametrize("account", ["booking"], indirect=True)
@pytest.mark.parametrize(
    "abuse",
    [
        pytest.param(lambda c: c.basic_publish(EXCHANGE, "catalogue.tried.v1", b"{}"), id="tell as another"),
        pytest.param(lambda c: c.basic_publish("", queue_of("notify"), b"{}"), id="write into a queue"),
        pytest.param(lambda c: c.basic_publish("infrashare.dead", "x", b"{}"), id="write a dead letter"),
        pytest.param(lambda c: c.basic_get(queue_of("notify")), id="read another's queue"),
        pytest.param(lambda c: c.queue_purge(queue_of("notify")), id="empty another's queue"),
        pytest.param(lambda c: c.queue_delete(queue_of("booking")), id="delete its queue"),
        pytest.param(lambda c: c.queue_declare("mine"), id="declare a queue"),
        pytest.param(lambda c: c.exchange_delete(EXCHANGE), id="delete the exchange"),
        pytest.param(lambda c: c.queue_bind(queue_of("booking"), EXCHANGE, "notify.#"), id="hear more"),
    ],
)
def test_a_service_may_do_nothing_else(account: pika.BlockingConnection, abuse: Any) -> None:
    channel = account.channel()
    channel.confirm_delivery()
    with pytest.raises(AMQPError) as refusal:
        abuse(channel)
    assert refusal.value.args[0] == 403


def test_there_is_no_account_with_a_known_password(broker: RabbitMQ, secrets: Path) -> None:
    definitions = json.loads((secrets / "broker_definitions.json").read_text())
    assert {user["name"] for user in definitions["users"]} == {"administrator", *NAMES}
    url = f"amqp://guest:guest@127.0.0.1:{broker.port}/infrashare"
    with pytest.raises(AMQPError):
        pika.BlockingConnection(pika.URLParameters(url))
