from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from PIL import Image

from jobs import formats, run
from jobs.report import Report
from jobs.spec import CalibrateOn, PotDefault
from tests.jobs import anomalies, tiny


def job(tmp_path: Path, *, model: ov.Model | None = None, dataset: Path | None = None, **more: Any) -> Path:
    return tiny.job(
        tmp_path,
        model=model or anomalies.padim(),
        dataset=dataset or anomalies.dataset(tmp_path / "mvtec"),
        task="anomaly_segmentation",
        options=PotDefault(stat_subset_size=12),
        **more,
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    job_dir = job(tmp_path_factory.mktemp("anomaly"))
    return job_dir, run.run(job_dir)


def test_job_needs_no_settings(done: tuple[Path, Report]) -> None:
    _, made = done
    assert made.status == "succeeded", made.failure
    assert made.before and made.after and made.verdict and made.images
    assert made.metric == "pixel_auroc" and made.labels == ("Normal", "scratch", "spot")
    assert made.before.metrics["pixel_auroc"] > 0.95 and made.before.metrics["image_f1"] == 1
    assert abs(made.verdict.drop) < 0.02
    assert set(made.before.per_class) == {"Normal", "scratch", "spot"}
    assert all(name.startswith("train/good") for name in made.images.calibration_names)


def test_what_makes_scores_stays_in_float(done: tuple[Path, Report]) -> None:
    job_dir, made = done
    model = ov.Core().read_model(job_dir / "artifacts/model.xml")
    distance = next(op for op in model.get_ops() if op.get_friendly_name() == "squares")
    assert distance.input_value(0).get_node().get_type_name() == "Multiply"
    assert any("left in float" in note for note in made.notes)


def test_thresholds_of_the_optimised_model_are_its_own(done: tuple[Path, Report]) -> None:
    job_dir, made = done
    info = formats.model_info(ov.Core().read_model(job_dir / "artifacts/model.xml"))
    assert info["labels"] == "Normal Anomaly" and info["model_type"] == "AnomalyDetection"
    for name, before in anomalies.THRESHOLDS.items():
        assert info[name] != before and float(info[name]) == pytest.approx(float(before), rel=0.1)
    assert any("fitted anew" in note for note in made.notes) and any(
        "copied, as OTX does" in note for note in made.notes
    )


def test_histograms_hold_every_image_and_pixel(done: tuple[Path, Report]) -> None:
    _, made = done
    images, pixels = made.histograms
    for counts in (images.before, images.after):
        assert (sum(counts.normal), sum(counts.anomalous)) == (6, 8)
    assert sum(pixels.after.normal) + sum(pixels.after.anomalous) == 14 * anomalies.SIDE**2
    assert images.before.threshold == 5 and images.after.threshold != 5


def test_pictures_show_heat_and_outlines(done: tuple[Path, Report]) -> None:
    job_dir, made = done
    odd = next(one for one in made.pictures if one.name.startswith("test/spot"))
    assert (odd.truth, odd.before, odd.after) == ("Anomaly", "Anomaly", "Anomaly") and odd.score_before > 0.5
    assert odd.before_view.shapes[0].outline and odd.truth_view.shapes[0].label == "spot"
    heat = np.asarray(Image.open(job_dir / odd.after_view.layer))
    assert heat.shape[2] == 4 and heat[..., 3].max() > 200 and heat[..., 3].min() < 60


def test_anomalous_images_calibrate_as_in_otx_and_then_measure_nothing(tmp_path: Path) -> None:
    made = run.run(job(tmp_path, calibrate_on=CalibrateOn.ANOMALOUS))
    assert made.status == "succeeded" and made.images
    assert {name.split("/")[1] for name in made.images.calibration_names} == {"scratch", "spot"}
    assert not set(made.images.calibration_names) & set(made.images.validation_names)
    assert not any("left in float" in note for note in made.notes)
    assert any("fitted anew" in note for note in made.notes)


def test_model_that_says_nothing_gets_thresholds(tmp_path: Path) -> None:
    model = anomalies.padim(outputs="both")
    del model.get_rt_info()["model_info"]
    job_dir = job(tmp_path, model=model)
    made = run.run(job_dir)
    assert made.status == "succeeded", made.failure
    assert made.before and made.before.metrics["image_f1"] > 0.6
    assert any("says no thresholds" in note for note in made.notes)
    assert "image_threshold" in formats.model_info(ov.Core().read_model(job_dir / "artifacts/model.xml"))


def test_normal_images_alone_are_measured_by_agreement(tmp_path: Path) -> None:
    dataset = anomalies.dataset(tmp_path / "mvtec", {"train/good": 10, "test/good": 10})
    made = run.run(job(tmp_path, dataset=dataset))
    assert made.status == "succeeded" and made.images and made.after
    assert not made.images.labelled and made.after.metrics["pixel_auroc"] > 0.9 and not made.histograms
