"""`python -m services.notify web|worker|migrate`."""

from __future__ import annotations

from services.notify.app import SERVICE
from shared.cli import main

main(SERVICE)
