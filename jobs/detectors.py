"""What a detector says of an image, as boxes."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import openvino as ov
from model_api.models.result import DetectionResult
from model_api.models.ssd import SingleOutputParser
from model_api.models.yolo import DetectionBox, permute_to_N_HWA_K

from jobs import explaining, image_input, non_maximum
from jobs.detector_kinds import QUERIES, Kind, Size, outputs_of
from jobs.image_input import ImageInput
from jobs.predictions import Array
from jobs.wrapper import Wrapper

FLOOR = 0.01
"""Score that a box must have: so low that average precision sees the whole curve."""
MOST = 100
"""Boxes of an image, the surest: so many count in COCO's evaluation."""


_SUPPRESSING = ("NonMaxSuppression", "MulticlassNms", "MatrixNms", "DetectionOutput", "NMSRotated", "ExperimentalDet")


def suppresses(model: ov.Model) -> bool:
    """Whether non-maximum suppression is inside, at any depth."""
    return any(
        op.get_type_name().startswith(_SUPPRESSING)
        or (op.get_type_name() == "If" and any(suppresses(op.get_function(branch)) for branch in range(2)))
        for op in model.get_ops()
    )


def threshold(wrapper: Any, settings: Mapping[str, str]) -> float:
    """The confidence from which on the model itself counts a box: as it says, else as its makers have it."""
    default = 0.35 if settings.get("otx_version") else wrapper.parameters()["confidence_threshold"].default_value
    return image_input.fraction(settings, "confidence_threshold", float(default))


class Detector:
    """What a detector says of an image: boxes in pixels of the image, labels and scores."""

    def __init__(self, model: ov.Model, entry: ImageInput, settings: Mapping[str, str], kind: Kind) -> None:
        """Raises UnsupportedModel, BadOption."""
        lower = {**settings, "confidence_threshold": str(FLOOR)}
        if kind.name == "SSD" and "nms_execute" not in settings and _is_raw(model):
            lower["nms_execute"] = "true"
        # Names are matched elsewhere: Model API would refuse a list of another length.
        said = {key: value for key, value in lower.items() if key not in ("labels", "label_info")}
        self._wrapper = Wrapper(model, entry, said, kind.reader or kind.name)
        self.threshold = threshold(type(self._wrapper.model), settings)
        names = self._wrapper.names
        self.outputs = tuple(place for place, name in enumerate(names) if not explaining.is_one(name))
        """Places of the outputs that are read."""
        self._names = [names[place] for place in self.outputs]
        fixed = entry.fix_shape(model)
        self.classes = kind.classes(outputs_of(fixed)) or _classes_inside(fixed)
        """How many it knows, background included; None where that cannot be told."""
        self.first = int(any(op.get_type_name() == "DetectionOutput" for op in model.get_ops()))
        """The label of its first class: 0 is background to DetectionOutput."""
        self._bare = kind.name == "SSD" and any(len(shape) == 2 and shape[1] == 5 for _, shape in outputs_of(fixed))
        self._crop = entry.resize_type == "crop"
        _quicken(self._wrapper.model)

    def __call__(self, outputs: Sequence[Array], size: Size) -> tuple[Array, Array, Array]:
        """Boxes [k, 4] float32, labels [k] int64 and scores [k] float32, from the outputs in the order of `outputs`."""
        # Early exports of OTX have boxes [n, 5] and labels [n], which Model API takes but cannot read.
        whole = [values[None] for values in outputs] if self._bare else outputs
        by_name = dict(zip(self._names, whole, strict=True))
        seen = (min(size), min(size)) if self._crop else size
        factor = magnified(seen)
        found = self._wrapper.read(by_name, (seen[0] * factor, seen[1] * factor))
        boxes = np.asarray(found.bboxes, np.float32).reshape(-1, 4) / factor
        if self._crop:
            boxes += np.tile([(size[1] - seen[1]) // 2, (size[0] - seen[0]) // 2], 2).astype(np.float32)
        labels, scores = np.asarray(found.labels, np.int64), np.asarray(found.scores, np.float32)
        sound = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]) & (scores > FLOOR)
        return boxes[sound], labels[sound], np.clip(scores[sound], 0, 1)


def _classes_inside(model: ov.Model) -> int | None:
    """Of a DetectionOutput: scores [1, boxes × classes] over boxes [1, 1 or 2, boxes × 4], or 5 with their images."""
    for op in model.get_ops():
        if op.get_type_name() == "DetectionOutput":
            scores, boxes = (op.input_value(place).get_partial_shape()[-1] for place in (1, 2))
            if scores.is_dynamic or boxes.is_dynamic:
                return None
            numbers = 4 if op.get_attributes().get("normalized") else 5
            return int(scores.get_length() * numbers // boxes.get_length())
    return None


def _is_raw(model: ov.Model) -> bool:
    """Whether a model of boxes and labels leaves suppression to whoever reads it."""
    counts = [shape[-2] for _, shape in outputs_of(model) if len(shape) in (2, 3) and shape[-1] == 5]
    return bool(counts) and max(counts) > QUERIES and not suppresses(model)


def magnified(size: Size) -> int:
    """Model API rounds to whole pixels and holds areas in 32 bits: so it is told of an image so many times larger."""
    return 1 << max(0, int(math.log2(math.sqrt((2**31 - 1) / max(1, size[0] * size[1])))))


def _quicken(model: Any) -> None:
    """Replace what Model API does box by box in Python; at so low a score it would take longer than the inference."""
    yolo_regions = hasattr(model, "yolo_layer_params")
    suppress = bool(model.params.nms_execute) or yolo_regions
    together, overlap = bool(model.params.agnostic_nms), float(model.params.iou_threshold)

    def suppressed(boxes: Array, scores: Array, labels: Array, **_: Any) -> Array:
        if not suppress:
            return np.arange(len(boxes))
        return non_maximum.keep(boxes, scores, labels, overlap, together=together, most=MOST)

    model._calculate_nms = suppressed
    model._add_label_names = lambda found: None
    model.get_label_name = str
    if yolo_regions:
        model._parse_yolo_region = partial(_parse_region, model)
        model._filter = lambda found, overlap: found  # the same suppression again
    if isinstance(getattr(model, "output_parser", None), SingleOutputParser):
        model.output_parser = _parse_rows


def _parse_region(model: Any, predictions: Array, input_size: Size, params: Any) -> DetectionResult:
    """In place of YOLO's `_parse_yolo_region`, which calls these for one box after the other."""
    (rows,) = permute_to_N_HWA_K(predictions, params.bbox_size, params.output_layout)
    scores = model._get_probabilities(rows, params.classes)
    sure = np.flatnonzero(scores > FLOOR)
    place, label = np.divmod(sure, params.classes)
    row, column, shape = model._get_location(place, params.sides[1], params.num)
    anchors = np.asarray(params.anchors, np.float32).reshape(-1, 2)[shape].T
    size = input_size if params.use_input_size else params.sides
    raw = DetectionBox(*rows[place, :4].T)
    box = model._get_absolute_det_box(raw, row, column, anchors, params.sides, size)
    half, centre = np.stack((box.w, box.h), 1) / 2, np.stack((box.x, box.y), 1)
    return DetectionResult(np.hstack((centre - half, centre + half)), label, scores[sure])


def _parse_rows(outputs: Mapping[str, Array]) -> DetectionResult:
    """[1, 1, n, 7] of image, label, score and box, of which those without a score are left out."""
    (output,) = outputs.values()
    rows = output.reshape(-1, 7)
    rows = rows[(rows[:, 0] >= 0) & (rows[:, 2] > FLOOR)]
    return DetectionResult(rows[:, 3:].copy(), rows[:, 1], rows[:, 2].copy())
