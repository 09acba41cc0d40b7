"""Masks of objects as COCO's compressed run lengths (RLE): from pixels and polygons, back, and as outlines to draw.

Runs go down the columns, so a mask needs the height of its image to be read.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
from faster_coco_eval import mask_api_new_cpp as coco_runs
from faster_coco_eval.core import mask as coco_mask
from numpy.typing import ArrayLike, NDArray

Size = tuple[int, int]
"""Height and width."""
Outline = tuple[float, ...]
"""A polygon as x, y, x, y…, each a fraction of the image's width or height."""

_FEWEST_POINTS = 3
_FAR = 4  # times the image: how far outside a point may be
_SIMPLER = 0.002  # of an outline's length: how far a drawn line may be from the true one


def encode(mask: NDArray[Any]) -> bytes:
    """Of a mask [h, w]; what is not 0 belongs to the object."""
    return _counts(coco_mask.encode(np.asfortranarray(mask != 0).view(np.uint8)))


def decode(rle: bytes, size: Size) -> NDArray[np.uint8]:
    """A mask [h, w] of zeros and ones. Raises ValueError when it is of another size."""
    try:
        mask: NDArray[np.uint8] = coco_mask.decode(_object(rle, size))
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    return mask


def from_polygons(polygons: Iterable[ArrayLike], size: Size) -> bytes:
    """One mask of the polygons of an object, each x, y, x, y… or pairs of those in pixels; less than three are none.

    Raises ValueError on points that are no numbers.
    """
    whole = [_near(points, size) for points in map(_flat, polygons) if len(points) >= 2 * _FEWEST_POINTS]
    if not whole:
        return empty(size)
    return merge([_counts(rle) for rle in coco_mask.frPyObjects([points.tolist() for points in whole], *size)], size)


def _flat(points: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(points, np.float64).ravel()


def _near(points: NDArray[np.float64], size: Size) -> NDArray[np.float64]:
    """Not too far outside: edges are followed pixel by pixel."""
    far = max(size) * _FAR
    if np.abs(points).max() <= far:
        return points
    if np.isnan(points).any():
        raise ValueError("a polygon has points that are no numbers")
    return points.clip(-far, far)


def from_runs(runs: Sequence[int], size: Size) -> bytes:
    """Of run lengths as plain numbers, zeros first. Raises ValueError when they do not fill the image."""
    if any(run < 0 for run in runs) or sum(runs) != size[0] * size[1]:
        raise ValueError(f"the runs of a mask fill {sum(runs)} pixels instead of {size[0] * size[1]}")
    return _counts(coco_mask.frPyObjects({"size": list(size), "counts": list(runs)}, *size))


def merge(rles: Sequence[bytes], size: Size) -> bytes:
    """Their union."""
    if len(rles) == 1:
        return rles[0]
    return _counts(coco_mask.merge([_object(rle, size) for rle in rles]))


@cache
def empty(size: Size) -> bytes:
    """A mask without an object."""
    return from_runs([size[0] * size[1]], size)


def box(rle: bytes, size: Size) -> tuple[float, float, float, float]:
    """The smallest x0, y0, x1, y1 around it, in pixels."""
    x, y, width, height = (float(number) for number in coco_mask.toBbox(_object(rle, size)))
    return x, y, x + width, y + height


def area(rle: bytes, size: Size) -> int:
    """Its pixels."""
    return int(coco_mask.area(_object(rle, size)))


def overlaps(rles: Sequence[bytes], others: Sequence[bytes], crowd: Sequence[bool], size: Size) -> NDArray[np.float64]:
    """Intersections over unions [len(rles), len(others)]; with a crowd, the share of the mask that lies in it.

    The size is only there to be quick: without one, given as 0 × 0, the runs are compared as they are.
    """
    known = size if size[0] * size[1] else (1, 2**31)
    ours, theirs = ([_object(rle, known) for rle in some] for some in (rles, others))
    found = coco_mask.iou(ours, theirs, [int(each) for each in crowd])
    return np.asarray(found, np.float64).reshape(len(rles), len(others))


def pack(rles: Sequence[bytes]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """One after the other: where each ends, and all of them."""
    ends = np.cumsum([len(rle) for rle in rles], dtype=np.int64)
    return ends, np.frombuffer(b"".join(rles), np.uint8)


def unpack(ends: NDArray[np.int64], packed: NDArray[np.uint8]) -> tuple[bytes, ...]:
    """What `pack` was given."""
    whole = packed.tobytes()
    return tuple(whole[start:end] for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=False))


def resize(mask: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """To another size; a pixel belongs to the object when most of it does."""
    import cv2

    if mask.shape == size:
        return mask
    grey = cv2.resize(mask.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    resized: NDArray[np.uint8] = (grey > 0.5).astype(np.uint8)
    return resized


def outlines(
    mask: NDArray[np.uint8], corner: tuple[int, int] = (0, 0), size: Size | None = None
) -> tuple[Outline, ...]:
    """The outer edges of a mask [h, w] as polygons to draw, fewer points where the edge is straight.

    It may be a part of an image of `size`, whose upper left corner is at this row and column.
    """
    import cv2

    if not mask.any():
        return ()
    height, width = size or mask.shape
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    simple = [cv2.approxPolyDP(contour, _SIMPLER * cv2.arcLength(contour, True), True) for contour in contours]
    # A contour runs through the middles of pixels, which are half a pixel from their corners.
    middle = np.array([corner[1], corner[0]]) + 0.5
    shares = [
        (contour.reshape(-1, 2) + middle) / (width, height) for contour in simple if len(contour) >= _FEWEST_POINTS
    ]
    return tuple(tuple(round(float(number), 5) for number in points.ravel()) for points in shares)


def outlines_of(rle: bytes, size: Size) -> tuple[Outline, ...]:
    """The same of run lengths, looking only at the part of the image where the object is."""
    left, top, right, bottom = (int(side) for side in box(rle, size))
    runs = np.array(coco_runs.toUncompressedRLE([_object(rle, size)])[0]["counts"], np.int64)
    ends = np.clip(np.cumsum(runs) - left * size[0], 0, (right - left) * size[0])
    pixels = np.repeat((np.arange(len(runs)) % 2).astype(np.uint8), np.diff(ends, prepend=0))
    part = pixels.reshape(right - left, size[0])[:, top:bottom].T
    return outlines(np.ascontiguousarray(part), (top, left), size)


def _object(rle: bytes, size: Size) -> dict[str, Any]:
    return {"size": list(size), "counts": rle}


def _counts(rle: dict[str, Any]) -> bytes:
    return bytes(rle["counts"])
