"""What is asked of a search, and how much each match is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FACETS = ("region", "technique", "kind", "access_type", "access_mode", "facility")

# A word in the name says more than the same word in the description.
WEIGHTS: Mapping[str, int] = {
    "name_words": 16,
    "technique_words": 9,
    "keyword_words": 6,
    "place_words": 3,
    "description_words": 2,
}
FEW = 5  # so few matches of all words that matches of most of them are shown as well
LARGEST_OFFSET = 100_000
LONGEST_FACET = 40  # values of one facet that are counted out


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """Words to be found, and values to be narrowed down to: any of those of one facet, in all facets."""

    q: str = ""
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetValue:
    """A value to narrow down to, and how many would then be left."""

    value: str
    label: str
    count: int
    selected: bool


def needed_words(count: int) -> int:
    """How many of `count` words a record must hold to be shown at all."""
    return (count + 1) // 2


def rarity(found: int, of: int) -> int:
    """How much more a rare word says than one that nearly every record holds: 1 to 10."""
    worth = 1
    while worth < 10 and found * 2 <= of:
        worth, found = worth + 1, max(found, 1) * 2
    return worth
