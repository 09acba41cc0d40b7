"""Pascal VOC: an XML file an image, as the challenge, labelImg, Roboflow and CVAT write it.

Datumaro's reader knows the classes of the challenge, or those of a list that most tools do not write.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from jobs import annotated, tree
from jobs.annotated import Entry
from jobs.errors import BadDataset
from jobs.findings import Problem
from jobs.samples import Dataset, are, count, natural, split_named
from jobs.tasks import Size, Task

_LOOKED_AT = 20  # files, to tell whether there are any
_HEAD = 2000  # bytes of one
_BACKGROUND = "background"


def has_objects(root: Path) -> bool:
    """Whether there are such XML files."""
    beginnings = tree.first_bytes(tree.files_under(root, ".xml")[:_LOOKED_AT], _HEAD)
    return any(b"<annotation>" in data or b"<annotation " in data for data in beginnings)


@dataclass(frozen=True)
class _File:
    """What one XML file says."""

    path: Path
    image: str
    """Its name, which is often another file's."""
    size: Size | None
    objects: tuple[tuple[str, tuple[float, ...]], ...]
    """Names and boxes, x0, y0, x1, y1"""


def read(root: Path, task: Task) -> Dataset:
    """Raises BadDataset."""
    files, damaged = [], []
    for path in tree.files_under(root, ".xml"):
        try:
            files.append(_parse(path))
        except (ElementTree.ParseError, ValueError, RecursionError):
            damaged.append(tree.relative(path, root))
    if not files:
        raise BadDataset(
            f"The dataset looks like Pascal VOC but “{damaged[0]}” cannot be read.",
            hint="Check the annotation files: each should be whole XML.",
            where=damaged[0],
        )
    labels = _labels(root, files)
    numbers = {label: number for number, label in enumerate(labels)}
    places, splits = tree.Places(root), _splits(root)
    missing: list[str] = []
    seen: set[Path] = set()

    def entries() -> Iterator[Entry]:
        for file in files:
            image = places.find(file.path.stem, beside=file.path) or places.find(file.image, beside=file.path)
            if image is None:
                missing.append(file.image or file.path.stem)
                continue
            seen.add(image)
            split = splits.get(file.path.stem) or places.split_of(file.path) or places.split_of(image)
            yield Entry(image, split, [_box(name, box, numbers) for name, box in file.objects], file.size)

    problems = [_damaged(damaged)] if damaged else []
    found = annotated.dataset("Pascal VOC", root, labels, entries(), task, problems)
    found = annotated.with_missing(found, missing)
    folders = {path.parent for path in seen}  # those of masks hold images too
    unnamed = [path for path in places.images if path not in seen and path.parent in folders]
    return annotated.with_unnamed(found, [tree.relative(path, root) for path in unnamed])


def _damaged(names: list[str]) -> Problem:
    return Problem(
        level="warning",
        where="dataset",
        message=f"{count(len(names), 'annotation file')} {are(len(names))} left out: not to be read as XML.",
        items=tuple(names[:100]),
    )


def _parse(path: Path) -> _File:
    """Raises ParseError and ValueError."""
    top = ElementTree.parse(path).getroot()
    if top.tag != "annotation":
        raise ValueError(f"{path.name} is no annotation")
    height, width = (_number(top.findtext(f"size/{side}")) for side in ("height", "width"))
    objects = tuple(
        (one.findtext("name", "").strip(), tuple(_number(one.findtext(f"bndbox/{end}")) for end in _ENDS))
        for one in top.iter("object")
    )
    size = (int(height), int(width)) if 1 <= height < math.inf and 1 <= width < math.inf else None
    return _File(path, top.findtext("filename", "").strip(), size, objects)


_ENDS = ("xmin", "ymin", "xmax", "ymax")


def _number(text: str | None) -> float:
    """NaN for what is none."""
    try:
        return float(text or "")
    except ValueError:
        return math.nan


def _labels(root: Path, files: list[_File]) -> list[str]:
    """In the order of CVAT's and Datumaro's list where there is one, else sorted."""
    seen = {name for file in files for name, _ in file.objects if name}
    listed: list[str] = []
    for path in tree.files_under(root, "labelmap.txt"):
        lines = path.read_text("utf-8-sig", errors="replace").splitlines()
        listed += [line.partition(":")[0].strip() for line in lines if ":" in line and not line.startswith("#")]
    wanted = dict.fromkeys(name for name in listed if name != _BACKGROUND or name in seen)
    return [*wanted, *sorted(seen - set(wanted), key=natural)]


def _splits(root: Path) -> dict[str, str]:
    """The split of each name in the lists under ImageSets."""
    found: dict[str, str] = {}
    for path in tree.files_under(root, ".txt"):
        split = split_named(path.stem)
        if split and "ImageSets" in path.parts:
            lines = path.read_text("utf-8-sig", errors="replace").splitlines()
            found.update(dict.fromkeys((Path(line.strip()).name for line in lines if line.strip()), split))
    return found


def _box(name: str, box: tuple[float, ...], numbers: dict[str, int]) -> Any:
    from datumaro.components.annotation import Bbox

    x0, y0, x1, y1 = box
    return Bbox(x0, y0, x1 - x0, y1 - y0, label=numbers.get(name))
