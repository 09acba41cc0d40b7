"""Intervals and tests, against what is known of them."""

import numpy as np
import pytest
from scipy import stats as theirs

from jobs import stats
from jobs.intervals import Interval


def outcomes(worse: int, better: int, images: int) -> np.ndarray:
    return np.array([1.0] * worse + [-1.0] * better + [0.0] * (images - worse - better))


# --- accuracy


def test_paired_mean_is_scipys_bootstrap() -> None:
    differences = outcomes(60, 30, 500)
    ours = stats.paired_mean(differences)
    expected = theirs.bootstrap(
        (differences,), np.mean, method="percentile", n_resamples=2000, rng=np.random.default_rng(0)
    ).confidence_interval
    assert ours.value == pytest.approx(0.06)
    assert (ours.low, ours.high) == (pytest.approx(expected.low, abs=3e-3), pytest.approx(expected.high, abs=3e-3))


def test_paired_mean_of_many_different_values() -> None:
    """Without the short cut for few distinct ones."""
    differences = np.random.default_rng(0).normal(0.1, 0.2, 400)
    ours = stats.paired_mean(differences)
    assert ours.half_width == pytest.approx(1.96 * 0.2 / 20, rel=0.15)
    assert ours.value == pytest.approx(differences.mean())


def test_unseen_changes_are_not_ruled_out() -> None:
    """Nothing changed on 100 images: up to 3 in 100 may. One that got better proves no more about the others."""
    same, one_better = (stats.paired_mean(outcomes(0, better, 100)) for better in (0, 1))
    assert (same.value, same.low, same.high) == (0, -0.03, 0.03)
    assert one_better.high == pytest.approx(0.02)
    assert stats.paired_mean(np.array([1.0])).low == 0


@pytest.mark.parametrize(("images", "worse", "better"), [(50, 0.02, 0.01), (100, 0.01, 0.0), (500, 0.005, 0.002)])
def test_paired_mean_covers_the_truth(images: int, worse: float, better: float) -> None:
    """In at least 93 of 100 repetitions, also where hardly anything changes."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(150):
        lost, won, _ = rng.multinomial(images, [worse, better, 1 - worse - better])
        found = stats.paired_mean(outcomes(lost, won, images))
        covered += found.low <= worse - better <= found.high
    assert covered / 150 >= 0.93


def test_paired_mean_is_the_same_each_time() -> None:
    differences = np.random.default_rng(0).normal(size=100)
    assert stats.paired_mean(differences) == stats.paired_mean(differences)


def test_paired_mean_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no images"):
        stats.paired_mean(np.array([]))


def test_paired_total_is_the_bootstrap_of_any_number() -> None:
    values = np.random.default_rng(0).normal(0, 1, 300)
    found = stats.paired_total(lambda drawn: float(values[drawn].mean()), 300)
    assert found.value == pytest.approx(values.mean())
    assert found.half_width == pytest.approx(1.96 / np.sqrt(300), rel=0.25)


@pytest.mark.parametrize(("worse", "better"), [(0, 0), (5, 5), (10, 2), (0, 6), (200, 150)])
def test_mcnemar_is_the_binomial_test(worse: int, better: int) -> None:
    expected = theirs.binomtest(worse, worse + better).pvalue if worse + better else 1
    assert stats.mcnemar(worse, better) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("drop", "limit", "images", "expected"),
    [
        (Interval(0.0, -0.02, 0.02), 0.01, 500, 1500),  # half the width, four times the images
        (Interval(0.01, -0.01, 0.03), 0.01, 500, None),
        (Interval(0.0099, -0.2, 0.22), 0.01, 500, None),
        (Interval(0.0, -0.011, 0.011), 0.01, 1000, 210),
    ],
)
def test_images_to_tell(drop: Interval, limit: float, images: int, expected: int | None) -> None:
    assert stats.images_to_tell(drop, limit, images) == expected


# --- speed


def test_ratio_of_few_blocks_is_students_interval() -> None:
    """Under five nothing is trimmed."""
    after, before = np.array([11.0, 12.1, 10.4, 11.9]), np.array([10.0, 10.5, 9.9, 10.1])
    logs = np.log(after / before)
    expected = theirs.t.interval(0.95, 3, logs.mean(), theirs.sem(logs))
    found = stats.ratio(after, before)
    assert found.value == pytest.approx(np.exp(logs.mean()))
    assert (found.low, found.high) == (pytest.approx(np.exp(expected[0])), pytest.approx(np.exp(expected[1])))


def test_ratio_of_many_blocks_is_yuens() -> None:
    logs = np.random.default_rng(0).normal(0.2, 0.1, 20)
    ours = stats.geometric_mean(np.exp(logs))
    trimmed = theirs.trim_mean(logs, 0.2)
    error = theirs.mstats.trimmed_stde(logs, limits=(0.2, 0.2))
    assert ours.value == pytest.approx(np.exp(trimmed))
    assert ours.half_width == pytest.approx(np.exp(trimmed) * theirs.t.ppf(0.975, 11) * error, rel=0.1)


def test_one_spoiled_block_changes_little() -> None:
    after, before = np.full(20, 12.0), np.full(20, 10.0)
    after[3], before[7] = 1.0, 0.5
    assert stats.ratio(after, before).value == pytest.approx(1.2)


def test_ratio_covers_the_truth() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        found = stats.ratio(np.exp(rng.normal(0.3, 0.05, 12)), np.exp(rng.normal(0, 0.05, 12)))
        covered += found.low <= np.exp(0.3) <= found.high
    assert 0.9 <= covered / 200 <= 0.99


def test_ratio_of_equal_blocks_is_certain() -> None:
    assert stats.ratio(np.full(5, 3.0), np.full(5, 2.0)) == Interval(*(pytest.approx(1.5),) * 3)


def test_one_block_tells_nothing_of_the_spread() -> None:
    found = stats.geometric_mean(np.array([5.0]))
    assert found.value == pytest.approx(5) and found.low == 0 and found.high == np.inf


def test_bootstrap_of_few_images_is_too_narrow() -> None:
    assert stats.widening(12) == pytest.approx(2.201 / 1.96 * (12 / 11) ** 0.5, abs=1e-3)
    assert 1 < stats.widening(1000) < 1.003 and stats.widening(1) == float("inf")
