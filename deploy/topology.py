"""Declare exchanges, queues and bindings before anyone publishes: `python -m deploy.topology`.

Needs BROKER_URL (or BROKER_URL_FILE, a file that holds it) of an account that may configure; the services' own
accounts may not.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from deploy.services import SERVICES
from shared.transport.rabbit import declare_topology


def declare(broker_url: str) -> None:
    """Declare what the services there are need, read off what they hear. Safe to repeat."""
    declare_topology(broker_url, {service.name: service.hears for service in SERVICES})


if __name__ == "__main__":
    if file := os.environ.get("BROKER_URL_FILE"):
        declare(Path(file).read_text().strip())
    elif url := os.environ.get("BROKER_URL"):
        declare(url)
    else:
        sys.exit("BROKER_URL is missing")
