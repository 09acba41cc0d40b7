"""The report, as scripts rely on it and as a broken worker may leave it."""

import json
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from jobs import report
from jobs.report import Failure, Measure, Picture, Report, ScoreCounts, ScoreHistogram, Shape, View

BEFORE = Measure(metrics={"accuracy": 0.963}, size_bytes=400, parameters=100, precision="FP32")
AFTER = BEFORE.model_copy(update={"size_bytes": 100, "precision": "INT8"})
GOOD = Report(
    status="succeeded",
    task="classification",
    template="generic",
    method="pot_default",
    metric="accuracy",
    before=BEFORE,
    after=AFTER,
)


def test_report_comes_back_as_it_was(tmp_path: Path) -> None:
    assert report.read(tmp_path) is None
    report.write(tmp_path, GOOD)
    assert report.read(tmp_path) == GOOD
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"], "nothing half written is left"


def test_names_that_scripts_rely_on(tmp_path: Path) -> None:
    report.write(tmp_path, GOOD)
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["version"] == 1 and written["before"]["metrics"] == {"accuracy": 0.963}
    for name in ("status", "task", "template", "method", "metric", "higher_is_better", "before", "after", "speed"):
        assert name in written
    for name in (
        "verdict",
        "applied",
        "config_keys",
        "seconds",
        "hardware",
        "packages",
        "images",
        "artifacts",
        "failure",
    ):
        assert name in written


def test_report_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report.write(tmp_path, GOOD)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        report.write(tmp_path, GOOD.model_copy(update={"status": "failed"}))
    assert report.read(tmp_path) == GOOD


def test_size_ratio() -> None:
    assert GOOD.size_ratio == 4
    assert GOOD.model_copy(update={"after": None}).size_ratio is None
    assert GOOD.model_copy(update={"after": AFTER.model_copy(update={"size_bytes": 0})}).size_ratio is None


@pytest.mark.parametrize(
    "change",
    [
        {"status": "perfect"},
        {"version": 2},
        {"more": 1},
        {"before": {"metrics": {"accuracy": float("nan")}, "size_bytes": 1, "parameters": 1, "precision": ""}},
        {"before": {"metrics": {}, "size_bytes": -1, "parameters": 1, "precision": ""}},
        {"before": {"metrics": {}, "size_bytes": 10**30, "parameters": 1, "precision": ""}},
        {"failure": {"kind": "x"}},
    ],
)
def test_what_is_no_report_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    (tmp_path / "report.json").write_text(json.dumps({**GOOD.model_dump(), **change}))
    with pytest.raises(ValidationError):
        report.read(tmp_path)


def test_failure_may_be_all_there_is() -> None:
    failed = Report(
        status="failed", task="t", template="t", method="m", failure=Failure(kind="crashed", message="It crashed.")
    )
    assert failed.size_ratio is None and failed.failure and failed.failure.hint == ""


def test_report_from_before_pictures_were_drawn_on_still_reads(tmp_path: Path) -> None:
    old = {"file": "a.png", "name": "a", "truth": "", "before": "x", "after": "x"}
    old_picture = {**old, "score_before": 1, "score_after": 1, "differs": False}
    (tmp_path / "report.json").write_text(json.dumps({**GOOD.model_dump(), "pictures": [old_picture]}))
    read = report.read(tmp_path)
    assert read and read.pictures[0].before_view.empty and read.pictures[0].threshold is None and not read.histograms


def test_what_is_drawn_over_a_picture_comes_back(tmp_path: Path) -> None:
    shape = Shape(label="cat", score=0.9, box=(0, 0.1, 1, 1), outline=((0, 0, 1, 0, 1, 1),))
    view = View(shapes=(shape,), layer="artifacts/pictures/00-before.png")
    picture = Picture(
        file="a.png", name="a", truth="", before="", after="", score_before=1, score_after=1, differs=False,
        before_view=view, truth_view=View(shapes=(Shape(label="cat", box=(0, 0, 1, 1)),)), threshold=0.35,
    )  # fmt: skip
    counts = ScoreCounts(normal=(3, 1), anomalous=(0, 2), threshold=0.5)
    histogram = ScoreHistogram(title="Image scores", edges=(0, 0.5, 1), before=counts, after=counts)
    whole = GOOD.model_copy(update={"pictures": (picture,), "histograms": (histogram,)})
    report.write(tmp_path, whole)
    assert report.read(tmp_path) == whole and not view.empty
