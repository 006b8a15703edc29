"""What a region has, counted from the catalogue."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from services.catalogue.domain.search import FACETS, FacetValue
from services.catalogue.models import Facility, Region, SearchFacet
from services.catalogue.queries.finding import counted
from services.catalogue.queries.lookups import region, regions


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a region has, counted from the catalogue; and what others have too."""

    region: Region
    facilities: int
    equipment: int
    by_kind: list[FacetValue]
    by_technique: list[tuple[FacetValue, int]]  # with the number of regions that have it
    by_access_type: list[FacetValue]
    by_access_mode: list[FacetValue]
    compared_with: int  # regions, this one included; those that stand for countries are left out

    @property
    def common(self) -> list[FacetValue]:
        """Techniques that at least one other region has as well."""
        return [value for value, regions in self.by_technique if regions >= 2]

    @property
    def specific(self) -> list[FacetValue]:
        """Techniques that only this region has."""
        return [value for value, regions in self.by_technique if regions == 1]


def profile(session: Session, region_id: str) -> Profile:
    """Raises `NoSuchRegion`."""
    shown = region(session, region_id)
    compared = {each.id for each in regions(session) if not each.is_country} | {region_id}
    there = select(SearchFacet.number).where(SearchFacet.facet == "region", SearchFacet.value == region_id)
    facets = counted(session, there, FACETS, {})
    where = aliased(SearchFacet)
    spread_rows = session.execute(
        select(SearchFacet.value, func.count(where.value.distinct()))
        .join(where, sa.and_(where.number == SearchFacet.number, where.facet == "region"))
        .where(SearchFacet.facet == "technique", where.value.in_(compared))
        .group_by(SearchFacet.value)
    )
    spread = {code: count for code, count in spread_rows}
    is_there = select(func.count()).where(Facility.region_id == region_id, Facility.open)
    return Profile(
        region=shown,
        facilities=session.scalar(is_there) or 0,
        equipment=session.scalar(select(func.count()).select_from(there.subquery())) or 0,
        by_kind=facets["kind"],
        by_technique=[(value, spread.get(value.value, 0)) for value in facets["technique"]],
        by_access_type=facets["access_type"],
        by_access_mode=facets["access_mode"],
        compared_with=len(compared),
    )
