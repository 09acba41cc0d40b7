"""Intervals and tests: how far a measured difference can be believed."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from jobs.intervals import Interval

Floats = NDArray[np.float64]

_RESAMPLES = 2000
_COSTLY_RESAMPLES = 200
_ALPHA = 0.05
_NORMAL = 1.959964  # as many deviations hold that much of a normal distribution


def paired_mean(differences: Floats, *, seed: int = 0) -> Interval:
    """Mean of per-image differences [n], each within ±1, with a paired percentile bootstrap interval (Efron and
    Tibshirani, ch. 13).

    The bootstrap knows only what was seen: where no image got worse it would be certain that none ever does. So either
    end is at least as far off as what n images without a single such change still allow (the rule of three: 3/n).
    """
    n = len(differences)
    if n == 0:
        raise ValueError("no images to compare")
    value = float(differences.mean())
    means = _resampled_means(differences, np.random.default_rng(seed))
    low, high = np.quantile(means, [_ALPHA / 2, 1 - _ALPHA / 2])
    unseen = min(1.0, 3 / n)
    return Interval(value, min(float(low), value - unseen), max(float(high), value + unseen))


def _resampled_means(differences: Floats, rng: np.random.Generator) -> Floats:
    n = len(differences)
    # Differences take few distinct values (−1, 0, 1 for right or wrong): a multinomial over them is the same
    # bootstrap, thousands of times cheaper than drawing images.
    values, counts = np.unique(differences, return_counts=True)
    if len(values) <= 64:
        means: Floats = rng.multinomial(n, counts / n, size=_RESAMPLES) @ values / n
        return means
    return np.array([differences[rng.integers(0, n, n)].mean() for _ in range(_RESAMPLES)])


def paired_total(total: Callable[[NDArray[np.intp]], float], n: int, *, seed: int = 0) -> Interval:
    """Interval of a difference that is no mean over images (mAP, F1): `total` gets the drawn indices [n]."""
    rng = np.random.default_rng(seed)
    value = total(np.arange(n))
    draws = np.array([total(rng.integers(0, n, n)) for _ in range(_COSTLY_RESAMPLES)])
    low, high = np.quantile(draws, [_ALPHA / 2, 1 - _ALPHA / 2])
    return Interval(value, float(low), float(high))


def widening(n: int) -> float:
    """How many times as wide a percentile bootstrap over n images has to be (Hesterberg 2015).

    It takes the spread of the images for that of all there could be, and knows no Student's t.
    """
    if n < 2:
        return float("inf")
    return _student(n - 1) / _NORMAL * float(np.sqrt(n / (n - 1)))


def mcnemar(worse: int, better: int) -> float:
    """Exact two-sided p that as many images got worse as better (McNemar 1947, binomial form)."""
    n = worse + better
    if n == 0:
        return 1.0
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(worse, better), n, 0.5)))


def ratio(numerators: Floats, denominators: Floats) -> Interval:
    """Geometric mean of paired ratios [n] with Student's t interval on the logarithm; needs at least two pairs."""
    logs = np.log(numerators / denominators)
    return _exponent(_mean_log(logs))


def geometric_mean(values: Floats) -> Interval:
    """Geometric mean of positive values [n] with its interval."""
    return _exponent(_mean_log(np.log(values)))


def _mean_log(logs: Floats) -> Interval:
    """Mean without the outer fifths, and its interval (Yuen 1974): another process' burst spoils single blocks.

    Under five values nothing is cut off.
    """
    n = len(logs)
    cut = n // 5
    ordered = np.sort(logs)
    mean = float(ordered[cut : n - cut].mean())
    if n < 2:
        return Interval(mean, -np.inf, np.inf)
    winsorized = np.clip(ordered, ordered[cut], ordered[n - cut - 1])
    kept = n - 2 * cut
    error = float(winsorized.std(ddof=1)) * np.sqrt((n - 1) / (kept * (kept - 1)))
    half = _student(kept - 1) * error
    return Interval(mean, mean - half, mean + half)


def _exponent(interval: Interval) -> Interval:
    return Interval(*(float(np.exp(end)) for end in (interval.value, interval.low, interval.high)))


def _student(freedom: int) -> float:
    from scipy.special import stdtrit  # scipy.stats has it too, and takes four times as long to import

    return float(stdtrit(freedom, 1 - _ALPHA / 2))


def images_to_tell(drop: Interval, limit: float, n: int) -> int | None:
    """About how many more images would bring the interval of `drop` clear of `limit`; None when that is out of reach.

    The half-width shrinks with the square root of the number of images; one that lies on the limit never clears it.
    """
    distance = abs(drop.value - limit)
    if distance < 1e-4:
        return None
    needed = n * (drop.half_width / distance) ** 2
    return max(1, int(np.ceil(needed - n))) if needed < 1e7 else None
