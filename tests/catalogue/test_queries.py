"""Search finds what a person would say is right, on both databases alike."""

from __future__ import annotations

import pytest

from services.catalogue import commands, queries
from services.catalogue.domain.search import SearchRequest
from services.catalogue.queries import SearchResult
from shared.service import Instance
from tests.catalogue.conftest import Judged


def find(catalogue: Instance, q: str = "", **filters: tuple[str, ...]) -> SearchResult:
    with catalogue.snapshot() as session:
        return queries.search(session, SearchRequest(q=q, filters=filters))


def names(result: SearchResult, judged: Judged) -> list[str]:
    by_id = {equipment.id: name for name, equipment in judged.items()}
    return [by_id[equipment.id] for equipment in result.items]


@pytest.mark.parametrize(
    ("q", "right"),
    [
        ("nano-CT", ["nano-ct"]),
        ("nanoct", ["nano-ct"]),
        ("x-ray", ["nano-ct", "large-ct"]),
        ("xray", ["nano-ct", "large-ct"]),
        ("microscopy", ["sem", "nano-ct"]),
        ("Microscopes", ["sem", "nano-ct"]),
        ("mass spectrometry", ["lc-ms"]),
        ("spectromet", ["lc-ms"]),
        ("porosity", ["nano-ct", "large-ct"]),
        ("tomografia", ["nano-ct", "large-ct"]),
        ("pesticides", ["lc-ms"]),
        ("EMC", ["emc"]),
        ("fermentation 300 litres", ["fermenter"]),
        ("Skane dryer", ["dryer"]),
        ("Skåne dryer", ["dryer"]),
        ("malmo", ["fermenter", "dryer"]),
        ("Malmoe", ["fermenter", "dryer"]),
        ("titanium", ["metal-printer"]),
        ("the", []),
        ("???", []),
        ("unobtainium", []),
    ],
)
def test_a_search_finds_what_is_right_in_the_right_order(
    catalogue: Instance, judged: Judged, q: str, right: list[str]
) -> None:
    found = find(catalogue, q)
    assert names(found, judged)[: len(right)] == right
    assert found.total >= len(right)
    if not right:
        assert found.total == 0


def test_all_words_come_before_most_of_the_words(catalogue: Instance, judged: Judged) -> None:
    found = find(catalogue, "porosity in metal parts")
    assert found.loosened
    assert names(found, judged)[0] == "nano-ct"
    assert {"large-ct", "metal-printer"} <= set(names(found, judged))  # pores and parts; metal and parts
    assert "fermenter" not in names(found, judged)


def test_the_last_word_may_be_unfinished_and_the_others_not(catalogue: Instance, judged: Judged) -> None:
    assert "nano-ct" in names(find(catalogue, "tomogr"), judged)
    assert names(find(catalogue, "bioreac"), judged) == ["fermenter"]
    assert find(catalogue, "bioreac xx").total == 0
    assert find(catalogue, "em").total == 0  # two letters are no beginning


def test_a_word_in_the_name_counts_more_than_one_in_the_description(catalogue: Instance, judged: Judged) -> None:
    assert names(find(catalogue, "metal"), judged)[0] == "metal-printer"
    assert names(find(catalogue, "powder"), judged)[:2] == ["dryer", "metal-printer"]


def test_words_that_a_query_language_would_read_are_only_words(catalogue: Instance, judged: Judged) -> None:
    for q in ('"', "' OR 1=1 --", "a:* & b", "NOT metal", "metal)", "NEAR(metal)", "%", "_", "\\", "metal*", "ct:A"):
        find(catalogue, q)
    assert find(catalogue, "%").total == 0
    assert find(catalogue, "m_tal").total == 0


def test_nothing_typed_shows_everything_published_by_name(catalogue: Instance, judged: Judged) -> None:
    found = find(catalogue)
    assert found.total == 8
    shown = [equipment.name for equipment in found.items]
    assert shown == sorted(shown, key=str.lower)


def test_values_of_one_facet_add_up_and_facets_narrow_each_other(catalogue: Instance, judged: Judged) -> None:
    in_both = find(catalogue, region=("skane", "south-moravia"))
    assert in_both.total == 8
    found = find(catalogue, region=("south-moravia",), technique=("x-ray-ct",))
    assert names(found, judged) == ["nano-ct"]
    counted = {value.value: (value.count, value.selected) for value in found.facets["region"]}
    assert counted == {"skane": (1, False), "south-moravia": (1, True)}  # as if no region were chosen
    techniques = {value.value: value.count for value in found.facets["technique"]}
    assert techniques == {"x-ray-ct": 1, "sem": 1, "lc-ms": 1}  # in South Moravia
    assert {value.value: value.count for value in found.facets["access_type"]} == {"physical": 1, "mail-in": 1}


def test_facets_are_counted_with_the_words(catalogue: Instance, judged: Judged) -> None:
    found = find(catalogue, "x-ray")
    assert {value.value: value.count for value in found.facets["kind"]} == {"imaging-system": 2}
    labels = [value.label for value in found.facets["region"]]
    assert sorted(labels) == ["Skåne", "South Moravia"]


def test_a_value_that_leaves_nothing_stays_to_be_taken_away(catalogue: Instance, judged: Judged) -> None:
    found = find(catalogue, "bioreactor", region=("south-moravia",))
    assert found.total == 0
    assert [(v.value, v.count) for v in found.facets["region"] if v.selected] == [("south-moravia", 0)]


def test_a_value_that_does_not_exist_finds_nothing(catalogue: Instance, judged: Judged) -> None:
    found = find(catalogue, technique=("alchemy",))
    assert found.total == 0
    assert "alchemy" not in [value.value for value in found.facets["technique"]]


def test_pages_of_a_search_follow_each_other(catalogue: Instance, judged: Judged) -> None:
    seen = []
    offset: int | None = 0
    with catalogue.snapshot() as session:
        while offset is not None:
            page = queries.search(session, SearchRequest(limit=3, offset=offset))
            seen += [equipment.id for equipment in page.items]
            offset = page.next_offset
    assert len(seen) == len(set(seen)) == 8


def test_what_is_withdrawn_or_closed_is_no_longer_found(catalogue: Instance, judged: Judged) -> None:
    with catalogue.begin() as uow:
        commands.withdraw_equipment(uow, judged["sem"].id)
        commands.change_facility(uow, judged["fermenter"].facility_id, {"open": False})
    assert "sem" not in names(find(catalogue, "electron microscope"), judged)
    assert find(catalogue, "bioreactor").total == 0
    assert find(catalogue).total == 5


def test_a_record_is_found_by_its_new_words_and_not_by_its_old_ones(catalogue: Instance, judged: Judged) -> None:
    with catalogue.begin() as uow:
        commands.change_equipment(uow, judged["dryer"].id, {"name": "Freeze dryer", "techniques": ["separation"]})
        commands.change_facility(uow, judged["dryer"].facility_id, {"town": "Kivik"})
    assert names(find(catalogue, "freeze"), judged) == ["dryer"]
    assert find(catalogue, "spray").total == 0
    assert set(names(find(catalogue, "Kivik"), judged)) == {"dryer", "fermenter"}
    assert names(find(catalogue, technique=("separation",)), judged) == ["dryer"]
    assert find(catalogue, technique=("drying",)).total == 0


def test_a_profile_says_what_is_common_and_what_is_specific(catalogue: Instance, judged: Judged) -> None:
    with catalogue.snapshot() as session:
        profile = queries.profile(session, "skane")
    assert (profile.facilities, profile.equipment, profile.compared_with) == (2, 5, 2)
    assert [value.value for value in profile.common] == ["x-ray-ct"]
    assert {value.value for value in profile.specific} == {
        "metrology-3d",
        "metal-am",
        "fermentation",
        "drying",
        "emc-testing",
    }
    assert {value.value: value.count for value in profile.by_access_mode} == {"market": 5}


def test_similar_equipment_shares_a_technique(catalogue: Instance, judged: Judged) -> None:
    with catalogue.snapshot() as session:
        similar = queries.alternatives(session, queries.equipment(session, judged["nano-ct"].id))
    assert [equipment.id for equipment in similar] == [judged["large-ct"].id]
