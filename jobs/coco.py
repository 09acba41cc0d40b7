"""COCO annotation files, wherever they lie, however they count, and whoever wrote them.

Datumaro's reader finds them under a few names only, looks for images in `images/<split>` only, drops category number 0
and gives up at the first annotation without `iscrowd`; its types are used, its reader is not.
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jobs import annotated, masks, tree
from jobs.annotated import Entry
from jobs.errors import BadDataset
from jobs.findings import Problem
from jobs.samples import Dataset, split_named
from jobs.tasks import Size, Task

MAX_BYTES = 256 << 20  # of one file; the objects made of it take seven times that
_IMAGES, _ANNOTATIONS, _CATEGORIES = b'"images"', b'"annotations"', b'"categories"'
_WORSE = ("captions", "keypoints", "panoptic", "stuff")
"""Files about the same images that say less of what is on them."""
_LOOKED_AT = 1000  # annotations, to tell what kind they are
_HINT = "Check the annotation file, or upload one folder a class."

Json = dict[str, Any]


def has_labels(root: Path) -> bool:
    """Whether there is a file that names categories."""
    return bool(_named_so(root, _IMAGES, _ANNOTATIONS, _CATEGORIES))


def has_objects(root: Path) -> bool:
    """Whether there is a file of annotations, maybe of another kind: then reading it says what it is."""
    return bool(_named_so(root, _IMAGES, _ANNOTATIONS))


def _named_so(root: Path, *keys: bytes) -> list[Path]:
    """The annotation files with these keys, without those that another one makes superfluous."""
    found = [path for path in tree.files_under(root, ".json") if path.is_file() and _has(path, keys)]
    better = [path for path in found if not any(word in path.stem for word in _WORSE)]
    return better or found


def _has(path: Path, keys: Sequence[bytes]) -> bool:
    data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else b""
    if not data:
        return any(word in path.stem for word in ("instances", "coco"))
    return all(key in data for key in keys)


def read_labels(root: Path, task: Task) -> Dataset:
    """Every annotation as a label of its image. Raises BadDataset."""
    files = [_load(path) for path in _named_so(root, _IMAGES, _ANNOTATIONS, _CATEGORIES)]
    return _dataset(root, task, files, _label)


def read_objects(root: Path, task: Task) -> Dataset:
    """Every annotation as an object, with its box and its mask. Raises BadDataset."""
    loaded = [_load(path) for path in _named_so(root, _IMAGES, _ANNOTATIONS)]
    files = [file for file in loaded if not file.kind]
    if not files:
        raise BadDataset(
            f"“{loaded[0].path.name}” is a COCO file of {loaded[0].kind}; {task.title.lower()} needs objects.",
            hint="Upload the file of instances, as instances_val2017.json is called, or choose another task.",
            where=loaded[0].path.name,
        )
    return _dataset(root, task, files, _shapes)


@dataclass(frozen=True)
class _File:
    """One annotation file."""

    path: Path
    content: Json

    @cached_property
    def split(self) -> str:
        """The file's own, or its folder's."""
        return split_named(self.path.stem) or split_named(self.path.parent.name)

    @property
    def kind(self) -> str:
        """What its annotations are; empty for objects, and where there are none."""
        some = self.content["annotations"][:_LOOKED_AT]
        if not some or any(one.get("bbox") or one.get("segmentation") for one in some):
            return ""
        for key, kind in _KINDS.items():
            if any(key in one for one in some):
                return kind
        return "labels of whole images"


_KINDS = {
    "caption": "captions",
    "segments_info": "panoptic segmentation",
    "keypoints": "keypoints without boxes",
    "question_id": "questions",
}


def _load(path: Path) -> _File:
    """As far as it is used here of the right shape. Raises BadDataset."""
    if path.stat().st_size > MAX_BYTES:
        raise BadDataset(
            f"“{path.name}” has {path.stat().st_size >> 20} MB; at most {MAX_BYTES >> 20} MB of annotations are read.",
            hint="Upload a part of the dataset: a few thousand images are enough.",
            where=path.name,
        )
    try:
        content = json.loads(path.read_bytes())
        content.setdefault("categories", [])
        for key, wanted in (("images", ("id", "file_name")), ("annotations", ()), ("categories", ("id", "name"))):
            if not isinstance(content[key], list):
                raise TypeError(f"{key} is no list")
            for entry in content[key]:
                if not isinstance(entry, dict):
                    raise TypeError(f"an entry of {key} is no object")
                for name in wanted:
                    hash(entry[name])
        return _File(path, content)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise BadDataset(
            f"“{path.name}” looks like COCO but cannot be read: {what}.", hint=_HINT, where=path.name
        ) from error


def _dataset(root: Path, task: Task, files: Sequence[_File], to_datumaro: Callable[..., list[Any]]) -> Dataset:
    # Of an image that several files describe, the largest file's word counts.
    files = sorted(files, key=lambda file: -len(file.content["images"]))
    labels, problems = _labels(files)
    places = tree.Places(root)
    missing: list[str] = []

    def entries() -> Iterator[Entry]:
        for file in files:
            numbers = {category["id"]: labels[str(category["name"])] for category in file.content["categories"]}
            by_image: dict[Any, list[Json]] = defaultdict(list)
            for annotation in file.content["annotations"]:
                by_image[_key(annotation.get("image_id"))].append(annotation)
            for image in file.content["images"]:
                name = str(image["file_name"])
                path = places.find(name, split=file.split, beside=file.path)
                if path is None:
                    missing.append(name)
                    continue
                size = _size(image)
                found = [
                    one
                    for group, annotation in enumerate(by_image[image["id"]], start=1)
                    for one in to_datumaro(annotation, group, numbers, size)
                ]
                yield Entry(path, file.split or places.split_of(path), found, size)

    dataset = annotated.dataset("COCO", root, tuple(labels), entries(), task, problems)
    return annotated.with_missing(dataset, missing)


def _labels(files: Iterable[_File]) -> tuple[dict[str, int], list[Problem]]:
    """The number of each name of all files together: in the order of their numbers, later files' own at the end."""
    numbers: dict[str, int] = {}
    twice: dict[str, None] = {}
    for file in files:
        categories = sorted(file.content["categories"], key=lambda one: (str(type(one["id"])), one["id"]))
        for name, times in Counter(str(category["name"]) for category in categories).items():
            numbers.setdefault(name, len(numbers))
            twice.update({name: None} if times > 1 else {})
    if not twice:
        return numbers, []
    problem = Problem(
        level="warning",
        where="dataset",
        message="Categories of the same name are taken as one.",
        items=tuple(twice)[:100],
    )
    return numbers, [problem]


def _key(value: Any) -> Any:
    """A list is no number of an image, and no key either."""
    return value if isinstance(value, (int, str, float)) else None


def _size(image: Json) -> Size | None:
    height, width = image.get("height"), image.get("width")
    if isinstance(height, int) and isinstance(width, int) and height > 0 and width > 0:
        return height, width
    return None


def _label(annotation: Json, _group: int, numbers: Mapping[Any, int], _size: Size | None) -> list[Any]:
    from datumaro.components.annotation import Label

    number = numbers.get(_key(annotation.get("category_id")))
    return [] if number is None else [Label(number)]


def _shapes(annotation: Json, group: int, numbers: Mapping[Any, int], size: Size | None) -> list[Any]:
    """The parts of an object, which are a group: its box, its polygons or its mask."""
    from datumaro.components.annotation import Bbox, Polygon, RleMask

    common = {
        "label": numbers.get(_key(annotation.get("category_id"))),
        "group": group,
        "attributes": {"is_crowd": bool(annotation.get("iscrowd", 0))},
    }
    shape, box = annotation.get("segmentation"), _numbers(annotation.get("bbox"))
    parts: list[Any] = []
    if isinstance(shape, dict):
        parts.append(RleMask(_rle(shape, size), **common))
    elif isinstance(shape, list):
        polygons = shape if any(isinstance(points, list) for points in shape) else [shape]
        parts += [Polygon(points, **common) for points in map(_numbers, polygons) if len(points) >= 6]
    if len(box) == 4:
        parts.append(Bbox(*box, **common))
    return parts


def _numbers(values: Any) -> list[float]:
    """As many as there are in pairs; not numbers where one is none."""
    if not isinstance(values, list):
        return []
    whole = values[: len(values) // 2 * 2]
    try:
        return list(map(float, whole))
    except (TypeError, ValueError, OverflowError):
        return [math.nan] * len(whole)


def _rle(shape: Json, size: Size | None) -> Json:
    """Compressed, as far as it can be: what is wrong with it is said of the object."""
    counts = shape.get("counts")
    try:
        height, width = map(int, shape["size"])
        given = height, width
        if isinstance(counts, list):
            return {"size": list(given), "counts": masks.from_runs(counts, given)}
        return {"size": list(given), "counts": str(counts).encode("ascii")}
    except (KeyError, TypeError, ValueError, OverflowError, RuntimeError):
        return {"size": list(size or (0, 0)), "counts": b""}
