"""Models that find objects with their masks: which kind one is, and what it says of an image as boxes and masks.

Model API reads the outputs; masks are made one at a time and kept as run lengths, since a hundred of them in the size
of a photograph take a gigabyte.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import openvino as ov
from model_api.models.instance_segmentation import MaskRCNNModel
from model_api.models.yolo_seg import YOLOSeg

from jobs import detectors, formats, labels, masks, non_maximum
from jobs.detectors import FLOOR, MOST, Kind, Outputs, Size
from jobs.errors import UnsupportedModel, WrongTask
from jobs.image_input import ImageInput
from jobs.predictions import Array
from jobs.wrapper import Wrapper


def _is_mask_rcnn(outputs: Outputs, size: Size) -> bool:
    shapes = sorted((shape for _, shape in outputs), key=len)
    if len(shapes) != 3:
        return False
    found, boxes, planes = shapes
    return (len(found), len(boxes), len(planes)) in ((1, 2, 3), (2, 3, 4)) and boxes[-1] == 5


def _is_yolo(outputs: Outputs, size: Size) -> bool:
    return _yolo_classes(outputs) > 0


def _yolo_classes(outputs: Outputs) -> int:
    """Of [1, 4 + classes + coefficients, cells] and prototypes [1, coefficients, h, w]; 0 when they are none."""
    shapes = {len(shape): shape for _, shape in outputs}
    if len(outputs) != 2 or set(shapes) != {3, 4}:
        return 0
    return max(0, shapes[3][1] - 4 - shapes[4][1])


KINDS = (
    Kind("MaskRCNN", "boxes with scores, labels, and a small mask for each", _is_mask_rcnn, lambda outputs: None),
    Kind(
        "YOLO-seg",
        "1 × (box, classes, coefficients) × cells, and prototypes of masks",
        _is_yolo,
        _yolo_classes,
        detectors.ULTRALYTICS,
    ),
)
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
    outputs = detectors.outputs_of(model)
    names = ", ".join(kind.name for kind in KINDS)
    if said.lower() not in _VAGUE:
        if (found := named(said)) is not None:
            return found, ""
        raise UnsupportedModel(
            f"The model says that it is of the type {said}, which finds no masks that can be read here.",
            hint=f"Choose the kind of model in its settings: {names}.",
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


class Segmenter:
    """What a model says of an image: boxes in pixels of the image, labels, scores, and masks as COCO's RLE."""

    def __init__(self, model: ov.Model, entry: ImageInput, settings: Mapping[str, str], kind: Kind) -> None:
        """Raises UnsupportedModel, BadOption."""
        said = {key: value for key, value in settings.items() if key not in ("labels", "label_info")}
        said |= {"confidence_threshold": str(FLOOR), "postprocess_semantic_masks": "False"}
        self._wrapper = Wrapper(_without_extra(model), entry, said, kind.name)
        self.threshold = detectors.threshold(type(self._wrapper.model), settings)
        self.outputs = _wanted(model)
        """Places of the outputs that are read."""
        self.classes = kind.classes(detectors.outputs_of(model)) or None
        """How many it knows; None where its outputs do not tell."""
        self._yolo = isinstance(self._wrapper.model, YOLOSeg)
        names = formats.labels(settings)
        # Model API counts from 1, as OTX does, whose first label stands for no object.
        self.first = 0 if self._yolo else 1
        """The label of its first class, where it names none."""
        self._shift = 1 if self._yolo or (names and not labels.is_background(names[0])) else 0
        if self._yolo:
            _quicken(self._wrapper.model)

    def __call__(self, outputs: Sequence[Array], size: Size) -> tuple[Array, Array, Array, list[bytes]]:
        """Boxes [k, 4] float32, labels [k] int64, scores [k] float32, and k masks."""
        named_ = dict(zip(self._wrapper.names, outputs, strict=True))
        if not self._yolo:
            named_ = _surest(named_)
        found = self._wrapper.read(named_, size)
        boxes = np.asarray(found.bboxes, np.float32).reshape(-1, 4)
        numbers = np.asarray(found.labels, np.int64) - self._shift
        scores = np.clip(np.asarray(found.scores, np.float32), 0, 1)
        planes = found.masks if self._yolo else [_pasted(box, small, size) for box, small in _each(found)]
        sound = [place for place, rle in enumerate(planes) if masks.area(rle, size)]
        return boxes[sound], numbers[sound], scores[sound], [planes[place] for place in sound]


def _without_extra(model: ov.Model) -> ov.Model:
    """Without the outputs that are there for explanations: Model API would compute those too."""
    copy = model.clone()
    return ov.Model([copy.get_results()[place] for place in _wanted(copy)], copy.get_parameters())


def _wanted(model: ov.Model) -> tuple[int, ...]:
    names = {name for name, _ in detectors.outputs_of(model)}
    return tuple(place for place, port in enumerate(model.outputs) if detectors.name_of(port) in names)


def _surest(outputs: Mapping[str, Array]) -> dict[str, Array]:
    """As many as count: a model may give five hundred, most of them nothing."""
    boxes = next(one for one in outputs.values() if one.shape[-1] == 5 and one.ndim in (2, 3))
    scores = boxes.reshape(-1, 5)[:, 4]
    chosen = np.argsort(-scores, kind="stable")[:MOST]
    axis = boxes.ndim - 2
    return {name: np.take(one, chosen, axis) for name, one in outputs.items()}


def _each(found: Any) -> Sequence[tuple[Array, Array]]:
    return list(zip(found.bboxes, found.masks, strict=True))


def _pasted(box: Array, small: Array, size: Size) -> bytes:
    """A small mask put where its box is."""
    whole: Array = MaskRCNNModel._postprocess_single_mask(None, box, small, *size)
    return masks.encode(whole)


def _quicken(model: Any) -> None:
    """Suppress as detectors do, and make masks one at a time."""
    whole = type(model)._decode_masks
    together, overlap = bool(model.params.agnostic_nms), float(model.params.iou_threshold)

    def suppressed(boxes: Array, scores: Array, labels: Array, **_: Any) -> Array:
        return non_maximum.keep(boxes, scores, labels, overlap, together=together, most=MOST)

    def decoded(coefficients: Array, prototypes: Array, boxes: Array, meta: dict[str, Any]) -> list[bytes]:
        def one(row: slice) -> Array:
            found: list[Array] = whole(model, coefficients[row], prototypes, boxes[row], meta)
            return found[0]

        return [masks.encode(one(slice(i, i + 1))) for i in range(len(coefficients))]

    model._calculate_nms = suppressed
    model._decode_masks = decoded
    model.get_label_name = str
