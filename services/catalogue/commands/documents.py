"""The search documents: kept with what they describe, in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import delete
from sqlalchemy.orm import Session

from services.catalogue import queries
from services.catalogue.domain.records import EquipmentState
from services.catalogue.domain.words import indexed, name_key
from services.catalogue.models import Equipment, Facility, SearchDocument, SearchFacet, Technique

Entry = tuple[Equipment, Facility, Sequence[Technique]]


def index(session: Session, entries: Iterable[Entry]) -> None:
    """Make what is published findable as it now is, and what is not published not findable."""
    entries = list(entries)
    session.flush()
    present = queries.documents_of(session, [equipment.id for equipment, _, _ in entries])
    shown = [entry for entry in entries if _is_shown(entry)]
    shown_ids = {equipment.id for equipment, _, _ in shown}
    for equipment_id, document in present.items():
        if equipment_id not in shown_ids:
            session.delete(document)
    documents = []
    for entry in shown:
        texts = _texts(entry)
        document_ = present.get(entry[0].id)
        if document_ is None:
            document_ = SearchDocument(equipment_id=entry[0].id, **texts)
            session.add(document_)
        else:
            for name, text in texts.items():
                setattr(document_, name, text)
        documents.append(document_)
    session.flush()
    for start in range(0, len(documents), queries.lookups.CHUNK):
        numbers = [document.number for document in documents[start : start + queries.lookups.CHUNK]]
        session.execute(delete(SearchFacet).where(SearchFacet.number.in_(numbers)))
    session.add_all(
        SearchFacet(number=document.number, facet=facet, value=value)
        for document, entry in zip(documents, shown, strict=True)
        for facet, value in _facets(entry)
    )
    session.flush()


def _is_shown(entry: Entry) -> bool:
    equipment, facility, _ = entry
    return equipment.state is EquipmentState.PUBLISHED and facility.open


def _texts(entry: Entry) -> dict[str, str]:
    equipment, facility, techniques = entry
    host, region = facility.host, facility.region
    parts = {
        "name_words": indexed(equipment.name, equipment.model),
        "technique_words": indexed(*(f"{each.label} {each.synonyms}" for each in techniques)),
        "keyword_words": indexed(*equipment.keywords, equipment.manufacturer),
        "place_words": indexed(facility.name, facility.town, host.name, region.name),
        "description_words": indexed(equipment.description),
    }
    all_words = dict.fromkeys(word for text in parts.values() for word in text.split())
    return parts | {"words": f" {' '.join(all_words)} ", "sort_name": name_key(equipment.name)}


def _facets(entry: Entry) -> set[tuple[str, str]]:
    equipment, facility, techniques = entry
    return {
        ("region", facility.region_id),
        ("facility", facility.slug),
        ("kind", str(equipment.kind)),
        *(("technique", technique.code) for technique in techniques),
        *(("access_type", str(value)) for value in equipment.access_types),
        *(("access_mode", str(value)) for value in equipment.access_modes),
    }
