from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from jobs import anomaly_thresholds
from jobs.anomaly import AnomalyBound, Threshold
from jobs.predictions import Prediction
from jobs.tasks import Ask, Scores

Pixels = anomaly_thresholds.Pixels


def nothing(*_: Any) -> Prediction:
    raise AssertionError("nobody asks a model")


BOUND = AnomalyBound((0,), ("Normal",), (), nothing, image=Threshold(90, 200), pixel=Threshold(80, 200))


def pictures(n: int = 16) -> Pixels:
    """Light grey, so that a negative of it is dark."""
    return np.clip(np.random.default_rng(0).normal(180, 10, (n, 32, 32, 3)), 0, 255).astype(np.uint8)


def asking(seen: Callable[[Any], Any]) -> Ask:
    """How far pixels are from light grey, as this model sees it."""

    def ask(pixels: Pixels) -> list[Prediction]:
        maps = [seen(np.abs(one.astype(np.float32) - 180).mean(2)).astype(np.float16) for one in pixels]
        return [(whole.max().reshape(1).astype(np.float32), whole) for whole in maps]

    return ask


original = asking(lambda distance: distance)


def test_patches_are_where_they_are_said_to_be() -> None:
    pixels = pictures()
    made, where = anomaly_thresholds.patched(pixels)
    changed = (made != pixels).any(3)
    assert not changed[~where].any() and changed[where].mean() > 0.9
    assert where.any((1, 2)).all() and where.mean() < 0.3
    assert (anomaly_thresholds.patched(pixels)[0] == made).all(), "the same ones every time"


@pytest.mark.parametrize(
    "seen",
    [
        lambda distance: distance * 0.5 + 3,
        lambda distance: np.round(distance * 1.3),
        lambda distance: np.minimum(distance, 100) ** 0.5,
    ],
    ids=["shifted", "rounded", "bent"],
)
def test_thresholds_follow_the_scores(seen: Callable[[Any], Any]) -> None:
    bound = replace(BOUND, image=Threshold(40, 200), pixel=Threshold(30, 200))
    found = anomaly_thresholds.refit(bound, pictures, original, asking(seen)).bound
    assert isinstance(found, AnomalyBound) and found.image and found.pixel and found.original == bound
    images, _ = anomaly_thresholds.patched(pictures(), seed=9)
    for (score, whole), (other, map_) in zip(original(images), asking(seen)(images), strict=True):
        if abs(score[0] - 40) > 3:
            assert (score[0] > 40) == (other[0] > found.image.value)
        assert ((whole >= 30) == (map_ >= found.pixel.value)).mean() > 0.97


def test_model_that_is_tried_gets_thresholds_without_being_asked() -> None:
    bound = replace(BOUND, image=Threshold(40, 200), pixel=Threshold(30, 200))
    images, _ = anomaly_thresholds.patched(pictures())
    halved = asking(lambda distance: distance * 0.5 + 3)
    found = anomaly_thresholds.matched(bound, original(images), halved(images))
    assert isinstance(found, AnomalyBound) and found.image and found.pixel and found.original == bound
    assert (found.image.value, found.image.scale, found.pixel.value) == pytest.approx((23, 100, 18), abs=1)
    sealed = anomaly_thresholds.matched(replace(bound, sealed=True), original(images), halved(images))
    assert isinstance(sealed, AnomalyBound) and sealed.image == bound.image


def test_thresholds_stay_where_the_scores_do() -> None:
    settled = anomaly_thresholds.refit(BOUND, pictures, original, original)
    found = settled.bound
    assert isinstance(found, AnomalyBound) and found.image and found.pixel
    assert (found.image.value, found.image.scale, found.pixel.value) == pytest.approx((90, 200, 80), abs=0.1)
    assert {name: float(value) for name, value in settled.model_info.items()} == pytest.approx(
        {"image_threshold": 90, "pixel_threshold": 80, "normalization_scale": 200}, abs=0.1
    )
    assert "fitted anew" in settled.notes[0]


def test_threshold_beyond_all_scores_moves_with_their_spread() -> None:
    one = np.linspace(0, 10, 50)
    assert anomaly_thresholds.same_rank(20, one, one * 0.5 + 1) == pytest.approx(11)
    assert anomaly_thresholds.same_rank(-4, one, one * 0.5 + 1) == pytest.approx(-1)


def test_thresholds_inside_the_graph_stay() -> None:
    settled = anomaly_thresholds.refit(replace(BOUND, sealed=True), pictures, original, original)
    assert settled.model_info == {} and "inside the model's graph" in settled.notes[0]


def test_lowest_and_highest_score_of_otx_1_follow_too() -> None:
    found = anomaly_thresholds.refit(replace(BOUND, low=2.0), pictures, original, original).model_info
    assert float(found["min"]) == pytest.approx(2, abs=1) and float(found["max"]) > 200


def test_model_without_thresholds_gets_some() -> None:
    settled = anomaly_thresholds.settle(replace(BOUND, image=None, pixel=None), pictures, original)
    found = settled.bound
    assert isinstance(found, AnomalyBound) and found.image and found.pixel
    normal, odd = (
        np.array([score[0] for score, _ in original(images)])
        for images in (pictures(), anomaly_thresholds.patched(pictures(), seed=9)[0])
    )
    assert (normal < found.image.value).mean() > 0.8 and 0 < found.pixel.value < 120
    assert (odd > found.image.value).mean() > 0.6, "turned patches look like all else to this model"
    assert "says no thresholds" in settled.notes[0]


def test_model_with_thresholds_is_asked_nothing() -> None:
    def nobody(*_: Any) -> Any:
        raise AssertionError

    assert anomaly_thresholds.settle(BOUND, nobody, nobody).bound is BOUND


def test_best_cut_is_where_f1_is_best() -> None:
    rng = np.random.default_rng(3)
    scores = np.round(rng.normal(0, 1, 200), 1)
    positive = rng.random(200) < 1 / (1 + np.exp(-3 * scores))
    cut = anomaly_thresholds.best_cut(scores, positive, anomaly_thresholds.f1)
    best = max(f1_score(positive, scores >= other) for other in np.unique(scores))
    assert f1_score(positive, scores >= cut) == pytest.approx(best)
    apart = np.array([1.0, 2, 9, 11]), np.array([False, False, True, True])
    assert anomaly_thresholds.best_cut(*apart, anomaly_thresholds.youden) == 5.5


def test_what_copying_would_have_come_to_is_told() -> None:
    def scores(image: float, pixel: float) -> Scores:
        return Scores({"pixel_auroc": 0.9, "pixel_f1": pixel, "image_f1": image}, {}, np.zeros(3))

    (told,) = anomaly_thresholds.compared(scores(0.58, 0.5), scores(0.716, 0.5))
    assert "image F1 0.580 instead of 0.716." in told and "pixel" not in told
    (same,) = anomaly_thresholds.compared(scores(0.7, 0.5), scores(0.7, 0.5))
    assert "the same" in same
