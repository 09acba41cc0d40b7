"""Detectors that Model API has no wrapper for, as wrappers of its kind."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from model_api.models import DetectionModel
from model_api.models.result import DetectionResult
from model_api.models.types import ListValue
from model_api.models.yolo import ANCHORS

from jobs.predictions import Array

STRIDES = (8, 16, 32)


class _Boxes(DetectionModel):  # type: ignore[misc]
    """What they share: boxes in pixels of the model's input are suppressed, and put into the image."""

    __model__ = ""

    def __init__(self, *args: Any, **more: Any) -> None:
        """Raises WrapperError."""
        super().__init__(*args, **more)
        if not self.takes({name: tuple(output.shape) for name, output in self.outputs.items()}):
            self.raise_error("other shapes")

    @staticmethod
    @abstractmethod
    def takes(shapes: Mapping[str, tuple[int, ...]]) -> bool:
        """Whether outputs of these shapes can be parsed."""

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        parameters: dict[str, Any] = super().parameters()
        parameters["nms_execute"].update_default_value(default_value=True)
        return parameters

    def postprocess(self, outputs: dict[str, Array], meta: dict[str, Any]) -> DetectionResult:
        boxes, labels, scores = self.parse(outputs)
        sure = scores > self.params.confidence_threshold
        boxes, labels, scores = boxes[sure], labels[sure], scores[sure]
        kept = self._calculate_nms(boxes=boxes, scores=scores, labels=labels)
        found = DetectionResult(boxes[kept] / (self.w, self.h, self.w, self.h), labels[kept], scores[kept])
        self._resize_detections(found, meta)
        return found

    @abstractmethod
    def parse(self, outputs: Mapping[str, Array]) -> tuple[Array, Array, Array]:
        """All boxes [n, 4] with labels [n] and scores [n]."""


class FastestDet(_Boxes):
    """[1, 5 + classes, h, w]: whether there is an object, its box, and scores of the classes, for each cell.

    As decoded by its authors: https://github.com/dog-qiuqiu/FastestDet
    """

    __model__ = "FastestDet"

    @staticmethod
    def takes(shapes: Mapping[str, tuple[int, ...]]) -> bool:
        return [len(shape) == 4 and shape[1] > 5 for shape in shapes.values()] == [True]

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        parameters = super().parameters()
        parameters["iou_threshold"].update_default_value(0.45)
        return parameters

    def parse(self, outputs: Mapping[str, Array]) -> tuple[Array, Array, Array]:
        (output,) = outputs.values()
        _, channels, height, width = output.shape
        cells = output.reshape(channels, -1)
        labels = cells[5:].argmax(0)
        best = np.take_along_axis(cells[5:], labels[None], 0)[0]
        scores = np.maximum(cells[0], 0) ** 0.6 * np.maximum(best, 0) ** 0.4
        y, x = np.divmod(np.arange(height * width), width)
        centre = np.stack(((x + np.tanh(cells[1])) / width * self.w, (y + np.tanh(cells[2])) / height * self.h), 1)
        half = np.stack((_sigmoid(cells[3]) * self.w, _sigmoid(cells[4]) * self.h), 1) / 2
        return np.hstack((centre - half, centre + half)), labels, scores


class YuNet(_Boxes):
    """Faces: cls_8, obj_8, bbox_8 [1, cells, 1 or 4], and the same for strides of 16 and 32.

    As decoded by its authors: https://github.com/ShiqiYu/libfacedetection.train
    """

    __model__ = "YuNet"

    @staticmethod
    def takes(shapes: Mapping[str, tuple[int, ...]]) -> bool:
        return {f"{name}_{stride}" for name in ("cls", "obj", "bbox") for stride in STRIDES} <= set(shapes)

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        parameters = super().parameters()
        parameters["iou_threshold"].update_default_value(0.45)
        return parameters

    def parse(self, outputs: Mapping[str, Array]) -> tuple[Array, Array, Array]:
        parts = [self._of_stride(outputs, stride) for stride in STRIDES]
        boxes, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
        return boxes, np.zeros(len(scores), np.int64), scores

    def _of_stride(self, outputs: Mapping[str, Array], stride: int) -> tuple[Array, Array]:
        faces, there, box = (outputs[f"{name}_{stride}"][0] for name in ("cls", "obj", "bbox"))
        y, x = np.divmod(np.arange(len(box)), self.w // stride)
        centre = box[:, :2] * stride + np.stack((x, y), 1) * stride
        half = np.exp(box[:, 2:]) * stride / 2
        return np.hstack((centre - half, centre + half)), faces[:, 0] * there[:, 0]


class YOLOv7(_Boxes):
    """[1, n, 5 + classes]: centre and size of a box, whether there is an object, and scores of the classes.

    What the repositories of YOLOv5 and YOLOv7 themselves export.
    """

    __model__ = "YOLOv7"

    @staticmethod
    def takes(shapes: Mapping[str, tuple[int, ...]]) -> bool:
        return [len(shape) == 3 and shape[2] > 5 for shape in shapes.values()] == [True]

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        parameters = super().parameters()
        parameters["confidence_threshold"].update_default_value(0.25)
        parameters["iou_threshold"].update_default_value(0.45)
        return parameters

    def parse(self, outputs: Mapping[str, Array]) -> tuple[Array, Array, Array]:
        (output,) = outputs.values()
        rows = output[0][output[0][:, 4] > self.params.confidence_threshold]
        scores = rows[:, 4:5] * rows[:, 5:]
        labels = scores.argmax(1)
        centre, half = rows[:, :2], rows[:, 2:4] / 2
        return np.hstack((centre - half, centre + half)), labels, np.take_along_axis(scores, labels[:, None], 1)[:, 0]


class YOLOv10(_Boxes):
    """[1, n, 6]: left, top, right, bottom, score and class of boxes of which none is to be suppressed any more.

    What YOLOv10 and YOLO26 export, and Ultralytics for any model with nms=True.
    """

    __model__ = "YOLOv10"

    @staticmethod
    def takes(shapes: Mapping[str, tuple[int, ...]]) -> bool:
        return [len(shape) == 3 and shape[2] == 6 for shape in shapes.values()] == [True]

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        parameters = super().parameters()
        parameters["confidence_threshold"].update_default_value(0.25)
        parameters["nms_execute"].update_default_value(default_value=False)
        return parameters

    def parse(self, outputs: Mapping[str, Array]) -> tuple[Array, Array, Array]:
        (output,) = outputs.values()
        return output[0, :, :4], output[0, :, 5].astype(np.int64), output[0, :, 4]


class YOLOv4(_Boxes):
    """Maps [1, 3 × (5 + classes), h, w] or [1, h, w, 3 × (5 + classes)] in two sizes (tiny) or three.

    As Model API's wrapper of that name, which fails when it is made, and takes boxes one by one.
    """

    __model__ = "YOLOv4 in maps"

    @staticmethod
    def takes(shapes: Mapping[str, tuple[int, ...]]) -> bool:
        return len(shapes) in (2, 3) and all(len(shape) == 4 for shape in shapes.values())

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        parameters = super().parameters()
        parameters["anchors"] = ListValue(description="widths and heights of boxes, in pixels", value_type=float)
        parameters["masks"] = ListValue(description="which of them belong to each map, the largest first")
        return parameters

    def parse(self, outputs: Mapping[str, Array]) -> tuple[Array, Array, Array]:
        maps = list(outputs.values())
        if len({one.shape[1] for one in maps}) > 1:  # where channels are last, the sides come before them
            maps = [one.transpose(0, 3, 1, 2) for one in maps]
        maps.sort(key=lambda one: -one.shape[2])
        known = ANCHORS["YOLOV4-TINY" if len(maps) == 2 else "YOLOV4"]
        anchors = np.array(self.params.anchors or known, np.float32).reshape(-1, 2)
        masks = self.params.masks or ((1, 2, 3, 3, 4, 5) if len(maps) == 2 else range(9))
        chosen = anchors[np.array([int(place) for place in masks])].reshape(len(maps), 3, 2)
        parts = [self._of_map(one[0], sizes) for one, sizes in zip(maps, chosen, strict=True)]
        boxes, labels, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
        return boxes, labels, scores

    def _of_map(self, values: Array, anchors: Array) -> tuple[Array, Array, Array]:
        _, height, width = values.shape
        cells = values.reshape(3, -1, height * width)
        labels = cells[:, 5:].argmax(1)
        best = np.take_along_axis(cells[:, 5:], labels[:, None], 1)[:, 0]
        y, x = np.divmod(np.arange(height * width), width)
        corner, size = np.stack((x, y)), np.array((self.w, self.h))[:, None]
        centre = (_sigmoid(cells[:, :2]) + corner) / np.array((width, height))[:, None] * size
        half = np.exp(np.clip(cells[:, 2:4], -20, 20)) * anchors[..., None] / 2
        boxes = np.concatenate((centre - half, centre + half), 1).transpose(0, 2, 1)
        scores = _sigmoid(cells[:, 4]) * _sigmoid(best)
        return boxes.reshape(-1, 4), labels.ravel(), scores.ravel()


def _sigmoid(values: Array) -> Array:
    result: Array = 1 / (1 + np.exp(-np.clip(values, -60, 60)))
    return result
