"""What is heard is kept once, in its newest state, and counted; in whatever order it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.usage_stats import commands
from services.usage_stats.app import SERVICE
from services.usage_stats.models import Base, BookingFact, Equipment, EquipmentDay, OrganisationDay
from shared.calendar import Opening
from shared.events import Event
from shared.service import Instance
from tests.conftest import hear
from tests.usage_stats.conftest import NOW, WORKDAYS, BookingStory, Lab, Rows, rows, tell

MONDAY = datetime(2026, 4, 13, 6, tzinfo=UTC)  # 09:00 in Riga
HOUR = 3600


def supply(stats: Instance, day: date) -> EquipmentDay:
    with stats.snapshot() as session:
        return session.scalars(sa.select(EquipmentDay).where(EquipmentDay.day == day)).one()


def demand(stats: Instance, day: date) -> OrganisationDay:
    with stats.snapshot() as session:
        return session.scalars(sa.select(OrganisationDay).where(OrganisationDay.day == day)).one()


def test_days_without_any_event_have_hours_that_were_available(stats: Instance, lab: Lab) -> None:
    tell(stats, lab.equipment_told(), lab.hours_told())
    assert supply(stats, date(2026, 3, 2)).available == 8 * HOUR
    days, _ = rows(stats)
    assert len(days) == 31 + 30 + 1


def test_a_booking_goes_through_its_states(stats: Instance, lab: Lab) -> None:
    tell(stats, lab.hours_told())
    story = lab.booking(MONDAY, 4).used(MONDAY, MONDAY + timedelta(hours=3))
    seen = []
    for event in story.events:
        tell(stats, event)
        day = demand(stats, MONDAY.date())
        seen.append((event.state, day.approved, day.booked_inside // HOUR, day.completed))
    assert seen == [("requested", 0, 0, 0), ("approved", 1, 4, 0), ("in_use", 1, 4, 0), ("completed", 1, 4, 1)]
    day_of_equipment = supply(stats, MONDAY.date())
    assert (day_of_equipment.used_inside, day_of_equipment.standby) == (3 * HOUR, 5 * HOUR)


def test_the_same_event_again_and_an_older_one_change_nothing(stats: Instance, lab: Lab) -> None:
    story = lab.booking(MONDAY, 4).used()
    tell(stats, lab.hours_told(), *story.events)
    before = rows(stats)
    tell(stats, *story.events, *reversed(story.events), lab.hours_told())
    assert rows(stats) == before


def test_a_booking_heard_before_its_equipment_is_counted(stats: Instance, lab: Lab) -> None:
    tell(stats, *lab.booking(MONDAY, 4).used().events)
    assert supply(stats, MONDAY.date()).used_outside == 4 * HOUR
    tell(stats, lab.hours_told(), lab.equipment_told())
    assert supply(stats, MONDAY.date()).used_inside == 4 * HOUR


def test_downtime_heard_first_is_counted_when_the_zone_is_known(stats: Instance, lab: Lab) -> None:
    tell(stats, lab.down(MONDAY, MONDAY + timedelta(hours=2)), lab.hours_told())
    assert supply(stats, MONDAY.date()).unplanned_downtime == 2 * HOUR


def test_downtime_that_is_corrected_or_withdrawn_is_counted_anew(stats: Instance, lab: Lab) -> None:
    downtime_id = uuid4()
    tell(stats, lab.hours_told(), lab.down(MONDAY, None, downtime_id=downtime_id))
    assert supply(stats, date(2026, 4, 30)).unplanned_downtime == 8 * HOUR
    assert supply(stats, date(2026, 4, 30)).provisional
    over = lab.down(MONDAY, MONDAY + timedelta(hours=1), downtime_id=downtime_id, sequence=2)
    tell(stats, over)
    assert supply(stats, date(2026, 4, 30)).unplanned_downtime == 0
    assert not supply(stats, date(2026, 4, 30)).provisional
    assert supply(stats, MONDAY.date()).unplanned_downtime == HOUR
    tell(stats, lab.down(MONDAY, over.ends_at, downtime_id=downtime_id, sequence=3, withdrawn=True))
    assert supply(stats, MONDAY.date()).unplanned_downtime == 0


def test_a_booking_that_is_moved_leaves_nothing_behind(stats: Instance, lab: Lab) -> None:
    other = Lab(facility_id=lab.facility_id)
    asked = lab.booking(MONDAY, 4).approved()
    moved = BookingStory(
        other.booking(MONDAY + timedelta(days=1), 2).facts | {"booking_id": asked.facts["booking_id"]}, asked.events
    ).approved()
    tell(stats, lab.hours_told(), other.hours_told(), *asked.events)
    tell(stats, moved.events[-1])
    assert supply_of(stats, lab, MONDAY.date()).booked_inside == 0
    assert supply_of(stats, other, date(2026, 4, 14)).booked_inside == 2 * HOUR
    assert demand(stats, date(2026, 4, 14)).equipment_id == other.equipment_id


def supply_of(stats: Instance, lab: Lab, day: date) -> EquipmentDay:
    with stats.snapshot() as session:
        return session.get_one(EquipmentDay, (lab.equipment_id, day))


def test_more_units_and_a_later_start_count_all_days_anew(stats: Instance, lab: Lab) -> None:
    tell(stats, lab.equipment_told(), lab.hours_told())
    tell(stats, lab.equipment_told(2, units=3, commissioned_on=date(2026, 3, 3)))
    assert supply(stats, date(2026, 3, 2)).available == 0
    assert supply(stats, date(2026, 3, 3)).available == 24 * HOUR
    tell(stats, lab.equipment_told(1))
    assert supply(stats, date(2026, 3, 3)).available == 24 * HOUR


def test_new_opening_hours_leave_the_days_before_alone(stats: Instance, lab: Lab) -> None:
    tell(stats, lab.hours_told())
    before = rows(stats)[0]
    tell(stats, lab.hours_told(2, (Opening(0, 0, 24 * 60),), valid_from=date(2026, 4, 13)))
    after = rows(stats)[0]
    assert [row for row in after if row[1] < date(2026, 4, 13)] == [row for row in before if row[1] < date(2026, 4, 13)]
    assert supply(stats, date(2026, 4, 13)).open == 24 * HOUR
    assert supply(stats, date(2026, 4, 14)).open == 0


def test_what_is_to_come_is_ahead_and_in_no_other_figure(stats: Instance, lab: Lab) -> None:
    tomorrow = datetime(2026, 5, 2, 6, tzinfo=UTC)
    tell(stats, lab.hours_told(), *lab.booking(tomorrow, 4).approved().events)
    day = demand(stats, tomorrow.date())
    assert (day.booked_ahead, day.bookings_ahead, day.booked_inside, day.approved) == (4 * HOUR, 1, 0, 0)


def test_names_of_regions_and_facilities_are_kept_in_their_newest_form(stats: Instance, lab: Lab) -> None:
    tell(stats, lab.region_told(2), lab.region_told(1), lab.facility_told(2), lab.facility_told(1))
    with stats.snapshot() as session:
        assert session.scalars(
            sa.text("SELECT sequence FROM region UNION ALL SELECT sequence FROM facility")
        ).all() == [2, 2]


def test_no_person_purpose_or_company_name_is_kept(stats: Instance, lab: Lab) -> None:
    tell(stats, *lab.booking(MONDAY, 4).used().events)
    with stats.snapshot() as session:
        kept = str(session.execute(sa.select(*Base.metadata.tables["booking"].columns)).all())
    assert "a secret part" not in kept
    assert "Example Works" not in kept
    assert str(UUID(int=9)) not in kept


def test_everything_arrives_over_the_wire(stats: Instance, lab: Lab) -> None:
    soon = datetime.now(UTC).replace(microsecond=0)
    hear(stats, lab.region_told(), lab.facility_told(), lab.equipment_told(), source="catalogue")
    hear(stats, lab.hours_told(), *lab.booking(soon + timedelta(days=1), 1).approved().events, source="booking")
    with stats.snapshot() as session:
        assert session.scalars(sa.select(Equipment)).one().name == "Nano-CT"
        assert session.scalars(sa.select(BookingFact.state)).all() == ["approved"]
        assert session.scalar(sa.text("SELECT count(*) FROM inbox WHERE state <> 'done'")) == 0


def test_events_that_arrive_together_give_what_they_give_one_by_one(
    make_instance: Callable[..., Instance], stats: Instance, lab: Lab
) -> None:
    other = make_instance(SERVICE)
    stories = [lab.booking(MONDAY, 3).used(), lab.booking(MONDAY + timedelta(hours=4), 2).cancelled(late=True)]
    events = [lab.hours_told(), *(event for story in stories for event in story.events)]
    hear(stats, *events, source="booking")
    for event in events:
        hear(other, event, source="booking")
    assert rows(stats)[1] == rows(other)[1]
    assert len(rows(stats)[1]) == 1
    assert [row[:4] + row[5:] for row in rows(stats)[0][:-1]] == [row[:4] + row[5:] for row in rows(other)[0][:-1]]


# --- any order, any repetition ----------------------------------------------------------------------------

START = datetime(2026, 4, 24, tzinfo=UTC)
MINUTES = st.integers(0, 9 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes))
ENDINGS = ("requested", "approved", "declined", "withdrawn", "expired", "cancelled", "no_show", "checked_in", "used")


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """All that was ever told of one instrument, in the order it happened."""
    lab = Lab(equipment_id=UUID(int=1), facility_id=UUID(int=2))
    events: list[Event] = [
        lab.equipment_told(),
        lab.hours_told(valid_from=date(2026, 4, 20)),
        lab.hours_told(
            2, (*WORKDAYS, Opening(5, 22 * 60, 24 * 60), Opening(6, 0, 6 * 60)), valid_from=date(2026, 4, 25)
        ),
    ]
    if draw(st.booleans()):
        events.append(lab.equipment_told(2, units=draw(st.integers(1, 3)), commissioned_on=date(2026, 4, 22)))
    for _ in range(draw(st.integers(0, 4))):
        story = lab.booking(
            draw(MINUTES),
            draw(st.integers(1, 40)) / 2,
            unit=draw(st.integers(1, 2)),
            organisation_id=UUID(int=draw(st.integers(10, 12))),
        )
        story.facts["booking_id"] = draw(st.uuids())
        match draw(st.sampled_from(ENDINGS)):
            case "used":
                used_from = draw(MINUTES)
                story = story.used(used_from, used_from + timedelta(minutes=draw(st.integers(-10, 2000))))
            case "cancelled":
                story = story.cancelled(by=draw(st.sampled_from(["booker", "operator"])), late=draw(st.booleans()))
            case ending:
                story = getattr(story, ending)()
        events += story.events
    for _ in range(draw(st.integers(0, 2))):
        downtime_id, starts_at = draw(st.uuids()), draw(MINUTES)
        events.append(
            lab.down(starts_at, None, downtime_id=downtime_id, kind=draw(st.sampled_from(["planned", "unplanned"])))
        )
        if draw(st.booleans()):
            ends_at = starts_at + timedelta(minutes=draw(st.integers(1, 3000)))
            events.append(
                lab.down(starts_at, ends_at, downtime_id=downtime_id, sequence=2, withdrawn=draw(st.booleans()))
            )
    return events


Told = list[tuple[Event | None, datetime]]  # None: the job that counts the time that passed


@st.composite
def told_otherwise(draw: st.DrawFn) -> tuple[list[Event], Told]:
    """A history; and the same events in another order, some twice, each heard at its own moment."""
    history = draw(histories())
    again = draw(st.lists(st.none() | st.sampled_from(history), max_size=6))
    shuffled = draw(st.permutations([*history, *again]))
    moments = draw(st.lists(MINUTES, min_size=len(shuffled), max_size=len(shuffled)))
    heard = sorted(min(moment, NOW) for moment in moments)
    return history, list(zip(shuffled, heard, strict=True))


@contextmanager
def emptied(stats: Instance) -> Iterator[Instance]:
    with stats.database.transaction() as session:
        for table in Base.metadata.sorted_tables:
            session.execute(sa.delete(table))
    yield stats


def counted(stats: Instance, told: Told) -> tuple[Rows, Rows]:
    """What is counted of these at NOW."""
    with emptied(stats):
        for event, moment in [*told, (None, NOW)]:
            if event:
                tell(stats, event, now=moment)
            else:
                with stats.begin(now=moment) as uow:
                    commands.extend(uow, UUID(int=1))
        return rows(stats)


@given(told=told_otherwise())
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_order_and_any_repetition_give_the_same_rows(stats: Instance, told: tuple[list[Event], Told]) -> None:
    history, otherwise = told
    expected = counted(stats, [(event, NOW) for event in history])
    assert counted(stats, otherwise) == expected
    with stats.begin(now=NOW) as uow:
        commands.rebuild(uow, UUID(int=1))
    assert rows(stats) == expected
