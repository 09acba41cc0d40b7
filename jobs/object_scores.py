"""What predicted objects are worth: the metrics of detection and instance segmentation."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jobs import average_precision, f_measure, masks, matching, stats, titles
from jobs.intervals import Interval
from jobs.matching import Floats, Matches
from jobs.objects import Objects
from jobs.predictions import Prediction
from jobs.tasks import Metric, Scores

BOX_METRICS = tuple(Metric(name, titles.METRICS[name]) for name in ("map", "map50", "f_measure"))
MASK_METRICS = tuple(Metric(name, titles.METRICS[name]) for name in ("mask_map", "mask_map50", "map", "f_measure"))
_FEW = 10  # changed images; from six, the bootstrap's 95 % were 83 %


def score(
    predictions: Sequence[Prediction], truth: Sequence[Objects], labels: Sequence[str], *, by_mask: bool
) -> Scores:
    """BOX_METRICS, or MASK_METRICS, of predictions against objects, both with numbers of `labels`.

    A class without objects does not count. Where there is no object at all, each mean is that over the images:
    see average_precision.per_image.
    """
    boxes = matching.match(predictions, truth, len(labels), by_mask=False)
    main = matching.match(predictions, truth, len(labels), by_mask=True) if by_mask else boxes
    f = f_measure.best(boxes)
    values = {**_areas(boxes, "map"), **(_areas(main, "mask_map") if by_mask else {}), "f_measure": f.per_class}
    names = [metric.name for metric in (MASK_METRICS if by_mask else BOX_METRICS)]
    there = np.flatnonzero(boxes.objects.sum(0)).tolist()
    per_image = average_precision.per_image(main)
    means = {name: float(values[name][there].mean()) if there else float(per_image.mean()) for name in names}
    return Scores(
        metrics={**means, "f_measure": f.value} if there else means,
        per_class={labels[label]: {name: float(values[name][label]) for name in names} for label in there},
        per_image=per_image,
        evidence=main,
    )


def _areas(matches: Matches, name: str) -> dict[str, Floats]:
    """Average precision [classes] over all thresholds, and at an IoU of 0.5."""
    areas = average_precision.per_class(matches)
    return {name: areas.mean(1), f"{name}50": areas[:, 0]}


def compare(before: Scores, after: Scores) -> Interval:
    """The drop of the mean average precision with its 95 % interval.

    From a few changed images the bootstrap is too sure of what the others may do: either end is then at least as far
    off as n images without a change still allow (the rule of three: 3/n).
    """
    if not before.evidence.objects.any():
        return stats.paired_mean(before.per_image - after.per_image)
    drop = average_precision.drop(before.evidence, after.evidence)
    if (before.per_image != after.per_image).sum() >= _FEW:
        return drop
    unseen = min(1.0, 3 / len(before.per_image))
    return Interval(drop.value, min(drop.low, drop.value - unseen), max(drop.high, drop.value + unseen))


def agreement(predictions: Sequence[Prediction], confidence: float) -> list[Objects]:
    """Predictions of at least this score as the truth, for images without annotations."""
    return [_as_objects(_sure(prediction, confidence)) for prediction in predictions]


def difference(before: Sequence[Prediction], after: Sequence[Prediction], labels: int, confidence: float) -> Floats:
    """[n] how many objects only one of both sees with at least this score, by their boxes.

    Those that both see add less than 1 together: the less, the better the boxes agree.
    """
    sure = [_sure(prediction, confidence) for prediction in after]
    matches = matching.match(sure, agreement(before, confidence), labels, by_mask=False)
    n = matches.images
    found = matches.found[0]
    both = np.bincount(matches.image[found], minlength=n)
    only_after = np.bincount(matches.image[~found], minlength=n)
    only_before = matches.objects.sum(1) - both
    alike = np.bincount(matches.image[found], matches.found[:, found].mean(0), minlength=n)
    shift = np.where(both > 0, 1 - alike / np.maximum(both, 1), 0.0)
    differing: Floats = only_before + only_after + shift
    return differing


def _sure(prediction: Prediction, confidence: float) -> Prediction:
    """Those of at least this score."""
    boxes, labels, scores, *packed = prediction
    kept = scores >= confidence
    if not packed:
        return boxes[kept], labels[kept], scores[kept]
    rles = masks.unpack(packed[0], packed[1])
    return boxes[kept], labels[kept], scores[kept], *masks.pack([rles[place] for place in np.flatnonzero(kept)])


def _as_objects(prediction: Prediction) -> Objects:
    boxes, labels, _, *packed = prediction
    found = Objects(boxes.astype(np.float32), labels.astype(np.int64), np.zeros(len(labels), np.bool_))
    return replace(found, masks=masks.unpack(packed[0], packed[1])) if packed else found
