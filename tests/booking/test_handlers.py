"""What booking learns from the others, whatever the order it hears it in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from uuid import uuid4

from services.booking import commands, queries
from services.booking.app import SERVICE
from services.booking.models import Equipment, Facility, Organisation, Scope
from shared.contracts.booking import OpeningHoursChanged
from shared.service import Instance
from tests.booking.conftest import (
    OFFICE,
    PRICES,
    RULES,
    Lab,
    equipment_told,
    facility_told,
    organisation_told,
    slot,
)
from tests.conftest import hear, told


def hours_of(lab: Lab, equipment_id: object) -> list[OpeningHoursChanged]:
    return [
        event
        for event in told(lab.instance)
        if isinstance(event, OpeningHoursChanged) and event.equipment_id == equipment_id
    ]


def test_it_hears_of_facilities_equipment_and_organisations(make_instance: Callable[..., Instance]) -> None:
    lab = Lab(make_instance(SERVICE))
    hear(
        lab.instance,
        facility_told(lab.facility),
        equipment_told(lab.microscope, lab.facility),
        source="catalogue",
    )
    hear(lab.instance, organisation_told(lab.firm), source="access")
    with lab.instance.snapshot() as session:
        assert session.get_one(Facility, lab.facility).country == "CZ"
        assert session.get_one(Organisation, lab.firm).size_class == "small"
        terms = session.get_one(Equipment, lab.microscope).terms
    assert (terms.units, terms.weeks, terms.time_zone) == (1, (), "Europe/Prague")


def test_what_is_older_than_what_is_known_changes_nothing(lab: Lab) -> None:
    hear(
        lab.instance,
        equipment_told(lab.microscope, lab.facility, sequence=3, name="New name", units=4),
        equipment_told(lab.microscope, lab.facility, sequence=2, name="Old name"),
        facility_told(lab.facility, sequence=3, name="New lab"),
        facility_told(lab.facility, sequence=2, name="Old lab"),
        source="catalogue",
    )
    hear(
        lab.instance,
        organisation_told(lab.firm, sequence=3, name="New firm"),
        organisation_told(lab.firm, sequence=2, name="Old firm"),
        source="access",
    )
    with lab.instance.snapshot() as session:
        equipment = session.get_one(Equipment, lab.microscope)
        assert (equipment.name, equipment.sequence, equipment.terms.units) == ("New name", 3, 4)
        assert session.get_one(Facility, lab.facility).name == "New lab"
        assert session.get_one(Organisation, lab.firm).name == "New firm"


def test_equipment_may_be_heard_of_before_its_facility(make_instance: Callable[..., Instance]) -> None:
    lab = Lab(make_instance(SERVICE))
    hear(lab.instance, equipment_told(lab.microscope, lab.facility), source="catalogue")
    hear(lab.instance, facility_told(lab.facility, open=False), source="catalogue")
    with lab.instance.snapshot() as session:
        assert not session.get_one(Equipment, lab.microscope).terms.standing.facility_open


def test_equipment_that_comes_later_takes_over_the_terms_of_its_facility_and_tells_its_hours(lab: Lab) -> None:
    newcomer = uuid4()
    hear(lab.instance, equipment_told(newcomer, lab.facility), source="catalogue")
    (event,) = hours_of(lab, newcomer)
    assert (event.sequence, event.valid_from, event.weekly) == (1, date(2031, 1, 1), OFFICE)
    with lab.instance.snapshot() as session:
        terms = queries.equipment(session, newcomer).terms
    assert (terms.rules, terms.prices) == (RULES, (PRICES,))


def test_changing_facility_changes_the_terms_and_tells_the_new_hours(lab: Lab) -> None:
    other = uuid4()
    hear(lab.instance, facility_told(other, region_id="tartu"), source="catalogue")
    before = len(hours_of(lab, lab.microscope))
    hear(
        lab.instance,
        equipment_told(lab.microscope, other, sequence=2, region_id="tartu"),
        source="catalogue",
    )
    assert len(hours_of(lab, lab.microscope)) == before  # the new facility has set no hours yet
    hear(lab.instance, equipment_told(lab.microscope, lab.facility, sequence=3), source="catalogue")
    event = hours_of(lab, lab.microscope)[-1]
    assert event.sequence == before + 1
    assert event.facility_id == lab.facility


def test_a_change_that_moves_nothing_tells_no_hours(lab: Lab) -> None:
    before = len(hours_of(lab, lab.microscope))
    hear(lab.instance, equipment_told(lab.microscope, lab.facility, sequence=2, name="Renamed"), source="catalogue")
    assert len(hours_of(lab, lab.microscope)) == before


def test_a_facility_that_closes_takes_no_more_requests(lab: Lab) -> None:
    hear(lab.instance, facility_told(lab.facility, sequence=2, open=False), source="catalogue")
    with lab.instance.snapshot() as session:
        verdict = queries.verdict(
            session, lab.microscope, lab.firm, slot(9, 12), now=slot(9, 12).starts_at - timedelta(days=2)
        )
    assert [fault.code for fault in verdict.faults] == ["facility-closed"]


def test_a_booking_keeps_the_names_of_the_moment(lab: Lab) -> None:
    booking = lab.request(slot(9, 12))
    hear(lab.instance, organisation_told(lab.firm, sequence=2, name="Renamed OÜ"), source="access")
    with lab.work(lab.operator) as uow:
        assert commands.approve(uow, booking.id).organisation_name == "Example Instruments OÜ"


def test_own_hours_survive_what_the_catalogue_says(lab: Lab) -> None:
    with lab.work(lab.manager) as uow:
        commands.set_opening_hours(
            uow,
            scope=Scope.EQUIPMENT,
            scope_id=lab.microscope,
            weekly=OFFICE[:1],
            calendar=None,
            valid_from=date(2031, 5, 5),
        )
    hear(lab.instance, equipment_told(lab.microscope, lab.facility, sequence=2, units=2), source="catalogue")
    with lab.instance.snapshot() as session:
        assert queries.equipment(session, lab.microscope).terms.weeks[-1].weekly == OFFICE[:1]
