"""What came of a worker: its report when it left a good one, else why it left none, in words."""

import signal
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from jobs import events
from jobs.errors import Crashed, JobError, OutOfMemory, OutOfTime
from jobs.findings import EARLY_NAME, CheckRequest, Findings, Problem
from jobs.findings import FILE_NAME as FINDINGS_NAME
from jobs.report import FILE_NAME as REPORT_NAME
from jobs.report import Failure, Report
from jobs.spec import JobSpec, Limits
from otx_web import files
from otx_web.workers import Exit

MAX_REPORT = 64 << 20  # bytes
LOG_TAIL = 8 << 10  # bytes; where an allocation that failed last would say so
NO_MEMORY = (b"bad_alloc", b"MemoryError", b"Cannot allocate memory", b"Failed to allocate")


class InvalidResult(JobError):
    """The worker left a result that cannot be read."""

    hint = "The log below may say more. Other jobs are not affected."


def report(job_dir: Path, spec: JobSpec, end: Exit) -> Report:
    """The report of a job that ended, made here when the worker could not."""
    try:
        found = Report.model_validate_json(files.read_plain(job_dir / REPORT_NAME, MAX_REPORT))
    except FileNotFoundError:
        return failed(job_dir, spec, why(end, spec.limits, job_dir / "log.txt"))
    except (OSError, ValidationError, RecursionError):
        return failed(job_dir, spec, InvalidResult())
    if end.died:  # killed after it had written the report: what stands there cannot be trusted to be whole
        return failed(job_dir, spec, why(end, spec.limits, job_dir / "log.txt"))
    return found


def failed(job_dir: Path, spec: JobSpec, error: JobError) -> Report:
    """A report that says only why there is none."""
    failure = Failure(
        kind=error.kind(), message=error.message, hint=error.hint, where=error.where, stage=_stage(job_dir)
    )
    return Report(status="failed", task=spec.task, template=spec.template, method=spec.method, failure=failure)


def findings(directory: Path, request: CheckRequest, end: Exit) -> Findings:
    """What a check found; a worker that failed becomes a problem that blocks the start."""
    try:
        return Findings.model_validate_json(files.read_plain(directory / FINDINGS_NAME, MAX_REPORT))
    except FileNotFoundError:
        if request.kind == "job" and end.out_of_time:
            return _slow(directory, request)
        error = why(end, request.limits, directory / "log.txt")
    except (OSError, ValidationError, RecursionError):
        error = InvalidResult()
    where: Literal["model", "dataset", "settings"] = "settings" if request.kind == "job" else request.kind
    problem = Problem(level="error", where=where, message=error.message, hint=error.hint, kind=error.kind())
    return Findings(problems=(problem,))


def _slow(directory: Path, request: CheckRequest) -> Findings:
    """A rehearsal that took too long stops nobody: the job itself may take hours. It is not tried again."""
    try:
        known = Findings.model_validate_json(files.read_plain(directory / EARLY_NAME, MAX_REPORT))
    except (OSError, ValidationError, RecursionError):
        known = Findings()
    slow = Problem(
        level="warning",
        where="settings",
        message=f"Three images took longer than {request.limits.wall_seconds:,.0f} s, so nobody knows how long all of"
        " them will take.",
        hint="Start it all the same, or give it fewer images.",
    )
    found = known.model_copy(update={"problems": (*known.problems, slow)})
    with suppress(OSError):
        (directory / FINDINGS_NAME).write_text(found.model_dump_json(indent=1), encoding="utf-8")
    return found


def why(end: Exit, limits: Limits, log: Path) -> JobError:
    """Why a worker ended without a result."""
    if end.out_of_time:
        return OutOfTime(f"The job ran past its limit of {limits.wall_seconds:,.0f} seconds and was stopped.")
    if end.signal == signal.SIGXCPU:
        return OutOfTime(f"The job used more than {limits.cpu_seconds:,} seconds of processor time and was stopped.")
    if end.out_of_memory or (end.died and _says_no_memory(log)):
        return OutOfMemory(f"The job needs more memory than its limit of {limits.memory_bytes / (1 << 30):.1f} GB.")
    if end.signal == signal.SIGXFSZ:
        return JobError("The job wrote a larger file than it may.", hint="Use a smaller dataset.")
    if end.signal is not None:
        return Crashed(f"The worker process crashed: {_words(end.signal)}.")
    if end.code is None:
        return Crashed("The worker processes had to be started again.", hint="Run the job again.")
    return Crashed(f"The worker process ended with code {end.code} and without a result.")


def _words(number: int) -> str:
    """SIGSEGV as "segmentation fault (SIGSEGV)"."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return f"{(signal.strsignal(number) or name).lower()} ({name})"


def _says_no_memory(log: Path) -> bool:
    try:
        with files.open_plain(log) as file:
            file.seek(max(0, log.stat().st_size - LOG_TAIL))
            tail = file.read(LOG_TAIL)
    except OSError:
        return False
    return any(word in tail for word in NO_MEMORY)


def _stage(job_dir: Path) -> str:
    """Title of the stage the job was in."""
    found = events.read_all(job_dir)
    titles = {name: title for event in found if isinstance(event, events.Plan) for name, title in event.stages}
    names = [event.name for event in found if isinstance(event, events.Stage)]
    return titles.get(names[-1], names[-1]) if names else ""
