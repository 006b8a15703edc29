"""The facts of the demonstration as the loader reads them from the files beside this one."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from services.booking.domain.rules import Rules
from shared.calendar import Opening

FOLDER = Path(__file__).parent
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One of the regions, and the public holidays people keep there."""

    id: str
    name: str
    country: str
    nuts_codes: tuple[str, ...]
    nuts_version: int
    time_zone: str
    languages: tuple[str, ...]
    holiday_country: str
    holiday_subdivision: str | None
    holiday_categories: tuple[str, ...]
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facility:
    """A place with equipment, and the host it belongs to."""

    slug: str
    name: str
    region: str
    host_slug: str
    host_name: str
    host_website: str
    town: str
    street: str
    latitude: float
    longitude: float
    website: str
    contact_email: str
    description: str


@dataclass(frozen=True, slots=True)
class Hours:
    """A weekly pattern of opening hours."""

    name: str
    weekly: tuple[Opening, ...]
    closed_on_holidays: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A piece of equipment with what is asked of its slots and what an hour costs."""

    slug: str
    facility: str
    name: str
    kind: str
    techniques: tuple[str, ...]
    description: str
    keywords: tuple[str, ...]
    drawing: str
    units: int
    operator_needed: bool
    access_types: tuple[str, ...]
    access_modes: tuple[str, ...]
    trl_min: int
    trl_max: int
    market_cents: int
    academic_cents: int
    rules: Rules
    hours: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """A firm, a university or a funder. Only firms have figures."""

    slug: str
    name: str
    kind: str  # enterprise, university, funder
    region: str
    country: str
    nuts_code: str
    nuts_version: int
    nace_code: str
    nace_revision: str
    accounts: tuple[int, int, int, int] | None  # year, staff, turnover and balance sheet total in euro


@dataclass(frozen=True, slots=True)
class Office:
    """A role somebody has, and the slugs of what it is for; none for an administrator."""

    role: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who can sign in."""

    name: str
    email: str
    language: str
    headline: bool  # shown first
    organisation: str | None
    is_organisation_admin: bool
    offices: tuple[Office, ...]

    def operates(self, facility: str) -> bool:
        return any(office.role == "operator" and facility in office.scopes for office in self.offices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A slot that somebody asks for in the days to come."""

    equipment: str
    organisation: str
    in_days: int  # or the first open day from then on
    at: int  # minutes since local midnight
    minutes: int
    access_mode: str
    purpose: str


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything the demonstration is told from."""

    regions: tuple[Region, ...]
    facilities: tuple[Facility, ...]
    hours: Mapping[str, Hours]
    equipment: tuple[Piece, ...]
    organisations: tuple[Organisation, ...]
    people: tuple[Person, ...]
    open_requests: tuple[Wish, ...]
    upcoming: tuple[Wish, ...]
    story: Row

    @cached_property
    def region(self) -> dict[str, Region]:
        return {region.id: region for region in self.regions}

    @cached_property
    def facility(self) -> dict[str, Facility]:
        return {facility.slug: facility for facility in self.facilities}

    @cached_property
    def piece(self) -> dict[str, Piece]:
        return {piece.slug: piece for piece in self.equipment}

    def region_of(self, piece: Piece) -> Region:
        return self.region[self.facility[piece.facility].region]

    def members_of(self, organisation: str) -> list[Person]:
        return [person for person in self.people if person.organisation == organisation]

    def operator_of(self, facility: str) -> Person:
        return next(person for person in self.people if person.operates(facility))

    def only(self, regions: Iterable[str]) -> Facts:
        """The same with fewer regions and what lies in them; organisations of elsewhere still book there."""
        kept = set(regions)
        facilities = {facility.slug for facility in self.facilities if facility.region in kept}
        equipment = {piece.slug for piece in self.equipment if piece.facility in facilities}
        return replace(
            self,
            regions=tuple(region for region in self.regions if region.id in kept),
            facilities=tuple(facility for facility in self.facilities if facility.slug in facilities),
            equipment=tuple(piece for piece in self.equipment if piece.slug in equipment),
            people=tuple(_only(person, facilities | kept) for person in self.people),
            open_requests=tuple(wish for wish in self.open_requests if wish.equipment in equipment),
            upcoming=tuple(wish for wish in self.upcoming if wish.equipment in equipment),
        )


def _only(person: Person, kept: set[str]) -> Person:
    """The same person, without the offices whose places are not there."""
    offices = [
        Office(office.role, tuple(scope for scope in office.scopes if scope in kept)) for office in person.offices
    ]
    return replace(
        person, offices=tuple(office for office in offices if office.scopes or office.role == "administrator")
    )


def read() -> Facts:
    """All facts there are."""
    people, story = _file("people"), _file("story")
    return Facts(
        regions=tuple(map(_region, _file("regions")["region"])),
        facilities=tuple(map(_facility, _file("facilities")["facility"])),
        hours={row["name"]: _hours(row) for row in _file("hours")["hours"]},
        equipment=tuple(map(_piece, _file("equipment")["equipment"])),
        organisations=tuple(map(_organisation, people["organisation"])),
        people=tuple(map(_person, people["person"])),
        open_requests=tuple(map(_wish, story["open_request"])),
        upcoming=tuple(map(_wish, story["upcoming"])),
        story=story,
    )


def _file(name: str) -> dict[str, Any]:
    with (FOLDER / f"{name}.toml").open("rb") as file:
        return tomllib.load(file)


def minutes(clock: str) -> int:
    """Minutes since midnight of a time such as "08:30"; "24:00" ends the day."""
    hours, rest = clock.split(":")
    return int(hours) * 60 + int(rest)


def _region(row: Row) -> Region:
    return Region(
        id=row["id"],
        name=row["name"],
        country=row["country"],
        nuts_codes=tuple(nuts["code"] for nuts in row["nuts"]),
        nuts_version=int(row["nuts"][0]["version"]),
        time_zone=row["time_zone"],
        languages=tuple(row["languages"]),
        holiday_country=row["holiday_country"],
        holiday_subdivision=row["holiday_subdivision"] or None,
        holiday_categories=tuple(row["holiday_categories"]),
        summary=row["summary"],
    )


def _facility(row: Row) -> Facility:
    return Facility(
        slug=row["slug"],
        name=row["name"],
        region=row["region"],
        host_slug=row["host_slug"],
        host_name=row["host"],
        host_website=row["host_website"],
        town=row["town"],
        street=row.get("street", ""),
        latitude=row["lat"],
        longitude=row["lon"],
        website=row.get("website", ""),
        contact_email=row["contact"],
        description=row["description"],
    )


def _hours(row: Row) -> Hours:
    weekly = tuple(
        Opening(weekday, minutes(opens), minutes(closes))
        for weekday, day in enumerate(DAYS)
        for opens, closes in row["weekly"][day]
    )
    return Hours(row["name"], weekly, row["closed_on_holidays"])


def _piece(row: Row) -> Piece:
    return Piece(
        slug=row["slug"],
        facility=row["facility"],
        name=row["name"],
        kind=row["kind"],
        techniques=tuple(row["techniques"]),
        description=row["description"],
        keywords=tuple(row["keywords"]),
        drawing=row["drawing"],
        units=row["units"],
        operator_needed=row["operator_needed"],
        access_types=tuple(row["access_types"]),
        access_modes=tuple(row["access_modes"]),
        trl_min=row["trl_min"],
        trl_max=row["trl_max"],
        market_cents=row["price_market_cents"],
        academic_cents=row["price_academic_cents"],
        rules=Rules(
            min_duration=timedelta(minutes=row["min_minutes"]),
            max_duration=timedelta(minutes=row["max_minutes"]),
            granularity=timedelta(minutes=row["granularity_minutes"]),
            lead_time=timedelta(hours=row["lead_time_hours"]),
            horizon=timedelta(days=row["horizon_days"]),
            buffer_before=timedelta(minutes=row["buffer_before_minutes"]),
            buffer_after=timedelta(minutes=row["buffer_after_minutes"]),
            needs_approval=row["needs_approval"],
        ),
        hours=row["opening_hours"],
    )


def _organisation(row: Row) -> Organisation:
    accounts = None
    if row["kind"] == "enterprise":
        accounts = (row["accounts_year"], row["staff"], row["turnover_eur"], row["balance_eur"])
    return Organisation(
        slug=row["slug"],
        name=row["name"],
        kind=row["kind"],
        region=row["region"],
        country=row["country"],
        nuts_code=row["nuts"]["code"],
        nuts_version=int(row["nuts"]["version"]),
        nace_code=row["nace"]["code"],
        nace_revision=row["nace"]["revision"],
        accounts=accounts,
    )


def _person(row: Row) -> Person:
    return Person(
        name=row["name"],
        email=row["email"],
        language=row["language"],
        headline=row["headline"],
        organisation=row.get("organisation"),
        is_organisation_admin=row.get("membership") == "admin",
        offices=tuple(
            Office(role["role"], (*role.get("facilities", ()), *role.get("regions", ())))
            for role in row.get("roles", ())
        ),
    )


def _wish(row: Row) -> Wish:
    return Wish(
        equipment=row["equipment"],
        organisation=row["organisation"],
        in_days=row["in_days"],
        at=minutes(row["at"]),
        minutes=row["minutes"],
        access_mode=row["access_mode"],
        purpose=row["purpose"],
    )
