"""What predicted objects are worth."""

import math

import numpy as np
import pytest

from jobs import average_precision, matching, object_scores
from tests.jobs import detections

BOX = (10.0, 10.0, 30.0, 30.0)
LABELS = ("cat", "dog", "owl")


def test_boxes_have_their_metrics_and_classes_without_objects_do_not_count() -> None:
    truth = [detections.objects(BOX), detections.objects(BOX, labels=(1,)), detections.objects()]
    predictions = [detections.prediction((BOX, 0.9)), detections.prediction(), detections.prediction()]
    scores = object_scores.score(predictions, truth, LABELS, by_mask=False)
    assert scores.metrics == pytest.approx({"map": 0.5, "map50": 0.5, "f_measure": 2 / 3})
    assert list(scores.per_class) == ["cat", "dog"]
    assert scores.per_class["dog"] == {"map": 0, "map50": 0, "f_measure": 0}
    assert scores.per_image.tolist() == [1, 0, 1]


def test_masks_have_theirs() -> None:
    predictions, truth = detections.random(10, 3, with_masks=True)
    scores = object_scores.score(predictions, truth, LABELS, by_mask=True)
    assert list(scores.metrics) == ["mask_map", "mask_map50", "map", "f_measure"]
    by_mask = average_precision.per_class(matching.match(predictions, truth, 3, by_mask=True))
    by_box = average_precision.per_class(matching.match(predictions, truth, 3, by_mask=False))
    assert scores.metrics["mask_map"] == pytest.approx(by_mask.mean())
    assert scores.metrics["mask_map50"] == pytest.approx(by_mask[:, 0].mean())
    assert scores.metrics["map"] == pytest.approx(by_box.mean())


@pytest.mark.parametrize("guesses", [(), ((BOX, 0.5),)], ids=["nothing", "something"])
@pytest.mark.parametrize("real", [(), (BOX,)], ids=["empty", "an object"])
def test_numbers_are_always_numbers(real: tuple, guesses: tuple) -> None:
    scores = object_scores.score([detections.prediction(*guesses)], [detections.objects(*real)], LABELS, by_mask=False)
    values = [
        *scores.metrics.values(),
        *scores.per_image,
        *(v for of in scores.per_class.values() for v in of.values()),
    ]
    assert all(math.isfinite(value) for value in values)
    assert scores.metrics["map"] == {(0, 0): 1, (0, 1): 0.5, (1, 0): 0, (1, 1): 1}[len(real), len(guesses)]
    interval = object_scores.compare(scores, scores)
    assert all(math.isfinite(end) for end in (interval.value, interval.low, interval.high))


def test_drop_without_a_change_is_as_unsure_as_few_images_are() -> None:
    predictions, truth = detections.random(60, 3)
    scores = object_scores.score(predictions, truth, LABELS, by_mask=False)
    drop = object_scores.compare(scores, scores)
    assert (drop.value, drop.low, drop.high) == pytest.approx((0, -0.05, 0.05))


def test_drop_of_many_changes_is_the_bootstraps() -> None:
    predictions, truth = detections.random(60, 3)
    rng = np.random.default_rng(0)
    worse = [(boxes + rng.normal(0, 1, boxes.shape), labels, scores) for boxes, labels, scores in predictions]
    before, after = (object_scores.score(each, truth, LABELS, by_mask=False) for each in (predictions, worse))
    assert object_scores.compare(before, after) == average_precision.drop(before.evidence, after.evidence)
    assert object_scores.compare(before, after).value == pytest.approx(before.metrics["map"] - after.metrics["map"])


@pytest.mark.parametrize("by_mask", [False, True])
def test_original_agrees_with_itself(by_mask: bool) -> None:
    predictions, _ = detections.random(10, 3, with_masks=by_mask, strays=3)
    truth = object_scores.agreement(predictions, 0.5)
    assert sum(len(objects) for objects in truth) == sum(int((scores >= 0.5).sum()) for _, _, scores, *_ in predictions)
    scores = object_scores.score(predictions, truth, LABELS, by_mask=by_mask)
    assert next(iter(scores.metrics.values())) == pytest.approx(1)


def test_difference_counts_what_only_one_sees() -> None:
    other = (40.0, 40.0, 50.0, 50.0)
    same = detections.prediction((BOX, 0.9), (other, 0.2))
    before = [same, same, same, detections.prediction((BOX, 0.9)), detections.prediction()]
    after = [
        same,
        detections.prediction((BOX, 0.6)),
        detections.prediction((BOX, 0.9), (other, 0.8)),
        detections.prediction(((11, 11, 31, 31), 0.9)),
        detections.prediction((BOX, 0.1)),
    ]
    assert object_scores.difference(before, after, 3, 0.5) == pytest.approx([0, 0, 1, 0.3, 0])
    turned = [(boxes, labels + 1, scores) for boxes, labels, scores in before]
    assert object_scores.difference(before, turned, 3, 0.5) == pytest.approx([2, 2, 2, 2, 0])


def test_difference_of_masks_looks_at_what_is_sure() -> None:
    predictions, _ = detections.random(4, 3, with_masks=True)
    assert object_scores.difference(predictions, predictions, 3, 0.5) == pytest.approx(np.zeros(4))
