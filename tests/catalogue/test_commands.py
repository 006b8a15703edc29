"""What changes the catalogue, who may, and what is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from uuid import uuid4

import pytest

from services.catalogue import commands, queries
from services.catalogue.domain import records
from services.catalogue.domain.records import AlreadyThere, BrokenRecord, EquipmentState, Kind
from services.catalogue.domain.vocabulary import TECHNIQUES, TechniqueTerm
from services.catalogue.models import Equipment, Facility
from shared.auth import ANONYMOUS
from shared.contracts.catalogue import EquipmentChanged, FacilityChanged, RegionChanged
from shared.errors import Forbidden, Unauthorised
from shared.service import Instance
from shared.unit_of_work import UnitOfWork
from tests.catalogue.conftest import Judged, enter_regions, open_lab, publish
from tests.conftest import MONDAY, emitted, make_actor, told


def test_a_region_is_entered_and_told(uow: UnitOfWork) -> None:
    enter_regions(uow)
    region = queries.region(uow.session, "skane")
    assert region.nuts == [{"code": "SE224", "level": 3, "version": 2021}]
    assert not region.is_country
    events = emitted(uow)
    assert [type(event) for event in events] == [RegionChanged, RegionChanged]
    assert events[1] == RegionChanged(
        sequence=1,
        region_id="skane",
        name="Skåne",
        country="SE",
        nuts_codes=("SE224",),
        nuts_version=2021,
        time_zone="Europe/Stockholm",
    )
    with pytest.raises(AlreadyThere):
        enter_regions(uow)


def test_a_region_with_faults_is_refused_with_all_of_them(uow: UnitOfWork) -> None:
    with pytest.raises(BrokenRecord) as refused:
        commands.enter_region(
            uow, id="No Slug", name="", country="Sweden", nuts_codes=["x"], time_zone="Europe/Nowhere"
        )
    assert {fault.field for fault in refused.value.faults} == {"id", "name", "country", "nuts_codes", "time_zone"}


def test_a_lab_takes_clock_and_holidays_from_its_region(uow: UnitOfWork) -> None:
    enter_regions(uow)
    lab = open_lab(uow, "Made-up Lab", "skane", contact_email="desk@lab.example")
    assert lab.time_zone == "Europe/Stockholm"
    event = emitted(uow)[-1]
    assert isinstance(event, FacilityChanged)
    assert (event.name, event.host_name, event.region_id, event.country, event.open) == (
        "Made-up Lab",
        "Made-up Lab Foundation",
        "skane",
        "SE",
        True,
    )
    with pytest.raises(AlreadyThere):
        commands.open_facility(uow, name="made-up  LAB", host_id=lab.host_id, region_id="skane")
    other = commands.open_facility(uow, name="Made-up Lab", host_id=lab.host_id, region_id="south-moravia")
    assert other.slug == "made-up-lab-2"


def test_equipment_is_published_and_told_whole(uow: UnitOfWork, lab: Facility) -> None:
    made = publish(
        uow,
        lab,
        "Nano-CT",
        "x-ray-ct",
        "metrology-3d",
        units=2,
        kind="imaging-system",
        commissioned_on=date(1998, 3, 1),
    )
    assert (made.slug, made.sequence, made.state) == ("nano-ct", 1, EquipmentState.PUBLISHED)
    assert made.shown_drawing == "nanoct"
    assert emitted(uow)[-1] == EquipmentChanged(
        sequence=1,
        equipment_id=made.id,
        slug="nano-ct",
        name="Nano-CT",
        facility_id=lab.id,
        facility_name="Imaginary Tomography Lab",
        region_id="south-moravia",
        country="CZ",
        time_zone="Europe/Prague",
        kind="imaging-system",
        techniques=("x-ray-ct", "metrology-3d"),
        units=2,
        state="published",
        commissioned_on=date(1998, 3, 1),
        decommissioned_on=None,
    )


def test_equipment_with_faults_is_refused_with_all_of_them(uow: UnitOfWork, lab: Facility) -> None:
    with pytest.raises(BrokenRecord) as refused:
        publish(uow, lab, "", "alchemy", units=0, trl_min=8, trl_max=3, website="ftp://lab.example")
    assert {fault.code for fault in refused.value.faults} == {
        "name-missing",
        "no-such-technique",
        "units-out-of-range",
        "trl-upside-down",
        "not-a-web-address",
    }


def test_a_change_bumps_the_sequence_once_and_remembers_what_a_person_changed(uow: UnitOfWork, lab: Facility) -> None:
    made = publish(uow, lab, "Nano-CT", "x-ray-ct")
    before = len(emitted(uow))
    commands.change_equipment(
        uow, made.id, {"units": 3, "techniques": ["sem"], "name": "Nano-CT", "kind": Kind.PRINTER}
    )
    assert made.edited_fields == ["kind", "techniques", "units"]
    (event,) = emitted(uow)[before:]
    assert isinstance(event, EquipmentChanged)
    assert (event.sequence, event.units, event.techniques, event.kind) == (2, 3, ("sem",), "printer")
    commands.change_equipment(uow, made.id, {"units": 3})  # nothing new, nothing told
    assert len(emitted(uow)) == before + 1


def test_a_change_is_checked_against_what_is_there(uow: UnitOfWork, lab: Facility) -> None:
    made = publish(uow, lab, "Nano-CT", trl_min=4, trl_max=6)
    with pytest.raises(BrokenRecord):
        commands.change_equipment(uow, made.id, {"trl_min": 7})
    assert made.trl_min == 4


def test_withdrawing_is_told_once(uow: UnitOfWork, lab: Facility) -> None:
    made = publish(uow, lab, "Nano-CT")
    for _ in range(2):
        commands.withdraw_equipment(uow, made.id)
    states = [event.state for event in emitted(uow) if isinstance(event, EquipmentChanged)]
    assert states == ["published", "withdrawn"]


def test_a_new_name_of_a_lab_is_told_with_each_of_its_instruments(uow: UnitOfWork, lab: Facility) -> None:
    publish(uow, lab, "One")
    publish(uow, lab, "Two")
    before = len(emitted(uow))
    commands.change_facility(uow, lab.id, {"name": "Renamed Lab"})
    events = emitted(uow)[before:]
    assert [type(event) for event in events] == [FacilityChanged, EquipmentChanged, EquipmentChanged]
    assert {event.facility_name for event in events if isinstance(event, EquipmentChanged)} == {"Renamed Lab"}
    assert [event.sequence for event in events] == [2, 2, 2]
    commands.change_facility(uow, lab.id, {"website": "https://lab.example"})
    assert [type(event) for event in emitted(uow)[before + 3 :]] == [FacilityChanged]


def test_only_administrators_open_and_enter(catalogue: Instance) -> None:
    for actor, refusal in ((make_actor(f"facility_manager@{uuid4()}"), Forbidden), (ANONYMOUS, Unauthorised)):
        with catalogue.begin(actor=actor) as uow, pytest.raises(refusal):
            enter_regions(uow)
        with catalogue.begin(actor=actor) as uow, pytest.raises(refusal):
            commands.register_host(uow, name="Anybody")
        with catalogue.begin(actor=actor) as uow, pytest.raises(refusal):
            commands.open_facility(uow, name="Anything", host_id=uuid4(), region_id="skane")
        with catalogue.begin(actor=actor) as uow, pytest.raises(refusal):
            commands.enter_techniques(uow, [TechniqueTerm("x", "X", "")])


def test_managers_change_equipment_of_their_own_lab_only(catalogue: Instance, judged: Judged) -> None:
    brno, lund = judged["nano-ct"].facility_id, judged["emc"].facility_id
    manager = make_actor(f"facility_manager@{brno}")
    with catalogue.begin(actor=manager) as uow:
        assert commands.change_equipment(uow, judged["nano-ct"].id, {"units": 2}).units == 2
        commands.publish_equipment(uow, facility_id=brno, name="Another")
    for change in (
        lambda uow: commands.change_equipment(uow, judged["emc"].id, {"units": 2}),
        lambda uow: commands.publish_equipment(uow, facility_id=lund, name="Intruder"),
        lambda uow: commands.withdraw_equipment(uow, judged["emc"].id),
        lambda uow: commands.change_facility(uow, lund, {"name": "Mine now"}),
        lambda uow: commands.change_facility(uow, brno, {"open": False}),
    ):
        with catalogue.begin(actor=manager) as uow, pytest.raises(Forbidden):
            change(uow)
    with catalogue.begin(actor=make_actor(f"operator@{lund}")) as uow, pytest.raises(Forbidden):
        commands.change_equipment(uow, judged["emc"].id, {"units": 2})
    with catalogue.begin(actor=manager) as uow, pytest.raises(records.NoSuchEquipment):
        commands.change_equipment(uow, judged["draft"].id, {"units": 2})


def test_the_vocabulary_is_there_from_the_start_and_keeps_what_is_added(catalogue: Instance) -> None:
    with catalogue.begin() as uow:
        assert commands.enter_techniques(uow, TECHNIQUES) == 0
        assert commands.enter_techniques(uow, [TechniqueTerm("dowsing", "Dowsing", "", "", "rod water")]) == 1
    catalogue.service.prepare(catalogue)
    with catalogue.snapshot() as session:
        vocabulary = {technique.code: technique for technique in queries.techniques(session)}
    assert len(vocabulary) == len(TECHNIQUES) + 1
    assert (vocabulary["dowsing"].group, vocabulary["dowsing"].drawing) == ("Other techniques", "plain")


def test_a_refused_change_leaves_nothing_behind(catalogue: Instance, judged: Judged) -> None:
    before = len(told(catalogue))

    def change_two_things() -> None:
        with catalogue.begin(now=MONDAY) as uow:
            commands.publish_equipment(uow, facility_id=judged["emc"].facility_id, name="Fine")
            commands.change_equipment(uow, judged["emc"].id, {"units": 0})

    with pytest.raises(BrokenRecord):
        change_two_things()
    assert len(told(catalogue)) == before
    with catalogue.snapshot() as session, pytest.raises(records.NoSuchEquipment):
        queries.equipment(session, "fine")


def test_changes_at_once_neither_collide_nor_get_lost(catalogue: Instance, judged: Judged) -> None:
    facility_id, equipment_id = judged["sem"].facility_id, judged["sem"].id

    def publish_one(_: int) -> None:
        with catalogue.begin() as uow:
            commands.publish_equipment(uow, facility_id=facility_id, name="Twin")

    def change_one(number: int) -> None:
        with catalogue.begin() as uow:
            commands.change_equipment(uow, equipment_id, {"model": f"M{number}"})

    def rename(number: int) -> None:
        with catalogue.begin() as uow:
            commands.change_facility(uow, facility_id, {"name": f"Lab {number}"})

    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(do, number) for number in range(6) for do in (publish_one, change_one, rename)]
        for each in waiting:
            each.result()
    with catalogue.snapshot() as session:
        twins = {each.slug for each in queries.equipment_of(session, facility_id) if each.name == "Twin"}
        kept = queries.equipment(session, equipment_id)
    assert twins == {"twin", *(f"twin-{number}" for number in range(2, 7))}
    sequences = [
        event.sequence
        for event in told(catalogue)
        if isinstance(event, EquipmentChanged) and event.equipment_id == equipment_id
    ]
    assert sequences == list(range(1, 14)) == list(range(1, kept.sequence + 1))


def test_the_tables_of_a_fresh_installation_are_those_of_the_models(catalogue: Instance, judged: Judged) -> None:
    with catalogue.snapshot() as session:
        kept = session.get_one(Equipment, judged["sem"].id)
    assert kept.access_modes == ["market", "excellence"]
    assert kept.changed_at == MONDAY
