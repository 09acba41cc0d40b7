"""Pictures of numbers as plain HTML and SVG: no script, no font, nothing to load, sharp in light and dark.

Marks and words are HTML at percentages of the plot, so that they keep their size on a phone; lines are an SVG that
stretches with it. Each picture carries its text alternative.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from jobs import numbers
from jobs.intervals import Interval
from jobs.markup import Text, element

Kind = Literal["before", "after", "faded"]
TICKS = 6
ROOM = 0.12
"""Of the range of the values, free on both sides of them."""


@dataclass(frozen=True)
class Point:
    """A model: how fast (images a second) and how good (a fraction) it is."""

    speed: Interval
    quality: Interval
    word: str
    """Beside the mark; a single letter stands inside it."""
    title: str
    """When the pointer is on it."""
    kind: Kind = "after"


@dataclass(frozen=True)
class Axis:
    """A range with its round values."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Where a value is, 0 to 100."""
        return 100 * (value - self.low) / (self.high - self.low)


def axis(values: Sequence[float], *, least: float = 0.0, most: float = math.inf) -> Axis:
    """A range around all values, at least `least` wide and never beyond `most` but for a little room."""
    low, high = min(values), max(values)
    width = max(high - low, least, abs(high) * 1e-3, 1e-9)
    middle = (low + high) / 2
    low, high = middle - width * (0.5 + ROOM), middle + width * (0.5 + ROOM)
    beyond = max(0.0, high - (most + width * ROOM / 2))
    low, high = low - beyond, high - beyond
    return Axis(low, high, tuple(tick for tick in round_values(low, high) if tick <= most))


def round_values(low: float, high: float) -> tuple[float, ...]:
    """A few from the one to the other."""
    step = _step((high - low) / TICKS)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(round(place * step, 10) for place in range(first, last + 1))


def _step(rough: float) -> float:
    """The round number next above: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))


def accuracy_and_speed(
    points: Sequence[Point],
    *,
    quality_name: str,
    alternative: str,
    limit: float | None = None,
    frontier: Sequence[Point] = (),
    arrow: bool = False,
    caption: Text = "",
) -> Markup:
    """Accuracy against throughput. `limit` is the least accuracy accepted, `arrow` leads from the first to the last."""
    speeds = [end for p in points for end in (p.speed.low, p.speed.value, p.speed.high)]
    qualities = [end for p in points for end in (p.quality.low, p.quality.value, p.quality.high)]
    across = axis(speeds, least=0.1 * max(speeds))
    up = axis([*qualities, *([] if limit is None else [limit])], least=0.01, most=1.0)
    lines = [*_grid(across, up), *_limit_line(limit, up), *_frontier(frontier, across, up)]
    if arrow:
        lines.append(_line("ow-way", *(_at(p, across, up) for p in (points[0], points[-1]))))
    lines += [line for p in points for line in _whiskers(p, across, up)]
    svg = element(
        "svg",
        *lines,
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
        aria_hidden="true",
        focusable="false",
    )
    area = element("div", svg, *_ticks(across, up), *_limit_word(limit, up), *(_mark(p, across, up) for p in points))
    plot = element(
        "div",
        element("p", quality_name, classes="ow-axis-up"),
        element("div", area, classes="ow-plot-area"),
        element("p", "Throughput, images/s", classes="ow-axis-across"),
        classes="ow-plot",
        role="img",
        aria_label=alternative,
    )
    below = [element("figcaption", caption)] if caption else []
    return element("figure", plot, *below, classes="ow-chart")


def _at(point: Point, across: Axis, up: Axis) -> tuple[float, float]:
    return across.place(point.speed.value), 100 - up.place(point.quality.value)


def _line(classes: str, start: tuple[float, float], end: tuple[float, float]) -> Markup:
    (x1, y1), (x2, y2) = start, end
    return Markup('<line class="{}" x1="{:.2f}" y1="{:.2f}" x2="{:.2f}" y2="{:.2f}"></line>').format(
        classes, x1, y1, x2, y2
    )


def _grid(across: Axis, up: Axis) -> list[Markup]:
    level = [100 - up.place(tick) for tick in up.ticks]
    upright = [across.place(tick) for tick in _named(across)]
    return [
        *(_line("ow-grid", (0, y), (100, y)) for y in level),
        *(_line("ow-grid", (x, 0), (x, 100)) for x in upright),
    ]


def _whiskers(point: Point, across: Axis, up: Axis) -> list[Markup]:
    x, y = _at(point, across, up)
    classes = f"ow-whisker ow-{point.kind}"
    ends_across = [across.place(end) for end in (point.speed.low, point.speed.high)]
    ends_up = [100 - up.place(end) for end in (point.quality.low, point.quality.high)]
    return [
        *([_line(classes, (ends_across[0], y), (ends_across[1], y))] if ends_across[1] > ends_across[0] else []),
        *([_line(classes, (x, ends_up[0]), (x, ends_up[1]))] if ends_up[0] > ends_up[1] else []),
    ]


def _limit_line(limit: float | None, up: Axis) -> list[Markup]:
    if limit is None:
        return []
    y = 100 - up.place(limit)
    return [_line("ow-limit", (0, y), (100, y))]


def _limit_word(limit: float | None, up: Axis) -> list[Markup]:
    if limit is None:
        return []
    return [element("span", "limit", classes="ow-limit-word", style=f"bottom:{up.place(limit):.2f}%")]


def _frontier(points: Sequence[Point], across: Axis, up: Axis) -> list[Markup]:
    """A staircase: what is as good as anything chosen at its speed, and no better is to be had between the marks."""
    ordered = sorted(points, key=lambda p: p.speed.value)
    corners: list[tuple[float, float]] = []
    for one in ordered:
        x, y = _at(one, across, up)
        if corners:
            corners.append((corners[-1][0], y))
        else:
            corners.append((0, y))
        corners.append((x, y))
    if corners:
        corners.append((corners[-1][0], 100))
    return [_line("ow-frontier", start, end) for start, end in itertools.pairwise(corners)]


def _ticks(across: Axis, up: Axis) -> list[Markup]:
    digits = _digits(up.ticks, 100)
    return [
        *(
            element(
                "span",
                numbers.percent(tick, digits),
                classes="ow-tick ow-tick-up",
                style=f"bottom:{up.place(tick):.2f}%",
            )
            for tick in up.ticks
        ),
        *(
            element(
                "span",
                numbers.number(tick, _digits(across.ticks)),
                classes="ow-tick ow-tick-across",
                style=f"left:{across.place(tick):.2f}%",
            )
            for tick in _named(across)
        ),
    ]


def _named(across: Axis) -> list[float]:
    """Ticks whose number fits between the ends of the plot."""
    return [tick for tick in across.ticks if 4 <= across.place(tick) <= 97]


def _digits(ticks: Sequence[float], scale: float = 1) -> int:
    if len(ticks) < 2:
        return 1
    step = (ticks[1] - ticks[0]) * scale
    return max(0, math.ceil(-math.log10(step) - 1e-9))


def _mark(point: Point, across: Axis, up: Axis) -> Markup:
    left, top = _at(point, across, up)
    inside = len(point.word) in (1, 2)
    side = "left" if left > 72 else "right"
    # Above and below, so that the words of two models that are nearly the same do not meet.
    where = f"ow-word-{side} ow-word-{'below' if point.kind == 'after' else 'above'}"
    word = [] if inside or not point.word else [element("span", point.word, classes=f"ow-word {where}")]
    return element(
        "span",
        *([point.word] if inside else []),
        *word,
        classes=f"ow-mark ow-mark-{point.kind}{' ow-lettered' if inside else ''}",
        style=f"left:{left:.2f}%;top:{top:.2f}%",
        title=point.title,
    )


def shares(counts: Sequence[tuple[str, int]], *, alternative: str) -> Markup:
    """A bar divided by counts, each part named below it."""
    total = sum(count for _, count in counts) or 1
    pieces = [
        element("span", style=f"width:{100 * count / total:.2f}%", classes=f"ow-part-{number % 4}")
        for number, (_, count) in enumerate(counts)
    ]
    names = [
        element("li", element("i", classes=f"ow-part-{number % 4}"), f"{name} ", element("b", numbers.number(count)))
        for number, (name, count) in enumerate(counts)
    ]
    bar = element("div", *pieces, classes="ow-shares", role="img", aria_label=alternative)
    return element("figure", bar, element("ul", *names, classes="ow-legend"), classes="ow-chart")


def change_bar(change: float, largest: float) -> Markup:
    """A small bar to the left or right of a middle line, beside the number it repeats."""
    share = 50 * min(1.0, abs(change) / largest) if largest else 0.0
    side = "right:50%" if change < 0 else "left:50%"
    tone = "ow-bad" if change < 0 else "ow-good"
    return element(
        "span",
        element("span", style=f"width:{share:.1f}%;{side}", classes=tone),
        classes="ow-change",
        aria_hidden="true",
    )


def legend(items: Sequence[tuple[Kind, str]]) -> Markup:
    """Marks with their words."""
    return element(
        "ul",
        *(element("li", element("i", classes=f"ow-mark-{kind}"), word) for kind, word in items),
        classes="ow-legend",
    )
