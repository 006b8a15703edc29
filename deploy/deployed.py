"""The deployed mode on one machine: a web and a worker process per service, with private servers.

For the demonstration (`make demo DEPLOYED=1`) and for tests that kill what they started. An installation
uses `docker-compose.yml` instead; the processes are the same.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from deploy.servers import PostgreSQL, RabbitMQ, free_port, new_database
from deploy.services import SERVICES
from deploy.topology import declare

READY_WITHIN = 60.0  # seconds
STOPPED_WITHIN = 20.0


class NotReady(Exception):
    """A process did not get ready in time, or ended."""


@dataclass
class Process:
    """One process of the system; keeps its port over `kill` and `start`."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    _running: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._running is None:
            raise NotReady(f"{self.name} is not running")
        return self._running.pid

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                self.command,
                env=self.environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it, and what it started, as a crash does."""
        self._signal(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end after what it has in hand; its exit code."""
        if self._running is None:
            return 0
        self._running.terminate()
        try:
            return self._running.wait(STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            return -signal.SIGKILL
        finally:
            self._running = None

    def wait(self, seconds: float) -> int:
        """Wait for it to end by itself; its exit code. Raises `subprocess.TimeoutExpired`."""
        assert self._running is not None
        return self._running.wait(seconds)

    def has_ended(self) -> bool:
        return self._running is not None and self._running.poll() is not None

    def _signal(self, number: signal.Signals) -> None:
        if self._running is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._running.pid, number)
        self._running.wait()
        self._running = None


@dataclass
class Deployed:
    """The system at work in processes of its own; `with deployed(folder) as system`."""

    folder: Path
    postgresql: PostgreSQL
    rabbitmq: RabbitMQ
    addresses: dict[str, str]  # of each web, by mount
    databases: dict[str, str]  # of each service, by name
    webs: dict[str, Process] = field(default_factory=dict)
    workers: dict[str, Process] = field(default_factory=dict)

    def url(self, path: str) -> str:
        """Where a path of the system is answered; what a gateway does in an installation."""
        mount = "/" + path.lstrip("/").partition("/")[0].partition("?")[0]
        return self.addresses.get(mount, self.addresses["/catalogue"]) + path

    def wait_until_ready(self) -> None:
        """Raises `NotReady`."""
        deadline = time.monotonic() + READY_WITHIN
        for process in (*self.webs.values(), *self.workers.values()):
            address = process.environment["PROBE"]
            while True:
                with contextlib.suppress(requests.RequestException):
                    if requests.get(address, timeout=2).ok:
                        break
                if process.has_ended() or time.monotonic() > deadline:
                    raise NotReady(f"{process.name} did not get ready:\n{process.log.read_text()[-4000:]}")
                time.sleep(0.1)

    def wait_until_settled(self, *, within: float = 30.0) -> None:
        """Wait until everything told has been handled everywhere. Raises `NotReady`."""
        deadline = time.monotonic() + within
        calm = 0
        while calm < 2:
            calm = calm + 1 if self._is_settled() else 0
            if time.monotonic() > deadline:
                raise NotReady(f"events are still under way: {json.dumps(self._loads())}")
            time.sleep(0.1)

    def _is_settled(self) -> bool:
        loads = self._loads()
        if not all(loads.values()):
            return False
        for service in SERVICES:
            own = loads[service.name]
            if own["outbox"]["unpublished"] or own["inbox"]["waiting"]:
                return False
            if any(own["received"].get(source, 0) < loads[source]["outbox"]["position"] for source in service.hears):
                return False
        return True

    def _loads(self) -> dict[str, Any]:
        """How the mailboxes of each service stand; None for one that does not answer."""
        return {service.name: self._load(service.mount) for service in SERVICES}

    def _load(self, mount: str) -> dict[str, Any] | None:
        try:
            answer = requests.get(f"{self.addresses[mount]}{mount}/readyz", timeout=5)
            load: dict[str, Any] = answer.json()
        except requests.RequestException:
            return None
        return load if "outbox" in load else None


@contextlib.contextmanager
def deployed(folder: Path, **settings: str) -> Iterator[Deployed]:
    """Start servers and services, with their logs, mails and metrics in `folder`; stop them at the end.

    `settings` are further environment variables. Raises `servers.Missing` or `NotReady`.
    """
    with PostgreSQL() as postgresql, RabbitMQ() as rabbitmq:
        system = _prepared(folder, postgresql, rabbitmq, settings)
        try:
            for process in (*system.webs.values(), *system.workers.values()):
                process.start()
            system.wait_until_ready()
            yield system
        finally:
            for process in (*system.workers.values(), *system.webs.values()):
                process.stop()


def _prepared(folder: Path, postgresql: PostgreSQL, rabbitmq: RabbitMQ, settings: dict[str, str]) -> Deployed:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mail").mkdir(exist_ok=True)
    ports = {service.name: free_port() for service in SERVICES}
    bases = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    system = Deployed(
        folder=folder,
        postgresql=postgresql,
        rabbitmq=rabbitmq,
        addresses={service.mount: bases[service.name] for service in SERVICES},
        databases={service.name: new_database(postgresql.url, service.name) for service in SERVICES},
    )
    common = dict(os.environ) | {
        "BROKER_URL": rabbitmq.url,
        "PEER_URLS": ",".join(f"{name}={base}" for name, base in bases.items()),
        "SERVICE_SECRET": secrets.token_urlsafe(32),
        "PUBLIC_URL": bases["catalogue"],
        "SMTP_URL": f"file:{folder / 'mail'}",
        "WEB_WORKERS": "1",
        "HOST": "127.0.0.1",
        **settings,
    }
    migrations = []
    for service in SERVICES:
        name, worker_port = service.name, free_port()
        own = common | {"DATABASE_URL": system.databases[name]}
        program = [sys.executable, "-m", f"services.{name}"]
        migrations.append(Process(name, [*program, "migrate"], own, folder / f"{name}-migrate.log"))
        probe = f"{bases[name]}{service.mount}/readyz"
        web = own | {"PORT": str(ports[name]), "PROBE": probe}
        system.webs[name] = Process(f"{name} web", [*program, "web"], web, folder / f"{name}-web.log")
        probe = f"http://127.0.0.1:{worker_port}/readyz"
        worker = own | {"WORKER_PORT": str(worker_port), "PROBE": probe}
        system.workers[name] = Process(f"{name} worker", [*program, "worker"], worker, folder / f"{name}-worker.log")
    declare(rabbitmq.url)
    for migration in migrations:
        migration.start()
    for migration in migrations:
        if migration.wait(READY_WITHIN):
            raise NotReady(f"{migration.name} could not be migrated:\n{migration.log.read_text()[-4000:]}")
    return system
