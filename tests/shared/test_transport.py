"""Both wires: what is told is heard once and in order; and what the broker may do to it."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pika
import pytest
import sqlalchemy as sa

from deploy import servers
from shared import mailbox
from shared.events import Envelope, Event, event
from shared.service import Instance, Wire
from shared.transport import rabbit
from shared.transport.loopback import Loopback
from tests.shared.sample import LISTENER, TELLER, Counted, Heard

Make = Callable[..., Instance]

on_one_engine = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)  # the broker does not care which

LISTENING = {"listener": frozenset({"teller"}), "hermit": frozenset[str]()}


@pytest.fixture
def teller(make_instance: Make) -> Instance:
    return make_instance(TELLER)


@pytest.fixture
def listener(make_instance: Make) -> Instance:
    return make_instance(LISTENER)


@pytest.fixture
def topology(broker: servers.RabbitMQ) -> str:
    """Address of the broker, with the queues of the sample services, empty."""
    rabbit.declare_topology(broker.url, LISTENING)
    with channel_of(broker.url) as channel:
        for queue in ("infrashare.listener", rabbit.DEAD, rabbit.UNROUTED):
            channel.queue_purge(queue)
    return broker.url


@pytest.fixture(params=("loopback", "rabbitmq"))
def wire(request: pytest.FixtureRequest, listener: Instance) -> Iterator[Wire]:
    """Carries what is published to the listener's inbox."""
    if request.param == "loopback":
        yield Loopback((listener,))
        return
    url = request.getfixturevalue("topology")
    with publishing(url) as publisher, consuming(url, listener):
        yield publisher


@contextmanager
def channel_of(url: str) -> Iterator[Any]:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        yield connection.channel()
    finally:
        if connection.is_open:
            connection.close()


@contextmanager
def publishing(url: str, *, confirm_within: float = 3.0) -> Iterator[rabbit.Publisher]:
    publisher = rabbit.Publisher(url, "teller", confirm_within=confirm_within)
    try:
        yield publisher
    finally:
        publisher.stop()


@contextmanager
def consuming(url: str, listener: Instance) -> Iterator[list[float]]:
    """Carry the listener's queue into its inbox, as its worker does; yields the moments of its connects."""
    stopping, connects = threading.Event(), list[float]()

    def consume() -> None:
        rabbit.consume(
            url,
            "listener",
            listener.accept,
            stopping=stopping,
            opened=lambda: connects.append(time.monotonic()),
        )

    thread = threading.Thread(target=consume)
    thread.start()
    try:
        yield connects
    finally:
        stopping.set()
        thread.join()


def wait_until(condition: Callable[[], bool], *, within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def tell(teller: Instance, counter: str, numbers: Sequence[int]) -> None:
    with teller.begin() as uow:
        for number in numbers:
            uow.emit(Counted(sequence=number, counter=counter))


def relay_all(teller: Instance, wire: Wire) -> None:
    while teller.relay(wire):
        pass


def unpublished(teller: Instance) -> int:
    with teller.snapshot() as session:
        return mailbox.load(session, now=datetime.now(UTC)).unpublished


def received(listener: Instance) -> int:
    with listener.snapshot() as session:
        return mailbox.received_upto(session).get("teller", 0)


def heard(listener: Instance) -> list[tuple[str, int]]:
    while listener.react():
        pass
    with listener.snapshot() as session:
        return [(row.counter, row.sequence) for row in session.scalars(sa.select(Heard).order_by(Heard.id))]


def counted(numbers: Sequence[int]) -> list[Envelope]:
    """The log of a teller that counted, without a teller."""
    return [wrapped(Counted(sequence=number, counter="a")).at(number) for number in numbers]


def wrapped(event: Event, source: str = "teller") -> Envelope:
    return Envelope.wrap(
        event, source=source, time=datetime.now(UTC), actor=UUID(int=0), correlation_id=uuid4(), causation_id=None
    )


# --- both wires


def test_what_is_told_is_heard_once_and_in_order(teller: Instance, listener: Instance, wire: Wire) -> None:
    tell(teller, "a", range(1, 41))
    tell(teller, "b", range(1, 41))
    relay_all(teller, wire)
    wait_until(lambda: received(listener) == 80)
    assert heard(listener) == [("a", number) for number in range(1, 41)] + [("b", number) for number in range(1, 41)]


def test_a_thousand_at_once_arrive_whole(listener: Instance, wire: Wire) -> None:
    envelopes = counted(range(1, 1001))
    assert wire.publish(envelopes) == 1000
    wait_until(lambda: received(listener) == 1000)
    with listener.snapshot() as session:
        kept = session.scalars(sa.select(mailbox.Inbox).order_by(mailbox.Inbox.position)).all()
        assert [row.envelope for row in kept] == envelopes, "field by field as it was sent"


def test_what_is_published_twice_is_heard_once(listener: Instance, wire: Wire) -> None:
    envelopes = counted(range(1, 21))
    for batch in (envelopes[:15], envelopes[10:], envelopes):
        assert wire.publish(batch) == len(batch)
    wait_until(lambda: received(listener) == 20)
    assert heard(listener) == [("a", number) for number in range(1, 21)]


# --- the broker goes away


@on_one_engine
def test_a_broker_that_is_killed_in_mid_stream_loses_nothing(
    teller: Instance, listener: Instance, broker: servers.RabbitMQ, topology: str
) -> None:
    """While it is away the outbox keeps everything; once it is back everything is heard, once and in order."""
    finished = threading.Event()

    def keep_relaying(publisher: rabbit.Publisher) -> None:
        while not finished.is_set():
            if not teller.relay(publisher):
                time.sleep(0.01)

    with publishing(topology) as publisher, consuming(topology, listener):
        relaying = threading.Thread(target=keep_relaying, args=(publisher,))
        relaying.start()
        for number in range(1, 301):
            tell(teller, "abc"[number % 3], [number])
            if number == 100:
                broker.kill()
                wait_until(lambda: publisher.publish(counted([1])) == 0)
            if number == 200:
                assert unpublished(teller) >= 100
                assert publisher.publish(counted([1])) == 0
                broker.start()
        wait_until(lambda: received(listener) == 300, within=40)
        finished.set()
        relaying.join()
        assert unpublished(teller) == 0
    done = heard(listener)
    assert sorted(number for _, number in done) == list(range(1, 301))
    for counter in "abc":
        numbers = [number for each, number in done if each == counter]
        assert numbers == sorted(numbers)


@on_one_engine
def test_connections_that_are_closed_come_back_and_leave_nothing_open(
    teller: Instance, listener: Instance, broker: servers.RabbitMQ, topology: str
) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    with publishing(topology) as publisher, consuming(topology, listener) as connects:
        tell(teller, "a", range(1, 11))
        relay_all(teller, publisher)
        wait_until(lambda: received(listener) == 10)
        before = open_files()
        for cut in range(1, 5):
            broker.control("close_all_connections", "a test")
            tell(teller, "a", range(1 + 10 * cut, 11 + 10 * cut))
            wait_until(lambda: teller.relay(publisher) == 0 and unpublished(teller) == 0)
            wait_until(lambda cut=cut: received(listener) == 10 + 10 * cut)  # type: ignore[misc]
        assert len(connects) == 5
        assert open_files() <= before + 1
    assert heard(listener) == [("a", number) for number in range(1, 51)]


@on_one_engine
def test_a_broker_that_is_frozen_holds_up_nobody_for_ever(
    teller: Instance, listener: Instance, broker: servers.RabbitMQ, topology: str
) -> None:
    with publishing(topology, confirm_within=1.0) as publisher:
        assert publisher.publish(counted([1])) == 1
        tell(teller, "a", [1, 2, 3])
        broker.pause()
        began = time.monotonic()
        assert teller.relay(publisher) == 0
        assert time.monotonic() - began < 3.0
        assert unpublished(teller) == 3
        broker.resume()
        wait_until(lambda: teller.relay(publisher) == 0 and unpublished(teller) == 0)
    with consuming(topology, listener):
        wait_until(lambda: received(listener) == 3)

    with publishing(topology) as publisher:
        assert publisher.publish(counted([1])) == 1
        broker.pause()
        began = time.monotonic()
    assert time.monotonic() - began < 5.0, "stopping does not wait for an answer either"


@on_one_engine
def test_a_broker_out_of_memory_takes_nothing_and_goes_on_delivering(
    teller: Instance, listener: Instance, broker: servers.RabbitMQ, topology: str
) -> None:
    with publishing(topology, confirm_within=1.5) as publisher:
        assert publisher.publish(counted(range(1, 11))) == 10
        broker.control("set_vm_memory_high_watermark", "0")
        try:
            with consuming(topology, listener):
                wait_until(lambda: received(listener) == 10)
            assert publisher.publish(counted([11])) == 0
        finally:
            broker.control("set_vm_memory_high_watermark", "absolute", "512MB")
        wait_until(lambda: publisher.publish(counted([11])) == 1)


@on_one_engine
def test_a_full_queue_pushes_back(listener: Instance, broker: servers.RabbitMQ, topology: str) -> None:
    broker.control("set_policy", "full", "^infrashare.listener$", '{"max-length": 5}', "--apply-to", "queues")
    try:
        with publishing(topology) as publisher:
            envelopes = counted(range(1, 101))
            taken = 0
            wait_until(lambda: publisher.publish(counted([1])) == 0)
            broker.control("clear_policy", "full")
            with consuming(topology, listener):
                while taken < len(envelopes):
                    taken += publisher.publish(envelopes[taken:])
                wait_until(lambda: received(listener) == 100)
    finally:
        with channel_of(topology) as channel:
            channel.queue_purge("infrashare.listener")


@on_one_engine
def test_stopping_in_mid_stream_loses_nothing(teller: Instance, listener: Instance, topology: str) -> None:
    tell(teller, "a", range(1, 601))
    with consuming(topology, listener):
        while unpublished(teller):
            publisher = rabbit.Publisher(topology, "teller")
            stopper = threading.Timer(0.15, publisher.stop)
            stopper.start()
            relay_all(teller, publisher)
            stopper.join()
            assert publisher.publish(counted([1])) == 0, "what is stopped takes nothing more"
        wait_until(lambda: received(listener) == 600)
    assert heard(listener) == [("a", number) for number in range(1, 601)]


def test_a_publisher_stopped_before_it_ever_connected_ends(broker: servers.RabbitMQ) -> None:
    for pause in (0.0, 0.001, 0.01, 0.02, 0.03, 0.05):
        publisher = rabbit.Publisher(broker.url, "teller")
        time.sleep(pause)
        began = time.monotonic()
        publisher.stop()
        assert time.monotonic() - began < 3.0
    publisher = rabbit.Publisher(f"amqp://guest:guest@127.0.0.1:{servers.free_port()}/%2F", "teller")
    publisher.stop()


# --- queues and their contents


@on_one_engine
def test_a_queue_that_is_deleted_is_noticed_and_received_from_again(
    listener: Instance, broker: servers.RabbitMQ, topology: str
) -> None:
    with publishing(topology) as publisher, consuming(topology, listener) as connects:
        assert publisher.publish(counted([1])) == 1
        wait_until(lambda: received(listener) == 1)
        with channel_of(topology) as channel:
            channel.queue_delete("infrashare.listener")
        assert publisher.publish(counted([2])) == 1, "told into the void: nobody is bound"
        wait_until(lambda: len(connects) > 1)  # its chance to fetch from the log what it missed
        listener.accept(counted([2]))
        rabbit.declare_topology(topology, LISTENING)
        assert publisher.publish(counted([3])) == 1
        wait_until(lambda: received(listener) == 3)
    assert heard(listener) == [("a", 1), ("a", 2), ("a", 3)]


UNREADABLE = [
    b"",
    b"not JSON",
    b"\xff\xfe\x00",
    b"[" * 50_000,
    b"[]",
    b"{}",
    b'{"specversion": "1.0", "id": 5}',
]


def spoilt() -> list[bytes]:
    """Messages with one thing in them that cannot be, each."""
    good = counted([1])[0].to_dict()
    wrong: list[dict[str, Any]] = [
        {"id": 5},
        {"id": "not an id"},
        {"time": "2031-05-05T08:00:00"},
        {"time": "0001-01-01T00:00:00+14:00"},
        {"time": 7},
        {"sequence": 2**31},
        {"sequence": "1"},
        {"position": None},
        {"position": 2**63},
        {"position": 0},
        {"position": "1"},
        {"subject": "x" * 256},
        {"subject": "a\0b"},
        {"subject": 7},
        {"type": ""},
        {"data": []},
        {"data": {"text": "\ud800"}},
        {"actor": None},
    ]
    return [rabbit_body(good | each) for each in wrong] + [rabbit_body(good).replace(b'"a"', b"NaN")]


def rabbit_body(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode()


def test_what_cannot_be_read_is_set_aside_and_the_rest_goes_on(listener: Instance, topology: str) -> None:
    bad = UNREADABLE + spoilt()
    with publishing(topology) as publisher, channel_of(topology) as channel, consuming(topology, listener) as connects:
        for position, body in enumerate(bad, start=1):
            channel.basic_publish(rabbit.EXCHANGE, "teller.counted.v1", body)
            assert publisher.publish(counted([position])) == 1
        channel.basic_publish(rabbit.EXCHANGE, "teller.counted.v1", b"the last one")
        wait_until(lambda: received(listener) == len(bad))
        wait_until(lambda: len(set_aside(channel, rabbit.DEAD, expected=len(bad) + 1)) == len(bad) + 1)
        assert len(connects) == 1, "nothing of this costs the connection"
    assert heard(listener) == [("a", number) for number in range(1, len(bad) + 1)]


def test_what_no_queue_is_bound_for_is_kept(topology: str) -> None:
    with publishing(topology) as publisher, channel_of(topology) as channel:
        lonely = [wrapped(Shouted(sequence=number), source="stranger").at(number) for number in (1, 2)]
        assert publisher.publish(lonely) == 2, "nobody listens yet: that is no reason to wait"
        kept = set_aside(channel, rabbit.UNROUTED, expected=2)
        assert [Envelope.from_json(body) for body in kept] == lonely


@event("stranger.shouted.v1")
@dataclass(frozen=True, kw_only=True)
class Shouted(Event):
    """Told by somebody nobody listens to."""

    @property
    def subject(self) -> str:
        return "street"


def set_aside(channel: Any, queue: str, *, expected: int) -> list[bytes]:
    """Take what is in the queue, waiting a little for it to come."""
    bodies: list[bytes] = []
    deadline = time.monotonic() + 10
    while len(bodies) < expected and time.monotonic() < deadline:
        method, _, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            time.sleep(0.05)
        else:
            bodies.append(body)
    return bodies


def test_the_topology_can_be_declared_again_and_grows(broker: servers.RabbitMQ, topology: str) -> None:
    for listening in (LISTENING, LISTENING, LISTENING | {"latecomer": frozenset({"teller", "listener"})}):
        rabbit.declare_topology(topology, listening)
    queues = broker.control("list_queues", "name", "--no-table-headers").split()
    assert sorted(queues) == ["infrashare.dead", "infrashare.latecomer", "infrashare.listener", "infrashare.unrouted"]
    with channel_of(topology) as channel:
        channel.queue_delete("infrashare.latecomer")


def test_whether_the_broker_lets_us_in(broker: servers.RabbitMQ) -> None:
    assert rabbit.is_reachable(broker.url)
    assert not rabbit.is_reachable(broker.url.replace("guest:guest", "guest:wrong"))
    assert not rabbit.is_reachable(f"amqp://guest:guest@127.0.0.1:{servers.free_port()}/%2F")
