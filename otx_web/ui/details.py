"""The tabs under a result: accuracy a class, speed, pictures, layers, settings and the log."""

from collections import Counter
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from jobs import charts, intervals, titles
from jobs.intervals import Interval
from jobs.report import ConfigKey, Hardware, Images, Picture, Rate, Report
from jobs.spec import JobSpec
from otx_web.ui import log, parts
from otx_web.ui.parts import Text, element, join
from otx_web.ui.result import Seen

CLASSES_OPEN = 12
CLASSES_MOST = 1000
LAYERS_MOST = 400
NAMES_MOST = 300
FATES: Mapping[str, tuple[str, parts.Tone]] = {
    "kept": ("Kept", "good"),
    "changed": ("Changed", "unsure"),
    "refused": ("Refused", "bad"),
}


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
    """Every metric before and after, then every class, the one that lost most first."""
    if report.before is None or report.after is None:
        return Markup()
    labelled = report.images.labelled if report.images else True
    rows = [
        _metric(report, name, before, report.after.metrics[name], labelled)
        for name, before in report.before.metrics.items()
        if name in report.after.metrics
    ]
    table = parts.table(["Metric", "Before", "After", "Change, points"], rows)
    how = "In brackets: 95 % intervals. That of the change is narrower, since both models saw the same images."
    truth = (
        ""
        if labelled
        else ("The images carry no labels: the numbers say how often the optimised model gives the original's answer.")
    )
    return element(
        "div",
        table,
        element("p", join([how, truth], " "), classes="ow-muted ow-small"),
        _classes(report),
        classes="ow-stack",
    )


def _metric(report: Report, name: str, before: float, after: float, labelled: bool) -> list[Text]:
    primary = name == report.metric and report.verdict is not None
    change = intervals.change(report.verdict) if primary and report.verdict else None
    own = intervals.share(report, name, before)
    half = change.half_width if change else own.half_width if own else 0.005
    digits = intervals.points_digits(half)
    difference = parts.number((after - before) * 100, digits, sign=True)
    within = f" ({intervals.points_ends(change)})" if change else ""
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
    return element("span", parts.percent(value, digits), within)


def _classes(report: Report) -> Markup:
    """By the primary metric where classes have it, else by their first one."""
    assert report.before is not None and report.after is not None
    before, after = report.before.per_class, report.after.per_class
    found = [
        (label, before[label][name], after[label][name])
        for label in before
        if label in after and (name := _class_metric(report, before[label], after[label]))
    ]
    if not found:
        return Markup()
    found.sort(key=lambda one: one[2] - one[1])
    largest = max(abs(now - then) for _, then, now in found)
    rows = [_class(label, then, now, largest) for label, then, now in found]
    head = ["Class", "Before", "After", "Change, points"]
    heading = element("h3", f"{parts.count(len(rows), 'class', 'classes')}, the one that lost most first")
    if len(rows) <= CLASSES_OPEN + 3:
        return element("div", heading, parts.table(head, rows, classes="ow-compact ow-classes"))
    first, rest = rows[:CLASSES_OPEN], rows[CLASSES_OPEN:CLASSES_MOST]
    cut = f" of {parts.count(len(rows) - CLASSES_OPEN)}; all are in report.json" if len(rows) > CLASSES_MOST else ""
    more = parts.more(f"{parts.count(len(rest))} more{cut}", parts.table(head, rest, classes="ow-compact ow-classes"))
    return element("div", heading, parts.table(head, first, classes="ow-compact ow-classes"), more)


def _class_metric(report: Report, before: Mapping[str, float], after: Mapping[str, float]) -> str:
    names = [report.metric, *before]
    return next((name for name in names if name in before and name in after), "")


def _class(label: str, before: float, after: float, largest: float) -> list[Text]:
    change = after - before
    number = parts.number(change * 100, 1, sign=True)
    return [
        label,
        parts.percent(before),
        parts.percent(after),
        element("span", element("span", number), charts.change_bar(change, largest), classes="ow-change-cell"),
    ]


# --- speed


def speed(report: Report) -> Markup:
    """Rates with their intervals, what really ran, the machine and the versions."""
    body: list[Markup] = []
    if report.speed is not None:
        body += [_rates(report), element("p", _compares(report), classes="ow-muted ow-small")]
    cards = [
        *([_hardware(report.hardware)] if report.hardware else []),
        *([_packages(report)] if report.packages else []),
    ]
    if cards:
        body.append(element("div", *cards, classes="ow-halves"))
    return element("div", *body, classes="ow-stack") if body else Markup()


def _rates(report: Report) -> Markup:
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
    return parts.table(["Model", "Ran in", "Throughput, images/s", "Latency, ms"], rows)


def _rate_row(name: str, rate: Rate, ratio: Interval | None, latency: Interval | None) -> list[Text]:
    return [name, rate.precision, _rate(intervals.throughput(rate), ratio), _rate(intervals.latency(rate), latency)]


def _rate(found: Interval, ratio: Interval | None) -> Text:
    value = element("b", intervals.rounded(found.value, found.half_width))
    within = element("span", f" ({intervals.ends(found)})", classes="ow-muted")
    times = f" {intervals.times(ratio)} ({intervals.times_ends(ratio)})" if ratio else ""
    return element("span", value, within, element("span", times, classes="ow-times") if times else "")


def _compares(report: Report) -> str:
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


def _hardware(machine: Hardware) -> Markup:
    int8 = "multiplied faster than float here" if machine.int8_fast else "no faster than float on this CPU"
    rows: list[tuple[Text, Text]] = [
        ("CPU", machine.cpu),
        ("Cores", f"{parts.count(machine.cores)} that the job may use"),
        ("Instructions", ", ".join(machine.instruction_sets) or "none that help INT8 or BF16"),
        ("INT8", int8),
        ("Memory", parts.size(machine.memory_bytes)),
        ("Device", machine.device),
        ("Load", f"{parts.number(machine.load, 2)} before the job began"),
    ]
    return element("div", element("h3", "Measured on"), parts.facts(rows))


def _packages(report: Report) -> Markup:
    return element("div", element("h3", "Versions"), parts.facts(list(report.packages.items())))


# --- pictures


def pictures(report: Report, seen: Seen) -> Markup:
    """Those on which the models differ first."""
    if not report.pictures:
        return Markup()
    if not seen.files:
        return element("p", "The pictures have been deleted.", classes="ow-muted")
    differ = sum(picture.differs for picture in report.pictures)
    if differ == len(report.pictures):
        said = "Pictures to which the models give different answers; where they are least alike comes first."
    elif differ:
        said = (
            f"{parts.count(differ, 'picture')} with another answer first, then those where the models are least alike."
        )
    else:
        said = "The models give the same answer on every picture; those where they are least alike come first."
    return element(
        "div",
        element("p", said, classes="ow-muted"),
        element("div", *(_picture(picture, seen) for picture in report.pictures), classes="ow-gallery"),
        classes="ow-stack",
    )


def _picture(picture: Picture, seen: Seen) -> Markup:
    image = Markup('<img src="{}" alt="{}" loading="lazy">').format(seen.file(picture.file), picture.name)
    truth = [("Truth", join([picture.truth]))] if picture.truth else []
    rows: list[tuple[Text, Text]] = [
        *truth,
        ("Before", _answer(picture.before, picture.score_before, picture.truth)),
        ("After", _answer(picture.after, picture.score_after, picture.truth)),
    ]
    mark = parts.badge("Other answer", "unsure") if picture.differs else Markup()
    return element(
        "figure",
        image,
        mark,
        element("figcaption", parts.facts(rows), element("span", picture.name, classes="ow-muted ow-small")),
        classes="ow-shot",
    )


def _answer(words: str, score: float, truth: str) -> Text:
    sign = "" if not truth else " ✓" if words == truth else " ✕"
    tone = "" if not truth else "ow-text-good" if words == truth else "ow-text-bad"
    said = element("span", sign, classes=tone, aria_label="right" if words == truth else "wrong") if sign else ""
    return join([words, said, element("span", f" {parts.percent(score, 0)}", classes="ow-muted")])


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
        *([_applied(report.applied, spec.given)] if report.applied else []),
        _asked(spec),
        *([_keys(report.config_keys)] if report.config_keys else []),
        *([_images(report.images)] if report.images else []),
    ]
    return element("div", *body, classes="ow-stack ow-wide-gaps")


def _applied(applied: Mapping[str, str], given: Mapping[str, str]) -> Markup:
    """What the person changed comes first, and is marked."""
    mark = [parts.badge("changed by you", "accent")]
    rows = [
        [
            element("span", name, classes="ow-mono"),
            element("span", value or parts.NOTHING, " ", *(mark if name in given else [])),
        ]
        for name, value in sorted(applied.items(), key=lambda one: one[0] not in given)
    ]
    table = parts.table(["Setting", "Value"], rows, classes="ow-compact ow-settings")
    return element("div", element("h3", "Applied by the method"), table)


def _asked(spec: JobSpec) -> Markup:
    images = parts.count(spec.validation_images) if spec.validation_images else "all there are"
    rows: list[tuple[Text, Text]] = [
        ("Model", spec.model.name),
        ("Dataset", spec.dataset.name),
        ("Task", f"{titles.task(spec.task)}, template {spec.template}"),
        ("Method", titles.method(spec.method)),
        ("Limit", f"a loss of at most {parts.number(spec.max_drop * 100, 1)}{parts.SPACE}points"),
        ("Images", f"to measure: {images}"),
        ("Speed", f"on {spec.device}, {spec.hint} first, at most {parts.duration(spec.speed_seconds)}"),
        *((name, value) for name, value in spec.model_settings.items()),
    ]
    return element("div", element("h3", "Asked for"), parts.facts(rows))


def _keys(keys: Sequence[ConfigKey]) -> Markup:
    rows = [
        [
            element("span", key.key, classes="ow-mono"),
            element("span", key.value),
            parts.badge(*FATES[key.fate]),
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
        parts.table(["Key", "Value", "Fate", "Why, and from where"], rows, classes="ow-compact"),
    )


def _images(images: Images) -> Markup:
    folds = [
        _names(f"{parts.count(images.calibration, 'image')} to calibrate", images.calibration_names),
        _names(f"{parts.count(images.validation, 'image')} to measure accuracy", images.validation_names),
    ]
    none_twice = element("p", "No image served for both.", classes="ow-muted ow-small")
    return element("div", element("h3", "Images"), *folds, none_twice)


def _names(summary: str, names: Sequence[str]) -> Markup:
    if not names:
        return element("p", summary)
    rest = len(names) - NAMES_MOST
    cut = [element("li", f"and {parts.count(rest)} more, in report.json")] if rest > 0 else []
    return parts.more(
        summary, element("ul", *(element("li", name) for name in names[:NAMES_MOST]), *cut, classes="ow-names")
    )


# --- log


def log_panel(report: Report, seen: Seen, text: str) -> Markup:
    """How long each stage took, and the end of the log."""
    body: list[Markup] = []
    if report.seconds and report.status == "succeeded":
        total = report.seconds.get("total")
        rows: list[tuple[Text, Text]] = [
            (titles.stage(name), parts.duration(seconds)) for name, seconds in report.seconds.items() if name != "total"
        ]
        whole = [(join(["In all"]), join([parts.duration(total)]))] if total is not None else []
        body.append(element("div", element("h3", "Time"), parts.facts([*rows, *whole])))
    if seen.files:
        body.append(log.box(text, seen.job_id))
    return element("div", *body, classes="ow-stack")
