"""What programs get: shapes, refusals, and figures only for those they are for."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient

from services.usage_stats.domain import METRICS
from shared.auth import Actor
from shared.service import Instance
from tests.conftest import client_for, make_actor
from tests.usage_stats.conftest import NOW, Lab, tell

MARCH = {"from": "2026-03-01", "to": "2026-04-01"}
NOON = datetime(2026, 3, 2, 10, tzinfo=UTC)


@pytest.fixture
def told(stats: Instance, lab: Lab) -> Lab:
    """One instrument, two firms in March."""
    tell(stats, lab.region_told(), lab.facility_told(), lab.equipment_told(), lab.hours_told())
    for day, firm in enumerate((1, 2)):
        tell(stats, *lab.booking(NOON + timedelta(days=day), 2, organisation_id=UUID(int=firm)).used().events)
    return lab


def get(client: FlaskClient, path: str = "utilisation", status: int = 200, **query: str) -> Any:
    response = client.get(f"/stats/api/v1/{path}", query_string=MARCH | query)
    assert response.status_code == status, response.text
    return response.json


def administrator() -> Actor:
    return make_actor("administrator")


def test_rows_carry_every_metric_under_the_id_of_its_definition(stats: Instance, told: Lab) -> None:
    answer = get(client_for(stats, administrator()), group_by="equipment,month")
    (row,) = answer["rows"]
    assert row["equipment_id"] == str(told.equipment_id)
    assert (row["equipment"], row["month"]) == ("Nano-CT", "2026-03")
    assert {metric.id for metric in METRICS} <= row.keys()
    assert {each["id"] for each in answer["definitions"]} == {metric.id for metric in METRICS}
    assert (row["used_hours"], row["available_hours"], row["utilisation"]) == (4.0, 176.0, 2.3)
    assert row["organisations"] == 2
    assert answer["total"]["used_hours"] == 4.0
    assert answer["view"] == "exact"
    assert answer["period"] == {
        "from": "2026-03-01",
        "to": "2026-04-01",
        "counted_until": "2026-03-31T21:00:00+00:00",
        "provisional": False,
    }


def test_without_a_period_it_is_the_last_twelve_months(stats: Instance, told: Lab) -> None:
    answer = client_for(stats, administrator()).get("/stats/api/v1/utilisation").json
    assert answer is not None
    today = datetime.now(UTC).date()
    assert answer["period"]["from"] == f"{today.year - (today.month < 12)}-{today.month % 12 + 1:02}-01"
    assert answer["period"]["to"] > today.isoformat()


def test_the_report_to_keep_is_the_same(stats: Instance, told: Lab) -> None:
    client = client_for(stats, administrator())
    assert get(client, "reports/utilisation.json", group_by="region") == get(client, group_by="region")


@pytest.mark.parametrize(
    ("role", "status", "view"),
    [
        ("administrator", 200, "exact"),
        ("funder@vidzeme", 200, "exact"),
        ("operator@{facility}", 200, "exact"),
        ("facility_manager@{facility}", 200, "exact"),
        ("funder@skane", 404, None),
        (f"operator@{UUID(int=77)}", 404, None),
        (f"member@{UUID(int=77)}", 403, None),
        (f"organisation_admin@{UUID(int=77)}", 403, None),
        (None, 403, None),
    ],
)
def test_who_reads_the_figures_of_a_facility(
    stats: Instance, told: Lab, role: str | None, status: int, view: str | None
) -> None:
    actor = make_actor(role.format(facility=told.facility_id)) if role else None
    answer = get(client_for(stats, actor), status=status, group_by="equipment", facility=str(told.facility_id))
    assert answer.get("view") == view


def test_others_see_nothing_of_what_is_not_theirs(stats: Instance, told: Lab) -> None:
    answer = get(client_for(stats, make_actor("funder@skane")), group_by="equipment")
    assert (answer["rows"], answer["total"]["used_hours"]) == ([], 0.0)


def test_the_public_reads_a_region_and_month_only_if_three_organisations_are_behind_it(
    stats: Instance, told: Lab
) -> None:
    for client in (client_for(stats), client_for(stats, make_actor(f"member@{uuid4()}"))):
        (row,) = get(client, group_by="region,month")["rows"]
        assert row["suppressed"]
        assert row["available_hours"] == 176.0
        assert row["used_hours"] is row["utilisation"] is row["booked_hours"] is row["requests"] is None
        assert "no_show_hours" not in row
        total = get(client)["total"]
        assert total["suppressed"]
        assert total["used_hours"] is None
    third = told.booking(NOON + timedelta(days=2), 1, organisation_id=UUID(int=3)).used()
    tell(stats, *third.events)
    (row,) = get(client_for(stats), group_by="region,month")["rows"]
    assert not row["suppressed"]
    assert row["used_hours"] == 5.0
    assert row["organisations"] is None


def test_those_with_a_role_can_look_at_what_the_public_reads(stats: Instance, told: Lab) -> None:
    client = client_for(stats, make_actor("funder@vidzeme"))
    assert get(client, view="public", group_by="region")["view"] == "public"
    assert get(client, view="public", group_by="equipment", status=403)["code"] == "too-fine-for-the-public"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "2026-13-01"}, "from"),
        ({"from": "01.03.2026"}, "from"),
        ({"from": "0001-01-01"}, "from"),
        ({"to": "9999-12-31"}, "to"),
        ({"from": "2026-04-01"}, "to"),
        ({"group_by": "colour"}, "group_by"),
        ({"group_by": "region,,month"}, "group_by"),
        ({"facility": "12"}, "facility"),
        ({"region": "Vidzeme; DROP"}, "region"),
        ({"view": "all"}, "view"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_field_named(
    stats: Instance, told: Lab, query: dict[str, str], field: str
) -> None:
    problem = get(client_for(stats, administrator()), status=422, **query)
    assert [error["field"].split(".")[-1] for error in problem["errors"]] == [field]


def test_everything_too_fine_is_named_at_once(stats: Instance, told: Lab) -> None:
    problem = get(client_for(stats), status=403, group_by="equipment,size_class", facility=str(told.facility_id))
    assert [error["field"] for error in problem["errors"]] == ["group_by", "group_by", "facility"]


def test_a_table_is_plain_csv_that_no_spreadsheet_executes(stats: Instance, lab: Lab) -> None:
    lab.name = '=HYPERLINK("http://evil.example","Nano, CT")'
    tell(stats, lab.region_told(), lab.equipment_told(), lab.hours_told(), *lab.booking(NOON, 2).used().events)
    response = client_for(stats, administrator()).get(
        "/stats/api/v1/reports/utilisation.csv", query_string=MARCH | {"group_by": "equipment,size_class"}
    )
    assert response.content_type == "text/csv; charset=utf-8"
    assert "utilisation-2026-03-01-to-2026-04-01.csv" in response.headers["Content-Disposition"]
    assert response.data.startswith(b"\xef\xbb\xbf")
    (row,) = csv.DictReader(io.StringIO(response.data.decode("utf-8-sig")))
    assert row["equipment"] == "'" + lab.name
    assert (row["period_from"], row["period_to"], row["size_class"]) == ("2026-03-01", "2026-04-01", "small")
    assert (row["used_hours"], row["no_show_rate"], row["provisional"]) == ("2.0", "0.0", "false")


def test_a_public_table_has_empty_cells_where_groups_are_small(stats: Instance, told: Lab) -> None:
    response = client_for(stats).get(
        "/stats/api/v1/reports/utilisation.csv", query_string=MARCH | {"group_by": "region,month"}
    )
    (row,) = csv.DictReader(io.StringIO(response.data.decode("utf-8-sig")))
    assert (row["view"], row["suppressed"], row["used_hours"], row["available_hours"]) == (
        "public",
        "true",
        "",
        "176.0",
    )


def test_definitions_are_open_to_everybody(stats: Instance) -> None:
    client = client_for(stats)
    assert len(get(client, "definitions")["items"]) == len(METRICS)
    assert get(client, "definitions/utilisation")["formula"] == "used hours ÷ available hours"
    assert get(client, "definitions/luck", status=404)["code"] == "no-such-metric"
    table = client.get("/stats/api/v1/reports/definitions.csv").data.decode("utf-8-sig")
    assert {row["id"] for row in csv.DictReader(io.StringIO(table))} == {metric.id for metric in METRICS}


def test_the_document_of_the_api_names_every_metric(stats: Instance) -> None:
    document = client_for(stats).get("/stats/api/openapi.json").json
    assert document is not None
    assert {metric.id for metric in METRICS} <= document["components"]["schemas"]["Row"]["properties"].keys()
    assert "/stats/api/v1/reports/utilisation.csv" in json.dumps(document)


def test_nothing_of_persons_or_companies_is_told(stats: Instance, told: Lab) -> None:
    text = json.dumps(get(client_for(stats, administrator()), group_by="equipment,size_class,month"))
    assert "Example Works" not in text
    assert "TEST-1" not in text
    assert str(UUID(int=1)) not in text


def test_what_is_ahead_is_told_to_staff(stats: Instance, told: Lab) -> None:
    tell(stats, *told.booking(NOW + timedelta(days=3), 4).approved().events)
    answer = get(client_for(stats, administrator()), to="2026-06-01", group_by="region")
    assert answer["rows"][0]["booked_ahead_hours"] == 4.0
