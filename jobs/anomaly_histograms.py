"""Scores of normal and anomalous images and pixels as histograms, of both models on one axis."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from jobs.anomaly import AnomalyBound, Truth, image_scores
from jobs.anomaly_scores import How
from jobs.predictions import Prediction
from jobs.report import ScoreCounts, ScoreHistogram
from jobs.roc import Bools, Floats
from jobs.tasks import Bound

_STEPS = 40

_Scored = Callable[[], Iterator[tuple[Floats, Bools]]]
"""Scores, and which of them are anomalous, a part at a time; can be asked again."""


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
        both = (_pixels(before, real), bound.pixel.value), (_pixels(after, real), other.pixel.value)
        found.append(_histogram("Pixel scores", both))
    return tuple(found)


def _images(predictions: Sequence[Prediction], real: Truth) -> _Scored:
    return lambda: iter([(image_scores(predictions), real.anomalous)])


def _pixels(predictions: Sequence[Prediction], real: Truth) -> _Scored:
    def scored() -> Iterator[tuple[Floats, Bools]]:
        for place, (_, whole) in enumerate(predictions):
            mask = real.masks[place]
            if real.known(place):
                size = (whole.shape[0], whole.shape[1])
                yield whole.astype(np.float64), mask.sized(size) if mask else np.zeros(size, np.bool_)

    return scored


def _histogram(title: str, both: tuple[tuple[_Scored, float], tuple[_Scored, float]]) -> ScoreHistogram:
    ends = [(scores.min(), scores.max()) for scored, _ in both for scores, _ in scored()]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    edges = np.linspace(low, high if high > low else low + 1, _STEPS + 1)
    before, after = (_counts(scored, edges, threshold) for scored, threshold in both)
    return ScoreHistogram(title=title, edges=tuple(edges.tolist()), before=before, after=after)


def _counts(scored: _Scored, edges: Floats, threshold: float) -> ScoreCounts:
    normal, anomalous = np.zeros(_STEPS, np.int64), np.zeros(_STEPS, np.int64)
    for scores, odd in scored():
        normal += np.histogram(scores[~odd], edges)[0]
        anomalous += np.histogram(scores[odd], edges)[0]
    return ScoreCounts(normal=tuple(normal.tolist()), anomalous=tuple(anomalous.tolist()), threshold=threshold)
