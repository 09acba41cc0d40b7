"""The objects of an image, as annotations give them: boxes, labels, and the masks of those that have one."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs import masks
from jobs.findings import Problem
from jobs.masks import Size
from jobs.samples import are, count

_SLACK = 1.0  # pixels: what rounding lets a box reach over the edge of its image
_LISTED = 100  # names in one problem


@dataclass(frozen=True)
class Remark:
    """What was wrong with an object."""

    why: str
    """A sentence about `{objects}`, the same for all objects of this kind."""
    what: str
    """Which one, in its image."""


@dataclass(frozen=True)
class Objects:
    """What there is on an image."""

    boxes: NDArray[np.float32]
    """[k, 4] x0, y0, x1, y1 in pixels of the upright image"""
    labels: NDArray[np.int64]
    """[k] numbers of the dataset's labels"""
    crowd: NDArray[np.bool_]
    """[k] whether it stands for many that were not told apart, which nobody has to find"""
    masks: tuple[bytes, ...] = ()
    """COCO's compressed RLE, one an object; empty for boxes alone"""
    size: Size = (0, 0)
    """Of the upright image"""
    remarks: tuple[Remark, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> tuple[int, ...]:
        """The labels that occur."""
        return tuple(np.unique(self.labels).tolist())


@dataclass
class _Object:
    """One while it is being put together."""

    label: int | None
    crowd: bool
    box: tuple[float, ...] | None
    rle: bytes | None = None


class _Wrong(Exception):
    """The object cannot be used; the message is the remark's `why`."""


_NO_CATEGORY = "{objects} left out: of no category that the dataset names."
_NO_NUMBERS = "{objects} left out: the coordinates are no numbers."
_NO_AREA = "{objects} left out: without area."
_OUTSIDE = "{objects} left out: outside the image."
_NO_MASK = "{objects} left out: a box without an outline or mask."
_OTHER_SIZE = "{objects} left out: the mask has another size than the image."
_BAD_MASK = "{objects} left out: the outline or mask cannot be read."
_CLIPPED = "{objects} clipped: the box reaches outside the image."


def of(item: Any, *, with_masks: bool) -> Objects:
    """Those of a Datumaro item, whose media knows the upright image's size.

    Annotations of one group are one object when one of them is a polygon or a mask: its parts, and its box. With
    masks, an object needs one. What cannot be used is left out with a remark.
    """
    size: Size = item.media.size
    kept: list[_Object] = []
    remarks: list[Remark] = []
    for number, parts in enumerate(_grouped(item.annotations), start=1):
        what = f"object {number}"
        try:
            found = _object(parts, size, with_masks)
            if _clip(found, size):
                remarks.append(Remark(_CLIPPED, what))
            kept.append(found)
        except _Wrong as wrong:
            remarks.append(Remark(str(wrong), what))
    return Objects(
        boxes=np.array([each.box for each in kept], np.float32).reshape(-1, 4),
        labels=np.array([each.label for each in kept], np.int64),
        crowd=np.array([each.crowd for each in kept], np.bool_),
        masks=tuple(each.rle for each in kept if each.rle is not None),
        size=size,
        remarks=tuple(remarks),
    )


def _grouped(annotations: Iterable[Any]) -> list[list[Any]]:
    """The annotations of each object. A group of boxes alone is many objects; a label or a caption is none."""
    from datumaro.components.annotation import Bbox, Ellipse, Mask, Polygon, RotatedBbox

    groups: dict[tuple[int, ...], list[Any]] = defaultdict(list)
    for place, annotation in enumerate(annotations):
        if isinstance(annotation, (Bbox, Ellipse, Mask, Polygon, RotatedBbox)):
            label = -1 if annotation.label is None else annotation.label
            groups[(annotation.group, label) if annotation.group else (place,)].append(annotation)
    found: list[list[Any]] = []
    for parts in groups.values():
        if all(isinstance(part, Bbox) for part in parts):
            found += [[part] for part in parts]
        else:
            found.append(parts)
    return found


def _object(parts: Sequence[Any], size: Size, with_masks: bool) -> _Object:
    """Raises _Wrong."""
    from datumaro.components.annotation import Bbox, Mask

    boxes = [part for part in parts if isinstance(part, Bbox)]
    shapes = [part for part in parts if not isinstance(part, Bbox)]
    label = parts[0].label
    if label is None:
        raise _Wrong(_NO_CATEGORY)
    found = _Object(label, any(part.attributes.get("is_crowd", False) for part in parts), None)
    if with_masks and not shapes:
        raise _Wrong(_NO_MASK)
    rle = None
    if with_masks or (len(boxes) != 1 and any(isinstance(shape, Mask) for shape in shapes)):
        rle = _rle(shapes, size)
        if rle == masks.empty(size):
            raise _Wrong(_NO_AREA)
    if len(boxes) == 1:
        found.box = tuple(boxes[0].points)
    elif rle is not None:
        found.box = masks.box(rle, size)
    else:
        found.box = _around([part.get_bbox() for part in parts])
    found.rle = rle if with_masks else None
    return found


def _around(boxes: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """The smallest box around all, which are x, y, width and height."""
    corners = [(float(x), float(y), float(x + width), float(y + height)) for x, y, width, height in boxes]
    left, top, right, bottom = zip(*corners, strict=True)
    return min(left), min(top), max(right), max(bottom)


def _rle(shapes: Sequence[Any], size: Size) -> bytes:
    """One mask of all parts. Raises _Wrong."""
    from datumaro.components.annotation import Mask, RleMask

    parts: list[bytes] = []
    try:
        for shape in shapes:
            if isinstance(shape, RleMask):
                parts.append(_of_rle(shape.rle, size))
            elif isinstance(shape, Mask):
                parts.append(_of_pixels(np.asarray(shape.image), size))
        polygons = [shape.as_polygon() for shape in shapes if not isinstance(shape, Mask)]
        if polygons:
            parts.append(masks.from_polygons(polygons, size))
        return masks.merge(parts, size)
    except (ValueError, TypeError, KeyError, RuntimeError, OverflowError) as error:
        raise _Wrong(_BAD_MASK) from error


def _of_rle(rle: Mapping[str, Any], size: Size) -> bytes:
    if tuple(rle["size"]) != size:
        raise _Wrong(_OTHER_SIZE)
    counts = rle["counts"]
    if isinstance(counts, (str, bytes)):
        data = counts.encode() if isinstance(counts, str) else counts
        return masks.encode(masks.decode(data, size))  # in the one way to write it
    return masks.from_runs(counts, size)


def _of_pixels(pixels: NDArray[Any], size: Size) -> bytes:
    if pixels.shape != size:
        raise _Wrong(_OTHER_SIZE)
    return masks.encode(pixels)


def _clip(found: _Object, size: Size) -> bool:
    """Whether the box had to be. Raises _Wrong when nothing of it is left."""
    left, top, right, bottom = found.box or (math.nan,) * 4
    if not all(map(math.isfinite, (left, top, right, bottom))):
        raise _Wrong(_NO_NUMBERS)
    if right <= left or bottom <= top:
        raise _Wrong(_NO_AREA)
    height, width = size
    inside = max(left, 0.0), max(top, 0.0), min(right, width), min(bottom, height)
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        raise _Wrong(_OUTSIDE)
    if min(left, top, width - right, height - bottom) >= -_SLACK:
        return False
    found.box = inside
    return True


def renumbered(objects: Objects, numbers: Sequence[int]) -> Objects:
    """With each label's number in place of it; what has none, −1, is left out."""
    new = np.asarray(numbers, np.int64)[objects.labels] if len(objects) else objects.labels
    kept = new >= 0
    return Objects(
        boxes=objects.boxes[kept],
        labels=new[kept],
        crowd=objects.crowd[kept],
        masks=tuple(rle for rle, keep in zip(objects.masks, kept, strict=False) if keep),
        size=objects.size,
    )


def problems(named: Iterable[tuple[str, Objects]]) -> list[Problem]:
    """One for each kind of remark, with the objects it is about; `named` are the images' names and their objects."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, objects in named:
        for remark in objects.remarks:
            found[remark.why].append(f"{name}: {remark.what}")
    return [
        Problem(
            level="warning",
            where="dataset",
            message=why.format(objects=f"{count(len(items), 'object')} {are(len(items))}"),
            items=tuple(items[:_LISTED]),
        )
        for why, items in found.items()
    ]
