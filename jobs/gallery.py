"""Images of a result with what both models say of them, for its page and for its report."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from jobs import markup, overlay, palette, tables
from jobs.markup import Text, element
from jobs.report import Picture, Report, View

STYLE = Path(__file__).with_suffix(".css")

ImageOf = Callable[[Picture, str], Markup]
"""A picture and its words for who does not see it, to the image."""
LayerOf = Callable[[View], str]
"""The address of a view's layer."""


def colours(report: Report) -> dict[str, int]:
    """The number of each label, which gives its colour: the same on all pictures."""
    known = report.labels or (tuple(report.before.per_class) if report.before else ())
    return palette.numbers(known, overlay.labels(drawn(report.pictures)))


def least(pictures: Iterable[Picture]) -> float:
    """The confidence from which on shapes count."""
    return next((one.threshold for one in pictures if one.threshold is not None), 0.0)


def are_drawn_on(pictures: Iterable[Picture]) -> bool:
    """Whether there is more to them than words: on any, since nothing on one is an answer too."""
    return any(not view.empty for one in pictures for view in overlay.views(one))


def has_scores(pictures: Iterable[Picture]) -> bool:
    """Whether a model says how sure it is of what is drawn."""
    return any(shape.score is not None for view in drawn(pictures) for shape in view.shapes)


def drawn(pictures: Iterable[Picture]) -> list[View]:
    """All that is drawn on them."""
    return [view for one in pictures for view in overlay.views(one)]


def legend(task: str, views: Sequence[View], colours: Mapping[str, int], labels: Sequence[str] = ()) -> Markup:
    """What the colours mean: of shapes those that are there, of masks all `labels`, of anomalies the heat."""
    layered = any(view.layer for view in views)
    if layered and task.startswith("anomaly"):
        return overlay.heat_legend()
    return overlay.legend(colours, (labels or colours) if layered else overlay.labels(views), filled=layered)


def figure(
    picture: Picture, image: ImageOf, layer: LayerOf, colours: Mapping[str, int], least: float, *, drawn: bool
) -> Markup:
    """One image: three times where the answers are drawn, else once with the words."""
    badge = [markup.badge("Other answer", "unsure")] if picture.differs else []
    name = element("span", picture.name, classes="ow-muted ow-small")
    if drawn:
        panes = element("div", *_panes(picture, image, layer, colours, least), classes="ow-panes")
        return element("figure", element("figcaption", name, *badge), panes, classes="ow-shot ow-trio")
    rows: list[tuple[Text, Text]] = [
        *([("Truth", picture.truth)] if picture.truth else []),
        ("Before", tables.answer(picture.before, picture.score_before, picture.truth)),
        ("After", tables.answer(picture.after, picture.score_after, picture.truth)),
    ]
    caption = element("figcaption", markup.facts(rows), name)
    return element("figure", image(picture, picture.name), *badge, caption, classes="ow-shot")


def _panes(picture: Picture, image: ImageOf, layer: LayerOf, colours: Mapping[str, int], least: float) -> list[Markup]:
    panes = [
        ("Before", picture.before, picture.before_view),
        ("After", picture.after, picture.after_view),
        *([("Annotation", picture.truth, picture.truth_view)] if picture.truth or not picture.truth_view.empty else []),
    ]
    return [
        element(
            "div",
            element("h4", title),
            overlay.drawn(
                image(picture, _alternative(picture, title, view, least)),
                view,
                colours,
                layer=layer(view) if view.layer else "",
                least=least,
            ),
            element("p", words, classes="ow-small"),
        )
        for title, words, view in panes
    ]


def _alternative(picture: Picture, title: str, view: View, least: float) -> str:
    said = overlay.in_words(view, least)
    return f"{picture.name}, {title.lower()}: {said}" if said else f"{picture.name}, {title.lower()}"
