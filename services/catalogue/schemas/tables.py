"""CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def harmless(text: str) -> str:
    """`text` as a spreadsheet shows it and does not compute it."""
    return f"'{text}" if text.lstrip(" '\"\ufeff").startswith(_FORMULA) else text


_CSV_COLUMNS = (
    "id name kind description techniques keywords units access_types access_modes operator_needed "
    "trl_min trl_max manufacturer model website facility host region town address"
)


def csv_of(found: Iterable[Any]) -> str:
    """Equipment as a table that can be taken in again as infrashare-csv."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow(_CSV_COLUMNS.split())
    for equipment in found:
        table.writerow(_csv_row(equipment))
    return "\ufeff" + out.getvalue()


def _csv_row(equipment: Any) -> list[str | int]:
    facility = equipment.facility
    texts: list[str | int | None] = [
        str(equipment.id),
        equipment.name,
        str(equipment.kind),
        equipment.description,
        "|".join(technique.code for technique in equipment.techniques),
        "|".join(equipment.keywords),
        equipment.units,
        "|".join(equipment.access_types),
        "|".join(equipment.access_modes),
        "yes" if equipment.operator_needed else "no",
        equipment.trl_min,
        equipment.trl_max,
        equipment.manufacturer,
        equipment.model,
        equipment.website,
        facility.slug,
        facility.host.name,
        facility.region_id,
        facility.town,
        facility.address,
    ]
    return [harmless(text) if isinstance(text, str) else "" if text is None else text for text in texts]
