"""What the command line writes: progress while something is done, findings and results in words, tables."""

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self, TextIO

from jobs import amounts, events, figures, intervals, numbers, titles, training_chart
from jobs.errors import JobError
from jobs.findings import DatasetFindings, Findings, ModelFindings, Port, Problem
from jobs.intervals import Interval
from jobs.report import ConfigKey, Report, Speed
from otx_web.progress import Progress
from otx_web.store import Job, Summary

BAR = 20  # signs
FEW = 12
"""So many names can be read in a line."""
NAME = 40
"""Signs of a name in a table."""
CLEAR = "\r\x1b[K"
FOUND = ("ignored", "ignored.scope")
"""Keys of a report that say what names of operations came to in the model."""
VERDICTS = {"held": "ACCURACY HELD", "lost": "ACCURACY LOST", "cannot_tell": "CANNOT TELL YET"}


def plain(text: str) -> str:
    """Without anything a terminal would obey: names of files and labels may hold escape sequences."""
    text = text.replace(numbers.SPACE, " ")
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def sentences(error: JobError) -> str:
    """What is wrong and what to do."""
    return plain(f"{error.message} {error.hint}".strip())


# --- progress


class Board:
    """Stages on standard error: a line each when it is done, and in a terminal the current one with a moving bar."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._moving = out.isatty() and os.environ.get("TERM") != "dumb"
        self._said: set[str] = set()
        self._line = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *why: object) -> None:
        """Leave a clean line behind."""
        if self._line:
            self._out.write(CLEAR)
            self._out.flush()
        self._line = ""

    def say(self, text: str) -> None:
        """A line that stays."""
        self._out.write(f"{CLEAR if self._line else ''}{plain(text)}\n")
        self._line = ""
        self._out.flush()

    def wait(self, text: str) -> None:
        """What is being done, until something else is said."""
        self._write(text) if self._moving else self.say(text)

    def show(self, progress: Progress) -> None:
        """How far a job is."""
        for note in progress.notes:
            self._once(f"{note.level.capitalize()}: {note.message} {note.hint}".strip())
        for trial in progress.trials:
            self._once(_trial(trial))
        for epoch in progress.epochs:
            self._once(_epoch(epoch))
        if progress.stopping:
            self._once("Ending the training, and keeping the best so far. Ctrl-C once more cancels the job.")
        for step in progress.steps:
            if step.state == "done" and step.seconds is not None:
                self._once(f"{step.title}: {numbers.duration(step.seconds)}")
        if self._moving and progress.title:
            self._write(_moving(progress))

    def _once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self.say(text)

    def _write(self, text: str) -> None:
        line = plain(text)[: shutil.get_terminal_size().columns - 1]
        if line != self._line:
            self._out.write(f"{CLEAR}{line}")
            self._out.flush()
        self._line = line


def _trial(trial: events.Trial) -> str:
    """ "Step 3: lost 1.25 points (limit 1.00 points). Given back to float: conv1, conv2" """
    lost, limit = (titles.drop(value, relative=trial.relative) for value in (trial.drop, trial.limit))
    back = "" if trial.kept else ". Taken back"
    return f"Step {trial.number}: lost {lost} (limit {limit}). {titles.trial(trial)}{back}"


def _epoch(epoch: events.Epoch) -> str:
    """ "Epoch 3 of 10: loss 0.0259, metric 97.0 % (original 97.4 %), the best so far" """
    head = f"Epoch {epoch.number} of {epoch.total}" if epoch.number else "Before training"
    if smaller := training_chart.is_smaller(epoch):
        head = "Made smaller"
    said = [f"loss {epoch.held_out:.3g}"]
    if epoch.metric is not None:
        original = f" (original {numbers.percent(epoch.original)})" if epoch.original is not None else ""
        said.append(f"metric {numbers.percent(epoch.metric)}{original}")
    return f"{head}: {', '.join(said)}{', the best so far' if epoch.best and epoch.number and not smaller else ''}"


def _moving(progress: Progress) -> str:
    """ "Calibrating ━━━━━━━━──────────── 120 of 300 images · 41 % · 9 s left" """
    filled = round(progress.fraction * BAR)
    bar = "━" * filled + "─" * (BAR - filled)
    parts = [f"{progress.percent} %"]
    if progress.total:
        parts.insert(0, f"{numbers.count(progress.done)} of {numbers.count(progress.total)} {progress.unit}")
    if progress.seconds_left is not None:
        parts.append(f"{numbers.duration(progress.seconds_left)} left")
    return f"{progress.title} {bar} {' · '.join(parts)}"


# --- findings


def findings(found: Findings) -> str:
    """What a check found, and whether a job could start."""
    lines = [*(_model(found.model) if found.model else ()), *(_dataset(found.dataset) if found.dataset else ())]
    if found.tasks:
        lines.append(_row("Fits", ", ".join(titles.task(task) for task in found.tasks)))
    if found.seconds_estimate is not None:
        memory = f", {numbers.size(found.memory_estimate_bytes)}" if found.memory_estimate_bytes else ""
        lines.append(_row("Estimate", f"about {numbers.duration(found.seconds_estimate)}{memory}"))
    lines += problems_and_keys(found)
    guessed = any(problem.settings for problem in found.problems)
    agreed = ", if that is what the names mean: --accept-scopes" if guessed else ""
    free = f"Nothing stands in the way of a job{agreed}."
    lines.append("A job could not start." if found.blocked else free)
    return "\n".join(map(plain, lines))


def problems_and_keys(found: Findings) -> list[str]:
    """Every problem with what to do, and what became of each key of a configuration file."""
    lines = [line for problem in found.problems for line in _problem(problem)]
    if found.config_keys:
        lines.append(f"{found.config_keys[0].source}:")
    return [*lines, *map(_key, found.config_keys)]


def _problem(problem: Problem) -> list[str]:
    """In a line; what a person may agree to, in one each."""
    said = f"{problem.message} {problem.hint}".strip()
    if not problem.settings:
        items = f" ({_few(problem.items)})" if problem.items else ""
        return [_row(problem.level.capitalize(), said + items)]
    return [_row(problem.level.capitalize(), said), *(_row("", item) for item in problem.items)]


def _key(key: ConfigKey) -> str:
    """ "Changed   compression.preset: "accuracy". POT too turned this preset into mixed." """
    value = key.value if len(key.value) <= NAME else f"{key.value[: NAME - 1]}…"
    return _row(key.fate.capitalize(), f"{key.key}: {value}" + (f". {key.note}" if key.note else ""))


def _model(model: ModelFindings) -> list[str]:
    work = f", {model.gflops:.3g} GFLOPs" if model.gflops else ""  # it may depend on what there is to see
    size = f"{model.precision}, {numbers.millions(model.parameters)} parameters{work}"
    ports = f"{', '.join(map(_port, model.inputs))} → {', '.join(map(_port, model.outputs))}"
    lines = [_row("Model", f"{model.name}: {model.format}, {numbers.size(model.size_bytes)}"), _row("", ports)]
    lines.append(_row("", size))
    return [*lines, _row("", f"labels: {_few(model.labels)}")] if model.labels else lines


def _port(port: Port) -> str:
    return f"{port.name} {'×'.join('?' if side < 0 else str(side) for side in port.shape)} {port.type}"


def _dataset(dataset: DatasetFindings) -> list[str]:
    splits = ", ".join(f"{split.name or 'all'} {numbers.count(split.images)}" for split in dataset.splits)
    uses = f"{numbers.count(dataset.calibration)} to calibrate, {numbers.count(dataset.validation)} to measure"
    lines = [
        _row("Dataset", f"{dataset.name}: {dataset.format}, {numbers.size(dataset.size_bytes)}"),
        _row("", f"{numbers.count(dataset.images, 'image')} ({splits}): {uses}"),
    ]
    return [*lines, _row("", f"labels: {_few(dataset.labels)}")] if dataset.labels else lines


def _row(head: str, text: str) -> str:
    return f"{head:<9} {text}"


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(names[:FEW]) + more


# --- a job


def job(job: Job, files: Path | None, progress: Progress | None = None) -> str:
    """What came of it, or how far it is. `files` is where to look further: the model, or the log when there is none."""
    lines = [f"{job.name}: {titles.method(job.method)}, {titles.task(job.task)}, {job.state}"]
    if progress is not None and progress.title:
        lines.append(_moving(progress))
    if job.report is not None:
        lines += _result(job.report)
    if files is not None:
        lines.append(f"Files: {files}")
    lines.append(f"Job:   {job.id}")
    return "\n".join(map(plain, lines))


def _result(report: Report) -> list[str]:
    if report.failure is not None:
        stage = f" ({report.failure.stage})" if report.failure.stage else ""
        return [f"FAILED{stage}. {report.failure.message} {report.failure.hint}".strip()]
    lines = [*_accuracy(report), *_speed(report.speed), *_size(report), *_amounts(report), *report.notes]
    lines += [_key(key) for key in report.config_keys if key.key in FOUND]
    if report.verdict is not None:
        for step in report.verdict.next:
            method = [] if step.method == report.method else [f"--method {step.method}"]
            settings = " ".join([*method, *(f"--set {name}={value}" for name, value in step.set.items())])
            lines.append(f"Next:  {step.title}: {settings}. {step.reason}")
    return lines


def _accuracy(report: Report) -> list[str]:
    verdict, before, after = report.verdict, report.before, report.after
    if verdict is None or before is None or after is None:
        return []
    change = intervals.change(verdict)
    digits = intervals.points_digits(change.half_width)
    labelled = report.images is None or report.images.labelled
    was, now = (numbers.percent(one.metrics[report.metric], digits) for one in (before, after))
    line = (
        f"{VERDICTS[verdict.accuracy]}. {titles.metric(report.metric, labelled=labelled)} {was} → {now}"
        f" ({numbers.points(change.value, digits)}, 95 % interval {intervals.points_ends(change)},"
        f" limit {numbers.number(-verdict.limit * 100, 1, sign=True)})"
    )
    return [line, verdict.message] if verdict.accuracy == "cannot_tell" else [line]


def _speed(speed: Speed | None) -> list[str]:
    if speed is None:
        return []
    ratio = Interval(speed.ratio, speed.ratio_low, speed.ratio_high)
    word = "faster" if ratio.low > 1 else "slower" if ratio.high < 1 else "no clear difference in speed"
    before, after = intervals.throughput(speed.before), intervals.throughput(speed.after)
    rates = " → ".join(intervals.rounded(one.value, one.half_width) for one in (before, after)) + " images/s"
    within = f"95 % interval {intervals.times_ends(ratio)}"
    lines = [f"{intervals.times(ratio)} {word}: {rates} ({within}), against {speed.reference}"]
    if speed.fp32_ratio is not None:
        lines.append(f"{numbers.times(speed.fp32_ratio)} against the original held to FP32")
    return lines


def _size(report: Report) -> list[str]:
    if report.size_ratio is None or report.before is None or report.after is None:
        return []
    sizes = f"{numbers.size(report.before.size_bytes)} → {numbers.size(report.after.size_bytes)}"
    return [f"{' '.join(figures.smaller(report.size_ratio))}: {sizes}"]


def _amounts(report: Report) -> list[str]:
    """ "FLOPs an image: 1.18 G → 0.83 G (1.42× fewer)" """
    return [f"{one.name}: {one.said} ({one.change})" for one in amounts.changed(report)]


def table(jobs: Iterable[Summary]) -> str:
    """A line a job, the columns under their names."""
    head = ("ID", "STATE", "NAME", "ACCURACY", "SPEED", "SIZE", "CREATED (UTC)", "TOOK")
    rows = [head, *(_cells(one) for one in jobs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(plain("  ".join(map(str.ljust, row, widths)).rstrip()) for row in rows)


def _cells(one: Summary) -> tuple[str, ...]:
    scores = [numbers.percent(value) for value in (one.before, one.after) if value is not None]
    named = f"{titles.metric(one.metric)} " if scores and one.metric not in (None, "accuracy") else ""
    return (
        one.id,
        one.state,
        one.name[:NAME],
        named + " → ".join(scores) + (f" {one.verdict.replace('_', ' ')}" if one.verdict else ""),
        numbers.times(one.speed_ratio) if one.speed_ratio else "",
        numbers.times(one.size_ratio, 1) if one.size_ratio else "",
        f"{one.created_at:%Y-%m-%d %H:%M}",
        numbers.duration(one.seconds) if one.seconds else "",
    )
