"""Models that find objects with their masks and that Model API has no wrapper for, as wrappers of its kind."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from model_api.models import DetectionModel
from model_api.models.result import InstanceSegmentationResult

from jobs.predictions import Array


class YOLO26Seg(DetectionModel):  # type: ignore[misc]
    """[1, n, 6 + coefficients]: left, top, right, bottom, score and class of boxes of which none is to be suppressed.

    Beside prototypes of masks [1, coefficients, h, w]. What YOLO26 exports, and Ultralytics for any with nms=True.
    """

    __model__ = "YOLO26-seg"

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._check_io_number(1, 2)
        names = {len(output.shape): name for name, output in self.outputs.items()}
        if set(names) != {3, 4} or self.outputs[names[3]].shape[2] != 6 + self.outputs[names[4]].shape[1]:
            self.raise_error("boxes [1, n, 6 + coefficients] and prototypes [1, coefficients, h, w] are expected")
        self._names = names[3], names[4]

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        parameters: dict[str, Any] = super().parameters()
        parameters["confidence_threshold"].update_default_value(0.25)
        return parameters

    def postprocess(self, outputs: Mapping[str, Array], meta: dict[str, Any]) -> InstanceSegmentationResult:
        """Masks are left as small as the prototypes, and above 0 where the object is."""
        rows, prototypes = (outputs[name][0].astype(np.float32) for name in self._names)
        rows = rows[rows[:, 4] > self.params.confidence_threshold]
        height, width, _ = meta["original_shape"]
        boxes = rows[:, :4] * np.array([width / self.w, height / self.h] * 2, np.float32)
        masks = np.tensordot(rows[:, 6:], prototypes, 1)
        return InstanceSegmentationResult(boxes, rows[:, 5].astype(np.int64) + 1, masks, rows[:, 4])
