"""The pages: what a browser gets, keeps, and is sent to."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from services.access import queries
from services.access.models import Person
from shared.clock import utc_now
from shared.contracts.catalogue import RegionChanged
from shared.service import Instance
from tests.access.conftest import (
    OTHER_PASSWORD,
    PASSWORD,
    add_person,
    browser,
    own_organisation,
)
from tests.conftest import hear

COOKIES = ("infrashare_session", "infrashare_refresh", "infrashare_signed_in")
FORM = {
    "name": "Eve Example",
    "email": "eve@elk.example",
    "password": PASSWORD,
    "organisation_name": "Elk Works",
    "kind": "company",
    "country": "SE",
    "nuts_code": "SE224",
    "nuts_version": "2021",
}


def set_cookies(answer: TestResponse) -> dict[str, str]:
    return {each.partition("=")[0]: each for each in answer.headers.getlist("Set-Cookie")}


def cookie(client: Any, name: str) -> Any:
    path = "/access" if name == "infrashare_refresh" else "/"
    return client.get_cookie(name, path=path)


# Signing in and out


def test_signing_in_sets_cookies_that_scripts_and_other_sites_cannot_use(access: Instance, ada: Person) -> None:
    answer = browser(access).post("/access/sign-in", data={"email": ada.email, "password": PASSWORD})
    assert (answer.status_code, answer.location) == (303, "/")
    cookies = set_cookies(answer)
    assert set(cookies) == set(COOKIES)
    for name in COOKIES[:2]:
        assert "HttpOnly" in cookies[name]
    assert all("SameSite=Lax" in each and "Secure" not in each for each in cookies.values())
    assert "Path=/access;" in cookies["infrashare_refresh"] + ";"
    assert answer.headers["Cache-Control"] == "no-store"


def test_over_https_the_cookies_are_secure(access: Instance, ada: Person) -> None:
    client = browser(access)
    form = {"email": ada.email, "password": PASSWORD}
    answer = client.post("/access/sign-in", data=form, headers={"X-Forwarded-Proto": "https"})
    assert all("Secure" in each for each in set_cookies(answer).values())


ADDRESSES = (
    ("/booking/mine?state=open&day=1#x", "/booking/mine?state=open&day=1#x"),
    ("", "/"),
    ("https://elsewhere.example/", "/"),
    ("//elsewhere.example/", "/"),
    ("/\\elsewhere.example/", "/"),
    ("\\\\elsewhere.example/", "/"),
    ("/\t/elsewhere.example/", "/"),
    ("/\n/elsewhere.example", "/"),
    ("javascript:alert(1)", "/"),
    ("elsewhere.example", "/"),
    ("/" + "x" * 3000, "/"),
    ("/access/sign-in?next=/access/sign-in", "/"),
    ("/access/refresh", "/"),
    ("/\u202ebooking", "/"),
)


def test_signing_in_leads_to_pages_of_this_site_only(access: Instance, ada: Person) -> None:
    for wanted, goes in ADDRESSES:
        form = {"email": ada.email, "password": PASSWORD, "next": wanted}
        answer = browser(access).post("/access/sign-in", data=form)
        assert (answer.status_code, answer.location) == (303, goes), wanted


def test_a_wrong_password_returns_the_form_with_what_was_typed(access: Instance, ada: Person) -> None:
    form = {"email": ada.email, "password": OTHER_PASSWORD, "next": "/booking/mine"}
    answer = browser(access).post("/access/sign-in", data=form)
    assert answer.status_code == 401
    assert "The address or the password is not right." in answer.text
    assert f'value="{ada.email}"' in answer.text
    assert 'value="/booking/mine"' in answer.text
    assert OTHER_PASSWORD not in answer.text
    assert "<title>Error:" in answer.text
    assert not set_cookies(answer)


def test_an_incomplete_form_says_what_is_missing(access: Instance) -> None:
    client, content_type = browser(access), "application/x-www-form-urlencoded"
    for form in (b"", b"email=x", b"email=%00&password=%00", b"password=%ED%A0%80", b"email=%FF"):
        answer = client.post("/access/sign-in", data=form, content_type=content_type)
        assert answer.status_code == 422, form
        assert "to correct" in answer.text


def test_after_five_failures_the_page_says_to_wait(access: Instance, ada: Person) -> None:
    client = browser(access)
    form = {"email": ada.email, "password": OTHER_PASSWORD}
    for _ in range(5):
        assert client.post("/access/sign-in", data=form).status_code == 401
    answer = client.post("/access/sign-in", data=form | {"password": PASSWORD})
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) <= 30
    assert "Too many attempts" in answer.text


def test_a_form_from_another_site_is_refused(access: Instance, ada: Person) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
        answer = browser(access).post(
            "/access/sign-in", data={"email": ada.email, "password": PASSWORD}, headers=headers
        )
        assert answer.status_code == 403
        assert not set_cookies(answer)


def test_signing_out_ends_the_session_and_forgets_the_cookies(access: Instance, ada: Person) -> None:
    client = browser(access, ada)
    answer = client.post("/access/sign-out")
    assert (answer.status_code, answer.location) == (303, "/")
    assert all(cookie(client, name) is None for name in COOKIES)
    with access.snapshot() as session:
        assert queries.sessions_of(session, ada.id, utc_now()) == []


def test_who_is_signed_in_is_sent_on(access: Instance, ada: Person) -> None:
    client = browser(access, ada)
    assert client.get("/access/sign-in?next=/booking/mine").location == "/booking/mine"
    assert client.get("/access/register").location == "/access/me"


def test_a_short_token_that_ran_out_is_renewed_on_the_way(access: Instance, ada: Person) -> None:
    client = browser(access, ada)
    client.delete_cookie("infrashare_session")
    to_sign_in = client.get("/access/me")
    to_refresh = client.get(to_sign_in.location)
    back = client.get(to_refresh.location)
    assert [each.status_code for each in (to_sign_in, to_refresh, back)] == [303, 303, 303]
    assert to_sign_in.location == "/access/sign-in?next=/access/me"
    assert to_refresh.location == "/access/refresh?next=/access/me"
    assert back.location == "/access/me"
    assert client.get(back.location).status_code == 200


@pytest.mark.parametrize("token", ["", "ifs_nothing", None])
def test_where_the_session_is_over_people_sign_in_and_come_back(access: Instance, token: str | None) -> None:
    client = browser(access)
    if token is not None:
        client.set_cookie("infrashare_refresh", token, path="/access")
        client.set_cookie("infrashare_signed_in", "1")
    answer = client.get("/access/refresh?next=/booking/mine")
    assert (answer.status_code, answer.location) == (303, "/access/sign-in?next=/booking/mine")
    assert all(cookie(client, name) is None for name in COOKIES)
    assert client.get(answer.location).status_code == 200


def test_a_visitor_is_sent_to_sign_in(access: Instance) -> None:
    client = browser(access)
    for page in ("me", "organisation", "people", "organisations"):
        assert client.get(f"/access/{page}").location == f"/access/sign-in?next=/access/{page}"


# Registering


def test_who_registers_is_signed_in_and_led_to_their_organisation(access: Instance) -> None:
    client = browser(access)
    answer = client.post("/access/register", data=FORM)
    assert answer.status_code == 303, answer.text
    page = client.get(answer.location)
    assert page.status_code == 200
    assert "Welcome." in page.text
    assert "<h1>Elk Works</h1>" in page.text
    assert "Not declared yet." in page.text


def test_a_refused_registration_keeps_what_was_typed_but_the_password(access: Instance, ada: Person) -> None:
    wrong = FORM | {"email": "eve", "nuts_code": "SE224X9", "kind": "university", "name": "<b>Eve</b>"}
    answer = browser(access).post("/access/register", data=wrong)
    assert answer.status_code == 422
    assert "Two things to correct" in answer.text
    assert 'href="#f-email"' in answer.text
    assert 'value="&lt;b&gt;Eve&lt;/b&gt;"' in answer.text
    assert re.search(r'value="university"[^>]* checked', answer.text)
    assert re.search(r'value="SE" selected', answer.text)
    assert PASSWORD not in answer.text
    taken = browser(access).post("/access/register", data=FORM | {"email": ada.email})
    assert taken.status_code == 409
    assert "Sign in instead." in taken.text
    weak = browser(access).post("/access/register", data=FORM | {"password": "password1234"})
    assert weak.status_code == 422
    assert "among the first" in weak.text


def test_known_regions_are_proposed(access: Instance) -> None:
    region = RegionChanged(
        sequence=1,
        region_id="vidzeme",
        name="Vidzeme",
        country="LV",
        nuts_codes=("LV008",),
        nuts_version=2021,
        time_zone="Europe/Riga",
    )
    hear(access, region, source="catalogue")
    page = browser(access).get("/access/register").text
    assert '<option value="LV008">Vidzeme</option>' in page
    assert '<input type="hidden" name="nuts_version" value="2021">' in page


# Oneself


def test_people_see_who_they_are_here(access: Instance, ada: Person) -> None:
    page = browser(access, ada).get("/access/me").text
    assert "You book for Owl Works" in page
    assert "You administer Owl Works" in page
    assert "This browser" in page


def test_people_change_their_name_and_see_it_at_once(access: Instance, ada: Person) -> None:
    client = browser(access, ada)
    answer = client.post("/access/me", data={"name": "Ada Newname", "language": "et"})
    page = client.get(client.get(answer.location).location)
    assert "Profile saved." in page.text
    assert 'title="Ada Newname"' in page.text  # what the token says
    refused = client.post("/access/me", data={"name": "x" * 200, "language": "et"})
    assert refused.status_code == 422
    assert "x" * 200 in refused.text


def test_people_change_their_password_and_stay_signed_in_here(access: Instance, ada: Person) -> None:
    here, there = browser(access, ada), browser(access, ada)
    wrong = {"present_password": OTHER_PASSWORD, "password": OTHER_PASSWORD}
    assert here.post("/access/me/password", data=wrong).status_code == 403
    right = wrong | {"present_password": PASSWORD}
    answer = here.post("/access/me/password", data=right)
    assert here.get(here.get(answer.location).location).status_code == 200
    assert there.get("/access/refresh").location == "/access/sign-in"


def test_people_end_another_of_their_sessions(access: Instance, ada: Person) -> None:
    here, there = browser(access, ada), browser(access, ada)
    (address,) = re.findall(r'action="(/access/me/sessions/[^"]+/end)"', here.get("/access/me").text)
    assert here.post(address).location == "/access/me?done=session"
    assert there.get("/access/refresh").location == "/access/sign-in"
    assert here.post(f"/access/me/sessions/{uuid4()}/end").status_code == 404


# An organisation


def test_a_size_is_declared_in_whole_euros(access: Instance, ada: Person) -> None:
    client, owl = browser(access, ada), own_organisation(access, ada)
    form = {"year": str(utc_now().year - 1), "staff": "49", "turnover": "10 000 000", "balance": ""}
    answer = client.post(f"/access/organisation/{owl}/size", data=form)
    assert answer.status_code == 303, answer.text
    page = client.get(answer.location).text
    assert "Declaration taken down." in page
    assert "€10,000,000.00" in page
    assert "Small" in page
    refused = client.post(f"/access/organisation/{owl}/size", data=form | {"turnover": "about 5", "staff": ""})
    assert refused.status_code == 422
    assert 'href="#f-turnover"' in refused.text
    assert 'href="#f-staff"' in refused.text
    assert 'value="about 5"' in refused.text


def test_the_profile_of_an_organisation_is_changed(access: Instance, ada: Person) -> None:
    client, owl = browser(access, ada), own_organisation(access, ada)
    form = {
        "name": "Owl & Sons",
        "country": "LV",
        "nuts_code": "lv008",
        "nuts_version": "2021",
        "nace_code": "",
        "nace_revision": "2.1",
    }
    answer = client.post(f"/access/organisation/{owl}", data=form)
    assert "<h1>Owl &amp; Sons</h1>" in client.get(answer.location).text
    refused = client.post(f"/access/organisation/{owl}", data=form | {"nace_code": "science"})
    assert refused.status_code == 422
    assert 'value="science"' in refused.text


def test_members_are_added_and_removed(access: Instance, ada: Person, ben: Person) -> None:
    client, owl = browser(access, ada), own_organisation(access, ada)
    path = f"/access/organisation/{owl}/members"
    assert client.post(path, data={"email": "nobody@owl.example"}).status_code == 404
    added = client.post(path, data={"email": ben.email, "admin": "1"})
    assert "Ben Sample" in client.get(added.location).text
    removed = client.post(f"{path}/{ben.id}/remove")
    assert "Ben Sample" not in client.get(removed.location).text
    last = client.post(f"{path}/{ada.id}/remove")
    assert last.status_code == 409
    assert "Nobody else administers" in last.text


def test_who_leaves_has_no_organisation_any_more(access: Instance, ada: Person, ben: Person) -> None:
    owl = own_organisation(access, ada)
    browser(access, ada).post(f"/access/organisation/{owl}/members", data={"email": ben.email})
    client = browser(access, ben)
    page = client.get(f"/access/organisation/{owl}").text
    assert "Save profile" not in page
    assert "Add member" not in page
    left = client.post(f"/access/organisation/{owl}/members/{ben.id}/remove")
    after = client.get(client.get(left.location).location)
    assert "You have left the organisation." in after.text
    assert "You act for no organisation yet" in after.text
    assert client.get(f"/access/organisation/{owl}").status_code == 404


def test_a_foreign_organisation_is_not_there(access: Instance, ada: Person, ben: Person) -> None:
    client, owl = browser(access, ben), own_organisation(access, ada)
    assert client.get(f"/access/organisation/{owl}").status_code == 404
    for page in ("", "/size", "/members", f"/members/{ada.id}/remove"):
        form = {"name": "Mine", "year": "2020", "staff": "1", "turnover": "1", "email": ben.email}
        assert client.post(f"/access/organisation/{owl}{page}", data=form).status_code == 404


# Administration


def test_an_administrator_finds_people_and_changes_their_roles(
    access: Instance, root: Person, ada: Person, ben: Person
) -> None:
    client = browser(access, root)
    page = client.get("/access/people?q=ben").text
    assert "Ben Sample" in page
    assert "Ada Example" not in page
    assert client.get("/access/people?q=%00").status_code == 200
    path = f"/access/people/{ben.id}"
    refused = client.post(f"{path}/roles", data={"role": "member", "scope": ""})
    assert refused.status_code == 422
    granted = client.post(f"{path}/roles", data={"role": "administrator", "scope": ""})
    assert "Role granted." in client.get(granted.location).text
    revoked = client.post(f"{path}/roles/revoke", data={"role": "administrator", "scope": ""})
    assert "No role yet" in client.get(revoked.location).text
    out = client.post(f"{path}/deactivate")
    assert "Let in again" in client.get(out.location).text
    back = client.post(f"{path}/activate")
    assert "can sign in again" in client.get(back.location).text
    assert client.post(f"/access/people/{root.id}/deactivate").status_code == 409
    assert "Owl Works" in client.get("/access/organisations?q=owl").text


def test_administration_is_for_administrators(access: Instance, ada: Person, ben: Person) -> None:
    client = browser(access, ada)
    for page in ("people", f"people/{ben.id}", "organisations"):
        assert client.get(f"/access/{page}").status_code == 403
    for page in ("roles", "roles/revoke", "deactivate", "activate"):
        answer = client.post(f"/access/people/{ben.id}/{page}", data={"role": "administrator"})
        assert answer.status_code == 403


def test_what_people_type_is_shown_as_text(access: Instance, root: Person) -> None:
    add_person(access, name="<script>alert(1)</script> {{7*7}}", email="x@person.example")
    page = browser(access, root).get("/access/people").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{7*7}}" in page
