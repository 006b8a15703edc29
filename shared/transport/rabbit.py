"""The wire of the deployed mode: one durable topic exchange, one durable quorum queue a service.

The only module that imports pika. A pika connection belongs to one thread; everything here keeps to that.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import pika
from pika.exceptions import AMQPError
from pika.spec import Basic

from shared.events import CONTENT_TYPE, Envelope

log = logging.getLogger(__name__)

EXCHANGE = "infrashare.events"
UNROUTED = "infrashare.unrouted"  # keeps what no queue is bound for
DEAD = "infrashare.dead"  # keeps what cannot be read at all, or kills its reader again and again

CONFIRM_WITHIN = 20.0  # seconds the broker may take to confirm a batch
CLOSED_WITHIN = 2.0  # seconds the broker may take to say goodbye
PREFETCH = 200
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 15.0  # seconds between attempts to connect

QUEUE_ARGUMENTS: dict[str, Any] = {
    "x-queue-type": "quorum",
    "x-single-active-consumer": True,  # two readers of one queue would reorder it
    "x-delivery-limit": 20,
    "x-dead-letter-exchange": DEAD,
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",  # a full queue pushes back instead of dropping
    "x-max-length": 200_000,
}

Accept = Callable[[Sequence[Envelope]], None]


def queue_of(service: str) -> str:
    return f"infrashare.{service}"


def _parameters(url: str, name: str) -> pika.URLParameters:
    parameters = pika.URLParameters(url)
    parameters.heartbeat = 30
    parameters.blocked_connection_timeout = 30
    parameters.connection_attempts = 1
    parameters.socket_timeout = 5
    parameters.stack_timeout = 10  # a broker that is frozen takes the connection and says nothing
    parameters.client_properties = {"connection_name": name}
    return parameters


def declare_topology(url: str, listeners: dict[str, frozenset[str]]) -> None:
    """Declare exchanges, queues and bindings, before anything publishes.

    `listeners` says for each service whose events it hears. Needs an account that may configure.
    """
    connection = pika.BlockingConnection(_parameters(url, "topology"))
    try:
        channel = connection.channel()
        channel.exchange_declare(UNROUTED, "fanout", durable=True)
        channel.exchange_declare(DEAD, "topic", durable=True)
        channel.exchange_declare(EXCHANGE, "topic", durable=True, arguments={"alternate-exchange": UNROUTED})
        for keeper, key in ((UNROUTED, ""), (DEAD, "#")):
            channel.queue_declare(keeper, durable=True, arguments={"x-queue-type": "quorum"})
            channel.queue_bind(keeper, keeper, key)
        for service, sources in listeners.items():
            if not sources:
                continue
            channel.queue_declare(queue_of(service), durable=True, arguments=QUEUE_ARGUMENTS)
            for source in sorted(sources):
                # The whole of what a source tells, not single types: so positions arrive without
                # holes, and a hole means loss.
                channel.queue_bind(queue_of(service), EXCHANGE, f"{source}.#")
    finally:
        connection.close()


def is_reachable(url: str) -> bool:
    """Whether the broker lets us in."""
    try:
        pika.BlockingConnection(_parameters(url, "probe")).close()
    except (AMQPError, OSError):
        return False
    return True


class NotSafe(Exception):
    """The broker did not say that it has the message."""


class NotKept(Exception):
    """What arrived could not be stored here; the broker keeps it and delivers it again."""


Sent = list[tuple[Envelope, "Future[None]"]]


class Publisher:
    """Publishes batches with confirms in flight, over a connection of its own thread that comes back by itself."""

    def __init__(self, url: str, name: str, *, confirm_within: float = CONFIRM_WITHIN) -> None:
        self._parameters = _parameters(url, f"{name} relay")
        self._confirm_within = confirm_within
        self._connection: pika.SelectConnection | None = None
        self._channel: Any = None
        self._tag = 0
        self._offered: deque[Sent] = deque()
        self._unconfirmed: dict[int, Future[None]] = {}
        self._lock = threading.Lock()  # over `_ready` and `_offered`: nothing is offered to a dead connection
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._pause = FIRST_PAUSE
        self._thread = threading.Thread(target=self._run, name=f"{name}-publisher", daemon=True)
        self._thread.start()

    def publish(self, batch: Sequence[Envelope]) -> int:
        """Send `batch`; the length of the prefix that the broker confirmed. 0 when it is away."""
        if not self._ready.wait(1.0):
            return 0
        sent: Sent = [(envelope, Future()) for envelope in batch]
        with self._lock:
            if not self._ready.is_set() or self._connection is None:
                return 0
            self._offered.append(sent)
            self._connection.ioloop.add_callback_threadsafe(self._send)
        deadline = time.monotonic() + self._confirm_within
        for taken, (_, confirmed) in enumerate(sent):
            try:
                confirmed.result(max(0.0, deadline - time.monotonic()))
            except (NotSafe, TimeoutError) as error:
                log.warning("the broker took %d of %d: %s", taken, len(sent), error or "no answer in time")
                return taken
        return len(sent)

    def stop(self) -> None:
        """Close the connection; what is not confirmed by then counts as not sent."""
        self._stopping.set()
        if (connection := self._connection) is not None:
            connection.ioloop.add_callback_threadsafe(self._close)
        self._thread.join(10)

    # --- on the thread of the connection

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._serve()
            except Exception:  # nobody would notice this thread's end, and nothing would be published any more
                log.exception("the connection that publishes failed")
            self._lost("the connection to the broker was lost")
            if not self._stopping.wait(self._pause * random.uniform(0.8, 1.2)):
                self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _serve(self) -> None:
        """One connection, from its opening to its end."""
        connection = self._connection = pika.SelectConnection(
            self._parameters,
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._opened),
            on_open_error_callback=lambda connection, error: connection.ioloop.stop(),
            on_close_callback=lambda connection, reason: connection.ioloop.stop(),
        )
        try:
            if not self._stopping.is_set():  # `stop` may have looked before there was this connection
                connection.ioloop.start()
        finally:
            connection.ioloop.close()

    def _opened(self, channel: Any) -> None:
        self._channel, self._tag = channel, 0
        channel.add_on_close_callback(self._channel_closed)
        # Unroutable messages go to the alternate exchange, so none comes back; `mandatory` would
        # tell if somebody removed it.
        channel.add_on_return_callback(
            lambda _, method, properties, body: log.error("returned by the broker: %s", method.routing_key)
        )
        channel.confirm_delivery(self._confirmed, callback=lambda _: self._got_ready())

    def _got_ready(self) -> None:
        self._pause = FIRST_PAUSE
        self._ready.set()

    def _channel_closed(self, channel: Any, reason: Exception) -> None:
        self._lost(str(reason))
        if self._connection is not None and self._connection.is_open:
            self._connection.close()

    def _lost(self, why: str) -> None:
        with self._lock:
            self._ready.clear()
            offered, self._offered = self._offered, deque()
        self._channel = None
        unconfirmed, self._unconfirmed = self._unconfirmed, {}
        for confirmed in (*unconfirmed.values(), *(each for sent in offered for _, each in sent)):
            confirmed.set_exception(NotSafe(why))

    def _send(self) -> None:
        for envelope, confirmed in self._offered.popleft() if self._offered else ():
            if self._channel is None or not self._channel.is_open:
                confirmed.set_exception(NotSafe("the channel is closed"))
                continue
            self._tag += 1
            self._unconfirmed[self._tag] = confirmed
            self._channel.basic_publish(
                EXCHANGE,
                envelope.type,
                envelope.to_json().encode(),
                pika.BasicProperties(
                    content_type=CONTENT_TYPE,
                    delivery_mode=2,
                    message_id=str(envelope.id),
                    correlation_id=str(envelope.correlation_id),
                    type=envelope.type,
                    app_id=envelope.source,
                    timestamp=int(envelope.time.timestamp()),
                ),
                mandatory=True,
            )

    def _confirmed(self, frame: Any) -> None:
        method = frame.method
        tags = (
            [tag for tag in self._unconfirmed if tag <= method.delivery_tag]
            if method.multiple
            else [method.delivery_tag]
        )
        for tag in tags:
            confirmed = self._unconfirmed.pop(tag, None)
            if confirmed is None:
                continue
            if isinstance(method, Basic.Ack):
                confirmed.set_result(None)
            else:
                confirmed.set_exception(NotSafe("refused by the broker; a queue is full"))

    def _close(self) -> None:
        connection = self._connection
        if connection is None:
            return
        self._lost("stopping")
        if not (connection.is_closing or connection.is_closed):
            connection.close()
        # A broker that is frozen, or short of memory, does not answer a goodbye; pika would wait for ever
        # and has no public way to hang up.
        connection.ioloop.call_later(CLOSED_WITHIN, lambda: connection._terminate_stream(AMQPError("no goodbye")))


def consume(url: str, service: str, accept: Accept, *, stopping: threading.Event, opened: Callable[[], None]) -> None:
    """Carry messages from the service's queue to `accept` until `stopping` is set, reconnecting as needed.

    `opened` is called after each connect, before the first message: time to fetch what was missed.
    `accept` may raise `NotKept`; whatever else it raises ends this.
    """
    pause = FIRST_PAUSE
    while not stopping.is_set():
        connected_at = time.monotonic()
        try:
            _consume_once(url, service, accept, stopping, opened)
        except (AMQPError, OSError, NotKept) as error:
            log.warning("%s does not receive: %s", service, str(error) or type(error).__name__)
        if time.monotonic() - connected_at > LONGEST_PAUSE:
            pause = FIRST_PAUSE
        stopping.wait(pause * random.uniform(0.8, 1.2))
        pause = min(pause * 2, LONGEST_PAUSE)


def _consume_once(
    url: str, service: str, accept: Accept, stopping: threading.Event, opened: Callable[[], None]
) -> None:
    connection = pika.BlockingConnection(_parameters(url, f"{service} inbox"))
    try:
        opened()
        channel = connection.channel()
        channel.basic_qos(prefetch_count=PREFETCH)
        cancelled: list[Any] = []
        arrived: list[tuple[int, bytes]] = []
        channel.add_on_cancel_callback(cancelled.append)
        channel.basic_consume(
            queue_of(service),
            lambda _, method, properties, body: arrived.append((method.delivery_tag, body)),
        )
        while not stopping.is_set():
            connection.process_data_events(time_limit=0 if arrived else 0.5)
            if cancelled:  # the queue was deleted: the channel would stay open for ever, and silent
                raise AMQPError("the broker cancelled the subscription")
            if arrived:
                batch, arrived[:] = arrived[:], []
                _store(channel, batch, accept)
    finally:
        if connection.is_open:
            connection.close()


def _store(channel: Any, batch: list[tuple[int, bytes]], accept: Accept) -> None:
    envelopes: list[Envelope] = []
    last_good = 0
    for tag, body in batch:
        try:
            envelope = Envelope.from_json(body)
            if envelope.position is None:
                raise ValueError("a message from a log has a position")
        except (ValueError, KeyError, TypeError, RecursionError):
            log.exception("unreadable message set aside")
            channel.basic_reject(tag, requeue=False)
        else:
            envelopes.append(envelope)
            last_good = tag
    if envelopes:
        accept(envelopes)
        channel.basic_ack(last_good, multiple=True)
