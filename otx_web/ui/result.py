"""What came of a job, on one screen: the verdict, before and after, a picture of both, the files, what to do next."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup

from jobs import charts, intervals, titles
from jobs.intervals import Interval
from jobs.report import Artifact, NextStep, Rate, Report, Speed, Verdict
from otx_web.ui import parts
from otx_web.ui.parts import Text, element, join

VERDICTS: Mapping[str, tuple[str, str, parts.Tone]] = {
    "held": ("✓", "Accuracy held", "good"),
    "lost": ("✕", "Accuracy lost", "bad"),
    "cannot_tell": ("?", "Cannot tell yet", "unsure"),
}
STEPS_OPEN = 3
NOTES_OPEN = 3
WIDE = 0.12
"""Width of the speed-up's interval over the speed-up, beyond which a person should know why."""


@dataclass(frozen=True)
class Seen:
    """Who looks, and at which job."""

    job_id: str
    owns: bool
    """Whether the visitor may change the job and start others like it."""
    files: bool = True
    """Whether its files are still there."""

    def file(self, path: str) -> str:
        """Address of a file of the job."""
        return f"files/jobs/{self.job_id}/{quote(path)}"


def summary(report: Report, seen: Seen) -> Markup:
    """The first screenful."""
    picture, files = _picture(report), downloads(report, seen)
    pair = element("div", *([picture] if picture else []), files, classes="ow-picture-and-files" if picture else None)
    blocks = [_figures(report), notes(report), next_steps(report, seen), pair]
    return element("div", *(block for block in blocks if block), classes="ow-stack")


# --- the verdict and the numbers


def _figures(report: Report) -> Markup:
    cards = [_accuracy(report), *_speed(report.speed), _size(report)]
    return element("div", *(card for card in cards if card), classes="ow-figures")


def _accuracy(report: Report) -> Markup:
    verdict = report.verdict
    if verdict is None or report.before is None or report.after is None:
        return Markup()
    sign, word, tone = VERDICTS[verdict.accuracy]
    before, after = report.before.metrics[report.metric], report.after.metrics[report.metric]
    digits = intervals.verdict_digits(verdict)
    return element(
        "section",
        element("h2", element("i", sign, aria_hidden="true"), word),
        _before_after(parts.percent(before, digits), parts.percent(after, digits)),
        element("p", _change(verdict, digits)),
        element("p", _said(report, verdict), classes="ow-muted"),
        classes=f"ow-figure ow-verdict ow-{tone}",
    )


def _change(verdict: Verdict, digits: int) -> Text:
    """ "−0.1 points, 95 % interval −0.6 to +0.4, limit −1.0" """
    change = intervals.change(verdict)
    limit = parts.number(-verdict.limit * 100, digits, sign=True)
    return join(
        [
            element("b", parts.points(change.value, digits)),
            f", 95{parts.SPACE}% interval {intervals.points_ends(change, digits)}, limit{parts.SPACE}{limit}",
        ]
    )


def _said(report: Report, verdict: Verdict) -> str:
    """What is measured, on how many images, and the verdict in a sentence."""
    images = report.images
    labelled = images.labelled if images else True
    what = titles.metric(report.metric, labelled=labelled)
    where = f" on {parts.count(images.validation, 'image')}" if images else ""
    said = verdict.message if verdict.accuracy == "cannot_tell" else ""
    return f"{what}{where}. {said}".strip()


def _before_after(before: Text, after: Text) -> Markup:
    return element(
        "p",
        element("span", before, classes="ow-before"),
        element("span", " → ", classes="ow-before", aria_label="to"),
        element("span", after),
        classes="ow-big",
    )


def _speed(speed: Speed | None) -> list[Markup]:
    if speed is None:
        return []
    ratio = Interval(speed.ratio, speed.ratio_low, speed.ratio_high)
    latency = Interval(speed.latency_ratio, speed.latency_ratio_low, speed.latency_ratio_high)
    fp32 = _against_fp32(speed)
    rows = [
        (
            "Throughput",
            ratio,
            ("faster", "slower"),
            _rates(speed, intervals.throughput, "images/s"),
            [f"against {speed.reference}", *fp32],
        ),
        ("Latency", latency, ("lower latency", "higher latency"), _rates(speed, intervals.latency, "ms"), []),
    ]
    return [_ratio_card(*row) for row in rows]


def _rates(speed: Speed, of: Callable[[Rate], Interval], unit: str) -> tuple[str, str]:
    before, after = of(speed.before), of(speed.after)
    shown = " → ".join(intervals.rounded(one.value, one.half_width) for one in (before, after))
    within = f"{intervals.ends(before)} → {intervals.ends(after, unit)}"
    return f"{shown}{parts.SPACE}{unit}", within


def _ratio_card(name: str, ratio: Interval, words: tuple[str, str], rates: tuple[str, str], more: list[str]) -> Markup:
    shown, within = rates
    return element(
        "section",
        element("h3", name),
        element("p", intervals.times(ratio), " ", element("small", _compared(ratio, words)), classes="ow-big"),
        element("p", element("span", shown, title=f"95 % intervals: {within}")),
        element("p", f"95{parts.SPACE}% interval {intervals.times_ends(ratio)}×", classes="ow-muted"),
        *(element("p", line, classes="ow-muted ow-small") for line in more),
        classes="ow-figure",
    )


def _compared(ratio: Interval, words: tuple[str, str]) -> str:
    """Only what the interval shows is claimed."""
    better, worse = words
    if ratio.low > 1:
        return better
    return worse if ratio.high < 1 else "no clear difference"


def _against_fp32(speed: Speed) -> list[str]:
    if speed.fp32_ratio is None or speed.fp32_ratio_low is None or speed.fp32_ratio_high is None:
        return []
    ratio = Interval(speed.fp32_ratio, speed.fp32_ratio_low, speed.fp32_ratio_high)
    return [f"{intervals.times(ratio)} ({intervals.times_ends(ratio)}) against the original held to FP32"]


def _size(report: Report) -> Markup:
    before, after, ratio = report.before, report.after, report.size_ratio
    if before is None or after is None or ratio is None:
        return Markup()
    return element(
        "section",
        element("h3", "Size"),
        element(
            "p",
            parts.times(ratio, 1),
            " ",
            element("small", "smaller" if ratio >= 1 else "its size"),
            classes="ow-big",
        ),
        element("p", f"{parts.size(before.size_bytes)} → {parts.size(after.size_bytes)}"),
        element("p", f"{before.precision} → {after.precision} weights", classes="ow-muted"),
        classes="ow-figure",
    )


def notes(report: Report) -> Markup:
    """What a person should know before believing the numbers."""
    lines = [element("li", note) for note in (*_disturbed(report), *report.notes)]
    if not lines:
        return Markup()
    rest = [parts.more(f"{parts.count(len(lines) - NOTES_OPEN)} more", _notes(lines[NOTES_OPEN:]))]
    return element(
        "div",
        element("p", element("b", "Good to know")),
        _notes(lines[:NOTES_OPEN]),
        *(rest if len(lines) > NOTES_OPEN else []),
        classes="ow-notice ow-notes",
    )


def _disturbed(report: Report) -> list[str]:
    """That the speed is not known well, when the interval shows it."""
    speed, machine = report.speed, report.hardware
    if speed is None or speed.ratio_high - speed.ratio_low < WIDE * speed.ratio:
        return []
    busy = machine is not None and machine.load > machine.cores / 2
    why = "the machine was busy with other work" if busy else "something else disturbed it"
    return [f"The speed is known only roughly, since {why}. Run the job again when nothing else runs."]


def _notes(lines: Sequence[Markup]) -> Markup:
    return element("ul", *lines, classes="ow-list")


# --- the picture


def _picture(report: Report) -> Markup:
    verdict, speed = report.verdict, report.speed
    if verdict is None or speed is None or report.before is None or report.after is None:
        return Markup()
    labelled = report.images.labelled if report.images else True
    name = titles.metric(report.metric, labelled=labelled)
    before, after = report.before.metrics[report.metric], report.after.metrics[report.metric]
    quality = Interval(after, before - verdict.drop_high, before - verdict.drop_low)
    points = [
        _point("before", "original", speed.before, Interval(before, before, before), name),
        _point("after", "optimised", speed.after, quality, name),
    ]
    caption = join(
        [
            charts.legend([("before", "original"), ("after", "optimised")]),
            element(
                "p",
                "Bars are 95 % intervals: across, of the throughput; upright, of the difference in accuracy,"
                " measured on the same images.",
                classes="ow-muted ow-small",
            ),
        ]
    )
    picture = charts.accuracy_and_speed(
        points,
        quality_name=name,
        alternative=_alternative(name, points, before - verdict.limit),
        limit=before - verdict.limit,
        arrow=True,
        caption=caption,
    )
    return element("section", element("h2", f"{name} against throughput"), picture, classes="ow-card ow-chart-card")


def _point(kind: charts.Kind, word: str, rate: Rate, quality: Interval, name: str) -> charts.Point:
    speed = intervals.throughput(rate)
    digits = intervals.points_digits(quality.half_width or 0.005)
    title = f"{word}: {name} {parts.percent(quality.value, digits)}, {_fps(speed)} images/s"
    return charts.Point(speed, quality, word, title, kind)


def _fps(speed: Interval) -> str:
    return intervals.rounded(speed.value, speed.half_width)


def _alternative(name: str, points: list[charts.Point], limit: float) -> str:
    said = ". ".join(point.title for point in points)
    return f"{name} against throughput. {said}. The limit is {parts.percent(limit)}."


# --- the files


def downloads(report: Report, seen: Seen) -> Markup:
    """The model first, then the report, then everything else; each with its size."""
    if not seen.files:
        return parts.notice("The files of this job have been deleted to make room; its numbers are kept.")
    model = next((one for one in report.artifacts if one.path.endswith(".zip")), None)
    page = next((one for one in report.artifacts if one.path.endswith(".html")), None)
    rest = [one for one in report.artifacts if one not in (model, page)]
    buttons = [
        *([_download(model, seen, f"Download the {_precision(report)} model", primary=True)] if model else []),
        *([_download(page, seen, "Download the report")] if page else []),
    ]
    links = [
        *(element("li", _file(seen.file(one.path), one.name), _size_of(one)) for one in rest),
        element("li", _file(seen.file("report.json"), "All numbers (report.json)")),
    ]
    return element(
        "section",
        element("h2", "Take it with you"),
        *buttons,
        element("ul", *links, classes="ow-list ow-files"),
        classes="ow-card ow-downloads",
    )


def _file(address: str, name: str) -> Markup:
    return parts.link(address, name, download="")


def _size_of(one: Artifact) -> Markup:
    return element("span", f" {parts.size(one.size_bytes)}", classes="ow-muted ow-small")


def _precision(report: Report) -> str:
    return report.after.precision if report.after else "optimised"


def _download(one: Artifact, seen: Seen, word: str, *, primary: bool = False) -> Markup:
    text = join([word, element("span", f" {parts.size(one.size_bytes)}", classes="ow-size")])
    return parts.button_link(seen.file(one.path), text, primary=primary, download="")


# --- what next


def next_steps(report: Report, seen: Seen) -> Markup:
    """The cheapest runs that may win accuracy back or tell whether it held, each with a button that starts it."""
    verdict = report.verdict
    if verdict is None or verdict.accuracy == "held" or not verdict.next:
        return Markup()
    steps = [_step(number, step, seen) for number, step in enumerate(verdict.next)]
    rest = [parts.more(f"{len(steps) - STEPS_OPEN} more", _list(steps[STEPS_OPEN:]))] if len(steps) > STEPS_OPEN else []
    return element(
        "section", element("h2", "What next"), _list(steps[:STEPS_OPEN]), *rest, classes="ow-card ow-next ow-stack"
    )


def _list(steps: list[Markup]) -> Markup:
    return element("ul", *steps, classes="ow-list ow-steps-next")


def _step(number: int, step: NextStep, seen: Seen) -> Markup:
    seconds = f"about {parts.duration(step.seconds)}" if step.seconds is not None else "as long as this job or longer"
    settings = ", ".join(f"{name} = {value}" for name, value in step.set.items())
    button = element(
        "button",
        "Start",
        type="button",
        classes="ow-button ow-go",
        data_act="step",
        data_number=str(number),
        aria_label=f"Start: {step.title}",
    )
    return element(
        "li",
        element(
            "div",
            element("b", step.title),
            element("p", step.reason),
            element(
                "p",
                join([f"{seconds} · {titles.method(step.method)}", settings], " · " if settings else ""),
                classes="ow-muted ow-small",
            ),
        ),
        *([button] if seen.owns else []),
    )
