"""Find the servers and the browser that tests and demonstrations need, and install them where that is allowed."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path


class Missing(Exception):
    """A program that is needed is not on this machine; the text says which, and how to get it."""


def postgresql_programs() -> Path:
    """The directory with `initdb` and `postgres`, of the newest version here. Raises Missing."""

    def version(path: Path) -> int:
        return int(path.parent.name) if path.parent.name.isdigit() else 0

    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=version, reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        candidates.append(Path(on_path).resolve().parent)
    for candidate in candidates:
        if (candidate / "initdb").exists() and (candidate / "postgres").exists():
            return candidate
    raise Missing("PostgreSQL is not installed; `python -m deploy.servers install` installs it as root on Debian.")


def rabbitmq_programs() -> tuple[Path, Path]:
    """The broker's start script and Erlang's port mapper. Raises Missing."""
    # The script of Debian's package that is on the path changes user with `su` and insists on the system's folders.
    plain = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    script = plain if plain.exists() else shutil.which("rabbitmq-server")
    mapper = shutil.which("epmd") or next(map(str, Path("/usr/lib/erlang").glob("erts-*/bin/epmd")), None)
    if script and mapper:
        return Path(script), Path(mapper)
    raise Missing("RabbitMQ is not installed; `python -m deploy.servers install` installs it as root on Debian.")


def chromium_program() -> Path:
    """The browser that page tests drive. Raises Missing."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise Missing("Chromium is not installed; `python -m deploy.servers install` installs it as root on Debian.")


PROGRAMS: dict[str, tuple[Callable[[], object], tuple[str, ...]]] = {
    "postgresql": (postgresql_programs, ("postgresql",)),
    "rabbitmq-server": (rabbitmq_programs, ("rabbitmq-server",)),
    # Debian's browser brings no letters of its own.
    "chromium": (chromium_program, ("chromium", "fonts-dejavu-core")),
}


def missing(names: Sequence[str] = tuple(PROGRAMS)) -> list[str]:
    """Those of the named servers and programs that are not on this machine."""

    def is_missing(name: str) -> bool:
        try:
            PROGRAMS[name][0]()
        except Missing:
            return True
        return False

    return [name for name in names if is_missing(name)]


def install(names: Sequence[str] = tuple(PROGRAMS)) -> list[str]:
    """Install what is missing where that is allowed, a line for each, and return what is missing still."""
    wanted = missing(names)
    if not wanted:
        return []
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(f"not installed: {', '.join(wanted)} (needs root on Debian or Ubuntu); going on without")
        return wanted
    failed = _apt("update")
    for name in wanted if not failed else []:
        began = time.monotonic()
        with _nothing_started():
            failed = _apt("install", "--no-install-recommends", *PROGRAMS[name][1]) or failed
        if not missing([name]):
            print(f"installed {name} in {time.monotonic() - began:.0f} s", flush=True)
    wanted = missing(names)
    if wanted:
        print(f"not installed: {', '.join(wanted)}; apt-get says: {failed or 'nothing'}; going on without")
    return wanted


def _apt(*arguments: str) -> str:
    """Run apt-get, waiting for another one to finish, and return the end of its complaint if it failed."""
    done = subprocess.run(
        ["apt-get", "-qq", "-y", "-o", "DPkg::Lock::Timeout=300", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )
    return "" if done.returncode == 0 else " ".join(done.stderr.split())[-400:] or "no reason given"


@contextlib.contextmanager
def _nothing_started() -> Iterator[None]:
    """Keep packages from starting system-wide servers: only private ones are wanted here."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()
