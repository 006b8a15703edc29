"""All services in one process, a SQLite file each, no broker: `python -m deploy.embedded`.

Nothing is weaker than in the deployed mode but the wire: events wait in the same tables and survive a kill.
INFRASHARE_DATA says where the files are (./var), PORT where to listen (8000); INFRASHARE_DEMO=no starts with
nothing but the administrator named by ADMIN_EMAIL and ADMIN_PASSWORD.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from deploy.services import SERVICES
from services.access import queries as access_queries
from shared import logs, mailbox
from shared.config import Config
from shared.database import Database
from shared.events import Envelope
from shared.service import Instance, Service
from shared.transport.loopback import Loopback
from shared.web.app import build_app
from shared.worker import react_until, relay_until, schedule

log = logging.getLogger(__name__)

THREADS = 4


class InUse(Exception):
    """Another process works on the same data folder."""


@dataclass(frozen=True)
class LocalPeers:
    """In one process the others are asked by a call."""

    instances: dict[str, Instance]

    def feed(self, source: str, *, after: int) -> list[Envelope]:
        teller = self.instances[source]
        with teller.snapshot() as session:
            return mailbox.feed(session, source, after=after, limit=mailbox.BATCH)

    def keys(self) -> dict[str, Any]:
        with self.instances["access"].snapshot() as session:
            return access_queries.public_keys(session)


@dataclass(frozen=True)
class Embedded:
    """The services of one installation, at work in this process."""

    instances: dict[str, Instance]
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _schedulers: list[Any] = field(default_factory=list)

    @classmethod
    def at(cls, folder: Path, **settings: str) -> Embedded:
        """Open the data in `folder`, making what is missing and bringing the tables up to date.

        `settings` go before those of the environment, e.g. `PUBLIC_URL`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        instances: dict[str, Instance] = {}
        peers = LocalPeers(instances)
        secret = _kept_secret(folder)
        for service in SERVICES:
            database = Database(f"sqlite:///{folder / service.name}.db", pool_size=2 * THREADS)
            config = _config(service, folder, {"SERVICE_SECRET": secret} | settings)
            instances[service.name] = Instance(service, config, database, peers)
        for instance in instances.values():
            instance.migrate()
        return cls(instances)

    def settle(self) -> None:
        """Carry and handle events until every mailbox is at rest."""
        wire = Loopback(tuple(self.instances.values()))
        while any([instance.relay(wire) + instance.react() for instance in self.instances.values()]):
            pass

    def start(self) -> None:
        """Keep the mailboxes at rest, and do what is due, in threads of this process."""
        wire = Loopback(tuple(self.instances.values()))
        heard = threading.Event()

        @dataclass(frozen=True)
        class Waking:
            """Carries, and wakes those who handle."""

            def publish(self, batch: Any) -> int:
                taken = wire.publish(batch)
                heard.set()
                return taken

        for instance in self.instances.values():
            instance.catch_up()
            self._run(partial(relay_until, self._stopping, instance, Waking()))
            scheduler = schedule(instance)
            scheduler.start()
            self._schedulers.append(scheduler)
        self._run(lambda: self._react(heard))

    def _react(self, heard: threading.Event) -> None:
        def react_all() -> int:
            return sum(instance.react() for instance in self.instances.values())

        react_until(self._stopping, react_all, heard)

    def _run(self, loop: Callable[[], None]) -> None:
        thread = threading.Thread(target=_or_end, args=(loop,), daemon=True)
        thread.start()
        self._threads.append(thread)

    def stop(self) -> None:
        """End the threads after what they have in hand, and let go of the files."""
        self._stopping.set()
        for instance in self.instances.values():
            instance.spoke.set()
        for scheduler in self._schedulers:
            scheduler.shutdown(wait=True)
        for thread in self._threads:
            thread.join(10)
        for instance in self.instances.values():
            instance.database.close()

    def wsgi(self) -> WSGIApplication:
        """All services under one roof, each below its own address."""
        apps = {instance.service.mount: build_app(instance) for instance in self.instances.values()}
        root = apps["/catalogue"]  # the landing page and the static files

        def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
            mount = "/" + environ.get("PATH_INFO", "").lstrip("/").partition("/")[0]
            return apps.get(mount, root)(environ, start_response)

        return answer


def _or_end(loop: Callable[[], None]) -> None:
    """A loop that dies ends the process: half a system is a failure nobody sees."""
    try:
        loop()
    except BaseException:
        log.critical("a loop died, so this process ends", exc_info=True)
        logging.shutdown()
        os._exit(1)


def _config(service: Service, folder: Path, settings: dict[str, str]) -> Config:
    """Settings of the environment, but for the database: that is always in the folder."""
    (folder / "mail").mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
    own = {"DATABASE_URL": f"sqlite:///{folder / service.name}.db", "PUBLIC_URL": public_url()}
    return service.config.from_env(service.name, {"SMTP_URL": f"file:{folder / 'mail'}"} | environment | own | settings)


def _kept_secret(folder: Path) -> str:
    path = folder / "secret"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32))
    return path.read_text()


@contextmanager
def alone(folder: Path) -> Iterator[IO[str]]:
    """Be the only process that works on `folder`. Raises `InUse`."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise InUse(f"{folder} is in use by process {lock.read().strip() or '?'}.") from None
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield lock


def data_folder() -> Path:
    return Path(os.environ.get("INFRASHARE_DATA", "var")).resolve()


def create_app() -> WSGIApplication:
    """For the web server: the whole system, at work."""
    logs.configure("infrashare", level=os.environ.get("LOG_LEVEL", "WARNING"))
    embedded = Embedded.at(data_folder())
    embedded.start()
    return embedded.wsgi()


def port() -> int:
    return int(os.environ.get("PORT", "8000"))


def public_url() -> str:
    return os.environ.get("PUBLIC_URL", f"http://127.0.0.1:{port()}")


def main() -> None:
    """Load the demonstration into an empty folder, serve, and say when everything answers."""
    from granian import Granian
    from granian.constants import Interfaces

    from deploy.demonstration import load

    folder = data_folder()
    began = time.monotonic()
    logs.configure("infrashare", level=os.environ.get("LOG_LEVEL", "WARNING"))
    try:
        with alone(folder):
            if os.environ.get("INFRASHARE_DEMO", "yes") != "no" and not load.is_loaded(folder):
                load.load_into(folder, public_url=public_url())
            _print_accounts(folder)
            threading.Thread(target=_say_when_ready, args=(began,), daemon=True).start()
            Granian(
                "deploy.embedded:create_app",
                factory=True,
                address=os.environ.get("HOST", "127.0.0.1"),
                port=port(),
                interface=Interfaces.WSGI,
                workers=1,
                blocking_threads=THREADS,
                log_access=False,
                log_enabled=False,
            ).serve()
    except InUse as error:
        sys.exit(str(error))


def _print_accounts(folder: Path) -> None:
    path = folder / "accounts.json"
    if not path.exists():
        return
    print("\nAccounts of the demonstration (all of them: accounts.json in the data folder)")
    shown: set[str] = set()
    for account in json.loads(path.read_text()):
        if account["role"] not in shown:
            shown.add(account["role"])
            print(f"  {account['role']:<20} {account['email']:<44} {account['password']}")
    print(flush=True)


def _say_when_ready(began: float) -> None:
    import requests

    address = f"http://127.0.0.1:{port()}"
    while True:
        try:
            if all(requests.get(f"{address}{service.mount}/readyz", timeout=2).ok for service in SERVICES):
                break
        except requests.RequestException:
            time.sleep(0.05)
    print(f"ready {address}", flush=True)
    log.info("ready after %.1f s", time.monotonic() - began)


if __name__ == "__main__":
    main()
