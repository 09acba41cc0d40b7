"""Jobs side by side: which can be compared at all, which of them are beaten, what differs between them, and a CSV."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from jobs import intervals, titles
from jobs.report import Hardware, Rate, Report, Speed, Verdict
from otx_web.store import Job, State

UNDONE: Mapping[State, str] = {
    State.QUEUED: "it has not begun yet",
    State.RUNNING: "it still runs",
    State.FAILED: "it failed",
    State.CANCELLED: "it was cancelled",
}
MOST = 24
"""Jobs side by side; more is no table a person reads."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell of text that begins so is a formula to a spreadsheet."""


@dataclass(frozen=True)
class Entry:
    """A job with the letter that stands for it in the picture and in the table."""

    letter: str
    job: Job

    @property
    def report(self) -> Report:
        """Of a job that has one."""
        assert self.job.report is not None
        return self.job.report


@dataclass(frozen=True)
class Result:
    """The numbers of a job that a comparison goes by."""

    entry: Entry
    metric: str
    before: float
    after: float
    speed: Speed
    verdict: Verdict

    @property
    def fps(self) -> float:
        """Throughput of the optimised model."""
        return self.speed.after.throughput_fps


@dataclass(frozen=True)
class Standing:
    """How a job does among those that it can be compared with."""

    result: Result
    beaten_by: Result | None = None
    reason: str = ""

    @property
    def on_frontier(self) -> bool:
        """Whether no other one is clearly better."""
        return self.beaten_by is None


@dataclass(frozen=True)
class Group:
    """Jobs measured on the same images and the same machine."""

    standings: tuple[Standing, ...]
    apart: str = ""
    """Why it is not compared with the first group; empty for that one."""


@dataclass(frozen=True)
class LeftOut:
    """A job without numbers to compare, and why."""

    entry: Entry
    reason: str


@dataclass(frozen=True)
class Row:
    """A setting, and its value in each job; None where it is not known, since the job did not come so far."""

    name: str
    values: tuple[str | None, ...]

    @property
    def differs(self) -> bool:
        """Whether the jobs do not agree."""
        return len({value for value in self.values if value is not None}) > 1


@dataclass(frozen=True)
class Comparison:
    """The whole of it."""

    entries: tuple[Entry, ...]
    groups: tuple[Group, ...]
    left_out: tuple[LeftOut, ...]
    settings: tuple[Row, ...]

    def apart(self, entry: Entry) -> str:
        """Why a job stands apart; empty when it does not."""
        for group in self.groups:
            if any(standing.result.entry is entry for standing in group.standings):
                return group.apart
        return next((out.reason for out in self.left_out if out.entry is entry), "")


def compare(jobs: Sequence[Job]) -> Comparison:
    """Compare them. The first group is the largest; of equals, that of the job named first."""
    entries = tuple(Entry(letter(place), job) for place, job in enumerate(jobs))
    found = {entry.letter: _result(entry) for entry in entries}
    results = [result for result in found.values() if result is not None]
    left_out = tuple(LeftOut(entry, _why_not(entry.job)) for entry in entries if found[entry.letter] is None)
    return Comparison(entries, _groups(results), left_out, _settings(entries))


def letter(place: int) -> str:
    """A, B, … Z, A1, B1, …"""
    turn, rest = divmod(place, 26)
    return chr(ord("A") + rest) + (str(turn) if turn else "")


def _result(entry: Entry) -> Result | None:
    report = entry.job.report
    if report is None or report.speed is None or report.verdict is None or not report.before or not report.after:
        return None
    before, after = report.before.metrics.get(report.metric), report.after.metrics.get(report.metric)
    if before is None or after is None:
        return None
    return Result(entry, report.metric, before, after, report.speed, report.verdict)


def _why_not(job: Job) -> str:
    return UNDONE.get(job.state, "its report has no numbers to compare")


# --- what can be compared


def _groups(results: Sequence[Result]) -> tuple[Group, ...]:
    """By what was measured on, the largest first."""
    together: dict[tuple[object, ...], list[Result]] = {}
    for result in results:
        together.setdefault(tuple(read(result) for read, _ in GROUNDS), []).append(result)
    ordered = sorted(together.values(), key=len, reverse=True)  # stable: of equals, the first
    return tuple(
        Group(standings=_standings(group), apart=_difference(group[0], ordered[0][0]) if place else "")
        for place, group in enumerate(ordered)
    )


def _machine(result: Result) -> object:
    hardware = result.entry.report.hardware
    return (hardware.cpu, hardware.cores, hardware.device) if hardware else None


def _images(result: Result) -> object:
    images = result.entry.report.images
    return (images.validation, images.validation_names, images.labelled) if images else None


def _other_task(result: Result) -> str:
    task = titles.task(result.entry.report.task).lower()
    return f"it is measured by {titles.metric(result.metric)} on another task, {task}"


def _other_dataset(result: Result) -> str:
    return f"it was measured on another dataset, {result.entry.job.dataset_name}"


def _other_images(result: Result) -> str:
    images = result.entry.report.images
    return f"it was measured on other images of the dataset, {images.validation if images else 0:,} of them"


def _other_machine(result: Result) -> str:
    return f"it was measured on another machine, {describe_machine(result.entry.report.hardware)}"


GROUNDS: tuple[tuple[Callable[[Result], object], Callable[[Result], str]], ...] = (
    (lambda result: (result.entry.report.task, result.metric), _other_task),
    (lambda result: result.entry.job.dataset_digest, _other_dataset),
    (_images, _other_images),
    (_machine, _other_machine),
)
"""What must be the same for numbers to be compared, and how to say that it is not."""


def describe_machine(hardware: Hardware | None) -> str:
    """CPU, cores and device."""
    if hardware is None:
        return "unknown"
    device = "" if hardware.device == "CPU" else f", {hardware.device}"
    return f"{hardware.cpu}, {hardware.cores} cores{device}"


def _difference(one: Result, other: Result) -> str:
    """Every ground on which they differ. Other images of another dataset need no mention."""
    said = [say(one) for read, say in GROUNDS if read(one) != read(other)]
    if len(said) > 1 and _other_dataset(one) in said and _other_images(one) in said:
        said.remove(_other_images(one))
    return ", and ".join(said)


# --- who is beaten


def _standings(results: Sequence[Result]) -> tuple[Standing, ...]:
    return tuple(_standing(result, results) for result in results)


def _standing(result: Result, results: Sequence[Result]) -> Standing:
    """Beaten by one that is at least as good at both and clearly better, beyond the intervals, at one of them."""
    better = [other for other in results if other is not result and _beats(other, result)]
    if not better:
        return Standing(result)
    best = max(better, key=lambda other: (other.after, other.fps))
    return Standing(result, best, _reason(result, best))


def _beats(one: Result, other: Result) -> bool:
    at_least = one.after >= other.after and one.fps >= other.fps
    return at_least and (_clearly_faster(one, other) or _clearly_better(one, other))


def _clearly_faster(one: Result, other: Result) -> bool:
    return one.speed.after.throughput_low > other.speed.after.throughput_high


def _clearly_better(one: Result, other: Result) -> bool:
    """Each interval is that of the difference to the job's own original, measured on the same images."""
    return one.before - one.verdict.drop_high > other.before - other.verdict.drop_low


def _reason(result: Result, best: Result) -> str:
    faster, better = _clearly_faster(best, result), _clearly_better(best, result)
    numbers = (
        f"{best.fps:,.0f} against {result.fps:,.0f} images/s, {best.after * 100:.1f} against {result.after * 100:.1f} %"
    )
    what = "faster and more accurate" if faster and better else "faster, and not less accurate"
    if better and not faster:
        what = "more accurate, and not slower"
    return f"{best.entry.letter} is {what}: {numbers}."


def _fps(result: Result) -> str:
    found = intervals.throughput(result.speed.after)
    return intervals.rounded(found.value, found.half_width)


def frontier(group: Group) -> tuple[Result, ...]:
    """Those that no other one surpasses, by their plain values; for drawing. The slowest first."""
    results = sorted((standing.result for standing in group.standings), key=lambda r: (-r.fps, -r.after))
    line: list[Result] = []
    for result in results:
        if not line or result.after > line[-1].after:
            line.append(result)
    return tuple(reversed(line))


# --- settings


def _settings(entries: Sequence[Entry]) -> tuple[Row, ...]:
    """All settings of all jobs; those that differ come first."""
    tables = [_settings_of(entry.job) for entry in entries]
    names = dict.fromkeys(name for table in tables for name in table)
    known = ["" if entry.job.report and entry.job.report.applied else None for entry in entries]
    rows = [
        Row(name, tuple(table.get(name, other) for table, other in zip(tables, known, strict=True))) for name in names
    ]
    return tuple(sorted(rows, key=lambda row: not row.differs))


def _settings_of(job: Job) -> dict[str, str]:
    """What the job was told, and what the method made of it."""
    spec = job.spec
    told = {
        "model": spec.model.name,
        "dataset": spec.dataset.name,
        "task": spec.task.value,
        "template": spec.template,
        "method": spec.method,
        "device": spec.device,
        "hint": spec.hint,
        "max_drop": f"{spec.max_drop:g}",
        "validation_images": str(spec.validation_images or "all"),
        **{f"model.{name}": value for name, value in spec.model_settings.items()},
    }
    return told | (job.report.applied if job.report and job.report.applied else dict(spec.given))


# --- CSV


def to_csv(jobs: Sequence[Job]) -> str:
    """One line a job; fractions, milliseconds and bytes as in the report, and the settings as `set.<name>`."""
    lines = [_flat(job) for job in jobs]
    names = dict.fromkeys(name for line in lines for name in line)
    file = io.StringIO()
    writer = csv.DictWriter(file, list(names), lineterminator="\r\n")
    writer.writeheader()
    for line in lines:
        writer.writerow({name: _cell(value) for name, value in line.items()})
    return file.getvalue()


def _cell(value: object) -> object:
    """Text that a spreadsheet would run as a formula is quoted."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _flat(job: Job) -> dict[str, object]:
    report = job.report
    line: dict[str, object] = {
        "id": job.id,
        "name": job.name,
        "state": job.state.value,
        "created": job.created_at.isoformat(timespec="seconds"),
        "seconds": job.seconds,
        "model": job.model_name,
        "dataset": job.dataset_name,
        "task": job.task,
        "template": job.template,
        "method": job.method,
    }
    if report is not None:
        line |= _numbers(report)
    return line | {f"set.{name}": value for name, value in _settings_of(job).items() if name not in line}


def _numbers(report: Report) -> dict[str, object]:
    line: dict[str, object] = {"metric": report.metric}
    for when, measure in (("before", report.before), ("after", report.after)):
        if measure is not None:
            line |= {f"{when}.{name}": value for name, value in measure.metrics.items()}
            line |= {f"{when}.size_bytes": measure.size_bytes, f"{when}.precision": measure.precision}
            line |= {f"{when}.{name}": getattr(measure, name) for name in ("parameters", "flops", "zeros")}
    if verdict := report.verdict:
        line |= {"verdict": verdict.accuracy, "drop": verdict.drop, "limit": verdict.limit}
        line |= {"drop_low": verdict.drop_low, "drop_high": verdict.drop_high}
    if speed := report.speed:
        line |= {**_rate("before", speed.before), **_rate("after", speed.after)}
        line |= {"speed_ratio": speed.ratio, "speed_ratio_low": speed.ratio_low, "speed_ratio_high": speed.ratio_high}
    if images := report.images:
        line |= {"calibration_images": images.calibration, "validation_images": images.validation}
    if hardware := report.hardware:
        line |= {"cpu": hardware.cpu, "cores": hardware.cores}
    return line | {f"version.{name}": version for name, version in report.packages.items()}


def _rate(when: str, rate: Rate) -> dict[str, object]:
    return {
        f"{when}.throughput_fps": rate.throughput_fps,
        f"{when}.latency_ms": rate.latency_ms,
        f"{when}.ran_in": rate.precision,
    }
