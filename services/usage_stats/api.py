"""What programs ask of usage_stats."""

from __future__ import annotations

from typing import Any

from flask import Response

from services.usage_stats import queries
from services.usage_stats.domain import METRICS, PUBLIC, Metric, Period, Report, metric
from services.usage_stats.schemas import (
    DefinitionSchema,
    DefinitionsSchema,
    ReportSchema,
    UtilisationQuery,
    View,
    definitions_csv,
    document,
    period_of,
    report_csv,
)
from shared.clock import utc_now
from shared.web.api import Blueprint
from shared.web.app import current_actor, snapshot

blueprint = Blueprint(
    "utilisation", __name__, url_prefix="/api/v1", description="How much equipment was used, and what that means"
)


def _report(asked: dict[str, Any]) -> Report:
    today = utc_now().date()
    who = PUBLIC if asked["view"] is View.PUBLIC else queries.reader(current_actor())
    with snapshot() as session:
        return queries.utilisation(
            session,
            asked["groupings"],
            period=period_of(asked, Period.last_twelve_months(today)),
            who=who,
            filters=asked["filters"],
            today=today,
        )


def _download(content: str, name: str) -> Response:
    response = Response(content, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


@blueprint.get("/utilisation")
@blueprint.takes(UtilisationQuery, location="query")
@blueprint.gives(ReportSchema)
def utilisation(asked: dict[str, Any]) -> dict[str, Any]:
    """How much equipment was used

    Funders read exact figures of their regions, operators and managers of their facilities,
    administrators of everything. All others read public figures, by region and month.
    """
    return document(_report(asked))


@blueprint.get("/reports/utilisation.json")
@blueprint.takes(UtilisationQuery, location="query")
@blueprint.gives(ReportSchema)
def utilisation_as_json(asked: dict[str, Any]) -> dict[str, Any]:
    """The same as a report to keep"""
    return document(_report(asked))


@blueprint.get("/reports/utilisation.csv")
@blueprint.takes(UtilisationQuery, location="query")
@blueprint.gives_raw("text/csv", "UTF-8 with a byte order mark; the columns are defined in definitions.csv")
def utilisation_as_csv(asked: dict[str, Any]) -> Response:
    """The same as a table to keep"""
    report = _report(asked)
    end = report.period.end
    return _download(report_csv(report), f"utilisation-{report.period.first}-to-{end}")


@blueprint.get("/reports/definitions.csv")
@blueprint.gives_raw("text/csv", "UTF-8 with a byte order mark")
def definitions_as_csv() -> Response:
    """What the columns of the tables mean"""
    return _download(definitions_csv(), "definitions")


@blueprint.get("/definitions")
@blueprint.gives(DefinitionsSchema)
def definitions() -> dict[str, tuple[Metric, ...]]:
    """What each metric means and how it is made"""
    return {"items": METRICS}


@blueprint.get("/definitions/<string:metric_id>")
@blueprint.gives(DefinitionSchema)
def definition(metric_id: str) -> Metric:
    """What one metric means and how it is made"""
    return metric(metric_id)
