"""A result in the first screenful: the verdict and what was won, and a picture of both models."""

from collections.abc import Callable, Mapping
from pathlib import Path

from markupsafe import Markup

from jobs import amounts, charts, intervals, markup, numbers, titles
from jobs.intervals import Interval
from jobs.markup import Text, element, join
from jobs.report import Rate, Report, Speed, Verdict

STYLE = Path(__file__).with_suffix(".css")
"""Of what the pages and the report draw alike; what follows it may say otherwise."""
VERDICTS: Mapping[str, tuple[str, str, markup.Tone]] = {
    "held": ("✓", "Accuracy held", "good"),
    "lost": ("✕", "Accuracy lost", "bad"),
    "cannot_tell": ("?", "Cannot tell yet", "unsure"),
}


WIDE = 0.12
"""Width of the speed-up's interval over the speed-up, beyond which a person should know why."""


def figures(report: Report) -> Markup:
    """The verdict, the speed-up, the size, and what was removed, a card each."""
    cards = [_accuracy(report), *_speed(report.speed), _size(report), _removed(report), _zeros(report)]
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
        _before_after(numbers.percent(before, digits), numbers.percent(after, digits)),
        element("p", _change(verdict, digits)),
        element("p", _said(report, verdict), classes="ow-muted"),
        classes=f"ow-figure ow-verdict ow-{tone}",
    )


def _change(verdict: Verdict, digits: int) -> Text:
    """ "−0.1 points, 95 % interval −0.6 to +0.4, limit −1.0" """
    change = intervals.change(verdict)
    limit = numbers.number(-verdict.limit * 100, digits, sign=True)
    return join(
        [
            element("b", numbers.points(change.value, digits)),
            f", 95{numbers.SPACE}% interval {intervals.points_ends(change, digits)}, limit{numbers.SPACE}{limit}",
        ]
    )


def _said(report: Report, verdict: Verdict) -> str:
    """What is measured, on how many images, and the verdict in a sentence."""
    images = report.images
    labelled = images.labelled if images else True
    what = titles.metric(report.metric, labelled=labelled)
    where = f" on {numbers.count(images.validation, 'image')}" if images else ""
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
    return f"{shown}{numbers.SPACE}{unit}", within


def _ratio_card(name: str, ratio: Interval, words: tuple[str, str], rates: tuple[str, str], more: list[str]) -> Markup:
    shown, within = rates
    return element(
        "section",
        element("h3", name),
        element("p", intervals.times(ratio), " ", element("small", compared(ratio, words)), classes="ow-big"),
        element("p", element("span", shown, title=f"95 % intervals: {within}")),
        element("p", f"95{numbers.SPACE}% interval {intervals.times_ends(ratio)}×", classes="ow-muted"),
        *(element("p", line, classes="ow-muted ow-small") for line in more),
        classes="ow-figure",
    )


def compared(ratio: Interval, words: tuple[str, str]) -> str:
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
    times, word = smaller(ratio)
    return element(
        "section",
        element("h3", "Size"),
        element("p", times, " ", element("small", word), classes="ow-big"),
        element("p", f"{numbers.size(before.size_bytes)} → {numbers.size(after.size_bytes)}"),
        element("p", f"{before.precision} → {after.precision} weights", classes="ow-muted"),
        classes="ow-figure",
    )


def smaller(ratio: float) -> tuple[str, str]:
    """Size before over after as "3.8×", "smaller"."""
    if round(ratio, 1) == 1:
        return numbers.times(ratio, 1), "the same size"
    return (numbers.times(ratio, 1), "smaller") if ratio > 1 else (numbers.times(1 / ratio, 1), "larger")


def _removed(report: Report) -> Markup:
    """What the model computes, where filters were removed."""
    computed, parameters = amounts.flops(report), amounts.parameters(report)
    if computed is None or parameters is None or not computed.change:
        return Markup()
    times, _, word = computed.change.partition(" ")
    return element(
        "section",
        element("h3", "Computation"),
        element("p", times, " ", element("small", f"{word} FLOPs"), classes="ow-big"),
        element("p", f"{computed.said} an image"),
        element("p", f"{parameters.said} parameters", classes="ow-muted"),
        classes="ow-figure",
    )


def _zeros(report: Report) -> Markup:
    """How many weights are 0, where they were made so."""
    found = amounts.zeros(report)
    if found is None or not found.change:
        return Markup()
    return element(
        "section",
        element("h3", "Zeros"),
        element("p", found.after, " ", element("small", "of the weights"), classes="ow-big"),
        element("p", f"before: {found.before}"),
        classes="ow-figure",
    )


# --- what to know before believing it


def notes(report: Report) -> list[str]:
    """What a person should know before believing the numbers."""
    return [*_disturbed(report), *report.notes]


def _disturbed(report: Report) -> list[str]:
    """That the speed is not known well, when the interval shows it."""
    speed, machine = report.speed, report.hardware
    if speed is None or speed.ratio_high - speed.ratio_low < WIDE * speed.ratio:
        return []
    busy = machine is not None and machine.load > machine.cores / 2
    why = "the machine was busy with other work" if busy else "something else disturbed it"
    return [f"The speed is known only roughly, since {why}. Run the job again when nothing else runs."]


# --- the picture


def picture(report: Report) -> Markup:
    """Accuracy against throughput of both models, with their intervals and the limit."""
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
    title = f"{word}: {name} {numbers.percent(quality.value, digits)}, {_fps(speed)} images/s"
    return charts.Point(speed, quality, word, title, kind)


def _fps(speed: Interval) -> str:
    return intervals.rounded(speed.value, speed.half_width)


def _alternative(name: str, points: list[charts.Point], limit: float) -> str:
    said = ". ".join(point.title for point in points)
    return f"{name} against throughput. {said}. The limit is {numbers.percent(limit)}."
