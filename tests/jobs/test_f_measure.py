"""OTX's F-measure, against its definition written out."""

import numpy as np
import pytest

from jobs import f_measure, matching
from tests.jobs import detections


def iou(a: np.ndarray, b: np.ndarray) -> float:
    width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = max(0.0, float(width)) * max(0.0, float(height))
    return shared / (float(np.prod(a[2:] - a[:2])) + float(np.prod(b[2:] - b[:2])) - shared)


def counts(predictions: list, truth: list, label: int, confidence: float) -> tuple[int, int, int]:
    """(missed, there, predicted), image by image."""
    missed = there = predicted = 0
    for (boxes, labels, scores), objects in zip(predictions, truth, strict=True):
        mine = [box for box, of, score in zip(boxes, labels, scores, strict=True) if of == label and score > confidence]
        real = [box for box, of in zip(objects.boxes, objects.labels, strict=True) if of == label]
        there, predicted = there + len(real), predicted + len(mine)
        missed += sum(all(iou(box, other) < 0.5 for other in mine) for box in real)
        missed += sum(max(0, sum(iou(box, other) > 0.5 for box in real) - 1) for other in mine)
    return missed, there, predicted


def measure(missed: int, there: int, predicted: int) -> float:
    if not there or not predicted:
        return 0.0
    precision, recall = (there - missed) / predicted, (there - missed) / there
    return 2 * precision * recall / (precision + recall + np.finfo(float).eps)


def test_best_is_that_of_the_definition() -> None:
    predictions, truth = detections.random(15, 3, crowd=0)
    found = f_measure.best(matching.match(predictions, truth, 3, by_mask=False))
    together, each = [], []
    for confidence in np.arange(0.025, 1, 0.025):
        by_class = [counts(predictions, truth, label, confidence) for label in range(3)]
        together.append(measure(*np.sum(by_class, axis=0)))
        each.append([measure(*those) for those in by_class])
    assert found.value == pytest.approx(max(together))
    assert found.per_class == pytest.approx(np.max(each, axis=0))
    assert found.confidence == pytest.approx(np.arange(0.025, 1, 0.025)[np.argmax(together)])


def test_perfect_is_one_and_the_threshold_the_highest_that_is() -> None:
    box = (1.0, 1.0, 9.0, 9.0)
    matches = matching.match([detections.prediction((box, 0.81))], [detections.objects(box)], 2, by_mask=False)
    best = f_measure.best(matches)
    assert best.value == 1
    assert best.confidence == pytest.approx(0.8)
    assert best.per_class[0] == 1
    assert np.isnan(best.per_class[1])


def test_prediction_that_covers_two_objects_pays_for_one() -> None:
    two = detections.objects((0, 0, 10, 10), (1, 0, 11, 10))
    found = matching.match([detections.prediction(((0, 0, 11, 10), 0.8))], [two], 1, by_mask=False)
    assert f_measure.best(found).value == pytest.approx(2 / 3)


def test_crowd_does_not_count() -> None:
    crowd = detections.objects((0, 0, 20, 20), crowd=True)
    real = detections.objects((30, 30, 40, 40))
    inside, right = detections.prediction(((2, 2, 8, 8), 0.9)), detections.prediction(((30, 30, 40, 40), 0.9))
    assert f_measure.best(matching.match([inside, right], [crowd, real], 1, by_mask=False)).value == 1


def test_nothing_predicted_or_nothing_there_is_zero() -> None:
    some, none = detections.objects((0, 0, 9, 9)), detections.objects()
    assert f_measure.best(matching.match([detections.prediction()], [some], 1, by_mask=False)).value == 0
    assert f_measure.best(matching.match([detections.prediction()], [none], 1, by_mask=False)).value == 0
