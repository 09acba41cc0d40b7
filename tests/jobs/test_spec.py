"""What a job is to do, written, read back, and refused when it makes no sense."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from jobs import spec
from jobs.spec import JobSpec, Limits, PotDefault, Preset, Source

SOURCE = {"name": "модель <b>.onnx", "digest": "aa", "path": "../../uploads/aa/files"}


def make(**more: object) -> JobSpec:
    fields = {
        "task": "classification",
        "template": "generic",
        "options": {"method": "pot_default"},
        "model": SOURCE,
        "dataset": SOURCE,
    }
    return JobSpec.model_validate({**fields, **more})


def test_spec_comes_back_as_it_was(tmp_path: Path) -> None:
    wanted = make(given={"preset": "mixed"}, model_settings={"labels": "a, b"})
    spec.write(tmp_path, wanted)
    assert spec.read(tmp_path) == wanted and wanted.method == "pot_default"


def test_source_is_found_from_the_job(tmp_path: Path) -> None:
    job_dir = tmp_path / "jobs" / "1"
    job_dir.mkdir(parents=True)
    assert Source.model_validate(SOURCE).folder(job_dir) == tmp_path / "uploads" / "aa" / "files"
    assert Source(name="a", digest="a", path=str(tmp_path / "x")).folder(job_dir) == tmp_path / "x"


@pytest.mark.parametrize(
    "change",
    [
        {"task": "cooking"},
        {"template": ""},
        {"version": 2},
        {"more": 1},
        {"max_drop": -0.1},
        {"max_drop": float("nan")},
        {"validation_images": 0},
        {"speed_seconds": 0},
        {"hint": "fast"},
        {"model": {"name": "a", "digest": "a"}},
        {"options": {"method": "magic"}},
        {"options": {"method": "pot_default", "stat_subset_size": 0}},
        {"options": {"method": "pot_default", "seed": -1}},
        {"options": {"method": "pot_default", "saturation_fix": "some"}},
        {"options": {"method": "pot_default", "range_estimator": {"max": {"outlier_prob": 0.5}}}},
        {"options": {"method": "pot_default", "weights": {"bits": 1}}},
        {"limits": {"memory_bytes": 1}},
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        make(**change)


def test_template_is_asked_for_by_name() -> None:
    with pytest.raises(ValidationError, match="'generic' fits any model"):
        make(template="")


@pytest.mark.parametrize("text", ["Performance", "performance", "MIXED"])
def test_preset_may_be_written_as_otx_does(text: str) -> None:
    assert PotDefault.model_validate({"preset": text}).preset == Preset(text.lower())


def test_spec_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        make().seed = 1  # type: ignore[attr-defined]
    assert Limits().memory_bytes == 8 << 30
