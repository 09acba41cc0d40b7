"""HTML made of pieces, for pages and for the report. Everything put in is escaped.

Each function returns `Markup`; plain `str` given to any of them is text, never markup, wherever it came from.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from markupsafe import Markup, escape

Tone = Literal["good", "bad", "unsure", "accent", "plain"]
Text = str | Markup

NOTHING = "\u2013"


def join(pieces: Iterable[Text], between: Text = "") -> Markup:
    """All pieces in a row; plain text among them is escaped."""
    return escape(between).join(pieces)


def element(tag: str, *children: Text, classes: str | None = None, **attributes: str | None) -> Markup:
    """`<tag class=…>children</tag>`. An underscore in an attribute's name is a hyphen; None leaves it out."""
    given = {"class": classes or None, **{name.rstrip("_").replace("_", "-"): v for name, v in attributes.items()}}
    written = join(Markup(' {}="{}"').format(name, value) for name, value in given.items() if value is not None)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), written, join(children))


def badge(word: Text, tone: Tone = "plain") -> Markup:
    """A short word in its colour. The word alone must say it all."""
    return element("span", word, classes=f"ow-badge ow-{tone}")


def facts(pairs: Iterable[tuple[Text, Text]]) -> Markup:
    """Names with their values, one a line."""
    rows = (element("div", element("dt", name), element("dd", value)) for name, value in pairs)
    return element("dl", *rows, classes="ow-facts")


def table(head: Sequence[Text], rows: Iterable[Sequence[Text]], *, caption: Text = "", classes: str = "") -> Markup:
    """A table which becomes a list of cards on a narrow screen, each value beside its column's name."""
    top = element("tr", *(element("th", cell, scope="col") for cell in head))
    names = [Markup(cell).striptags() if isinstance(cell, Markup) else cell for cell in head]
    lines = [
        element("tr", *(element("td", cell, data_name=name) for name, cell in zip(names, row, strict=True)))
        for row in rows
    ]
    title = [element("caption", caption)] if caption else []
    return element(
        "table", *title, element("thead", top), element("tbody", *lines), classes=f"ow-table {classes}".strip()
    )


def more(summary: Text, *body: Text) -> Markup:
    """What opens on a click."""
    return element("details", element("summary", summary), *body, classes="ow-more")
