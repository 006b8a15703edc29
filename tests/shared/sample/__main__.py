"""`python -m tests.shared.sample teller|listener|notes web|worker|migrate`, as the real services are run."""

from __future__ import annotations

import os
import sys

from shared.cli import main
from tests.shared.sample import LISTENER, TELLER


def run() -> None:
    name = os.environ["SAMPLE"] = sys.argv.pop(1)  # the web server's children read it
    for service in (TELLER, LISTENER):
        if service.name == name:
            return main(service)
    from tests.shared.sample.notes import NOTES  # a worker starts faster without the web

    return main(NOTES)


if __name__ == "__main__":
    run()
