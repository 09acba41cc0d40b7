"""CVAT's XML for images: boxes, polygons, ellipses and masks, in one file for a task or a project."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

from jobs import annotated, masks, tree
from jobs.annotated import Entry
from jobs.errors import BadDataset
from jobs.images import MAX_PIXELS
from jobs.samples import Dataset, natural, split_named
from jobs.tasks import Size, Task

_HEAD = 4000  # bytes that tell
_NO_OUTLINE = [math.nan] * 6
_SHAPES = ("box", "polygon", "ellipse", "mask")


def _files(root: Path) -> list[Path]:
    found = tree.files_under(root, ".xml")
    return [path for path, data in zip(found, tree.first_bytes(found, _HEAD), strict=True) if b"<annotations>" in data]


def has_objects(root: Path) -> bool:
    """Whether there is such an XML file."""
    return bool(_files(root))


@dataclass
class _File:
    """One annotation file."""

    path: Path
    labels: list[str] = field(default_factory=list)
    images: list[Element] = field(default_factory=list)
    tracks: int = 0


def read(root: Path, task: Task) -> Dataset:
    """Raises BadDataset."""
    files = [_parse(path) for path in _files(root)]
    if not any(file.images for file in files) and any(file.tracks for file in files):
        raise BadDataset(
            f"“{files[0].path.name}” is CVAT's format for videos, which follows objects through frames.",
            hint="Export the task from CVAT as “CVAT for images”, with its images.",
            where=files[0].path.name,
        )
    labels = list(dict.fromkeys(label for file in files for label in file.labels))
    seen = {shape.get("label", "") for file in files for image in file.images for shape in image}
    labels += sorted(seen - set(labels) - {""}, key=natural)
    numbers = {label: number for number, label in enumerate(labels)}
    places = tree.Places(root)
    missing: list[str] = []

    def entries() -> Iterator[Entry]:
        for file in files:
            for image in file.images:
                name = image.get("name", "")
                split = split_named(image.get("subset", "")) or split_named(file.path.stem)
                path = places.find(name, split=split, beside=file.path)
                if path is None:
                    missing.append(name)
                    continue
                size = _whole(image, "height"), _whole(image, "width")
                shapes = [_shape(shape, size, numbers) for shape in image if shape.tag in _SHAPES]
                yield Entry(path, split or places.split_of(path), shapes, size if min(size) > 0 else None)

    return annotated.with_missing(annotated.dataset("CVAT", root, labels, entries(), task), missing)


def _parse(path: Path) -> _File:
    """Raises BadDataset."""
    found = _File(path)
    try:
        for _, element in ElementTree.iterparse(path):
            if element.tag == "image":
                found.images.append(element)
            elif element.tag == "track":
                found.tracks += 1
            elif element.tag == "label" and (name := element.findtext("name")):
                found.labels.append(name)
    except (ElementTree.ParseError, ValueError) as error:
        raise BadDataset(
            f"“{path.name}” looks like CVAT but cannot be read: {error}.",
            hint="Export the task from CVAT again.",
            where=path.name,
        ) from error
    return found


def _number(element: Element, name: str) -> float:
    """NaN for what is none, 0 for what is not there."""
    try:
        return float(element.get(name, "0"))
    except ValueError:
        return math.nan


def _shape(element: Element, size: Size, numbers: dict[str, int]) -> Any:
    """As Datumaro's."""
    from datumaro.components.annotation import Bbox, Ellipse, Polygon, RleMask, RotatedBbox

    common = {"label": numbers.get(element.get("label", "")), "group": _whole(element, "group_id")}
    if element.tag == "polygon":
        return Polygon(_points(element), **common)
    if element.tag == "ellipse":
        x, y, across, down = (_number(element, name) for name in ("cx", "cy", "rx", "ry"))
        return Ellipse(x - across, y - down, x + across, y + down, **common)
    if element.tag == "mask":
        return RleMask({"size": list(size), "counts": _mask(element, size)}, **common)
    left, top, right, bottom = (_number(element, name) for name in ("xtl", "ytl", "xbr", "ybr"))
    turned = _number(element, "rotation")
    if turned and math.isfinite(turned):
        middle = (left + right) / 2, (top + bottom) / 2
        return RotatedBbox(*middle, right - left, bottom - top, turned, **common)
    return Bbox(left, top, right - left, bottom - top, **common)


def _whole(element: Element, name: str) -> int:
    value = _number(element, name)
    return int(value) if np.isfinite(value) else 0


def _points(element: Element) -> list[float]:
    """Of `x,y;x,y`; not numbers where it is no outline."""
    try:
        points = [float(value) for point in element.get("points", "").split(";") for value in point.split(",")]
    except ValueError:
        return _NO_OUTLINE
    return points if len(points) >= len(_NO_OUTLINE) and len(points) % 2 == 0 else _NO_OUTLINE


def _mask(element: Element, size: Size) -> bytes:
    """Of runs along the rows of a rectangle, zeros first; of no use, and said so later, when they do not fill it."""
    left, top, width, height = (_whole(element, name) for name in ("left", "top", "width", "height"))
    try:
        runs = [int(run) for run in element.get("rle", "").split(",")]
    except ValueError:
        return b""
    if size[0] * size[1] > MAX_PIXELS:
        return b""
    inside = 0 <= left <= left + width <= size[1] and 0 <= top <= top + height <= size[0]
    if not inside or min(runs) < 0 or sum(runs) != width * height:
        return b""
    pixels = np.zeros(size, np.uint8)
    values = np.repeat(np.arange(len(runs)) % 2, runs)
    pixels[top : top + height, left : left + width] = values.reshape(height, width)
    return masks.encode(pixels)
