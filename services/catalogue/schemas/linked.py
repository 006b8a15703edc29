"""Records in the words of schema.org, for search engines and other catalogues."""

from __future__ import annotations

from typing import Any

from services.catalogue.domain.records import Kind


def _present(node: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if value not in (None, "", [], {})}


def linked_equipment(equipment: Any, base: str) -> dict[str, Any]:
    """A piece of equipment in the words of schema.org, offered as a service of its facility."""
    facility = equipment.facility
    address = f"{base}/catalogue/equipment/{equipment.slug}"
    is_thing = equipment.kind not in (Kind.FACILITY, Kind.SERVICE)
    return _present(
        {
            "@context": "https://schema.org",
            "@type": ["IndividualProduct", "Service"] if is_thing else "Service",
            "@id": address,
            "identifier": str(equipment.id),
            "name": equipment.name,
            "description": equipment.description,
            "url": address,
            "sameAs": equipment.website,
            "category": [technique.label for technique in equipment.techniques],
            "keywords": ", ".join(equipment.keywords),
            "manufacturer": equipment.manufacturer and {"@type": "Organization", "name": equipment.manufacturer},
            "model": equipment.model,
            "provider": _facility_node(facility, base),
            "areaServed": {"@type": "AdministrativeArea", "name": facility.region.name},
            "dateModified": equipment.changed_at.isoformat(),
        }
    )


def linked_facility(facility: Any, base: str) -> dict[str, Any]:
    """A facility in the words of schema.org."""
    return {"@context": "https://schema.org"} | _facility_node(facility, base)


def _facility_node(facility: Any, base: str) -> dict[str, Any]:
    address = f"{base}/catalogue/facilities/{facility.slug}"
    located = facility.latitude is not None and facility.longitude is not None
    return _present(
        {
            "@type": "ResearchOrganization",
            "@id": address,
            "identifier": str(facility.id),
            "name": facility.name,
            "description": facility.description,
            "url": address,
            "sameAs": facility.website,
            "email": facility.contact_email,
            "parentOrganization": {"@type": "Organization", "name": facility.host.name},
            "address": _present(
                {
                    "@type": "PostalAddress",
                    "streetAddress": facility.address,
                    "addressLocality": facility.town,
                    "addressRegion": facility.region.name,
                    "addressCountry": facility.region.country,
                }
            ),
            "geo": {
                "@type": "GeoCoordinates",
                "latitude": facility.latitude,
                "longitude": facility.longitude,
            }
            if located
            else None,
        }
    )


def linked_region(region: Any, base: str) -> dict[str, Any]:
    """A region in the words of schema.org."""
    address = f"{base}/catalogue/regions/{region.id}"
    return _present(
        {
            "@context": "https://schema.org",
            "@type": "AdministrativeArea",
            "@id": address,
            "identifier": region.nuts_codes,
            "name": region.name,
            "description": region.summary,
            "url": address,
        }
    )
