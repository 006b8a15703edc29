"""The techniques a new installation starts with: what equipment does, in the words people search for.

They become rows of the database on the first start, and more can be entered there. The synonyms in
`techniques.csv` are what somebody types who knows the question and not the instrument, also in the
languages of the regions.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files

OTHER = "Other techniques"  # the group of a technique that an installation adds without one


@dataclass(frozen=True, slots=True)
class TechniqueTerm:
    """One entry of the vocabulary."""

    code: str
    label: str
    group: str
    drawing: str = "plain"  # what stands where a photograph is missing
    synonyms: str = ""  # plain words, searched like the label


def _read() -> tuple[TechniqueTerm, ...]:
    text = files(__package__).joinpath("techniques.csv").read_text("utf-8")
    return tuple(TechniqueTerm(**row) for row in csv.DictReader(text.splitlines()))


TECHNIQUES = _read()
