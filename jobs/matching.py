"""Which predicted objects found which true ones, in COCO's way: one pass, from which every metric of objects comes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from faster_coco_eval.core import mask as coco_mask
from numpy.typing import NDArray

from jobs import masks
from jobs.objects import Objects
from jobs.predictions import Array, Prediction

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Of the intersection over union (IoU) from which on an object counts as found."""
MOST = 100
"""Predictions of one class in one image that count, the surest first."""

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Matches:
    """Predictions of n images, the surest first, and objects, each with what became of it."""

    images: int
    classes: int
    image: Ints
    """[p] where a prediction was made"""
    label: Ints
    """[p]"""
    score: Floats
    """[p] falling"""
    found: Bools
    """[10, p] whether it found an object, at each threshold"""
    ignored: Bools
    """[10, p] whether it lies in a crowd, so that it is neither right nor wrong"""
    touched: Ints
    """[p] how many objects of its class it overlaps by more than half"""
    object_image: Ints
    """[g] of the objects that are no crowd"""
    object_label: Ints
    """[g]"""
    best: Floats
    """[g] the score of the surest prediction that overlaps it by half or more; −1 where there is none"""

    @property
    def objects(self) -> Ints:
        """[images, classes] how many there are."""
        places = self.object_image * self.classes + self.object_label
        return np.bincount(places, minlength=self.images * self.classes).reshape(self.images, self.classes)


def match(predictions: Sequence[Prediction], truth: Sequence[Objects], classes: int, *, by_mask: bool) -> Matches:
    """Match each image's predictions to its objects.

    Predictions are boxes [k, 4], labels [k] and scores [k], and with masks where each ends [k] and their RLE. Labels of
    both are numbers below `classes`; predictions of others are left out.
    """
    images = enumerate(zip(predictions, truth, strict=True))
    found = [_match(image, prediction, objects, classes, by_mask) for image, (prediction, objects) in images]
    if not found:
        raise ValueError("no images to match")
    parts = [np.concatenate(part, axis=-1) for part in zip(*found, strict=True)]
    order = np.argsort(-parts[2], kind="stable")  # of equal ones the first image's first, as COCO has it
    return Matches(len(found), classes, *(part[..., order] for part in parts[:6]), *parts[6:])


def _match(image: int, prediction: Prediction, objects: Objects, classes: int, by_mask: bool) -> tuple[Array, ...]:
    """The fields of Matches from `image` on, for one image."""
    boxes, labels, scores = prediction[:3]
    kept = _counting(labels, scores, classes)
    labels, scores = labels[kept].astype(np.int64), scores[kept].astype(np.float64)
    if by_mask:
        rles = masks.unpack(prediction[3], prediction[4])
        overlap = masks.overlaps([rles[place] for place in kept], objects.masks, objects.crowd.tolist(), objects.size)
    else:
        overlap = _overlap_of_boxes(boxes[kept], objects.boxes, objects.crowd)
    overlap[labels[:, None] != objects.labels] = 0
    solid, crowd = overlap[:, ~objects.crowd], overlap[:, objects.crowd]
    found, ignored = _find(solid, crowd)
    object_labels = objects.labels[~objects.crowd]
    return (
        np.full(len(labels), image),
        labels,
        scores,
        found,
        ignored,
        (solid > THRESHOLDS[0]).sum(1),
        np.full(len(object_labels), image),
        object_labels,
        np.where(solid >= THRESHOLDS[0], scores[:, None], -1.0).max(0, initial=-1.0),
    )


def _counting(labels: Array, scores: Array, classes: int) -> Ints:
    """Places of the predictions that count, the surest first."""
    places = np.argsort(-scores, kind="stable")
    places = places[(labels[places] >= 0) & (labels[places] < classes)]
    if len(places) <= MOST:
        return places
    by_class = np.argsort(labels[places], kind="stable")
    _, starts, counts = np.unique(labels[places][by_class], return_index=True, return_counts=True)
    rank = np.empty(len(places), np.int64)
    rank[by_class] = np.arange(len(places)) - np.repeat(starts, counts)
    return places[rank < MOST]


def _overlap_of_boxes(boxes: Array, others: Array, crowd: Bools) -> Floats:
    """IoU [len(boxes), len(others)]"""
    ours, theirs = (np.hstack([each[:, :2], each[:, 2:] - each[:, :2]]) for each in _doubles(boxes, others))
    return np.asarray(coco_mask.iou(ours, theirs, crowd.tolist()), np.float64).reshape(len(boxes), len(others))


def _doubles(*arrays: Array) -> list[Floats]:
    return [array.astype(np.float64) for array in arrays]


def _find(solid: Floats, crowd: Floats) -> tuple[Bools, Bools]:
    """From overlaps [p, g] with objects and crowds, which predictions found one and which are ignored: [10, p] each.

    In turn each takes the object that it overlaps most of those still free, of equal ones the last. One that finds
    none and lies in a crowd is ignored.
    """
    found, ignored = (np.zeros((len(THRESHOLDS), len(solid)), np.bool_) for _ in range(2))
    enough = np.minimum(THRESHOLDS, 1 - 1e-10)[:, None]
    free = np.ones((len(THRESHOLDS), solid.shape[1]), np.bool_)
    for place in np.flatnonzero(solid.max(1, initial=0) >= THRESHOLDS[0]):
        worth = np.where(free & (solid[place] >= enough), solid[place], -1.0)
        most = worth.shape[1] - 1 - worth[:, ::-1].argmax(1)
        hit = np.flatnonzero(worth.max(1) > 0)
        found[hit, place] = True
        free[hit, most[hit]] = False
    if crowd.shape[1]:
        ignored = ~found & (crowd.max(1) >= enough)
    return found, ignored
