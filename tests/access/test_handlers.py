"""What access learns from others."""

from __future__ import annotations

from uuid import UUID

from services.access import queries
from shared.auth import Role
from shared.contracts.catalogue import FacilityChanged, RegionChanged
from shared.service import Instance
from tests.conftest import hear

FACILITY = UUID("6f9619ff-8b86-4d11-b42d-00c04fc964ff")


def region(sequence: int, name: str) -> RegionChanged:
    return RegionChanged(
        sequence=sequence,
        region_id="tartu",
        name=name,
        country="EE",
        nuts_codes=("EE008",),
        nuts_version=2021,
        time_zone="Europe/Tallinn",
    )


def facility(sequence: int, name: str) -> FacilityChanged:
    return FacilityChanged(
        sequence=sequence,
        facility_id=FACILITY,
        name=name,
        host_id=FACILITY,
        host_name="Host",
        region_id="tartu",
        country="EE",
        time_zone="Europe/Tallinn",
        holiday_subdivision=None,
        contact_email="lab@host.example",
        open=True,
    )


def test_names_of_places_are_learnt_and_older_news_is_dropped(access: Instance) -> None:
    hear(access, region(2, "Tartu"), facility(2, "Owl Lab"), source="catalogue")
    hear(access, region(1, "Dorpat"), facility(1, "Old Lab"), source="catalogue")
    roles = [Role.parse("funder@tartu"), Role.parse(f"operator@{FACILITY}"), Role.parse("funder@nowhere")]
    with access.snapshot() as session:
        assert queries.scope_names(session, roles) == {"tartu": "Tartu", str(FACILITY): "Owl Lab"}
        assert [each.nuts_codes for each in queries.regions(session)] == [["EE008"]]


def test_news_of_a_change_replaces_what_was_known(access: Instance) -> None:
    hear(access, facility(1, "Owl Lab"), facility(2, "Owl & Sons Lab"), source="catalogue")
    with access.snapshot() as session:
        assert [each.name for each in queries.facilities(session)] == ["Owl & Sons Lab"]
