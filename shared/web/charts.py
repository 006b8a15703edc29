"""Charts drawn on the server as SVG, from plain lists. No script, no dependency.

In a page the marks carry classes and take their colour from tokens.css, so that light, dark and print follow the
page. For a file that stands alone call `standalone(chart)`. To a screen reader a chart is one picture whose label
states the finding; the numbers belong in the table beside it (the macro `figure`), and every mark has a `data-tip`
for the pointer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

# The light colours of tokens.css once more, literally: what makes PDF or PNG does not resolve custom properties.
LITERAL = """\
text{font:12px "Atkinson Hyperlegible Next",sans-serif;fill:#3c4e49}.t-b{font-weight:700;fill:#0f1f1c}
.t-s{font-size:11px;fill:#566762}.ax{stroke:#7d8d88}.gl{stroke:#d5dedb}
.f1{fill:#0a5356}.f2{fill:#5a9fc4}.f3{fill:#d19a2a}.f4{fill:#8d4a74}.f5{fill:#7f928c}.f6{fill:#c9d2cf}
.bg{fill:#fff;stroke:#d5dedb}.taken{fill:#c3cdca}.closed{fill:#dfe6e3}.fit{fill:#0a5356}.tick{stroke:#7d8d88}"""


class Series(NamedTuple):
    """One category of a chart; `mark` is its colour class, f1 to f6."""

    name: str
    mark: str
    values: Sequence[float]


class StripDay(NamedTuple):
    """One day of a strip: its letter, its number, and what is taken, in hours of the local day."""

    letter: str
    number: int
    closed: bool
    taken: Sequence[tuple[float, float]]


def both(draw: Callable[..., Markup], *args: object, **kwargs: object) -> Markup:
    """The wide and the narrow version of a chart; the stylesheet shows the one that fits its container."""
    return draw(*args, **kwargs) + draw(*args, **kwargs, narrow=True)


def standalone(chart: Markup) -> str:
    """The chart with its own colours, for download, e-mail and PDF."""
    head, rest = chart.split(">", 1)
    return f"{head}><style>{LITERAL}</style>{rest}"


def stacked_columns(
    label: str, columns: Sequence[str], series: Sequence[Series], *, unit: str = "h", narrow: bool = False
) -> Markup:
    """Amounts per column, drawn bottom up; of a column's name (`Nov 2026`) the axis shows the first word."""
    width, height = (400.0, 260.0) if narrow else (680.0, 270.0)
    left, right, top, bottom = 46.0, 8.0 if narrow else 168.0, 10.0, 24.0
    body: list[Markup] = []
    if narrow:  # no room for names beside the columns: a key above them
        key, rows = _key_above(series, width)
        body += key
        top += rows * 17
        height += rows * 17
    drawn_width, drawn_height = width - left - right, height - top - bottom
    highest, step = _axis(max((sum(s.values[i] for s in series) for i in range(len(columns))), default=0))

    def y(value: float) -> float:
        return top + drawn_height * (1 - value / highest)

    for k in range(round(highest / step) + 1):
        value = k * step
        body.append(_line(left, y(value), left + drawn_width, y(value), "gl" if k else "ax"))
        body.append(_text(left - 6, y(value) + 4, f"{value:,g}", "t-s", "end"))
    if not columns:
        middle = left + drawn_width / 2
        body.append(_text(middle, top + drawn_height / 2, "Nothing in this period", "", "middle"))
        return _svg(width, height, label, body, narrow)
    pitch = drawn_width / len(columns)
    # a single column would otherwise be as wide as the chart
    thick = min(pitch * 0.72, 56)
    every = max(1, round(30 / pitch + 0.4))
    for i, column in enumerate(columns):
        x = left + i * pitch + (pitch - thick) / 2
        body += _column(column, [(s.name, s.mark, s.values[i]) for s in series], x, thick, y, unit)
        if i % every == 0:
            body.append(_text(x + thick / 2, height - 6, column.split(" ")[0], "t-s", "middle"))
    if not narrow:
        body += _names_beside(series, left + drawn_width + 8, y)
    return _svg(width, height, label, body, narrow)


def pair_bars(
    label: str,
    rows: Sequence[tuple[str, float, float]],
    names: tuple[str, str],
    *,
    unit: str = "h",
    narrow: bool = False,
) -> Markup:
    """One bar per row in two parts. `rows`: name, first part, second part; `names`: what the parts are."""
    width, row_height = (380.0 if narrow else 500.0), 27.0
    left, right, top = 118.0, 44.0, 24.0
    most = max((first + second for _, first, second in rows), default=0) or 1
    body = [_rect(left, 5, 9, 9, "f1"), _text(left + 14, 14, names[0])]
    second_key = left + 14 + _width_of(names[0]) + 18
    body += [_rect(second_key, 5, 9, 9, "f6"), _text(second_key + 14, 14, names[1])]

    def x(value: float) -> float:
        return (width - left - right) * value / most

    for i, (name, first, second) in enumerate(rows):
        y = top + i * row_height
        tip = f"{name}\n{names[0]}: {first:,.0f} {unit}\n{names[1]}: {second:,.0f} {unit}"
        body.append(_text(0, y + row_height / 2 + 4, _cut(name, left - 8)))
        body.append(_rect(left, y + 5, x(first) - 1, row_height - 10, "f1", tip))
        body.append(_rect(left + x(first), y + 5, x(second), row_height - 10, "f6", tip))
        total = f"{first + second:,.0f}"
        body.append(_text(left + x(first + second) + 6, y + row_height / 2 + 4, total, "t-b"))
    return _svg(width, top + row_height * len(rows) + 4, label, body, narrow)


def strip(
    label: str,
    days: Sequence[StripDay],
    *,
    fit: Mapping[int, tuple[float, float]] | None = None,
    hours: tuple[float, float] = (7, 19),
) -> Markup:
    """Two weeks at a glance: white is free, grey is taken, filled is a time that fits what was asked.

    `fit` gives, per index of a day, the hours that fit; `hours` is the part of the day that is drawn.
    """
    fitting = fit or {}
    width, height, foot = 336.0, 54.0, 16.0
    drawn_height = height - foot
    pitch = width / max(len(days), 1)

    def y(hour: float) -> float:
        inside = min(max(hour, hours[0]), hours[1])
        return drawn_height * (inside - hours[0]) / (hours[1] - hours[0])

    body: list[Markup] = []
    for i, day in enumerate(days):
        x = i * pitch + 1.5
        middle = x + (pitch - 3) / 2
        body.append(_rect(x + 0.5, 0.5, pitch - 4, drawn_height - 1, "closed" if day.closed else "bg"))
        for start, end in day.taken:
            body.append(_rect(x + 1, max(y(start), 1), pitch - 5, y(end) - max(y(start), 1), "taken"))
        if i in fitting:
            start, end = fitting[i]
            body.append(_rect(x + 1, y(start), pitch - 5, y(end) - y(start), "fit"))
        new_week = i == 0 or day.letter == "M"
        body.append(_line(middle, drawn_height + 1, middle, drawn_height + (5 if new_week else 3), "tick"))
        if new_week or i in fitting:
            body.append(_text(middle, height - 1, str(day.number), "on" if i in fitting else "", "middle"))
    return Markup('<svg class="strip" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _n(width), _n(height), label, Markup("").join(body)
    )


def _column(
    name: str,
    parts: Sequence[tuple[str, str, float]],
    x: float,
    thick: float,
    y: Callable[[float], float],
    unit: str,
) -> list[Markup]:
    """The parts of one column, from the axis up; a hairline of ground separates neighbours of similar tone."""
    marks, below = [], 0.0
    for part, mark, value in parts:
        top = y(below + value)
        if value > 0:
            tip = f"{name}\n{part}: {value:,.0f} {unit}"
            marks.append(_rect(x, top, thick, max(y(below) - top - 1, 0.5), mark, tip))
        below += value
    return marks


def _names_beside(series: Sequence[Series], x: float, y: Callable[[float], float]) -> list[Markup]:
    """What each part of the last column is, written at its height, but never over the name below it."""
    marks, below, last = [], 0.0, y(0) + 14
    for one in series:
        last = min(y(below + one.values[-1] / 2), last - 16)
        marks += [_rect(x, last - 4, 9, 9, one.mark), _text(x + 14, last + 4.5, one.name)]
        below += one.values[-1]
    return marks


def _axis(highest: float) -> tuple[float, float]:
    """The end of an axis that starts at zero, and the step between its lines: three to five of 1, 2 or 5."""
    if highest <= 0:
        return 1.0, 1.0
    size = 1.0
    while size * 10 <= highest:
        size *= 10
    while size > highest:
        size /= 10
    step = next(size * part for part in (0.2, 0.25, 0.5, 1, 2, 2.5, 5) if size * part * 5 >= highest)
    lines = 1
    while lines * step < highest:
        lines += 1
    return lines * step, step


def _key_above(series: Sequence[Series], width: float) -> tuple[list[Markup], int]:
    """Names with their colours in rows, and how many rows they took."""
    marks: list[Markup] = []
    x, row = 0.0, 0
    for one in series:
        room = 18 + _width_of(one.name)
        if x and x + room > width:
            x, row = 0.0, row + 1
        marks += [_rect(x, 4 + row * 17, 9, 9, one.mark), _text(x + 14, 12.5 + row * 17, one.name)]
        x += room + 10
    return marks, row + 1


def _width_of(words: str) -> float:
    """About how wide words are at 12 px; only a browser knows exactly."""
    return 6.3 * len(words)


def _cut(words: str, room: float) -> str:
    return words if _width_of(words) <= room else words[: int(room / 6.3) - 1].rstrip() + "…"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _svg(width: float, height: float, label: str, body: Sequence[Markup], narrow: bool) -> Markup:
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="chart chart--{}" viewBox="0 0 {} {}" role="img"'
        ' aria-label="{}">{}</svg>'
    ).format("n" if narrow else "w", _n(width), _n(height), label, Markup("").join(body))


def _text(x: float, y: float, words: str, cls: str = "", anchor: str = "start") -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="{}" class="{}">{}</text>').format(
        _n(x), _n(y), anchor, cls, escape(words)
    )


def _rect(x: float, y: float, width: float, height: float, cls: str, tip: str = "") -> Markup:
    about = Markup(' data-tip="{}"').format(tip) if tip else Markup("")
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" class="{}"{}/>').format(
        _n(x), _n(y), _n(max(width, 0)), _n(max(height, 0)), cls, about
    )


def _line(x1: float, y1: float, x2: float, y2: float, cls: str) -> Markup:
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>').format(_n(x1), _n(y1), _n(x2), _n(y2), cls)
