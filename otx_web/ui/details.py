"""The tabs under a result: accuracy a class, speed, pictures, layers, settings and the log."""

from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup

from jobs import charts, gallery, score_chart, tables, training_chart
from jobs.report import Picture, Report, View
from jobs.spec import JobSpec
from otx_web.ui import log, parts
from otx_web.ui.parts import element
from otx_web.ui.result import Seen

LAYERS_MOST = 400
PICTURES_OPEN = 8
"""So many are shown at once where each takes the whole width."""


def tabs(report: Report, spec: JobSpec, seen: Seen, log_text: str, first: str = "") -> Markup:
    """All that have something in them. The script shows one at a time and keeps its name in the address."""
    panels: list[tuple[str, str, Markup]] = [
        ("accuracy", "Accuracy", accuracy(report)),
        ("speed", "Speed", speed(report)),
        ("pictures", "Pictures", pictures(report, seen)),
        ("layers", "Layers", layers(report)),
        ("settings", "Settings", settings(report, spec)),
        ("log", "Log", log_panel(report, seen, log_text)),
    ]
    shown = sorted((panel for panel in panels if panel[2]), key=lambda panel: panel[0] != first)
    buttons = [_tab(name, title, first=number == 0) for number, (name, title, _) in enumerate(shown)]
    boxes = [_panel(name, body, first=number == 0) for number, (name, _, body) in enumerate(shown)]
    return element(
        "section",
        element("div", *buttons, role="tablist", aria_label="Details", classes="ow-tablist"),
        *boxes,
        classes="ow-tabs",
    )


def _tab(name: str, title: str, *, first: bool) -> Markup:
    return element(
        "button",
        title,
        type="button",
        role="tab",
        id=f"tab-{name}",
        data_tab=name,
        aria_controls=f"panel-{name}",
        aria_selected="true" if first else "false",
        tabindex="0" if first else "-1",
    )


def _panel(name: str, body: Markup, *, first: bool) -> Markup:
    return element(
        "div",
        body,
        role="tabpanel",
        id=f"panel-{name}",
        aria_labelledby=f"tab-{name}",
        hidden=None if first else "",
        classes="ow-card ow-panel",
    )


# --- accuracy


def accuracy(report: Report) -> Markup:
    """Metrics and classes, how well scores of anomalies stand apart, what a search tried, how a training went."""
    found = (tables.accuracy(report), score_chart.histograms(report), _search(report), _training(report))
    blocks = [block for block in found if block]
    return element("div", *blocks, classes="ow-stack ow-wide-gaps") if blocks else Markup()


def _search(report: Report) -> Markup:
    if not report.search:
        return Markup()
    heading = element("h3", "What the search tried, on the images that layers were chosen by")
    return element("div", heading, tables.search(report.search))


def _training(report: Report) -> Markup:
    if not report.training:
        return Markup()
    return element("div", element("h3", "How the training went"), training_chart.chart(report.training, report.metric))


# --- speed


def speed(report: Report) -> Markup:
    """Rates with their intervals, what really ran, the machine and the versions."""
    body: list[Markup] = []
    if report.speed is not None:
        body += [tables.rates(report), element("p", tables.compares(report), classes="ow-muted ow-small")]
    cards = [
        *([tables.hardware(report.hardware)] if report.hardware else []),
        *([tables.packages(report)] if report.packages else []),
    ]
    if cards:
        body.append(element("div", *cards, classes="ow-halves"))
    return element("div", *body, classes="ow-stack") if body else Markup()


# --- pictures


def pictures(report: Report, seen: Seen) -> Markup:
    """Those on which the models differ first; what can be seen on them is up to who looks."""
    if not report.pictures:
        return Markup()
    if not seen.files:
        return element("p", "The pictures have been deleted.", classes="ow-muted")
    colours, least = gallery.colours(report), gallery.least(report.pictures)

    def image(picture: Picture, words: str) -> Markup:
        return Markup('<img src="{}" alt="{}" loading="lazy">').format(seen.file(picture.file), words)

    def layer(view: View) -> str:
        return seen.file(view.layer)

    drawn = gallery.are_drawn_on(report.pictures)
    shots = [gallery.figure(picture, image, layer, colours, least, drawn=drawn) for picture in report.pictures]
    blocks: list[Markup] = [element("p", _order(report.pictures), classes="ow-muted")]
    if drawn:
        blocks += [
            _tools(report, least),
            gallery.legend(report.task, gallery.drawn(report.pictures), colours, report.labels),
        ]
    open_ = PICTURES_OPEN if drawn else len(shots)
    blocks += [_gallery(shots[:open_], wide=drawn)]
    if rest := shots[open_:]:
        blocks += [parts.more(f"{parts.count(len(rest), 'more picture')}", _gallery(rest, wide=drawn))]
    return element("div", *(block for block in blocks if block), classes="ow-stack")


def _gallery(shots: Sequence[Markup], *, wide: bool) -> Markup:
    return element("div", *shots, classes="ow-gallery ow-gallery-wide" if wide else "ow-gallery")


def _order(pictures: Sequence[Picture]) -> str:
    differ = sum(picture.differs for picture in pictures)
    if differ == len(pictures):
        return "Pictures to which the models give different answers; where they are least alike comes first."
    if differ:
        return (
            f"{parts.count(differ, 'picture')} with another answer first, then those where the models are least alike."
        )
    return "The models give the same answer on every picture; those where they are least alike come first."


def _tools(report: Report, least: float) -> Markup:
    """A slider for the confidence, where models say one, and a switch for all that is drawn. job.js moves them."""
    percent = f"{100 * least:.0f}"
    slider = element(
        "div",
        element("label", "Show what the models are sure of from", for_="ow-confidence"),
        Markup('<input type="range" id="ow-confidence" min="0" max="100" step="1" value="{}" data-counts="{}">').format(
            percent, percent
        ),
        element("output", f"{percent}{parts.SPACE}%", for_="ow-confidence"),
        *(
            [element("span", f"the numbers count from {percent}{parts.SPACE}%", classes="ow-muted ow-small")]
            if least
            else []
        ),
        classes="ow-confidence",
    )
    switch = element("label", Markup('<input type="checkbox" id="ow-overlay" checked>'), " Show what is drawn")
    return element(
        "div", *([slider] if gallery.has_scores(report.pictures) else []), switch, classes="ow-picture-tools"
    )


# --- layers


def layers(report: Report) -> Markup:
    """How many operations ran in which precision, and each of them."""
    if not report.layers:
        return Markup()
    counts = Counter(layer.precision or "unknown" for layer in report.layers).most_common()
    said = ", ".join(f"{count} in {precision}" for precision, count in counts)
    rows = [[layer.name, layer.type, layer.precision] for layer in report.layers[:LAYERS_MOST]]
    rest = len(report.layers) - len(rows)
    cut = [element("p", f"{parts.count(rest)} more are in report.json.", classes="ow-muted")] if rest else []
    return element(
        "div",
        element("p", f"The optimised model ran as {parts.count(len(report.layers), 'operation')}: {said}."),
        charts.shares(counts, alternative=f"Operations by precision: {said}"),
        element(
            "div",
            parts.table(["Operation", "Type", "Ran in"], rows, classes="ow-compact ow-layers"),
            classes="ow-tall",
            tabindex="0",
            role="region",
            aria_label="Operations",
        ),
        *cut,
        classes="ow-stack",
    )


# --- settings


def settings(report: Report, spec: JobSpec) -> Markup:
    """What was really applied, what became of the files' keys, and which images served for what."""
    body = [
        *([tables.applied(report.applied, spec.given)] if report.applied else []),
        tables.asked(spec),
        *([tables.keys(report.config_keys)] if report.config_keys else []),
        *([tables.images(report.images)] if report.images else []),
    ]
    return element("div", *body, classes="ow-stack ow-wide-gaps")


# --- log


def log_panel(report: Report, seen: Seen, text: str) -> Markup:
    """How long each stage took, and the end of the log."""
    body: list[Markup] = []
    if report.seconds and report.status == "succeeded":
        body.append(tables.stages(report.seconds))
    if seen.files:
        body.append(log.box(text, seen.job_id))
    return element("div", *body, classes="ow-stack")
