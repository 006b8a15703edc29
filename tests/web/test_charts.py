from __future__ import annotations

from xml.etree import ElementTree

import pytest

from shared.web.charts import Series, StripDay, both, pair_bars, stacked_columns, standalone, strip

SVG = "{http://www.w3.org/2000/svg}"
MONTHS = ["Sep 2026", "Oct 2026", "Nov 2026"]
HOURS = [
    Series("Used", "f1", [100, 120, 140]),
    Series("Booked, not used", "f3", [10, 0, 20]),
    Series("Free", "f6", [90, 80, 40]),
]


def heights(chart: str, mark: str) -> list[float]:
    tree = ElementTree.fromstring(chart)
    return [float(r.get("height", 0)) for r in tree.iter(f"{SVG}rect") if r.get("class") == mark and r.get("data-tip")]


@pytest.mark.parametrize("narrow", [False, True])
def test_columns_are_as_high_as_their_hours(narrow: bool) -> None:
    chart = stacked_columns("Hours", MONTHS, HOURS, narrow=narrow)
    used = heights(chart, "f1")
    # one unit of each part is the hairline between neighbours
    assert [round((h + 1) / (used[0] + 1), 2) for h in used] == [1, 1.2, 1.4]
    assert len(heights(chart, "f3")) == 2  # a month with nothing has no mark
    assert f"chart--{'n' if narrow else 'w'}" in chart
    assert "Nov 2026\nUsed: 140 h" in chart


@pytest.mark.parametrize("most", [0, 0.4, 3, 7.5, 24, 99, 100, 1460, 250_000])
def test_the_axis_starts_at_zero_and_holds_the_highest(most: float) -> None:
    chart = stacked_columns("Hours", ["Nov 2026"], [Series("Used", "f1", [most])])
    words = [t.text or "" for t in ElementTree.fromstring(chart).iter(f"{SVG}text") if t.get("class") == "t-s"]
    steps = [float(w.replace(",", "")) for w in words if not w.startswith("Nov")]
    assert steps[0] == 0
    assert steps[-1] >= most
    assert 2 <= len(steps) <= 7


def test_no_columns_say_so() -> None:
    assert "Nothing in this period" in stacked_columns("Hours", [], [Series("Used", "f1", [])])
    ElementTree.fromstring(pair_bars("Hours", [], ("used", "free")))


def test_both_gives_the_wide_and_then_the_narrow_version() -> None:
    chart = both(pair_bars, "Hours", [("Tartu", 10, 5)], ("used", "free"))
    assert chart.index("chart--w") < chart.index("chart--n")


def test_words_are_escaped() -> None:
    bad = '<script>"&'
    for chart in (
        stacked_columns(bad, [bad], [Series(bad, "f1", [1])]),
        pair_bars(bad, [(bad, 1, 2)], (bad, bad)),
        strip(bad, []),
    ):
        assert "<script" not in chart
        ElementTree.fromstring(chart)


def test_a_strip_shows_taken_closed_and_fitting_time() -> None:
    days = [
        StripDay("T", 26, False, [(6, 9), (12, 24)]),
        StripDay("F", 27, True, []),
        StripDay("M", 30, False, []),
    ]
    tree = ElementTree.fromstring(strip("Free on Monday", days, fit={2: (8, 12)}))
    classes = [part.get("class") for part in tree.iter("rect")]
    assert classes == ["bg", "taken", "taken", "closed", "bg", "fit"]
    for part in tree.iter("rect"):
        top, height = float(part.get("y", 0)), float(part.get("height", 0))
        assert top >= 0
        assert top + height <= 38
    assert tree.get("aria-label") == "Free on Monday"


def test_standalone_brings_its_colours() -> None:
    text = standalone(stacked_columns("Hours", MONTHS, HOURS))
    assert ElementTree.fromstring(text).find(f"{SVG}style") is not None
