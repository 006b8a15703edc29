"""Who is acting, and what their roles give them. A role is written `name@scope`, or `administrator` alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from shared.errors import Forbidden, Unauthorised


class RoleName(StrEnum):
    """What a person may be, and the kind of thing their scope names."""

    MEMBER = "member"  # of an organisation: books for it
    ORGANISATION_ADMIN = "organisation_admin"  # of an organisation: also sees and changes all its bookings
    OPERATOR = "operator"  # of a facility: decides, checks in and out, records downtime
    FACILITY_MANAGER = "facility_manager"  # of a facility: also edits its records, hours, rules and prices
    FUNDER = "funder"  # of a region: reads its figures
    ADMINISTRATOR = "administrator"  # of the installation


@dataclass(frozen=True, slots=True, order=True)
class Role:
    """A role with its scope: the id of an organisation or facility, or the slug of a region."""

    name: RoleName
    scope: str = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.scope}" if self.scope else str(self.name)

    @classmethod
    def parse(cls, text: str) -> Role:
        """Raises `ValueError` for a role nobody can have."""
        name, _, scope = text.partition("@")
        role = cls(RoleName(name), scope)
        if bool(scope) == (role.name is RoleName.ADMINISTRATOR):
            raise ValueError(f"{text!r} needs a scope" if not scope else f"{text!r} has no scope")
        return role


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or process on whose behalf something is done."""

    id: UUID
    name: str
    roles: frozenset[Role] = frozenset()
    email: str = ""

    def _scopes(self, *names: RoleName) -> frozenset[str]:
        return frozenset(role.scope for role in self.roles if role.name in names)

    @property
    def signed_in(self) -> bool:
        return self.id != ANONYMOUS.id

    @property
    def is_administrator(self) -> bool:
        return any(role.name is RoleName.ADMINISTRATOR for role in self.roles)

    @property
    def organisations(self) -> frozenset[UUID]:
        """Organisations this actor may book for."""
        return frozenset(map(UUID, self._scopes(RoleName.MEMBER, RoleName.ORGANISATION_ADMIN)))

    @property
    def administered_organisations(self) -> frozenset[UUID]:
        return frozenset(map(UUID, self._scopes(RoleName.ORGANISATION_ADMIN)))

    @property
    def facilities(self) -> frozenset[UUID]:
        """Facilities whose requests this actor decides."""
        return frozenset(map(UUID, self._scopes(RoleName.OPERATOR, RoleName.FACILITY_MANAGER)))

    @property
    def managed_facilities(self) -> frozenset[UUID]:
        return frozenset(map(UUID, self._scopes(RoleName.FACILITY_MANAGER)))

    @property
    def regions(self) -> frozenset[str]:
        """Regions whose figures this actor may read."""
        return self._scopes(RoleName.FUNDER)

    def operates(self, facility_id: UUID) -> bool:
        return self.is_administrator or facility_id in self.facilities

    def manages(self, facility_id: UUID) -> bool:
        return self.is_administrator or facility_id in self.managed_facilities

    def must_be_signed_in(self) -> None:
        if not self.signed_in:
            raise Unauthorised("Sign in first.")

    def must_operate(self, facility_id: UUID) -> None:
        self.must_be_signed_in()
        if not self.operates(facility_id):
            raise Forbidden("Only an operator of this facility may do this.")

    def must_manage(self, facility_id: UUID) -> None:
        self.must_be_signed_in()
        if not self.manages(facility_id):
            raise Forbidden("Only a manager of this facility may do this.")

    def must_book_for(self, organisation_id: UUID) -> None:
        self.must_be_signed_in()
        if not (self.is_administrator or organisation_id in self.organisations):
            raise Forbidden("You can only book for an organisation you belong to.")

    def must_administer(self) -> None:
        self.must_be_signed_in()
        if not self.is_administrator:
            raise Forbidden("Only an administrator may do this.")


ANONYMOUS = Actor(id=UUID(int=1), name="visitor")
SYSTEM = Actor(id=UUID(int=0), name="system", roles=frozenset({Role(RoleName.ADMINISTRATOR)}))
