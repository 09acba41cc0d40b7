"""Scores of normal and anomalous images and pixels as histograms, of both models on one axis."""

from collections.abc import Sequence

import numpy as np

from jobs import roc
from jobs.anomaly import AnomalyBound, Truth, image_scores
from jobs.anomaly_scores import How, marked
from jobs.predictions import Prediction
from jobs.report import ScoreCounts, ScoreHistogram
from jobs.roc import Counts
from jobs.tasks import Bound

_STEPS = 40

_Counted = tuple[Counts, float]
"""Scores of a model, and its threshold."""


def histograms(
    before: Sequence[Prediction], after: Sequence[Prediction], real: Truth, bound: Bound, other: Bound, *, how: How
) -> tuple[ScoreHistogram, ...]:
    """Of images, and where masks tell of them of pixels; none without thresholds."""
    assert isinstance(bound, AnomalyBound) and isinstance(other, AnomalyBound)
    found = []
    if bound.image is not None and other.image is not None:
        both = (_images(before, real), bound.image.value), (_images(after, real), other.image.value)
        found.append(_histogram("Image scores", both))
    if how == "pixels" and bound.pixel is not None and other.pixel is not None:
        both = (roc.count(marked(before, real)), bound.pixel.value), (roc.count(marked(after, real)), other.pixel.value)
        found.append(_histogram("Pixel scores", both))
    return tuple(found)


def _images(predictions: Sequence[Prediction], real: Truth) -> Counts:
    return roc.count([(image_scores(predictions), real.anomalous)])


def _histogram(title: str, both: tuple[_Counted, _Counted]) -> ScoreHistogram:
    ends = [end for counts, _ in both for end in roc.ends(counts)]
    low, high = min(ends), max(ends)
    edges = np.linspace(low, high if high > low else low + 1, _STEPS + 1)
    before, after = (
        ScoreCounts(
            normal=roc.histogram(counts.negative, edges),
            anomalous=roc.histogram(counts.positive, edges),
            threshold=threshold,
        )
        for counts, threshold in both
    )
    return ScoreHistogram(title=title, edges=tuple(edges.tolist()), before=before, after=after)
