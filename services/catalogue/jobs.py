"""What the catalogue does by the clock: nothing yet."""

from __future__ import annotations

from shared.service import Job

JOBS: tuple[Job, ...] = ()
