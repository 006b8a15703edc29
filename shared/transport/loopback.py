"""The wire of the embedded mode: a function call into every listener's inbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.events import Envelope
from shared.service import Instance


@dataclass(frozen=True)
class Loopback:
    """Carries what one instance tells into the inboxes of those that hear it."""

    listeners: tuple[Instance, ...]

    def publish(self, batch: Sequence[Envelope]) -> int:
        for listener in self.listeners:
            heard = [envelope for envelope in batch if envelope.source in listener.service.hears]
            if heard:
                listener.accept(heard)
        return len(batch)
