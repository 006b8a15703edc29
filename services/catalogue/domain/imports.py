"""What came of an import."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

from services.catalogue.domain.files import Refusal


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """How many rows did what, and why the others did nothing."""

    created: int
    updated: int
    unchanged: int
    rejected: tuple[Refusal, ...]  # every reason of every row
    rows: int
    encoding: str
    delimiter: str
    dry_run: bool
    facilities_created: int = 0
    columns_not_read: tuple[str, ...] = ()
    techniques_not_known: tuple[str, ...] = ()  # kept as keywords
    regions_not_known: tuple[str, ...] = ()  # their rows are filed under the country
    import_id: UUID | None = None  # None after a dry run

    @property
    def rejected_rows(self) -> int:
        return len({refusal.row for refusal in self.rejected})

    @property
    def rejected_by_rule(self) -> list[tuple[str, list[Refusal]]]:
        """The refusals grouped by rule, the most frequent first."""
        counts = Counter(refusal.code for refusal in self.rejected)
        return [
            (code, [refusal for refusal in self.rejected if refusal.code == code]) for code, _ in counts.most_common()
        ]
