"""Tables of a result, for its page and for its report."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from jobs import charts, intervals, markup, numbers, titles
from jobs.events import Trial
from jobs.intervals import Interval
from jobs.markup import Text, element, join
from jobs.report import ConfigKey, Hardware, Images, Rate, Report
from jobs.spec import JobSpec

CLASSES_OPEN = 12
CLASSES_MOST = 1000
NAMES_MOST = 300
FATES: Mapping[str, tuple[str, markup.Tone]] = {
    "kept": ("Kept", "good"),
    "changed": ("Changed", "unsure"),
    "refused": ("Refused", "bad"),
}


SEARCH_LAYERS = 3
"""So many names of layers can be read in a cell."""


# --- a search


def search(trials: Sequence[Trial]) -> Markup:
    """What a search tried, in the order in which it is given, and what was lost with each."""
    if not trials:
        return Markup()
    return markup.table(["", "Step", "Lost", ""], [_trial(trial) for trial in trials], classes="ow-compact")


def _trial(trial: Trial) -> list[Text]:
    """Of many layers the first, and all of them under the pointer."""
    names = ", ".join(trial.layers) if len(trial.layers) > SEARCH_LAYERS else None
    what = element("span", titles.trial(trial, SEARCH_LAYERS), title=names)
    met = trial.drop <= trial.limit
    fate = markup.badge("Met", "good") if met else "" if trial.kept else markup.badge("Taken back", "unsure")
    return [numbers.count(trial.number), what, titles.drop(trial.drop, relative=trial.relative), fate]


# --- accuracy


def accuracy(report: Report) -> Markup:
    """Every metric before and after, then every class, the one that lost most first."""
    if report.before is None or report.after is None:
        return Markup()
    labelled = report.images.labelled if report.images else True
    rows = [
        _metric(report, name, before, report.after.metrics[name], labelled)
        for name, before in report.before.metrics.items()
        if name in report.after.metrics
    ]
    table = markup.table(["Metric", "Before", "After", "Change, points"], rows)
    how = "In brackets: 95 % intervals. That of the change is narrower, since both models saw the same images."
    truth = "" if labelled else titles.UNLABELLED
    return element(
        "div",
        table,
        element("p", join([how, truth], " "), classes="ow-muted ow-small"),
        classes(report),
        classes="ow-stack",
    )


def _metric(report: Report, name: str, before: float, after: float, labelled: bool) -> list[Text]:
    verdict = report.verdict if name == report.metric else None
    own = intervals.share(report, name, before)
    digits = intervals.verdict_digits(verdict) if verdict else intervals.points_digits(own.half_width if own else 0.005)
    difference = numbers.number((after - before) * 100, digits, sign=True)
    within = f" ({intervals.points_ends(intervals.change(verdict), digits)})" if verdict else ""
    return [
        titles.metric(name, labelled=labelled),
        _with_ends(report, name, before, digits, measured=labelled),
        _with_ends(report, name, after, digits),
        element("span", element("b", difference), element("span", within, classes="ow-muted")),
    ]


def _with_ends(report: Report, name: str, value: float, digits: int, *, measured: bool = True) -> Text:
    """Without labels the original agrees with itself by definition: that was not `measured`."""
    own = intervals.share(report, name, value) if measured else None
    within = element("span", f" ({intervals.percent_ends(own)})", classes="ow-muted") if own else ""
    return element("span", numbers.percent(value, digits), within)


def classes(report: Report) -> Markup:
    """By the primary metric where classes have it, else by their first one."""
    if report.before is None or report.after is None:
        return Markup()
    before, after = report.before.per_class, report.after.per_class
    measured = {
        label: name
        for label in before
        if label in after and (name := _class_metric(report, before[label], after[label]))
    }
    found = [(label, before[label][name], after[label][name]) for label, name in measured.items()]
    if not found:
        return Markup()
    found.sort(key=lambda one: one[2] - one[1])
    largest = max(abs(now - then) for _, then, now in found)
    rows = [_class(label, then, now, largest) for label, then, now in found]
    head = ["Class", "Before", "After", "Change, points"]
    by = " and ".join(titles.metric(name) for name in dict.fromkeys(measured.values()) if name != "accuracy")
    many = numbers.count(len(rows), "class", "classes")
    heading = element("h3", f"{many}{f' by {by}' if by else ''}, the one that lost most first")
    if len(rows) <= CLASSES_OPEN + 3:
        return element("div", heading, markup.table(head, rows, classes="ow-compact ow-classes"))
    first, rest = rows[:CLASSES_OPEN], rows[CLASSES_OPEN:CLASSES_MOST]
    cut = f" of {numbers.count(len(rows) - CLASSES_OPEN)}; all are in report.json" if len(rows) > CLASSES_MOST else ""
    more = markup.more(
        f"{numbers.count(len(rest))} more{cut}", markup.table(head, rest, classes="ow-compact ow-classes")
    )
    return element("div", heading, markup.table(head, first, classes="ow-compact ow-classes"), more)


def _class_metric(report: Report, before: Mapping[str, float], after: Mapping[str, float]) -> str:
    names = [report.metric, *before]
    return next((name for name in names if name in before and name in after), "")


def _class(label: str, before: float, after: float, largest: float) -> list[Text]:
    change = after - before
    number = numbers.number(change * 100, 1, sign=True)
    return [
        label,
        numbers.percent(before),
        numbers.percent(after),
        element("span", element("span", number), charts.change_bar(change, largest), classes="ow-change-cell"),
    ]


# --- speed


def rates(report: Report) -> Markup:
    """Throughput and latency of every model that ran, with their intervals."""
    found = report.speed
    assert found is not None
    rows = [
        _rate_row("Original", found.before, None, None),
        _rate_row(
            "Optimised",
            found.after,
            Interval(found.ratio, found.ratio_low, found.ratio_high),
            Interval(found.latency_ratio, found.latency_ratio_low, found.latency_ratio_high),
        ),
        *([_rate_row("Original held to FP32", found.fp32, None, None)] if found.fp32 else []),
    ]
    return markup.table(["Model", "Ran in", "Throughput, images/s", "Latency, ms"], rows)


def _rate_row(name: str, rate: Rate, ratio: Interval | None, latency: Interval | None) -> list[Text]:
    return [name, rate.precision, _rate(intervals.throughput(rate), ratio), _rate(intervals.latency(rate), latency)]


def _rate(found: Interval, ratio: Interval | None) -> Text:
    value = element("b", intervals.rounded(found.value, found.half_width))
    within = element("span", f" ({intervals.ends(found)})", classes="ow-muted")
    times = f" {intervals.times(ratio)} ({intervals.times_ends(ratio)})" if ratio else ""
    return element("span", value, within, element("span", times, classes="ow-times") if times else "")


def compares(report: Report) -> str:
    """How the speed was measured, in sentences."""
    found = report.speed
    assert found is not None
    said = [
        f"The ratio compares with {found.reference}.",
        "Both models ran in short alternating blocks of one process, so that what slows the machine slows both.",
        "Throughput: as many images at a time as the device likes. Latency: the median of one image at a time.",
        "In brackets: 95 % intervals.",
    ]
    if found.fp32_ratio is not None and found.fp32_ratio_low is not None and found.fp32_ratio_high is not None:
        ratio = Interval(found.fp32_ratio, found.fp32_ratio_low, found.fp32_ratio_high)
        said.insert(
            1, f"Against the original held to FP32 it is {intervals.times(ratio)}, {intervals.times_ends(ratio)}."
        )
    return " ".join(said)


def hardware(machine: Hardware) -> Markup:
    """The machine that measured."""
    int8 = "multiplied faster than float here" if machine.int8_fast else "no faster than float on this CPU"
    rows: list[tuple[Text, Text]] = [
        ("CPU", machine.cpu),
        ("Cores", f"{numbers.count(machine.cores)} that the job may use"),
        ("Instructions", ", ".join(machine.instruction_sets) or "none that help INT8 or BF16"),
        ("INT8", int8),
        ("Memory", numbers.size(machine.memory_bytes)),
        ("Device", machine.device),
        ("Load", f"{numbers.number(machine.load, 2)} before the job began"),
    ]
    return element("div", element("h3", "Measured on"), markup.facts(rows))


def packages(report: Report) -> Markup:
    """Versions of what did the work."""
    return element("div", element("h3", "Versions"), markup.facts(list(report.packages.items())))


# --- settings and images


def applied(applied: Mapping[str, str], given: Mapping[str, str]) -> Markup:
    """What the person changed comes first, and is marked."""
    mark = [markup.badge("changed by you", "accent")]
    rows = [
        [
            element("span", name, classes="ow-mono"),
            element("span", value or markup.NOTHING, " ", *(mark if name in given else [])),
        ]
        for name, value in sorted(applied.items(), key=lambda one: one[0] not in given)
    ]
    table = markup.table(["Setting", "Value"], rows, classes="ow-compact ow-settings")
    return element("div", element("h3", "Applied by the method"), table)


def asked(spec: JobSpec) -> Markup:
    """What the job was to do."""
    images = numbers.count(spec.validation_images) if spec.validation_images else "all there are"
    rows: list[tuple[Text, Text]] = [
        ("Model", spec.model.name),
        ("Dataset", spec.dataset.name),
        ("Task", f"{titles.task(spec.task)}, template {spec.template}"),
        ("Method", titles.method(spec.method)),
        ("Limit", f"a loss of at most {numbers.number(spec.max_drop * 100, 1)}{numbers.SPACE}points"),
        ("Images", f"to measure: {images}"),
        ("Speed", f"on {spec.device}, {spec.hint} first, at most {numbers.duration(spec.speed_seconds)}"),
        *((name, value) for name, value in spec.model_settings.items()),
    ]
    return element("div", element("h3", "Asked for"), markup.facts(rows))


def keys(keys: Sequence[ConfigKey]) -> Markup:
    """What became of the configuration files' keys."""
    rows = [
        [
            element("span", key.key, classes="ow-mono"),
            element("span", key.value),
            markup.badge(*FATES[key.fate]),
            join(
                [key.note, element("span", key.source, classes="ow-muted ow-small")],
                Markup("<br>") if key.note and key.source else "",
            ),
        ]
        for key in keys
    ]
    return element(
        "div",
        element("h3", "Keys of the configuration files"),
        markup.table(["Key", "Value", "Fate", "Why, and from where"], rows, classes="ow-compact"),
    )


def images(images: Images) -> Markup:
    """Which images served for what."""
    folds = [
        _names(f"{numbers.count(images.calibration, 'image')} to calibrate", images.calibration_names),
        _names(f"{numbers.count(images.validation, 'image')} to measure accuracy", images.validation_names),
    ]
    none_twice = element("p", "No image served for both.", classes="ow-muted ow-small")
    return element("div", element("h3", "Images"), *folds, none_twice)


def _names(summary: str, names: Sequence[str]) -> Markup:
    if not names:
        return element("p", summary)
    rest = len(names) - NAMES_MOST
    cut = [element("li", f"and {numbers.count(rest)} more, in report.json")] if rest > 0 else []
    return markup.more(
        summary, element("ul", *(element("li", name) for name in names[:NAMES_MOST]), *cut, classes="ow-names")
    )


def answer(words: str, score: float, truth: str) -> Text:
    """What a model says to an image, whether that is right, and how sure it is."""
    sign = "" if not truth else " ✓" if words == truth else " ✕"
    tone = "" if not truth else "ow-text-good" if words == truth else "ow-text-bad"
    said = element("span", sign, classes=tone, aria_label="right" if words == truth else "wrong") if sign else ""
    return join([words, said, element("span", f" {numbers.percent(score, 0)}", classes="ow-muted")])


# --- time


def stages(seconds: Mapping[str, float]) -> Markup:
    """How long each took."""
    rows: list[tuple[Text, Text]] = [
        (titles.stage(name), numbers.duration(taken)) for name, taken in seconds.items() if name != "total"
    ]
    whole = [("In all", numbers.duration(seconds["total"]))] if "total" in seconds else []
    return element("div", element("h3", "Time"), markup.facts([*rows, *whole]))
