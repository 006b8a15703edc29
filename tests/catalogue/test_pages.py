"""The pages work without JavaScript, and say what they have to say."""

from __future__ import annotations

import csv
import io
import re
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from services.catalogue import commands
from services.catalogue.models import Equipment
from services.catalogue.schemas.tables import csv_of, harmless
from shared.service import Instance
from tests.catalogue.conftest import Judged, enter_regions, open_lab, publish
from tests.conftest import client_for, make_actor


@pytest.fixture
def visitor(catalogue: Instance) -> FlaskClient:
    return client_for(catalogue)


def words(html: str) -> str:
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", html).split()))


def test_every_page_of_an_empty_installation(visitor: FlaskClient) -> None:
    for address in ("/", "/catalogue/find", "/catalogue/find?q=anything", "/accessibility", "/privacy"):
        assert visitor.get(address).status_code == 200
    assert "No regions yet" in visitor.get("/").text


def test_a_region_without_equipment_says_so(catalogue: Instance, visitor: FlaskClient) -> None:
    with catalogue.begin() as uow:
        enter_regions(uow)
    assert words(visitor.get("/").text).count("First instruments expected") == 2
    assert visitor.get("/catalogue/regions/skane").status_code == 200


def test_the_landing_counts_what_there_is(visitor: FlaskClient, judged: Judged) -> None:
    text = words(visitor.get("/").text)
    assert "8 instruments in two European regions" in text
    assert "5 instruments" in text
    assert "3 instruments" in text


def test_no_link_between_the_pages_is_dead(visitor: FlaskClient, judged: Judged) -> None:
    seen: set[str] = set()
    waiting = ["/"]
    while waiting:
        address = waiting.pop()
        page = visitor.get(address)
        assert page.status_code == 200, address
        if "text/html" not in page.content_type:
            continue
        for href in re.findall(r'(?:href|action)="([^"]+)"', page.text):
            link = urlsplit(unescape(href))
            target = link.path + (f"?{link.query}" if link.query else "")
            ours = link.path in ("/", "/accessibility", "/privacy") or link.path.startswith("/catalogue/")
            if ours and not link.netloc and "/api/" not in link.path and target not in seen and len(seen) < 150:
                seen.add(target)
                waiting.append(target)
    assert len(seen) > 40


def test_results_say_where_and_what(visitor: FlaskClient, judged: Judged) -> None:
    page = visitor.get("/catalogue/find?q=pores").text
    text = words(page)
    assert "2 instruments" in text
    assert "Nano-CT 3D X-ray microscope" in text
    assert "Imaginary Tomography Lab, Brno · South Moravia CZ064" in text
    assert "X-ray tomography" in text
    assert "<mark>pores</mark>" in page


def test_filters_are_boxes_chips_and_addresses(visitor: FlaskClient, judged: Judged) -> None:
    page = visitor.get("/catalogue/find?q=&region=skane&kind=printer&kind=&access_type=").text
    assert re.search(r'value="skane"[^>]* checked', page)
    text = words(page)
    assert "Clear 2 filters" in text
    assert "1 instrument" in text
    without_region = re.search(r'<a class="chip"[^>]*href="([^"]+)"[^>]*>Skåne', page)
    assert without_region
    assert unescape(without_region[1]) == "/catalogue/find?kind=printer"


def test_nothing_found_says_what_was_too_narrow(visitor: FlaskClient, judged: Judged) -> None:
    page = visitor.get("/catalogue/find?q=bioreactor&region=south-moravia")
    assert page.status_code == 200
    text = words(page.text)
    assert "Nothing fits all of this" in text
    assert "1 without “region”" in text
    assert "3 without the words" in text
    assert "alone" in words(visitor.get("/catalogue/find?q=bioreactor+zzz+yyy").text)


def test_an_address_that_asks_for_nonsense_is_refused_in_the_page(visitor: FlaskClient, judged: Judged) -> None:
    for query in ("page=0", "page=10000", "q=%00", "region=No Slug", "q=" + "x" * 301):
        page = visitor.get(f"/catalogue/find?{query}")
        assert page.status_code == 422
        assert "One thing to correct" in words(page.text)
    assert visitor.get("/catalogue/find?page=500").status_code == 200
    assert visitor.get("/catalogue/find?utm_source=newsletter").status_code == 200


def test_what_was_typed_is_shown_as_text(visitor: FlaskClient, judged: Judged) -> None:
    page = visitor.get("/catalogue/find?q=%3Cscript%3Ealert(1)%3C/script%3E%7B%7B7*7%7D%7D").text
    assert "<script>alert" not in page
    assert "{{7*7}}" in unescape(page)


def test_the_page_of_an_instrument(visitor: FlaskClient, judged: Judged) -> None:
    sem = judged["sem"]
    by_slug, by_id = visitor.get(f"/catalogue/equipment/{sem.slug}"), visitor.get(f"/catalogue/equipment/{sem.id}")
    assert by_slug.status_code == by_id.status_code == 200
    page = by_slug.text
    assert f'hx-get="/booking/request/{sem.id}/panel"' in page
    assert f'href="/booking/request/{sem.id}"' in page
    assert "See free times and ask for a slot" in page
    assert 'type="application/ld+json"' in page
    assert "For a price, after review of a proposal" in words(page)
    assert "Edit this record" not in page


def test_a_withdrawn_instrument_keeps_its_page_and_names_others(
    catalogue: Instance, visitor: FlaskClient, judged: Judged
) -> None:
    with catalogue.begin() as uow:
        commands.withdraw_equipment(uow, judged["nano-ct"].id)
    page = visitor.get(f"/catalogue/equipment/{judged['nano-ct'].slug}")
    assert page.status_code == 200
    assert "This is no longer offered" in words(page.text)
    assert "X-ray scanner for large parts" in page.text
    assert "/booking/request/" not in page.text


def test_a_draft_has_a_page_for_its_managers_only(catalogue: Instance, visitor: FlaskClient, judged: Judged) -> None:
    address = f"/catalogue/equipment/{judged['draft'].slug}"
    manager = client_for(catalogue, make_actor(f"facility_manager@{judged['draft'].facility_id}"), cookie=True)
    assert visitor.get(address).status_code == 404
    assert manager.get(address).status_code == 200
    assert "Secret tomography prototype" not in visitor.get("/catalogue/facilities/invented-materials-lab").text
    assert "Secret tomography prototype" in manager.get("/catalogue/facilities/invented-materials-lab").text


def test_pages_of_labs_and_regions(visitor: FlaskClient, judged: Judged) -> None:
    lab = words(visitor.get("/catalogue/facilities/made-up-food-pilot").text)
    assert "300 litre bioreactor" in lab
    assert "Made-up Food Pilot Foundation" in lab
    region = words(visitor.get("/catalogue/regions/skane").text)
    assert "Life science and advanced materials." in region
    assert "X-ray tomography 1 2 regions" in region
    assert "Lithography" not in region
    for missing in ("/catalogue/facilities/nowhere", "/catalogue/regions/nowhere", "/catalogue/equipment/nothing"):
        assert visitor.get(missing).status_code == 404


def test_a_manager_edits_a_record(catalogue: Instance, visitor: FlaskClient, judged: Judged) -> None:
    address = f"/catalogue/equipment/{judged['sem'].slug}/edit"
    manager = client_for(catalogue, make_actor(f"facility_manager@{judged['sem'].facility_id}"), cookie=True)
    assert visitor.get(address).status_code == 303
    stranger = client_for(catalogue, make_actor(f"facility_manager@{judged['emc'].facility_id}"), cookie=True)
    assert stranger.get(address).status_code == 403
    assert "Save the record" in manager.get(address).text
    form = {
        "name": "Better microscope",
        "description": "First line.\r\nSecond line.",
        "kind": "microscope",
        "keywords": "grain, fracture",
        "units": "2",
        "trl_min": "",
        "trl_max": "",
        "access_types": ["physical", "mail-in"],
        "operator_needed": "1",
        "website": "https://lab.example/sem",
        "manufacturer": "",
        "model": "",
        "commissioned_on": "1999-04-01",
        "decommissioned_on": "",
        "state": "published",
    }
    saved = manager.post(address, data=form)
    assert (saved.status_code, saved.headers["Location"]) == (303, f"/catalogue/equipment/{judged['sem'].slug}")
    shown: Any = client_for(catalogue).get(f"/catalogue/api/v1/equipment/{judged['sem'].id}").json
    assert (shown["name"], shown["units"], shown["access_types"]) == ("Better microscope", 2, ["physical", "mail-in"])
    assert shown["description"] == "First line.\nSecond line."
    refused = manager.post(address, data=form | {"name": "", "units": "many", "trl_min": "9", "trl_max": "2"})
    assert refused.status_code == 422
    assert "2 things" not in refused.text
    assert "Two things to correct" in words(refused.text)
    assert "many" in refused.text
    assert manager.post(address, data=form | {"trl_min": "9", "trl_max": "2"}).status_code == 422


def test_what_was_found_is_a_table_to_take_away(catalogue: Instance, visitor: FlaskClient, judged: Judged) -> None:
    with catalogue.begin() as uow:
        lab = open_lab(uow, "=Hostile Lab", "skane")
        hostile = ("=cmd()", "+1", "-1", "@SUM(1)", " =x", "'=y", "\uff1dz")
        for name in hostile:
            publish(uow, lab, f"{name} hostile")
    answer = visitor.get("/catalogue/find.csv?q=hostile")
    assert answer.content_type.startswith("text/csv")
    assert "attachment" in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert len(rows) == len(hostile)
    for row in rows:
        assert row["name"].startswith("'")
        assert row["host"].startswith("'=")
        assert row["units"] == "1"
    assert visitor.get("/catalogue/find.csv?page=0").status_code == 422


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("plain", "plain"),
        ("", ""),
        ("-1", "'-1"),
        ("\t=1", "'\t=1"),
        ("\ufeff=1", "'\ufeff=1"),
        ('"=1', "'\"=1"),
        ("a=b", "a=b"),
        ("2-methyl", "2-methyl"),
    ],
)
def test_a_spreadsheet_computes_nothing(cell: str, shown: str) -> None:
    assert harmless(cell) == shown


def test_a_table_that_was_taken_away_can_be_brought_back(catalogue: Instance, judged: Judged) -> None:
    published = [equipment for name, equipment in judged.items() if name != "draft"]
    table = csv_of(published)
    with catalogue.begin() as uow:
        report = commands.import_records(uow, content=table.encode(), dry_run=True)
    assert report.rejected == ()
    assert report.created == len(published)
    assert report.columns_not_read == ()


def test_the_page_of_a_thing_of_no_technique(catalogue: Instance, visitor: FlaskClient) -> None:
    with catalogue.begin() as uow:
        enter_regions(uow)
        made: Equipment = publish(uow, open_lab(uow, "Lab", "skane"), "Thing")
    assert visitor.get(f"/catalogue/equipment/{made.slug}").status_code == 200
