"""The pages of the catalogue."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from marshmallow import EXCLUDE, ValidationError
from sqlalchemy.orm import Session

from services.catalogue import commands, queries, schemas
from services.catalogue.domain import records
from services.catalogue.domain.records import EquipmentState, NoSuchEquipment
from services.catalogue.domain.search import FACETS, FacetValue, SearchRequest
from services.catalogue.domain.words import excerpt, folded, query_words
from services.catalogue.models import Equipment
from services.catalogue.schemas import tables
from shared.errors import DomainError
from shared.fields import Whole
from shared.web.app import current_actor, snapshot, work
from shared.web.auth import require_login
from shared.web.pages import form_errors, redirect_to, render

PAGE = 20
MOST_EXPORTED = 5_000
FACET_TITLES: Mapping[str, str] = {
    "region": "Region",
    "access_type": "How you use it",
    "technique": "Technique",
    "kind": "Kind",
    "access_mode": "On what terms",
    "facility": "Lab",
}
OPEN_FACETS = ("region", "access_type", "technique")
SHOWN_VALUES = 8  # of a facet, before the rest is folded away
SUGGESTIONS = ("porosity in metal parts", "fermentation 300 litres", "EMC pre-compliance", "timber drying")


class Root(Blueprint):
    """Pages of the whole installation, not below the mount."""

    at_root = True


root = Root("root", __name__, template_folder="templates")
blueprint = Blueprint("pages", __name__, template_folder="templates")


class _FindSchema(schemas.EquipmentQuerySchema):
    page = Whole(1, 1_000, load_default=1)


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What a search page is asked for, and the addresses of its neighbours."""

    q: str
    filters: Mapping[str, tuple[str, ...]]
    page: int = 1

    @property
    def chosen(self) -> list[tuple[str, str]]:
        return [(facet, value) for facet, values in self.filters.items() for value in values]

    @property
    def asked(self) -> SearchRequest:
        return SearchRequest(q=self.q, filters=self.filters, limit=PAGE, offset=(self.page - 1) * PAGE)

    def address(self, *, page: int = 1, path: str = "/catalogue/find") -> str:
        parameters = [("q", self.q)] if self.q else []
        parameters += self.chosen + ([("page", str(page))] if page > 1 else [])
        return f"{path}?{urlencode(parameters)}" if parameters else path

    def without(self, facet: str, value: str = "") -> _Wanted:
        """The same, without one value of a facet, or without the whole facet."""
        kept = tuple(each for each in self.filters[facet] if value and each != value)
        return replace(self, filters={**self.filters, facet: kept}, page=1)


def _wanted() -> _Wanted:
    """What the address asks for. Raises `ValidationError`."""
    # Forms send empty fields for what nobody chose.
    parameters = [(name, value) for name, value in request.args.items(multi=True) if value]
    raw: dict[str, Any] = {}
    for name, value in parameters:
        if name in FACETS:
            raw.setdefault(name, []).append(value)
        else:
            raw[name] = value
    loaded = _FindSchema(unknown=EXCLUDE).load(raw)
    filters = {facet: tuple(dict.fromkeys(loaded[facet])) for facet in FACETS}
    return _Wanted(q=loaded["q"], filters=filters, page=loaded["page"])


# ---------------------------------------------------------------- the whole installation


@root.get("/")
def landing() -> str:
    """What there is, by region, and where to begin."""
    with snapshot() as session:
        regions, counts = queries.regions(session), queries.counts_by_region(session)
    own = [region for region in regions if not region.is_country]
    elsewhere = [region for region in regions if region.is_country and counts.get(region.id)]
    return render(
        "catalogue/landing.html",
        regions=own,
        counts=counts,
        elsewhere=elsewhere,
        total=sum(counts.get(region.id, 0) for region in own),
        suggestions=SUGGESTIONS,
        kinds=_choices(records.KIND_LABELS),
        access_types=_choices(records.ACCESS_TYPE_LABELS),
    )


@root.get("/accessibility")
def accessibility() -> str:
    return render("catalogue/accessibility.html")


@root.get("/privacy")
def privacy() -> str:
    return render("catalogue/privacy.html")


def _choices(labels: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(str(value), label) for value, label in labels.items()]


# ---------------------------------------------------------------- search


@blueprint.get("/")
def index() -> Any:
    return redirect_to("/catalogue/find")


@blueprint.get("/find")
def find() -> str | tuple[str, int]:
    """Search with facets; every state of it has an address."""
    try:
        wanted = _wanted()
    except ValidationError as error:
        errors, status = form_errors(error)
        nothing = _Wanted(q="", filters={facet: () for facet in FACETS})
        return render("catalogue/find.html", wanted=nothing, found=None, errors=errors, facets=[]), status
    with snapshot() as session:
        slugs = queries.as_facility_slugs(session, wanted.filters["facility"])
        wanted = replace(wanted, filters={**wanted.filters, "facility": slugs})
        found = queries.search(session, wanted.asked)
        looser = [] if found.total else _looser(session, wanted)
        countries = {region.id for region in queries.regions(session) if region.is_country}
    return render(
        "catalogue/find.html",
        wanted=wanted,
        found=found,
        errors=[],
        facets=_facets(wanted, found.facets, countries),
        chips=_chips(wanted, found.facets),
        excerpts={each.id: excerpt(each.description, found.words) for each in found.items},
        looser=looser,
        first=(wanted.page - 1) * PAGE + 1,
        access_type_labels=records.ACCESS_TYPE_LABELS,
        previous=wanted.address(page=wanted.page - 1) if wanted.page > 1 else "",
        following=wanted.address(page=wanted.page + 1) if found.next_offset is not None else "",
        export=wanted.address(path="/catalogue/find.csv"),
    )


@dataclass(frozen=True, kw_only=True)
class _Facet:
    """A facet as the page shows it: the first values, and the rest folded away."""

    name: str
    title: str
    values: Sequence[FacetValue]
    more: Sequence[FacetValue]
    open: bool
    most: int


def _facets(wanted: _Wanted, counted: Mapping[str, list[FacetValue]], countries: Collection[str]) -> list[_Facet]:
    shown = []
    for name, title in FACET_TITLES.items():
        values = counted[name]
        if not values:
            continue
        if name == "region":  # the installation's own before what is only known elsewhere
            values = sorted(values, key=lambda value: value.value in countries)
        first = [value for index, value in enumerate(values) if index < SHOWN_VALUES or value.selected]
        shown.append(
            _Facet(
                name=name,
                title=title,
                values=first,
                more=[value for value in values if value not in first],
                open=name in OPEN_FACETS or bool(wanted.filters[name]),
                most=max(1, *(value.count for value in values)),
            )
        )
    return shown


def _chips(wanted: _Wanted, counted: Mapping[str, list[FacetValue]]) -> list[tuple[str, str]]:
    """What is chosen, each with the address without it."""
    labels = {(facet, value.value): value.label for facet, values in counted.items() for value in values}
    return [
        (labels.get((facet, value), value), wanted.without(facet, value).address()) for facet, value in wanted.chosen
    ]


def _looser(session: Session, wanted: _Wanted) -> list[tuple[str, int, str]]:
    """What would be found without one of the things asked for, where that is anything."""
    options = [
        (f"without “{FACET_TITLES[facet].lower()}”", wanted.without(facet))
        for facet, values in wanted.filters.items()
        if values
    ]
    if wanted.q and wanted.chosen:
        options.append(("without the words", replace(wanted, q="", page=1)))
    words = [word for word in wanted.q.split() if query_words(word)]
    if len(words) > 1:
        options += [(f"for “{word}” alone", replace(wanted, q=word, page=1)) for word in dict.fromkeys(words)]
    counted = ((label, queries.total(session, option.asked), option.address()) for label, option in options[:12])
    return [option for option in counted if option[1]]


@blueprint.get("/find.csv")
def find_csv() -> Response:
    """What was found as a table for a spreadsheet."""
    wanted = _wanted()
    with snapshot() as session:
        slugs = queries.as_facility_slugs(session, wanted.filters["facility"])
        asked = replace(wanted.asked, filters={**wanted.filters, "facility": slugs}, limit=MOST_EXPORTED, offset=0)
        table = tables.csv_of(queries.search(session, asked).items)
    name = "equipment" + "".join(f"-{word}" for word in folded(wanted.q).split() if word.isalnum() and word.isascii())
    return Response(
        table,
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name[:60]}.csv"'},
    )


# ---------------------------------------------------------------- records


@blueprint.get("/equipment/<string:key>")
def equipment(key: str) -> str:
    """One piece of equipment; what was withdrawn keeps its page."""
    with snapshot() as session:
        shown = queries.equipment(session, key)
        _must_be_visible(shown)
        similar = queries.alternatives(session, shown)
    return render(
        "catalogue/equipment.html",
        equipment=shown,
        facility=shown.facility,
        similar=similar,
        labels={
            "kind": records.KIND_LABELS,
            "type": records.ACCESS_TYPE_LABELS,
            "mode": records.ACCESS_MODE_LABELS,
        },
        may_edit=current_actor().manages(shown.facility_id),
    )


@blueprint.get("/facilities/<string:key>")
def facility(key: str) -> str:
    """A facility and what it offers."""
    with snapshot() as session:
        shown = queries.facility(session, key)
        manages = current_actor().manages(shown.id)
        offered = queries.equipment_of(session, shown.id, all_states=manages)
    return render(
        "catalogue/facility.html", facility=shown, offered=offered, kinds=records.KIND_LABELS, manages=manages
    )


@blueprint.get("/regions/<string:region_id>")
def region(region_id: str) -> str:
    """What a region has, and what it shares with others."""
    with snapshot() as session:
        profile = queries.profile(session, region_id)
        facilities = queries.facilities(session, region_id=region_id, limit=200)
    return render("catalogue/region.html", profile=profile, region=profile.region, facilities=facilities)


def _must_be_visible(shown: Equipment) -> None:
    if shown.state is EquipmentState.DRAFT and not current_actor().manages(shown.facility_id):
        raise NoSuchEquipment("There is no such equipment.")


# ---------------------------------------------------------------- editing


class _EditSchema(schemas.EquipmentChangeSchema):
    """The form: keywords on one line, empty fields for what is not known."""

    class Meta:
        unknown = EXCLUDE


@blueprint.route("/equipment/<string:key>/edit", methods=["GET", "POST"])
def edit(key: str) -> Any:
    """Change a record, for those who manage the facility."""
    if (elsewhere := require_login()) is not None:
        return elsewhere
    with snapshot() as session:
        shown = queries.equipment(session, key)
        _must_be_visible(shown)
    current_actor().must_manage(shown.facility_id)
    errors: list[dict[str, Any]] = []
    status = 200
    if request.method == "POST":
        try:
            changes = _EditSchema().load(_form_values())
            with work() as uow:
                commands.change_equipment(uow, shown.id, changes)
        except (ValidationError, DomainError) as error:
            errors, status = form_errors(error)
        else:
            return redirect_to(f"/catalogue/equipment/{shown.slug}")
    page = render(
        "catalogue/edit.html",
        equipment=shown,
        values=request.form if request.method == "POST" else _as_typed(shown),
        chosen_types=request.form.getlist("access_types") if errors else shown.access_types,
        errors=errors,
        kinds=_choices(records.KIND_LABELS),
        access_types=_choices(records.ACCESS_TYPE_LABELS),
        states=[("draft", "Draft, only we see it"), ("published", "Published"), ("withdrawn", "Withdrawn")],
    )
    return page, status


def _form_values() -> dict[str, Any]:
    """The form as the schema takes it."""
    form = request.form
    values: dict[str, Any] = {name: form[name] for name in form if name not in ("keywords", "access_types")}
    values["keywords"] = [word.strip() for word in form.get("keywords", "").split(",") if word.strip()]
    values["access_types"] = form.getlist("access_types")
    values["operator_needed"] = "operator_needed" in form
    for name in ("trl_min", "trl_max", "commissioned_on", "decommissioned_on"):
        values[name] = form.get(name) or None
    return values


def _as_typed(shown: Equipment) -> dict[str, Any]:
    texts = ("name", "description", "units", "website", "manufacturer", "model", "trl_min", "trl_max")
    values = {name: getattr(shown, name) for name in texts}
    values["kind"], values["state"] = str(shown.kind), str(shown.state)
    values["keywords"] = ", ".join(shown.keywords)
    values["operator_needed"] = "1" if shown.operator_needed else ""
    for name in ("commissioned_on", "decommissioned_on"):
        day = getattr(shown, name)
        values[name] = day.isoformat() if day else ""
    return values
