"""Private PostgreSQL and RabbitMQ servers for tests, demonstrations and developers.

    python -m deploy.servers install [NAME ...]    install what is missing, where that is allowed
    python -m deploy.servers run                   start both, print their addresses, stop on Ctrl-C

In a program:

    with private_postgresql() as url, private_rabbitmq() as broker_url:
        booking_url = new_database(url, "booking")

A test of failures holds the server itself: `with PostgreSQL() as server: server.kill(); server.start()`.

Every server gets a free port on 127.0.0.1 and a directory of its own, and both go away with it. A small keeper
process watches the one that started the server: should that be killed, the keeper stops the server and cleans up.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import psycopg

from deploy.programs import PROGRAMS, Missing, install, postgresql_programs, rabbitmq_programs

__all__ = [
    "Missing",
    "NotStarted",
    "PostgreSQL",
    "RabbitMQ",
    "Server",
    "free_port",
    "new_database",
    "plain_url",
    "private_postgresql",
    "private_rabbitmq",
]

LOOPBACK = "127.0.0.1"
READY_WITHIN_SECONDS = 90.0
STOPPED_WITHIN_SECONDS = 20.0
ATTEMPTS_AT_A_PORT = 3


class NotStarted(Exception):
    """A server was started and did not become ready; the text holds the end of its log."""


# --- one server -------------------------------------------------------------------------------------------------


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


# $1 is the server's directory, $2 the signal that asks it to stop. The read ends when the last holder of the pipe is
# gone, however it went.
KEEPER = """
read -r _ && exit 0
for sign in "$2" KILL; do
  for file in "$1"/*.pid; do
    [ -s "$file" ] && kill -s "$sign" "$(head -n 1 "$file")" 2>/dev/null
  done
  [ "$sign" = KILL ] || sleep 3
done
rm -rf "$1"
"""


class Server(ABC):
    """A server of our own: `with` starts it and stops it; in between it can be killed, paused and restarted."""

    account: str
    title: str
    _gentle = signal.SIGTERM

    def __init__(self) -> None:
        self.port = 0
        self._directory: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients find it; stays the same over `kill` and `start`."""

    @abstractmethod
    def _prepare(self) -> None:
        """Write what the server needs before its first start."""

    @abstractmethod
    def _command(self) -> tuple[Sequence[str | Path], Mapping[str, str]]:
        """The program with its arguments, and its environment."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Whether it answers as a client expects."""

    @property
    def directory(self) -> Path:
        """Where its data and its log are, while it is in use."""
        if self._directory is None:
            raise RuntimeError(f"{self.title} is not in use: enter it with `with`")
        return self._directory

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    @property
    def pid(self) -> int:
        """The process that serves. Raises RuntimeError while it is stopped."""
        if self._process is None:
            raise RuntimeError(f"{self.title} is not running")
        return self._process.pid

    def __enter__(self) -> Self:
        for attempt in range(ATTEMPTS_AT_A_PORT):
            self.port = free_port()
            self._directory = Path(tempfile.mkdtemp(prefix=f"infrashare-{self.account}-"))
            self._keeper = subprocess.Popen(
                ["sh", "-c", KEEPER, "keeper", str(self._directory), self._gentle.name.removeprefix("SIG")],
                stdin=subprocess.PIPE,
                start_new_session=True,
            )
            try:
                self._prepare()
                self._own()
                self.start()
            except NotStarted:
                self._leave()
                if attempt + 1 == ATTEMPTS_AT_A_PORT:
                    raise
            except BaseException:
                self._leave()
                raise
            else:
                return self
        raise AssertionError("the loop above returns or raises")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def start(self) -> None:
        """Start it on its port and wait until it answers; what it stored before is there again."""
        if self._process is not None:
            return
        command, environment = self._command()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **environment},
                start_new_session=True,
                user=self._user,
                group=self._user,
                extra_groups=self._groups,
            )
        (self.directory / "server.pid").write_text(f"{self._process.pid}\n")
        self._wait_until_ready(self._process)

    def stop(self) -> None:
        """Stop it as an administrator would: connections are closed, everything is written."""
        if self._process is None:
            return
        self.resume()
        self._signal(self._gentle)
        try:
            self._process.wait(STOPPED_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End all its processes at once, as a crash does; `start` brings it back.

        RabbitMQ remembers the name of a new quorum queue on disk only after half a second: one that was declared
        right before a kill answers nobody afterwards.
        """
        if self._process is None:
            return
        for pid in [self.pid, *_descendants(self.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        # Threads and helpers of the dead may hold the port and the data for a moment longer.
        _wait_until(lambda: not _answers(self.port), within=STOPPED_WITHIN_SECONDS)
        self._process = None

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing is answered until `resume`."""
        self._signal(signal.SIGSTOP, everyone=True)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._signal(signal.SIGCONT, everyone=True)

    def _signal(self, sign: signal.Signals, *, everyone: bool = False) -> None:
        for pid in [self.pid, *(_descendants(self.pid) if everyone else [])]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)

    @property
    def _user(self) -> str | None:
        """Who the server runs as: PostgreSQL refuses to be root, so as root it gets its package's account."""
        return self.account if os.geteuid() == 0 else None

    @property
    def _groups(self) -> list[str] | None:
        return [] if os.geteuid() == 0 else None

    def _own(self) -> None:
        if os.geteuid() == 0:
            owner = pwd.getpwnam(self.account)
            for path in [self.directory, *self.directory.rglob("*")]:
                os.chown(path, owner.pw_uid, owner.pw_gid)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        _wait_until(lambda: process.poll() is not None or self._is_ready(), within=READY_WITHIN_SECONDS)
        if process.poll() is None and self._is_ready():
            return
        end = self.log.read_text(errors="replace")[-2000:]
        self.kill()
        raise NotStarted(f"{self.title} did not become ready on port {self.port}; its log ends:\n{end}")

    def _leave(self) -> None:
        self.stop()
        if self._keeper is not None and self._keeper.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._keeper.stdin.write(b"done\n")
                self._keeper.stdin.close()
            self._keeper.wait()
            self._keeper = None
        shutil.rmtree(self.directory, ignore_errors=True)
        self._directory = None


class PostgreSQL(Server):
    """A PostgreSQL server that keeps its word about commits: nothing that makes writes durable is turned off."""

    account = "postgres"
    title = "PostgreSQL"
    # SIGTERM would wait for clients to leave.
    _gentle = signal.SIGINT

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@{LOOPBACK}:{self.port}/postgres"

    def _prepare(self) -> None:
        self._own()
        subprocess.run(
            [
                *(str(postgresql_programs() / "initdb"), "--pgdata", str(self.directory / "data")),
                *("--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8"),
                "--no-sync",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.directory,
            user=self._user,
            group=self._user,
            extra_groups=self._groups,
        )

    def _command(self) -> tuple[Sequence[str | Path], Mapping[str, str]]:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": str(self.directory),
            "max_connections": "200",
            "timezone": "UTC",
            "jit": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [postgresql_programs() / "postgres", "-D", self.directory / "data", *options], {}

    def _is_ready(self) -> bool:
        try:
            with psycopg.connect(plain_url(self.url), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False


class RabbitMQ(Server):
    """A RabbitMQ broker of one node, with the `guest` account, which works from this machine only."""

    account = "rabbitmq"
    title = "RabbitMQ"

    def __init__(self) -> None:
        super().__init__()
        self._mapper: subprocess.Popen[bytes] | None = None
        self._mapper_port = 0
        self._node_port = 0

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@{LOOPBACK}:{self.port}/%2F"

    def control(self, *arguments: str) -> str:
        """Run `rabbitmqctl` on this broker and return what it printed."""
        script, _ = rabbitmq_programs()
        _, environment = self._command()
        done = subprocess.run(
            [str(script.with_name("rabbitmqctl")), "--quiet", *arguments],
            check=True,
            capture_output=True,
            text=True,
            cwd=self.directory,
            env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **environment},
            user=self._user,
            group=self._user,
            extra_groups=self._groups,
        )
        return done.stdout

    def _prepare(self) -> None:
        rabbitmq_programs()
        self._mapper_port, self._node_port = free_port(), free_port()
        cookie = self.directory / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(20))
        cookie.chmod(0o400)
        (self.directory / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = {LOOPBACK}:{self.port}\n"
            "log.console = true\n"
            "log.console.level = warning\n"
            "log.file = false\n"
            "vm_memory_high_watermark.absolute = 512MB\n"
            "disk_free_limit.absolute = 50MB\n"
        )
        (self.directory / "enabled_plugins").write_text("[].\n")
        (self.directory / "data").mkdir()

    def _command(self) -> tuple[Sequence[str | Path], Mapping[str, str]]:
        script, _ = rabbitmq_programs()
        here = self.directory
        return [script], {
            "HOME": str(here),
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_NODENAME": f"infrashare{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._node_port),
            "RABBITMQ_BASE": str(here),
            "RABBITMQ_MNESIA_BASE": str(here / "data"),
            "RABBITMQ_LOG_BASE": str(here),
            # Without this a shell stands before the broker and takes the signals.
            "RUNNING_UNDER_SYSTEMD": "1",
            "RABBITMQ_CONFIG_FILE": str(here / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(here / "enabled_plugins"),
            # A file that is not there keeps the system's own settings out.
            "RABBITMQ_CONF_ENV_FILE": str(here / "none"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
        }

    def start(self) -> None:
        # Left to itself the broker starts a port mapper that outlives it; this one is ours to stop.
        if self._mapper is None:
            _, mapper = rabbitmq_programs()
            self._mapper = subprocess.Popen(
                [str(mapper), "-port", str(self._mapper_port), "-address", LOOPBACK],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                user=self._user,
                group=self._user,
                extra_groups=self._groups,
            )
            (self.directory / "mapper.pid").write_text(f"{self._mapper.pid}\n")
            _wait_until(lambda: _answers(self._mapper_port), within=5.0)
        super().start()

    def _is_ready(self) -> bool:
        return _answers(self.port)

    def _leave(self) -> None:
        # A gentle stop takes seconds and saves what is thrown away in the next step.
        self.kill()
        if self._mapper is not None:
            self._mapper.kill()
            self._mapper.wait()
            self._mapper = None
        super()._leave()


@contextlib.contextmanager
def private_postgresql() -> Iterator[str]:
    """The address (SQLAlchemy's form) of a PostgreSQL server that lives as long as the block. Raises Missing."""
    with PostgreSQL() as server:
        yield server.url


@contextlib.contextmanager
def private_rabbitmq() -> Iterator[str]:
    """The address of a RabbitMQ broker that lives as long as the block. Raises Missing."""
    with RabbitMQ() as server:
        yield server.url


def new_database(url: str, name: str, *, template: str = "template0") -> str:
    """Make an empty database on the server at `url`, replacing one of that name, and return its address.

    `template` names a database to copy instead, for instance one that is already migrated; nobody may be
    connected to it.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name + template):
        raise ValueError(f"{name!r} or {template!r} is not a plain database name")
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def plain_url(url: str) -> str:
    """The address without the name of the Python driver, as PostgreSQL's own programs and psycopg take it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


# --- processes --------------------------------------------------------------------------------------------------


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0):
            return True
    except OSError:
        return False


def _wait_until(condition: Callable[[], bool], *, within: float) -> None:
    end = time.monotonic() + within
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)


def _descendants(pid: int) -> list[int]:
    """Children, grandchildren and so on: a server's helpers have process groups of their own."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in listed.splitlines())}
    found: list[int] = []
    wave = [pid]
    while wave:
        wave = [child for child, parent in parents.items() if parent in wave]
        found += wave
    return found


# --- the command ------------------------------------------------------------------------------------------------


def run() -> None:
    """Serve until interrupted, for a developer who wants real servers at hand."""
    with contextlib.ExitStack() as stack:
        for server in (PostgreSQL(), RabbitMQ()):
            stack.enter_context(server)
            print(f"{server.title}: {server.url}", flush=True)
        print("Stop both with Ctrl-C.", flush=True)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


def main(arguments: Sequence[str]) -> int:
    match arguments:
        case ["install", *names] if set(names) <= set(PROGRAMS):
            install(names or tuple(PROGRAMS))
        case ["run"]:
            try:
                run()
            except Missing as absent:
                print(absent, file=sys.stderr)
                return 1
        case _:
            print(f"usage: python -m deploy.servers install [{' '.join(PROGRAMS)}] | run", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
