"""Anomaly scores of both models as histograms, one above the other on the same axis, each with its threshold."""

import itertools
from collections.abc import Sequence

from markupsafe import Markup

from jobs import charts, numbers
from jobs.markup import element
from jobs.report import Report, ScoreCounts, ScoreHistogram

ROOF = 80
"""Height of the highest step, of 100: above it stand words."""


def histograms(report: Report) -> Markup:
    """Every histogram of a report; nothing where there is none."""
    drawn = [_histogram(one) for one in report.histograms if _whole(one)]
    if not drawn:
        return Markup()
    how = (
        "Each area is scaled to its own height: what matters is where the areas stand, and on which side of the"
        " threshold. An image or pixel at the threshold or to its right is called anomalous."
    )
    return element(
        "div",
        element("div", *drawn, classes="ow-halves"),
        element("p", how, classes="ow-muted ow-small"),
        classes="ow-stack",
    )


def _whole(one: ScoreHistogram) -> bool:
    """Whether it can be drawn: a worker wrote it."""
    steps = len(one.edges) - 1
    counts = (one.before.normal, one.before.anomalous, one.after.normal, one.after.anomalous)
    return steps > 0 and one.edges[-1] > one.edges[0] and all(len(each) == steps for each in counts)


def _histogram(one: ScoreHistogram) -> Markup:
    rows = [("Original", one.before), ("Optimised", one.after)]
    thresholds = [counts.threshold for _, counts in rows]
    low, high = min(one.edges[0], *thresholds), max(one.edges[-1], *thresholds)
    across = charts.Axis(low, high, charts.round_values(low, high))
    words = [element("li", element("i", classes=f"ow-area-{kind}"), kind) for kind in ("normal", "anomalous")]
    plots = [
        element("div", element("p", name, classes="ow-axis-up"), _plot(counts, one.edges, across))
        for name, counts in rows
    ]
    picture = element(
        "div",
        *plots,
        _ticks(across),
        element("p", "Score", classes="ow-axis-across"),
        classes="ow-plot ow-score-plot",
        role="img",
        aria_label=f"{one.title}. " + " ".join(_said(name, counts, one.edges) for name, counts in rows),
    )
    caption = [element("p", _said(name, counts, one.edges), classes="ow-small") for name, counts in rows]
    legend = element("ul", *words, classes="ow-legend")
    return element(
        "figure", element("h3", one.title), picture, element("figcaption", legend, *caption), classes="ow-chart"
    )


def _plot(counts: ScoreCounts, edges: Sequence[float], across: charts.Axis) -> Markup:
    at = across.place(counts.threshold)
    areas = [
        Markup('<path class="ow-area-{}" d="{}"></path>').format(kind, _steps(each, edges, across))
        for kind, each in (("normal", counts.normal), ("anomalous", counts.anomalous))
        if any(each)
    ]
    line = Markup('<line class="ow-limit" x1="{0:.2f}" y1="0" x2="{0:.2f}" y2="100"></line>').format(at)
    svg = element(
        "svg",
        *areas,
        line,
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
        aria_hidden="true",
        focusable="false",
    )
    side = f"left:{at:.2f}%" if at < 60 else f"right:{100 - at:.2f}%"
    word = element("span", f"threshold {numbers.significant(counts.threshold)}", classes="ow-at", style=side)
    return element("div", element("div", svg, word), classes="ow-plot-area")


def _steps(counts: Sequence[int], edges: Sequence[float], across: charts.Axis) -> str:
    """A closed outline over the steps that hold something, from the left to the right."""
    most = max(counts)
    path = [f"M{across.place(edges[0]):.2f} 100"]
    for count, end in zip(counts, edges[1:], strict=True):
        path.append(f"V{100 - ROOF * count / most:.2f}H{across.place(end):.2f}")
    return "".join([*path, "V100Z"])


def _ticks(across: charts.Axis) -> Markup:
    return element(
        "div",
        *(
            element(
                "span", f"{tick:g}".replace("-", numbers.MINUS), classes="ow-tick ow-tick-across",
                style=f"left:{across.place(tick):.2f}%",
            )
            for tick in across.ticks
        ),
        classes="ow-ticks",
    )  # fmt: skip


def _said(name: str, counts: ScoreCounts, edges: Sequence[float]) -> str:
    """How many the threshold puts on the wrong side."""
    centres = [(low + high) / 2 for low, high in itertools.pairwise(edges)]
    alarms = sum(count for count, at in zip(counts.normal, centres, strict=True) if at >= counts.threshold)
    missed = sum(count for count, at in zip(counts.anomalous, centres, strict=True) if at < counts.threshold)
    return (
        f"{name}: with the threshold at {numbers.significant(counts.threshold)}, about {_of(alarms, counts.normal)}"
        f" normal are called anomalous, and about {_of(missed, counts.anomalous)} anomalous are missed."
    )


def _of(some: int, counts: Sequence[int]) -> str:
    return f"{numbers.count(some)} of {numbers.count(sum(counts))}"
