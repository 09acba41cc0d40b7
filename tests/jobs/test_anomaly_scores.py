"""Metrics against scikit-learn's on the same predictions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score, roc_auc_score

from jobs import anomaly, anomaly_scores
from jobs.anomaly import AnomalyBound, Threshold, Truth
from jobs.anomaly_scores import How
from jobs.predictions import Prediction
from jobs.tasks import Scores

SIZE = (24, 20)


def nothing(*_: Any) -> Prediction:
    raise AssertionError("nobody asks a model")


BOUND = AnomalyBound(
    (0,), ("Normal", "scratch", "spot"), (0, 1, 2), nothing, image=Threshold(2.8, 4.0), pixel=Threshold(2.2, 4.0)
)


def case(seed: int = 0, n: int = 30) -> tuple[list[Prediction], Truth, NDArray[np.bool_]]:
    """Predictions that are right more often than not, the truth, and masks [n, h, w]."""
    rng = np.random.default_rng(seed)
    kinds = np.arange(n) % 3
    masks = np.zeros((n, *SIZE), np.bool_)
    said: list[Prediction] = []
    for mask, kind in zip(masks, kinds, strict=True):
        whole = rng.normal(1, 0.5, SIZE)
        if kind:
            top, left = rng.integers(0, 12, 2)
            mask[top : top + 6, left : left + 5] = True
            whole[top + 1 : top + 7, left : left + 5] += rng.normal(1.2 + 0.4 * kind, 0.4)
        packed = whole.astype(np.float16)
        said.append((packed.max().reshape(1).astype(np.float32), packed))
    drawn = tuple(anomaly.packed(mask) if kind else None for mask, kind in zip(masks, kinds, strict=True))
    return said, Truth(kinds.astype(np.int64), drawn), masks


def score(said: Sequence[Prediction], real: Truth, how: How, bound: AnomalyBound = BOUND) -> Scores:
    return anomaly_scores.score(said, real, bound, how=how)


def flat(said: Sequence[Prediction]) -> NDArray[np.float64]:
    return np.stack([whole for _, whole in said]).astype(np.float64).ravel()


@pytest.mark.parametrize("seed", range(3))
def test_areas_and_f1_are_scikit_learns(seed: int) -> None:
    said, real, masks = case(seed)
    found = score(said, real, "pixels").metrics
    scores = anomaly.image_scores(said)
    expected = {
        "pixel_auroc": roc_auc_score(masks.ravel(), flat(said)),
        "pixel_f1": f1_score(masks.ravel(), flat(said) >= np.float32(2.2)),
        "image_auroc": roc_auc_score(real.anomalous, scores),
        "image_f1": f1_score(real.anomalous, scores > 2.8),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    assert score(said, real, "image").metrics["image_auroc"] == found["image_auroc"]


def test_f_measure_of_images_is_otxs() -> None:
    """Over both labels together, at the best confidence: at the lowest it is the share of right answers."""
    said, real, _ = case()
    right = (anomaly.image_scores(said) > 2.8) == real.anomalous
    assert score(said, real, "image").metrics["f_measure"] >= right.mean()
    certain = replace(BOUND, image=Threshold(2.8, 1e-6))  # every answer is equally sure
    assert score(said, real, "image", certain).metrics["f_measure"] == pytest.approx(right.mean())


def test_boxes_are_found_at_half_an_overlap() -> None:
    said, real, _ = case(n=3)
    empty = np.zeros(SIZE, np.float16)
    low = np.zeros(1, np.float32)
    near, far = empty.copy(), empty.copy()
    near[0:5, 0:4] = 3
    far[15:20, 10:14] = 3
    mask = np.zeros(SIZE, np.bool_)
    mask[0:5, 0:5] = True
    drawn = (None, anomaly.packed(mask), anomaly.packed(mask))
    truth = Truth(np.array([0, 1, 2]), drawn)
    found = score([(low, empty), (low, near), (low, far)], truth, "boxes")
    assert found.metrics["box_f1"] == pytest.approx(0.5), "one found, one wrong, one missed"
    assert found.per_image.tolist() == [1, 1, 0]
    assert found.per_class["scratch"]["box_f1"] == 1 and found.per_class["spot"]["box_f1"] == 0
    assert score(said, real, "boxes").metrics["box_f1"] > 0.2


def test_each_kind_of_defect_is_told_apart() -> None:
    said, real, _ = case(n=90)
    per_class = score(said, real, "pixels").per_class
    scores = anomaly.image_scores(said)
    scratch = real.kinds != 2
    assert per_class["scratch"]["image_auroc"] == pytest.approx(roc_auc_score(real.anomalous[scratch], scores[scratch]))
    assert per_class["scratch"]["recall"] == pytest.approx((scores[real.kinds == 1] > 2.8).mean())
    assert per_class["spot"]["pixel_auroc"] > per_class["scratch"]["pixel_auroc"]


def test_image_without_a_mask_counts_among_images_only() -> None:
    said, real, masks = case()
    without = replace(real, masks=(*real.masks[:-1], None))
    found = score(said, without, "pixels")
    expected = roc_auc_score(masks[:-1].ravel(), flat(said[:-1]))
    assert found.metrics["pixel_auroc"] == pytest.approx(expected, abs=1e-9)
    assert found.metrics["image_auroc"] == score(said, real, "pixels").metrics["image_auroc"]
    assert np.isfinite(found.per_image).all()


def test_mask_of_another_size_is_stretched() -> None:
    said, real, masks = case()
    large = tuple(anomaly.packed(np.kron(mask, np.ones((2, 2)))) if mask.any() else None for mask in masks)
    assert score(said, replace(real, masks=large), "pixels").metrics == score(said, real, "pixels").metrics


def test_without_thresholds_what_needs_none_is_measured() -> None:
    said, real, _ = case()
    assert set(score(said, real, "pixels", replace(BOUND, image=None, pixel=None)).metrics) == {
        "pixel_auroc",
        "image_auroc",
    }


def test_of_one_kind_nothing_is_known() -> None:
    said, real, _ = case()
    normal = np.flatnonzero(real.kinds == 0)
    found = score([said[place] for place in normal], Truth(real.kinds[normal], (None,) * len(normal)), "pixels")
    assert found.metrics["pixel_auroc"] == found.metrics["image_auroc"] == 0.5
    assert np.isfinite(found.per_image).all()
    same = anomaly_scores.compare(found, found)
    assert same.value == 0 and same.low < 0 < same.high


@pytest.mark.parametrize("how", ["image", "boxes", "pixels"])
def test_drop_has_an_interval_of_images(how: How) -> None:
    said, real, _ = case(n=60)
    rng = np.random.default_rng(5)
    worse = [(one + rng.normal(0, 1.2, 1).astype(np.float32), whole[::-1].copy()) for one, whole in said]
    before, after = score(said, real, how), score(worse, real, how)
    drop = anomaly_scores.compare(before, after)
    name = anomaly_scores.NAMES[how][0]
    assert drop.value == pytest.approx(before.metrics[name] - after.metrics[name]) and drop.value > 0
    assert 0 < drop.low < drop.value < drop.high < 1
    same = anomaly_scores.compare(before, before)
    assert (same.value, same.low, same.high) == pytest.approx((0, -3 / 60, 3 / 60))
