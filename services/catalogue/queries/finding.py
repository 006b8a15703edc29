"""Search: by words, narrowed down by facets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, func, literal, literal_column, select
from sqlalchemy.orm import Session

from services.catalogue.domain import records
from services.catalogue.domain.search import (
    FACETS,
    FEW,
    LONGEST_FACET,
    WEIGHTS,
    FacetValue,
    SearchRequest,
    needed_words,
    rarity,
)
from services.catalogue.domain.words import QueryWord, query_words
from services.catalogue.models import Equipment, Facility, Region, SearchDocument, SearchFacet, Technique
from services.catalogue.queries.lookups import plainly_sorted


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """A page of what was found, and how what was found can be narrowed down."""

    items: Sequence[Equipment]
    facets: Mapping[str, list[FacetValue]]
    total: int
    next_offset: int | None
    words: tuple[QueryWord, ...]
    loosened: bool  # few or none hold all the words, and some that hold most are among these


def search(session: Session, request: SearchRequest) -> SearchResult:
    """Published equipment with the words and values asked for, the best match first.

    Both databases index the same words, and both are told to count and to rank by the same rules, so
    the answer does not depend on the one at work. Values of one facet are counted as if nothing were
    chosen in it, and with everything that is chosen in the others.
    """
    words = query_words(request.q)
    if request.q.strip() and not words:  # only words that say nothing: "the", "?"
        empty: dict[str, list[FacetValue]] = {facet: [] for facet in FACETS}
        return SearchResult(items=[], facets=empty, total=0, next_offset=None, words=(), loosened=False)
    loosened = _is_loosened(session, words)
    matched = _matched(session, words, loosened=loosened)
    chosen = {facet: values for facet, values in request.filters.items() if values}
    found = matched.where(*_narrowed(chosen))
    count = session.scalar(select(func.count()).select_from(found.subquery())) or 0
    page = _ranked(session, found, words, loosened=loosened).limit(request.limit).offset(request.offset)
    ids = list(session.scalars(page)) if count else []
    if loosened:
        all_words = _matched(session, words, loosened=False).where(*_narrowed(chosen))
        loosened = (session.scalar(select(func.count()).select_from(all_words.subquery())) or 0) < count
    end = request.offset + request.limit
    return SearchResult(
        items=_in_order(session, ids),
        facets=_facets(session, matched, chosen),
        total=count,
        next_offset=end if end < count else None,
        words=words,
        loosened=loosened,
    )


def total(session: Session, request: SearchRequest) -> int:
    """How many a search would find."""
    words = query_words(request.q)
    if request.q.strip() and not words:
        return 0
    matched = _matched(session, words, loosened=_is_loosened(session, words))
    chosen = {facet: values for facet, values in request.filters.items() if values}
    found = matched.where(*_narrowed(chosen))
    return session.scalar(select(func.count()).select_from(found.subquery())) or 0


def _is_loosened(session: Session, words: Sequence[QueryWord]) -> bool:
    return len(words) > 1 and _count(session, _holding(session, words, every=True), upto=FEW) < FEW


def _matched(session: Session, words: Sequence[QueryWord], *, loosened: bool) -> Select[int]:
    """Numbers of the documents that hold all of the words; with `loosened`, most of them."""
    matched = select(SearchDocument.number)
    if words:
        matched = matched.where(_holding(session, words, every=not loosened))
    if loosened:
        matched = matched.where(_hits(words) >= needed_words(len(words)))
    return matched


def _ranked(session: Session, found: Select[int], words: Sequence[QueryWord], *, loosened: bool) -> Select[UUID]:
    order: list[Any] = []
    if loosened:
        order.append(_hits(words).desc())
    if words:
        order.append(_score(session, words).desc())
    order += [plainly_sorted(session, SearchDocument.sort_name), SearchDocument.equipment_id]
    return found.with_only_columns(SearchDocument.equipment_id).order_by(*order)


# As the index on PostgreSQL has it; see the models.
_VECTOR = "array_to_tsvector(string_to_array(btrim(search_document.words), ' '))"


def _holding(session: Session, words: Sequence[QueryWord], *, every: bool) -> ColumnElement[bool]:
    """That a document holds every one of the words, or any; answered from the full-text index."""
    if session.get_bind().dialect.name == "postgresql":
        joined = (" & " if every else " | ").join(f"({_as_tsquery(word)})" for word in words)
        vector: ColumnElement[Any] = literal_column(
            "array_to_tsvector(string_to_array(btrim(search_document.words), ' '))"
        )
        return vector.op("@@", is_comparison=True)(sa.cast(literal(joined), _TsQuery()))
    joined = (" AND " if every else " OR ").join(f"({_as_fts5(word)})" for word in words)
    index = sa.table("search_index", sa.column("rowid"))
    match = literal_column("search_index").op("MATCH", is_comparison=True)(joined)
    return SearchDocument.number.in_(select(index.c.rowid).where(match))


class _TsQuery(sa.types.UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **kwargs: Any) -> str:
        return "tsquery"


def _as_tsquery(word: QueryWord) -> str:
    forms = [f"'{form}'" for form in word.forms]
    return " | ".join(forms + ([f"'{word.prefix}':*"] if word.prefix else []))


def _as_fts5(word: QueryWord) -> str:
    forms = [f'"{form}"' for form in word.forms]
    return " OR ".join(forms + ([f'"{word.prefix}"*'] if word.prefix else []))


def _in(column: Any, word: QueryWord) -> ColumnElement[bool]:
    """That one of the texts of a document holds the word. Words have no signs that LIKE would read."""
    forms = [column.like(f"% {form} %") for form in word.forms]
    return sa.or_(*forms, *([column.like(f"% {word.prefix}%")] if word.prefix else []))


def _hits(words: Sequence[QueryWord]) -> ColumnElement[int]:
    found = [sa.case((_in(SearchDocument.words, word), 1), else_=0) for word in words]
    return _sum(found)


def _score(session: Session, words: Sequence[QueryWord]) -> ColumnElement[int]:
    worths = [1]
    if len(words) > 1:
        of = session.scalar(select(func.count()).select_from(SearchDocument)) or 0
        worths = [rarity(_count(session, _holding(session, [word], every=True)), of) for word in words]
    parts = [
        sa.case((_in(getattr(SearchDocument, field), word), weight * worth), else_=0)
        for word, worth in zip(words, worths, strict=True)
        for field, weight in WEIGHTS.items()
    ]
    return _sum(parts)


def _sum(parts: Sequence[ColumnElement[int]]) -> ColumnElement[int]:
    total: ColumnElement[int] = literal(0)
    for part in parts:
        total = total + part
    return total


def _count(session: Session, condition: ColumnElement[bool], *, upto: int | None = None) -> int:
    found = select(SearchDocument.number).where(condition)
    if upto is not None:
        found = found.limit(upto)
    return session.scalar(select(func.count()).select_from(found.subquery())) or 0


def _narrowed(chosen: Mapping[str, Sequence[str]]) -> list[ColumnElement[bool]]:
    return [
        SearchDocument.number.in_(
            select(SearchFacet.number).where(SearchFacet.facet == facet, SearchFacet.value.in_(values))
        )
        for facet, values in chosen.items()
    ]


def _facets(session: Session, matched: Select[int], chosen: Mapping[str, Sequence[str]]) -> dict[str, list[FacetValue]]:
    """Every facet counted; those in which nothing is chosen together, each of the others by itself."""
    together = [facet for facet in FACETS if facet not in chosen]
    facets = counted(session, matched.where(*_narrowed(chosen)), together, chosen)
    for facet in chosen:
        others = {name: values for name, values in chosen.items() if name != facet}
        facets |= counted(session, matched.where(*_narrowed(others)), [facet], chosen)
    return {facet: facets[facet] for facet in FACETS}


def counted(
    session: Session, numbers: Select[int], facets: Collection[str], chosen: Mapping[str, Sequence[str]]
) -> dict[str, list[FacetValue]]:
    rows = session.execute(
        select(SearchFacet.facet, SearchFacet.value, func.count())
        .where(SearchFacet.facet.in_(facets), SearchFacet.number.in_(numbers))
        .group_by(SearchFacet.facet, SearchFacet.value)
    ).all()
    counts: dict[str, dict[str, int]] = {facet: {} for facet in facets}
    for facet, value, count in rows:
        counts[facet][value] = count
    values: dict[str, list[FacetValue]] = {}
    for facet in facets:
        picked = set(chosen.get(facet, ()))
        most = sorted(counts[facet], key=lambda value: (-counts[facet][value], value))
        kept = most[:LONGEST_FACET] + [value for value in most[LONGEST_FACET:] if value in picked]
        kept += sorted(picked - set(most))  # chosen, but nothing is left of it
        labels = _labels(session, facet, kept)
        shown = [
            FacetValue(
                value=value,
                label=labels[value],
                count=counts[facet].get(value, 0),
                selected=value in picked,
            )
            for value in kept
            if value in labels
        ]
        values[facet] = sorted(shown, key=lambda value: (-value.count, value.label))
    return values


_FIXED_LABELS: Mapping[str, Mapping[str, str]] = {
    "kind": records.KIND_LABELS,
    "access_type": records.ACCESS_TYPE_LABELS,
    "access_mode": records.ACCESS_MODE_LABELS,
}


def _labels(session: Session, facet: str, values: Sequence[str]) -> Mapping[str, str]:
    """What the values of a facet are called; those that do not exist are missing."""
    if facet in _FIXED_LABELS:
        return _FIXED_LABELS[facet]
    key, label = {
        "region": (Region.id, Region.name),
        "technique": (Technique.code, Technique.label),
        "facility": (Facility.slug, Facility.name),
    }[facet]
    return {value: name for value, name in session.execute(select(key, label).where(key.in_(values)))}


def _in_order(session: Session, ids: Sequence[UUID]) -> Sequence[Equipment]:
    if not ids:
        return []
    found = {each.id: each for each in session.scalars(select(Equipment).where(Equipment.id.in_(ids)))}
    return [found[id] for id in ids]
