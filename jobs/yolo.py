"""YOLO datasets: Darknet's lists (`obj.data`), Ultralytics' folders (`data.yaml`), and text files beside the images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from jobs import annotated, images, tree
from jobs.annotated import Entry
from jobs.errors import BadDataset
from jobs.findings import Problem
from jobs.images import NoImage
from jobs.samples import Dataset, are, count, split_named
from jobs.tasks import Size, Task

_LOOKED_AT = 50  # files, to tell whether there are any
_MOST_BYTES = 8 << 20  # of one text file
_FAR = 2.0  # a coordinate is a share of the image: beyond this it is none
_MOST_CLASSES = 10_000
_SPLITS = ("train", "val", "valid", "test")
_ABOUT = ("data", "dataset")
_NAMES = ("obj.names", "classes.txt", "labels.txt", "_darknet.labels")
_BOX, _SCORED_BOX = 4, 5  # numbers after the class; outlines have more


@dataclass(frozen=True)
class _Row:
    """A line of a text file."""

    number: int
    """Of the class."""
    values: tuple[float, ...]
    """Middle, width and height of a box, or the points of an outline, in shares of the image."""


def has_labels(root: Path) -> bool:
    """Whether there are text files called like images, with a class and coordinates in each line."""
    files = [path for path in _label_files(tree.Places(root)).values() if path.stat().st_size]
    return any(rows and not damaged for rows, damaged in map(_rows, files[:_LOOKED_AT]))


def read(root: Path, task: Task) -> Dataset:
    """An image without a text file shows no object. Raises BadDataset."""
    places = tree.Places(root)
    files = _label_files(places)
    about = _about(root)
    names, lists = _names(root, about), _lists(root, places, about)
    damaged: list[str] = []
    classes: set[int] = set()

    def entries() -> Iterator[Entry]:
        for path in places.images:
            rows, lines = _rows(files[path]) if path in files else ([], [])
            damaged.extend(f"{tree.relative(files[path], root)}: line {line}" for line in lines)
            classes.update(row.number for row in rows)
            size = _size(path)
            annotations = [_annotation(row, size, len(names)) for row in rows] if size else []
            yield Entry(
                path, lists.get(path) or places.split_of(path) or _listed_folder(path, root, about), annotations
            )

    found = list(entries())
    problems = [_damaged(damaged)] if damaged else []
    if not names:
        names = [str(number) for number in range(max(classes, default=-1) + 1)]
        problems.append(_NO_NAMES)
    return annotated.dataset("YOLO", root, names, found, task, problems)


_NO_NAMES = Problem(
    level="info",
    where="dataset",
    message="The names of the classes are not in the dataset, so they are called by their numbers.",
    hint="Add data.yaml or obj.names, or a classes.txt with a name in each line.",
)


def _damaged(lines: Sequence[str]) -> Problem:
    return Problem(
        level="warning",
        where="dataset",
        message=f"{count(len(lines), 'line')} of the annotations {are(len(lines))} left out: not to be read.",
        hint="A line is the number of a class and a box or an outline, in shares of the image between 0 and 1.",
        items=tuple(lines[:100]),
    )


def _label_files(places: tree.Places) -> dict[Path, Path]:
    """The text file of each image that has one: in `labels` where the image is in `images`, beside it, or anywhere."""
    by_stem: dict[str, list[Path]] = {}
    for path in tree.files_under(places.root, ".txt"):
        by_stem.setdefault(path.stem, []).append(path)
    found = {}
    for image in places.images:
        beside = [image.with_suffix(".txt"), _in_labels(image, places.root)]
        same = [path for path in by_stem.get(image.stem, []) if path in beside] or by_stem.get(image.stem, [])
        if len(same) == 1:
            found[image] = same[0]
    return found


def _in_labels(image: Path, root: Path) -> Path:
    """a/images/b/c.jpg to a/labels/b/c.txt"""
    parts = list(image.relative_to(root).with_suffix(".txt").parts)
    for place in reversed(range(len(parts) - 1)):
        if parts[place].lower() == "images":
            parts[place] = "labels"
            break
    return root.joinpath(*parts)


def _rows(path: Path) -> tuple[list[_Row], list[int]]:
    """What a text file says, and the numbers of the lines that cannot be read."""
    rows, damaged = [], []
    for line, text in enumerate(_lines(path), start=1):
        if not text.strip():
            continue
        try:
            rows.append(_row(text))
        except (ValueError, OverflowError):
            damaged.append(line)
    return rows, damaged


def _row(text: str) -> _Row:
    """Raises ValueError and OverflowError."""
    number, *values = map(float, text.split())
    if not 0 <= number < _MOST_CLASSES or int(number) != number:
        raise ValueError(f"{number} is no number of a class")
    if len(values) < _BOX or not all(abs(value) <= _FAR for value in values):
        raise ValueError("there are no shares of an image")
    return _Row(int(number), tuple(values))


def _lines(path: Path) -> list[str]:
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES).decode("utf-8-sig", errors="replace")
    return text.splitlines()


def _size(path: Path) -> Size | None:
    try:
        return images.head(path).size
    except NoImage:
        return None  # said later, with all images that cannot be read


def _annotation(row: _Row, size: Size, classes: int) -> Any:
    """As Datumaro's, in pixels. Of no class when there are names, and none for its number."""
    from datumaro.components.annotation import Bbox, Polygon

    height, width = size
    label = row.number if row.number < classes or not classes else None
    if len(row.values) in (_BOX, _SCORED_BOX):
        x, y, w, h = row.values[:4]
        return Bbox((x - w / 2) * width, (y - h / 2) * height, w * width, h * height, label=label)
    points = row.values[: len(row.values) // 2 * 2]
    return Polygon([value * (width, height)[place % 2] for place, value in enumerate(points)], label=label)


# --- what the files beside the annotations say


def _about(root: Path) -> Mapping[str, Any]:
    """`data.yaml` or `obj.data`: names, and where the images of each split are. Raises BadDataset."""
    for path in tree.files_under(root, ".yaml", ".yml"):
        try:
            content = yaml.safe_load(b"\n".join(line.encode() for line in _lines(path)))
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            if path.stem not in _ABOUT:
                continue
            raise BadDataset(
                f"“{path.name}” cannot be read: it is no YAML.",
                hint="It should name the classes, as data.yaml of Ultralytics does.",
                where=path.name,
            ) from error
        if isinstance(content, dict) and isinstance(content.get("names"), (list, dict)):
            return content
    for path in tree.files_under(root, ".data"):
        pairs = [line.partition("=") for line in _lines(path)]
        return {key.strip(): value.strip() for key, _, value in pairs}
    return {}


def _names(root: Path, about: Mapping[str, Any]) -> list[str]:
    """Of the classes in order; empty when nothing says them."""
    given = about.get("names")
    if isinstance(given, list):
        return [str(name) for name in given]
    if isinstance(given, dict):
        numbers = [key for key in given if isinstance(key, int) and 0 <= key < _MOST_CLASSES]
        return [str(given.get(number, number)) for number in range(max(numbers, default=-1) + 1)]
    wanted = (PurePosixPath(str(given)).name, *_NAMES)
    for name in wanted:
        for path in tree.files_under(root):
            if path.name == name:
                return [line.strip() for line in _lines(path) if line.strip()]
    return []


def _lists(root: Path, places: tree.Places, about: Mapping[str, Any]) -> dict[Path, str]:
    """The split of each image that is in a list, by its name on whatever machine."""
    listed: dict[Path, str] = {}
    named = {PurePosixPath(value).name: split_named(key) for key, value in _splits(about)}
    for path in tree.files_under(root, ".txt"):
        split = named.get(path.name) or split_named(path.stem)
        if not split:
            continue
        for line in _lines(path):
            if line.lower().rstrip().endswith(images.ENDINGS) and (image := places.find(line.strip())):
                listed.setdefault(image, split)
    return listed


def _splits(about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each split with a file or folder of it."""
    for key in _SPLITS:
        values = about.get(key)
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, str):
                yield key, value.replace("\\", "/")


def _listed_folder(image: Path, root: Path, about: Mapping[str, Any]) -> str:
    """The split whose folder the image is in."""
    folder = f"/{tree.relative(image.parent, root)}/"
    for key, value in _splits(about):
        parts = [part for part in PurePosixPath(value).parts if part not in (".", "..", "/")]
        if parts and f"/{'/'.join(parts)}/" in folder:
            return split_named(key)
    return ""
