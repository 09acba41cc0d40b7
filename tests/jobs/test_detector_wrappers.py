"""Boxes of detectors that Model API has no wrapper for, each from outputs that are written by hand."""

from collections.abc import Mapping

import numpy as np
import openvino as ov
import pytest
from model_api.models import YOLOX, DetectionModel
from numpy.typing import NDArray
from openvino import opset13 as ops

from jobs import detector_kinds, image_input, labels
from jobs.detectors import Detector

SIDE = 64
Found = tuple[list[list[float]], list[int], list[float]]
_FAR = -20.0
"""What a sigmoid makes nothing of."""


def read(outputs: Mapping[str, NDArray[np.float32]], **settings: str) -> Found:
    """Boxes, labels and scores of an image of the input's size, by a model with such outputs."""
    entry = ops.parameter([1, 3, SIDE, SIDE], np.float32)
    mean = ops.reduce_mean(entry, ops.constant([0, 1, 2, 3]), False)
    results = []
    for name, values in outputs.items():
        result = ops.add(ops.constant(values), mean)
        result.output(0).set_names({name})
        results.append(result)
    model = ov.Model(results, [entry])
    kind, _ = detector_kinds.kind_of(model, settings)
    said = {**kind.prepared, "resize_type": "standard", **settings}
    detector = Detector(model, image_input.of(model, said), said, kind)
    boxes, labels, scores = detector([outputs[name] for name in outputs], (SIDE, SIDE))
    order = np.argsort(-scores)
    return boxes[order].tolist(), labels[order].tolist(), scores[order].astype(float).round(3).tolist()


def logit(value: float) -> float:
    return float(np.log(value / (1 - value)))


def test_fastestdet() -> None:
    output = np.zeros((1, 7, 4, 4), np.float32)
    output[0, :, 1, 2] = [0.8, np.arctanh(0.5), np.arctanh(0.25), logit(0.5), logit(0.25), 0.1, 0.6]
    boxes, labels, scores = read({"out": output})
    assert boxes == [[24, 12, 56, 28]] and labels == [1]  # the centre is at 2.5 and 1.25 cells of 16 pixels
    assert scores == pytest.approx([0.8**0.6 * 0.6**0.4], abs=1e-3)


def test_yunet() -> None:
    outputs = {}
    for stride in (8, 16, 32):
        cells = (SIDE // stride) ** 2
        for name, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            outputs[f"{name}_{stride}"] = np.zeros((1, cells, width), np.float32)
    outputs["cls_16"][0, 6] = outputs["obj_16"][0, 6] = 0.9  # row 1, column 2
    outputs["bbox_16"][0, 6] = [0.5, 0.25, np.log(2), 0]
    assert read(outputs) == ([[24, 12, 56, 28]], [0], [0.81])


def test_yolov7() -> None:
    """Rows of centre, size, object and classes; the one that the surer of a class overlaps is suppressed."""
    rows = np.zeros((1, 1200, 7), np.float32)
    rows[0, 3] = [32, 20, 16, 8, 0.9, 0.1, 1]
    rows[0, 4] = [32.5, 20, 16, 8, 0.8, 0.1, 1]
    rows[0, 5] = [32.5, 20, 16, 8, 0.8, 1, 0]
    assert read({"out": rows}) == ([[24, 16, 40, 24], [24.5, 16, 40.5, 24]], [1, 0], [0.9, 0.8])


def test_yolov10() -> None:
    rows = np.zeros((1, 300, 6), np.float32)
    rows[0, 0] = [8, 8, 40, 24, 0.7, 2]
    rows[0, 1] = [8, 8, 40, 24, 0.6, 2]
    assert read({"out": rows}) == ([[8, 8, 40, 24]] * 2, [2, 2], [0.7, 0.6]), "it suppresses itself"


def test_detection_output_tells_its_classes_and_counts_from_one() -> None:
    """Whether their names begin with the background or not."""
    entry = ops.parameter([1, 3, SIDE, SIDE], np.float32)
    mean = ops.reduce_mean(entry, ops.constant([0, 1, 2, 3]), False)
    boxes, scores = (ops.add(ops.constant(np.zeros((1, width), np.float32)), mean) for width in (5 * 4, 5 * 3))
    priors = ops.constant(np.zeros((1, 2, 5 * 4), np.float32))
    attributes = {"background_label_id": 0, "normalized": True, "keep_top_k": [5], "nms_threshold": 0.5, "top_k": 5}
    model = ov.Model([ops.detection_output(boxes, scores, priors, attributes)], [entry])
    kind, _ = detector_kinds.kind_of(model, {})
    detector = Detector(model, image_input.of(model, {}), {}, kind)
    assert (kind.name, detector.classes, detector.first) == ("SSD", 3, 1)
    for names in ("cat, dog", "background, cat, dog"):
        found = labels.match_objects({"labels": names}, ("dog", "cat"), {0, 1}, 3, first=1)
        assert found[:2] == (("background", "cat", "dog"), (2, 1))
    assert labels.match_objects({}, ("dog", "cat"), {0, 1}, 3, first=1)[1] == (1, 2)


@pytest.mark.parametrize(("rows", "kept"), [(400, 1), (100, 2)])
def test_candidates_of_a_model_that_suppresses_none_are_suppressed(rows: int, kept: int) -> None:
    """A few hundred boxes may be answers of a transformer, which suppresses none because it repeats none."""
    boxes, labels = np.zeros((1, rows, 5), np.float32), np.zeros((1, rows), np.float32)
    boxes[0, :2] = [[8, 8, 40, 24, 0.9], [8, 8, 40, 25, 0.8]]
    found = read({"boxes": boxes, "labels": labels}, model_type="ssd")
    assert len(found[0]) == kept
    assert len(read({"boxes": boxes, "labels": labels}, model_type="ssd", nms_execute="False")[0]) == 2


def test_boxes_without_a_batch() -> None:
    boxes = np.array([[8, 8, 40, 24, 0.9], [0, 0, 8, 8, 0.8]], np.float32)
    found = read({"boxes": boxes, "labels": np.array([1, 0], np.float32)}, model_type="ssd")
    assert found == ([[8, 8, 40, 24], [0, 0, 8, 8]], [1, 0], [0.9, 0.8])


@pytest.mark.parametrize("last", [False, True])
def test_yolov4(last: bool) -> None:
    """The tiny one: its second map of larger cells has the fourth to sixth pair of anchors."""
    maps = [np.full((1, 18, side, side), _FAR, np.float32) for side in (4, 2)]
    maps[1][0, 6 + np.arange(6), 1, 0] = [0, 0, 0, np.log(0.5), 20, logit(0.6)]
    outputs = {f"map{place}": one.transpose(0, 2, 3, 1) if last else one for place, one in enumerate(maps)}
    boxes, labels, scores = read(outputs, anchors="1 1 2 2 3 3 4 4 32 16 5 5")
    assert (boxes, labels, scores) == ([[0, 44, 32, 52]], [0], [0.6])


def test_yolox() -> None:
    """Model API decodes the cells; the image keeps its shape and lies at the top left."""
    rows = np.zeros((1, 64 + 16 + 4, 7), np.float32)
    rows[0, 64 + 6] = [0.5, 0.25, np.log(2), 0, 0.9, 0.1, 1]
    boxes, labels, scores = read({"out": rows})
    assert (boxes, labels, scores) == ([[24, 12, 56, 28]], [1], [0.9])


def test_regions_are_read_as_model_api_does_but_at_once() -> None:
    """RegionYolo's outputs: of three boxes a cell, each with whether there is an object, and its classes."""
    entry = ops.parameter([1, 3, SIDE, SIDE], np.float32)
    values = np.random.default_rng(0).normal(0, 1, (1, 21, 2, 2)).astype(np.float32)
    maps = ops.add(ops.constant(values), ops.reduce_mean(entry, ops.constant([0, 1, 2, 3]), False))
    regions = ops.region_yolo(maps, 4, 2, 3, False, [0, 1, 2], 1, 3, [10, 14, 23, 27, 37, 58])
    regions.output(0).set_names({regions.friendly_name})  # by which Model API finds how many classes there are
    model = ov.Model([regions], [entry])
    settings = {"model_type": "YOLO", "resize_type": "standard"}
    kind, _ = detector_kinds.kind_of(model, settings)
    detector = Detector(model, image_input.of(model, settings), settings, kind)
    output = ov.Core().compile_model(model, "CPU")(np.zeros((1, 3, SIDE, SIDE), np.float32))[0]
    slow = Detector(model, image_input.of(model, settings), settings, kind)
    del slow._wrapper.model._parse_yolo_region
    boxes, labels, scores = detector([output.copy()], (SIDE, SIDE))
    assert len(boxes) > 3
    for one, other in zip((boxes, labels, scores), slow([output.copy()], (SIDE, SIDE)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_no_wrapper_changes_what_another_assumes() -> None:
    """Model API's share the defaults that each sets for itself."""
    before = DetectionModel.parameters()["agnostic_nms"].default_value
    assert YOLOX.parameters()["agnostic_nms"].default_value is True
    assert DetectionModel.parameters()["agnostic_nms"].default_value is before is False
