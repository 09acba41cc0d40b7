"""What predictions of an anomaly task are worth: of images, of pixels, of boxes, and of each kind of defect.

AUROC and F1 are scikit-learn's, over all images or over all pixels of all images together, with a mask stretched to the
size of the model's map, as anomalib does it. F1 is that at the model's own threshold. The F-measures are OTX's: of
images over both labels together, of boxes (its local score of anomaly detection) at the best confidence. OTX's local
score of anomaly segmentation, Dice over all pixels, is the F1 of pixels. An anomalous image without a mask counts among
images, not among pixels and boxes, as in OTX.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from jobs import f_measure, labels, matching, roc, titles
from jobs.anomaly import AnomalyBound, Threshold, Truth, components, image_scores
from jobs.intervals import Interval
from jobs.objects import Objects
from jobs.predictions import Prediction
from jobs.roc import Bools, Floats, Steps
from jobs.tasks import Bound, Metric, Scores

How = Literal["image", "boxes", "pixels"]
NAMES: Mapping[How, tuple[str, ...]] = {
    "image": ("image_auroc", "image_f1", "f_measure"),
    "boxes": ("box_f1", "image_auroc", "image_f1", "box_f_measure", "f_measure"),
    "pixels": ("pixel_auroc", "pixel_f1", "image_auroc", "image_f1", "f_measure"),
}
"""Metrics of each task, the primary one first."""
CHANCE: Mapping[How, float] = {"image": 0.5, "boxes": 0.02, "pixels": 0.5}
_FEW = 5
"""Changed images, under which the bootstrap knows too little."""
_KIND_AREA = "image_auroc"


def metrics(how: How) -> tuple[Metric, ...]:
    """With their titles."""
    return tuple(Metric(name, titles.METRICS[name]) for name in NAMES[how])


@dataclass(frozen=True)
class Evidence:
    """What a bootstrap over images needs."""

    anomalous: Bools
    """[n]: as many of each kind are drawn as there are"""
    steps: Steps | None
    """Of a primary metric that is an area under a curve."""
    counts: Floats | None = None
    """[n, 3] found, wrongly found and missed, of one that is an F1."""


def score(predictions: Sequence[Prediction], real: Truth, bound: Bound, *, how: How) -> Scores:
    """Metrics that need a threshold are left out while the bound has none."""
    assert isinstance(bound, AnomalyBound)
    scores = image_scores(predictions)
    found, by_kind, image_steps = _of_images(scores, real, bound)
    per_image, steps, counts = image_steps.per_image, image_steps, None
    if how == "pixels":
        pixel_values, steps = _of_pixels(predictions, real, bound)
        found |= pixel_values
        per_image = steps.per_image
        _add_areas(by_kind, "pixel_auroc", steps, real, bound)
    if how == "boxes":
        box_values, counts, per_image = _of_boxes(predictions, real, bound)
        found |= box_values
        _add_f1(by_kind, "box_f1", counts, real, bound)
    values = {name: found[name] for name in NAMES[how] if name in found}
    evidence = Evidence(real.anomalous, steps if how != "boxes" else None, counts)
    # An image without a mask says nothing of its pixels.
    return Scores(values, by_kind, np.nan_to_num(per_image, nan=float(values[NAMES[how][0]])), evidence)


# --- images


def _of_images(
    scores: Floats, real: Truth, bound: AnomalyBound
) -> tuple[dict[str, float], dict[str, dict[str, float]], Steps]:
    anomalous = real.anomalous
    steps = _image_steps(scores, anomalous)
    values = {"image_auroc": exact_area(scores, anomalous)}
    names = labels.told_apart(bound.labels)
    by_kind: dict[str, dict[str, float]] = {names[kind]: {} for kind in np.unique(real.kinds) if kind < len(names)}
    _add_areas(by_kind, _KIND_AREA, steps, real, bound)
    if bound.image is not None:
        answers = scores > bound.image.value
        values["image_f1"] = f1(*_confusion(answers, anomalous))
        values["f_measure"] = _otx_image_f_measure(scores, answers, anomalous, bound.image)
        right = answers == anomalous
        for kind, name in enumerate(names):
            if name in by_kind:
                by_kind[name]["recall"] = float(right[real.kinds == kind].mean())
    return values, by_kind, steps


def exact_area(scores: Floats, positive: Bools) -> float:
    """The area under the curve of a few scores as they are; a half where one kind is missing."""
    ordered, places = np.unique(scores, return_inverse=True)
    counts = [np.bincount(places[one], minlength=len(ordered)) for one in (~positive, positive)]
    return _known(roc.area(*counts))


def _known(area: float) -> float:
    """Of images of one kind nothing is known: as good as guessing."""
    return float(np.nan_to_num(area, nan=0.5))


def _image_steps(scores: Floats, anomalous: Bools) -> Steps:
    """Each image in the step of its rank; of very many, in that of its thousandth."""
    ranks = np.unique(scores, return_inverse=True)[1]
    width = int(ranks.max()) + 1
    places = ranks * min(width, roc.STEPS) // width
    one = np.eye(int(places.max()) + 1, dtype=np.float32)[places]
    return Steps(one * ~anomalous[:, None], one * anomalous[:, None])


def _confusion(answers: Bools, real: Bools) -> tuple[int, int, int]:
    """Found, wrongly found, missed."""
    return int((answers & real).sum()), int((answers & ~real).sum()), int((~answers & real).sum())


def f1(found: float, wrong: float, missed: float) -> float:
    """As scikit-learn has it: 0 where there is nothing at all."""
    total = 2 * found + wrong + missed
    return 2 * found / total if total else 0.0


def _otx_image_f_measure(scores: Floats, answers: Bools, real: Bools, threshold: Threshold) -> float:
    """Both labels are predicted as boxes around the image, each as sure as the answer is; those surer than the
    confidence count, and the best confidence does."""
    chance = threshold.normalised(scores)
    sure = np.where(answers, chance, 1 - chance)
    best = 0.0
    for confidence in f_measure.CONFIDENCES:
        counted = sure > confidence
        best = max(best, 2 * float((counted & (answers == real)).sum()) / (len(scores) + int(counted.sum())))
    return best


# --- pixels


def _of_pixels(predictions: Sequence[Prediction], real: Truth, bound: AnomalyBound) -> tuple[dict[str, float], Steps]:
    counts = roc.count(marked(predictions, real))
    values = {"pixel_auroc": _known(roc.area(counts.negative, counts.positive))}
    if bound.pixel is not None:
        values["pixel_f1"] = f1(*_pixel_confusion(predictions, real, bound.pixel))
    stepper = roc.Stepper(counts)
    known = (
        stepper.count(whole, mask) if real.known(place) else np.zeros((2, stepper.steps), np.float32)
        for place, (whole, mask) in enumerate(_masked(predictions, real))
    )
    found = np.stack(list(known))
    return values, Steps(found[:, 0], found[:, 1])


def _masked(predictions: Sequence[Prediction], real: Truth) -> Iterator[tuple[NDArray[np.float32], Bools | None]]:
    """Each map with its mask in the map's size; None where nothing is anomalous."""
    for (_, whole), mask in zip(predictions, real.masks, strict=True):
        yield whole, None if mask is None else mask.sized((whole.shape[0], whole.shape[1]))


def marked(predictions: Sequence[Prediction], real: Truth) -> Iterator[roc.Marked]:
    """Those of which every pixel is known."""
    return (marked for place, marked in enumerate(_masked(predictions, real)) if real.known(place))


def _pixel_confusion(predictions: Sequence[Prediction], real: Truth, threshold: Threshold) -> tuple[int, int, int]:
    totals = np.zeros(3, np.int64)
    for whole, mask in marked(predictions, real):
        answers = threshold.reached(whole)
        totals += _confusion(answers, mask) if mask is not None else (0, int(answers.sum()), 0)
    found, wrong, missed = totals.tolist()
    return found, wrong, missed


# --- boxes


def _of_boxes(
    predictions: Sequence[Prediction], real: Truth, bound: AnomalyBound
) -> tuple[dict[str, float], Floats, Floats]:
    """A box is found when one around what is above the threshold overlaps it by half or more, one for each."""
    known = [place for place in range(len(real.kinds)) if real.known(place)]
    said, drawn = [], []
    for place, (_, whole) in enumerate(predictions):
        if real.known(place):
            mask = real.masks[place]
            said.append(_predicted(whole, bound.pixel))
            drawn.append(
                _objects(mask.pixels.astype(np.bool_)) if mask is not None else _objects(np.zeros((1, 1), bool))
            )
    matches = matching.match(said, drawn, 1, by_mask=False)
    n = matches.images
    found = np.bincount(matches.image[matches.found[0]], minlength=n)
    wrong = np.bincount(matches.image[~matches.found[0]], minlength=n)
    counts = np.zeros((len(real.kinds), 3))
    counts[known] = np.stack([found, wrong, matches.objects.sum(1) - found], axis=1)
    values = {"box_f1": _f1_or_one(counts.sum(0)), "box_f_measure": f_measure.best(matches).value}
    per_image = np.array([_f1_or_one(row) for row in counts])
    return values, counts, per_image


def _f1_or_one(counts: Floats) -> float:
    """1 where nothing was to be found and nothing was."""
    return f1(*counts.tolist()) if counts.any() else 1.0


def _predicted(whole: NDArray[np.float32], threshold: Threshold | None) -> Prediction:
    if threshold is None:
        return np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32)
    found = components(threshold.reached(whole), whole)
    boxes = np.array([one.relative(whole.shape) for one in found], np.float32).reshape(-1, 4)
    sure = threshold.normalised(np.array([one.score for one in found])).astype(np.float32)
    order = np.argsort(-sure, kind="stable")
    return boxes[order], np.zeros(len(found), np.int64), sure[order]


def _objects(mask: Bools) -> Objects:
    boxes = [one.relative(mask.shape) for one in components(mask)]
    k = len(boxes)
    return Objects(np.array(boxes, np.float32).reshape(-1, 4), np.zeros(k, np.int64), np.zeros(k, np.bool_))


# --- kinds of defects


def _add_areas(by_kind: dict[str, dict[str, float]], metric: str, steps: Steps, real: Truth, bound: Bound) -> None:
    """How well each kind stands out from what is normal; of the normal ones, from all that is not."""
    negative = steps.negative.sum(0, dtype=np.float64)
    names = labels.told_apart(bound.labels)
    for kind, name in enumerate(names):
        chosen = real.anomalous if kind == 0 else real.kinds == kind
        area = float(roc.area(negative, steps.positive[chosen].sum(0, dtype=np.float64)))
        if name in by_kind and np.isfinite(area):
            by_kind[name] = {metric: area, **by_kind[name]}


def _add_f1(by_kind: dict[str, dict[str, float]], metric: str, counts: Floats, real: Truth, bound: Bound) -> None:
    names = labels.told_apart(bound.labels)
    for kind, name in enumerate(names):
        if name in by_kind:
            by_kind[name] = {metric: _f1_or_one(counts[real.kinds == kind].sum(0)), **by_kind[name]}


# --- how far a drop is known


def compare(before: Scores, after: Scores) -> Interval:
    """The drop of the primary metric with its 95 % interval: a paired bootstrap over images, normal and anomalous ones
    each by themselves.

    Where next to no image changed, the bootstrap would be sure that none ever does: either end is then at least as far
    off as n images without a change still allow (the rule of three: 3/n).
    """
    name = next(iter(before.metrics))
    value = before.metrics[name] - after.metrics[name]
    weights = roc.draws(before.evidence.anomalous)
    drawn = _drawn(weights, before.evidence) - _drawn(weights, after.evidence)
    as_it_is = np.ones((1, weights.shape[1]), np.float32)
    centre = _drawn(as_it_is, before.evidence) - _drawn(as_it_is, after.evidence)
    low, high = (float(end) for end in np.quantile(drawn - centre + value, [0.025, 0.975]))
    low, high = min(low, value), max(high, value)
    if (before.per_image != after.per_image).sum() < _FEW:
        unseen = min(1.0, 3 / len(before.per_image))
        low, high = min(low, value - unseen), max(high, value + unseen)
    return Interval(value, low, high)


def _drawn(weights: NDArray[np.float32], evidence: Evidence) -> Floats:
    if evidence.counts is not None:
        found, wrong, missed = (weights @ evidence.counts).T
        drawn: Floats = 2 * found / np.maximum(2 * found + wrong + missed, 1)
        return drawn
    assert evidence.steps is not None
    return np.nan_to_num(roc.drawn_areas(weights, evidence.steps), nan=0.5)
