"""The JSON API of the catalogue."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from flask import Response, current_app, request
from marshmallow import ValidationError, pre_load
from werkzeug.datastructures import FileStorage

from services.catalogue import commands, queries, schemas
from services.catalogue.domain.imports import ImportReport
from services.catalogue.domain.records import EquipmentState, NoSuchEquipment, NoSuchImport
from services.catalogue.domain.search import FACETS, LARGEST_OFFSET, SearchRequest
from services.catalogue.models import Equipment, Facility, Host, Import, Region
from services.catalogue.schemas import linked
from shared.errors import Fault, Invalid
from shared.web.api import Blueprint, etag, located, must_match
from shared.web.app import current_actor, snapshot, work
from shared.web.auth import require_login
from shared.web.paging import Page, decode_cursor, encode_cursor

PREFIX = "/api/v1"
LARGEST_UPLOAD = 6 * 1024 * 1024  # bytes: the largest file that is read, its mapping, and what is around them
LINKED = "application/ld+json"
COMMON_RULE = (
    "A technique is common when at least two regions have equipment for it, and specific when one has. "
    "Regions that stand for whole countries are not compared."
)

reading = Blueprint("records", __name__, url_prefix=PREFIX, description="Read and search the catalogue.")
changing = Blueprint("changes", __name__, url_prefix=PREFIX, description="Change the catalogue.")
changing.before_request(require_login)
imports = Blueprint("imports", __name__, url_prefix=PREFIX, description="Take in files.")
imports.before_request(require_login)

BLUEPRINTS = (reading, changing, imports)


def _linked(node: dict[str, Any]) -> Response:
    return Response(json.dumps(node, ensure_ascii=False), mimetype=LINKED, headers={"Vary": "Accept"})


def _wants_linked() -> bool:
    return request.accept_mimetypes.best_match(("application/json", LINKED)) == LINKED


def _base() -> str:
    address: str = current_app.extensions["instance"].config.public_url
    return address.rstrip("/")


def offset_of(cursor: str | None) -> int:
    """Where a page of search results begins. Raises `Invalid` for a cursor of somebody else's making."""
    if cursor is None:
        return 0
    (offset,) = decode_cursor(cursor, 1)
    if not (isinstance(offset, int) and not isinstance(offset, bool) and 0 <= offset <= LARGEST_OFFSET):
        fault = Fault("bad-cursor", "Take the cursor from the answer before, unchanged.", "cursor")
        raise Invalid("This cursor does not fit.", faults=[fault])
    return offset


# ---------------------------------------------------------------- reading


@reading.get("/equipment")
@reading.takes(schemas.EquipmentQuerySchema, location="query")
@reading.gives(schemas.EquipmentPageSchema)
def search(wanted: dict[str, Any]) -> dict[str, Any]:
    """Search published equipment, with the counts to narrow it down by"""
    with snapshot() as session:
        chosen = {facet: tuple(wanted[facet]) for facet in FACETS}
        chosen["facility"] = queries.as_facility_slugs(session, chosen["facility"])
        asked = SearchRequest(q=wanted["q"], filters=chosen, limit=wanted["limit"], offset=offset_of(wanted["cursor"]))
        found = queries.search(session, asked)
    return {
        "items": found.items,
        "facets": found.facets,
        "total": found.total,
        "next": None if found.next_offset is None else encode_cursor(found.next_offset),
        "loosened": found.loosened,
    }


@reading.get("/equipment/<string:key>")
@reading.gives(schemas.EquipmentSchema)
def equipment(key: str) -> Equipment | Response:
    """One piece of equipment, by id or slug; as linked data with `Accept: application/ld+json`"""
    with snapshot() as session:
        found = queries.equipment(session, key)
    if found.state is EquipmentState.DRAFT and not current_actor().manages(found.facility_id):
        raise NoSuchEquipment("There is no such equipment.")
    etag(found.sequence)
    return _linked(linked.linked_equipment(found, _base())) if _wants_linked() else found


@reading.get("/facilities")
@reading.takes(schemas.FacilityQuerySchema, location="query")
@reading.gives(schemas.FacilityPageSchema)
def facilities(wanted: dict[str, Any]) -> Page[Facility]:
    """Open facilities, by name"""
    after = None
    if wanted["cursor"] is not None:
        name, last = decode_cursor(wanted["cursor"], 2)
        try:
            after = (str(name), UUID(str(last)))
        except ValueError:
            fault = Fault("bad-cursor", "Take the cursor from the answer before, unchanged.", "cursor")
            raise Invalid("This cursor does not fit.", faults=[fault]) from None
    limit = wanted["limit"]
    with snapshot() as session:
        found = queries.facilities(session, region_id=wanted["region"], after=after, limit=limit + 1)
    page = list(found[:limit])
    more = len(found) > limit
    return Page(page, encode_cursor(page[-1].name_key, page[-1].id) if more else None)


@reading.get("/facilities/<string:key>")
@reading.gives(schemas.FacilitySchema)
def facility(key: str) -> Facility | Response:
    """One facility, by id or slug; as linked data with `Accept: application/ld+json`"""
    with snapshot() as session:
        found = queries.facility(session, key)
    etag(found.sequence)
    return _linked(linked.linked_facility(found, _base())) if _wants_linked() else found


@reading.get("/regions")
@reading.gives(schemas.RegionsSchema)
def regions() -> dict[str, Any]:
    """All regions; those that stand for whole countries last"""
    with snapshot() as session:
        return {"items": queries.regions(session)}


@reading.get("/regions/<string:region_id>")
@reading.gives(schemas.RegionSchema)
def region(region_id: str) -> Region | Response:
    """One region; as linked data with `Accept: application/ld+json`"""
    with snapshot() as session:
        found = queries.region(session, region_id)
    etag(found.sequence)
    return _linked(linked.linked_region(found, _base())) if _wants_linked() else found


@reading.get("/regions/<string:region_id>/profile")
@reading.gives(schemas.ProfileSchema)
def profile(region_id: str) -> dict[str, Any]:
    """What a region has, and what it shares with others"""
    with snapshot() as session:
        found = queries.profile(session, region_id)
    techniques = [
        {"value": value.value, "label": value.label, "count": value.count, "regions": count}
        for value, count in found.by_technique
    ]
    return {
        "region": found.region,
        "facilities": found.facilities,
        "equipment": found.equipment,
        "by_kind": found.by_kind,
        "by_technique": techniques,
        "by_access_type": found.by_access_type,
        "by_access_mode": found.by_access_mode,
        "common": found.common,
        "specific": found.specific,
        "compared_with": found.compared_with,
        "rule": COMMON_RULE,
    }


@reading.get("/techniques")
@reading.gives(schemas.TechniquesSchema)
def techniques() -> dict[str, Any]:
    """The vocabulary of techniques"""
    with snapshot() as session:
        return {"items": queries.techniques(session)}


# ---------------------------------------------------------------- changing


@changing.post("/equipment")
@changing.takes(schemas.NewEquipmentSchema)
@changing.gives(schemas.EquipmentSchema, 201)
def publish_equipment(wanted: dict[str, Any]) -> Equipment:
    """Add a piece of equipment to a facility"""
    with work() as uow:
        made = commands.publish_equipment(uow, **wanted)
    located(f"/catalogue{PREFIX}/equipment/{made.id}")
    etag(made.sequence)
    return made


@changing.put("/equipment/<string:key>")
@changing.takes(schemas.EquipmentChangeSchema)
@changing.gives(schemas.EquipmentSchema)
def change_equipment(changes: dict[str, Any], key: str) -> Equipment:
    """Change a piece of equipment; imports will then leave the changed fields alone"""
    with work() as uow:
        present = queries.equipment_for_update(uow.session, key)
        if not uow.actor.manages(present.facility_id) and present.state is EquipmentState.DRAFT:
            raise NoSuchEquipment("There is no such equipment.")
        uow.actor.must_manage(present.facility_id)
        must_match(present.sequence)
        changed = commands.change_equipment(uow, present.id, changes)
    etag(changed.sequence)
    return changed


@changing.post("/equipment/<uuid:equipment_id>/withdraw")
@changing.gives(schemas.EquipmentSchema)
def withdraw_equipment(equipment_id: UUID) -> Equipment:
    """Take a piece of equipment out of the catalogue; its page stays"""
    with work() as uow:
        withdrawn = commands.withdraw_equipment(uow, equipment_id)
    etag(withdrawn.sequence)
    return withdrawn


@changing.post("/facilities")
@changing.takes(schemas.NewFacilitySchema)
@changing.gives(schemas.FacilitySchema, 201)
def open_facility(wanted: dict[str, Any]) -> Facility:
    """Add a facility"""
    with work() as uow:
        made = commands.open_facility(uow, **wanted)
    located(f"/catalogue{PREFIX}/facilities/{made.id}")
    etag(made.sequence)
    return made


@changing.put("/facilities/<string:key>")
@changing.takes(schemas.FacilityChangeSchema)
@changing.gives(schemas.FacilitySchema)
def change_facility(changes: dict[str, Any], key: str) -> Facility:
    """Change a facility"""
    with work() as uow:
        queries.lock_names(uow.session)  # first, as the command does
        present = queries.facility_for_update(uow.session, key)
        uow.actor.must_manage(present.id)
        must_match(present.sequence)
        changed = commands.change_facility(uow, present.id, changes)
    etag(changed.sequence)
    return changed


@changing.post("/hosts")
@changing.takes(schemas.NewHostSchema)
@changing.gives(schemas.HostSchema, 201)
def register_host(wanted: dict[str, Any]) -> Host:
    """Register an organisation that owns facilities"""
    with work() as uow:
        return commands.register_host(uow, **wanted)


@changing.post("/regions")
@changing.takes(schemas.NewRegionSchema)
@changing.gives(schemas.RegionSchema, 201)
def enter_region(wanted: dict[str, Any]) -> Region:
    """Add a region"""
    with work() as uow:
        made = commands.enter_region(uow, **wanted)
    located(f"/catalogue{PREFIX}/regions/{made.id}")
    etag(made.sequence)
    return made


@changing.put("/regions/<string:region_id>")
@changing.takes(schemas.RegionChangeSchema)
@changing.gives(schemas.RegionSchema)
def change_region(changes: dict[str, Any], region_id: str) -> Region:
    """Change a region"""
    with work() as uow:
        uow.actor.must_administer()
        must_match(queries.region_for_update(uow.session, region_id).sequence)
        changed = commands.change_region(uow, region_id, changes)
    etag(changed.sequence)
    return changed


# ---------------------------------------------------------------- imports


class UploadSchema(schemas.UploadSchema):
    """Files and fields of one multipart body, in one place."""

    @pre_load
    def joined(self, data: Any, **_: Any) -> dict[str, Any]:
        sent = {**request.form.to_dict(), **request.files.to_dict()}
        if unknown := sorted(sent.keys() - self.fields.keys()):
            raise ValidationError({name: ["Unknown field."] for name in unknown})
        return sent


@imports.post("/imports", largest_body=LARGEST_UPLOAD)
@imports.takes(UploadSchema, location="files")
@imports.gives(schemas.ImportReportSchema)
def import_file(sent: dict[str, Any]) -> ImportReport:
    """Take in a file of equipment; rows that break a rule are left out and reported"""
    content, mapping = _read(sent["file"], "file"), b""
    if "mapping" in sent:
        mapping = _read(sent["mapping"], "mapping")
    with work() as uow:
        report = commands.import_records(
            uow,
            content=content,
            format=sent["format"],
            mapping=mapping.decode("utf-8", "replace"),
            facility_id=sent["facility"],
            file_name=sent["file"].filename or "",
            dry_run=sent["dry_run"],
        )
    if report.import_id:
        located(f"/catalogue{PREFIX}/imports/{report.import_id}")
    return report


def _read(part: Any, name: str) -> bytes:
    """The content of a part that has to be a file. Raises `Invalid` for a plain field."""
    if not isinstance(part, FileStorage):
        raise Invalid("A part is not a file.", faults=[Fault("not-a-file", "Send this as a file.", name)])
    content: bytes = part.read()
    return content


@imports.get("/imports/<uuid:import_id>")
@imports.gives(schemas.ImportSchema)
def past_import(import_id: UUID) -> Import:
    """An import of the past; only for who did it and for administrators"""
    with snapshot() as session:
        found = queries.import_(session, import_id)
    actor = current_actor()
    if not actor.is_administrator and found.actor_id != actor.id:
        raise NoSuchImport("There is no such import.")
    return found
