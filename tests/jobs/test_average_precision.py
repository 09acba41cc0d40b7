"""Our average precision is COCO's."""

import contextlib
import io
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from jobs import average_precision, matching
from jobs.objects import Objects
from jobs.predictions import Prediction
from tests.jobs import detections

BOX = (10.0, 10.0, 30.0, 30.0)
ELSEWHERE = (40.0, 40.0, 50.0, 50.0)


def matched(predictions: Sequence[Prediction], truth: Sequence[Objects], classes: int = 1) -> matching.Matches:
    return matching.match(predictions, truth, classes, by_mask=False)


def theirs(predictions: Sequence[Prediction], truth: Sequence[Objects], classes: int, kind: str, library: str) -> Any:
    """[classes, 10] of another library; NaN for a class without objects."""
    if library == "pycocotools":
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    else:
        from faster_coco_eval import COCO
        from faster_coco_eval import COCOeval_faster as COCOeval
    annotations, results = [], []
    for image, objects in enumerate(truth, start=1):
        for place, (box, label, crowd) in enumerate(zip(objects.boxes, objects.labels, objects.crowd, strict=True)):
            entry = _entry(image, int(label), box, objects.masks[place] if objects.masks else None)
            annotations.append({**entry, "id": len(annotations) + 1, "iscrowd": int(crowd), "area": 1})
    for image, (boxes, labels, scores, *packed) in enumerate(predictions, start=1):
        rles = matching.masks.unpack(*packed) if packed else [None] * len(scores)
        for box, label, score, rle in zip(boxes, labels, scores, rles, strict=True):
            results.append({**_entry(image, int(label), box, rle), "score": float(score)})
    height, width = detections.SIZE
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        true = COCO()
        true.dataset = {
            "images": [{"id": image, "height": height, "width": width} for image in range(1, len(truth) + 1)],
            "annotations": annotations,
            "categories": [{"id": label + 1, "name": str(label)} for label in range(classes)],
        }
        true.createIndex()
        judge = COCOeval(true, true.loadRes(results), kind)
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"][:, :, :, 0, 2]  # of all sizes, 100 predictions
    return np.where(precision < 0, np.nan, precision).mean(1).T


def _entry(image: int, label: int, box: np.ndarray, rle: bytes | None) -> dict[str, Any]:
    x0, y0, x1, y1 = (float(number) for number in box)
    entry: dict[str, Any] = {"image_id": image, "category_id": label + 1, "bbox": [x0, y0, x1 - x0, y1 - y0]}
    if rle is not None:
        entry["segmentation"] = {"size": list(detections.SIZE), "counts": rle}
    return entry


@pytest.mark.parametrize("library", ["pycocotools", "faster_coco_eval"])
@pytest.mark.parametrize(("images", "classes", "strays"), [(20, 3, 20), (8, 1, 160), (25, 40, 20), (5, 2, 0)], ids=str)
def test_boxes_are_theirs(images: int, classes: int, strays: int, library: str) -> None:
    """With crowds, equal scores, objects found twice, classes without objects, and over 100 predictions a class."""
    predictions, truth = detections.random(images, classes, seed=classes, strays=strays)
    expected = theirs(predictions, truth, classes, "bbox", library)
    np.testing.assert_allclose(average_precision.per_class(matched(predictions, truth, classes)), expected, atol=1e-9)


@pytest.mark.parametrize("library", ["pycocotools", "faster_coco_eval"])
def test_masks_are_theirs(library: str) -> None:
    predictions, truth = detections.random(12, 3, with_masks=True)
    expected = theirs(predictions, truth, 3, "segm", library)
    found = matching.match(predictions, truth, 3, by_mask=True)
    np.testing.assert_allclose(average_precision.per_class(found), expected, atol=1e-9)


def test_masks_without_a_known_size_are_the_same() -> None:
    """Predictions taken as the truth do not know how large their image is."""
    predictions, truth = detections.random(6, 2, with_masks=True)
    unsized = [Objects(each.boxes, each.labels, each.crowd, each.masks) for each in truth]
    known, unknown = (matching.match(predictions, each, 2, by_mask=True) for each in (truth, unsized))
    assert (known.found == unknown.found).all()
    assert (known.ignored == unknown.ignored).all()


def test_prediction_takes_the_object_it_overlaps_most() -> None:
    two = detections.objects(BOX, (12, 10, 32, 30))
    right = detections.prediction(((12, 10, 32, 30), 0.9), (BOX, 0.8))
    assert matched([right], [two]).found.all()


def test_second_prediction_of_an_object_is_wrong() -> None:
    twice = detections.prediction((BOX, 0.9), (BOX, 0.8))
    assert matched([twice], [detections.objects(BOX)]).found.tolist() == [[True, False]] * 10


def test_prediction_in_a_crowd_is_ignored() -> None:
    crowd = detections.objects(BOX, crowd=True)
    found = matched([detections.prediction(((12, 12, 16, 16), 0.9), (ELSEWHERE, 0.5))], [crowd])
    assert found.ignored.tolist() == [[True, False]] * 10
    assert found.objects.sum() == 0


def test_class_the_model_does_not_know_is_left_out() -> None:
    assert len(matched([detections.prediction((BOX, 0.9), label=7)], [detections.objects(BOX)]).score) == 0


def test_no_image_is_an_error() -> None:
    with pytest.raises(ValueError, match="no images"):
        matched([], [])


def test_image_alone_is_a_dataset_of_one() -> None:
    predictions, truth = detections.random(30, 4)
    scores = average_precision.per_image(matched(predictions, truth, 4))
    for score, prediction, objects in zip(scores, predictions, truth, strict=True):
        if (~objects.crowd).any():
            alone = average_precision.per_class(matched([prediction], [objects], 4))
            assert score == pytest.approx(np.nanmean(alone))


def test_image_without_objects_is_worth_what_is_not_predicted() -> None:
    predictions = [detections.prediction(), detections.prediction((BOX, 0.25), (BOX, 0.1))]
    empty = [detections.objects()] * 2
    assert average_precision.per_image(matched(predictions, empty)).tolist() == [1.0, 0.75]


def test_resampled_mean_is_that_of_the_drawn_images() -> None:
    predictions, truth = detections.random(25, 3, crowd=0.2)
    rng = np.random.default_rng(1)
    predictions = [(boxes, labels, rng.random(len(labels))) for boxes, labels, _ in predictions]  # no equal scores
    drawn = rng.integers(0, 25, (3, 25))
    weights = np.array([np.bincount(draw, minlength=25) for draw in drawn], np.float32).T
    found = average_precision._means(matched(predictions, truth, 3), weights)
    expected = [
        np.nanmean(average_precision.per_class(matched([predictions[i] for i in draw], [truth[i] for i in draw], 3)))
        for draw in drawn
    ]
    assert found == pytest.approx(expected, abs=2e-3)  # copies of an image share their scores, which COCO orders


def test_drop_of_a_worse_detector_is_seen_and_its_interval_holds_it() -> None:
    predictions, truth = detections.random(120, 3)
    rng = np.random.default_rng(0)
    worse = [(boxes + rng.normal(0, 1.5, boxes.shape), labels, scores) for boxes, labels, scores in predictions]
    drop = average_precision.drop(matched(predictions, truth, 3), matched(worse, truth, 3))
    assert 0 < drop.low < drop.value < drop.high < 0.2


def test_drop_is_known_in_blocks_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    predictions, truth = detections.random(30, 2)
    pair = matched(predictions, truth, 2), matched([detections.prediction()] * 30, truth, 2)
    whole = average_precision.drop(*pair)
    monkeypatch.setattr(average_precision, "_BLOCK", 100)
    assert average_precision.drop(*pair) == whole
