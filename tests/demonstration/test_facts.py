"""The facts of the demonstration are complete, consistent and plain, before any service loads them."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import pytest

from services.booking.domain.states import DeclineReason

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "demonstration"
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PLATES = {
    "", "nanoct", "sem", "lpbf", "bioreactor", "anechoic", "tensile", "aligner", "lcms", "dyno", "cscan",
    "climate", "xps",
}  # fmt: skip
ROLES = {"administrator", "operator", "facility_manager", "funder"}

Row = dict[str, Any]


def read(name: str) -> dict[str, Any]:
    with (FOLDER / name).open("rb") as file:
        return tomllib.load(file)


VOCABULARY = read("vocabulary.toml")
HOURS: dict[str, Row] = {row["name"]: row for row in read("hours.toml")["hours"]}
REGIONS: dict[str, Row] = {row["id"]: row for row in read("regions.toml")["region"]}
FACILITIES: list[Row] = read("facilities.toml")["facility"]
EQUIPMENT: list[Row] = read("equipment.toml")["equipment"]
PEOPLE = read("people.toml")
STORY = read("story.toml")

FACILITY: dict[str, Row] = {row["slug"]: row for row in FACILITIES}
TOLD: list[Row] = STORY["open_request"] + STORY["upcoming"]
PIECE: dict[str, Row] = {row["slug"]: row for row in EQUIPMENT}
ORGANISATION: dict[str, Row] = {row["slug"]: row for row in PEOPLE["organisation"]}


def codes(name: str) -> set[str]:
    return {row["code"] for row in VOCABULARY[name]}


def minutes(clock: str) -> int:
    hours, rest = clock.split(":")
    return int(hours) * 60 + int(rest)


def spans(name: str) -> list[tuple[int, int]]:
    """The open spans of one week in minutes since Monday 00:00, joined where one day runs into the next."""
    joined: list[tuple[int, int]] = []
    for number, day in enumerate(DAYS):
        for start, end in HOURS[name]["weekly"][day]:
            begin, close = number * 1440 + minutes(start), number * 1440 + minutes(end)
            if joined and joined[-1][1] == begin:
                joined[-1] = (joined[-1][0], close)
            else:
                joined.append((begin, close))
    return joined


def region_of(piece: Row) -> str:
    return str(FACILITY[piece["facility"]]["region"])


def size_class(row: Row) -> str:
    """The class by the ceilings of Recommendation 2003/361/EC; above them, by the small mid-cap ceilings."""
    million = 1_000_000
    for name, staff, turnover, balance in (
        ("micro", 10, 2, 2),
        ("small", 50, 10, 10),
        ("medium", 250, 50, 43),
        ("small-mid-cap", 750, 150, 129),
    ):
        if row["staff"] < staff and (
            row["turnover_eur"] <= turnover * million or row["balance_eur"] <= balance * million
        ):
            return name
    return "large"


def test_there_is_enough_of_everything() -> None:
    assert set(REGIONS) == {
        "flanders", "chemnitz", "tartu", "emilia-romagna", "vidzeme", "brainport", "south-moravia", "skane",
    }  # fmt: skip
    assert len(FACILITIES) >= 44
    assert len(EQUIPMENT) >= 165
    facilities = Counter(row["region"] for row in FACILITIES)
    pieces = Counter(region_of(row) for row in EQUIPMENT)
    per_facility = Counter(row["facility"] for row in EQUIPMENT)
    for region in REGIONS:
        assert facilities[region] >= 4, region
        assert pieces[region] >= 15, region
    for slug in FACILITY:
        assert 3 <= per_facility[slug] <= 5, slug
    assert len(codes("technique")) >= 45
    assert len(codes("kind")) >= 14
    assert len(STORY["purpose"]) >= 30
    assert len(STORY["open_request"]) >= 15
    assert len(STORY["upcoming"]) >= 10


def test_slugs_and_codes_are_unique_plain_and_ascii() -> None:
    for rows, key in (
        (FACILITIES, "slug"),
        (EQUIPMENT, "slug"),
        (PEOPLE["organisation"], "slug"),
        (read("regions.toml")["region"], "id"),
        (read("hours.toml")["hours"], "name"),
        *((VOCABULARY[name], "code") for name in VOCABULARY),
    ):
        found = [row[key] for row in rows]
        assert [one for one, times in Counter(found).items() if times > 1] == []
        assert [one for one in found if not SLUG.fullmatch(one)] == []
    names = [(row["facility"], row["name"]) for row in EQUIPMENT]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("region", REGIONS.values(), ids=lambda row: str(row["id"]))
def test_a_region_has_a_zone_a_calendar_and_codes_of_its_country(region: Row) -> None:
    ZoneInfo(region["time_zone"])
    calendar = holidays.country_holidays(
        region["holiday_country"],
        subdiv=region["holiday_subdivision"] or None,
        categories=tuple(region["holiday_categories"]),
        years=2026,
    )
    assert len(calendar) >= 10
    assert region["holiday_country"] == region["country"]
    assert region["nuts"]
    assert region["languages"]
    for code in region["nuts"]:
        assert code["code"].startswith(region["country"])
        assert len(code["code"]) == 2 + code["level"]
        assert code["version"] == "2021"
    assert region["currency"] == "EUR"
    assert region["local_currency"] == {"CZ": "CZK", "SE": "SEK"}.get(region["country"], "EUR")


def in_region(code: str, region: str) -> bool:
    return any(code.startswith(one["code"]) for one in REGIONS[region]["nuts"])


@pytest.mark.parametrize("facility", FACILITIES, ids=lambda row: str(row["slug"]))
def test_a_facility_lies_where_it_says(facility: Row) -> None:
    box = REGIONS[facility["region"]]["bounds"]
    assert box["south"] <= facility["lat"] <= box["north"]
    assert box["west"] <= facility["lon"] <= box["east"]
    assert in_region(facility["nuts"]["code"], facility["region"])
    assert facility["nuts"]["version"] == "2021"
    assert facility["town"]
    assert facility["contact"] == f"booking@{facility['slug']}.example"
    assert SLUG.fullmatch(facility["host_slug"])
    assert facility["host_website"].startswith("https://")
    assert facility.get("website", "https://").startswith("https://")
    assert facility["domains"]
    assert set(facility["domains"]) <= codes("domain")


def test_a_host_is_described_the_same_way_everywhere() -> None:
    hosts = {(row["host_slug"], row["host"], row["host_website"]) for row in FACILITIES}
    assert len({slug for slug, _, _ in hosts}) == len(hosts) == len({name for _, name, _ in hosts})


@pytest.mark.parametrize("name", HOURS)
def test_opening_hours_are_ordered_and_inside_the_day(name: str) -> None:
    weekly = HOURS[name]["weekly"]
    assert set(weekly) == set(DAYS)
    for day in DAYS:
        last = 0
        for start, end in weekly[day]:
            assert last <= minutes(start) < minutes(end) <= 1440
            last = minutes(end)
    assert any(row["opening_hours"] == name for row in EQUIPMENT), "a pattern that nothing uses"


@pytest.mark.parametrize("piece", EQUIPMENT, ids=lambda row: str(row["slug"]))
def test_a_piece_of_equipment_can_be_booked_by_its_own_rules(piece: Row) -> None:
    assert piece["facility"] in FACILITY
    assert piece["kind"] in codes("kind")
    assert piece["techniques"]
    assert set(piece["techniques"]) <= codes("technique")
    assert len(set(piece["techniques"])) == len(piece["techniques"])
    assert piece["access_types"]
    assert set(piece["access_types"]) <= codes("access_type")
    assert "market" in piece["access_modes"]
    assert set(piece["access_modes"]) <= codes("access_mode")
    assert piece["drawing"] in PLATES
    assert 1 <= piece["units"] <= 6
    assert 1 <= piece["trl_min"] <= piece["trl_max"] <= 9
    assert 0 < piece["price_academic_cents"] < piece["price_market_cents"]
    assert piece["price_unit"] == "hour"
    assert len(piece["keywords"]) >= 3

    step = piece["granularity_minutes"]
    assert step in (15, 30, 60)
    assert 0 < piece["min_minutes"] <= piece["max_minutes"]
    assert piece["min_minutes"] % step == piece["max_minutes"] % step == 0
    around = piece["buffer_before_minutes"] + piece["buffer_after_minutes"]
    longest = max(end - start for start, end in spans(piece["opening_hours"]))
    assert piece["max_minutes"] + around <= longest
    assert 0 <= piece["lead_time_hours"] < piece["horizon_days"] * 24
    for flag in ("operator_needed", "needs_approval"):
        assert isinstance(piece[flag], bool)
    if "mail-in" in piece["access_types"] and "physical" not in piece["access_types"]:
        assert piece["operator_needed"], "a sample that is sent in needs somebody who measures it"


def test_every_word_of_the_lists_is_used() -> None:
    groups = {row["group"] for row in VOCABULARY["technique"]}
    assert groups == codes("group")
    for name, used in (
        ("technique", {one for row in EQUIPMENT for one in row["techniques"]}),
        ("kind", {row["kind"] for row in EQUIPMENT}),
        ("access_type", {one for row in EQUIPMENT for one in row["access_types"]}),
        ("access_mode", {one for row in EQUIPMENT for one in row["access_modes"]}),
        ("domain", {one for row in FACILITIES for one in row["domains"]}),
        ("group", {row["group"] for row in STORY["purpose"]}),
    ):
        assert used == codes(name), name
    assert {row["drawing"] for row in EQUIPMENT} == PLATES


@pytest.mark.parametrize("row", PEOPLE["organisation"], ids=lambda row: str(row["slug"]))
def test_an_organisation_has_codes_and_a_size_that_follows_from_its_figures(row: Row) -> None:
    assert row["kind"] in ("enterprise", "university", "funder")
    region = REGIONS[row["region"]]
    assert row["country"] == region["country"]
    assert in_region(row["nuts"]["code"], row["region"])
    assert re.fullmatch(r"\d\d\.\d\d", row["nace"]["code"])
    assert row["nace"]["revision"] == "2.1"
    if row["kind"] == "enterprise":
        assert row["size_class"] == size_class(row)
    else:
        assert "size_class" not in row


def test_organisations_cover_every_region_and_size() -> None:
    firms = [row for row in ORGANISATION.values() if row["kind"] == "enterprise"]
    small = [row for row in firms if row["size_class"] in ("micro", "small", "medium")]
    assert len(small) >= 16
    assert min(Counter(row["region"] for row in small)[region] for region in REGIONS) >= 2
    assert {row["size_class"] for row in firms} == {"micro", "small", "medium", "small-mid-cap", "large"}
    assert any(row["kind"] == "university" for row in ORGANISATION.values())


def test_people_have_invented_addresses_and_roles_with_a_scope() -> None:
    emails = [row["email"] for row in PEOPLE["person"]]
    assert len(set(emails)) == len(emails)
    assert len({row["name"] for row in PEOPLE["person"]}) == len(emails)
    for row in PEOPLE["person"]:
        assert re.fullmatch(r"[a-z.-]+@[a-z-]+\.example", row["email"]), row["email"]
        assert "password" not in row
        assert ("organisation" in row) == ("membership" in row)
        assert row.get("organisation", next(iter(ORGANISATION))) in ORGANISATION
        assert row.get("membership", "member") in ("member", "admin")
        assert row.get("roles") or row.get("organisation"), row["email"]
        for role in row.get("roles", []):
            assert role["role"] in ROLES
            assert set(role.get("facilities", [])) <= set(FACILITY)
            assert set(role.get("regions", [])) <= set(REGIONS)
            scope = {"operator": "facilities", "facility_manager": "facilities", "funder": "regions"}
            if role["role"] in scope:
                assert role[scope[role["role"]]], row["email"]


def test_every_role_has_somebody_and_every_facility_an_operator() -> None:
    held: dict[str, list[Row]] = {role: [] for role in ROLES}
    for row in PEOPLE["person"]:
        for role in row.get("roles", []):
            held[role["role"]].append(role)
    assert len(held["administrator"]) == 1
    assert held["facility_manager"]
    assert len(held["funder"]) >= 2
    looked_after = Counter(slug for role in held["operator"] for slug in role["facilities"])
    assert set(looked_after) == set(FACILITY)

    memberships = Counter((row.get("organisation"), row.get("membership")) for row in PEOPLE["person"])
    for slug in ORGANISATION:
        assert memberships[slug, "member"] >= 1, slug
    assert sum(membership == "admin" for _, membership in memberships) >= 4

    first = [row for row in PEOPLE["person"] if row["headline"]]
    firms = [ORGANISATION[row["organisation"]] for row in first if "organisation" in row]
    assert len({row["region"] for row in firms if row["kind"] == "enterprise"}) >= 2
    shown = {role["role"] for row in first for role in row.get("roles", [])}
    assert shown == ROLES
    assert {row.get("membership") for row in first} >= {"member", "admin"}


def test_the_story_adds_up() -> None:
    past = STORY["past"]
    assert set(past["outcomes"]) == {
        "completed", "no_show", "cancelled_late", "cancelled_in_time", "declined", "withdrawn", "expired",
    }  # fmt: skip
    assert sum(past["outcomes"].values()) == pytest.approx(1)
    assert min(past["outcomes"].values()) >= 0.02, "every outcome has to be seen"
    least, most = past["booked_share"]
    assert 0 < least < most < 1
    assert isinstance(STORY["seed"], int)
    assert past["own_region_share"] + past["academic_share"] <= 1
    downtime = STORY["downtime"]
    assert {row["kind"] for row in downtime["event"]} == {"planned", "unplanned"}
    assert {row["by"] for row in STORY["cancel_reason"]} == {"booker", "operator"}
    for rows in (past["length"], STORY["decline_reason"], STORY["cancel_reason"], downtime["event"]):
        assert all(row["weight"] > 0 for row in rows)
    for share in (past["own_region_share"], past["academic_share"], *past["outcomes"].values()):
        assert 0 < share < 1
    assert Counter(row["group"] for row in STORY["purpose"]).most_common()[-1][1] >= 4
    groups = {row["code"]: row["group"] for row in VOCABULARY["technique"]}
    for row in STORY["purpose"]:
        assert row["group"] in {groups[technique] for technique in row["techniques"]}, row["text"]
    assert {technique for row in STORY["purpose"] for technique in row["techniques"]} == codes("technique")
    assert {row["code"] for row in STORY["decline_reason"]} <= {reason.value for reason in DeclineReason}


@pytest.mark.parametrize("row", TOLD, ids=lambda row: str(row["equipment"]))
def test_a_booking_told_in_advance_fits_the_equipment(row: Row) -> None:
    piece = PIECE[row["equipment"]]
    assert row["organisation"] in ORGANISATION
    assert row["access_mode"] in piece["access_modes"]
    assert piece["min_minutes"] <= row["minutes"] <= piece["max_minutes"]
    assert row["minutes"] % piece["granularity_minutes"] == 0
    assert minutes(row["at"]) % piece["granularity_minutes"] == 0
    # A full day of margin: the day of loading may be nearly over, and the start may move to a working day.
    assert (row["in_days"] - 1) * 24 >= piece["lead_time_hours"]
    assert row["in_days"] + 7 <= piece["horizon_days"]
    start = minutes(row["at"]) - piece["buffer_before_minutes"]
    end = minutes(row["at"]) + row["minutes"] + piece["buffer_after_minutes"]
    assert any(opens <= start and end <= closes for opens, closes in spans(piece["opening_hours"]))


def test_only_requests_wait_for_an_answer() -> None:
    assert all(PIECE[row["equipment"]]["needs_approval"] for row in STORY["open_request"])


def texts() -> list[tuple[str, str]]:
    """Every text a visitor reads, with where it stands."""
    found = [(f"region {row['id']}", row["summary"]) for row in REGIONS.values()]
    found += [(f"facility {row['slug']}", row["description"]) for row in FACILITIES]
    found += [(f"equipment {row['slug']}", row["description"]) for row in EQUIPMENT]
    found += [(f"access {row['code']}", row["description"]) for row in VOCABULARY["access_type"]]
    found += [(f"access {row['code']}", row["description"]) for row in VOCABULARY["access_mode"]]
    found += [(f"purpose {row['group']}", row["text"]) for row in STORY["purpose"]]
    for name in ("open_request", "upcoming"):
        found += [(f"{name} {row['equipment']}", row["purpose"]) for row in STORY[name]]
    for name in ("decline_reason", "cancel_reason"):
        found += [(name, row["text"]) for row in STORY[name]]
    return found


def test_texts_have_a_readable_length_and_end_like_sentences() -> None:
    for where, text in texts():
        assert 30 <= len(text) <= 400, where
        assert text == " ".join(text.split()), where
        assert text.endswith("."), where
        assert text[0].isupper(), where
    for row in EQUIPMENT:
        assert len(re.findall(r"[.!?](?= [A-Z]|$)", row["description"])) == 2, row["slug"]


def test_no_sentence_is_written_twice() -> None:
    seen: dict[str, str] = {}
    for where, text in texts():
        for sentence in re.split(r"(?<=[.!?]) ", text):
            assert sentence not in seen, f"{where} repeats {seen.get(sentence)}: {sentence}"
            seen[sentence] = where
