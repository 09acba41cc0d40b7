"""Annotations of an image as its file stores it, turned the way the image is held.

Cameras store pictures lying on their side and say so in EXIF; some tools annotate what is stored.
"""

from typing import Any

import numpy as np

from jobs import masks
from jobs.images import Head
from jobs.tasks import Array


def upright(annotation: Any, head: Head) -> Any:
    """A Datumaro annotation of the stored pixels, for the upright image. Only for images turned by a quarter."""
    from datumaro.components.annotation import Bbox, Mask, RleMask
    from datumaro.components.annotation import Shape as Points

    if isinstance(annotation, Bbox):
        x0, y0, x1, y1 = annotation.points
        corners = _points(np.array([[x0, y0], [x1, y1]]), head)
        left, top = corners.min(0)
        right, bottom = corners.max(0)
        return annotation.wrap(x=left, y=top, w=right - left, h=bottom - top)
    if isinstance(annotation, Points):
        return annotation.wrap(points=_points(np.reshape(annotation.points, (-1, 2)), head).ravel())
    if isinstance(annotation, RleMask):
        pixels = masks.decode(annotation.rle["counts"], head.stored)
        return annotation.wrap(rle={"size": list(head.size), "counts": masks.encode(_pixels(pixels, head))})
    if isinstance(annotation, Mask):
        return annotation.wrap(image=_pixels(np.asarray(annotation.image), head))
    return annotation


def _points(points: Array, head: Head) -> Array:
    """[k, 2] x and y; 5 to 8 are what EXIF calls the four ways to lie."""
    height, width = head.size
    x, y = points[:, 1], points[:, 0]
    flip_x, flip_y = head.orientation in (6, 7), head.orientation in (7, 8)
    return np.stack([width - x if flip_x else x, height - y if flip_y else y], axis=1)


def _pixels(pixels: Array, head: Head) -> Array:
    turned = pixels.T
    if head.orientation in (6, 7):
        turned = turned[:, ::-1]
    return turned[::-1] if head.orientation in (7, 8) else turned
