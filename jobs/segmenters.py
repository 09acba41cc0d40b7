"""Models that find objects with their masks: which kind one is, and what it says of an image.

Model API reads the outputs. Boxes are left as exact as the model gives them; a mask is made when it is asked for, since
a hundred of them in the size of a photograph take a gigabyte.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from model_api.models.instance_segmentation import MaskRCNNModel
from model_api.models.yolo_seg import YOLOSeg

from jobs import detector_kinds, detectors, labels, non_maximum, placement, planes
from jobs.detector_kinds import Kind, Outputs, Size
from jobs.detectors import FLOOR, MOST
from jobs.errors import UnsupportedModel, WrongTask
from jobs.image_input import ImageInput
from jobs.placement import Placement
from jobs.predictions import Array
from jobs.segmenter_wrappers import YOLO26Seg
from jobs.wrapper import Wrapper

_SMALL = 64
"""Side of an object's mask from which on it is taken for one of the whole image."""


def _planes(outputs: Outputs) -> tuple[int, ...]:
    """The two sides of the masks of a model that gives boxes with scores, labels and masks, with or without a batch;
    nothing when it gives something else."""
    shapes = sorted((shape for _, shape in outputs), key=len)
    ranks = tuple(len(shape) for shape in shapes)
    return shapes[2][-2:] if ranks in ((1, 2, 3), (2, 3, 4)) and shapes[1][-1] == 5 else ()


def _is_mask_rcnn(outputs: Outputs, size: Size) -> bool:
    sides = _planes(outputs)
    return bool(sides) and max(sides) <= _SMALL


def _is_detr(outputs: Outputs, size: Size) -> bool:
    sides = _planes(outputs)
    return bool(sides) and max(sides) > _SMALL


def _yolo(outputs: Outputs) -> tuple[tuple[int, ...], int]:
    """The shape of what is found, [1, a, b], and the number of prototypes; zeros when a model is none."""
    shapes = {len(shape): shape for _, shape in outputs}
    return (shapes[3], shapes[4][1]) if len(outputs) == 2 and set(shapes) == {3, 4} else ((0, 0, 0), 0)


def _yolo_classes(outputs: Outputs) -> int:
    (_, values, _), prototypes = _yolo(outputs)
    return max(0, values - 4 - prototypes)


def _is_yolo(outputs: Outputs, size: Size) -> bool:
    return _yolo_classes(outputs) > 0


def _is_yolo26(outputs: Outputs, size: Size) -> bool:
    (_, rows, values), prototypes = _yolo(outputs)
    return prototypes > 0 and values == 6 + prototypes and rows <= detector_kinds.QUERIES


def _unknown(outputs: Outputs) -> None:
    return None


KINDS = (
    Kind("MaskRCNN", "boxes with scores, labels, and a small mask for each", _is_mask_rcnn, _unknown),
    Kind("DETRInstSeg", "boxes with scores, labels, and for each a mask of the whole image", _is_detr, _unknown),
    Kind(
        YOLO26Seg.__model__,
        "1 × boxes × (box, score, class, coefficients), and prototypes of masks",
        _is_yolo26,
        _unknown,
        detector_kinds.ULTRALYTICS,
    ),
    Kind(
        "YOLO-seg",
        "1 × (box, classes, coefficients) × boxes, and prototypes of masks",
        _is_yolo,
        _yolo_classes,
        detector_kinds.ULTRALYTICS,
    ),
)
"""The first whose outputs look so is meant by a model that does not say what it is."""
_VAGUE = ("", "yolo")
"""Model types that leave open how outputs are to be read; Ultralytics calls all its models YOLO."""


def guess(outputs: Outputs, size: Size) -> Kind | None:
    """What outputs look like."""
    return next((kind for kind in KINDS if kind.fits(outputs, size)), None)


def named(name: str) -> Kind | None:
    """The kind of this name, however it is written."""
    return next((kind for kind in KINDS if kind.name.lower() == name.strip().lower()), None)


def kind_of(model: ov.Model, settings: Mapping[str, str]) -> tuple[Kind, str]:
    """Which kind a model is of, and a note where that was a guess. Raises WrongTask, UnsupportedModel."""
    said = settings.get("model_type", "").strip()
    outputs = detector_kinds.outputs_of(model)
    names = ", ".join(kind.name for kind in KINDS)
    if said.lower() not in _VAGUE:
        if (found := named(said)) is not None:
            return found, ""
        raise UnsupportedModel(
            f"The model says that it is of the type {said}, which finds no masks that can be read here.",
            hint=f"Choose the kind of model in its settings ({names}), or the task that it was trained for.",
            where="model_type",
        )
    found = guess(outputs, (-1, -1))
    shown = ", ".join("×".join(map(str, shape)) for _, shape in outputs)
    if found is None:
        raise WrongTask(
            f"The model's outputs ({shown}) are not those of a model that finds objects with their masks.",
            hint=f"Choose the kind of model in its settings ({names}), or the task that it was trained for.",
            where="model_type",
        )
    note = f"The model does not say what it is; its outputs ({shown}) look like {found.name}: {found.looks}."
    return found, "" if said else note


def prepared(model: ov.Model, settings: Mapping[str, str]) -> dict[str, str]:
    """Settings with what a model of this kind is used to where they say nothing."""
    try:
        kind, _ = kind_of(model, settings)
    except (UnsupportedModel, WrongTask):  # told when the model is bound
        return dict(settings)
    return {**kind.prepared, **{key: value for key, value in settings.items() if value.strip()}}


@dataclass(frozen=True)
class Found:
    """What a model says of an image."""

    boxes: Array
    """[k, 4] float32 x0, y0, x1, y1 in pixels of the image"""
    labels: Array
    """[k] int64"""
    scores: Array
    """[k] float32"""
    mask: Callable[[int], bytes]
    """The mask of one of them in the size of the image, as COCO's RLE."""


class Segmenter:
    """A model that finds objects with their masks, read."""

    def __init__(self, model: ov.Model, entry: ImageInput, settings: Mapping[str, str], kind: Kind) -> None:
        """Raises UnsupportedModel, BadOption."""
        said = {key: value for key, value in settings.items() if key not in ("labels", "label_info")}
        said |= {"confidence_threshold": str(FLOOR), "postprocess_semantic_masks": "False"}
        self.outputs = _wanted(model)
        """Places of the outputs that are read."""
        self._wrapper = Wrapper(_without_extra(model), entry, said, kind.name)
        self._entry = entry
        self.threshold = detectors.threshold(type(self._wrapper.model), settings)
        self.classes = kind.classes(detector_kinds.outputs_of(model)) or None
        """How many it knows; None where its outputs do not tell."""
        self._yolo = isinstance(self._wrapper.model, (YOLOSeg, YOLO26Seg))
        self._has_small_masks = isinstance(self._wrapper.model, MaskRCNNModel)
        names = labels.named(settings, None)
        # Model API counts from 1, as OTX does, whose first label stands for no object.
        self.first = 0 if self._yolo else 1
        """The label of its first class, where it names none."""
        self._shift = 1 if self._yolo or (names and not labels.is_background(names[0])) else 0
        if self._yolo:
            _quicken(self._wrapper.model)

    def __call__(self, outputs: Sequence[Array], size: Size) -> Found:
        """Outputs in the order of `outputs`, for one image of this size."""
        # An image of the input's own size, so that Model API leaves boxes where they are.
        factor = detectors.magnified((self._entry.height, self._entry.width))
        seen = (self._entry.height * factor, self._entry.width * factor)
        found = self._wrapper.read(dict(zip(self._wrapper.names, outputs, strict=True)), seen)
        place = placement.of(self._entry, size)
        boxes = place.boxes(np.asarray(found.bboxes).reshape(-1, 4) / factor)
        return Found(
            place.inside(boxes),
            np.asarray(found.labels, np.int64) - self._shift,
            np.clip(np.asarray(found.scores, np.float32), 0, 1),
            lambda number: self._mask(found.masks[number], boxes[number], place),
        )

    def _mask(self, plane: Any, box: Array, place: Placement) -> bytes:
        left, top, right, bottom = box.tolist()
        own = (left, top, right, bottom)
        if self._has_small_masks:
            return planes.mask(plane, own, own, place.size, 0.5)
        whole = place.whole(self._entry.height, self._entry.width)
        if self._yolo:
            return planes.mask(plane, whole, own, place.size, 0)
        # Half is zero then, which is also what there is outside: the edge of the input is no edge of an object.
        return planes.mask(plane - 0.5, whole, planes.extent(plane, whole, 0.5), place.size, 0)


def _without_extra(model: ov.Model) -> ov.Model:
    """Without the outputs that are there for explanations: Model API would compute those too."""
    copy = model.clone()
    return ov.Model([copy.get_results()[place] for place in _wanted(copy)], copy.get_parameters())


def _wanted(model: ov.Model) -> tuple[int, ...]:
    names = {name for name, _ in detector_kinds.outputs_of(model)}
    return tuple(place for place, port in enumerate(model.outputs) if detector_kinds.name_of(port) in names)


def _quicken(model: Any) -> None:
    """Suppress as detectors do, and leave masks as small as the prototypes."""
    together, overlap = bool(model.params.agnostic_nms), float(model.params.iou_threshold)

    def suppressed(boxes: Array, scores: Array, labels: Array, **_: Any) -> Array:
        return non_maximum.keep(boxes, scores, labels, overlap, together=together, most=MOST)

    model._calculate_nms = suppressed
    model._decode_masks = lambda coefficients, prototypes, boxes, meta: np.tensordot(coefficients, prototypes, 1)
    model.get_label_name = str
