"""The services there are, in the order in which they are put to work."""

from __future__ import annotations

from services.access.app import SERVICE as ACCESS
from services.booking.app import SERVICE as BOOKING
from services.catalogue.app import SERVICE as CATALOGUE
from services.notify.app import SERVICE as NOTIFY
from services.usage_stats.app import SERVICE as USAGE_STATS
from shared.service import Service

SERVICES: tuple[Service, ...] = (ACCESS, CATALOGUE, BOOKING, NOTIFY, USAGE_STATS)
