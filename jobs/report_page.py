"""`artifacts/report.html`: a result as one file that needs nothing else, to read, print, send and keep."""

import base64
import hashlib
import io
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from markupsafe import Markup
from PIL import Image
from pydantic import ValidationError

from jobs import (
    amounts,
    figures,
    gallery,
    intervals,
    markup,
    numbers,
    score_chart,
    spec,
    tables,
    titles,
    training_chart,
)
from jobs.amounts import Amount
from jobs.intervals import Interval
from jobs.markup import Text, element, join
from jobs.report import Failure, Picture, Report, Speed, View
from jobs.spec import JobSpec

FILE_NAME = "report.html"
PICTURES = 12
SIDE = 320  # pixels of a picture's longer side
ENLARGED = 96  # pixels; smaller ones are drawn with their pixels to be seen
QUALITY = 82  # of JPEG
LAYER_COLOURS = 64  # of masks and heat maps, which take a third of the bytes so
STYLE = Path(__file__).with_suffix(".css")  # ours, and never closes its element; so are the two others
_FRAME = Markup("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
""")
_FASTER = ("faster", "slower")
_LOWER = ("lower", "higher")


def write(job_dir: Path, report: Report, *, now: datetime | None = None) -> Path:
    """Write the page of a job beside its other results. Raises OSError when there is no room."""
    path = job_dir / "artifacts" / FILE_NAME
    path.parent.mkdir(exist_ok=True)
    part = path.with_name(f".part-{FILE_NAME}")
    part.write_text(page(job_dir, report, now or datetime.now(UTC)), encoding="utf-8")
    return part.replace(path)


def page(job_dir: Path, report: Report, now: datetime) -> Markup:
    """The whole of it."""
    wanted = _spec(job_dir)
    name = wanted.model.name if wanted else "Model"
    sections = (
        _failed(report.failure),
        _section("", figures.figures(report)),
        _section("Good to know", _list(figures.notes(report))),
        _section("Before and after", overview(report)),
        figures.picture(report),
        _section("What next", _steps(report)),
        _section("What the search tried", tables.search(report.search)),
        _section("How the training went", training_chart.chart(report.training, report.metric)),
        _section("Classes", tables.classes(report)),
        _section("Scores", score_chart.histograms(report)),
        _section("Pictures", *_pictures(job_dir, report)),
        _section("Speed", *_speed(report)),
        _section("Settings and images", *_settings(report, wanted)),
        _section("Time and versions", _made_with(report)),
        _section("Repeat it", *(_repeat(wanted) if wanted else ())),
    )
    body = join([_header(name, report, wanted, now), *filter(None, sections)], "\n")
    style = Markup("\n".join(path.read_text(encoding="utf-8") for path in (figures.STYLE, STYLE, gallery.STYLE)))
    return _FRAME.format(title=f"{name}: {_outcome(report)}", style=style, body=body)


def _spec(job_dir: Path) -> JobSpec | None:
    try:
        return spec.read(job_dir)
    except (OSError, ValidationError):
        return None


def _header(name: str, report: Report, wanted: JobSpec | None, now: datetime) -> Markup:
    data = f" on {wanted.dataset.name}" if wanted else ""
    what = f"{titles.task(report.task)}{data} · {titles.method(report.method)} · template {report.template} · "
    when = element("time", f"{now:%d %B %Y, %H:%M} UTC", datetime=now.isoformat(timespec="seconds"))
    return element(
        "header",
        element("p", "OTX Web", classes="ow-brand"),
        element("h1", name),
        element("p", what, when, classes="ow-muted"),
    )


def _outcome(report: Report) -> str:
    if report.verdict is None:
        return "optimisation failed" if report.status == "failed" else "optimised"
    return figures.VERDICTS[report.verdict.accuracy][1].lower()


def _section(title: str, *body: Text) -> Markup:
    """Nothing when there is nothing in it."""
    inside = [block for block in body if block]
    if not inside:
        return Markup()
    heading = [element("h2", title)] if title else []
    return element("section", *heading, *inside, classes="ow-stack")


def _list(lines: Iterable[Text]) -> Markup:
    items = [element("li", line) for line in lines]
    return element("ul", *items) if items else Markup()


def _failed(failure: Failure | None) -> Markup:
    if failure is None:
        return Markup()
    where = f" ({failure.where})" if failure.where and failure.where not in failure.message else ""
    return element(
        "section",
        element("h2", element("i", "✕", aria_hidden="true"), "The job failed"),
        element("p", f"{failure.message}{where}"),
        *([element("p", failure.hint, classes="ow-hint")] if failure.hint else []),
        *([element("p", f"While: {failure.stage}", classes="ow-muted")] if failure.stage else []),
        classes="ow-figure ow-verdict ow-bad",
    )


# --- before and after


def overview(report: Report) -> Markup:
    """Everything that was measured of both models, in one table."""
    before, after = report.before, report.after
    if before is None or after is None:
        return Markup()
    rows: list[list[Text]] = [
        *(_metric(report, name) for name in before.metrics if name in after.metrics),
        *_speed_rows(report.speed),
        [
            "Size",
            numbers.size(before.size_bytes),
            numbers.size(after.size_bytes),
            " ".join(figures.smaller(report.size_ratio or 1)),
        ],
        ["Weights", before.precision, after.precision, ""],
        *([one.name, one.before, one.after, one.change] for one in _amounts(report)),
    ]
    return join([markup.table(["", "Before", "After", "Change"], rows, classes="ow-narrow"), _footnote(report)])


def _amounts(report: Report) -> Iterator[Amount]:
    """Those that differ, and parameters in any case."""
    for one in (amounts.parameters(report), amounts.flops(report), amounts.zeros(report)):
        if one is not None and (one.change or one.name == "Parameters"):
            yield one


def _metric(report: Report, name: str) -> list[Text]:
    assert report.before and report.after
    before, after = report.before.metrics[name], report.after.metrics[name]
    verdict = report.verdict if name == report.metric else None
    change = intervals.change(verdict) if verdict else None
    own = intervals.share(report, name, before)
    digits = intervals.verdict_digits(verdict) if verdict else intervals.points_digits(own.half_width if own else 0)
    within = _muted(f" ({intervals.points_ends(change, digits)})") if change else ""
    labelled = report.images.labelled if report.images else True
    return [
        titles.metric(name, labelled=labelled),
        numbers.percent(before, digits),
        numbers.percent(after, digits),
        element("span", numbers.points(after - before, digits), within),
    ]


def _speed_rows(speed: Speed | None) -> list[list[Text]]:
    if speed is None:
        return []
    ratio = Interval(speed.ratio, speed.ratio_low, speed.ratio_high)
    latency = Interval(speed.latency_ratio, speed.latency_ratio_low, speed.latency_ratio_high)
    rates = (speed.before, speed.after)
    return [
        ["Throughput", *(_rate(intervals.throughput(rate), "images/s") for rate in rates), _times(ratio, _FASTER)],
        ["Latency", *(_rate(intervals.latency(rate), "ms") for rate in rates), _times(latency, _LOWER)],
        ["Ran in", *(rate.precision for rate in rates), ""],
    ]


def _rate(measured: Interval, unit: str) -> str:
    """With a space at which a phone may break the line."""
    return f"{intervals.rounded(measured.value, measured.half_width)} {unit}"


def _times(ratio: Interval, words: tuple[str, str]) -> Text:
    said = f"{intervals.times(ratio)} {figures.compared(ratio, words)}"
    return element("span", said, _muted(f" ({intervals.times_ends(ratio)})"))


def _muted(text: str) -> Markup:
    return element("span", text, classes="ow-muted")


def _footnote(report: Report) -> Markup:
    said = ["In brackets: 95 % intervals."]
    if report.verdict:
        said.append("That of the change in accuracy is narrow, since both models saw the same images.")
    if report.images and not report.images.labelled:
        said.append(titles.UNLABELLED)
    return element("p", " ".join(said), classes="ow-muted ow-small")


# --- what next


def _steps(report: Report) -> Markup:
    steps = report.verdict.next if report.verdict else ()
    return _list(
        join([element("b", step.title), f". {step.reason} ", *(element("code", one) for one in _options(step.set))])
        for step in steps
    )


def _options(values: Mapping[str, str]) -> list[str]:
    return [f"--set {shlex.quote(f'{name}={value}')} " for name, value in values.items()]


# --- pictures


def _pictures(job_dir: Path, report: Report) -> list[Text]:
    """Those on which the models differ most, inside the page."""
    chosen = [(one, shot) for one in report.pictures[:PICTURES] if (shot := _picture(job_dir, one, report))]
    if not chosen:
        return []
    pictures = [picture for picture, _ in chosen]
    differ = sum(picture.differs for picture in pictures)
    said = f"The models give {_how_often(differ, len(chosen))} of these. Where they are least alike comes first."
    drawn = gallery.are_drawn_on(report.pictures)
    colours = gallery.colours(report)
    legend = gallery.legend(report.task, gallery.drawn(pictures), colours, report.labels) if drawn else ""
    counts = gallery.least(pictures)
    if counts and gallery.has_scores(pictures):
        said += f" What is drawn is what a model is sure of from {numbers.percent(counts, 0)} on."
    shots = element(
        "div", *(shot for _, shot in chosen), classes="ow-gallery ow-gallery-wide" if drawn else "ow-gallery"
    )
    return [element("p", said, classes="ow-muted"), legend, shots]


def _how_often(differ: int, count: int) -> str:
    if not differ:
        return "the same answer on all"
    return f"different answers on {differ if differ < count else 'all'}"


def _picture(job_dir: Path, picture: Picture, report: Report) -> Markup:
    """The figure; nothing when its image is gone, since the numbers stand without it."""
    drawn = gallery.are_drawn_on(report.pictures)
    try:
        images = _images(job_dir / picture.file, picture, drawn=drawn)
    except (OSError, ValueError):
        return Markup()
    least = gallery.least([picture])

    def image(picture: Picture, words: str) -> Markup:
        return next(images)(words)

    colours, counting = gallery.colours(report), _counting(picture, least)
    return gallery.figure(counting, image, lambda view: _layer(job_dir / view.layer), colours, least, drawn=drawn)


def _counting(picture: Picture, least: float) -> Picture:
    """Without what a reader could never bring to sight."""

    def surest(view: View) -> View:
        kept = tuple(shape for shape in view.shapes if shape.score is None or shape.score >= least)
        return view.model_copy(update={"shapes": kept})

    return picture.model_copy(
        update={"before_view": surest(picture.before_view), "after_view": surest(picture.after_view)}
    )


def _images(path: Path, picture: Picture, *, drawn: bool) -> Iterator[Callable[[str], Markup]]:
    """The image as often as it is shown. It is inside the page once, and used from there again."""
    source, (width, height) = _inline(path)
    if not drawn:
        return iter([lambda words: Markup('<img src="{}" alt="{}">').format(source, words)])
    name = f"image-{hashlib.sha256(picture.file.encode()).hexdigest()[:12]}"
    frame = Markup('<svg class="ow-image" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>')
    first = Markup('<image id="{}" href="{}" width="{}" height="{}"></image>').format(name, source, width, height)
    again = Markup('<use href="#{}"></use>').format(name)

    def shown(inside: Markup) -> Callable[[str], Markup]:
        return lambda words: frame.format(width, height, words, inside)

    return iter([shown(first), *[shown(again)] * 2])


def _inline(path: Path) -> tuple[str, tuple[int, int]]:
    """The picture itself as an address, and its width and height."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    if max(image.size) < ENLARGED:  # enlarged by the reader, a small JPEG would be a blur
        image = image.resize((image.width * 4, image.height * 4), Image.Resampling.NEAREST)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=QUALITY, optimize=True)
    return _address("jpeg", stream), image.size


def _layer(path: Path) -> str:
    """A mask or heat map itself as an address; nothing when it is gone."""
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGBA")
    except (OSError, ValueError):
        return ""
    image.thumbnail((SIDE, SIDE), Image.Resampling.NEAREST)
    stream = io.BytesIO()
    image.quantize(LAYER_COLOURS, Image.Quantize.FASTOCTREE).save(stream, "PNG", optimize=True)
    return _address("png", stream)


def _address(kind: str, stream: io.BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"


# --- how it was measured, with what, on what


def _speed(report: Report) -> list[Text]:
    measured: list[Text] = []
    if report.speed:
        measured = [tables.rates(report), element("p", tables.compares(report), classes="ow-muted ow-small")]
    return [*measured, *([tables.hardware(report.hardware)] if report.hardware else [])]


def _settings(report: Report, wanted: JobSpec | None) -> list[Text]:
    return [
        *([tables.asked(wanted)] if wanted else []),
        *([tables.applied(report.applied, wanted.given if wanted else {})] if report.applied else []),
        *([tables.keys(report.config_keys)] if report.config_keys else []),
        *([tables.images(report.images)] if report.images else []),
    ]


def _made_with(report: Report) -> Markup:
    blocks = [
        *([tables.stages(report.seconds)] if report.seconds else []),
        *([tables.packages(report)] if report.packages else []),
    ]
    return element("div", *blocks, classes="ow-halves") if blocks else Markup()


# --- repeat it


def _repeat(wanted: JobSpec) -> list[Text]:
    sources = [(source.name, source.digest) for source in (wanted.model, wanted.dataset)]
    said = (
        "The template's settings and those given here make the same job again. Where a configuration file of your own"
        " was used, give it with --config."
    )
    return [
        element("pre", element("code", command(wanted))),
        element("p", said, classes="ow-muted"),
        markup.facts([(name, element("span", digest, classes="ow-mono")) for name, digest in sources]),
    ]


def command(wanted: JobSpec) -> str:
    """The line that makes the same job."""
    model = Path(wanted.model.name)
    files = [str(model), *([str(model.with_suffix(".bin"))] if model.suffix == ".xml" else [])]
    parts = [
        f"otx-web optimize --model {shlex.join(files)}",
        f"--dataset {shlex.quote(wanted.dataset.name)}",
        f"--task {shlex.quote(wanted.task)} --template {shlex.quote(wanted.template)} --method {wanted.method}",
        *map(str.strip, _options(wanted.given)),
    ]
    return " \\\n  ".join(parts)
