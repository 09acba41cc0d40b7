"""Detection: which objects an image shows, and the box of each."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from jobs import detector_kinds, detectors, image_input, labels, object_scores, objects
from jobs.detectors import Detector
from jobs.findings import ModelFindings
from jobs.intervals import Interval
from jobs.objects import Objects
from jobs.report import Shape
from jobs.samples import Dataset, Sample
from jobs.spec import TaskName
from jobs.tasks import Array, Bound, Marks, Prediction, Scores, Size, Task

_GUESSING = 0.02
"""Mean average precision that boxes put anywhere reach at most."""
_SHOWN_FROM = 0.05
"""Score from which on a box is drawn, so that a page's slider has something to hide."""
_SHOWN_AT_MOST = 50


def fits(model: ModelFindings) -> float:
    info = model.model_info
    said = " ".join(info.get(key, "") for key in ("model_type", "task_type", "task")).lower()
    outputs = detector_kinds.without_extra([(port.name, port.shape) for port in model.outputs])
    looks = detector_kinds.guess(outputs, _size(model))
    if not said.strip():
        return 0.5 if looks else 0.0
    if "segment" in said or "anomaly" in said or "classif" in said:
        return 0.0
    if "detect" in said or detector_kinds.named(info.get("model_type", "")):
        return 1.0 if looks or info.get("model_type", "").lower() != "yolo" else 0.0
    return 0.0


def _size(model: ModelFindings) -> Size:
    shape = model.inputs[0].shape if model.inputs else ()
    if len(shape) != 4:
        return -1, -1
    return (shape[1], shape[2]) if shape[3] in (1, 3) else (shape[2], shape[3])


def target(item: Any) -> Objects:
    """Objects of an image from Datumaro; one without any shows none."""
    return objects.of(item, with_masks=False)


def bind(model: ov.Model, settings: Mapping[str, str], dataset: Dataset) -> Bound:
    """A model that does not say how its outputs are read is read by how they look."""
    kind, guessed = detector_kinds.kind_of(model, settings)
    detector = Detector(model, image_input.of(model, settings), settings, kind)
    return bound_to(dataset, settings, detector, partial(_read, detector), guessed)


class Finder(Protocol):
    """What finds objects, as far as its labels are bound to a dataset's."""

    outputs: tuple[int, ...]
    classes: int | None
    first: int
    threshold: float


def bound_to(
    dataset: Dataset, settings: Mapping[str, str], finder: Finder, read: Callable[..., Prediction], guessed: str
) -> Bound:
    """A finder bound to a dataset's labels. `read` is told which labels are wanted; `guessed` is a note, or empty."""
    used = {label for sample in dataset.samples for label in sample.labels or ()}
    names, places, notes = labels.match_objects(settings, dataset.labels, used, finder.classes, first=finder.first)
    wanted = np.isin(np.arange(len(names)), places) if used else np.ones(len(names), np.bool_)
    return Bound(
        outputs=finder.outputs,
        labels=names,
        from_dataset=places,
        read=partial(read, wanted),
        notes=(*((guessed,) if guessed else ()), *notes),
        threshold=finder.threshold,
    )


def surest(found: Array, scores: Array, wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Places of objects of wanted labels, the surest first, as many as count."""
    known = (found >= 0) & (found < len(wanted))
    known[known] = wanted[found[known]]
    order = np.flatnonzero(known)
    return order[np.argsort(-scores[order], kind="stable")][: detectors.MOST]


def _read(detector: Detector, wanted: NDArray[np.bool_], outputs: Sequence[Array], size: Size) -> Prediction:
    """Boxes [k, 4], labels [k] and scores [k] of wanted labels, the surest first."""
    boxes, found, scores = detector(outputs, size)
    order = surest(found, scores, wanted)
    return boxes[order], found[order], scores[order]


def truth(samples: Sequence[Sample], bound: Bound) -> list[Objects]:
    return [objects.renumbered(sample.target, bound.from_dataset) for sample in samples]


def agreement(predictions: Sequence[Prediction], bound: Bound) -> list[Objects]:
    return object_scores.agreement(predictions, bound.threshold)


def score(predictions: Sequence[Prediction], real: Sequence[Objects], bound: Bound) -> Scores:
    return object_scores.score(predictions, real, labels.told_apart(bound.labels), by_mask=False)


def compare(before: Scores, after: Scores) -> Interval:
    return object_scores.compare(before, after)


# --- words and pictures, which instance segmentation shares


def describe(prediction: Prediction, bound: Bound) -> tuple[str, float]:
    """What counts at the model's own threshold, and the score of the surest."""
    _, found, scores, *_ = prediction
    return in_words(found[scores >= bound.threshold], bound), float(scores.max(initial=0.0))


def in_words(found: Array, bound: Bound) -> str:
    """3 objects: 2 car, 1 bus"""
    if not len(found):
        return "no objects"
    counts = Counter(bound.labels[label] for label in found).most_common()
    listed = ", ".join(f"{count} {name}" for name, count in counts)
    return f"{len(found)} {'object' if len(found) == 1 else 'objects'}: {listed}"


def describe_truth(real: Sequence[Objects], i: int, bound: Bound) -> str:
    return in_words(real[i].labels, bound)


def marks(prediction: Prediction, bound: Bound, size: Size) -> Marks:
    """Boxes with their scores, also those that do not count."""
    boxes, found, scores, *_ = prediction
    shown = np.flatnonzero(scores >= min(_SHOWN_FROM, bound.threshold))[:_SHOWN_AT_MOST]
    shapes = (
        Shape(label=bound.labels[found[place]], score=float(scores[place]), box=relative(boxes[place], size))
        for place in shown
    )
    return Marks(tuple(shapes))


def truth_marks(real: Sequence[Objects], i: int, bound: Bound, size: Size) -> Marks:
    return target_marks(real[i], bound.labels, size)


def target_marks(found: Objects, names: Sequence[str], size: Size) -> Marks:
    shapes = (
        Shape(label=names[label], box=relative(box, size)) for box, label in zip(found.boxes, found.labels, strict=True)
    )
    return Marks(tuple(shapes))


def relative(box: Array, size: Size) -> tuple[float, float, float, float]:
    """Pixels to shares of the image."""
    height, width = size
    left, top, right, bottom = np.clip(box / np.array([width, height, width, height]), 0, 1).tolist()
    return left, top, right, bottom


def chance(bound: Bound) -> float:
    return _GUESSING


def difference(before: Sequence[Prediction], after: Sequence[Prediction], bound: Bound) -> NDArray[np.float64]:
    """How many objects only one of both sees, and less than 1 for how far apart the boxes are that both see."""
    return object_scores.difference(before, after, len(bound.labels), bound.threshold)


TASK = Task(
    name=TaskName.DETECTION,
    title="Detection",
    formats=("datumaro", "coco_instances", "voc_detection", "cvat", "yolo"),
    metrics=object_scores.BOX_METRICS,
    fits=fits,
    target=target,
    bind=bind,
    truth=truth,
    agreement=agreement,
    score=score,
    compare=compare,
    describe=describe,
    describe_truth=describe_truth,
    marks=marks,
    truth_marks=truth_marks,
    target_marks=target_marks,
    chance=chance,
    difference=difference,
    prepared=detector_kinds.prepared,
)
