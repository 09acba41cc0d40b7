"""COCO annotation files, wherever they lie and however they count: put where and as Datumaro wants them.

Datumaro finds them under a few names only, looks for images in `images/<split>` only, and drops category number 0.
"""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from jobs.errors import BadDataset
from jobs.samples import split_named

MAX_BYTES = 256 << 20  # of one file; the objects made of it take seven times that
_KEYS = (b'"images"', b'"annotations"', b'"categories"')
_WORSE = ("captions", "keypoints", "panoptic", "stuff")
"""Files about the same images that say less of what is on them."""


@dataclass(frozen=True)
class Part:
    """One annotation file, arranged."""

    split: str
    subset: str
    """Its name in the arranged folder."""


@dataclass(frozen=True)
class Arranged:
    """A folder that Datumaro reads. The images are not in it: their paths there are those from the root."""

    folder: Path
    parts: tuple[Part, ...]
    missing: tuple[str, ...]
    """Images that are named but not there."""


def find(root: Path) -> list[Path]:
    """The annotation files below `root` that name categories, without those that another one makes superfluous."""
    found = [path for path in sorted(root.rglob("*.json")) if path.is_file() and _looks_like_one(path)]
    better = [path for path in found if not any(word in path.stem for word in _WORSE)]
    return better or found


def _looks_like_one(path: Path) -> bool:
    data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else b""
    if not data:
        return any(word in path.stem for word in ("instances", "coco"))
    return all(key in data for key in _KEYS)


def arrange(root: Path, files: Sequence[Path], images: Iterable[Path], into: Path, kind: str) -> Arranged:
    """Write `into/annotations/<kind>_<n>.json` for each of `files`, with paths from `root` and categories from 1 on.

    Raises BadDataset.
    """
    contents = [_load(path) for path in files]
    names = _category_names(zip(files, contents, strict=True))
    places = _by_file_name(images, root)
    parts, missing = [], []
    (into / "annotations").mkdir(parents=True)
    (into / "images").mkdir()
    for number, (path, content) in enumerate(zip(files, contents, strict=True)):
        split = split_named(path.stem) or split_named(path.parent.name)
        content["categories"], numbers = _numbered(content["categories"], names)
        for annotation in content["annotations"]:
            annotation["category_id"] = numbers.get(annotation.get("category_id"), 0)
        kept = []
        for image in content["images"]:
            place = _place(str(image["file_name"]), split, path.parent.relative_to(root), places)
            if place is None:
                missing.append(str(image["file_name"]))
            else:
                kept.append({**image, "file_name": place.as_posix()})
        known = {image["id"] for image in kept}
        content["images"] = kept
        content["annotations"] = [
            annotation
            for annotation in content["annotations"]
            if annotation["category_id"] and annotation.get("image_id") in known
        ]
        part = Part(split, f"part{number}")
        (into / "annotations" / f"{kind}_{part.subset}.json").write_text(json.dumps(content), encoding="utf-8")
        parts.append(part)
    return Arranged(into, tuple(parts), tuple(missing))


def _load(path: Path) -> dict[str, Any]:
    """The file's content, as far as it is used here of the right shape."""
    if path.stat().st_size > MAX_BYTES:
        raise BadDataset(
            f"“{path.name}” has {path.stat().st_size >> 20} MB; at most {MAX_BYTES >> 20} MB of annotations are read.",
            hint="Upload a part of the dataset: a few thousand images are enough.",
            where=path.name,
        )
    try:
        content = json.loads(path.read_bytes(), parse_constant=lambda _: None)  # NaN and infinity are no JSON
        for key in ("images", "annotations", "categories"):
            if not all(isinstance(entry, dict) for entry in content[key]):
                raise TypeError(f"an entry of {key} is no object")
        for key, wanted in (("images", ("id", "file_name")), ("categories", ("id", "name"))):
            for entry in content[key]:
                for name in wanted:
                    _ = entry[name]
        return dict(content)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise BadDataset(
            f"“{path.name}” looks like COCO but cannot be read: {what}.",
            hint="Check the annotation file, or upload one folder a class.",
            where=path.name,
        ) from error


def _category_names(files: Iterable[tuple[Path, dict[str, Any]]]) -> list[str]:
    """Of all files together: in the order of their numbers, those that only a later file has at the end."""
    names: list[str] = []
    for _, content in files:
        for category in sorted(content["categories"], key=lambda category: (str(type(category["id"])), category["id"])):
            if str(category["name"]) not in names:
                names.append(str(category["name"]))
    return names


def _numbered(categories: list[dict[str, Any]], names: list[str]) -> tuple[list[dict[str, Any]], dict[Any, int]]:
    """All names from 1 on, and the new number of each old one."""
    numbers = {category["id"]: names.index(str(category["name"])) + 1 for category in categories}
    return [{"id": number, "name": name, "supercategory": ""} for number, name in enumerate(names, start=1)], numbers


def _by_file_name(images: Iterable[Path], root: Path) -> dict[str, list[PurePosixPath]]:
    places: dict[str, list[PurePosixPath]] = {}
    for path in images:
        places.setdefault(path.name, []).append(PurePosixPath(path.relative_to(root).as_posix()))
    return places


def _place(name: str, split: str, beside: PurePath, places: Mapping[str, list[PurePosixPath]]) -> PurePosixPath | None:
    """Where an image is: the file of this name whose folders agree most, then in the split's folder, then beside."""
    wanted = PurePosixPath(name.replace("\\", "/"))

    def likeness(path: PurePosixPath) -> tuple[int, bool, bool]:
        return _common(path, wanted), _in_split(path, split), path.parent == PurePosixPath(beside.as_posix())

    return max(places.get(wanted.name, []), key=likeness, default=None)


def _in_split(path: PurePosixPath, split: str) -> bool:
    return bool(split) and any(split_named(part) == split for part in path.parts[:-1])


def _common(path: PurePosixPath, other: PurePosixPath) -> int:
    """How many of their last parts are the same."""
    pairs = zip(reversed(path.parts), reversed(other.parts), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
