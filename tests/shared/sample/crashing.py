"""A sample service that dies, as by `kill -9`, at the point CRASH_AT names: `python -m tests.shared.sample.crashing …`.

Nothing is replaced: the points lie between the steps of the real code.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn

import sqlalchemy as sa

from shared import mailbox
from shared.service import Instance
from shared.transport import rabbit
from tests.shared.sample.__main__ import run


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still here")


def before(owner: Any, name: str, *, time: int = 1) -> None:
    """Die instead of the call of this number."""
    original, calls = getattr(owner, name), 0

    @wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == time:
            die()
        return original(*args, **kwargs)

    setattr(owner, name, call)


def after(owner: Any, name: str, *, time: int = 1, when: Callable[[Any], bool] = lambda _: True) -> None:
    """Die after the call of this number that answered what `when` asks for."""
    original, calls = getattr(owner, name), 0

    @wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        answer = original(*args, **kwargs)
        calls += when(answer)
        if calls == time:
            die()
        return answer

    setattr(owner, name, call)


def at_statement(number: int) -> None:
    """Die instead of the change of tables of this number."""
    seen = 0

    @sa.event.listens_for(sa.Engine, "before_cursor_execute")
    def look(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        nonlocal seen
        seen += statement.lstrip().upper().startswith(("CREATE", "INSERT", "UPDATE"))
        if seen == number:
            die()


TELLING: dict[str, Callable[[], None]] = {
    "before numbering": lambda: before(mailbox, "relay"),
    "numbered, not published": lambda: before(rabbit.Publisher, "publish"),
    "half of it confirmed": lambda: after(rabbit.Publisher, "_confirmed"),
    "published, not noted": lambda: after(rabbit.Publisher, "publish", when=bool),
    "published and noted": lambda: after(mailbox, "relay", when=bool),
}
HEARING: dict[str, Callable[[], None]] = {
    "arrived, not kept": lambda: before(mailbox, "accept"),
    "kept, not acknowledged": lambda: after(mailbox, "accept"),
    "kept and acknowledged": lambda: after(rabbit, "_store"),
    "before the first is handled": lambda: before(Instance, "_handle"),
    "some handled, not committed": lambda: after(Instance, "_handle", time=7),
    "handled and committed": lambda: after(mailbox, "react", when=bool),
    "some fetched from the log": lambda: after(Instance, "accept", time=2),
}


def _fail(*args: Any, **kwargs: Any) -> NoReturn:
    raise RuntimeError("this loop cannot go on")


OTHERS: dict[str, Callable[[], None]] = {
    "the loop that consumes raises": lambda: setattr(rabbit, "consume", _fail),
}

if __name__ == "__main__":
    if (point := os.environ.get("CRASH_AT", "")).startswith("statement "):
        at_statement(int(point.removeprefix("statement ")))
    elif point:
        (TELLING | HEARING | OTHERS)[point]()
    run()
