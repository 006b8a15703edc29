"""What people see: the figures of a period, for those they are for, and what they mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.usage_stats.domain import METRICS
from shared.service import Instance
from tests.conftest import client_for, make_actor
from tests.usage_stats.conftest import Lab, tell

NOON = datetime(2026, 3, 2, 10, tzinfo=UTC)
MARCH = "/stats/?from=2026-03-01&until=2026-03-31"


@pytest.fixture
def told(stats: Instance, lab: Lab) -> Lab:
    tell(stats, lab.region_told(), lab.facility_told(), lab.equipment_told(), lab.hours_told())
    for day in range(3):
        tell(stats, *lab.booking(NOON + timedelta(days=day), 2, organisation_id=UUID(int=day + 1)).used().events)
    return lab


@pytest.mark.parametrize("role", ["administrator", "funder@vidzeme", "operator@{facility}"])
def test_staff_read_figures_a_chart_and_a_table(stats: Instance, told: Lab, role: str) -> None:
    actor = make_actor(role.format(facility=told.facility_id))
    page = client_for(stats, actor, cookie=True).get(f"{MARCH}&by=equipment")
    assert page.status_code == 200
    assert "3.4 % of the available hours were used" in page.text
    assert 'href="/stats/definitions/utilisation"' in page.text
    assert "<svg" in page.text
    assert "Nano-CT" in page.text
    assert "These are exact figures" in page.text
    assert "group_by=equipment%2Cmonth" in page.text
    assert "Example Works" not in page.text


def test_visitors_read_public_figures(stats: Instance, told: Lab) -> None:
    page = client_for(stats).get(MARCH)
    assert page.status_code == 200
    assert "public figures" in page.text
    assert "Vidzeme" in page.text
    assert "Nano-CT" not in page.text


def test_visitors_are_not_shown_small_groups(stats: Instance, lab: Lab) -> None:
    tell(stats, lab.region_told(), lab.equipment_told(), lab.hours_told(), *lab.booking(NOON, 2).used().events)
    page = client_for(stats).get(MARCH)
    assert "Fewer than three organisations" in page.text
    assert "% of the available hours were used" not in page.text


def test_filters_that_cannot_be_are_said_and_the_rest_of_the_page_works(stats: Instance, told: Lab) -> None:
    client = client_for(stats, make_actor("administrator"), cookie=True)
    page = client.get("/stats/?from=2026-05-01&until=2026-03-31")
    assert page.status_code == 422
    assert "The last day must not come before the first." in page.text
    assert "<title>Error:" in page.text
    assert client.get(f"{MARCH}&facility={uuid4()}").status_code == 404
    assert client_for(stats).get(f"{MARCH}&by=equipment").status_code == 403


def test_an_empty_installation_has_a_page(stats: Instance) -> None:
    assert "No figures for these filters" in client_for(stats).get("/stats/").text
    signed_in = client_for(stats, make_actor("administrator"), cookie=True).get("/stats/")
    assert "No figures for these filters" in signed_in.text


def test_staff_can_look_at_what_the_public_reads(stats: Instance, told: Lab) -> None:
    page = client_for(stats, make_actor("funder@vidzeme"), cookie=True).get(f"{MARCH}&view=public")
    assert "You are reading what the public reads" in page.text
    assert "Nano-CT" not in page.text


@pytest.mark.parametrize("by", ["region", "facility", "equipment", "month", "size_class"])
def test_the_table_is_by_what_was_chosen(stats: Instance, told: Lab, by: str) -> None:
    page = client_for(stats, make_actor("administrator"), cookie=True).get(f"{MARCH}&by={by}")
    names = {"region": "Vidzeme", "facility": "Lab of the Nano-CT", "month": "Mar 2026", "size_class": "Small"}
    assert names.get(by, "Nano-CT") in page.text


def test_what_is_ahead_is_said(stats: Instance, told: Lab) -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    tell(stats, *told.booking(soon, 4).approved().events, now=datetime.now(UTC))
    page = client_for(stats, make_actor("administrator"), cookie=True).get("/stats/")
    assert "4.0 h are booked" in page.text


def test_every_figure_has_a_page_of_what_it_means(stats: Instance) -> None:
    client = client_for(stats)
    listed = client.get("/stats/definitions").text
    for metric in METRICS:
        assert f"/stats/definitions/{metric.id}" in listed
        assert metric.formula in client.get(f"/stats/definitions/{metric.id}").text
    assert client.get("/stats/definitions/luck").status_code == 404
