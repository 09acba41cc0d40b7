"""Whole jobs on a model of three classes, in this process."""

import errno
import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from jobs import artifacts, events, methods, report, run
from jobs.report import Report
from tests.jobs import tiny


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    job_dir = tiny.job(tmp_path_factory.mktemp("done"))
    return job_dir, run.run(job_dir)


def test_job_reports_both_models(done: tuple[Path, Report]) -> None:
    _, made = done
    assert made.status == "succeeded" and made.failure is None
    assert made.before and made.after and made.speed and made.verdict
    assert made.metric == "accuracy" and made.before.metrics["accuracy"] == 1.0
    assert made.after.metrics["accuracy"] == 1.0
    assert (made.before.precision, made.speed.after.precision) == ("FP32", "INT8")
    assert made.before.per_class.keys() == set(tiny.COLOURS)
    assert made.before.flops == made.after.flops == 2 * (16 * 16 * 3) * 27 + 2 * 9
    assert made.before.zeros == made.after.zeros == 60 / 90, "all but the diagonals"
    assert made.speed.ratio_low <= made.speed.ratio <= made.speed.ratio_high
    assert made.verdict.drop == 0 and made.verdict.drop_low < 0 < made.verdict.drop_high
    assert set(made.seconds) == set(run.STAGES) | {"total"}


def test_images_never_serve_twice(done: tuple[Path, Report]) -> None:
    images = done[1].images
    assert images and images.labelled
    assert (images.calibration, images.validation) == (12, 36)
    assert not set(images.calibration_names) & set(images.validation_names)


def test_report_on_disk_is_the_one_given_back(done: tuple[Path, Report]) -> None:
    job_dir, made = done
    assert report.read(job_dir) == made
    assert not (job_dir / "tmp").exists()


def test_artifacts_are_what_the_report_says(done: tuple[Path, Report]) -> None:
    job_dir, made = done
    paths = {artifact.path: artifact for artifact in made.artifacts}
    for path, artifact in paths.items():
        content = (job_dir / path).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (artifact.size_bytes, artifact.sha256)
    assert {"artifacts/model.zip", "artifacts/report.html", f"artifacts/{artifacts.CONFIG}"} <= paths.keys()
    with zipfile.ZipFile(job_dir / "artifacts/model.zip") as packed:
        assert packed.namelist() == ["colours_int8.xml", "colours_int8.bin"]


def test_saved_model_runs_and_is_quantized(done: tuple[Path, Report]) -> None:
    model = ov.Core().read_model(done[0] / "artifacts/model.xml")
    assert any(op.get_type_name() == "FakeQuantize" for op in model.get_ops())
    red = np.zeros((1, 3, tiny.SIDE, tiny.SIDE), np.float32)
    red[:, 0] = 200
    assert ov.compile_model(model, "CPU")(red)["scores"].argmax() == list(tiny.COLOURS).index("red")
    assert model.get_rt_info(["model_info", "labels"]).astype(str) == "blue green red"


def test_saved_settings_are_a_pot_configuration(done: tuple[Path, Report]) -> None:
    said = json.loads((done[0] / "artifacts" / artifacts.CONFIG).read_text())
    (algorithm,) = said["compression"]["algorithms"]
    assert algorithm == {"name": "DefaultQuantization", "params": {"preset": "performance", "stat_subset_size": 12}}


def test_events_tell_the_stages_in_order(done: tuple[Path, Report]) -> None:
    found, _ = events.read(done[0])
    assert isinstance(found[0], events.Plan)
    assert [e.name for e in found if isinstance(e, events.Stage)] == [name for name, _ in found[0].stages]
    told = {(e.which, e.name) for e in found if isinstance(e, events.Metric)}
    assert {("before", "accuracy"), ("after", "accuracy")} <= told


def test_pictures_say_what_each_model_sees(done: tuple[Path, Report]) -> None:
    job_dir, made = done
    assert made.pictures and all((job_dir / picture.file).is_file() for picture in made.pictures)
    assert all(picture.truth == picture.before == picture.after for picture in made.pictures)


def test_second_job_uses_the_baseline_of_the_first(tmp_path: Path) -> None:
    kept = tmp_path / "baselines"
    kept.mkdir()
    first = run.run(tiny.job(tmp_path, name="first", baselines=str(kept)))
    (file,) = kept.iterdir()
    with np.load(file) as outputs:
        values, shapes = outputs["values0"], outputs["shapes0"]
    wrong = np.zeros_like(values).reshape(-1, 3)  # an answer nobody would give: all images are red
    wrong[:, list(tiny.COLOURS).index("red")] = 1
    np.savez(file, values0=wrong.ravel(), shapes0=shapes)
    second = run.run(tiny.job(tmp_path, name="second", baselines=str(kept)))
    assert first.before and second.before
    assert second.before.metrics["accuracy"] == pytest.approx(1 / 3)
    assert any("guessing" in note for note in second.notes)


def test_damaged_baseline_is_measured_again(tmp_path: Path) -> None:
    kept = tmp_path / "baselines"
    kept.mkdir()
    run.run(tiny.job(tmp_path, name="first", baselines=str(kept)))
    (file,) = kept.iterdir()
    file.write_bytes(b"PK\x03\x04 no zip")
    made = run.run(tiny.job(tmp_path, name="second", baselines=str(kept)))
    assert made.before and made.before.metrics["accuracy"] == 1.0


def test_images_without_labels_measure_agreement(tmp_path: Path) -> None:
    dataset = tiny.pictures(tmp_path / "loose", labelled=False)
    made = run.run(tiny.job(tmp_path, dataset=dataset))
    assert made.status == "succeeded" and made.images and not made.images.labelled
    assert made.before and made.before.metrics["accuracy"] == 1.0
    assert {picture.truth for picture in made.pictures} == {""}


def test_labels_that_do_not_fit_end_in_a_sentence(tmp_path: Path) -> None:
    made = run.run(tiny.job(tmp_path, model=tiny.classifier(("red", "green"))))
    assert made.status == "failed" and made.failure
    assert made.failure.kind == "label_mismatch" and "blue" in made.failure.message and made.failure.hint
    assert made.failure.stage == "Reading model and dataset"
    page = (tmp_path / "job" / "artifacts" / "report.html").read_text(encoding="utf-8")
    assert "The job failed" in page and [one.name for one in made.artifacts] == ["Report"]


def test_outputs_that_are_no_numbers_end_in_a_sentence(tmp_path: Path) -> None:
    model = tiny.classifier(factor=float("nan"))
    made = run.run(tiny.job(tmp_path, model=model))
    assert made.failure and made.failure.kind == "bad_outputs"
    assert made.failure.stage == "Measuring the original"


def test_full_disk_keeps_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **more: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(artifacts, "save_model", full)
    made = run.run(tiny.job(tmp_path))
    assert made.failure and made.failure.kind == "disk_full" and made.failure.stage == "Saving"
    assert made.before and made.before.metrics["accuracy"] == 1.0 and made.speed


def test_bug_is_shown_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> methods.Method:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(methods, "by_name", broken)
    made = run.run(tiny.job(tmp_path))
    assert made.failure and made.failure.kind == "bug" and "ZeroDivisionError" in made.failure.message


def test_device_that_is_not_there(tmp_path: Path) -> None:
    made = run.run(tiny.job(tmp_path, device="NPU.7"))
    assert made.failure and made.failure.kind == "device_unavailable" and "CPU" in made.failure.message


def test_model_of_a_fixed_batch_is_taken_for_single_images(tmp_path: Path) -> None:
    model = tiny.classifier()
    model.reshape([4, 3, tiny.SIDE, tiny.SIDE])
    made = run.run(tiny.job(tmp_path, model=model))
    assert made.status == "succeeded" and any("batch of 4" in note for note in made.notes)


def test_model_of_any_size_keeps_its_shape(tmp_path: Path) -> None:
    model = tiny.classifier()
    model.reshape([-1, 3, tiny.SIDE, tiny.SIDE])
    job_dir = tiny.job(tmp_path, model=model)
    assert run.run(job_dir).status == "succeeded"
    saved = ov.Core().read_model(job_dir / "artifacts/model.xml")
    assert saved.inputs[0].partial_shape[0].is_dynamic


def test_weights_that_are_reshaped_on_their_way_are_quantized(tmp_path: Path) -> None:
    entry = ops.parameter([1, 3, tiny.SIDE, tiny.SIDE], np.float32, name="image")
    means = ops.reduce_mean(entry, ops.constant([2, 3]), keep_dims=False)
    flat = ops.constant(np.eye(3, dtype=np.float32)[:, [2, 1, 0]].reshape(3, 1, 3) / 16)
    weights = ops.reshape(flat, ops.constant([3, 3]), special_zero=False)
    model = ov.Model([ops.matmul(means, weights, False, False)], [entry], "reshaped")
    made = run.run(tiny.job(tmp_path, model=model, model_settings={"labels": "blue,green,red"}))
    assert made.failure is None and made.before and made.before.metrics["accuracy"] == 1.0
    saved = ov.Core().read_model(tmp_path / "job/artifacts/model.xml")
    assert any(op.get_type_name() == "FakeQuantize" for op in saved.get_ops())


def test_weights_in_half_precision_stay_so_where_they_are_not_quantized(tmp_path: Path) -> None:
    options = {"method": "pot_default", "stat_subset_size": 12, "ignored": {"scope": ["mix"]}}
    job_dir = tiny.job(tmp_path, options=options)
    ov.save_model(tiny.classifier(), tmp_path / "job-model" / "colours.xml", compress_to_fp16=True)
    made = run.run(job_dir)
    assert made.before and made.before.precision == "FP16"
    saved = ov.Core().read_model(job_dir / "artifacts/model.xml")
    kinds = {op.get_element_type().get_type_name() for op in saved.get_ops() if op.get_type_name() == "Constant"}
    assert "i8" in kinds and "f16" in kinds


def test_given_settings_travel_with_the_model(tmp_path: Path) -> None:
    model = tiny.classifier()
    job_dir = tiny.job(tmp_path, model=model, model_settings={"labels": "blue,green,red", "mean_values": "1,1,1"})
    assert run.run(job_dir).status == "succeeded"
    saved = ov.Core().read_model(job_dir / "artifacts/model.xml")
    assert saved.get_rt_info(["model_info", "mean_values"]).astype(str) == "1,1,1"


def test_model_without_weights_to_quantize(tmp_path: Path) -> None:
    entry = ops.parameter([1, 3, tiny.SIDE, tiny.SIDE], np.float32, name="image")
    model = ov.Model([ops.reduce_mean(entry, ops.constant([2, 3]), keep_dims=False)], [entry], "mean")
    made = run.run(tiny.job(tmp_path, model=model, model_settings={"labels": "red,green,blue"}))
    assert made.status == "succeeded" or (made.failure is not None and made.failure.kind != "bug")
