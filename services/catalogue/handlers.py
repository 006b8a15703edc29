"""What the catalogue hears of the others: nothing. What there is does not depend on who uses it."""

from __future__ import annotations

from shared.service import Handlers

HANDLERS: Handlers = {}
