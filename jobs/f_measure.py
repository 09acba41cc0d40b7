"""OTX's F-measure of objects: the best over confidence thresholds, at an intersection over union of 0.5.

As OTX counts it, an object is found when a prediction of its class overlaps it by half or more, and each prediction
that overlaps several pays for all but one of them.
"""

from dataclasses import dataclass

import numpy as np

from jobs.matching import Floats, Ints, Matches

CONFIDENCES = np.arange(0.025, 1.0, 0.025)
"""Those tried; a prediction counts when its score is above."""


@dataclass(frozen=True)
class FMeasure:
    """How good it gets, and where."""

    value: float
    """Over all objects together."""
    confidence: float
    """From which on predictions count for that; of equally good ones the highest."""
    per_class: Floats
    """[classes] the best of each class at a confidence of its own; NaN for one without objects."""


def best(matches: Matches) -> FMeasure:
    """The highest F-measure. A crowd, and predictions inside one, do not count."""
    objects = np.bincount(matches.object_label, minlength=matches.classes)
    outside = ~matches.ignored[0]
    label, score, touched = matches.label[outside], matches.score[outside], matches.touched[outside]
    predicted = _above(label, score, np.ones(len(label)), matches.classes)
    seen = _above(matches.object_label, matches.best, np.ones(len(matches.best)), matches.classes)
    twice = _above(label, score, np.maximum(touched - 1, 0), matches.classes)
    found = seen - twice
    together = _f_measure(found.sum(1), predicted.sum(1), objects.sum(keepdims=True))
    at = len(CONFIDENCES) - 1 - int(together[::-1].argmax())
    per_class = _f_measure(found, predicted, objects).max(0)
    return FMeasure(float(together[at]), float(CONFIDENCES[at]), np.where(objects > 0, per_class, np.nan))


def _above(label: Ints, score: Floats, amount: Floats, classes: int) -> Floats:
    """[confidences, classes] the sum of `amount` over those whose score is above each confidence."""
    passed = np.searchsorted(CONFIDENCES, score, side="left")  # how many confidences are below the score
    places = passed * classes + label
    sums = np.bincount(places, amount, minlength=(len(CONFIDENCES) + 1) * classes).reshape(-1, classes)
    return sums[::-1].cumsum(0)[::-1][1:]


def _f_measure(found: Floats, predicted: Floats, objects: Ints) -> Floats:
    """The harmonic mean of precision and recall; 0 where there is nothing to find or to judge."""
    there = (predicted > 0) & (objects > 0)
    return np.where(there, np.maximum(2 * found / np.maximum(predicted + objects, 1), 0), 0.0)
