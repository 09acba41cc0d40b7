"""Small maps of objects, stretched to where they lie in an image: masks.

Model API rounds boxes to whole pixels before it stretches a map, and makes the masks of all objects at once.
"""

import cv2
import numpy as np

from jobs import masks
from jobs.placement import Box, Size
from jobs.predictions import Array


def mask(plane: Array, around: Box, window: Box, size: Size, level: float) -> bytes:
    """COCO's RLE of where a map is above `level`: a plane [h, w] that covers `around`, looked at in `window`.

    Both boxes are in pixels of an image of this size. Outside the plane there is 0.
    """
    top, bottom = _middles(window[1], window[3], size[0])
    left, right = _middles(window[0], window[2], size[1])
    if bottom <= top or right <= left:
        return masks.empty(size)
    rows, columns = plane.shape
    x, y = columns / (around[2] - around[0]), rows / (around[3] - around[1])  # cells for a pixel
    # The middle of a pixel in the window to cells, of which the first has its middle at 0.
    to_cells = np.array(
        [[x, 0, (left + 0.5 - around[0]) * x - 0.5], [0, y, (top + 0.5 - around[1]) * y - 0.5]], np.float64
    )
    stretched = cv2.warpAffine(
        np.ascontiguousarray(plane, np.float32),
        to_cells,
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    return _encode(stretched > level, top, left, size)


def extent(plane: Array, around: Box, level: float) -> Box:
    """The part of `around` that holds all of where the plane is above `level`."""
    rows, columns = plane.shape
    found: list[float] = []
    for axis, side, start, end in ((0, columns, around[0], around[2]), (1, rows, around[1], around[3])):
        above = np.flatnonzero((plane > level).any(axis))
        first, last = (above[0] - 1, above[-1] + 2) if len(above) else (0, 0)  # it falls off within a cell
        found += [start + (end - start) * max(0, first) / side, start + (end - start) * min(side, last) / side]
    return found[0], found[2], found[1], found[3]


def _middles(start: float, end: float, side: int) -> tuple[int, int]:
    """The pixels whose middles are inside, as a range."""
    first, last = np.ceil(np.clip([start, end], 0, side) - 0.5).astype(int).tolist()
    return max(0, first), last


def _encode(part: Array, top: int, left: int, size: Size) -> bytes:
    """Of a part of a mask at this place; runs go down the columns, so that other columns need not be looked at."""
    height, width = size
    rows, columns = part.shape
    pixels = np.zeros(columns * height + 2, np.uint8)  # one more at either end, so that all runs begin and end
    pixels[1:-1].reshape(columns, height)[:, top : top + rows] = cv2.transpose(part.view(np.uint8))
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + left * height
    runs = np.diff(changes, prepend=0, append=height * width)
    return masks.from_runs(runs[: len(runs) - (runs[-1] == 0)].tolist(), size)
