"""Shapes that enter and leave the catalogue as JSON and forms; beside them, linked data and CSV."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from services.catalogue.domain import records
from services.catalogue.domain.formats import BUILT_IN, INFRASHARE_CSV
from services.catalogue.domain.records import AccessMode, AccessType, EquipmentState, Kind
from shared.fields import Choice, EmailAddress, Id, Slug, Text, Whole
from shared.web.paging import PageQuery, page_schema

MOST_VALUES = 20  # of one facet, chosen at once


class AnyDay(fields.Date):
    """A date as 2026-11-26 of any year that equipment may have: some of it is old."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> date:
        day = super()._deserialize(value, attr, data, **kwargs)
        if not (isinstance(day, date) and records.EARLIEST_YEAR <= day.year <= records.LATEST_YEAR):
            raise ValidationError("This day is too far away.")
        return day


class WebAddress(Text):
    """An address of http or https, without credentials; or nothing."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if text and not records.is_web_address(text):
            raise ValidationError(records.NOT_A_WEB_ADDRESS)
        return text


def _values(inner: fields.Field[Any]) -> fields.List[Any]:
    return fields.List(inner, load_default=list, validate=validate.Length(max=MOST_VALUES))


# ---------------------------------------------------------------- search


class EquipmentQuerySchema(PageQuery):
    """Words and values to narrow down to; a parameter may be repeated for several values."""

    q = Text(maximum=300, load_default="")
    region = _values(Slug())
    technique = _values(Slug())
    kind = _values(Slug())
    facility = _values(Slug(100))
    access_type = _values(Slug())
    access_mode = _values(Slug())


class FacilityQuerySchema(PageQuery):
    region = Slug(load_default=None)


class FacetValueSchema(Schema):
    value = fields.String(required=True)
    label = fields.String(required=True)
    count = fields.Integer(required=True)
    selected = fields.Boolean(required=True)


class FacetsSchema(Schema):
    """Each facet counted with what is chosen in the others."""

    region = fields.List(fields.Nested(FacetValueSchema), required=True)
    technique = fields.List(fields.Nested(FacetValueSchema), required=True)
    kind = fields.List(fields.Nested(FacetValueSchema), required=True)
    access_type = fields.List(fields.Nested(FacetValueSchema), required=True)
    access_mode = fields.List(fields.Nested(FacetValueSchema), required=True)
    facility = fields.List(fields.Nested(FacetValueSchema), required=True)


# ---------------------------------------------------------------- records


class NutsSchema(Schema):
    code = fields.String(required=True)
    level = fields.Integer(required=True)
    version = fields.Integer(required=True)


class RegionSchema(Schema):
    id = fields.String(required=True)
    name = fields.String(required=True)
    country = fields.String(required=True)
    nuts = fields.List(fields.Nested(NutsSchema), required=True)
    time_zone = fields.String(required=True)
    languages = fields.List(fields.String(), required=True)
    holiday_subdivision = fields.String(allow_none=True)
    summary = fields.String(required=True)
    is_country = fields.Boolean(metadata={"description": "It stands for what is outside all regions."})


class RegionsSchema(Schema):
    items = fields.List(fields.Nested(RegionSchema), required=True)


class HostSchema(Schema):
    id = fields.UUID(required=True)
    slug = fields.String(required=True)
    name = fields.String(required=True)
    country = fields.String(required=True)
    website = fields.String(required=True)
    ror = fields.String(required=True)


class FacilitySchema(Schema):
    id = fields.UUID(required=True)
    slug = fields.String(required=True)
    name = fields.String(required=True)
    host = fields.Nested(HostSchema, required=True)
    region = fields.String(attribute="region_id", required=True)
    region_name = fields.String(attribute="region.name", required=True)
    country = fields.String(attribute="region.country", required=True)
    time_zone = fields.String(required=True)
    holiday_subdivision = fields.String(allow_none=True)
    town = fields.String(required=True)
    address = fields.String(required=True)
    latitude = fields.Float(allow_none=True)
    longitude = fields.Float(allow_none=True)
    website = fields.String(required=True)
    description = fields.String(required=True)
    contact_email = fields.String(required=True)
    open = fields.Boolean(required=True)


FacilityPageSchema = page_schema(FacilitySchema)


class FacilityOfSchema(Schema):
    """The facility as a piece of equipment shows it."""

    id = fields.UUID(required=True)
    slug = fields.String(required=True)
    name = fields.String(required=True)
    town = fields.String(required=True)
    host = fields.String(attribute="host.name", required=True)


class TechniqueSchema(Schema):
    code = fields.String(required=True)
    label = fields.String(required=True)
    group = fields.String(required=True)


class TechniquesSchema(Schema):
    items = fields.List(fields.Nested(TechniqueSchema), required=True)


class EquipmentSchema(Schema):
    id = fields.UUID(required=True)
    slug = fields.String(required=True)
    name = fields.String(required=True)
    description = fields.String(required=True)
    kind = fields.Enum(Kind, by_value=True, required=True)
    facility = fields.Nested(FacilityOfSchema, required=True)
    region = fields.String(attribute="facility.region_id", required=True)
    region_name = fields.String(attribute="facility.region.name", required=True)
    country = fields.String(attribute="facility.region.country", required=True)
    time_zone = fields.String(attribute="facility.time_zone", required=True)
    techniques = fields.List(fields.Nested(TechniqueSchema), required=True)
    keywords = fields.List(fields.String(), required=True)
    units = fields.Integer(required=True)
    access_types = fields.List(fields.String(), required=True)
    access_modes = fields.List(fields.String(), required=True)
    operator_needed = fields.Boolean(required=True)
    trl_min = fields.Integer(allow_none=True)
    trl_max = fields.Integer(allow_none=True)
    drawing = fields.String(attribute="shown_drawing", required=True)
    website = fields.String(required=True)
    manufacturer = fields.String(required=True)
    model = fields.String(required=True)
    state = fields.Enum(EquipmentState, by_value=True, required=True)
    commissioned_on = fields.Date(allow_none=True)
    decommissioned_on = fields.Date(allow_none=True)
    source = fields.String(allow_none=True)
    source_id = fields.String(allow_none=True)
    changed_at = fields.AwareDateTime(required=True)


EquipmentPageSchema = page_schema(
    EquipmentSchema,
    facets=fields.Nested(FacetsSchema, required=True),
    total=fields.Integer(required=True),
    loosened=fields.Boolean(metadata={"description": "Few hold all the words; those that hold most are shown too."}),
)


class CountSchema(Schema):
    value = fields.String(required=True)
    label = fields.String(required=True)
    count = fields.Integer(required=True)


class TechniqueCountSchema(CountSchema):
    regions = fields.Integer(required=True, metadata={"description": "Regions that have it, this one included."})


class ProfileSchema(Schema):
    """What a region has, counted from the catalogue at this moment."""

    region = fields.Nested(RegionSchema, required=True)
    facilities = fields.Integer(required=True)
    equipment = fields.Integer(required=True)
    by_kind = fields.List(fields.Nested(CountSchema), required=True)
    by_technique = fields.List(fields.Nested(TechniqueCountSchema), required=True)
    by_access_type = fields.List(fields.Nested(CountSchema), required=True)
    by_access_mode = fields.List(fields.Nested(CountSchema), required=True)
    common = fields.List(fields.Nested(CountSchema), required=True)
    specific = fields.List(fields.Nested(CountSchema), required=True)
    compared_with = fields.Integer(required=True)
    rule = fields.String(required=True)


# ---------------------------------------------------------------- changes


class _EquipmentFields(Schema):
    name = Text(1, records.MAX_NAME)
    description = Text(maximum=records.MAX_DESCRIPTION, lines=True)
    kind = Choice(Kind)
    techniques = fields.List(Slug(), validate=validate.Length(max=MOST_VALUES))
    keywords = fields.List(Text(1, records.MAX_KEYWORD), validate=validate.Length(max=records.MAX_KEYWORDS))
    units = Whole(1, records.MAX_UNITS)
    access_types = fields.List(Choice(AccessType), validate=validate.Length(max=len(AccessType)))
    access_modes = fields.List(Choice(AccessMode), validate=validate.Length(max=len(AccessMode)))
    operator_needed = fields.Boolean(truthy={True, "true", "1"}, falsy={False, "false", "0"})
    trl_min = Whole(1, 9, allow_none=True)
    trl_max = Whole(1, 9, allow_none=True)
    drawing = Text(maximum=32)
    website = WebAddress()
    manufacturer = Text(maximum=records.MAX_NAME)
    model = Text(maximum=records.MAX_NAME)
    state = Choice(EquipmentState)
    commissioned_on = AnyDay(allow_none=True)
    decommissioned_on = AnyDay(allow_none=True)


class EquipmentChangeSchema(_EquipmentFields):
    """What is to be changed; fields that are left out stay as they are."""


class NewEquipmentSchema(_EquipmentFields):
    facility_id = Id(required=True)
    name = Text(1, records.MAX_NAME, required=True)


class _FacilityFields(Schema):
    name = Text(1, records.MAX_NAME)
    host_id = Id()
    region_id = Slug()
    time_zone = Text(maximum=64)
    holiday_subdivision = Text(maximum=16, allow_none=True)
    town = Text()
    address = Text()
    latitude = fields.Float(allow_none=True, validate=validate.Range(-90, 90))
    longitude = fields.Float(allow_none=True, validate=validate.Range(-180, 180))
    website = WebAddress()
    description = Text(maximum=records.MAX_DESCRIPTION, lines=True)
    contact_email = EmailAddress()


class FacilityChangeSchema(_FacilityFields):
    """What is to be changed; fields that are left out stay as they are."""

    open = fields.Boolean(truthy={True}, falsy={False})


class NewFacilitySchema(_FacilityFields):
    name = Text(1, records.MAX_NAME, required=True)
    host_id = Id(required=True)
    region_id = Slug(required=True)


class NewHostSchema(Schema):
    name = Text(1, records.MAX_NAME, required=True)
    country = Text(maximum=2)
    website = WebAddress()
    ror = Text(maximum=40)


class RegionChangeSchema(Schema):
    """What is to be changed; fields that are left out stay as they are."""

    name = Text(1, records.MAX_NAME)
    country = fields.String(validate=validate.Regexp(r"^[A-Z]{2}$"))
    nuts_codes = fields.List(
        fields.String(validate=validate.Regexp(r"^[A-Z]{2}[0-9A-Z]{0,3}$")), validate=validate.Length(max=100)
    )
    nuts_version = Whole(1999, 2100)
    time_zone = Text(1, 64)
    languages = fields.List(fields.String(validate=validate.Regexp(r"^[a-z]{2}$")), validate=validate.Length(max=10))
    holiday_subdivision = Text(maximum=16, allow_none=True)
    summary = Text(maximum=records.MAX_DESCRIPTION, lines=True)


class NewRegionSchema(RegionChangeSchema):
    id = Slug(required=True)
    name = Text(1, records.MAX_NAME, required=True)
    country = fields.String(required=True, validate=validate.Regexp(r"^[A-Z]{2}$"))
    nuts_codes = fields.List(
        fields.String(validate=validate.Regexp(r"^[A-Z]{2}[0-9A-Z]{0,3}$")),
        required=True,
        validate=validate.Length(max=100),
    )
    time_zone = Text(1, 64, required=True)


# ---------------------------------------------------------------- imports


class UploadSchema(Schema):
    """A file, perhaps with a mapping, and what is to be done with it."""

    file = fields.Raw(required=True, metadata={"type": "string", "format": "binary"})
    mapping = fields.Raw(metadata={"type": "string", "format": "binary", "description": "TOML: what the columns mean."})
    format = fields.String(
        load_default=INFRASHARE_CSV,
        validate=validate.OneOf(BUILT_IN),
        metadata={"description": "Of no effect where a mapping is sent."},
    )
    facility = Slug(100, load_default=None, metadata={"description": "Id or slug; all rows are of it."})
    dry_run = fields.Boolean(load_default=False, metadata={"description": "Only say what would happen."})


class RefusalSchema(Schema):
    row = fields.Integer(required=True, metadata={"description": "As a spreadsheet counts; the header is 1."})
    code = fields.String(required=True)
    detail = fields.String(required=True)


class ImportReportSchema(Schema):
    created = fields.Integer(required=True)
    updated = fields.Integer(required=True)
    unchanged = fields.Integer(required=True)
    rejected = fields.List(fields.Nested(RefusalSchema), required=True)
    rows = fields.Integer(required=True)
    rejected_rows = fields.Integer(required=True)
    encoding = fields.String(required=True)
    delimiter = fields.String(required=True)
    dry_run = fields.Boolean(required=True)
    facilities_created = fields.Integer(required=True)
    columns_not_read = fields.List(fields.String(), required=True)
    techniques_not_known = fields.List(fields.String(), required=True)
    regions_not_known = fields.List(fields.String(), required=True)
    import_id = fields.UUID(allow_none=True)


class ImportSchema(Schema):
    id = fields.UUID(required=True)
    actor_id = fields.UUID(required=True)
    imported_at = fields.AwareDateTime(required=True)
    format = fields.String(required=True)
    source = fields.String(required=True)
    file_name = fields.String(required=True)
    file_hash = fields.String(required=True)
    encoding = fields.String(required=True)
    created = fields.Integer(required=True)
    updated = fields.Integer(required=True)
    unchanged = fields.Integer(required=True)
    rejected = fields.List(fields.Nested(RefusalSchema), required=True)
