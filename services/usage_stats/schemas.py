"""Shapes that enter and leave: what may be asked, and reports as JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, pre_load, validate

from services.usage_stats.domain import (
    METRICS,
    PUBLISHED,
    Cell,
    Filters,
    Grouping,
    Metric,
    Period,
    Report,
    Unit,
    measures,
    published_measures,
)
from shared.fields import Choice, Day, Id, Slug

CONVENTIONS = [
    "Days, months and opening hours are those of the place where the equipment stands.",
    "Hours are split at midnight; a booking is counted once, on the day its slot starts.",
    "Time after now is in no figure but those of what is ahead.",
    "Rates are ratios of sums. Where there is nothing to divide by, there is no rate.",
]
OF_THE_PUBLIC = [
    "Public figures cover whole months that are over.",
    "A region's month in which fewer than three organisations asked, booked or used is not shown and is part "
    "of no sum; cells_left_out says how many such months are missing from a row.",
]
OF_SIZE_CLASSES = (
    "By size class, used and booked hours are those of the class; hours that were open or available were so "
    "for all classes and must not be added up over them."
)


UNITS = {Unit.HOURS: "hours", Unit.PERCENT: "percent", Unit.COUNT: "bookings"}


class View(StrEnum):
    """Which figures are wanted."""

    MINE = "mine"  # exact ones, if the reader may have them
    PUBLIC = "public"


_ONE = "|".join(grouping.value for grouping in Grouping)


class Groupings(fields.String):
    """Groupings, separated by commas."""

    def __init__(self, **settings: Any) -> None:
        listed = f"^({_ONE})(,({_ONE}))*$"
        error = f"Group by one or more of {', '.join(Grouping)}, separated by commas."
        super().__init__(validate=validate.Regexp(listed, error=error), **settings)


class UtilisationQuery(Schema):
    """Which figures are wanted, and how they are told apart."""

    first = Day(data_key="from", metadata={"description": "First day; eleven months before this one if missing."})
    end = Day(data_key="to", metadata={"description": "Day after the last; the end of this month if missing."})
    group_by = Groupings(metadata={"description": "Several are separated by commas; none gives one row."})
    region = Slug()
    facility = Id()
    equipment = Id()
    view = Choice(View, load_default=View.MINE)

    @pre_load
    def nothing_else(self, data: Mapping[str, Any], **_: Any) -> Mapping[str, Any]:
        """A filter that is misspelt must not give figures of more than was wanted."""
        known = {member.data_key or name for name, member in self.fields.items()}
        if unknown := [name for name in data if name not in known]:
            raise ValidationError({name: ["There is no such filter."] for name in unknown})
        return data

    @post_load
    def as_asked(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Groupings as a list of different ones, filters as one value."""
        names = data.get("group_by", "").split(",") if data.get("group_by") else []
        return {
            "first": data.get("first"),
            "end": data.get("end"),
            "groupings": [Grouping(name) for name in dict.fromkeys(names)],
            "filters": Filters(
                region=data.get("region"), facility=data.get("facility"), equipment=data.get("equipment")
            ),
            "view": data["view"],
        }


class PeriodSchema(Schema):
    first = fields.Date(data_key="from", required=True)
    end = fields.Date(data_key="to", required=True, metadata={"description": "The day after the last."})
    counted_until = fields.AwareDateTime(allow_none=True, required=True)
    provisional = fields.Boolean(
        required=True, metadata={"description": "The period is not over, or a record in it is still open."}
    )


class FiltersSchema(Schema):
    region = fields.String(allow_none=True)
    facility = fields.UUID(allow_none=True)
    equipment = fields.UUID(allow_none=True)


class DefinitionSchema(Schema):
    """What a metric means."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    definition = fields.String(required=True)
    formula = fields.String(required=True)
    unit = fields.Function(
        lambda metric: UNITS[metric.unit],
        metadata={"type": "string", "enum": ["hours", "percent", "bookings"]},
    )
    numerator = fields.List(fields.String(), required=True)
    denominator = fields.List(fields.String(), required=True)
    audience = fields.String(required=True, metadata={"description": "everybody, large_groups or staff"})


class DefinitionsSchema(Schema):
    items = fields.List(fields.Nested(DefinitionSchema), required=True)


_GROUP_FIELDS: dict[str, fields.Field[Any]] = {
    "region_id": fields.String(),
    "region": fields.String(),
    "facility_id": fields.UUID(),
    "facility": fields.String(),
    "equipment_id": fields.UUID(),
    "equipment": fields.String(),
    "month": fields.String(metadata={"description": "As 2026-03."}),
    "size_class": fields.String(),
}
_STATE_FIELDS: dict[str, fields.Field[Any]] = {
    "organisations": fields.Integer(
        allow_none=True, metadata={"description": "Different organisations that used it; not told to the public."}
    ),
    "provisional": fields.Boolean(),
    "suppressed": fields.Boolean(metadata={"description": "Too few organisations: values are null."}),
    "cells_left_out": fields.Integer(metadata={"description": "Months of regions too small to be in this row."}),
}


def _metric_field(metric: Metric) -> fields.Field[Any]:
    kind = fields.Integer if metric.unit is Unit.COUNT else fields.Float
    unit = UNITS[metric.unit]
    return kind(allow_none=True, metadata={"description": f"{metric.name}, {unit}. {metric.definition}"})


RowSchema: type[Schema] = type(
    "RowSchema",
    (Schema,),
    {**_GROUP_FIELDS, **{metric.id: _metric_field(metric) for metric in METRICS}, **_STATE_FIELDS},
)


class ReportSchema(Schema):
    """Figures per group; each metric under the id of its definition."""

    period = fields.Nested(PeriodSchema, required=True)
    view = fields.String(required=True, metadata={"description": "exact or public"})
    group_by = fields.List(fields.String(), required=True)
    filters = fields.Nested(FiltersSchema, required=True)
    rows = fields.List(fields.Nested(RowSchema), required=True)
    total = fields.Nested(RowSchema, required=True)
    definitions = fields.List(fields.Nested(DefinitionSchema), required=True)
    notes = fields.List(fields.String(), required=True)


def period_of(asked: Mapping[str, Any], usual: Period) -> Period:
    """The period that was asked for, from `usual` where that leaves it open. Raises `Invalid`."""
    return Period.between(asked["first"] or usual.first, asked["end"] or usual.end)


def document(report: Report) -> dict[str, Any]:
    """The report as `ReportSchema` dumps it."""
    whole = report.whole
    notes = CONVENTIONS + (OF_THE_PUBLIC if report.published else [])
    if Grouping.SIZE_CLASS in report.groupings:
        notes = [*notes, OF_SIZE_CLASSES]
    return {
        "period": {
            "first": report.period.first,
            "end": report.period.end,
            "counted_until": whole.counted_until,
            "provisional": whole.provisional,
        },
        "view": "public" if report.published else "exact",
        "group_by": list(report.groupings),
        "filters": report.filters,
        "rows": [row(report, cell) for cell in report.cells],
        "total": row(report, whole),
        "definitions": PUBLISHED if report.published else METRICS,
        "notes": notes,
    }


def row(report: Report, cell: Cell) -> dict[str, Any]:
    """One row of a report: what it is of, every metric by its id, and what to know of it."""
    figures = published_measures(cell.sums, suppressed=cell.suppressed) if report.published else measures(cell.sums)
    return {
        **_group(report, cell),
        **figures,
        "organisations": cell.organisations,
        "provisional": cell.provisional,
        "suppressed": cell.suppressed,
        "cells_left_out": cell.left_out,
    }


def _group(report: Report, cell: Cell) -> dict[str, Any]:
    group: dict[str, Any] = {}
    for grouping, part in zip(report.groupings, cell.key, strict=False):
        match grouping:
            case Grouping.MONTH:
                group["month"] = f"{part:%Y-%m}"
            case Grouping.SIZE_CLASS:
                group["size_class"] = part
            case _:
                group[f"{grouping.value}_id"] = part
                group[grouping.value] = report.names.get(part, str(part))
    return group


# --- CSV ------------------------------------------------------------------------------------------------

BYTE_ORDER_MARK = "\ufeff"  # without it spreadsheets read UTF-8 as something else
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def report_csv(report: Report) -> str:
    """The rows as a table, each with the period and view it is of; nothing but data, one header."""
    metrics = PUBLISHED if report.published else METRICS
    columns = ["period_from", "period_to", "view"]
    for grouping in report.groupings:
        plain = grouping in (Grouping.MONTH, Grouping.SIZE_CLASS)
        columns += [grouping.value] if plain else [f"{grouping.value}_id", grouping.value]
    columns += [*(metric.id for metric in metrics), *_STATE_FIELDS]
    fixed = {
        "period_from": report.period.first.isoformat(),
        "period_to": report.period.end.isoformat(),
        "view": "public" if report.published else "exact",
    }
    return _csv(columns, (fixed | row(report, cell) for cell in report.cells))


def definitions_csv() -> str:
    """What the columns of a report mean."""
    columns = ["id", "name", "unit", "definition", "formula"]
    rows = ({**{name: getattr(each, name) for name in columns}, "unit": UNITS[each.unit]} for each in METRICS)
    return _csv(columns, rows)


def _csv(columns: list[str], rows: Iterable[Mapping[str, Any]]) -> str:
    out = io.StringIO()
    out.write(BYTE_ORDER_MARK)
    writer = csv.writer(out)
    writer.writerow(columns)
    for each in rows:
        writer.writerow([_cell(each.get(column)) for column in columns])
    return out.getvalue()


def _cell(value: Any) -> str:
    """Text no spreadsheet takes for a formula; numbers as they are."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case _:
            text = str(value)
            return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_STARTS) else text


# --- the page's own form --------------------------------------------------------------------------------


class FilterForm(Schema):
    """The filters of the page: days as people say them, the last one included."""

    first = Day(data_key="from")
    last = Day(data_key="until")
    by = Choice(Grouping)
    region = Slug()
    facility = Id()
    view = Choice(View, load_default=View.MINE)

    @post_load
    def as_asked(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """As `UtilisationQuery` gives it, with one grouping or none."""
        first, last = data.get("first"), data.get("last")
        if first and last and last < first:
            raise ValidationError("The last day must not come before the first.", "until")
        return {
            "first": first,
            "last": last,
            "by": data.get("by"),
            "filters": Filters(region=data.get("region"), facility=data.get("facility")),
            "view": data["view"],
        }
