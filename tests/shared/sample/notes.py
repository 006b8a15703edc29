"""A service with one kind of thing, notes, for what is the same in the web side of all services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from flask import Blueprint as Pages
from flask import g, request
from marshmallow import Schema, ValidationError, fields
from sqlalchemy.orm import Mapped, mapped_column

from shared.errors import Conflict, DomainError, Fault, NotFound, TooMany
from shared.events import Event, event
from shared.fields import Text
from shared.service import Service
from shared.web.api import Blueprint, etag, located, must_match
from shared.web.app import current_actor, snapshot, work
from shared.web.auth import require_login
from shared.web.pages import form_errors, redirect_to, render
from shared.web.paging import PageQuery, decode_cursor, encode_cursor, page_schema
from tests.shared.sample import Base


@event("notes.written.v1")
@dataclass(frozen=True, kw_only=True)
class Written(Event):
    """A note was written or changed."""

    note_id: UUID
    text: str

    @property
    def subject(self) -> str:
        return str(self.note_id)


class Note(Base, kw_only=True):
    __tablename__ = "note"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    writer: Mapped[UUID]
    text: Mapped[str]
    sequence: Mapped[int]


class NoteSchema(Schema):
    id = fields.UUID(required=True)
    text = fields.String(required=True)


class WriteSchema(Schema):
    text = Text(1, 200, required=True)


class CountSchema(Schema):
    bytes = fields.Integer(required=True)


class UploadSchema(Schema):
    file = fields.Raw(required=True, metadata={"type": "string", "format": "binary"})


api = Blueprint("api", __name__, url_prefix="/api/v1/notes", description="Notes")
open_api = Blueprint("open", __name__, url_prefix="/api/v1", description="Open to all")
pages = Pages("pages", __name__, template_folder="templates")
own_pages = Pages("own", __name__)
api.before_request(require_login)
own_pages.before_request(require_login)


@api.get("")
@api.takes(PageQuery, location="query")
@api.gives(page_schema(NoteSchema))
def list_notes(wanted: dict[str, Any]) -> dict[str, Any]:
    """Find the notes of whoever asks"""
    after = UUID(decode_cursor(wanted["cursor"], 1)[0]) if wanted["cursor"] else UUID(int=0)
    with snapshot() as session:
        notes = session.scalars(
            sa.select(Note)
            .where(Note.writer == current_actor().id, Note.id > after)
            .order_by(Note.id)
            .limit(wanted["limit"] + 1)
        ).all()
    shown = notes[: wanted["limit"]]
    return {"items": shown, "next": encode_cursor(shown[-1].id) if len(notes) > len(shown) else None}


@api.post("")
@api.takes(WriteSchema)
@api.gives(NoteSchema, 201)
def write(written: dict[str, Any]) -> Note:
    """Write a note; some texts are refused, and one is a bug"""
    with work() as uow:
        note = Note(id=uuid4(), writer=uow.actor.id, text=written["text"], sequence=1)
        uow.session.add(note)
        uow.session.flush()
        uow.emit(Written(note_id=note.id, text=note.text, sequence=1))
        match note.text:
            case "refuse":
                fault = Fault("bad-word", "This word is taken.", "text", {"longest": 3})
                raise Conflict("There is such a note.", faults=[fault], held_by="somebody")
            case "too often":
                raise TooMany("Wait a little.", retry_after=7)
            case "break":
                raise RuntimeError("the secret is 42")
    located(f"/notes/api/v1/notes/{note.id}")
    etag(note.sequence)
    return note


@api.get("/<uuid:note_id>")
@api.gives(NoteSchema)
def show(note_id: UUID) -> Note:
    """Read a note"""
    with snapshot() as session:
        note = _own(session, note_id)
    etag(note.sequence)
    return note


@api.put("/<uuid:note_id>")
@api.takes(WriteSchema)
@api.gives(NoteSchema)
def change(written: dict[str, Any], note_id: UUID) -> Note:
    """Change a note"""
    with work() as uow:
        note = _own(uow.session, note_id, lock=True)
        must_match(note.sequence)
        note.text, note.sequence = written["text"], note.sequence + 1
        uow.emit(Written(note_id=note.id, text=note.text, sequence=note.sequence))
    etag(note.sequence)
    return note


@api.delete("/<uuid:note_id>")
@api.gives_nothing()
def remove(note_id: UUID) -> None:
    """Throw a note away"""
    with work() as uow:
        uow.session.delete(_own(uow.session, note_id, lock=True))


@api.post("/uploads", largest_body=200_000)
@api.takes(UploadSchema, location="files")
@api.gives(CountSchema, 201)
def upload(sent: dict[str, Any]) -> dict[str, int]:
    """Count the bytes of a file, and write that down as a note"""
    size = len(sent["file"].read())
    with work() as uow:
        uow.session.add(Note(id=uuid4(), writer=uow.actor.id, text=f"{size} bytes", sequence=1))
    return {"bytes": size}


@api.post("/imports", largest_body=200_000, once=False)
@api.gives(CountSchema)
def take_large() -> dict[str, int]:
    """Count the bytes of a large JSON body"""
    return {"bytes": len(request.get_data())}


@open_api.get("/hello")
@open_api.gives(CountSchema)
def hello() -> dict[str, int]:
    """Greet anybody"""
    return {"bytes": 5}


def _own(session: Any, note_id: UUID, *, lock: bool = False) -> Note:
    wanted = sa.select(Note).where(Note.id == note_id, Note.writer == g.actor.id)
    note: Note | None = session.scalar(wanted.with_for_update() if lock else wanted)
    if note is None:
        raise NotFound("There is no such note.")
    return note


@pages.get("/")
def front() -> str:
    return render("sample/page.html", errors=[])


@pages.get("/broken")
def broken() -> str:
    raise RuntimeError("the secret is 42")


@pages.post("/write")
def write_by_form() -> Any:
    current_actor().must_be_signed_in()
    try:
        written = WriteSchema().load(request.form.to_dict())
        with work() as uow:
            uow.session.add(Note(id=uuid4(), writer=uow.actor.id, text=written["text"], sequence=1))
    except (ValidationError, DomainError) as error:
        errors, status = form_errors(error)
        return render("sample/page.html", errors=errors), status
    return redirect_to("/notes/")


@own_pages.get("/mine")
def mine() -> str:
    return render("sample/page.html", errors=[])


NOTES = Service(
    name="notes",
    mount="/notes",
    title="Notes",
    import_name="tests.shared.sample",
    metadata=Base.metadata,
    blueprints=(api, open_api, pages, own_pages),
)
