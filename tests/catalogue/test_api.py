"""The JSON API: shapes, refusals, versions."""

from __future__ import annotations

import io
import json
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from services.catalogue import commands
from shared.service import Instance
from tests.catalogue.conftest import Judged
from tests.conftest import client_for, make_actor

API = "/catalogue/api/v1"


def body(answer: Any) -> Any:
    """What an answer says."""
    return answer.json


@pytest.fixture
def visitor(catalogue: Instance) -> FlaskClient:
    return client_for(catalogue)


@pytest.fixture
def administrator(catalogue: Instance) -> FlaskClient:
    return client_for(catalogue, make_actor("administrator"))


def test_a_visitor_searches(visitor: FlaskClient, judged: Judged) -> None:
    answer = visitor.get(f"{API}/equipment?q=x-ray&region=skane&limit=1")
    assert answer.status_code == 200
    found = body(answer)
    assert found["total"] == 1
    assert found["next"] is None
    assert found["loosened"] is False
    (item,) = found["items"]
    assert item["id"] == str(judged["large-ct"].id)
    assert item["name"] == "X-ray scanner for large parts"
    assert item["facility"]["name"] == "Invented Materials Lab"
    assert (item["region"], item["region_name"], item["kind"]) == ("skane", "Skåne", "imaging-system")
    assert [technique["code"] for technique in item["techniques"]] == ["x-ray-ct", "metrology-3d"]
    assert set(found["facets"]) == {"region", "technique", "kind", "access_type", "access_mode", "facility"}
    assert {value["value"]: value["count"] for value in found["facets"]["region"]} == {"skane": 1, "south-moravia": 1}


def test_parameters_may_be_repeated_and_facilities_named_by_id(visitor: FlaskClient, judged: Judged) -> None:
    both = body(visitor.get(f"{API}/equipment?technique=sem&technique=lc-ms"))
    assert both["total"] == 2
    facility_id = judged["sem"].facility_id
    by_id = body(visitor.get(f"{API}/equipment?facility={facility_id}"))
    by_slug = body(visitor.get(f"{API}/equipment?facility=imaginary-tomography-lab"))
    assert by_id["total"] == by_slug["total"] == 3


def test_pages_are_followed_by_cursor(visitor: FlaskClient, judged: Judged) -> None:
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = body(visitor.get(f"{API}/equipment?limit=3" + (f"&cursor={cursor}" if cursor else "")))
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert len(set(seen)) == len(seen) == 8
    seen, cursor = [], ""
    while cursor is not None:
        page = body(visitor.get(f"{API}/facilities?limit=1" + (f"&cursor={cursor}" if cursor else "")))
        seen += [item["name"] for item in page["items"]]
        cursor = page["next"]
    assert seen == ["Imaginary Tomography Lab", "Invented Materials Lab", "Made-up Food Pilot"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=201", "limit=9999999999999999999999", "limit=a", "cursor=nonsense", "cursor=WzFd%00",
        "cursor=WyItMSJd", "cursor=Wy0xXQ", "cursor=WzFlOTld", "cursor=W251bGxd", "cursor=W3RydWVd",
        "region=No%20Slug", "q=%00", "q=" + "x" * 301, "kind=%F0%9F%92%A5", "technique=" + "a" * 81,
        "&".join(f"region=r{i}" for i in range(21)),
    ],
)  # fmt: skip
def test_what_cannot_be_a_search_is_refused(visitor: FlaskClient, judged: Judged, query: str) -> None:
    answer = visitor.get(f"{API}/equipment?{query}")
    assert answer.status_code == 422, answer.text
    assert answer.content_type == "application/problem+json"
    assert body(answer)["errors"]


def test_a_record_by_id_and_by_slug(visitor: FlaskClient, judged: Judged) -> None:
    by_id = visitor.get(f"{API}/equipment/{judged['sem'].id}")
    by_slug = visitor.get(f"{API}/equipment/{judged['sem'].slug}")
    assert by_id.json == by_slug.json
    assert by_id.headers["ETag"] == '"1"'
    for missing in ("nothing", str(uuid4()), "%00", "x" * 5000):
        answer = visitor.get(f"{API}/equipment/{missing}")
        assert (answer.status_code, body(answer)["code"]) == (404, "no-such-equipment")


def test_records_are_given_as_linked_data(visitor: FlaskClient, judged: Judged) -> None:
    linked = {"Accept": "application/ld+json"}
    answer = visitor.get(f"{API}/equipment/{judged['nano-ct'].id}", headers=linked)
    assert answer.content_type == "application/ld+json"
    node = json.loads(answer.text)
    assert node["@context"] == "https://schema.org"
    assert node["@id"] == "https://infrashare.example/catalogue/equipment/nano-ct-3d-x-ray-microscope"
    assert node["@type"] == ["IndividualProduct", "Service"]
    assert node["provider"]["@type"] == "ResearchOrganization"
    assert node["provider"]["address"]["addressCountry"] == "CZ"
    assert node["category"] == ["X-ray tomography"]
    facility = json.loads(visitor.get(f"{API}/facilities/{judged['sem'].facility_id}", headers=linked).text)
    assert facility["parentOrganization"]["name"] == "Imaginary Tomography Lab Foundation"
    region = json.loads(visitor.get(f"{API}/regions/skane", headers=linked).text)
    assert region["@type"] == "AdministrativeArea"
    assert region["identifier"] == ["SE224"]


def test_regions_and_what_they_have(visitor: FlaskClient, judged: Judged) -> None:
    regions = body(visitor.get(f"{API}/regions"))["items"]
    assert [region["id"] for region in regions] == ["skane", "south-moravia"]
    assert regions[0]["nuts"] == [{"code": "SE224", "level": 3, "version": 2021}]
    profile = body(visitor.get(f"{API}/regions/skane/profile"))
    assert (profile["facilities"], profile["equipment"]) == (2, 5)
    assert [value["value"] for value in profile["common"]] == ["x-ray-ct"]
    assert visitor.get(f"{API}/regions/atlantis/profile").status_code == 404
    assert any(each["code"] == "sem" for each in body(visitor.get(f"{API}/techniques"))["items"])


def test_a_draft_is_there_for_its_managers_only(catalogue: Instance, visitor: FlaskClient, judged: Judged) -> None:
    address = f"{API}/equipment/{judged['draft'].id}"
    manager = client_for(catalogue, make_actor(f"facility_manager@{judged['draft'].facility_id}"))
    stranger = client_for(catalogue, make_actor(f"facility_manager@{judged['sem'].facility_id}"))
    assert manager.get(address).status_code == 200
    assert visitor.get(address).status_code == stranger.get(address).status_code == 404
    assert stranger.put(address, json={"units": 2}, headers={"If-Match": "*"}).status_code == 404


def test_a_manager_publishes_changes_and_withdraws(catalogue: Instance, judged: Judged) -> None:
    facility_id = judged["sem"].facility_id
    manager = client_for(catalogue, make_actor(f"facility_manager@{facility_id}"))
    wanted = {"facility_id": str(facility_id), "name": "Polisher", "techniques": ["sample-preparation"], "units": 2}
    made = manager.post(f"{API}/equipment", json=wanted)
    assert made.status_code == 201, made.text
    address = made.headers["Location"]
    assert manager.get(address).json == made.json
    changed = manager.put(address, json={"units": 3}, headers={"If-Match": made.headers["ETag"]})
    assert (changed.status_code, body(changed)["units"], changed.headers["ETag"]) == (200, 3, '"2"')
    assert body(changed)["name"] == "Polisher"
    stale = manager.put(address, json={"units": 4}, headers={"If-Match": '"1"'})
    assert (stale.status_code, body(stale)["code"]) == (412, "changed-meanwhile")
    assert manager.put(address, json={"units": 4}).status_code in (422, 428)
    withdrawn = manager.post(f"{address}/withdraw")
    assert (withdrawn.status_code, body(withdrawn)["state"]) == (200, "withdrawn")
    assert body(manager.get(f"{API}/equipment?q=polisher"))["total"] == 0


def test_a_repeated_post_with_one_key_publishes_once(administrator: FlaskClient, judged: Judged) -> None:
    wanted = {"facility_id": str(judged["sem"].facility_id), "name": "Saw"}
    key = {"Idempotency-Key": "publish-a-saw"}
    first = administrator.post(f"{API}/equipment", json=wanted, headers=key)
    again = administrator.post(f"{API}/equipment", json=wanted, headers=key)
    assert first.status_code == again.status_code == 201
    assert first.json == again.json
    assert body(administrator.get(f"{API}/equipment?q=saw"))["total"] == 1


def test_every_fault_of_a_new_record_is_named(administrator: FlaskClient, judged: Judged) -> None:
    wanted = {
        "facility_id": str(judged["sem"].facility_id),
        "name": "X",
        "techniques": ["alchemy"],
        "trl_min": 9,
        "trl_max": 1,
    }
    answer = administrator.post(f"{API}/equipment", json=wanted)
    assert answer.status_code == 422
    assert {error["code"] for error in body(answer)["errors"]} == {"no-such-technique", "trl-upside-down"}


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""}, {"name": "a\u0000b"}, {"name": "\ud800"}, {"name": 5}, {"units": 2**70}, {"units": "1.5"},
        {"units": True}, {"kind": "spaceship"}, {"surprise": 1}, {"trl_min": 0}, {"commissioned_on": "0001-01-01"},
        {"commissioned_on": "9999-12-31"}, {"commissioned_on": "tomorrow"}, {"website": "javascript:alert(1)"},
        {"keywords": ["x" * 121]}, {"techniques": ["Not A Slug"]}, {"access_types": ["by-pigeon"]}, [], "text", None,
    ],
)  # fmt: skip
def test_bad_changes_are_refused_and_nothing_is_kept(administrator: FlaskClient, judged: Judged, change: Any) -> None:
    address = f"{API}/equipment/{judged['sem'].id}"
    before = body(administrator.get(address))
    answer = administrator.put(
        address, data=json.dumps(change), content_type="application/json", headers={"If-Match": "*"}
    )
    assert answer.status_code in (400, 422), answer.text
    assert answer.content_type == "application/problem+json"
    assert administrator.get(address).json == before


def test_places_are_entered_and_changed_by_administrators(administrator: FlaskClient, visitor: FlaskClient) -> None:
    region = {"id": "vidzeme", "name": "Vidzeme", "country": "LV", "nuts_codes": ["LV008"], "time_zone": "Europe/Riga"}
    made = administrator.post(f"{API}/regions", json=region)
    assert (made.status_code, made.headers["Location"]) == (201, f"{API}/regions/vidzeme")
    assert administrator.post(f"{API}/regions", json=region).status_code == 409
    host = body(administrator.post(f"{API}/hosts", json={"name": "Made-up Institute"}))
    lab = {
        "name": "Made-up Wood Lab",
        "host_id": host["id"],
        "region_id": "vidzeme",
        "latitude": 57.5,
        "longitude": 25.4,
    }
    opened = administrator.post(f"{API}/facilities", json=lab)
    assert (opened.status_code, body(opened)["time_zone"]) == (201, "Europe/Riga")
    address = opened.headers["Location"]
    changed = administrator.put(address, json={"town": "Cēsis"}, headers={"If-Match": opened.headers["ETag"]})
    assert (changed.status_code, body(changed)["town"]) == (200, "Cēsis")
    renamed = administrator.put(f"{API}/regions/vidzeme", json={"summary": "Timber."}, headers={"If-Match": '"1"'})
    assert (renamed.status_code, body(renamed)["summary"]) == (200, "Timber.")
    assert visitor.post(f"{API}/regions", json=region).status_code == 401
    assert visitor.put(address, json={"town": "X"}, headers={"If-Match": "*"}).status_code == 401
    for refused in ({"name": "X", "host_id": str(uuid4()), "region_id": "vidzeme"},):
        assert administrator.post(f"{API}/facilities", json=refused).status_code == 404


def upload(client: FlaskClient, content: bytes, sent_mapping: bytes = b"", **fields: Any) -> Any:
    data: dict[str, Any] = {"file": FileStorage(io.BytesIO(content), "list.csv"), **fields}
    if sent_mapping:
        data["mapping"] = FileStorage(io.BytesIO(sent_mapping), "mapping.toml")
    boundary, content_sent = encode_multipart(data)  # in memory: the client's own way leaves a file open
    return client.post(f"{API}/imports", data=content_sent, content_type=f"multipart/form-data; boundary={boundary}")


def test_a_file_is_taken_in(administrator: FlaskClient, visitor: FlaskClient, judged: Judged) -> None:
    content = b"id,name,units\n1,Mill,2\n2,,1\n3,Lathe,none\n"
    dry = upload(administrator, content, facility="made-up-food-pilot", dry_run="true")
    assert (dry.status_code, body(dry)["created"], body(dry)["dry_run"]) == (200, 1, True)
    assert body(visitor.get(f"{API}/equipment?q=mill"))["total"] == 0
    real = upload(administrator, content, facility="made-up-food-pilot", format="infrashare-csv")
    assert real.status_code == 200, real.text
    assert (body(real)["created"], body(real)["updated"], body(real)["unchanged"]) == (1, 0, 0)
    assert [(bad["row"], bad["code"]) for bad in body(real)["rejected"]] == [(3, "name-missing"), (4, "not-a-number")]
    assert body(visitor.get(f"{API}/equipment?q=mill"))["total"] == 1
    again = upload(administrator, content, facility=str(judged["dryer"].facility_id))
    assert (body(again)["created"], body(again)["unchanged"]) == (0, 1)
    kept = administrator.get(real.headers["Location"])
    assert (kept.status_code, body(kept)["created"], body(kept)["file_name"]) == (200, 1, "list.csv")
    assert visitor.get(real.headers["Location"]).status_code == 401


def test_a_mapping_is_sent_beside_the_file(administrator: FlaskClient, judged: Judged) -> None:
    mapping = b'source = "foreign"\n[fields]\nid = "nr"\nname = "titel"\n'
    answer = upload(administrator, "nr;titel\n1;Säge\n".encode("cp1252"), mapping, facility="made-up-food-pilot")
    assert (answer.status_code, body(answer)["created"], body(answer)["encoding"]) == (200, 1, "windows-1252")
    bad = upload(administrator, b"a\n1\n", b"not [ toml", facility="made-up-food-pilot")
    assert (bad.status_code, body(bad)["code"]) == (422, "mapping-broken")


@pytest.mark.parametrize(
    ("content", "fields", "code"),
    [
        (b"", {}, "file-refused"),
        (b"PK\x03\x04", {}, "file-refused"),
        (b"name,name\n1,2\n", {}, "file-refused"),
        (b"x" * (5 * 1024 * 1024 + 1), {}, "file-refused"),
        (b"name\nA\n", {"format": "xlsx"}, "malformed"),
        (b"name\nA\n", {"dry_run": "perhaps"}, "malformed"),
        (b"name\nA\n", {"surprise": "1"}, "malformed"),
        (b"Type,Name,Contact Email\n", {"format": "uniquip"}, "file-refused"),
    ],
)
def test_files_that_cannot_be_taken_in_are_refused(
    administrator: FlaskClient, judged: Judged, content: bytes, fields: dict[str, Any], code: str
) -> None:
    answer = upload(administrator, content, **fields)
    assert (answer.status_code, body(answer)["code"]) == (422, code), answer.text


def test_an_upload_needs_a_file_and_a_role(
    catalogue: Instance, administrator: FlaskClient, visitor: FlaskClient, judged: Judged
) -> None:
    assert administrator.post(f"{API}/imports", data={}).status_code == 422
    assert administrator.post(f"{API}/imports", json={}).status_code == 422
    too_large = upload(administrator, b"x" * 7_000_000)
    assert too_large.status_code == 413
    assert upload(visitor, b"name\nA\n").status_code == 401
    member = client_for(catalogue, make_actor(f"member@{uuid4()}"))
    assert upload(member, b"name\nA\n").status_code == 403
    manager = client_for(catalogue, make_actor(f"facility_manager@{judged['sem'].facility_id}"))
    assert upload(manager, b"name\nA\n", facility="made-up-food-pilot").status_code == 403
    assert upload(manager, b"name\nA\n", facility="imaginary-tomography-lab").status_code == 200


def test_the_document_of_the_api_names_the_calls(visitor: FlaskClient) -> None:
    document = body(visitor.get("/catalogue/api/openapi.json"))
    for path in ("equipment", "equipment/{key}", "facilities", "regions/{region_id}/profile", "imports"):
        assert f"{API}/{path}" in document["paths"]


def test_a_change_by_command_is_seen_by_the_api(catalogue: Instance, visitor: FlaskClient, judged: Judged) -> None:
    with catalogue.begin() as uow:
        commands.change_equipment(uow, judged["sem"].id, {"name": "New name"})
    assert body(visitor.get(f"{API}/equipment/{judged['sem'].id}"))["name"] == "New name"


def test_a_plain_field_is_no_file(administrator: FlaskClient, judged: Judged) -> None:
    boundary, content_sent = encode_multipart({"file": "name\nA\n", "facility": "made-up-food-pilot"})
    answer = administrator.post(
        f"{API}/imports", data=content_sent, content_type=f"multipart/form-data; boundary={boundary}"
    )
    assert (answer.status_code, body(answer)["errors"][0]["code"]) == (422, "not-a-file")
