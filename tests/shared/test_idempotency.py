"""The same key again: one effect, and the same answer."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from shared.auth import Actor
from shared.mailbox import KEEP_ANSWERS, Answer, forget_answers
from shared.service import Instance
from tests.conftest import client_for, make_actor, told
from tests.shared.sample.notes import NOTES, Note

Make = Callable[..., Instance]

WRITE = "/notes/api/v1/notes"


@pytest.fixture
def notes(make_instance: Make) -> Instance:
    return make_instance(NOTES)


@pytest.fixture
def writer() -> Actor:
    return make_actor()


@pytest.fixture
def client(notes: Instance, writer: Actor) -> FlaskClient:
    return client_for(notes, writer)


def write(client: FlaskClient, text: str, key: str | None = "key-1", **more: Any) -> TestResponse:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(WRITE, json={"text": text} | more, headers=headers)


def texts(notes: Instance) -> list[str]:
    with notes.snapshot() as session:
        return sorted(session.scalars(sa.select(Note.text)))


def answers(notes: Instance) -> int:
    with notes.snapshot() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(Answer)) or 0


def seen(response: TestResponse) -> tuple[Any, ...]:
    headers = {name: response.headers.get(name) for name in ("Location", "ETag", "Content-Type")}
    return response.status_code, headers, response.data


def test_the_same_key_has_one_effect_and_one_answer(notes: Instance, client: FlaskClient) -> None:
    first, second, third = (write(client, "milk") for _ in range(3))
    assert first.status_code == 201
    assert first.headers["Location"] == f"{WRITE}/{first.get_json()['id']}"
    assert first.headers["ETag"] == '"1"'
    assert seen(first) == seen(second) == seen(third)
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert texts(notes) == ["milk"]
    assert len(told(notes)) == 1


def test_another_body_under_the_same_key_is_refused(notes: Instance, client: FlaskClient) -> None:
    write(client, "milk")
    other = write(client, "bread")
    assert other.status_code == 422
    assert other.get_json()["code"] == "idempotency-key-reused"
    assert texts(notes) == ["milk"]
    assert write(client, "milk").status_code == 201, "the first answer is still there"


def test_another_address_under_the_same_key_is_refused(notes: Instance, client: FlaskClient) -> None:
    written = write(client, "milk")
    changed = client.put(
        written.headers["Location"], json={"text": "milk"}, headers={"Idempotency-Key": "key-1", "If-Match": '"1"'}
    )
    assert changed.get_json()["code"] == "idempotency-key-reused"


def test_changes_and_removals_answer_the_same_as_well(notes: Instance, client: FlaskClient) -> None:
    address = write(client, "milk").headers["Location"]
    change = {"Idempotency-Key": "key-2", "If-Match": '"1"'}
    first, second = (client.put(address, json={"text": "bread"}, headers=change) for _ in range(2))
    assert first.status_code == 200
    assert first.headers["ETag"] == '"2"'
    assert seen(first) == seen(second), "and not: changed meanwhile"
    first, second = (client.delete(address, headers={"Idempotency-Key": "key-3"}) for _ in range(2))
    assert first.status_code == second.status_code == 204, "and not: there is no such note"
    assert second.data == b""


def test_a_refusal_is_kept_and_leaves_nothing_behind(notes: Instance, client: FlaskClient) -> None:
    first, second = write(client, "refuse"), write(client, "refuse")
    assert first.status_code == 409
    assert first.get_json()["held_by"] == "somebody"
    assert seen(first) == seen(second)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert texts(notes) == []
    assert told(notes) == []


def test_a_refusal_that_asks_to_come_back_later_is_not_kept(notes: Instance, client: FlaskClient) -> None:
    first, second = write(client, "too often"), write(client, "too often")
    assert first.status_code == second.status_code == 429
    assert first.headers["Retry-After"] == second.headers["Retry-After"] == "7"
    assert answers(notes) == 0


def test_a_bug_is_not_kept(notes: Instance, client: FlaskClient) -> None:
    assert write(client, "break").status_code == 500
    assert answers(notes) == 0
    assert texts(notes) == []
    assert write(client, "milk").status_code == 201, "the key is free"


def test_what_is_malformed_is_not_kept(notes: Instance, client: FlaskClient) -> None:
    assert write(client, "").status_code == 422
    assert write(client, "milk", unknown=1).status_code == 422
    assert answers(notes) == 0
    assert write(client, "milk").status_code == 201


def test_another_person_has_other_keys(notes: Instance, client: FlaskClient) -> None:
    stranger = client_for(notes, make_actor())
    mine, theirs = write(client, "milk"), write(stranger, "milk")
    assert mine.get_json()["id"] != theirs.get_json()["id"]
    assert write(stranger, "bread", "key-2").status_code == write(client, "jam", "key-2").status_code == 201
    assert texts(notes) == ["bread", "jam", "milk", "milk"]


def test_without_a_key_every_request_counts_and_nothing_is_kept(notes: Instance, client: FlaskClient) -> None:
    write(client, "milk", None)
    write(client, "milk", None)
    assert texts(notes) == ["milk", "milk"]
    assert answers(notes) == 0


def test_nobody_signed_in_leaves_an_answer(notes: Instance) -> None:
    assert write(client_for(notes), "milk").status_code == 401
    assert answers(notes) == 0


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "tab\there", "ümlaut", "two words"])
def test_a_key_that_cannot_be_one_is_refused(notes: Instance, client: FlaskClient, key: str) -> None:
    refused = write(client, "milk", key)
    assert refused.status_code == 422
    assert refused.get_json()["errors"][0]["field"] == "Idempotency-Key"
    assert texts(notes) == []


@pytest.mark.parametrize("key", ["x", "x" * 255, str(uuid4()), '"quoted"'])
def test_a_key_may_be_anything_that_can_be_printed(client: FlaskClient, key: str) -> None:
    assert seen(write(client, "milk", key)) == seen(write(client, "milk", key))


def test_an_answer_that_was_lost_on_the_way_is_given_again(notes: Instance, client: FlaskClient) -> None:
    """As if the process had died between the commit and the answer: the effect and its answer are one."""
    write(client, "milk")
    restarted = client_for(notes)
    restarted.environ_base["HTTP_AUTHORIZATION"] = client.environ_base["HTTP_AUTHORIZATION"]
    again = write(restarted, "milk")
    assert again.status_code == 201
    assert texts(notes) == ["milk"]


def test_an_effect_that_did_not_commit_left_no_answer(notes: Instance, client: FlaskClient) -> None:
    """The process dies before the commit: the key is as new."""

    class Died(BaseException):
        pass

    @sa.event.listens_for(notes.database.engine, "commit")
    def die(connection: sa.Connection) -> None:
        raise Died

    try:
        with pytest.raises(Died):
            write(client, "milk")
    finally:
        sa.event.remove(notes.database.engine, "commit", die)
    notes.database.engine.dispose()
    assert (texts(notes), answers(notes)) == ([], 0)
    assert write(client, "milk").status_code == 201


def test_two_at_once_have_one_effect(notes: Instance, writer: Actor) -> None:
    together = threading.Barrier(6)
    responses: list[TestResponse] = []

    def ask() -> None:
        client = client_for(notes, writer)
        together.wait()
        responses.append(write(client, "milk"))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({response.data for response in responses}) == 1
    assert [response.status_code for response in responses] == [201] * 6
    assert sum("Idempotency-Replayed" not in response.headers for response in responses) == 1
    assert texts(notes) == ["milk"]


def test_two_different_requests_at_once_under_one_key(notes: Instance, writer: Actor) -> None:
    together = threading.Barrier(2)
    statuses: list[int] = []

    def ask(text: str) -> None:
        client = client_for(notes, writer)
        together.wait()
        statuses.append(write(client, text).status_code)

    threads = [threading.Thread(target=ask, args=(text,)) for text in ("milk", "bread")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201, 422]
    assert len(texts(notes)) == 1


def test_uploads(notes: Instance, client: FlaskClient) -> None:
    def upload(content: bytes, key: str) -> TestResponse:
        # parted by another boundary each time, as every client does
        return client.post(
            f"{WRITE}/uploads",
            data={"file": (io.BytesIO(content), "list.csv")},
            headers={"Idempotency-Key": key},
        )

    content = b"x" * 150_000
    first, second = upload(content, "key-1"), upload(content, "key-1")
    assert first.status_code == 201, first.data
    assert first.get_json() == {"bytes": 150_000}
    assert seen(first) == seen(second)
    assert texts(notes) == ["150000 bytes"]
    assert upload(b"y" * 150_000, "key-1").get_json()["code"] == "idempotency-key-reused"
    assert upload(b"x" * 210_000, "key-2").status_code == 413


def test_answers_are_forgotten_after_a_while(notes: Instance, client: FlaskClient) -> None:
    write(client, "milk")
    with notes.begin() as uow:
        forget_answers(uow.session, now=uow.now + KEEP_ANSWERS / 2)
    assert answers(notes) == 1
    with notes.begin() as uow:
        forget_answers(uow.session, now=uow.now + KEEP_ANSWERS * 1.01)
    assert answers(notes) == 0
