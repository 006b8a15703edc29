"""Worker processes killed between any two steps, frozen, cut off and stopped: nothing lost, nothing twice, in order."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError

import pika
import psycopg
import pytest
import sqlalchemy as sa
from werkzeug.serving import make_server

from deploy import servers
from shared import mailbox
from shared.config import Config
from shared.database import Database
from shared.service import Instance, Job, Service
from shared.transport import rabbit
from shared.web.app import build_app
from shared.worker import FIRST_RUN_AFTER, LEADER_LOCK, schedule
from tests.conftest import SERVICE_SECRET, OwnKeys
from tests.shared.sample import LISTENER, TELLER, Counted, Heard
from tests.shared.sample.crashing import HEARING, TELLING

SETTLED_WITHIN = 40.0  # seconds, on a machine that does other things too


@dataclass
class Running:
    """One process of a sample service."""

    process: subprocess.Popen[bytes]
    log: Path
    probes: int

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def exit_code(self, *, within: float) -> int:
        return self.process.wait(within)

    def probe(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.probes}{path}", timeout=5) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code
        except OSError:
            return 0

    @property
    def leads(self) -> bool:
        return "this worker leads" in self.log.read_text()


@dataclass
class World:
    """A teller and a listener with a database each, a broker between them, and workers to start and kill."""

    folder: Path
    broker_url: str
    teller: Instance
    listener: Instance
    started: list[Running] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)

    def start(self, service: Service, *, crash_at: str = "", **settings: str) -> Running:
        instance = self.teller if service is TELLER else self.listener
        log, probes = self.folder / f"{len(self.started)}.log", servers.free_port()
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.shared.sample.crashing", service.name, "worker"],
                stderr=stderr,
                env={
                    "PATH": os.environ["PATH"],
                    "DATABASE_URL": instance.config.database_url,
                    "BROKER_URL": self.broker_url,
                    "PEER_URLS": instance.config.peer_urls,
                    "SERVICE_SECRET": SERVICE_SECRET,
                    "WORKER_PORT": str(probes),
                    "CRASH_AT": crash_at,
                }
                | settings,
            )
        running = Running(process, log, probes)
        self.started.append(running)
        return running

    def tell(self, number: int, *, together: int = 1, takes: float = 0.0) -> None:
        """Count `number` further, one counter after the other, so many at a time in one transaction."""
        counted = 0
        while counted < number:
            with self.teller.begin() as uow:
                for _ in range(together):
                    counter = "abc"[counted % 3]
                    self.told[counter] = sequence = self.told.get(counter, 0) + 1
                    uow.emit(Counted(sequence=sequence, counter=counter, takes=takes))
                    counted += 1

    def heard(self) -> list[tuple[str, int]]:
        with self.listener.snapshot() as session:
            return [(row.counter, row.sequence) for row in session.scalars(sa.select(Heard).order_by(Heard.id))]

    def must_be_in_order(self, after: str) -> None:
        """What was heard so far is heard once, and nothing before what was told earlier."""
        heard = self.heard()
        for counter in self.told:
            numbers = [number for each, number in heard if each == counter]
            assert numbers == list(range(1, len(numbers) + 1)), after

    def must_settle(self) -> None:
        """All that was told is heard once, in order, and nothing is left in any mailbox."""
        total = sum(self.told.values())
        wait_until(lambda: len(self.heard()) >= total and self.at_rest(), within=SETTLED_WITHIN)
        time.sleep(0.2)
        heard = self.heard()
        for counter, last in self.told.items():
            assert [number for each, number in heard if each == counter] == list(range(1, last + 1))
        assert len(heard) == total
        with self.listener.snapshot() as session:
            assert mailbox.received_upto(session) == {"teller": total}

    def in_hand(self) -> bool:
        """Whether the listener is handling something right now."""
        return bool(holders(self.listener, mailbox.HANDLING_LOCK))

    def all_published(self) -> bool:
        with self.teller.snapshot() as session:
            return not mailbox.load(session, now=datetime.now(UTC)).unpublished

    def at_rest(self) -> bool:
        loads = []
        for instance in (self.teller, self.listener):
            with instance.snapshot() as session:
                loads.append(mailbox.load(session, now=datetime.now(UTC)))
        return not any(load.unpublished or load.waiting or load.parked for load in loads)


def holders(instance: Instance, lock: int) -> list[int]:
    """The database's processes that hold an advisory lock of the service."""
    asked = sa.text(
        "SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
        " WHERE locktype = 'advisory' AND granted AND objid = :lock AND datname = current_database()"
    )
    with instance.snapshot() as session:
        return list(session.scalars(asked, {"lock": lock}))


def wait_until(condition: Callable[[], bool], *, within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.03)


@pytest.fixture(scope="module")
def instances(own_database_server: servers.PostgreSQL, own_broker: servers.RabbitMQ) -> Iterator[list[Instance]]:
    """The teller and the listener, the teller's log to be read over HTTP."""
    feed_port = servers.free_port()
    made = []
    for service, peers in ((TELLER, ""), (LISTENER, f"teller=http://127.0.0.1:{feed_port}")):
        url = servers.new_database(own_database_server.url, service.name)
        config = Config(database_url=url, broker_url=own_broker.url, service_secret=SERVICE_SECRET, peer_urls=peers)
        made.append(Instance(service, config, Database(url), OwnKeys()))
        made[-1].migrate()
    with serving(made[0], feed_port):
        yield made
    for instance in made:
        instance.database.close()


@pytest.fixture
def world(
    instances: list[Instance], database_server: servers.PostgreSQL, broker: servers.RabbitMQ, tmp_path: Path
) -> Iterator[World]:
    rabbit.declare_topology(broker.url, {"listener": LISTENER.hears})
    with channel_of(broker.url) as channel:
        channel.queue_purge("infrashare.listener")
    for instance in instances:
        instance.database.engine.dispose()  # a test may have restarted the server
        with instance.database.transaction() as session:
            session.execute(sa.text("TRUNCATE outbox, inbox, cursor, heard RESTART IDENTITY"))
            session.execute(sa.text("UPDATE relay SET upto = 0"))
    world = World(tmp_path, broker.url, instances[0], instances[1])
    yield world
    for running in world.started:
        running.kill()


@contextmanager
def serving(instance: Instance, port: int) -> Iterator[None]:
    """The web side of a service, for its feed."""
    server = make_server("127.0.0.1", port, build_app(instance), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def channel_of(url: str) -> Iterator[pika.channel.Channel]:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        yield connection.channel()
    finally:
        connection.close()


# --- killed between two steps


def test_a_teller_killed_between_any_two_steps(world: World) -> None:
    world.start(LISTENER)
    for point in TELLING:
        world.tell(12)
        assert world.start(TELLER, crash_at=point).exit_code(within=20) == -signal.SIGKILL, point
        world.must_be_in_order(point)
    world.tell(6)
    world.start(TELLER)
    world.must_settle()


def test_a_listener_killed_between_any_two_steps(world: World) -> None:
    world.start(TELLER)
    for point in HEARING:
        world.tell(12)
        killed = world.start(LISTENER, crash_at=point)
        while killed.process.poll() is None:
            world.tell(3)
            time.sleep(0.05)
        assert killed.exit_code(within=1) == -signal.SIGKILL, point
        world.must_be_in_order(point)
    world.tell(6)
    world.start(LISTENER)
    world.must_settle()


def test_both_killed_at_random_again_and_again(world: World) -> None:
    chance = random.Random(20310505)
    running = {service.name: world.start(service) for service in (TELLER, LISTENER)}
    for _ in range(6):
        deadline = time.monotonic() + chance.uniform(0.2, 1.4)
        while time.monotonic() < deadline:
            world.tell(3)
        service = chance.choice((TELLER, LISTENER))
        running[service.name].kill()
        running[service.name] = world.start(service)
    world.must_settle()


# --- one leads


def test_of_two_workers_one_leads_and_the_other_takes_over(world: World) -> None:
    first = world.start(TELLER)
    wait_until(lambda: first.leads)
    second = world.start(TELLER)
    world.start(LISTENER)
    world.tell(30)
    wait_until(lambda: second.probe("/healthz") == 200)
    world.must_settle()
    assert not second.leads
    first.kill()
    world.tell(30)
    wait_until(lambda: second.leads, within=5.0)
    world.must_settle()


def test_a_worker_that_loses_its_lock_ends_at_once_and_a_supervisor_starts_it_again(world: World) -> None:
    worker, listener = world.start(TELLER), world.start(LISTENER)
    world.tell(12)
    world.must_settle()
    with psycopg.connect(servers.plain_url(world.teller.config.database_url), autocommit=True) as connection:
        [holder] = holders(world.teller, LEADER_LOCK)
        connection.execute("SELECT pg_terminate_backend(%s)", (holder,))
    assert worker.exit_code(within=5) == 1
    world.start(TELLER)
    world.tell(12)
    world.must_settle()
    assert listener.process.poll() is None


def test_a_connection_that_is_cut_under_a_handler_costs_nothing(world: World) -> None:
    """What was under way is rolled back and done again, by the same process."""
    world.start(TELLER)
    listener = world.start(LISTENER)
    world.tell(6, together=6, takes=0.2)
    wait_until(world.in_hand)
    [handling] = holders(world.listener, mailbox.HANDLING_LOCK)
    with world.listener.snapshot() as session:
        session.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": handling})
    world.must_settle()
    assert listener.process.poll() is None
    assert "the database failed" in listener.log.read_text()


def test_a_loop_that_dies_takes_the_process_with_it(world: World) -> None:
    worker = world.start(LISTENER, crash_at="the loop that consumes raises")
    assert worker.exit_code(within=20) == 1
    assert "the consume loop died" in worker.log.read_text()


# --- stopped


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_ends_what_it_has_in_hand(world: World, sign: signal.Signals) -> None:
    world.start(TELLER)
    listener = world.start(LISTENER)
    world.tell(6, together=6, takes=0.2)
    wait_until(world.in_hand)
    listener.process.send_signal(sign)
    assert listener.exit_code(within=5) == 0
    world.tell(6)
    world.start(LISTENER)
    world.must_settle()


def test_a_teller_asked_to_stop_with_its_outbox_full(world: World) -> None:
    world.tell(600, together=200)
    teller = world.start(TELLER)
    wait_until(lambda: teller.leads)
    teller.process.terminate()
    assert teller.exit_code(within=5) == 0
    world.start(TELLER)
    world.start(LISTENER)
    world.must_settle()


def test_a_worker_that_stands_by_stops_when_asked(world: World) -> None:
    first = world.start(TELLER)
    wait_until(lambda: first.leads)
    second = world.start(TELLER)
    wait_until(lambda: second.probe("/healthz") == 200)
    second.process.terminate()
    assert second.exit_code(within=5) == 0
    assert first.process.poll() is None


def test_it_stops_although_the_broker_is_frozen(world: World, broker: servers.RabbitMQ) -> None:
    workers = [world.start(TELLER), world.start(LISTENER)]
    world.tell(6)
    world.must_settle()
    broker.pause()
    world.tell(6)
    time.sleep(0.3)
    for worker in workers:
        worker.process.terminate()
    assert [worker.exit_code(within=10) for worker in workers] == [0, 0]
    broker.resume()
    world.start(TELLER)
    world.start(LISTENER)
    world.must_settle()


# --- what it needs is away


def test_the_broker_is_away_at_the_start_and_again_later(world: World, broker: servers.RabbitMQ) -> None:
    broker.kill()
    world.tell(9)
    teller, listener = world.start(TELLER), world.start(LISTENER)
    wait_until(lambda: teller.leads and listener.leads)
    assert teller.probe("/readyz") == 503
    broker.start()
    world.must_settle()
    wait_until(lambda: teller.probe("/readyz") == 200)
    broker.kill()
    world.tell(9)
    broker.start()
    world.tell(9)
    world.must_settle()
    assert teller.process.poll() is listener.process.poll() is None


def test_postgresql_restarts_under_the_workers(world: World, database_server: servers.PostgreSQL) -> None:
    """They hold locks that are gone: each ends with 1 and is started again, at once or while the server is away."""
    services = (TELLER, LISTENER)
    workers = {service.name: world.start(service) for service in services}
    world.tell(12)
    world.must_settle()
    database_server.kill()
    assert [worker.exit_code(within=8) for worker in workers.values()] == [1, 1]
    workers = {service.name: world.start(service) for service in services}
    wait_until(lambda: all(worker.probe("/healthz") == 200 for worker in workers.values()))
    assert workers["teller"].probe("/readyz") == workers["teller"].probe("/metrics") == 503
    database_server.start()
    world.teller.database.engine.dispose()
    world.listener.database.engine.dispose()
    world.tell(12)
    world.must_settle()


def test_a_queue_that_is_deleted_costs_nothing(world: World, broker: servers.RabbitMQ) -> None:
    """What was in it, and what is told while there is none, is fetched from the teller's log."""
    world.start(TELLER)
    world.start(LISTENER)
    world.tell(9)
    world.must_settle()
    with channel_of(broker.url) as channel:
        channel.queue_delete("infrashare.listener")
    world.tell(9)
    world.must_settle()
    rabbit.declare_topology(broker.url, {"listener": LISTENER.hears})
    world.tell(9)
    world.must_settle()


def test_a_listener_with_an_empty_database_fetches_everything(world: World) -> None:
    """The wire has delivered it long ago; the log still has it."""
    world.start(TELLER)
    world.tell(30)
    wait_until(world.all_published)
    with channel_of(world.broker_url) as channel:
        channel.queue_purge("infrashare.listener")
    world.start(LISTENER)
    world.must_settle()


# --- probes


def test_probes_say_how_it_is(world: World) -> None:
    worker = world.start(LISTENER)
    wait_until(lambda: worker.probe("/healthz") == 200)
    assert worker.probe("/readyz") == 200
    assert worker.probe("/metrics") == 200
    assert worker.probe("/else") == 404


# --- by the clock


def job_of_many_hours(_: Instance) -> None:
    """Nothing to do."""


def test_a_job_is_done_soon_after_the_start_and_then_by_the_clock(instances: list[Instance]) -> None:
    service = replace(TELLER, jobs=(Job(job_of_many_hours, every=timedelta(hours=6)), Job(die_trying, every=SOON)))
    instance = replace(instances[0], service=service)
    ran.clear()
    scheduler = schedule(instance)
    scheduler.start()
    due = {job.id: job.next_run_time - datetime.now(UTC) for job in scheduler.get_jobs()}
    assert due.keys() == {"teller.job_of_many_hours", "teller.die_trying", "teller.housekeeping"}
    assert max(due.values()) <= FIRST_RUN_AFTER
    wait_until(lambda: len(ran) >= 3)  # one that fails is tried again the next time
    scheduler.shutdown()


SOON = timedelta(milliseconds=100)
ran: list[datetime] = []


def die_trying(_: Instance) -> None:
    ran.append(datetime.now(UTC))
    raise RuntimeError("not today")
