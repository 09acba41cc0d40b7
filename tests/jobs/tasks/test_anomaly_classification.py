from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from jobs import anomaly, data, formats, image_input, layouts, run, tasks
from jobs.anomaly import AnomalyBound
from jobs.errors import BadOption, WrongTask
from jobs.findings import ModelFindings, Port
from jobs.formats import Imported
from jobs.spec import TaskName
from tests.jobs import anomalies, tiny

TASK = tasks.by_name(TaskName.ANOMALY_CLASSIFICATION)
BOXES = tasks.by_name(TaskName.ANOMALY_DETECTION)


def bound(model: ov.Model, tmp_path: Path, **settings: str) -> AnomalyBound:
    dataset = data.open_dataset(anomalies.dataset(tmp_path, masks=""), tmp_path / "scratch", TASK)
    found = TASK.bind(model, {**formats.model_info(model), **settings}, dataset)
    assert isinstance(found, AnomalyBound)
    return found


def findings(outputs: dict[str, tuple[int, ...]], **info: str) -> ModelFindings:
    found = formats.describe(Imported(anomalies.padim(), "ONNX", "a.onnx", 1))
    ports = tuple(Port(name=name, shape=shape, type="f32") for name, shape in outputs.items())
    return found.model_copy(update={"outputs": ports, "model_info": info})


def test_export_is_for_the_task_that_it_names() -> None:
    said = formats.describe(Imported(anomalies.padim("detection"), "ONNX", "a.onnx", 1))
    assert BOXES.fits(said) == 1 > TASK.fits(said) > 0.5


@pytest.mark.parametrize(
    ("outputs", "fitting"),
    [
        ({"anomaly_map": (-1, 1, 256, 256), "score": (-1,)}, True),
        ({"pred_score": (1, 1), "pred_label": (1, 1), "anomaly_map": (1, 1, 9, 9), "pred_mask": (1, 1, 9, 9)}, True),
        ({"output": (1, 64, 64)}, True),
        ({"output": (1, 64, 64, 1)}, True),
        ({"output": (1, 1000)}, False),
        ({"output": (1, 12, 64, 64)}, False),
    ],
)
def test_model_without_words_fits_by_its_map(outputs: dict[str, tuple[int, ...]], fitting: bool) -> None:
    assert (TASK.fits(findings(outputs)) > 0) == fitting
    assert TASK.fits(findings(outputs, model_type="ssd")) == 0


def test_score_alone_is_enough_to_tell_images_apart(tmp_path: Path) -> None:
    model = anomalies.padim("classification", outputs="score")
    found = bound(model, tmp_path)
    assert not found.has_map and found.pixel is None
    score, whole = found.read([np.array([7.5], np.float32)], (16, 16))
    assert (score.tolist(), whole.size) == ([7.5], 0)
    assert TASK.describe((score, whole), found) == ("Anomaly", pytest.approx(0.5 + 2.5 / 12))
    assert TASK.marks((score, whole), found, (16, 16)).layer is None
    dataset = layouts.read(anomalies.dataset(tmp_path / "boxes"), BOXES)
    with pytest.raises(WrongTask, match="no map of anomaly scores"):
        BOXES.bind(model, formats.model_info(model), dataset)


def test_highest_of_the_map_is_the_score_where_there_is_no_other(tmp_path: Path) -> None:
    whole = np.full((1, 1, 16, 16), 0.5, np.float32)
    whole[0, 0, 3, 4] = 9
    score, kept = bound(anomalies.padim(), tmp_path).read([whole], (16, 16))
    assert score.tolist() == [9] and kept.dtype == np.float16 and kept.shape == (16, 16)


def test_own_score_of_the_model_comes_first(tmp_path: Path) -> None:
    found = bound(anomalies.padim(outputs="both"), tmp_path)
    score, _ = found.read([np.ones((1, 1, 16, 16), np.float32), np.array([4.0], np.float32)], (16, 16))
    assert score.tolist() == [4]


def test_normal_image_has_a_low_score_and_says_so(tmp_path: Path) -> None:
    found = bound(anomalies.padim(), tmp_path)
    words = TASK.describe((np.array([1.4], np.float32), np.zeros((4, 4), np.float16)), found)
    assert words == ("Normal", pytest.approx(0.2))


def test_range_comes_from_the_lowest_and_highest_score_of_otx_1(tmp_path: Path) -> None:
    model = anomalies.padim(thresholds={"image_threshold": "5", "pixel_threshold": "4", "min": "1", "max": "9"})
    found = bound(model, tmp_path)
    assert found.image and (found.image.value, found.image.scale, found.low) == (5, 8, 1)


def test_thresholds_must_be_numbers(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="image_threshold must be a number"):
        bound(anomalies.padim(), tmp_path / "a", image_threshold="high")
    with pytest.raises(BadOption, match="must be above 0"):
        bound(anomalies.padim(), tmp_path / "b", normalization_scale="0")


def test_maps_that_half_precision_cannot_hold_are_kept_whole(tmp_path: Path) -> None:
    found = bound(anomalies.padim(), tmp_path)
    for factor in (1e6, 1e-6):
        whole = np.linspace(0, factor, 256, dtype=np.float32).reshape(1, 1, 16, 16)
        assert np.allclose(found.read([whole], (16, 16))[1], whole[0, 0], rtol=3e-4)


@pytest.mark.parametrize(
    ("resize_type", "size", "expected"),
    [
        ("fit_to_window", (8, 16), (8, 16)),
        ("fit_to_window_letterbox", (8, 16), (8, 16)),
        ("crop", (16, 32), (16, 32)),
        ("standard", (8, 16), (16, 16)),
    ],
)
def test_map_is_of_the_whole_image(resize_type: str, size: tuple[int, int], expected: tuple[int, int]) -> None:
    entry = image_input.of(anomalies.padim(), {"resize_type": resize_type})
    whole = np.zeros((16, 16), np.float32)
    whole[8, 8] = 1
    found = anomaly._of_image(whole, size, entry)
    assert found.shape == expected and found.max() == (0 if resize_type == "fit_to_window" else 1)


def test_exports_of_anomalib_take_pixels_of_0_to_1() -> None:
    model = anomalies.anomalib()
    assert TASK.prepared(model, {}) == {"scale_values": "255"}
    assert TASK.prepared(model, {"scale_values": "1"}) == {"scale_values": "1"}
    assert TASK.prepared(anomalies.padim(outputs="both"), {}) == {}


def test_exports_of_anomalib_need_no_settings_and_keep_their_thresholds(tmp_path: Path) -> None:
    job_dir = tiny.job(
        tmp_path,
        model=anomalies.anomalib(),
        dataset=anomalies.dataset(tmp_path / "mvtec", masks=""),
        task="anomaly_classification",
    )
    made = run.run(job_dir)
    assert made.status == "succeeded", made.failure
    assert made.before and made.after and made.before.metrics["image_f1"] == made.after.metrics["image_f1"] == 1
    assert any("inside the model's graph" in note for note in made.notes)
