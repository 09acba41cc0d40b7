"""Every sample goes from upload to download: a whole job on a few of its images."""

import shutil
from pathlib import Path

import openvino as ov
import pytest

from jobs import run, spec, tasks
from jobs.report import Report
from jobs.spec import JobSpec, PotDefault, Source
from otx_web import samples


@pytest.fixture(scope="module", params=samples.tasks())
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    task: str = request.param
    sample = samples.paths(task)
    job_dir = tmp_path_factory.mktemp(task)
    folders = {"model": sample.model, "dataset": (sample.dataset,)}
    for kind, files in folders.items():
        (job_dir / kind).mkdir()
        for file in files:
            shutil.copy(file, job_dir / kind / file.name)
    wanted = JobSpec.model_validate(
        {
            "task": task,
            "template": "generic",
            "options": PotDefault(stat_subset_size=8),
            "validation_images": 24,
            "speed_seconds": 0.2,
            **{kind: Source(name=files[0].name, digest=kind, path=kind) for kind, files in folders.items()},
        }
    )
    spec.write(job_dir, wanted)
    return run.run(job_dir), job_dir


def test_job_needs_no_settings(made: tuple[Report, Path]) -> None:
    report, _ = made
    assert report.status == "succeeded", report.failure
    assert report.before and report.after and report.speed and report.verdict
    task = tasks.by_name(report.task)
    assert report.metric == task.metrics[0].name == next(iter(report.before.metrics))
    assert report.before.size_bytes > report.after.size_bytes


def test_model_is_there_to_take_away(made: tuple[Report, Path]) -> None:
    report, job_dir = made
    original, optimised = (
        ov.Core().read_model(path)
        for path in (next((job_dir / "model").glob("*.xml")), job_dir / "artifacts/model.xml")
    )
    assert [port.names for port in optimised.outputs] == [port.names for port in original.outputs]
    assert any(op.get_type_name() == "FakeQuantize" for op in optimised.get_ops())
    assert (job_dir / "artifacts/report.html").stat().st_size > 10_000 and len(report.artifacts) >= 5


def test_pictures_show_what_was_found(made: tuple[Report, Path]) -> None:
    report, job_dir = made
    assert len(report.pictures) == 24
    drawn = [view for one in report.pictures for view in (one.before_view, one.after_view, one.truth_view)]
    assert any(not view.empty for view in drawn) == (report.task != "classification")
    assert all((job_dir / view.layer).is_file() for view in drawn if view.layer)
