"""What is drawn over an image, as HTML: boxes and outlines as lines of an SVG, masks and heat as an image of their own.

Coordinates are shares of the image, so that it may be shown at any size. A shape below the confidence asked for is
there, and hidden: the page's slider needs it.
"""

from collections.abc import Iterable, Mapping

from markupsafe import Markup

from jobs import numbers, palette
from jobs.markup import Text, element
from jobs.report import Picture, Shape, View

MOST = 60
"""Shapes drawn over an image; those that a model is least sure of are left out."""
NAMED = 10
"""Shapes that carry their words on the image, where these have room; others have them under the pointer."""
LETTER, LINE = 0.02, 0.06
"""Width of a letter and height of a line of these words, of an image as large as the pages show it."""
IN_LEGEND = 24
CLEAR = "background"
"""The class that masks leave clear."""


def labels(views: Iterable[View]) -> set[str]:
    """All that shapes are called."""
    return {shape.label for view in views for shape in view.shapes}


def views(picture: Picture) -> tuple[View, View, View]:
    """Before, after, annotation."""
    return picture.before_view, picture.after_view, picture.truth_view


def drawn(
    image: Markup, view: View, colours: Mapping[str, int], *, layer: str = "", least: float = 0.0, words: bool = True
) -> Markup:
    """An image with its view over it.

    `colours` are the numbers of the labels, `layer` is the address of the view's layer, `least` the confidence from
    which shapes are seen.
    """
    shapes = sorted(view.shapes, key=_sureness, reverse=True)[:MOST]
    over = [Markup('<img class="ow-layer" src="{}" alt="" aria-hidden="true">').format(layer)] if layer else []
    if shapes:
        lines = [_lines(shape, colours.get(shape.label, 0), least) for shape in reversed(shapes)]
        over.append(
            element(
                "svg",
                *lines,
                viewBox="0 0 1 1",
                preserveAspectRatio="none",
                aria_hidden="true",
                focusable="false",
                classes="ow-shapes",
            )
        )
    tags = [_tag(shape, colours.get(shape.label, 0), least) for shape in _apart(shapes)] if words else []
    return element("div", image, *over, *tags, classes="ow-view")


def _sureness(shape: Shape) -> float:
    return 1.0 if shape.score is None else shape.score


def _hidden(shape: Shape, least: float) -> str:
    return " ow-unsure-shape" if shape.score is not None and shape.score < least else ""


def _score(shape: Shape) -> str | None:
    return None if shape.score is None else f"{shape.score:.4f}"


def said(shape: Shape) -> str:
    """ "dog 87 %" """
    return shape.label if shape.score is None else f"{shape.label} {numbers.percent(shape.score, 0)}"


def _colour(number: int) -> str:
    return f"--ow-colour:{palette.hexadecimal(palette.colour(number))}"


def _lines(shape: Shape, number: int, least: float) -> Markup:
    """The same line twice: a dark one below, so that it is seen on any image."""
    path = _path(shape)
    inside = " ow-filled" if shape.outline else ""
    line = Markup('<path class="{}" d="{}"></path>')
    return element(
        "g",
        element("title", said(shape)),
        line.format("ow-halo", path),
        line.format(f"ow-edge ow-turn-{palette.turn(number)}{inside}", path),
        classes=f"ow-shape{_hidden(shape, least)}",
        data_score=_score(shape),
        style=_colour(number),
    )


def _path(shape: Shape) -> str:
    if shape.outline:
        return " ".join(_polygon(outline) for outline in shape.outline)
    if shape.box is None:
        return ""
    left, top, right, bottom = map(_place, shape.box)
    return f"M{left} {top}H{right}V{bottom}H{left}Z"


def _polygon(outline: tuple[float, ...]) -> str:
    points = [f"{_place(x)} {_place(y)}" for x, y in zip(outline[::2], outline[1::2], strict=False)]
    return f"M{'L'.join(points)}Z" if points else ""


def _place(share: float) -> str:
    return f"{min(1.0, max(0.0, share)):.4f}".rstrip("0").rstrip(".")


def _apart(shapes: Iterable[Shape]) -> list[Shape]:
    """Those whose words do not lie on those of surer ones."""
    kept: list[Shape] = []
    taken: list[tuple[float, float, float, float]] = []
    for shape in shapes:
        left, top, right, bottom = _room(shape)
        free = all(right < x0 or left > x1 or bottom < y0 or top > y1 for x0, y0, x1, y1 in taken)
        if free and len(kept) < NAMED:
            kept.append(shape)
            taken.append((left, top, right, bottom))
    return kept


def _room(shape: Shape) -> tuple[float, float, float, float]:
    """What the words cover, about."""
    left, top, right, _ = _around(shape)
    wide = LETTER * (len(said(shape)) + 2)
    start = left if left <= 0.6 else right - wide
    return start, top - LINE, start + wide, top


def _tag(shape: Shape, number: int, least: float) -> Markup:
    """The words at a corner of the shape, inside the image."""
    left, top, right, _ = _around(shape)
    across = f"left:{100 * left:.1f}%" if left <= 0.6 else f"right:{100 * (1 - right):.1f}%"
    room = 100 * (1 - left if left <= 0.6 else right)
    above = top > 0.12
    upright = f"bottom:{100 * (1 - top):.1f}%" if above else f"top:{100 * (top if top > 0.02 else 0):.1f}%"
    return element(
        "span",
        said(shape),
        classes=f"ow-tag{_hidden(shape, least)}",
        data_score=_score(shape),
        style=f"{_colour(number)};{across};{upright};max-width:{room:.1f}%",
        aria_hidden="true",
    )


def _around(shape: Shape) -> tuple[float, float, float, float]:
    """The box of a shape that may have an outline only."""
    if shape.box is not None:
        left, top, right, bottom = (min(1.0, max(0.0, one)) for one in shape.box)
        return left, top, right, bottom
    across = [x for outline in shape.outline for x in outline[::2]] or [0.0]
    upright = [y for outline in shape.outline for y in outline[1::2]] or [0.0]
    return min(across), min(upright), max(across), max(upright)


# --- in words


def legend(colours: Mapping[str, int], used: Iterable[str], *, filled: bool = False) -> Markup:
    """Classes with their colours, `filled` as masks are; beyond a few, it says how many more there are."""
    known = {name for name in used if name in colours and not (filled and name.casefold() == CLEAR)}
    names = sorted(known, key=lambda name: colours[name])
    if not names:
        return Markup()
    rest = len(names) - IN_LEGEND
    more: list[Text] = [element("li", f"and {numbers.count(rest)} more")] if rest > 0 else []
    return element(
        "ul", *(_swatch(name, colours[name], filled) for name in names[:IN_LEGEND]), *more, classes="ow-legend"
    )


def _swatch(name: str, number: int, filled: bool) -> Markup:
    kind = "ow-filled" if filled else f"ow-turn-{palette.turn(number)}"
    return element("li", element("i", classes=f"ow-swatch {kind}", style=_colour(number)), name)


def heat_legend() -> Markup:
    """What the colours of a heat map mean."""
    steps = palette.heat()[32::16]
    stops = ",".join(f"rgba({red},{green},{blue},{opacity / 255:.2f})" for red, green, blue, opacity in steps)
    bar = element("i", classes="ow-heat", style=f"background:linear-gradient(to right,{stops})", aria_hidden="true")
    return element("p", "normal ", bar, " anomalous", classes="ow-heat-legend ow-muted ow-small")


def in_words(view: View, least: float) -> str:
    """For who does not see it: what is drawn, the surest first."""
    shapes = sorted(
        (shape for shape in view.shapes if shape.score is None or shape.score >= least), key=_sureness, reverse=True
    )
    return ", ".join(said(shape) for shape in shapes[:NAMED]) + (
        f" and {numbers.count(len(shapes) - NAMED)} more" if len(shapes) > NAMED else ""
    )
