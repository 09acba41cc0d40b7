"""What is written to a terminal, or to a file in its place."""

from io import StringIO
from pathlib import Path

import pytest

from jobs import events
from jobs.errors import JobError
from jobs.findings import DatasetFindings, Findings, ModelFindings, Port, Problem, Split
from jobs.report import Failure, Report
from otx_web import progress, terminal
from otx_web.progress import Progress
from otx_web.services import Services
from otx_web.store import State
from tests.otx_web import made

STAGES = (("read", "Reading"), ("quantize", "Calibrating"))


class Screen(StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def running() -> Progress:
    """One stage done in half a second, 120 of 300 images into the next."""
    told = [
        events.Plan(stages=STAGES, at=0),
        events.Stage(name="read", at=0),
        events.Stage(name="quantize", at=0.5),
        events.Progress(done=120, total=300, at=1),
    ]
    return progress.of(told, earlier=(), now=1.0)


def test_a_board_on_a_file_has_a_line_for_each_stage_that_is_done() -> None:
    out = StringIO()
    with terminal.Board(out) as board:
        board.wait("Starting")
        board.show(running())
        board.show(running())
    assert out.getvalue() == "Starting\nReading: 0.5 s\n"


def test_a_board_on_a_terminal_moves_and_leaves_a_clean_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    out = Screen()
    with terminal.Board(out) as board:
        board.wait("Starting")
        board.show(running())
    written = out.getvalue()
    assert "Reading: 0.5 s\n" in written
    assert "120 of 300 images" in written and "━" in written
    assert written.endswith(terminal.CLEAR)


def test_a_board_on_a_dumb_terminal_does_not_move(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    out = Screen()
    with terminal.Board(out) as board:
        board.show(running())
    assert "\x1b" not in out.getvalue()


def test_a_board_cuts_lines_to_the_width_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "30")
    out = Screen()
    with terminal.Board(out) as board:
        board.show(running())
    assert max(len(line) for line in out.getvalue().split(terminal.CLEAR)) < 30


def test_a_note_is_said_once() -> None:
    out = StringIO()
    noted = Progress(notes=(events.Note(level="warning", message="It is late.", hint="Sleep."),))
    with terminal.Board(out) as board:
        board.show(noted)
        board.show(noted)
    assert out.getvalue() == "Warning: It is late. Sleep.\n"


def test_a_board_tells_each_step_of_a_search_once() -> None:
    out = StringIO()
    trials = (
        events.Trial(number=1, what="Quantized", drop=0.04, limit=0.01, kept=True),
        events.Trial(number=2, layers=("conv1",), drop=0.05, limit=0.01, kept=False),
    )
    with terminal.Board(out) as board:
        board.show(Progress(trials=trials))
        board.show(Progress(trials=trials))
    first, second = terminal.plain(out.getvalue()).replace("\N{REPLACEMENT CHARACTER}", "\n").splitlines()
    assert first == "Step 1: lost 4.00 points (limit 1.00 points). Quantized"
    assert second == "Step 2: lost 5.00 points (limit 1.00 points). Given back to float: conv1. Taken back"


def test_plain_takes_away_what_a_terminal_obeys() -> None:
    assert terminal.plain("a\x1b[31mb\r\n\u202e1\u00a0MB") == "a\ufffd[31mb\ufffd\ufffd\ufffd1 MB"
    assert terminal.sentences(JobError("No.", hint="Try.")) == "No. Try."


def found(*problems: Problem) -> Findings:
    return Findings(
        model=ModelFindings(
            format="ONNX",
            name="net.onnx",
            size_bytes=1_070_000,
            inputs=(Port(name="image", shape=(-1, 3, 32, 32), type="f32"),),
            outputs=(Port(name="scores", shape=(-1, 10), type="f32"),),
            precision="FP32",
            parameters=270_000,
            gflops=0.0812,
            labels=tuple(f"class{number}" for number in range(20)),
        ),
        dataset=DatasetFindings(
            format="One folder a class",
            name="set.zip",
            size_bytes=2_000_000,
            labels=("cat", "dog"),
            images=30,
            splits=(Split(name="train", images=20), Split(name="val", images=10)),
            calibration=20,
            validation=10,
        ),
        tasks=("classification",),
        problems=problems,
        seconds_estimate=20.0,
        memory_estimate_bytes=600_000_000,
    )


def test_findings_are_told_in_words() -> None:
    told = terminal.findings(found())
    assert "net.onnx: ONNX, 1.07 MB" in told
    assert "image ?×3×32×32 f32 → scores ?×10 f32" in told
    assert "class11 and 8 more" in told
    assert "30 images (train 20, val 10): 20 to calibrate, 10 to measure" in told
    assert "about 20 s, 600 MB" in told
    assert told.endswith("Nothing stands in the way of a job.")


def test_findings_with_an_error_say_what_to_do_and_that_no_job_could_start() -> None:
    problem = Problem(level="error", where="dataset", message="No.", hint="Do.", items=("a\x1b.jpg",))
    told = terminal.findings(found(problem))
    assert "Error     No. Do. (a\ufffd.jpg)" in told
    assert told.endswith("A job could not start.")


def test_a_job_that_lost_accuracy_is_told_with_the_next_step(parts: Services) -> None:
    report = made.report(verdict=made.verdict("lost", 0.03, next=(made.STEP,)))
    told = terminal.job(made.job(parts, made=report), Path("/out"))
    assert "ACCURACY LOST. Accuracy 80.5 % → 80.4 % (−3.0 points, 95 % interval −3.5 to −2.5, limit −1.0)" in told
    assert "1.40× faster: 3,600 → 5,040 images/s (95 % interval 1.37 to 1.43)" in told
    assert "3.8× smaller: 1.07 MB → 283 kB" in told
    assert "Use the mixed preset: --set preset=mixed" in told
    assert "Files: /out" in told


def test_a_pruned_model_is_told_by_what_was_removed(parts: Services) -> None:
    told = terminal.job(made.job(parts, made=made.pruned()), None)
    assert "FLOPs an image: 81.0 M → 56.7 M (1.43× fewer)" in told
    assert "Parameters: 0.272 M → 0.191 M (1.43× fewer)" in told
    assert "FLOPs" not in terminal.job(made.job(parts), None)


def test_a_job_that_failed_is_told_by_its_failure(parts: Services) -> None:
    failure = Failure(kind="bad_archive", message="It is damaged.", hint="Zip it again.", stage="Reading")
    report = Report(status="failed", task="classification", template="generic", method="pot_default", failure=failure)
    told = terminal.job(made.job(parts, State.FAILED, made=report), None)
    assert "FAILED (Reading). It is damaged. Zip it again." in told
    assert "Files" not in told


def test_a_job_that_runs_is_told_by_how_far_it_is(parts: Services) -> None:
    told = terminal.job(made.job(parts, State.RUNNING), None, running())
    assert "running" in told and "Calibrating" in told and "120 of 300 images" in told


def test_the_table_of_jobs_keeps_a_line_a_job(parts: Services) -> None:
    made.job(parts, name="a\nb\x1b[2J")
    made.job(parts, State.QUEUED, name="other")
    told = terminal.table(parts.store.list_jobs().rows)
    assert len(told.splitlines()) == 3
    assert "\x1b" not in told and "80.5 % → 80.4 % held" in told


def test_the_table_names_the_metric_where_it_is_not_accuracy(parts: Services) -> None:
    measure = made.report().before
    assert measure is not None
    found = measure.model_copy(update={"metrics": {"miou": 0.71}})
    job = made.job(
        parts,
        task="segmentation",
        made=made.report().model_copy(update={"metric": "miou", "before": found, "after": found}),
    )
    assert "mIoU 71.0 % → 71.0 % held" in terminal.table([job])


def test_epochs_of_a_training_are_said_once() -> None:
    out = StringIO()
    told = [
        events.Epoch(number=0, total=3, held_out=0.19, metric=0.94, original=0.97, best=True),
        events.Epoch(number=1, total=3, loss=0.03, held_out=0.04, best=True),
        events.Epoch(number=2, total=3, held_out=0.09, best=True),
        events.Epoch(number=3, total=3, loss=0.06, held_out=0.095, best=False),
    ]
    with terminal.Board(out) as board:
        board.show(Progress(epochs=tuple(told[:2])))
        board.show(Progress(epochs=tuple(told), stopping=True))
    assert out.getvalue().splitlines() == [
        "Before training: loss 0.19, metric 94.0 % (original 97.0 %)",
        "Epoch 1 of 3: loss 0.04, the best so far",
        "Made smaller: loss 0.09",
        "Epoch 3 of 3: loss 0.095",
        "Ending the training, and keeping the best so far. Ctrl-C once more cancels the job.",
    ]
