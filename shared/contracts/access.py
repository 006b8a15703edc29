"""Events told by the access service: who there is, and for whom they act."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from shared.events import Event, event


@event("access.person_changed.v1")
@dataclass(frozen=True, kw_only=True)
class PersonChanged(Event):
    """A person registered, or anything about them changed. Carries their whole present state."""

    person_id: UUID
    name: str
    email: str
    language: str  # ISO 639-1
    active: bool  # False: may not sign in and is told nothing
    roles: tuple[str, ...]  # as in tokens: "member@<organisation>", "operator@<facility>", "administrator"

    @property
    def subject(self) -> str:
        return str(self.person_id)


@event("access.organisation_changed.v1")
@dataclass(frozen=True, kw_only=True)
class OrganisationChanged(Event):
    """An organisation registered, or anything about it changed. Carries its whole present state."""

    organisation_id: UUID
    name: str
    kind: str  # company, university, research, public, other
    size_class: str | None  # micro, small, medium, small_mid_cap, large (2003/361/EC); None: not a firm
    country: str  # ISO 3166-1 alpha-2
    nuts_code: str  # where it is seated
    nuts_version: int  # year of the NUTS classification the code is of
    active: bool

    @property
    def subject(self) -> str:
        return str(self.organisation_id)
