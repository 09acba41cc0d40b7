import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from jobs import roc
from jobs.roc import Bools

Images = list[tuple[NDArray[np.float32], Bools | None]]


def images(kind: type[np.floating], count: int = 20, *, scale: float = 1.0) -> Images:
    """Maps in which what is high is anomalous more often; every other image is normal."""
    rng = np.random.default_rng(0)
    found: Images = []
    for place in range(count):
        scores = rng.normal(3, 2, (32, 24)) * scale
        odd = rng.random(scores.shape) < 1 / (1 + np.exp(5 - scores / scale))
        kept = scores.astype(np.float16) if kind is np.float16 else roc.rounded(scores)
        found.append((kept, odd if place % 2 else None))
    return found


def flat(marked: Images) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    odd = np.concatenate([np.zeros(one.size, bool) if mask is None else mask.ravel() for one, mask in marked])
    return odd, np.concatenate([one.ravel() for one, _ in marked]).astype(np.float64)


@pytest.mark.parametrize(("kind", "scale"), [(np.float16, 1.0), (np.float32, 1e-7), (np.float32, 1e9)])
def test_area_is_scikit_learns(kind: type[np.floating], scale: float) -> None:
    marked = images(kind, scale=scale)
    counts = roc.count(marked)
    odd, scores = flat(marked)
    assert roc.area(counts.negative, counts.positive) == pytest.approx(roc_auc_score(odd, scores), abs=1e-12)


def test_equal_scores_count_half() -> None:
    scores = np.round(images(np.float16)[1][0])
    odd = images(np.float16)[1][1]
    assert odd is not None
    counts = roc.count([(scores, odd)])
    expected = roc_auc_score(odd.ravel(), scores.ravel())
    assert roc.area(counts.negative, counts.positive) == pytest.approx(expected, abs=1e-12)


def test_area_of_one_kind_is_unknown() -> None:
    counts = roc.count([(np.ones((2, 2), np.float16), None)])
    assert np.isnan(roc.area(counts.negative, counts.positive))


def test_codes_rise_with_scores_and_tell_them() -> None:
    scores = np.array([-np.inf, -3e38, -1.5, -1e-30, -0.0, 0.0, 1e-30, 0.1, 1.5, 3e38, np.inf], np.float32)
    places = roc.codes(scores)
    assert (np.diff(places) >= 0).all() and places[4] == places[5]
    assert roc.values(places)[[2, 4, 8]].tolist() == [-1.5, 0, 1.5]
    halves = np.linspace(-9, 9, 200).astype(np.float16)
    assert (roc.values(roc.codes(halves)) == halves.astype(np.float32)).all()


def test_rounding_changes_little() -> None:
    scores = np.random.default_rng(1).normal(0, 1e5, 1000)
    assert np.allclose(roc.rounded(scores), scores, rtol=2.5e-4)
    assert (roc.values(roc.codes(roc.rounded(scores))) == roc.rounded(scores)).all()


def test_steps_keep_the_area_and_tell_of_each_image() -> None:
    marked = images(np.float16)
    counts = roc.count(marked)
    kept = roc.steps(marked, roc.Stepper(counts))
    exact = roc.area(counts.negative, counts.positive)
    assert roc.drawn_areas(np.ones((1, 20), np.float32), kept)[0] == pytest.approx(exact, abs=1e-4)
    assert kept.per_image.shape == (20,) and ((0 < kept.per_image) & (kept.per_image < 1)).all()


def test_draws_keep_as_many_of_each_stratum() -> None:
    odd = np.arange(30) < 4
    weights = roc.draws(odd)
    assert (weights[:, odd].sum(1) == 4).all() and (weights[:, ~odd].sum(1) == 26).all()
    assert (roc.draws(odd) == weights).all(), "the same ones for both models"
