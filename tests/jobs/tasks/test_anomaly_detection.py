from pathlib import Path

import numpy as np
import pytest

from jobs import data, formats, tasks
from jobs.spec import TaskName
from tests.jobs import anomalies

TASK = tasks.by_name(TaskName.ANOMALY_DETECTION)


def test_boxes_come_of_what_touches(tmp_path: Path) -> None:
    dataset = data.open_dataset(anomalies.dataset(tmp_path), tmp_path / "scratch", TASK)
    model = anomalies.padim("detection")
    bound = TASK.bind(model, formats.model_info(model), dataset)
    whole = np.zeros((1, 1, 16, 16), np.float32)
    whole[0, 0, 2:6, 4:8] = 6
    whole[0, 0, 6, 8] = 9  # touches at a corner
    whole[0, 0, 12:14, 0:4] = 5.5
    shapes = TASK.marks(bound.read([whole], (32, 32)), bound, (32, 32)).shapes
    boxes = sorted((shape.box, shape.score) for shape in shapes if shape.box)
    assert [box for box, _ in boxes] == [(0, 0.75, 0.25, 0.875), (0.25, 0.125, 0.5625, 0.4375)]
    assert [score for _, score in boxes] == pytest.approx([0.5 + 0.5 / 12, 0.5 + 4 / 12], abs=1e-3)


def test_truth_has_a_box_around_each_mask(tmp_path: Path) -> None:
    dataset = data.open_dataset(anomalies.dataset(tmp_path), tmp_path / "scratch", TASK)
    model = anomalies.padim("detection")
    bound = TASK.bind(model, formats.model_info(model), dataset)
    odd = [sample for sample in dataset.samples if sample.target.kind]
    real = TASK.truth(odd, bound)
    (shape,) = TASK.truth_marks(real, 0, bound, (16, 16)).shapes
    assert shape.label == "scratch" and shape.box and shape.box[2] - shape.box[0] == pytest.approx(5 / 16)
    (same,) = TASK.target_marks(odd[0].target, dataset.labels, (16, 16)).shapes
    assert same.box == shape.box
