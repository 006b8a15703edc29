"""What a service tells Prometheus. Labels name routes and services, never people."""

from __future__ import annotations

import os
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, values
from prometheus_client import multiprocess as several_processes
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared import mailbox
from shared.clock import utc_now
from shared.service import Instance

REQUESTS = Counter("infrashare_http_requests_total", "Requests answered", ("service", "method", "route", "status"))
LATENCY = Histogram(
    "infrashare_http_request_seconds",
    "Time to answer a request",
    ("service", "route"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)


def count_together(folder: str) -> None:
    """Keep the figures of this process's children in `folder`, so that each of them can tell those of all."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    # The library reads that when it is imported, which it is by now; figures with labels are made later.
    values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]


class Mailboxes(Collector):
    """Reads how the mailboxes stand, when asked."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def collect(self) -> Iterable[Metric]:
        service = self._instance.service.name
        with self._instance.snapshot() as session:
            load = mailbox.load(session, now=utc_now())
        for name, text, value in (
            ("outbox_unpublished", "Events told and not yet published", load.unpublished),
            ("outbox_oldest_seconds", "Age of the oldest of them", load.oldest_unpublished.total_seconds()),
            ("inbox_waiting", "Events received and not yet handled", load.waiting),
            ("inbox_parked", "Events that could not be handled", load.parked),
        ):
            gauge = GaugeMetricFamily(f"infrashare_{name}", text, labels=("service",))
            gauge.add_metric((service,), value)
            yield gauge


def exposition(instance: Instance) -> bytes:
    """The present figures in Prometheus' text format; of all web processes where there are several."""
    mailboxes = CollectorRegistry()
    mailboxes.register(Mailboxes(instance))
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        requests = CollectorRegistry()
        several_processes.MultiProcessCollector(requests)  # type: ignore[no-untyped-call]
        return generate_latest(requests) + generate_latest(mailboxes)
    return generate_latest() + generate_latest(mailboxes)
