"""What came of a worker, whatever it left behind."""

import os
import signal
from pathlib import Path

import pytest

from jobs import events
from jobs import report as reports
from jobs.findings import EARLY_NAME, CheckRequest, Findings
from jobs.report import Report
from jobs.spec import Limits, Source
from otx_web import outcome
from otx_web.workers import Exit
from tests.otx_web import made
from tests.otx_web.test_store import report, spec

SPEC = spec(limits=Limits(memory_bytes=1 << 30, wall_seconds=60, cpu_seconds=90))
FINE = Exit(code=0, signal=None, seconds=1)


def died(number: int, **more: bool) -> Exit:
    return Exit(code=None, signal=number, seconds=1, **more)


def failure(job_dir: Path, end: Exit) -> tuple[str, str]:
    found = outcome.report(job_dir, SPEC, end)
    assert found.status == "failed" and found.failure is not None
    assert (found.task, found.template, found.method) == ("classification", "generic", "pot_default")
    return found.failure.kind, found.failure.message


def test_good_report_is_taken(tmp_path: Path) -> None:
    reports.write(tmp_path, report())
    assert outcome.report(tmp_path, SPEC, FINE) == report()


def test_failed_report_of_the_worker_is_taken(tmp_path: Path) -> None:
    own = outcome.failed(tmp_path, SPEC, outcome.InvalidResult("It went wrong.", hint="Do this.", where="a.png"))
    reports.write(tmp_path, own)
    found = outcome.report(tmp_path, SPEC, Exit(code=1, signal=None, seconds=1))
    assert found.failure is not None and found.failure.message == "It went wrong." and found.failure.where == "a.png"


@pytest.mark.parametrize(
    ("end", "kind", "words"),
    [
        (Exit(code=None, signal=9, seconds=60, out_of_time=True), "out_of_time", "limit of 60 seconds"),
        (died(signal.SIGXCPU), "out_of_time", "90 seconds of processor time"),
        (died(signal.SIGKILL, out_of_memory=True), "out_of_memory", "1.0 GB"),
        (died(signal.SIGXFSZ), "job_error", "larger file than it may"),
        (died(signal.SIGSEGV), "crashed", "segmentation fault (SIGSEGV)"),
        (died(signal.SIGBUS), "crashed", "SIGBUS"),
        (died(99), "crashed", "signal 99"),
        (Exit(code=None, signal=None, seconds=1), "crashed", "had to be started again"),
        (Exit(code=3, signal=None, seconds=1), "crashed", "code 3 and without a result"),
        (FINE, "crashed", "code 0 and without a result"),
    ],
)
def test_worker_without_a_report(tmp_path: Path, end: Exit, kind: str, words: str) -> None:
    found_kind, message = failure(tmp_path, end)
    assert found_kind == kind and words in message


@pytest.mark.parametrize("last", [b"terminate called: std::bad_alloc\n", b"MemoryError\n", b"Cannot allocate memory"])
def test_crash_for_want_of_memory_is_told_from_the_log(tmp_path: Path, last: bytes) -> None:
    (tmp_path / "log.txt").write_bytes(b"x" * 20_000 + last)
    assert failure(tmp_path, died(signal.SIGABRT))[0] == "out_of_memory"
    (tmp_path / "log.txt").write_bytes(last + b"x" * 20_000)
    assert failure(tmp_path, died(signal.SIGABRT))[0] == "crashed", "long before is another matter"


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/etc/passwd"), lambda path: path.mkdir()])
def test_log_that_is_no_file_is_not_read(tmp_path: Path, make: object) -> None:
    make(tmp_path / "log.txt")  # type: ignore[operator]
    assert failure(tmp_path, died(signal.SIGABRT))[0] == "crashed"


@pytest.mark.parametrize("content", ["", "no json", "{}", "[" * 100_000, '{"status": "succeeded", "task": NaN}'])
def test_report_that_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "report.json").write_text(content)
    assert failure(tmp_path, FINE) == ("invalid_result", "The worker left a result that cannot be read.")


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/etc/passwd"), lambda path: path.mkdir()])
def test_report_that_is_no_file(tmp_path: Path, make: object) -> None:
    make(tmp_path / "report.json")  # type: ignore[operator]
    assert failure(tmp_path, FINE)[0] == "invalid_result"


def test_report_too_large_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome, "MAX_REPORT", 100)
    reports.write(tmp_path, report())
    assert failure(tmp_path, FINE)[0] == "invalid_result"


def test_report_of_a_worker_that_was_killed_is_not_believed(tmp_path: Path) -> None:
    reports.write(tmp_path, report())
    assert failure(tmp_path, died(signal.SIGKILL))[0] == "crashed"


def test_failure_names_the_stage(tmp_path: Path) -> None:
    for event in (events.Plan(stages=(("read", "Reading"), ("save", "Saving"))), events.Stage(name="read")):
        events.append(tmp_path, event)
    found = outcome.report(tmp_path, SPEC, died(signal.SIGSEGV))
    assert found.failure is not None and found.failure.stage == "Reading"
    events.append(tmp_path, events.Stage(name="unplanned"))
    found = outcome.report(tmp_path, SPEC, died(signal.SIGSEGV))
    assert found.failure is not None and found.failure.stage == "unplanned"


@pytest.mark.parametrize(("kind", "where"), [("model", "model"), ("dataset", "dataset"), ("job", "settings")])
def test_check_that_failed_blocks_beside_what_it_was_about(tmp_path: Path, kind: str, where: str) -> None:
    source = Source(name="a", digest="a", path="a")
    request = CheckRequest.model_validate({"kind": kind, "source": source})
    found = outcome.findings(tmp_path, request, died(signal.SIGSEGV))
    assert found.blocked and found.problems[0].where == where and found.problems[0].kind == "crashed"
    (tmp_path / "findings.json").write_text("{}")
    assert outcome.findings(tmp_path, request, FINE) == Findings()
    (tmp_path / "findings.json").write_text('{"problems": 1}')
    assert outcome.findings(tmp_path, request, FINE).problems[0].kind == "invalid_result"


def test_rehearsal_that_takes_too_long_stops_nobody_and_keeps_its_pictures(tmp_path: Path) -> None:
    request = CheckRequest.model_validate({"kind": "job", "source": Source(name="a", digest="a", path="a")})
    late = Exit(code=None, signal=9, seconds=300, out_of_time=True)
    found = outcome.findings(tmp_path, request, late)
    assert not found.blocked and "longer than 300 s" in found.problems[0].message
    assert outcome.findings(tmp_path, request, FINE) == found, "it is not tried again"
    (tmp_path / "findings.json").unlink()
    early = Findings(pictures=(made.drawn_on(),))
    (tmp_path / EARLY_NAME).write_text(early.model_dump_json())
    assert outcome.findings(tmp_path, request, late).pictures == early.pictures
    (tmp_path / "findings.json").unlink()
    assert outcome.findings(tmp_path, request, died(signal.SIGSEGV)).blocked


def test_report_made_here_is_a_report(tmp_path: Path) -> None:
    failed = outcome.failed(tmp_path, SPEC, outcome.InvalidResult())
    assert Report.model_validate_json(failed.model_dump_json()) == failed
