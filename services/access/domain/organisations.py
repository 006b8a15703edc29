"""Organisations: what they are, where they are seated, and how large a firm is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from shared.errors import Conflict, Fault, Invalid, NotFound

NUTS_VERSIONS = (2016, 2021, 2024)
NUTS_COUNTRY = {"GR": "EL", "GB": "UK"}  # where NUTS writes a country otherwise than ISO 3166-1
NACE_REVISIONS = ("2", "2.1")
EARLIEST_YEAR = 2000  # of accounts

COUNTRIES = {
    "AL": "Albania", "AT": "Austria", "BE": "Belgium", "BG": "Bulgaria", "CH": "Switzerland",
    "CY": "Cyprus", "CZ": "Czechia", "DE": "Germany", "DK": "Denmark", "EE": "Estonia",
    "ES": "Spain", "FI": "Finland", "FR": "France", "GB": "United Kingdom", "GR": "Greece",
    "HR": "Croatia", "HU": "Hungary", "IE": "Ireland", "IS": "Iceland", "IT": "Italy",
    "LI": "Liechtenstein", "LT": "Lithuania", "LU": "Luxembourg", "LV": "Latvia",
    "ME": "Montenegro", "MK": "North Macedonia", "MT": "Malta", "NL": "Netherlands",
    "NO": "Norway", "PL": "Poland", "PT": "Portugal", "RO": "Romania", "RS": "Serbia",
    "SE": "Sweden", "SI": "Slovenia", "SK": "Slovakia", "TR": "Türkiye",
}  # fmt: skip
"""The countries that have NUTS or equivalent statistical regions."""


class NoSuchOrganisation(NotFound):
    code = "no-such-organisation"


class NoSuchMember(NotFound):
    code = "no-such-member"


class OrganisationRefused(Invalid):
    code = "organisation-refused"


class SizeRefused(Invalid):
    code = "size-refused"


class LastAdministrator(Conflict):
    """Somebody must remain who can act for the organisation or the installation."""

    code = "last-administrator"


class OrganisationKind(StrEnum):
    COMPANY = "company"
    UNIVERSITY = "university"
    RESEARCH = "research"
    PUBLIC = "public"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Seat:
    """Where an organisation is seated: a country and a statistical region of it."""

    country: str  # ISO 3166-1 alpha-2
    nuts_code: str
    nuts_version: int  # year of the classification

    def faults(self) -> Iterable[Fault]:
        if self.country not in COUNTRIES:
            yield Fault("country-unknown", "Choose the country where it is registered.", "country")
        prefix = NUTS_COUNTRY.get(self.country, self.country)
        if not re.fullmatch(r"[A-Z]{2}[A-Z0-9]{0,3}", self.nuts_code, re.ASCII):
            yield Fault("nuts-code", "A region code has two letters and up to three more signs.", "nuts_code")
        elif not self.nuts_code.startswith(prefix):
            detail = f"Region codes of this country begin with {prefix}."
            yield Fault("nuts-country", detail, "nuts_code", {"prefix": prefix})
        if self.nuts_version not in NUTS_VERSIONS:
            yield Fault("nuts-version", "Region codes are of 2016, 2021 or 2024.", "nuts_version")


@dataclass(frozen=True, slots=True)
class Sector:
    """What an organisation does, in NACE. The letters moved between revisions: a code needs its own."""

    nace_code: str | None = None
    nace_revision: str | None = None

    def faults(self) -> Iterable[Fault]:
        if self.nace_code is None and self.nace_revision is None:
            return
        if not re.fullmatch(r"[A-V]|\d{2}(\.\d{1,2})?", self.nace_code or "", re.ASCII):
            detail = "A sector is a letter, two digits, or digits with a point, for example 26.51."
            yield Fault("nace-code", detail, "nace_code")
        if self.nace_revision not in NACE_REVISIONS:
            yield Fault("nace-revision", "Say of which NACE revision the code is: 2 or 2.1.", "nace_revision")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What an organisation says of itself."""

    name: str
    kind: OrganisationKind
    seat: Seat
    sector: Sector = Sector()
    figures: Figures | None = None  # of a firm that declares its size at once


def check_organisation(seat: Seat, sector: Sector) -> None:
    """Raise `OrganisationRefused`, naming everything that is wrong."""
    if faults := [*seat.faults(), *sector.faults()]:
        raise OrganisationRefused("Something about the organisation is not right.", faults=faults)


class SizeClass(StrEnum):
    """How large a firm is, smallest first."""

    MICRO = "micro"
    SMALL = "small"
    MEDIUM = "medium"
    SMALL_MID_CAP = "small_mid_cap"
    LARGE = "large"

    @property
    def rank(self) -> int:
        return list(SizeClass).index(self)


# (fewer annual work units than, turnover in EUR at most, balance sheet total in EUR at most):
# the first three of Recommendation 2003/361/EC, the last of Recommendation (EU) 2025/1099.
_CEILINGS = {
    SizeClass.MICRO: (10, 2_000_000, 2_000_000),
    SizeClass.SMALL: (50, 10_000_000, 10_000_000),
    SizeClass.MEDIUM: (250, 50_000_000, 43_000_000),
    SizeClass.SMALL_MID_CAP: (750, 150_000_000, 129_000_000),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What a firm declares of one accounting year, with those of its partner and linked firms.

    Staff are whole annual work units; a fraction that is left off never changes the class.
    """

    year: int
    staff: int
    turnover_cents: int | None
    balance_cents: int | None

    def check(self, *, this_year: int) -> None:
        """Raise `SizeRefused`, naming everything that is wrong."""
        faults = []
        if not EARLIEST_YEAR <= self.year <= this_year:
            detail = f"Give a year of accounts from {EARLIEST_YEAR} to {this_year}."
            numbers = {"min": EARLIEST_YEAR, "max": this_year, "asked": self.year}
            faults.append(Fault("accounts-year", detail, "year", numbers))
        if self.turnover_cents is None and self.balance_cents is None:
            detail = "Give the turnover, the balance sheet total, or both."
            faults.append(Fault("money-missing", detail, "turnover_cents"))
        if faults:
            raise SizeRefused("These figures cannot be taken.", faults=faults)

    @property
    def size_class(self) -> SizeClass:
        """The class by these figures alone: the staff test and one of the two money tests are met."""
        for size_class, (staff, turnover, balance) in _CEILINGS.items():
            money = ((self.turnover_cents, turnover), (self.balance_cents, balance))
            if self.staff < staff and any(has is not None and has <= most * 100 for has, most in money):
                return size_class
        return SizeClass.LARGE


def size_class_of(declared: Iterable[Figures]) -> SizeClass | None:
    """The class of a firm by everything it ever declared, oldest first; None where it declared nothing.

    A later declaration of one year corrects the earlier. A firm that crosses a ceiling keeps its class
    until it has been beyond it in two consecutive years; after a year without figures it is judged anew.
    """
    by_year = {figures.year: figures for figures in declared}
    present: SizeClass | None = None
    for year, figures in sorted(by_year.items()):
        found, before = figures.size_class, by_year.get(year - 1)
        if present is None or before is None:
            present = found
        elif found.rank > present.rank < before.size_class.rank:
            present = min(found, before.size_class, key=lambda each: each.rank)
        elif found.rank < present.rank > before.size_class.rank:
            present = max(found, before.size_class, key=lambda each: each.rank)
    return present
