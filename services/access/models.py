"""The tables of the access service."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from services.access.domain.organisations import Figures, OrganisationKind, Seat, Sector, SizeClass
from services.access.domain.tokens import client_name
from shared.auth import Role, RoleName
from shared.database import COLUMN_TYPES, new_metadata


class Base(MappedAsDataclass, DeclarativeBase):
    metadata = new_metadata()
    type_annotation_map = COLUMN_TYPES


class Person(Base, kw_only=True):
    """Somebody who can sign in."""

    __tablename__ = "person"

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid4)
    name: Mapped[str]
    email: Mapped[str] = mapped_column(unique=True)  # as `people.email_key` gives it
    language: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)
    password_hash: Mapped[str]
    token_epoch: Mapped[int] = mapped_column(default=1)  # sessions of an earlier epoch are over
    created_at: Mapped[datetime]
    sequence: Mapped[int] = mapped_column(default=0)  # of the last event told


class Organisation(Base, kw_only=True):
    """Somebody on whose behalf people act: a firm that books, a host of facilities, a funder."""

    __tablename__ = "organisation"
    __table_args__ = (Index("ix_organisation_name", "name"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid4)
    name: Mapped[str]
    kind: Mapped[OrganisationKind]
    size_class: Mapped[SizeClass | None] = mapped_column(default=None)  # derived from its declarations
    country: Mapped[str]
    nuts_code: Mapped[str]
    nuts_version: Mapped[int]
    nace_code: Mapped[str | None] = mapped_column(default=None)
    nace_revision: Mapped[str | None] = mapped_column(default=None)
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    sequence: Mapped[int] = mapped_column(default=0)  # of the last event told

    @property
    def seat(self) -> Seat:
        return Seat(self.country, self.nuts_code, self.nuts_version)

    @property
    def sector(self) -> Sector:
        return Sector(self.nace_code, self.nace_revision)


class SizeDeclaration(Base, kw_only=True):
    """What a firm said of one accounting year. Never changed: a correction is another declaration."""

    __tablename__ = "size_declaration"
    __table_args__ = (
        CheckConstraint("staff >= 0", name="staff"),
        Index("ix_size_declaration_organisation", "organisation_id", "declared_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid4)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.id"))
    year: Mapped[int]
    staff: Mapped[int]
    turnover_cents: Mapped[int | None] = mapped_column(BigInteger)
    balance_cents: Mapped[int | None] = mapped_column(BigInteger)
    size_class: Mapped[SizeClass]  # of the organisation from this declaration on
    declared_by: Mapped[UUID]
    declared_at: Mapped[datetime]

    @property
    def figures(self) -> Figures:
        return Figures(self.year, self.staff, self.turnover_cents, self.balance_cents)


class RoleGrant(Base, kw_only=True):
    """That a person has, or had, a role."""

    __tablename__ = "role_grant"
    __table_args__ = (
        Index(
            "uq_role_grant_present",
            "person_id",
            "role",
            "scope",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
        Index("ix_role_grant_scope", "scope"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid4)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    role: Mapped[RoleName]
    scope: Mapped[str]  # "" for an administrator
    granted_by: Mapped[UUID]
    granted_at: Mapped[datetime]
    revoked_by: Mapped[UUID | None] = mapped_column(default=None)
    revoked_at: Mapped[datetime | None] = mapped_column(default=None)

    @property
    def as_role(self) -> Role:
        return Role(self.role, self.scope)


class SignInSession(Base, kw_only=True):
    """A person signed in with one browser or program."""

    __tablename__ = "session"
    __table_args__ = (Index("ix_session_person", "person_id"), Index("ix_session_end", "expires_at"))

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid4)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    epoch: Mapped[int]
    client: Mapped[str]  # what the browser calls itself; lets its owner tell sessions apart
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None] = mapped_column(default=None)

    @property
    def client_name(self) -> str:
        return client_name(self.client)


class RefreshToken(Base, kw_only=True):
    """One refresh token of a session, as a digest. Used ones are kept: to see one again is to see a theft."""

    __tablename__ = "refresh_token"
    __table_args__ = (Index("ix_refresh_token_session", "session_id"),)

    digest: Mapped[str] = mapped_column(primary_key=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("session.id"))
    issued_at: Mapped[datetime]
    used_at: Mapped[datetime | None] = mapped_column(default=None)


class SigningKey(Base, kw_only=True):
    """A key that signs access tokens. Its number is what makes two that want to add the next one meet."""

    __tablename__ = "signing_key"

    generation: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kid: Mapped[str] = mapped_column(unique=True)
    private_jwk: Mapped[dict[str, Any]] = mapped_column(repr=False)
    created_at: Mapped[datetime]
    signs_from: Mapped[datetime]
    retired_at: Mapped[datetime | None] = mapped_column(default=None)


class SignInAttempts(Base, kw_only=True):
    """How often signing in failed for one account or from one address."""

    __tablename__ = "sign_in_attempts"

    key: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime]
    blocked_until: Mapped[datetime | None] = mapped_column(default=None)


class KnownRegion(Base, kw_only=True):
    """A region as the catalogue tells it: helps people to find the code of theirs."""

    __tablename__ = "known_region"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    country: Mapped[str]
    nuts_codes: Mapped[list[str]]
    nuts_version: Mapped[int]
    sequence: Mapped[int]


class KnownFacility(Base, kw_only=True):
    """A facility as the catalogue tells it: names the scope of an operator's role."""

    __tablename__ = "known_facility"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    sequence: Mapped[int]
