"""What people read of usage_stats: the figures of a period, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, request, url_for
from markupsafe import Markup
from marshmallow import EXCLUDE, ValidationError
from sqlalchemy.orm import Session

from services.usage_stats import queries
from services.usage_stats.domain import (
    METRICS,
    PUBLIC,
    PUBLIC_GROUPINGS,
    Cell,
    Filters,
    Grouping,
    Metric,
    Period,
    Reader,
    Report,
    Unit,
    measures,
    metric,
    months_later,
    published_measures,
)
from services.usage_stats.schemas import FilterForm, View
from shared import formats
from shared.clock import utc_now
from shared.errors import DomainError
from shared.web import charts
from shared.web.app import current_actor, snapshot
from shared.web.pages import form_errors, render

blueprint = Blueprint("pages", __name__, template_folder="templates")

GROUPING_NAMES = {
    Grouping.REGION: "Region",
    Grouping.FACILITY: "Lab",
    Grouping.EQUIPMENT: "Instrument",
    Grouping.SIZE_CLASS: "Size of organisation",
    Grouping.MONTH: "Month",
}
SIZE_CLASS_NAMES = {
    "micro": "Micro",
    "small": "Small",
    "medium": "Medium",
    "small_mid_cap": "Small mid-cap",
    "large": "Large",
    "not_a_firm": "Not a firm",
}
READINGS = ("available_hours", "booked_hours", "used_hours", "utilisation", "no_show_rate", "cancellation_rate")
FAR_AHEAD = timedelta(days=366 * 5)


@blueprint.get("/")
def insights() -> str | tuple[str, int]:
    """The figures of a period: six readings, a chart by month, a table by what was chosen."""
    today = utc_now().date()
    own = queries.reader(current_actor())
    given = {name: value for name, value in request.args.items() if value}
    errors: list[dict[str, Any]] = []
    status = 200
    try:
        asked = FilterForm(unknown=EXCLUDE).load(given)
        page = _figures(own, asked, today)
    except (ValidationError, DomainError) as refusal:
        errors, status = form_errors(refusal)
        asked = FilterForm().load({})
        page = _figures(own, asked, today)
    return render("usage_stats/insights.html", errors=errors, given=given, **page), status


def _figures(own: Reader, asked: Mapping[str, Any], today: date) -> dict[str, Any]:
    who = PUBLIC if asked["view"] is View.PUBLIC else own
    usual = Period.last_twelve_months(today)
    last = asked["last"] or usual.last_day
    period = Period.between(asked["first"] or usual.first, last + timedelta(days=1))
    by: Grouping = asked["by"] or _usual_grouping(who)
    filters: Filters = asked["filters"]
    with snapshot() as session:
        months = queries.utilisation(session, [Grouping.MONTH], period=period, who=who, filters=filters, today=today)
        grouped = months
        if by is not Grouping.MONTH:
            grouped = queries.utilisation(session, [by], period=period, who=who, filters=filters, today=today)
        return {
            "months": months,
            "whole": _values(months, months.whole),
            "readings": _readings(months),
            "details": _details(months),
            "ahead": None if who.is_public else _ahead(session, who, filters, today),
            "chart": _chart(months),
            "chart_rows": [_chart_row(months, cell) for cell in months.cells],
            "by": by,
            "by_name": GROUPING_NAMES[by],
            "rows": [_table_row(grouped, cell) for cell in grouped.cells],
            "groupings": [
                (each.value, name)
                for each, name in GROUPING_NAMES.items()
                if not who.is_public or each in PUBLIC_GROUPINGS
            ],
            "regions": queries.regions_of(session, who),
            "facilities": [] if who.is_public else queries.facilities_of(session, who, filters.region),
            "first": period.first,
            "last": period.last_day,
            "filters": filters,
            "shortcuts": _shortcuts(today, asked, by)[who.is_public :],
            "downloads": _downloads(months, by, asked["view"]),
            "has_own": not own.is_public,
            "is_public": who.is_public,
            "other_view": _address(asked, view="mine" if asked["view"] is View.PUBLIC else "public"),
        }


def _usual_grouping(who: Reader) -> Grouping:
    if who.is_public or who.everything or len(who.regions) > 1:
        return Grouping.REGION
    return Grouping.FACILITY if who.regions or len(who.facilities) > 1 else Grouping.EQUIPMENT


def _values(report: Report, cell: Cell) -> dict[str, Any]:
    if report.published:
        return published_measures(cell.sums, suppressed=cell.suppressed)
    return measures(cell.sums)


def _shown(wanted: Metric, value: Any) -> str:
    """A figure as people read it: whole hours where there are many."""
    if value is None:
        return formats.NOTHING
    if wanted.unit is Unit.PERCENT:
        return f"{value:,.1f}"
    if wanted.unit is Unit.COUNT:
        return f"{value:,}"
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}".removesuffix(".0")


def _readings(report: Report) -> list[tuple[Markup, str, str, str]]:
    values = _values(report, report.whole)
    readings = []
    for metric_id in READINGS:
        wanted = metric(metric_id)
        readings.append(
            (_link(wanted), _shown(wanted, values[metric_id]), wanted.unit.value, _beside(metric_id, values))
        )
    return readings


DETAILS = (
    "requests", "approved", "declined", "withdrawn", "expired", "cancelled_in_time", "cancelled_late",
    "cancelled_by_operator", "no_shows", "completed", "approval_rate", "realised_share", "uptime",
    "operational_uptime", "operational_utilisation",
)  # fmt: skip


def _details(report: Report) -> list[tuple[Markup, str]]:
    """What became of the requests, and the rates that are not among the readings."""
    values = _values(report, report.whole)
    return [(_link(metric(each)), _with_unit(metric(each), values[each])) for each in DETAILS if each in values]


def _link(wanted: Metric) -> Markup:
    return Markup('<a href="{}">{}</a>').format(url_for("pages.definition", metric_id=wanted.id), wanted.name)


def _with_unit(wanted: Metric, value: Any) -> str:
    shown = _shown(wanted, value)
    return shown if value is None else f"{shown} {wanted.unit.value}".rstrip()


def _beside(metric_id: str, values: Mapping[str, Any]) -> str:
    """A second figure that puts the first in its place."""
    match metric_id:
        case "available_hours":
            return f"of {_shown(metric('open_hours'), values['open_hours'])} opening hours"
        case "booked_hours" if values["booking_rate"] is not None:
            return f"{values['booking_rate']} % of available"
        case "used_hours" if values["used_out_of_hours"]:
            return f"and {_shown(metric('used_out_of_hours'), values['used_out_of_hours'])} h out of hours"
        case "utilisation":
            return "used of available hours"
        case "no_show_rate":
            return "of bookings that stood"
        case "cancellation_rate":
            return "of approved bookings, by the booker"
        case _:
            return ""


def _ahead(session: Session, who: Reader, filters: Filters, today: date) -> dict[str, Any]:
    """What is booked and asked for from now on, whatever period is shown."""
    report = queries.utilisation(
        session, [], period=Period(today, today + FAR_AHEAD), who=who, filters=filters, today=today
    )
    return measures(report.whole.sums)


SERIES = (
    ("Used", "f1", "used_hours"),
    ("Booked, not used", "f3", "booked_unused_hours"),
    ("Free", "f6", "free_hours"),
)


def _chart(months: Report) -> Markup:
    values = [_values(months, cell) for cell in months.cells]
    columns = [_month(cell.key[0]) for cell in months.cells]
    series = [charts.Series(name, mark, [each[figure] or 0 for each in values]) for name, mark, figure in SERIES]
    whole = _values(months, months.whole)["utilisation"]
    label = "Available hours by month: used, booked but not used, free."
    if whole is not None:
        label += f" {whole} % used in all."
    return charts.both(charts.stacked_columns, label, columns, series)


def _month(day: Any) -> str:
    return f"{formats.MONTHS[day.month - 1]} {day.year}"


def _chart_row(months: Report, cell: Cell) -> list[str]:
    values = _values(months, cell)
    wanted = ("available_hours", "used_hours", "booked_unused_hours", "free_hours")
    name = _month(cell.key[0]) + _state(cell)
    return [name, *(_shown(metric(each), values[each]) for each in wanted)]


def _state(cell: Cell) -> str:
    if cell.suppressed:
        return " (not shown: too few organisations)"
    return " (not over)" if cell.provisional else ""


TABLE = ("available_hours", "booked_hours", "used_hours", "utilisation", "no_show_rate", "cancellation_rate")


def _table_row(report: Report, cell: Cell) -> list[str]:
    values = _values(report, cell)
    part: Any = cell.key[0]
    match report.groupings[0]:
        case Grouping.MONTH:
            name = _month(part)
        case Grouping.SIZE_CLASS:
            name = SIZE_CLASS_NAMES.get(part, part)
        case _:
            name = report.names.get(part) or str(part)
    if cell.suppressed:
        name += _state(cell)
    return [name, *(_shown(metric(each), values[each]) for each in TABLE)]


def _address(asked: Mapping[str, Any], **changed: str) -> str:
    """This page with other filters."""
    filters: Filters = asked["filters"]
    now = {
        "from": asked["first"],
        "until": asked["last"],
        "by": asked["by"].value if asked["by"] else None,
        "region": filters.region,
        "facility": filters.facility,
        "view": asked["view"].value if asked["view"] is View.PUBLIC else None,
    } | changed
    if now["view"] == "public":
        now |= {"facility": None, "by": None}
    elif now["view"] == "mine":
        now |= {"view": None, "by": None, "region": None}
    given = {name: value for name, value in now.items() if value}
    return url_for("pages.insights") + (f"?{urlencode(given)}" if given else "")


def _shortcuts(today: date, asked: Mapping[str, Any], by: Grouping) -> list[tuple[str, str, bool]]:
    """Periods that are asked for most: name, address, whether it is shown now."""
    this_month, january = today.replace(day=1), today.replace(month=1, day=1)
    spans = [
        ("This month", this_month, months_later(today, 1)),
        ("Last month", months_later(today, -1), this_month),
        ("12 months", months_later(today, -11), months_later(today, 1)),
        ("This year", january, months_later(january, 12)),
        ("Last year", months_later(january, -12), january),
    ]
    chosen = (asked["first"] or spans[2][1], asked["last"] or spans[2][2] - timedelta(days=1))
    grouping = by.value if asked["by"] else ""
    return [
        (name, _address(asked, **{"from": str(first), "until": str(last), "by": grouping}), chosen == (first, last))
        for name, first, last in ((name, first, end - timedelta(days=1)) for name, first, end in spans)
    ]


def _downloads(report: Report, by: Grouping, view: View) -> dict[str, str]:
    """Addresses of the report by what was chosen and by month, as the page shows it."""
    groupings = dict.fromkeys([by.value, Grouping.MONTH.value])
    asked = {
        "from": report.period.first,
        "to": report.period.end,
        "group_by": ",".join(groupings),
        "region": report.filters.region,
        "facility": report.filters.facility,
        "view": view.value if view is View.PUBLIC else None,
    }
    if report.period.first == report.period.end:  # no public month yet: the table is empty, but must be asked for
        asked["to"] = months_later(report.period.first, 1)
    query = urlencode({name: value for name, value in asked.items() if value})
    return {kind: f"{url_for(f'utilisation.utilisation_as_{kind}')}?{query}" for kind in ("csv", "json")}


@blueprint.get("/definitions")
def definitions() -> str:
    """What every figure means."""
    return render("usage_stats/definitions.html", metrics=METRICS)


@blueprint.get("/definitions/<metric_id>")
def definition(metric_id: str) -> str:
    """What one figure means, how it is made, and what follows from it."""
    return render("usage_stats/definition.html", metric=metric(metric_id))
