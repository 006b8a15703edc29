"""The ways a request can be refused.

* DomainError
  x NotFound      nothing there, or not visible to the actor        (HTTP 404)
  x Unauthorised  nobody is signed in, or the credentials are wrong (HTTP 401)
  x Forbidden     the actor may not                                 (HTTP 403)
  x Conflict      it may once have been possible, but not now       (HTTP 409)
  x Stale         the thing was changed since the actor read it     (HTTP 412)
  x Invalid       it could never be possible as asked               (HTTP 422)
  x Unversioned   the actor did not say which version they changed  (HTTP 428)
  x TooMany       asked too often; later it may work                (HTTP 429)
  x Unavailable   something this needs is not there yet             (HTTP 503)

Services subclass these in their `domain.py`; only `shared.web.errors` knows of HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with what was asked, for one field or for the whole (`field` is "")."""

    code: str  # stable and machine-readable, e.g. "min-duration"
    detail: str  # a plain sentence with the numbers in it
    field: str = ""
    numbers: Mapping[str, Any] | None = None  # the limit and what was asked, for programs


class DomainError(Exception):
    """A refusal the user can understand and act on.

    `code` is a stable, machine-readable slug; the message is for people; `faults` names every broken
    rule at once; further details are for programs.
    """

    code = "refused"

    def __init__(self, message: str, *, faults: Sequence[Fault] = (), **details: object) -> None:
        super().__init__(message)
        self.faults = tuple(faults)
        self.details = details


class NotFound(DomainError):
    code = "not-found"


class Unauthorised(DomainError):
    code = "sign-in-needed"


class Forbidden(DomainError):
    code = "forbidden"


class Conflict(DomainError):
    code = "conflict"


class Stale(DomainError):
    code = "changed-meanwhile"


class Invalid(DomainError):
    code = "invalid"


class Unversioned(DomainError):
    code = "if-match-needed"


class TooMany(DomainError):
    code = "too-many-requests"


class Unavailable(DomainError):
    code = "not-ready"
