"""Instance segmentation: which objects an image shows, and which pixels belong to each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from jobs import detector_kinds, image_input, labels, masks, object_scores, objects, segmenters
from jobs.findings import ModelFindings
from jobs.objects import Objects
from jobs.report import Shape
from jobs.samples import Dataset, Sample
from jobs.segmenters import Segmenter
from jobs.spec import TaskName
from jobs.tasks import Array, Bound, Marks, Prediction, Scores, Size, Task, detection


def fits(model: ModelFindings) -> float:
    info = model.model_info
    said = " ".join(info.get(key, "") for key in ("model_type", "task_type", "task")).lower()
    looks = segmenters.guess(
        detector_kinds.without_extra([(port.name, port.shape) for port in model.outputs]), (-1, -1)
    )
    if not said.strip():
        return 0.6 if looks else 0.0  # surer than a detector, which some of these outputs might be too
    if "instance" in said or "rotated" in said or segmenters.named(info.get("model_type", "")):
        return 1.0
    return 1.0 if looks and info.get("model_type", "").lower() == "yolo" else 0.0


def target(item: Any) -> Objects:
    """Objects of an image from Datumaro; one without any shows none."""
    return objects.of(item, with_masks=True)


def bind(model: ov.Model, settings: Mapping[str, str], dataset: Dataset) -> Bound:
    """A model that does not say how its outputs are read is read by how they look."""
    kind, guessed = segmenters.kind_of(model, settings)
    segmenter = Segmenter(model, image_input.of(model, settings), settings, kind)
    return detection.bound_to(dataset, settings, segmenter, partial(_read, segmenter), guessed)


def _read(segmenter: Segmenter, wanted: NDArray[np.bool_], outputs: Sequence[Array], size: Size) -> Prediction:
    """Boxes [k, 4], labels [k], scores [k], where each mask ends [k], and all masks, of wanted labels, surest first.

    Those without a pixel are left out.
    """
    found = segmenter(outputs, size)
    order = detection.surest(found.labels, found.scores, wanted)
    rles = {place: found.mask(place) for place in order.tolist()}
    seen = [place for place, rle in rles.items() if masks.area(rle, size)]
    return found.boxes[seen], found.labels[seen], found.scores[seen], *masks.pack([rles[place] for place in seen])


def truth(samples: Sequence[Sample], bound: Bound) -> list[Objects]:
    return detection.truth(samples, bound)


def score(predictions: Sequence[Prediction], real: Sequence[Objects], bound: Bound) -> Scores:
    return object_scores.score(predictions, real, labels.told_apart(bound.labels), by_mask=True)


# --- pictures


def marks(prediction: Prediction, bound: Bound, size: Size) -> Marks:
    """Outlines with their scores, also of objects that do not count."""
    boxed = detection.marks(prediction, bound, size).shapes
    *_, ends, packed = prediction
    rles = masks.unpack(ends, packed)
    return Marks(tuple(_outlined(shape, rle, size) for shape, rle in zip(boxed, rles, strict=False)))


def _outlined(shape: Shape, rle: bytes, size: Size) -> Shape:
    return shape.model_copy(update={"outline": masks.outlines_of(rle, size)})


def truth_marks(real: Sequence[Objects], i: int, bound: Bound, size: Size) -> Marks:
    return target_marks(replace(real[i], size=size), bound.labels, size)


def target_marks(found: Objects, names: Sequence[str], size: Size) -> Marks:
    boxed = detection.target_marks(found, names, size).shapes
    return Marks(tuple(_outlined(shape, rle, size) for shape, rle in zip(boxed, found.masks, strict=True)))


TASK = Task(
    name=TaskName.INSTANCE_SEGMENTATION,
    title="Instance segmentation",
    formats=("datumaro", "coco_instances", "voc_instances", "cvat", "yolo"),
    metrics=object_scores.MASK_METRICS,
    fits=fits,
    target=target,
    bind=bind,
    truth=truth,
    agreement=detection.agreement,
    score=score,
    compare=detection.compare,
    describe=detection.describe,
    describe_truth=detection.describe_truth,
    marks=marks,
    truth_marks=truth_marks,
    target_marks=target_marks,
    chance=detection.chance,
    difference=detection.difference,
    prepared=segmenters.prepared,
)
