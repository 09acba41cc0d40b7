"""How far maps of classes lie over each other: IoU and Dice, and how far a loss of them can be believed.

They follow from a confusion matrix of pixels, of which three numbers a class are enough: how many pixels have it in
both maps (its diagonal), in the real one (the sum of its row), and in the answer (the sum of its column).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from jobs import stats
from jobs.intervals import Interval
from jobs.label_codes import VOID
from jobs.label_maps import Map

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

_RESAMPLES = 1000
_AT_ONCE = 50  # resamples, so that memory stays within bounds
_ALPHA = 0.05
UNSEEN_CHANGE = 0.1
"""How much an image that nobody saw may change by, at least."""


@dataclass(frozen=True)
class Overlaps:
    """Pixels that count, class by class: [classes] of one pair of maps, [n, classes] of many, or sums of them."""

    both: Counts
    real: Counts
    answered: Counts
    averaged: NDArray[np.bool_]
    """[classes] those that a mean is over: a class that the annotations cannot name is no fault of the model's."""

    def total(self) -> "Overlaps":
        """Of all pairs together."""
        return Overlaps(self.both.sum(0), self.real.sum(0), self.answered.sum(0), self.averaged)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Classes that are in either map, and that count."""
        result: NDArray[np.bool_] = (self.real + self.answered > 0) & self.averaged
        return result

    def iou(self) -> Floats:
        """Intersection over union of each class (Jaccard); 0 for one that is in neither map."""
        return np.asarray(self.both / np.maximum(self.real + self.answered - self.both, 1))

    def dice(self) -> Floats:
        """Twice the intersection over the sum of both areas; 0 for one that is in neither map."""
        return np.asarray(2 * self.both / np.maximum(self.real + self.answered, 1))

    def mean_iou(self) -> Floats:
        """Over the classes present; 1 where none is."""
        present = self.present
        found = present.sum(-1)
        means: Floats = np.where(found, (self.iou() * present).sum(-1) / np.maximum(found, 1), 1.0)
        return means

    def dice_of_pixels(self, without: int = -1) -> float | None:
        """Dice of all classes in one, every pixel weighing the same, as OTX has it: without the background.

        None where neither map holds another class. Without a background it is the share of pixels that agree.
        """
        kept = np.arange(self.both.shape[-1]) != without
        areas = int((self.real + self.answered)[..., kept].sum())
        return float(2 * self.both[..., kept].sum() / areas) if areas else None

    def agreement(self) -> float:
        """Share of pixels whose class is the same in both maps; 1 where none counts."""
        pixels = int(self.real.sum())
        return float(self.both.sum() / pixels) if pixels else 1.0


def count(real: Map, answer: Map, classes: int) -> Counts:
    """[3, classes] pixels in both, in the real map and in the answer; pixels that are VOID in either do not count."""
    counting = (real != VOID) & (answer != VOID)
    same = (real == answer) & counting
    rows = [_histogram(real, same), _histogram(real, counting), _histogram(answer, counting)]
    return np.asarray(np.stack(rows)[:, :classes])


def _histogram(numbers: Map, where: NDArray[np.bool_]) -> Counts:
    """Twice as fast as NumPy's."""
    found = cv2.calcHist([numbers], [0], where.view(np.uint8), [256], [0, 256])
    return np.asarray(np.rint(found).ravel(), np.int64)


def drop(before: Overlaps, after: Overlaps, *, seed: int = 0) -> Interval:
    """Mean IoU before minus after, over [n, classes] each, with a paired percentile bootstrap over images.

    The bootstrap knows only what was seen. As many images as n of them still allow (the rule of three: 3/n) may change
    otherwise, each by as much as the one that changed most, or by a tenth.
    """
    images = len(before.both)
    value = float(before.total().mean_iou() - after.total().mean_iou())
    draws = np.concatenate([_means(before, chosen) - _means(after, chosen) for chosen in _drawn(images, seed)])
    low, high = (float(end) - value for end in np.quantile(draws, [_ALPHA / 2, 1 - _ALPHA / 2]))
    worst = float(np.abs(before.mean_iou() - after.mean_iou()).max())
    unseen = min(1.0, 3 / images) * max(worst, UNSEEN_CHANGE)
    if images > 1:
        low, high = low * stats.widening(images), high * stats.widening(images)
    return Interval(value, value + min(low, -unseen), value + max(high, unseen))


def _drawn(images: int, seed: int) -> Iterator[Floats]:
    """How often each image is drawn, [resamples, images] at a time."""
    rng = np.random.default_rng(seed)
    for _ in range(_RESAMPLES // _AT_ONCE):
        yield rng.multinomial(images, np.full(images, 1 / images), size=_AT_ONCE).astype(np.float64)


def _means(overlaps: Overlaps, chosen: Floats) -> Floats:
    """Mean IoU of each resample."""
    sums = [np.rint(chosen @ part).astype(np.int64) for part in (overlaps.both, overlaps.real, overlaps.answered)]
    return Overlaps(sums[0], sums[1], sums[2], overlaps.averaged).mean_iou()
