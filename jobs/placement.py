"""Where an image lies in a model's input, and what was found there put back into the image.

Images are resized as `jobs.image_input` does it: stretched, padded on one side or on both, or cut to their middle.
"""

from dataclasses import dataclass

import numpy as np
from model_api.models.utils import ResizeMetadata

from jobs.image_input import ImageInput
from jobs.predictions import Array

Size = tuple[int, int]
"""Height and width."""
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1"""


@dataclass(frozen=True)
class Placement:
    """An image in a model's input."""

    size: Size
    """Of the image."""
    left: float
    """Where the image begins, in pixels of the input; under zero when it is cut."""
    top: float
    across: float
    """Pixels of the image for one of the input."""
    down: float

    def boxes(self, boxes: Array) -> Array:
        """[k, 4] in pixels of the input to float32 in pixels of the image, also what reaches beyond it."""
        moved: Array = (boxes - np.array([self.left, self.top] * 2)) * np.array([self.across, self.down] * 2)
        return moved.astype(np.float32)

    def inside(self, boxes: Array) -> Array:
        """The parts of boxes in pixels of the image that lie in it."""
        height, width = self.size
        return np.clip(boxes, 0, np.array([width, height] * 2, np.float32))

    def whole(self, height: int, width: int) -> Box:
        """All of an input of this size in pixels of the image."""
        left, top = -self.left * self.across, -self.top * self.down
        return left, top, left + width * self.across, top + height * self.down


def of(entry: ImageInput, size: Size) -> Placement:
    """The place of an image of this size."""
    height, width = size
    if entry.resize_type == "crop":  # to a square
        side = min(size)
        scale = side / entry.width
        return Placement(size, -((width - side) // 2) / scale, -((height - side) // 2) / scale, scale, scale)
    fitted = ResizeMetadata.compute(width, height, entry.width, entry.height, entry.resize_type)
    return Placement(size, fitted.pad_left, fitted.pad_top, fitted.inverted_scale_x, fitted.inverted_scale_y)
