"""Jobs side by side: accuracy against throughput, who is beaten and why, and everything in one table."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import gradio as gr
from markupsafe import Markup

from jobs import amounts, charts, intervals, titles
from jobs.amounts import Amount
from jobs.intervals import Interval
from jobs.report import Rate, Report
from otx_web import compare
from otx_web.compare import Comparison, Entry, Group, Result, Row
from otx_web.guard import owner_of
from otx_web.services import Services
from otx_web.store import Filter, Job, State, Summary
from otx_web.ui import parts
from otx_web.ui.parts import Text, element, handler, join

OFFERED = 100
"""Jobs to pick from: the last ones."""


def build(services: Services) -> None:
    """Lay the page out and connect it."""
    gr.HTML(element("h1", "Compare"))
    body = gr.HTML(parts.working("Reading the jobs"))
    gr.on(fn=handler(open_page, services), inputs=None, outputs=body, **parts.LIGHT)


def open_page(services: Services, request: gr.Request) -> Markup:
    """The jobs that the address names, or those there are to choose from."""
    asked = request.query_params
    wanted = ids(asked.getlist("ids") if hasattr(asked, "getlist") else [str(dict(asked).get("ids", ""))])
    jobs = services.store.jobs(wanted)
    offered = services.store.list_jobs(Filter(owner=owner_of(request), states=(State.SUCCEEDED,), limit=OFFERED)).rows
    missing = len(wanted) - len(jobs)
    pieces = (
        [parts.notice(f"{parts.count(missing, 'job')} of the address cannot be found.", "unsure")] if missing else []
    )
    if not jobs:
        return join([*pieces, _pick(offered, ())])
    return element("div", *pieces, _compared(jobs, offered), classes="ow-stack ow-wide-gaps")


def ids(sent: Sequence[str]) -> tuple[str, ...]:
    """`ids=a,b` and `ids=a&ids=b`, each once."""
    found = (one.strip() for text in sent for one in text.split(","))
    return tuple(dict.fromkeys(one for one in found if one))[: compare.MOST]


def _compared(jobs: Sequence[Job], offered: Sequence[Summary]) -> Markup:
    found = compare.compare(jobs)
    query = urlencode({"ids": ",".join(job.id for job in jobs)}, safe=",")
    csv = parts.button_link(f"files/compare.csv?{query}", "Download as CSV", download="")
    table = element("div", element("h2", "Side by side"), csv, classes="ow-heading")
    return join(
        [
            *(_group(group) for group in found.groups),
            *([_left_out(found)] if found.left_out else []),
            element("section", table, _table(found), classes="ow-stack"),
            parts.more("Choose other jobs", _pick(offered, [job.id for job in jobs])),
        ]
    )


# --- pictures


def _group(group: Group) -> Markup:
    """A picture, and each job's standing in words. One that stands apart alone needs no picture."""
    if group.apart and len(group.standings) == 1:
        return element("section", _list(group), classes="ow-card")
    apart = []
    if group.apart:
        names = [f"{standing.result.entry.letter} {standing.result.entry.job.name}" for standing in group.standings]
        which = f"{', '.join(names[:-1])} and {names[-1]}"
        apart = [parts.notice(f"{which} stand apart from those above. Of each: {group.apart}.", "unsure")]
    box = element("div", _picture(group), _list(group), classes="ow-card ow-two ow-pareto")
    return element("section", *apart, box, classes="ow-stack")


def _picture(group: Group) -> Markup:
    results = [standing.result for standing in group.standings]
    labelled = all(not (images := result.entry.report.images) or images.labelled for result in results)
    name = titles.metric(results[0].metric, labelled=labelled)
    after = {
        standing.result.entry.letter: _point(standing.result, "after" if standing.on_frontier else "faded", name)
        for standing in group.standings
    }
    line = [after[result.entry.letter] for result in compare.frontier(group)]
    points = [*_originals(results, name), *after.values()]
    legend: list[tuple[charts.Kind, str]] = [("before", "original"), ("after", "optimised"), ("faded", "beaten")]
    if all(standing.on_frontier for standing in group.standings):
        legend.pop()
    return charts.accuracy_and_speed(
        points,
        quality_name=name,
        alternative=f"{name} against throughput. " + " ".join(f"{point.title}." for point in points),
        frontier=line if len(line) > 1 else [],
        caption=charts.legend(legend),
    )


def _point(result: Result, kind: charts.Kind, name: str) -> charts.Point:
    speed = intervals.throughput(result.speed.after)
    quality = Interval(result.after, result.before - result.verdict.drop_high, result.before - result.verdict.drop_low)
    said = (
        f"{result.entry.letter}, {result.entry.job.name}: {name} {parts.percent(result.after)}, {_fps(speed)} images/s"
    )
    return charts.Point(speed, quality, result.entry.letter, said, kind)


def _originals(results: Sequence[Result], name: str) -> list[charts.Point]:
    """One for each model, as the first of its jobs measured it."""
    first = {result.entry.job.model_digest: result for result in reversed(results)}
    return [
        charts.Point(
            speed := intervals.throughput(result.speed.before),
            Interval(result.before, result.before, result.before),
            "",
            f"original of {model}: {name} {parts.percent(result.before)}, {_fps(speed)} images/s",
            "before",
        )
        for result in first.values()
        if (model := result.entry.job.model_name)
    ]


def _fps(speed: Interval) -> str:
    return intervals.rounded(speed.value, speed.half_width)


def _list(group: Group) -> Markup:
    """Each job with its standing in words."""
    alone = len(group.standings) == 1
    aside = f"Stands apart: {group.apart}." if group.apart else ""
    lines = []
    for standing in sorted(group.standings, key=lambda one: not one.on_frontier):
        result = standing.result
        said = standing.reason or (aside if alone else "No other one here is clearly better.")
        lines.append(
            element(
                "li",
                _letter(result.entry, faded=not standing.on_frontier),
                element(
                    "div",
                    parts.link(f"job?id={result.entry.job.id}", result.entry.job.name, classes="ow-name"),
                    element(
                        "p",
                        f"{parts.percent(result.after)}, {_fps(intervals.throughput(result.speed.after))} images/s",
                    ),
                    element("p", said, classes="ow-muted ow-small"),
                ),
                classes="" if standing.on_frontier else "ow-faded",
            )
        )
    return element("ul", *lines, classes="ow-list ow-standings")


def _letter(entry: Entry, *, faded: bool = False) -> Markup:
    return element("span", entry.letter, classes=f"ow-letter{' ow-letter-faded' if faded else ''}")


def _left_out(found: Comparison) -> Markup:
    lines = [
        element("li", _letter(out.entry, faded=True), " ", _link(out.entry), f" is not compared: {out.reason}.")
        for out in found.left_out
    ]
    return element("ul", *lines, classes="ow-list")


def _link(entry: Entry) -> Markup:
    return parts.link(f"job?id={entry.job.id}", entry.job.name)


# --- the table


def _table(found: Comparison) -> Markup:
    entries = found.entries
    head = element("tr", element("td"), *(_column(entry, found) for entry in entries))
    rows = [row for row in NUMBERS if row[0] not in REMOVED or _was_removed(row[0], entries)]
    numbers = [_numbers(name, read, entries) for name, read in rows]
    changed = [row for row in found.settings if row.differs]
    same = [row for row in found.settings if not row.differs]
    count = len(entries)
    body = [
        _part("Results", count),
        *numbers,
        _part("Settings that differ" if changed else "No setting differs", count),
        *(_setting(row, entries) for row in changed),
    ]
    rest = [_same(same)] if same else []
    table = element("table", element("thead", head), element("tbody", *body), classes="ow-table ow-wide-table")
    return element("div", element("div", table, classes="ow-scroll", tabindex="0"), *rest, classes="ow-stack")


def _column(entry: Entry, found: Comparison) -> Markup:
    apart = found.apart(entry)
    others = [other.job.id for other in found.entries if other is not entry]
    without = parts.link(
        f"compare?ids={','.join(others)}", "Remove", classes="ow-small", aria_label=f"Remove {entry.job.name}"
    )
    mark = [parts.badge("Apart", "unsure")] if apart else []
    return element(
        "th", _letter(entry), " ", _link(entry), *mark, *([without] if others else []), scope="col", title=apart or None
    )


def _part(title: str, count: int) -> Markup:
    return element("tr", element("th", title, colspan=str(count + 1), scope="colgroup"), classes="ow-part")


def _numbers(name: str, read: Callable[[Job], Text], entries: Sequence[Entry]) -> Markup:
    return _line(name, [read(entry.job) for entry in entries], entries)


def _line(name: Text, values: Sequence[Text], entries: Sequence[Entry], classes: str = "") -> Markup:
    cells = (
        element("td", element("div", value), data_name=f"{entry.letter}")
        for value, entry in zip(values, entries, strict=True)
    )
    return element("tr", element("th", name, scope="row"), *cells, classes=classes)


def _setting(row: Row, entries: Sequence[Entry]) -> Markup:
    values = [_named(row.name, value or "") or parts.NOTHING for value in row.values]
    return _line(element("span", row.name, classes="ow-mono"), values, entries, "ow-differs")


def _named(setting: str, value: str) -> str:
    return titles.method(value) if setting == "method" and value else value


def _same(rows: Sequence[Row]) -> Markup:
    pairs: list[tuple[Text, Text]] = [
        (element("span", row.name, classes="ow-mono"), _named(row.name, _one(row)) or parts.NOTHING) for row in rows
    ]
    return parts.more(f"{parts.count(len(rows), 'setting')} the same in all", parts.facts(pairs))


def _one(row: Row) -> str:
    return next((value for value in row.values if value), "")


def _state(job: Job) -> Text:
    if job.report and job.report.verdict:
        return parts.verdict(job.report.verdict.accuracy)
    return parts.state(job.state)


def _change(job: Job) -> Text:
    if not job.report or not job.report.verdict:
        return parts.NOTHING
    change = intervals.change(job.report.verdict)
    digits = intervals.points_digits(change.half_width)
    return join(
        [
            element("b", parts.number(change.value * 100, digits, sign=True)),
            element("span", f" ({intervals.points_ends(change)})", classes="ow-muted"),
        ]
    )


def _metric(job: Job) -> Text:
    report = job.report
    if not report or not report.verdict or not report.before or not report.after:
        return parts.NOTHING
    digits = intervals.points_digits(intervals.change(report.verdict).half_width)
    before, after = (measure.metrics.get(report.metric, 0.0) for measure in (report.before, report.after))
    labelled = report.images.labelled if report.images else True
    return join(
        [
            element("span", parts.percent(before, digits), classes="ow-before"),
            " → ",
            element("b", parts.percent(after, digits)),
            element("span", f" {titles.metric(report.metric, labelled=labelled)}", classes="ow-muted ow-small"),
        ]
    )


def _rate(of: Callable[[Rate], Interval], unit: str) -> Callable[[Job], Text]:
    def read(job: Job) -> Text:
        if not job.report or not job.report.speed:
            return parts.NOTHING
        before, after = of(job.report.speed.before), of(job.report.speed.after)
        return join(
            [
                element("span", intervals.rounded(before.value, before.half_width), classes="ow-before"),
                " → ",
                element("b", intervals.rounded(after.value, after.half_width)),
                f"{parts.SPACE}{unit}",
            ]
        )

    return read


def _ratio(job: Job) -> Text:
    speed = job.report.speed if job.report else None
    if speed is None:
        return parts.NOTHING
    ratio = Interval(speed.ratio, speed.ratio_low, speed.ratio_high)
    within = element("span", f" ({intervals.times_ends(ratio)})", classes="ow-muted")
    return join([element("b", intervals.times(ratio)), within])


def _size(job: Job) -> Text:
    report = job.report
    if not report or not report.before or not report.after or report.size_ratio is None:
        return parts.NOTHING
    return join(
        [
            element("span", parts.size(report.before.size_bytes), classes="ow-before"),
            " → ",
            element("b", parts.size(report.after.size_bytes)),
            element("span", f" {parts.times(report.size_ratio, 1)}", classes="ow-muted"),
        ]
    )


def _amount(of: Callable[[Report], Amount | None]) -> Callable[[Job], Text]:
    def read(job: Job) -> Text:
        found = of(job.report) if job.report else None
        if found is None:
            return parts.NOTHING
        change = element("span", f" {found.change}", classes="ow-muted") if found.change else ""
        return join([element("span", found.before, classes="ow-before"), " → ", element("b", found.after), change])

    return read


def _was_removed(name: str, entries: Sequence[Entry]) -> bool:
    """Whether any of the jobs has fewer of it."""
    reports = [entry.job.report for entry in entries if entry.job.report]
    return any((found := REMOVED[name](report)) is not None and found.change for report in reports)


def _images(job: Job) -> Text:
    images = job.report.images if job.report else None
    if images is None:
        return parts.NOTHING
    return f"{parts.number(images.calibration)} calibrated, {parts.number(images.validation)} measured"


def _machine(job: Job) -> Text:
    hardware = job.report.hardware if job.report else None
    return compare.describe_machine(hardware) if hardware else parts.NOTHING


def _took(job: Job) -> Text:
    return parts.duration(job.seconds) if job.seconds is not None else parts.NOTHING


REMOVED: Mapping[str, Callable[[Report], Amount | None]] = {
    "Parameters": amounts.parameters,
    "FLOPs an image": amounts.flops,
    "Weights that are 0": amounts.zeros,
}
"""Of no interest where no job takes any of it away."""
NUMBERS: tuple[tuple[str, Callable[[Job], Text]], ...] = (
    ("Verdict", _state),
    ("Primary metric", _metric),
    ("Change, points", _change),
    ("Throughput", _rate(intervals.throughput, "images/s")),
    ("Speed-up", _ratio),
    ("Latency", _rate(intervals.latency, "ms")),
    ("Size", _size),
    *((name, _amount(of)) for name, of in REMOVED.items()),
    ("Images", _images),
    ("Machine", _machine),
    ("Took", _took),
    ("When", lambda job: parts.ago(job.created_at)),
)


# --- which jobs


def _pick(offered: Sequence[Summary], chosen: Sequence[str]) -> Markup:
    """A form of its own: without a script, and with an address in the end."""
    if len(offered) < 2 and not chosen:
        return parts.empty(
            "Two finished jobs are needed to compare anything.",
            parts.button_link("./", "Optimise a model", primary=True),
        )
    boxes = [_box(job, job.id in chosen) for job in offered]
    button = element("button", "Compare", type="submit", classes="ow-button ow-go")
    said = "Choose two or more finished jobs." if not chosen else "Choose the jobs to show."
    return element(
        "form",
        element("p", said, classes="ow-muted"),
        element("ul", *boxes, classes="ow-list ow-pick"),
        button,
        action="compare",
        method="get",
        classes="ow-stack",
    )


def _box(job: Summary, checked: bool) -> Markup:
    box: Any = Markup('<input type="checkbox" name="ids" value="{}"{}>').format(
        job.id, Markup(" checked") if checked else ""
    )
    numbers = f"{parts.percent(job.after)} · {parts.times(job.speed_ratio)}" if job.after and job.speed_ratio else ""
    told = join([titles.method(job.method), job.dataset_name, numbers, parts.ago(job.created_at)], " · ")
    return element(
        "li",
        element(
            "label", box, element("span", element("b", job.name), element("span", told, classes="ow-muted ow-small"))
        ),
    )
