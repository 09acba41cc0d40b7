"""Annotations that were made for another frame of an image than the upright one: lying on its side, or scaled.

Cameras store pictures lying on their side and say so in EXIF, and some tools annotate what is stored. Datasets are
annotated on small copies, too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs import masks
from jobs.images import MAX_PIXELS, Head
from jobs.predictions import Array
from jobs.tasks import Size

_SAME_SHAPE = 0.02  # sides of a scaled image are rounded


@dataclass(frozen=True)
class Frame:
    """How to get from there to the upright image."""

    points: Callable[[Array], Array]
    """[k, 2] x and y in pixels"""
    pixels: Callable[[Array], Array]
    """[h, w] a mask"""
    given: Size
    scaled: bool = False

    def upright(self, annotation: Any, size: Size) -> Any:
        """A Datumaro annotation for the upright image of this size."""
        from datumaro.components.annotation import Bbox, Mask, RleMask
        from datumaro.components.annotation import Shape as Points

        if isinstance(annotation, Bbox):
            corners = self.points(np.reshape(annotation.points, (2, 2)))
            (left, top), (right, bottom) = corners.min(0), corners.max(0)
            return annotation.wrap(x=left, y=top, w=right - left, h=bottom - top)
        if isinstance(annotation, Points):
            return annotation.wrap(points=self.points(np.reshape(annotation.points, (-1, 2))).ravel())
        if isinstance(annotation, RleMask):
            return annotation.wrap(rle=self._rle(annotation.rle, size))
        if isinstance(annotation, Mask):
            return annotation.wrap(image=self.pixels(np.asarray(annotation.image)))
        return annotation

    def _rle(self, rle: dict[str, Any], size: Size) -> dict[str, Any]:
        """What cannot be read stays as it is, and is said of the object."""
        try:
            pixels = masks.decode(rle["counts"], self.given)
        except ValueError:
            return rle
        return {"size": list(size), "counts": masks.encode(self.pixels(pixels))}


def between(given: Size, head: Head) -> Frame | None:
    """From an image of the given size to the upright one; None when they are not the same image."""
    if given == head.stored:
        return Frame(lambda points: _turn(points, head), lambda pixels: _turn_pixels(pixels, head), given)
    if given[0] * given[1] > MAX_PIXELS:
        return None
    down, across = head.size[0] / given[0], head.size[1] / given[1]
    if abs(down / across - 1) > _SAME_SHAPE:
        return None
    return Frame(
        lambda points: points * (across, down),
        lambda pixels: masks.resize(pixels.astype(np.uint8), head.size),
        given,
        scaled=True,
    )


def _turn(points: Array, head: Head) -> Array:
    """5 to 8 are what EXIF calls the four ways to lie."""
    height, width = head.size
    x, y = points[:, 1], points[:, 0]
    flip_x, flip_y = head.orientation in (6, 7), head.orientation in (7, 8)
    return np.stack([width - x if flip_x else x, height - y if flip_y else y], axis=1)


def _turn_pixels(pixels: Array, head: Head) -> Array:
    turned = pixels.T
    if head.orientation in (6, 7):
        turned = turned[:, ::-1]
    return turned[::-1] if head.orientation in (7, 8) else turned
