"""Writing a new booking with its first lines of history: the one write that many people do at the same moment."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, cast

from sqlalchemy import Table, TextClause, bindparam, insert, text
from sqlalchemy.orm import Session

from services.booking.models import Booking, BookingHistory

_BOOKING, _HISTORY = cast(Table, Booking.__table__), cast(Table, BookingHistory.__table__)
_ADD_BOOKING, _ADD_HISTORY = insert(_BOOKING), insert(_HISTORY)

# What a new booking cannot have yet. Left out of the statement, which keeps it below the number of values
# up to which the driver remembers how to send a statement.
_NOT_YET = {"decided_by", "cancelled_by", "used_from", "used_until"}
_AT_FIRST = {"reason_code": "''", "reason": "''", "late": "false", "to_check": "false"}
_GIVEN = [each for each in _BOOKING.columns if each.key not in _NOT_YET and each.key not in _AT_FIRST]
# What the history repeats of the booking.
_REPEATED = {"booking_id": "id", "at": "requested_at", "unit": "unit", "starts_at": "starts_at", "ends_at": "ends_at"}


def add_booking(session: Session, booking: Booking, history: Sequence[dict[str, Any]]) -> None:
    """Past the unit of work of the ORM; and where the database can, both tables in one round trip."""
    if session.get_bind().dialect.name == "postgresql":
        values = {each.key: getattr(booking, each.key) for each in _GIVEN}
        for line in history:
            values |= {f"{name}_{line['sequence']}": line[name] for name in line if name not in _REPEATED}
        session.execute(_add_together(len(history)), values)
    else:
        session.execute(_ADD_BOOKING, {each.key: getattr(booking, each.key) for each in _BOOKING.columns})
        session.execute(_ADD_HISTORY, list(history))


@cache
def _add_together(lines: int) -> TextClause:
    """Both inserts as one statement."""
    columns = ", ".join([*(each.key for each in _GIVEN), *_AT_FIRST])
    values = ", ".join([*(f":{each.key}" for each in _GIVEN), *_AT_FIRST.values()])
    history = ", ".join(
        "(" + ", ".join(f":{_REPEATED.get(each.key, f'{each.key}_{line}')}" for each in _HISTORY.columns) + ")"
        for line in range(1, lines + 1)
    )
    return text(
        f"WITH added AS (INSERT INTO booking ({columns}) VALUES ({values})) "  # noqa: S608
        f"INSERT INTO booking_history ({', '.join(each.key for each in _HISTORY.columns)}) VALUES {history}"
    ).bindparams(
        *(bindparam(each.key, type_=each.type) for each in _GIVEN),
        *(
            bindparam(f"{each.key}_{line}", type_=each.type)
            for each in _HISTORY.columns
            if each.key not in _REPEATED
            for line in range(1, lines + 1)
        ),
    )
