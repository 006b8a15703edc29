"""Read the databases of an installation at rest, and say whether it kept its promises: `python -m deploy.check`.

Reads rows only, by plain SQL, and uses none of the services' own code: what the code gets wrong must not
hide here. The addresses of the databases come from ACCESS_DATABASE_URL, CATALOGUE_DATABASE_URL, …, or from
a folder of the embedded mode with `--data FOLDER`. Exits with 1 if anything is not as promised.

G1 no two bookings in a blocking state overlap on one unit, buffers included.
G2 every transition left one event, with the next number of its subject, in order, and the last tells the row.
G3 every event reached every service that hears its teller, once, and was handled.
G4 usage_stats knows of every booking what booking knows.
G5 each (event, recipient, channel) was noted once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from sqlalchemy import Engine, create_engine, text

HEARS = {
    "access": ("catalogue",),
    "booking": ("access", "catalogue"),
    "notify": ("access", "booking", "catalogue"),
    "usage_stats": ("booking", "catalogue"),
}
BLOCKING = "('requested', 'approved', 'in_use')"


def violations(databases: Mapping[str, Engine]) -> Iterator[str]:
    """Each broken promise as a sentence; nothing when all were kept. The system has to be at rest."""
    yield from _overlaps(databases["booking"])
    for name, engine in databases.items():
        yield from _numbering(name, engine)
    yield from _transitions(databases["booking"])
    for listener, tellers in HEARS.items():
        for teller in tellers:
            yield from _deliveries(teller, databases[teller], listener, databases[listener])
    yield from _figures(databases["booking"], databases["usage_stats"])
    yield from _notices(databases["notify"])


def _rows(engine: Engine, statement: str, **values: object) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text(statement), values))


def _overlaps(booking: Engine) -> Iterator[str]:
    for row in _rows(
        booking,
        f"""
        SELECT a.reference, b.reference FROM booking a JOIN booking b
        ON a.id < b.id AND a.equipment_id = b.equipment_id AND a.unit = b.unit
        AND a.busy_from < b.busy_to AND b.busy_from < a.busy_to
        WHERE a.state IN {BLOCKING} AND b.state IN {BLOCKING}
        """,  # noqa: S608  (a constant)
    ):
        yield f"G1: {row[0]} and {row[1]} overlap on one unit"


def _numbering(name: str, engine: Engine) -> Iterator[str]:
    for subject, count, first, last in _rows(
        engine,
        """
        SELECT subject, count(*), min(sequence), max(sequence) FROM outbox
        GROUP BY subject HAVING min(sequence) <> 1 OR max(sequence) <> count(*)
        """,
    ):
        yield f"G2: {name} told {count} events of {subject}, numbered {first} to {last}"
    for subject, seq in _rows(
        engine,
        """
        SELECT later.subject, later.seq FROM outbox later JOIN outbox earlier
        ON earlier.subject = later.subject AND earlier.sequence + 1 = later.sequence
        WHERE earlier.position > later.position
        """,
    ):
        yield f"G2: {name} told the events of {subject} out of order, at {seq}"
    [(count, last)] = _rows(engine, "SELECT count(*), coalesce(max(position), 0) FROM outbox")
    if count != last:
        yield f"G2: the log of {name} has {count} events and ends at position {last}"


def _transitions(booking: Engine) -> Iterator[str]:
    for reference, sequence, lines, last in _rows(
        booking,
        """
        SELECT b.reference, b.sequence, count(h.sequence), max(h.sequence)
        FROM booking b LEFT JOIN booking_history h ON h.booking_id = b.id
        GROUP BY b.id, b.reference, b.sequence
        HAVING b.sequence <> count(h.sequence) OR b.sequence <> max(h.sequence)
        """,
    ):
        yield f"G2: {reference} is at {sequence}, its history has {lines} lines and ends at {last}"
    told = {str(row[0]).replace("-", ""): row[1] for row in _rows(
        booking, "SELECT subject, max(sequence) FROM outbox GROUP BY subject"
    )}  # fmt: skip
    for booking_id, reference, sequence in _rows(booking, "SELECT id, reference, sequence FROM booking"):
        if told.get(str(booking_id).replace("-", "")) != sequence:
            yield f"G2: {reference} is at {sequence}, what was told of it is not"


def _deliveries(teller: str, telling: Engine, listener: str, listening: Engine) -> Iterator[str]:
    [(last,)] = _rows(telling, "SELECT coalesce(max(position), 0) FROM outbox")
    received = _rows(listening, "SELECT position FROM cursor WHERE source = :source", source=teller)
    upto = received[0][0] if received else 0
    if upto != last:
        yield f"G3: {listener} received {upto} of {last} events of {teller}"
    states = _rows(
        listening,
        "SELECT state, count(*) FROM inbox WHERE source = :source AND state <> 'done' GROUP BY state",
        source=teller,
    )
    for state, count in states:
        yield f"G3: {count} events of {teller} are {state} in {listener}"
    [(rows, distinct)] = _rows(
        listening,
        "SELECT count(*), count(DISTINCT position) FROM inbox WHERE source = :source",
        source=teller,
    )
    if rows != distinct:
        yield f"G3: {listener} has {rows} messages of {teller} at {distinct} positions"


def _figures(booking: Engine, usage_stats: Engine) -> Iterator[str]:
    known: dict[str, tuple[Any, ...]] = {
        _plain(row[0]): tuple(row[1:]) for row in _rows(usage_stats, "SELECT id, sequence, state FROM booking")
    }
    for booking_id, reference, sequence, state in _rows(booking, "SELECT id, reference, sequence, state FROM booking"):
        if known.pop(_plain(booking_id), None) != (sequence, state):
            yield f"G4: usage_stats does not know that {reference} is {state}"
    for stray in known:
        yield f"G4: usage_stats knows a booking {stray} that does not exist"


def _notices(notify: Engine) -> Iterator[str]:
    for event_id, count in _rows(
        notify,
        """
        SELECT event_id, count(*) FROM notice GROUP BY event_id, recipient_id, channel HAVING count(*) > 1
        """,
    ):
        yield f"G5: the event {event_id} was noted {count} times for one recipient"


def _plain(id_: object) -> str:
    return str(id_).replace("-", "")


def main() -> int:
    """Print what was found; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description="Check the promises on the databases of an installation at rest.")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="of the embedded mode")
    folder = parser.parse_args().data
    databases: dict[str, Engine] = {}
    for name in ("access", "catalogue", "booking", "notify", "usage_stats"):
        url = f"sqlite:///{folder / name}.db" if folder else os.environ.get(f"{name.upper()}_DATABASE_URL")
        if not url:
            sys.exit(f"{name.upper()}_DATABASE_URL is missing")
        databases[name] = create_engine(url)
    console = Console(highlight=False)
    found = list(violations(databases))
    for sentence in found:
        console.print(f"[red]✗[/red] {sentence}")
    if not found:
        console.print("[green]✓[/green] G1 to G5 hold")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
