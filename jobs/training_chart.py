"""How a training went, epoch by epoch: the loss and, below it, the metric."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from jobs import charts, numbers, titles
from jobs.events import Epoch
from jobs.markup import element

_SMALLER = "At each upright line the model was made smaller, and the loss begins anew."
_EARLY = "Epochs before that had not all of the zeros yet, and do not count."
Line = tuple[str, str, Sequence[tuple[int, float]]]
"""Class, what it is called, and its values by epoch."""


@dataclass(frozen=True)
class _Marks:
    """Numbers of epochs."""

    best: int | None
    smaller: tuple[int, ...]


def chart(epochs: Sequence[Epoch], metric: str = "") -> Markup:
    """Nothing where nothing was trained. `metric` is the name of the primary one."""
    if not epochs:
        return Markup()
    last = max(epochs[-1].total, epochs[-1].number)
    name = titles.metric(metric) if metric else "Metric"
    loss = [
        ("ow-held-out", "on images that train nothing", [(one.number, one.held_out) for one in epochs]),
        ("ow-trained", "on those that train", [(one.number, one.loss) for one in epochs if one.loss is not None]),
    ]
    value = [
        ("ow-held-out", "the model", [(one.number, one.metric) for one in epochs if one.metric is not None]),
        ("ow-limit", "the original", _original(epochs, last)),
    ]
    best = [one for one in epochs if one.best]
    marks = _Marks(best[-1].number if best else None, tuple(one.number for one in epochs if is_smaller(one)))
    plots = [_plot("Loss", loss, last, marks, percent=False)]
    if value[0][2]:
        few = f"{name}, on some of the images"
        plots.append(_plot(few, value, last, marks, percent=True))
    return element(
        "figure",
        element("div", *plots, classes="ow-training"),
        element("figcaption", _said(epochs), classes="ow-muted ow-small"),
        classes="ow-chart",
    )


def is_smaller(epoch: Epoch) -> bool:
    """Whether this is no epoch, but a model that was made smaller between two of them, before it is trained again."""
    return epoch.number > 0 and epoch.loss is None


def _original(epochs: Sequence[Epoch], last: int) -> list[tuple[int, float]]:
    known = [one.original for one in epochs if one.original is not None]
    return [(0, known[0]), (last, known[0])] if known else []


def _said(epochs: Sequence[Epoch]) -> str:
    now, best = epochs[-1], [one for one in epochs if one.best]
    far = f"Epoch {now.number} of at most {now.total}." if now.number else "Before the first epoch."
    kept = f" The best so far is epoch {best[-1].number}." if best and best[-1].number else ""
    smaller = f" {_SMALLER}" if any(map(is_smaller, epochs)) else ""
    early = f" {_EARLY}" if best and any(one.held_out < best[-1].held_out for one in _since(epochs, best[-1])) else ""
    loss = "The loss is how far the outputs are from the original's; the mark is the best by it."
    return f"{far}{kept} {loss}{early}{smaller}"


def _since(epochs: Sequence[Epoch], best: Epoch) -> Sequence[Epoch]:
    """Those of the training that the best is of, up to it."""
    found: list[Epoch] = []
    for one in epochs[: epochs.index(best) + 1]:
        found = [one] if is_smaller(one) else [*found, one]
    return found


def _plot(title: str, lines: Sequence[Line], last: int, marks: _Marks, *, percent: bool) -> Markup:
    drawn = [line for line in lines if line[2]]
    values = [value for _, _, points in drawn for _, value in points]
    up = charts.axis(values, least=0.01, most=1.0) if percent else charts.axis([0.0, *values])
    width = max(1, last)
    paths = [
        _path(kind, [(100 * at / width, 100 - up.place(value)) for at, value in points]) for kind, _, points in drawn
    ]
    grid = [
        Markup('<line class="ow-grid" x1="0" y1="{0:.2f}" x2="100" y2="{0:.2f}"></line>').format(100 - up.place(tick))
        for tick in up.ticks
    ]
    grid += [
        Markup('<line class="ow-smaller" x1="{0:.2f}" y1="0" x2="{0:.2f}" y2="100"></line>').format(100 * at / width)
        for at in marks.smaller
    ]
    svg = element(
        "svg",
        *grid,
        *paths,
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
        aria_hidden="true",
        focusable="false",
    )
    marked = [(at, value) for at, value in drawn[0][2] if at == marks.best]
    mark = [
        element("span", classes="ow-best", style=f"left:{100 * at / width:.2f}%;bottom:{up.place(value):.2f}%")
        for at, value in marked
    ]
    legend = [element("li", element("i", classes=kind), word) for kind, word, _ in drawn]
    area = element("div", svg, *_ticks(up, last, percent=percent), *mark)
    return element(
        "div",
        element("p", title, classes="ow-axis-up"),
        element("div", area, classes="ow-plot-area"),
        element("ul", *legend, classes="ow-legend"),
        classes="ow-plot ow-training-plot",
        role="img",
        aria_label=f"{title}. " + " ".join(_told(word, points, percent=percent) for _, word, points in drawn),
    )


def _path(kind: str, points: Sequence[tuple[float, float]]) -> Markup:
    """From epoch to epoch."""
    steps = "L".join(f"{x:.2f} {y:.2f}" for x, y in points)
    return Markup('<path class="{}" d="M{}"></path>').format(kind, steps)


def _ticks(up: charts.Axis, last: int, *, percent: bool) -> list[Markup]:
    epochs = dict.fromkeys([0, *(round(at) for at in charts.round_values(0, last)), last] if last > 1 else [0, 1])
    return [
        *(
            element("span", _number(tick, percent), classes="ow-tick ow-tick-up", style=f"bottom:{up.place(tick):.2f}%")
            for tick in up.ticks
            if tick >= 0
        ),
        *(
            element(
                "span",
                numbers.count(at),
                classes="ow-tick ow-tick-across",
                style=f"left:{100 * at / max(1, last):.2f}%",
            )
            for at in epochs
        ),
    ]


def _number(value: float, percent: bool) -> str:
    return numbers.percent(value, 1) if percent else f"{value:g}"


def _told(word: str, points: Sequence[tuple[int, float]], *, percent: bool) -> str:
    values = ", ".join(_number(float(f"{value:.3g}"), percent) for _, value in points)
    return f"{word[:1].upper()}{word[1:]}, by epoch: {values}."
