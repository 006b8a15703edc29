"""Load the demonstration into an installation that is at work: `python -m deploy.demonstration`.

Every service has to be migrated and its worker running. The databases are named as for the services
themselves: ACCESS_DATABASE_URL, CATALOGUE_DATABASE_URL, BOOKING_DATABASE_URL, NOTIFY_DATABASE_URL and
USAGE_STATS_DATABASE_URL. The accounts are printed, or written to the file given with `--accounts`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.demonstration import load
from deploy.services import SERVICES
from shared import mailbox
from shared.clock import utc_now
from shared.config import ConfigError
from shared.service import Instance

STANDSTILL = 60.0  # seconds without anything being handled, until the workers count as not running
LOOK_EVERY = 0.2


class NoWorkers(Exception):
    """Nothing is being handled although something waits."""


def wait_for_workers(instances: dict[str, Instance], *, standstill: float = STANDSTILL) -> None:
    """Return when all that was told has been handled everywhere. Raises `NoWorkers`."""
    moved = time.monotonic()
    before: list[int] = []
    while any(waiting := _waiting(instances)):
        if waiting != before:
            moved, before = time.monotonic(), waiting
        if time.monotonic() > moved + standstill:
            names = [name for name, number in zip(instances, waiting, strict=True) if number]
            raise NoWorkers(f"Nothing has moved for {standstill:.0f} s; are the workers running? ({', '.join(names)})")
        time.sleep(LOOK_EVERY)


def _waiting(instances: dict[str, Instance]) -> list[int]:
    """How much each service has yet to tell, to receive and to handle."""
    loads, received = {}, {}
    for name, instance in instances.items():
        with instance.snapshot() as session:
            loads[name] = mailbox.load(session, now=utc_now())
            received[name] = mailbox.received_upto(session)
    return [
        loads[name].unpublished
        + loads[name].waiting
        + sum(loads[source].position - received[name].get(source, 0) for source in instance.service.hears)
        for name, instance in instances.items()
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Load it, or say in one line why not."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demonstration", description=__doc__)
    parser.add_argument("--accounts", type=Path, help="file to write the accounts to, readable by you alone")
    chosen = parser.parse_args(arguments)
    try:
        instances = {service.name: Instance.from_env(service) for service in SERVICES}
        with load.shown() as steps:
            accounts = load.load(instances, settle=lambda: wait_for_workers(instances), steps=steps)
    except (ConfigError, load.NotEmpty, load.NotHandled, NoWorkers) as error:
        sys.exit(str(error))
    if chosen.accounts:
        load.write_accounts(chosen.accounts, accounts)
        print(f"The accounts are in {chosen.accounts}.")
    else:
        print(load.accounts_text(accounts), end="")


if __name__ == "__main__":
    main()
