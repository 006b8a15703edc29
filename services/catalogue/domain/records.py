"""What the catalogue keeps: kinds, states, limits, and the refusals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.errors import Conflict, Fault, Invalid, NotFound


class Kind(StrEnum):
    """What a record describes, as people would call it."""

    MICROSCOPE = "microscope"
    IMAGING_SYSTEM = "imaging-system"
    SPECTROMETER = "spectrometer"
    ANALYSER = "analyser"
    TEST_BENCH = "test-bench"
    CHAMBER = "chamber"
    FLOW_CHANNEL = "flow-channel"
    MACHINE_TOOL = "machine-tool"
    PRINTER = "printer"
    ROBOT_CELL = "robot-cell"
    FURNACE = "furnace"
    REACTOR = "reactor"
    PILOT_LINE = "pilot-line"
    CLEANROOM_TOOL = "cleanroom-tool"
    LABORATORY_SUITE = "laboratory-suite"
    COMPUTING = "computing"
    SURVEY_INSTRUMENT = "survey-instrument"
    EQUIPMENT = "equipment"  # a thing of no kind above, or of unknown kind
    FACILITY = "facility"  # a whole place one can use: an observatory, a collection, a data service
    SERVICE = "service"  # work that is done for somebody


class EquipmentState(StrEnum):
    DRAFT = "draft"  # only its managers see it
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"  # no longer found by search; its page stays


class AccessType(StrEnum):
    """How it is used: the types of the European Charter, and samples by post."""

    PHYSICAL = "physical"
    REMOTE = "remote"
    VIRTUAL = "virtual"
    MAIL_IN = "mail-in"


class AccessMode(StrEnum):
    """On what terms it is used: the modes of the European Charter."""

    MARKET = "market"  # by agreement, usually for a fee
    EXCELLENCE = "excellence"  # after a review of the proposal
    WIDE = "wide"  # open to anybody


KIND_LABELS: Mapping[str, str] = {
    Kind.MICROSCOPE: "Microscope",
    Kind.IMAGING_SYSTEM: "Imaging system",
    Kind.SPECTROMETER: "Spectrometer",
    Kind.ANALYSER: "Analyser",
    Kind.TEST_BENCH: "Test bench",
    Kind.CHAMBER: "Test chamber",
    Kind.FLOW_CHANNEL: "Wind tunnel or flow channel",
    Kind.MACHINE_TOOL: "Machine tool",
    Kind.PRINTER: "Printer",
    Kind.ROBOT_CELL: "Robot cell",
    Kind.FURNACE: "Furnace or kiln",
    Kind.REACTOR: "Reactor or fermenter",
    Kind.PILOT_LINE: "Pilot line",
    Kind.CLEANROOM_TOOL: "Clean-room tool",
    Kind.LABORATORY_SUITE: "Laboratory room",
    Kind.COMPUTING: "Computing service",
    Kind.SURVEY_INSTRUMENT: "Portable or survey instrument",
    Kind.EQUIPMENT: "Other instrument",
    Kind.FACILITY: "Whole facility",
    Kind.SERVICE: "Service",
}
ACCESS_TYPE_LABELS: Mapping[str, str] = {
    AccessType.PHYSICAL: "On site",
    AccessType.REMOTE: "Remotely",
    AccessType.VIRTUAL: "As data or software",
    AccessType.MAIL_IN: "Send samples",
}
ACCESS_MODE_LABELS: Mapping[str, str] = {
    AccessMode.MARKET: "For a price",
    AccessMode.EXCELLENCE: "After review of a proposal",
    AccessMode.WIDE: "Free for anybody",
}

# What a person may change in a record, and an import therefore leaves alone once a person has.
EDITABLE = (
    "name",
    "description",
    "kind",
    "techniques",
    "keywords",
    "units",
    "access_types",
    "access_modes",
    "operator_needed",
    "trl_min",
    "trl_max",
    "drawing",
    "website",
    "manufacturer",
    "model",
    "state",
    "commissioned_on",
    "decommissioned_on",
)


class NoSuchRegion(NotFound):
    code = "no-such-region"


class NoSuchHost(NotFound):
    code = "no-such-host"


class NoSuchFacility(NotFound):
    code = "no-such-facility"


class NoSuchEquipment(NotFound):
    code = "no-such-equipment"


class NoSuchImport(NotFound):
    code = "no-such-import"


class AlreadyThere(Conflict):
    """Something of this name is in the catalogue already."""

    code = "already-there"


class BrokenRecord(Invalid):
    """The record cannot be kept as it is; `faults` says what is wrong with it."""

    code = "record-broken"


MAX_NAME = 250
MAX_DESCRIPTION = 10_000
MAX_KEYWORDS = 60
MAX_KEYWORD = 120
MAX_UNITS = 100
EARLIEST_YEAR, LATEST_YEAR = 1000, 2199  # some libraries are old, and some plans are long

_CODE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_WEB = re.compile(r"https?://[\w-]+(?:\.[\w-]+)*\.?(?::[0-9]{1,5})?(?:[/?#][^\s<>\"]*)?", re.IGNORECASE)
NOT_A_WEB_ADDRESS = "A web address begins with http:// or https:// and has no spaces."
_NUTS = re.compile(r"[A-Z]{2}[0-9A-Z]{0,3}")


@dataclass
class Faults:
    """Collects everything that is wrong, to say it at once."""

    found: list[Fault] = field(default_factory=list)

    def need(self, holds: bool, code: str, detail: str, name: str = "", **numbers: Any) -> None:
        """Note a fault of the field `name` unless it `holds`."""
        if not holds:
            self.found.append(Fault(code, detail, name, numbers or None))


def equipment_faults(values: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with the fields of a piece of equipment; checks those that `values` has."""
    faults = Faults()
    get = values.get
    if "name" in values:
        faults.need(bool(get("name")), "name-missing", "Say what it is called.", "name")
        _short_enough(faults, "name", get("name") or "", MAX_NAME)
    _short_enough(faults, "description", get("description") or "", MAX_DESCRIPTION)
    if website := get("website"):
        faults.need(is_web_address(website), "not-a-web-address", NOT_A_WEB_ADDRESS, "website")
    for name in ("manufacturer", "model"):
        _short_enough(faults, name, get(name) or "", MAX_NAME)
    _keywords(faults, get("keywords") or ())
    units = get("units", 1)
    faults.need(
        isinstance(units, int) and 1 <= units <= MAX_UNITS,
        "units-out-of-range",
        f"There can be 1 to {MAX_UNITS} units, not {units}.",
        "units",
        limit=MAX_UNITS,
    )
    _readiness(faults, get("trl_min"), get("trl_max"))
    _days(faults, values)
    for name, known in (("access_types", AccessType), ("access_modes", AccessMode)):
        _known(faults, name, get(name) or (), [str(member) for member in known])
    return faults.found


def _short_enough(faults: Faults, name: str, text: str, limit: int) -> None:
    faults.need(
        len(text) <= limit,
        "too-long",
        f"The {name} has {len(text)} characters; there is room for {limit}.",
        name,
        limit=limit,
    )


def _keywords(faults: Faults, keywords: Iterable[str]) -> None:
    words = list(keywords)
    faults.need(
        len(words) <= MAX_KEYWORDS,
        "too-many-keywords",
        f"There are {len(words)} keywords; {MAX_KEYWORDS} are allowed.",
        "keywords",
        limit=MAX_KEYWORDS,
    )
    longest = max(map(len, words), default=0)
    faults.need(
        longest <= MAX_KEYWORD,
        "too-long",
        f"A keyword has {longest} characters; there is room for {MAX_KEYWORD}.",
        "keywords",
        limit=MAX_KEYWORD,
    )


def _readiness(faults: Faults, lowest: int | None, highest: int | None) -> None:
    for name, level in (("trl_min", lowest), ("trl_max", highest)):
        faults.need(
            level is None or 1 <= level <= 9,
            "trl-out-of-range",
            f"A technology readiness level is a number from 1 to 9, not {level}.",
            name,
        )
    faults.need(
        lowest is None or highest is None or lowest <= highest,
        "trl-upside-down",
        f"The lowest readiness level, {lowest}, is above the highest, {highest}.",
        "trl_max",
    )


def _days(faults: Faults, values: Mapping[str, Any]) -> None:
    began, ended = values.get("commissioned_on"), values.get("decommissioned_on")
    for name, day in (("commissioned_on", began), ("decommissioned_on", ended)):
        faults.need(
            day is None or EARLIEST_YEAR <= day.year <= LATEST_YEAR,
            "year-out-of-range",
            f"The year {day and day.year} is not between {EARLIEST_YEAR} and {LATEST_YEAR}.",
            name,
        )
    faults.need(
        began is None or ended is None or began <= ended,
        "ends-before-start",
        f"It is taken out of use on {ended}, before it was put into use on {began}.",
        "decommissioned_on",
    )


def _known(faults: Faults, name: str, given: Iterable[str], known: list[str]) -> None:
    for value in given:
        faults.need(str(value) in known, "not-known", f"“{value}” is none of {', '.join(known)}.", name)


def place_faults(values: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with the fields of a facility; checks those that `values` has."""
    faults = Faults()
    if "name" in values:
        faults.need(bool(values["name"]), "name-missing", "Say what it is called.", "name")
        _short_enough(faults, "name", values["name"] or "", MAX_NAME)
    if values.get("website"):
        faults.need(is_web_address(values["website"]), "not-a-web-address", NOT_A_WEB_ADDRESS, "website")
    for name, limit in (("latitude", 90), ("longitude", 180)):
        value = values.get(name)
        faults.need(
            value is None or -limit <= value <= limit,
            "off-the-globe",
            f"A {name} lies between -{limit} and {limit}, not at {value}.",
            name,
        )
    if values.get("time_zone"):
        faults.need(
            zone_exists(values["time_zone"]),
            "no-such-zone",
            f"There is no time zone “{values['time_zone']}”; write it like Europe/Brussels.",
            "time_zone",
        )
    return faults.found


def region_faults(values: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with the fields of a region; checks those that `values` has."""
    faults = Faults()
    if "id" in values:
        id_ = values["id"]
        faults.need(bool(_CODE.fullmatch(id_)), "not-a-slug", f"“{id_}” is not a short name.", "id")
    if "name" in values:
        faults.need(bool(values["name"]), "name-missing", "Say what it is called.", "name")
    if "country" in values:
        country = values["country"]
        faults.need(
            bool(re.fullmatch(r"[A-Z]{2}", country)),
            "not-a-country",
            f"“{country}” is not a country code of two letters.",
            "country",
        )
    for code in values.get("nuts_codes") or ():
        faults.need(bool(_NUTS.fullmatch(code)), "not-a-nuts-code", f"“{code}” is not a NUTS code.", "nuts_codes")
    if "time_zone" in values:
        faults.need(
            zone_exists(values["time_zone"]),
            "no-such-zone",
            f"There is no time zone “{values['time_zone']}”; write it like Europe/Brussels.",
            "time_zone",
        )
    return faults.found


def zone_exists(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones raises the last
        return False
    return True


def is_web_address(text: str) -> bool:
    """Whether `text` may stand in a link: http or https, no space, no credentials."""
    return len(text) <= 255 and bool(_WEB.fullmatch(text))


def must_hold(message: str, faults: list[Fault]) -> None:
    """Raise `BrokenRecord` with `faults` if there are any."""
    if faults:
        raise BrokenRecord(message, faults=faults)


def is_code(text: str) -> bool:
    """Whether `text` is written as the codes of techniques and regions are."""
    return bool(_CODE.fullmatch(text))
