"""`python -m services.booking web|worker|migrate`, the same for every service."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile

from shared import logs
from shared.config import ConfigError
from shared.service import Instance, Service

DEFAULT_PORT, DEFAULT_WORKER_PORT = 8000, 8001
CANNOT_START = 78  # EX_CONFIG of sysexits.h


def main(service: Service) -> None:
    """Run the verb of the command line for `service`."""
    parser = argparse.ArgumentParser(prog=f"python -m {service.import_name}", description=service.title)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="web | worker | migrate")
    verbs.add_parser("web", help="answer requests; HOST, PORT, WEB_WORKERS and WEB_THREADS set how")
    verbs.add_parser("worker", help="relay and handle events, do what is due; WORKER_PORT for probes")
    verbs.add_parser("migrate", help="bring the tables up to date")
    verb = parser.parse_args().verb
    logs.configure(service.name, level=os.environ.get("LOG_LEVEL", "INFO"))
    try:
        if verb == "web":
            serve(service)
        elif verb == "worker":
            work(service)
        else:
            Instance.from_env(service).migrate()
    except ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(CANNOT_START)


def serve(service: Service) -> None:
    """Answer requests until SIGTERM; those under way are finished."""
    from granian import Granian  # only the web verb needs a web server
    from granian.constants import Interfaces

    from shared import metrics

    service.config.from_env(service.name)  # complain here, not in each child
    workers = _number("WEB_WORKERS", 2)
    with tempfile.TemporaryDirectory(prefix="infrashare-metrics-") as figures:
        if workers > 1:
            metrics.count_together(figures)
        Granian(
            f"{service.import_name}.app:create_app",
            factory=True,
            address=os.environ.get("HOST", "127.0.0.1"),
            port=_number("PORT", DEFAULT_PORT),
            interface=Interfaces.WSGI,
            workers=workers,
            blocking_threads=_number("WEB_THREADS", 4),
            respawn_failed_workers=True,
            workers_kill_timeout=30,
            log_access=False,
        ).serve()


def work(service: Service) -> None:
    from shared import worker  # pika and the scheduler are for this verb alone

    worker.run(Instance.from_env(service), port=_number("WORKER_PORT", DEFAULT_WORKER_PORT))


def _number(name: str, default: int) -> int:
    try:
        return int(os.environ.get(name) or default)
    except ValueError:
        raise ConfigError(f"{name} must be a number") from None
