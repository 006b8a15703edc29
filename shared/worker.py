"""The process beside the web processes of a service: relay, consume, react, and the jobs of the clock.

Loops in threads. If one of them dies, the process dies and whoever started it starts it again: a worker
that half lives is a failure nobody sees. Of several workers of one service one works; the others wait
until it is gone. SIGTERM stops each loop after what it has in hand; what takes longer than a supervisor's
patience is left, as a crash would leave it, and done again.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg
import sqlalchemy as sa
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import DBAPIError

from shared import mailbox, metrics
from shared.clock import utc_now
from shared.events import Envelope
from shared.service import Instance, Job, Wire
from shared.transport import rabbit

log = logging.getLogger(__name__)

IDLE = 0.5  # seconds between looks at an empty mailbox that nobody woke
GATHER = 0.02  # seconds in which what is told or heard gathers, so that it costs a transaction together
CATCH_UP_EVERY = 2.0  # seconds between looks for a gap in what was received
LOOK_ANYWAY_EVERY = 30.0  # seconds between looks into the others' logs when no gap is known
FIRST_RUN_AFTER = timedelta(seconds=10)  # of a job, once the worker leads
STOPPED_WITHIN = 6.0  # seconds for what is in hand; supervisors commonly wait ten before they kill
LEADER_LOCK = 7_405_926  # of PostgreSQL's advisory locks; each service has its own database
PAUSE_AFTER_ERROR = 1.0  # seconds, while a database or a broker is away


class LeadershipLost(Exception):
    """Another worker of the service may be working by now."""


class Worker:
    """The loops of one service; `run` returns when `stop` was called and they have ended."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._stopping = threading.Event()
        self._heard = threading.Event()  # wakes the loop that handles
        self._connected = threading.Event()  # the queue was reached, perhaps after a while: look what was missed
        self._dead: list[BaseException] = []

    @property
    def is_alive(self) -> bool:
        return not self._dead

    def stop(self) -> None:
        self._stopping.set()
        self._heard.set()
        self._instance.spoke.set()

    def run(self) -> None:
        """Wait until no other worker of this service works; then work until stopped.

        Raises what ended a loop that should not have ended; `LeadershipLost` at once, with the loops still
        running, so that the process can end before it does what is another's.
        """
        with self._leadership() as lost:
            if self._stopping.is_set():
                return
            log.info("this worker leads")
            self._work(lost)
        if self._dead:
            raise self._dead[0]

    def _work(self, lost: Callable[[float], bool]) -> None:
        instance, name = self._instance, self._instance.service.name
        wire = rabbit.Publisher(instance.config.broker_url, name)
        loops: list[tuple[str, Callable[[], None]]] = [
            ("relay", lambda: relay_until(self._stopping, instance, wire)),
            ("react", lambda: react_until(self._stopping, instance.react, self._heard)),
        ]
        if instance.service.hears:
            loops += [("consume", self._consume), ("heal", self._heal)]
        threads = [
            threading.Thread(target=self._guard, args=(what, loop), name=f"{name}-{what}", daemon=True)
            for what, loop in loops
        ]
        scheduler = schedule(instance)
        for thread in threads:
            thread.start()
        scheduler.start()
        while not self._stopping.is_set():
            # The leader's connection also hears, from the database, that something was told.
            if lost(IDLE):
                raise LeadershipLost
        threads.append(threading.Thread(target=scheduler.shutdown, name=f"{name}-jobs", daemon=True))
        threads[-1].start()
        deadline = time.monotonic() + STOPPED_WITHIN
        _join(threads, deadline - STOPPED_WITHIN / 2)
        wire.stop()  # ends the wait for a broker that does not confirm
        for thread in _join(threads, deadline):
            log.warning("%s did not end in time and is left", thread.name)

    def _consume(self) -> None:
        def accept(envelopes: Sequence[Envelope]) -> None:
            try:
                self._instance.accept(envelopes)
            except DBAPIError as error:
                raise rabbit.NotKept(f"the database failed: {error.orig}") from error
            self._heard.set()

        rabbit.consume(
            self._instance.config.broker_url,
            self._instance.service.name,
            accept,
            stopping=self._stopping,
            opened=self._connected.set,
        )

    def _heal(self) -> None:
        """Fetch what was never delivered: at the start, after each connect, and whenever there is a gap.

        What is lost at the end of a log leaves no gap, and a peer may be away when it is asked: so now and
        then anyway.
        """
        look_anyway_at = time.monotonic()
        while not self._stopping.is_set():
            with _patience(self._stopping):
                if self._connected.is_set() or time.monotonic() >= look_anyway_at or self._has_gap():
                    self._connected.clear()
                    if self._instance.catch_up():
                        self._heard.set()
                    look_anyway_at = time.monotonic() + LOOK_ANYWAY_EVERY
            self._stopping.wait(CATCH_UP_EVERY)

    def _has_gap(self) -> bool:
        with self._instance.snapshot() as session:
            return bool(mailbox.gaps(session))

    def _guard(self, what: str, loop: Callable[[], None]) -> None:
        try:
            loop()
        except BaseException as error:
            log.critical("the %s loop died", what, exc_info=True)
            self._dead.append(error)
            self.stop()

    @contextmanager
    def _leadership(self) -> Iterator[Callable[[float], bool]]:
        """Hold the one lock of this service. Yields a wait that tells whether the lock is lost."""
        database = self._instance.database
        if database.dialect != "postgresql":
            yield lambda seconds: bool(self._stopping.wait(seconds)) and False
            return
        connection = _lock_connection(database.engine.url, self._stopping)
        if connection is None:
            yield lambda seconds: True
            return

        def lost(seconds: float) -> bool:
            try:
                told = list(connection.notifies(timeout=seconds, stop_after=1))
                if told:  # and so the connection is alive
                    self._instance.spoke.set()
                    self._stopping.wait(GATHER)
                else:
                    connection.execute("SELECT 1")
            except psycopg.Error:
                log.exception("the connection that holds the lock broke")
                return True
            return False

        with connection:
            yield lost


def _lock_connection(url: sa.URL, stopping: threading.Event) -> psycopg.Connection | None:
    """A connection that holds the lock, as soon as nobody else does; None when stopping."""
    target = url.set(drivername="postgresql").render_as_string(hide_password=False)
    while not stopping.is_set():
        try:
            connection = psycopg.connect(
                target, autocommit=True, connect_timeout=5, keepalives_idle=5, keepalives_interval=2,
                keepalives_count=3,
            )  # fmt: skip
            while not stopping.is_set():
                row = connection.execute("SELECT pg_try_advisory_lock(%s)", (LEADER_LOCK,)).fetchone()
                if row and row[0]:
                    connection.execute("LISTEN outbox")
                    return connection
                stopping.wait(IDLE)
            connection.close()
        except psycopg.Error as error:
            log.warning("the database is away: %s", error)
            stopping.wait(PAUSE_AFTER_ERROR)
    return None


def _join(threads: Sequence[threading.Thread], deadline: float) -> list[threading.Thread]:
    """Wait for `threads` until `deadline`; those that have not ended."""
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [thread for thread in threads if thread.is_alive()]


def relay_until(stopping: threading.Event, instance: Instance, wire: Wire) -> None:
    """Publish what is told, as soon as it is told, until `stopping` is set."""
    while not stopping.is_set():
        instance.spoke.clear()
        with _patience(stopping):
            _gather(stopping, lambda: instance.relay(wire), mailbox.BATCH)
        instance.spoke.wait(IDLE)


def react_until(stopping: threading.Event, react: Callable[[], int], heard: threading.Event) -> None:
    """Handle what is heard, by calling `react`, until `stopping` is set."""
    while not stopping.is_set():
        heard.clear()
        with _patience(stopping):
            _gather(stopping, react, mailbox.HANDLED_TOGETHER)
        heard.wait(IDLE)


def _gather(stopping: threading.Event, work: Callable[[], int], batch: int) -> None:
    """Do `work` until there is none. The first is done at once; while more comes in, it comes in batches."""
    while not stopping.is_set() and (done := work()):
        if done < batch:
            stopping.wait(GATHER)


@contextmanager
def _patience(stopping: threading.Event) -> Iterator[None]:
    """A database that is away comes back; what was under way was rolled back and is done again."""
    try:
        yield
    except DBAPIError as error:
        log.warning("the database failed: %s", error.orig)
        stopping.wait(PAUSE_AFTER_ERROR)


def housekeeping(instance: Instance) -> None:
    """Forget messages handled and answers given long ago."""
    with instance.begin() as uow:
        mailbox.forget_handled(uow.session, now=utc_now())
        mailbox.forget_answers(uow.session, now=utc_now())


def schedule(instance: Instance) -> BackgroundScheduler:
    """A scheduler, not yet started, of the service's jobs and of the housekeeping every service has.

    Each job runs soon after the start, too: what became due while nobody worked, or a job of many hours in a
    process that seldom lives so long.
    """
    scheduler = BackgroundScheduler(timezone="UTC")
    for job in (*instance.service.jobs, Job(housekeeping, every=timedelta(hours=1))):
        scheduler.add_job(
            job.run,
            "interval",
            args=(instance,),
            seconds=job.every.total_seconds(),
            next_run_time=utc_now() + min(job.every, FIRST_RUN_AFTER),
            id=f"{instance.service.name}.{job.run.__name__}",
            coalesce=True,
            max_instances=1,
            misfire_grace_time=300,
        )
    return scheduler


def run(instance: Instance, *, port: int) -> None:
    """Work until SIGTERM or SIGINT, then exit with 0; with 1 if a loop died, so that a supervisor starts anew."""
    worker = Worker(instance)
    # A handler would run in the midst of whatever the main thread does, with locks in its hands; so the
    # signals are kept from all threads and taken by one that does nothing else.
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)

    def obey() -> None:
        signal.sigwait(signals)
        worker.stop()

    threading.Thread(target=obey, name="signals", daemon=True).start()
    _answer_probes(instance, worker, port)
    status = 0
    try:
        worker.run()
    except Exception:
        log.critical("this worker ends", exc_info=True)
        status = 1
    logging.shutdown()
    os._exit(status)  # a thread that waits for a broken connection, or a long job, may never end


def _answer_probes(instance: Instance, worker: Worker, port: int) -> None:
    """Answer /healthz (no loop has died), /readyz (database and broker answer) and /metrics."""

    class Probe(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            match self.path:
                case "/healthz":
                    self._answer(worker.is_alive)
                case "/readyz":
                    self._answer(_is_ready(instance))
                case "/metrics":
                    self._answer_metrics()
                case _:
                    self.send_error(HTTPStatus.NOT_FOUND)

        def _answer_metrics(self) -> None:
            try:
                figures = metrics.exposition(instance)
            except DBAPIError:
                self._answer(False)
            else:
                self._answer(True, figures, "text/plain; version=0.0.4")

        def _answer(self, good: bool, body: bytes = b"", content_type: str = "text/plain") -> None:
            self.send_response(HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE)
            self.send_header("Content-Type", content_type)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Probes come every few seconds; they are not worth a line."""

    host = os.environ.get("HOST", "127.0.0.1")
    server = ThreadingHTTPServer((host, port), Probe)
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()


def _is_ready(instance: Instance) -> bool:
    try:
        migrated = instance.database.is_migrated(instance.service.histories)
    except DBAPIError:
        return False
    return migrated and rabbit.is_reachable(instance.config.broker_url)
