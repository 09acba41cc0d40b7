"""Detectors that Model API has no wrapper for, as wrappers of its kind."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from model_api.models import DetectionModel
from model_api.models.result import DetectionResult

from jobs.predictions import Array

STRIDES = (8, 16, 32)


class _Boxes(DetectionModel):  # type: ignore[misc]
    """What they share: boxes in pixels of the model's input are suppressed, and put into the image."""

    __model__ = ""

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

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        parameters = super().parameters()
        parameters["confidence_threshold"].update_default_value(0.25)
        parameters["nms_execute"].update_default_value(default_value=False)
        return parameters

    def parse(self, outputs: Mapping[str, Array]) -> tuple[Array, Array, Array]:
        (output,) = outputs.values()
        return output[0, :, :4], output[0, :, 5].astype(np.int64), output[0, :, 4]


def _sigmoid(values: Array) -> Array:
    result: Array = 1 / (1 + np.exp(-np.clip(values, -60, 60)))
    return result
