"""Ask processes whether they are well: the health check of the containers.

    python -m deploy.healthy ADDRESS ...    exit code 0 if each answers with a success
    python -m deploy.healthy --all          wait until everything named in PEER_URLS is ready

Imports no more than it must: it runs every few seconds in every container.
"""

from __future__ import annotations

import os
import sys
import time
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

ALL_READY_WITHIN_SECONDS = 180.0


def is_well(address: str) -> bool:
    parts = urlsplit(address)
    connection = HTTPConnection(parts.netloc, timeout=5)
    try:
        connection.request("GET", parts.path or "/")
        return 200 <= connection.getresponse().status < 300
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def everything() -> list[str]:
    """The gateway's own answer, and the readiness of each web and worker that PEER_URLS knows."""
    from deploy.services import SERVICES  # the whole application: only for this question

    webs = dict(pair.split("=", 1) for pair in os.environ["PEER_URLS"].split(","))
    addresses = ["http://gateway:2080/"]
    for service in SERVICES:
        web = webs[service.name]
        addresses += [f"{web}{service.mount}/readyz", f"{web.replace('-web:8000', '-worker:8001')}/readyz"]
    return addresses


def main(arguments: list[str]) -> int:
    if arguments != ["--all"]:
        return 0 if all(is_well(address) for address in arguments) else 1
    waiting, end = everything(), time.monotonic() + ALL_READY_WITHIN_SECONDS
    while waiting := [address for address in waiting if not is_well(address)]:
        if time.monotonic() > end:
            print("not ready:", *waiting, sep="\n  ", file=sys.stderr)
            return 1
        time.sleep(1)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
