"""Taking in files: nothing twice, nothing lost, and what a person wrote stays."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from services.catalogue import commands, queries
from services.catalogue.domain.files import FileRefused
from services.catalogue.domain.formats import MappingBroken
from services.catalogue.domain.imports import ImportReport
from services.catalogue.domain.records import EquipmentState, NoSuchFacility
from services.catalogue.domain.search import SearchRequest
from services.catalogue.models import Equipment, Facility, Host, Import, Region, SourceRecord
from shared.contracts.catalogue import EquipmentChanged, FacilityChanged, RegionChanged
from shared.errors import Forbidden, Unauthorised
from shared.service import Instance
from tests.catalogue.conftest import enter_regions, open_lab
from tests.conftest import MONDAY, make_actor, told

PROJECT = Path(__file__).resolve().parents[2]
DATA = PROJECT.parent / "shared" / "data"
MAPPINGS = PROJECT / "docs" / "mappings"

HEADER = "id,name,facility,host,region,country,town,techniques,keywords,description\n"
ROWS = (
    "1,Big microscope,Made-up Lab,Made-up University,south-moravia,,Brno,sem,grain|fracture,Shows grains.\n"
    "2,Printer,Made-up Lab,Made-up University,south-moravia,,Brno,Metal additive manufacturing,,Prints metal.\n"
    "3,Tunnel,Invented Aero,,,FR,Lyon,flow-testing|alchemy,,Blows.\n"
)


@pytest.fixture
def regions(catalogue: Instance) -> Instance:
    with catalogue.begin(now=MONDAY) as uow:
        enter_regions(uow)
    return catalogue


def take_in(catalogue: Instance, content: str | bytes, **options: Any) -> ImportReport:
    actor = options.pop("actor", None)
    given = {"actor": actor} if actor else {}
    with catalogue.begin(**given) as uow:
        raw = content.encode() if isinstance(content, str) else content
        return commands.import_records(uow, content=raw, **options)


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    return report.created, report.updated, report.unchanged, report.rejected_rows


def one(catalogue: Instance, slug: str) -> Equipment:
    with catalogue.snapshot() as session:
        return queries.equipment(session, slug)


def how_many(catalogue: Instance, model: type[Any]) -> int:
    with catalogue.snapshot() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_rows_become_equipment_of_labs_that_are_opened_for_them(regions: Instance) -> None:
    before = len(told(regions))
    report = take_in(regions, HEADER + ROWS)
    assert counts(report) == (3, 0, 0, 0)
    assert report.facilities_created == 2
    assert report.techniques_not_known == ("alchemy",)
    microscope = one(regions, "big-microscope")
    assert microscope.facility.name == "Made-up Lab"
    assert microscope.facility.host.name == "Made-up University"
    assert microscope.facility.time_zone == "Europe/Prague"
    assert [technique.code for technique in microscope.techniques] == ["sem"]
    assert (microscope.source, microscope.source_id) == ("infrashare-csv:made-up-lab", "1")
    tunnel = one(regions, "tunnel")
    assert (tunnel.facility.region.id, tunnel.facility.region.name) == ("fr", "France")
    assert tunnel.facility.region.is_country
    assert tunnel.facility.host.name == "Invented Aero"
    assert tunnel.keywords == ["alchemy"]
    new = Counter(type(event) for event in told(regions)[before:])
    assert new == {RegionChanged: 1, FacilityChanged: 2, EquipmentChanged: 3}


def test_the_same_again_changes_nothing(regions: Instance) -> None:
    take_in(regions, HEADER + ROWS)
    events = len(told(regions))
    for _ in range(2):
        assert counts(take_in(regions, HEADER + ROWS)) == (0, 0, 3, 0)
    assert len(told(regions)) == events
    assert how_many(regions, Equipment) == 3
    assert how_many(regions, SourceRecord) == 3
    assert how_many(regions, Import) == 3


def test_a_row_that_says_something_else_changes_its_record(regions: Instance) -> None:
    take_in(regions, HEADER + ROWS)
    events = len(told(regions))
    changed = ROWS.replace("Shows grains.", "Shows pores.").replace(",Metal additive manufacturing,", ",sem|metal-am,")
    assert counts(take_in(regions, HEADER + changed)) == (0, 2, 1, 0)
    assert one(regions, "big-microscope").description == "Shows pores."
    assert [technique.code for technique in one(regions, "printer").techniques] == ["sem", "metal-am"]
    told_now = told(regions)[events:]
    assert [event.sequence for event in told_now] == [2, 2]
    with regions.snapshot() as session:
        found = queries.search(session, SearchRequest(q="pores", filters={"technique": ("sem",)}))
        rows = queries.source_records(session, [one(regions, "big-microscope").id])
    assert [each.slug for each in found.items] == ["big-microscope"]
    assert next(iter(rows.values())).row["description"] == "Shows pores."


def test_what_a_person_changed_an_import_leaves_alone(regions: Instance) -> None:
    take_in(regions, HEADER + ROWS)
    with regions.begin() as uow:
        mine = {"name": "Our good old microscope", "techniques": ["tem", "sem"]}
        commands.change_equipment(uow, one(regions, "big-microscope").id, mine)
    changed = ROWS.replace("Big microscope", "Renamed there").replace(",sem,", ",afm,").replace("Shows grains.", "New.")
    assert counts(take_in(regions, HEADER + changed)) == (0, 1, 2, 0)
    kept = one(regions, "big-microscope")
    assert kept.name == "Our good old microscope"
    assert [technique.code for technique in kept.techniques] == ["tem", "sem"]
    assert kept.description == "New."
    assert kept.edited_fields == ["name", "techniques"]


def test_a_dry_run_says_the_same_and_writes_nothing(regions: Instance) -> None:
    events = len(told(regions))
    broken = HEADER + ROWS + "4,,Made-up Lab,,,,,,,\n"
    dry = take_in(regions, broken, dry_run=True)
    assert dry.dry_run
    assert dry.import_id is None
    assert len(told(regions)) == events
    assert [how_many(regions, model) for model in (Equipment, Facility, Host, Import, SourceRecord)] == [0] * 5
    real = take_in(regions, broken)
    assert counts(dry) == counts(real) == (3, 0, 0, 1)
    assert dry.rejected == real.rejected


def test_all_faults_of_all_rows_come_back_grouped_by_rule(regions: Instance) -> None:
    report = take_in(
        regions,
        "id,name,facility,region,country,units,kind\n"
        "1,Good,Lab,skane,,1,\n"
        "2,,Lab,skane,,none,spaceship\n"
        "3,No lab,,skane,,1,\n"
        "4,Nowhere,Lab,,,1,\n"
        "5,Far,Lab,,ZZ,1,\n"
        "6,Lost,Lab,atlantis,,1,\n"
        "1,Twice,Lab,skane,,1,\n"
        "8,Torn,Lab\n",
    )
    assert counts(report) == (1, 0, 0, 7)
    found = {(refusal.row, refusal.code) for refusal in report.rejected}
    assert found == {
        (3, "name-missing"),
        (3, "not-a-number"),
        (3, "not-known"),
        (4, "facility-missing"),
        (5, "place-missing"),
        (6, "country-not-known"),
        (7, "no-such-region"),
        (8, "duplicate-id"),
        (9, "ragged-row"),
    }
    assert sum(len(refusals) for _, refusals in report.rejected_by_rule) == 9
    assert [refusal.row for refusal in report.rejected] == sorted(refusal.row for refusal in report.rejected)


def test_rows_without_ids_are_not_doubled_either(regions: Instance) -> None:
    rows = "name,facility,region\nA,Lab,skane\nA,Lab,skane\nB,Lab,skane\n"
    first = take_in(regions, rows)
    assert counts(first) == (2, 0, 0, 1)
    assert first.rejected[0].detail == "The same row is there above."
    assert counts(take_in(regions, rows)) == (0, 0, 2, 1)


def test_things_of_one_name_get_addresses_of_their_own(regions: Instance) -> None:
    take_in(regions, "id,name,facility,region\n1,Saw,Lab,skane\n2,Saw,Lab,skane\n")
    take_in(regions, "id,name,facility,region\n3,Saw,Lab,skane\n")
    assert [one(regions, slug).source_id for slug in ("saw", "saw-2", "saw-3")] == ["1", "2", "3"]


def test_spellings_of_one_lab_are_one_lab(regions: Instance) -> None:
    rows = "id,name,facility,region\n1,A,Öresund Lab,skane\n2,B,oresund  LAB,skane\n3,C,oresund-lab,skane\n"
    take_in(regions, rows.splitlines(keepends=True)[0] + "1,A,Öresund Lab,skane\n")
    report = take_in(regions, rows)
    assert counts(report) == (2, 0, 1, 0)
    assert how_many(regions, Facility) == 1


def test_columns_nobody_reads_are_named(regions: Instance) -> None:
    report = take_in(regions, "name,facility,region,Colour\nA,Lab,skane,red\n")
    assert report.columns_not_read == ("Colour",)
    with regions.snapshot() as session:
        (row,) = session.scalars(select(SourceRecord)).all()
    assert row.row == {"name": "A", "facility": "Lab", "region": "skane", "Colour": "red"}  # kept all the same


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "windows-1252", "mac-roman"])
def test_a_file_in_any_of_the_encodings_gives_the_same_record(regions: Instance, encoding: str) -> None:
    rows = "id;name;facility;region\r1;Prüfgerät für Öl;Größenlabor;skane\r"
    report = take_in(regions, rows.encode(encoding))
    assert report.encoding == encoding
    assert report.delimiter == ";"
    assert one(regions, "prufgerat-fur-ol").name == "Prüfgerät für Öl"


def test_a_file_without_what_is_needed_is_refused(regions: Instance) -> None:
    with pytest.raises(FileRefused) as refused:
        take_in(regions, "title,facility\nA,Lab\n")
    assert [(fault.code, fault.field) for fault in refused.value.faults] == [("column-missing", "name")]
    with pytest.raises(MappingBroken):
        take_in(regions, "name\nA\n", mapping='source = "x"')
    with pytest.raises(FileRefused, match="do not say where"):
        take_in(regions, "Type,Name,Contact Email\nequipment,A,a@lab.example\n", format="uniquip")
    with pytest.raises(NoSuchFacility):
        take_in(regions, "name\nA\n", facility_id="nowhere")


def test_uniquip_goes_into_the_lab_that_is_named(regions: Instance) -> None:
    with regions.begin() as uow:
        lab = open_lab(uow, "Made-up Lab", "skane")
    rows = (
        "Type,Name,Description,Technique,Contact Name,Contact Email,ID\n"
        "equipment,Raman bench,Sees molecules,SEM;Moon gazing,A. Person,desk@lab.example,9\n"
        "equipment,Nameless,,,A. Person,,10\n"
    )
    report = take_in(regions, rows, format="uniquip", facility_id=lab.id)
    assert counts(report) == (1, 0, 0, 1)
    bench = one(regions, "raman-bench")
    assert (bench.facility_id, bench.source) == (lab.id, "uniquip:made-up-lab")
    assert [technique.code for technique in bench.techniques] == ["sem"]
    assert "Moon gazing" in bench.keywords
    assert counts(take_in(regions, rows, format="uniquip", facility_id="made-up-lab")) == (0, 0, 1, 1)


def test_a_manager_takes_in_files_of_their_own_lab_only(regions: Instance) -> None:
    with regions.begin() as uow:
        mine, theirs = open_lab(uow, "Mine", "skane"), open_lab(uow, "Theirs", "skane")
    manager = make_actor(f"facility_manager@{mine.id}")
    rows = "id,name\n1,A\n"
    assert counts(take_in(regions, rows, facility_id=mine.id, actor=manager)) == (1, 0, 0, 0)
    for facility_id in (theirs.id, None):
        with pytest.raises(Forbidden):
            take_in(regions, rows, facility_id=facility_id, actor=manager)
    with pytest.raises(Forbidden):
        take_in(regions, rows, facility_id=mine.id, actor=make_actor(f"operator@{mine.id}"))


def test_a_mapping_cannot_be_used_to_change_records_of_another_lab(regions: Instance) -> None:
    with regions.begin() as uow:
        mine, theirs = open_lab(uow, "Mine", "skane"), open_lab(uow, "Theirs", "skane")
    mapping = 'source = "shared-list"\n[fields]\nid = "id"\nname = "name"\n'
    take_in(regions, "id,name\n1,Their thing\n", facility_id=theirs.id, mapping=mapping)
    manager = make_actor(f"facility_manager@{mine.id}")
    report = take_in(regions, "id,name\n1,Stolen\n2,Own\n", facility_id=mine.id, mapping=mapping, actor=manager)
    assert [(refusal.row, refusal.code) for refusal in report.rejected] == [(2, "another-facility")]
    assert one(regions, "their-thing").name == "Their thing"


def test_nobody_takes_in_anything_without_signing_in(regions: Instance) -> None:
    from shared.auth import ANONYMOUS

    with pytest.raises(Unauthorised):
        take_in(regions, "name\nA\n", actor=ANONYMOUS)


def test_progress_is_told(regions: Instance) -> None:
    seen: list[tuple[int, int]] = []
    rows = "id,name,facility,region\n" + "".join(f"{i},Thing {i},Lab,skane\n" for i in range(120))
    take_in(regions, rows, progress=lambda done, of: seen.append((done, of)))
    assert seen
    assert all(0 < done <= of == 120 for done, of in seen)


# ---------------------------------------------------------------- the real lists


def real(name: str) -> bytes:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the list {name} is not here: it is expected in {DATA}")
    return path.read_bytes()


def test_the_european_research_infrastructures_are_taken_in_as_they_are(regions: Instance) -> None:
    content = real("research_infrastructures_eu/research_infrastructures.csv")
    mapping = (MAPPINGS / "research-infrastructures.toml").read_text("utf-8")
    began = time.process_time()
    report = take_in(regions, content, mapping=mapping, file_name="research_infrastructures.csv")
    assert time.process_time() - began < 5
    assert counts(report) == (574, 0, 0, 3)
    assert {refusal.code for refusal in report.rejected} == {"place-missing"}
    assert report.regions_not_known == ("chemnitz", "emilia-romagna", "flanders", "tartu")
    assert counts(take_in(regions, content, mapping=mapping)) == (0, 0, 574, 3)
    _answers_quickly(regions, ("synchrotron", "seismic", "max iv", "electron microscopy", "wind tunnel", ""))
    with regions.snapshot() as session:
        found = queries.search(session, SearchRequest(q="MAX IV laboratory"))
    assert found.items[0].name.startswith("MAX IV")
    assert found.items[0].facility.region_id == "skane"


def test_the_instruments_of_a_user_facility_are_taken_in_as_they_are(regions: Instance) -> None:
    content = real("instruments_pnnl/instruments.csv")
    mapping = (MAPPINGS / "pnnl-instruments.toml").read_text("utf-8")
    report = take_in(regions, content, mapping=mapping, file_name="instruments.csv")
    assert counts(report) == (263, 0, 0, 0)
    assert counts(take_in(regions, content, mapping=mapping)) == (0, 0, 263, 0)
    with regions.snapshot() as session:
        states = Counter(session.scalars(select(Equipment.state)))
        facility = queries.facility(session, "environmental-molecular-sciences-laboratory")
        regions_now = {region.id for region in session.scalars(select(Region))}
    assert states == {
        EquipmentState.PUBLISHED: 132,
        EquipmentState.WITHDRAWN: 120,
        EquipmentState.DRAFT: 11,
    }
    assert facility.time_zone == "America/Los_Angeles"
    assert "us" in regions_now
    _answers_quickly(regions, ("orbitrap", "mass spectrometer", "bruker", "liquid chromatography", ""))


def _answers_quickly(catalogue: Instance, queries_typed: tuple[str, ...]) -> None:
    """The median search, counts for all facets included, takes well under a tenth of a second."""
    taken = []
    with catalogue.snapshot() as session:
        for q in queries_typed * 3:
            began = time.process_time()
            assert queries.search(session, SearchRequest(q=q, limit=20)).total > 0
            taken.append(time.process_time() - began)
    assert sorted(taken)[len(taken) // 2] < 0.1
