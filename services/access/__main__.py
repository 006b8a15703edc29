"""`python -m services.access web|worker|migrate`."""

from __future__ import annotations

from services.access.app import SERVICE
from shared.cli import main

main(SERVICE)
