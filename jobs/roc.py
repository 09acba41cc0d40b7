"""The area under the ROC curve of any number of scores, exactly and in bounded memory, and how far a drop is known.

Scores of pixels come by the hundred million. They are counted by their first 21 bits (sign, exponent and twelve of the
mantissa, which a half-precision number has whole), so that sorting them is adding up two million counters; `rounded`
scores lose nothing by it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_LOST = 11
"""Bits of a float that are not counted by."""
_CODES = 1 << (32 - _LOST)
STEPS = 1024
"""Steps of the histograms that are kept of each image."""
_PIXELS = 1 << 22
"""Scores that are counted at once."""
_RESAMPLES = 1000


def rounded(values: NDArray[Any]) -> NDArray[np.float32]:
    """Floats cut to the bits that are counted by, within 0.025 %."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    cut: NDArray[np.float32] = (bits >> _LOST << _LOST).view(np.float32)
    return cut


Marked = tuple[NDArray[Any], Bools | None]
"""Scores of an image and which of them are positive, both of one shape; None when none is."""


def codes(values: NDArray[Any]) -> NDArray[np.int64]:
    """Whole numbers below 2^21 in the order of the scores, flat."""
    if values.dtype == np.float16:  # of which there are few: looked up
        return _of_halves()[np.ascontiguousarray(values).ravel().view(np.uint16)]
    return _codes(values)


@cache
def _of_halves() -> NDArray[np.int64]:
    """[65536] the code of each half-precision number."""
    with np.errstate(invalid="ignore"):  # some are no numbers
        return _codes(np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32))


def _codes(values: NDArray[Any]) -> NDArray[np.int64]:
    bits = (np.ascontiguousarray(values, np.float32).ravel() + np.float32(0)).view(np.uint32)  # −0 becomes 0
    rising = np.where(bits >> 31 == 1, ~bits, bits | np.uint32(1 << 31))
    return (rising >> _LOST).astype(np.int64)


def values(places: NDArray[Any]) -> NDArray[np.float32]:
    """The scores that have these codes: what `codes` was given, if it was `rounded`."""
    rising = places.astype(np.uint32) << _LOST
    bits = np.where(rising >> 31 == 1, rising & np.uint32((1 << 31) - 1), ~rising) >> _LOST << _LOST
    found: NDArray[np.float32] = bits.astype(np.uint32).view(np.float32)
    return found


@dataclass(frozen=True)
class Counts:
    """How often each score occurs."""

    negative: NDArray[np.int64]
    """[2^21] by code"""
    positive: NDArray[np.int64]


def count(scored: Iterable[Marked]) -> Counts:
    """All scores, image by image."""
    both = np.zeros(2 * _CODES, np.int64)
    waiting: list[NDArray[np.int64]] = []
    for scores, positive in scored:
        waiting.append(_side_by_side(codes(scores), positive, _CODES))
        if sum(map(len, waiting)) >= _PIXELS:
            both += np.bincount(np.concatenate(waiting), minlength=2 * _CODES)
            waiting = []
    if waiting:
        both += np.bincount(np.concatenate(waiting), minlength=2 * _CODES)
    return Counts(both[:_CODES], both[_CODES:])


def _side_by_side(places: NDArray[np.int64], positive: Bools | None, width: int) -> NDArray[np.int64]:
    """Those of positives after those of negatives."""
    return places if positive is None else places + width * positive.ravel()


def ends(counts: Counts) -> tuple[float, float]:
    """The lowest and the highest score that occurs."""
    places = np.flatnonzero(counts.negative + counts.positive)
    low, high = values(places[[0, -1]]).tolist()
    return low, high


def histogram(counted: NDArray[np.int64], edges: Floats) -> tuple[int, ...]:
    """How many of the scores lie between each two edges; those beyond them in the outermost steps."""
    places = np.flatnonzero(counted)
    inside = np.clip(values(places), edges[0], edges[-1])
    found = np.histogram(inside, edges, weights=counted[places].astype(np.float64))[0]
    return tuple(np.rint(found).astype(int).tolist())


def area(negative: NDArray[Any], positive: NDArray[Any]) -> Any:
    """Area under the curve from counts [..., steps] of rising scores; NaN where one kind is missing.

    It is the share of pairs in which the positive has the higher score, equal ones counting half (Mann and Whitney
    1947), as scikit-learn has it.
    """
    below = negative.cumsum(-1) - negative / 2
    pairs = negative.sum(-1) * 1.0 * positive.sum(-1)
    with np.errstate(invalid="ignore"):
        return (positive * below).sum(-1) / pairs


@dataclass(frozen=True)
class Steps:
    """Counts of each image in steps that all images share: what a bootstrap needs."""

    negative: NDArray[np.float32]
    """[n, steps]"""
    positive: NDArray[np.float32]

    @property
    def per_image(self) -> Floats:
        """[n] how well each image's scores stand against those of all images: the mean of its positives' share of
        negatives below, and of its negatives' share of positives above; of what it has of both. NaN for neither."""
        negatives, positives = self.negative.sum(0, dtype=np.float64), self.positive.sum(0, dtype=np.float64)
        below = (negatives.cumsum() - negatives / 2) / max(negatives.sum(), 1)
        above = 1 - (positives.cumsum() - positives / 2) / max(positives.sum(), 1)
        parts = np.stack([_means(self.positive, below), _means(self.negative, above)])
        there = ~np.isnan(parts)
        with np.errstate(invalid="ignore"):
            found: Floats = np.where(there, parts, 0).sum(0) / there.sum(0)
        return found


def _means(counts: NDArray[np.float32], values: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        found: Floats = (counts @ values) / counts.sum(1)
    return found


class Stepper:
    """Scores to steps, fine where there are many of either kind."""

    def __init__(self, counts: Counts) -> None:
        half = STEPS // 2
        levels = sum(_level(one, half) for one in (counts.negative, counts.positive))
        self._step: NDArray[np.int64] = np.unique(levels, return_inverse=True)[1].astype(np.int64)
        self.steps = int(self._step[-1]) + 1

        self._of_halves = self._step[_of_halves()]

    def count(self, scores: NDArray[Any], positive: Bools | None) -> NDArray[np.float32]:
        """[2, steps] how many negative and positive scores of an image are in each."""
        if scores.dtype == np.float16:
            found = self._of_halves[np.ascontiguousarray(scores).ravel().view(np.uint16)]
        else:
            found = self._step[codes(scores)]
        places = _side_by_side(found, positive, self.steps)
        counted: NDArray[np.float32] = np.bincount(places, minlength=2 * self.steps).reshape(2, -1).astype(np.float32)
        return counted


def _level(counts: NDArray[np.int64], levels: int) -> Any:
    """Which share of all is below each code, in so many levels."""
    total = max(int(counts.sum()), 1)
    return (counts.cumsum() * levels - 1) // total


def steps(scored: Iterable[Marked], stepper: Stepper) -> Steps:
    """Counts of each image."""
    found = np.stack([stepper.count(scores, positive) for scores, positive in scored])
    return Steps(found[:, 0], found[:, 1])


# --- how far a drop is known


def draws(strata: NDArray[Any], *, seed: int = 0) -> NDArray[np.float32]:
    """[resamples, n] how often each image is drawn when as many of each stratum are drawn as there are."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((_RESAMPLES, len(strata)), np.float32)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        weights[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=_RESAMPLES)
    return weights


def drawn_areas(weights: NDArray[np.float32], one: Steps) -> Floats:
    """[resamples] the area under the curve of the images as they were drawn."""
    found: Floats = area(
        (weights @ one.negative).astype(np.float64),
        (weights @ one.positive).astype(np.float64),
    )
    return found
