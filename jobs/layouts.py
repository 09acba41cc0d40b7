"""The layouts a dataset can have, each read into samples: one folder a class, annotations, or images alone."""

import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs import coco, images
from jobs.errors import BadDataset, UnknownDataset
from jobs.findings import Problem
from jobs.samples import Dataset, Sample, are, count, left_out, split_above, split_named
from jobs.tasks import Task

_SAYING = (".json", ".xml", ".csv", ".txt", ".yaml", ".yml", ".pkl", ".mat", ".npy")
_ABOUT = (".", "readme", "license", "licence", "source", "requirements", "classes", "labels")
_NO_CLASSES = frozenset(("images", "image", "img", "imgs", "masks", "mask", "labels", "annotations", "gt"))
_FOLDERS_HINT = "Add the folders of the other classes, or put the images in one folder without labels."


def read(root: Path, scratch: Path, task: Task) -> Dataset:
    """The dataset in `root`, by the first layout that fits. Raises UnknownDataset and BadDataset."""
    root = _inner(root)
    if (found := _annotated(root, scratch, task)) is not None:
        return found
    inner = _inner(root, whatever_else=True)
    if "class_folders" in task.formats and (found := _class_folders(inner)) is not None:
        return found
    if (found := _loose_images(inner)) is not None:
        return found
    raise UnknownDataset(
        f"No known dataset layout was found, and no images ({_seen(root)}).",
        hint=f"The simplest layout is one folder a class with its images inside; a folder of images alone works too."
        f" Images may be {images.KINDS} files.",
    )


def _seen(root: Path) -> str:
    """What there is instead."""
    files = [path for path in root.rglob("*") if path.is_file() and not path.name.startswith(".")]
    endings = sorted({path.suffix.lower() or path.name for path in files})
    return f"{count(len(files), 'file')}: {', '.join(endings[:5])}" if files else "it is empty"


def _entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX")))


def _folders(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_dir()]


def _inner(root: Path, *, whatever_else: bool = False) -> Path:
    """The folder inside folders around everything, unless its name is a split's.

    `whatever_else` looks through files that are no images, such as a README, as well.
    """
    while True:
        entries = _entries(root)
        folders = [path for path in entries if path.is_dir()]
        others = [path for path in entries if path not in folders and (_has_ending(path.name) or not whatever_else)]
        if len(folders) != 1 or others or split_named(folders[0].name):
            return root
        root = folders[0]


def _has_ending(name: str) -> bool:
    return name.lower().endswith(images.ENDINGS) and not name.startswith(".")


def _images_under(folder: Path) -> list[Path]:
    """All of them, sorted. Hidden files and folders do not count."""
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        found += [Path(parent, name) for name in names if _has_ending(name)]
    return sorted(found)


def _other_files(folder: Path) -> list[Path]:
    """Those that may say something of the images."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in _SAYING and path.is_file() and not path.name.lower().startswith(_ABOUT)
    )


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


# --- one folder a class


def _class_folders(root: Path) -> Dataset | None:
    """One folder a class, split or not; also ImageNet's layout. A class may be called like a split."""
    folders = _folders(root)
    splits = [folder for folder in folders if split_named(folder.name) and _has_classes(folder)]
    if splits:
        classes = {child.name for split in splits for child in _folders(split)}
        plain = [folder for folder in folders if folder.name in classes and folder not in splits]  # in no split
    else:
        plain = [folder for folder in folders if _images_under(folder) or not _other_files(folder)]
        if all(split_named(folder.name) for folder in plain if _images_under(folder)):
            return None  # images without labels, in splits
        if len(plain) == 1 and _other_files(root):
            return None  # images, and annotations that nobody knows
    places = [(split_named(split.name), child) for split in splits for child in _folders(split)]
    places += [("", folder) for folder in plain]
    found = [
        (split or split_above(image.relative_to(folder)), folder.name, image)
        for split, folder in places
        for image in _images_under(folder)
    ]
    if not found:
        return None
    # An empty class still counts: its name is in the dataset.
    labels = tuple(sorted({folder.name for _, folder in places}, key=_natural))
    if {label.lower() for label in labels} <= _NO_CLASSES:
        raise BadDataset(
            f"The folders are called {' and '.join(labels)}, which are no classes: this is a dataset for another task.",
            hint="For classification, put the images of each class in a folder named after it.",
        )
    index = {label: number for number, label in enumerate(labels)}
    samples = tuple(Sample(_relative(path, root), path, split, (index[label],)) for split, label, path in sorted(found))
    used = {sample.path for sample in samples}
    outside = [_relative(path, root) for path in _images_under(root) if path not in used]
    problems = [left_out(outside, "not in the folder of a class")] if outside else []
    split = any(sample.split for sample in samples)
    return _checked(Dataset("One folder a class" + (", split" if split else ""), labels, samples, tuple(problems)))


def _has_classes(folder: Path) -> bool:
    return any(_images_under(child) for child in _folders(folder))


def _natural(text: str) -> tuple[Any, ...]:
    """10 comes after 9."""
    pieces = ["".join(group) for _, group in itertools.groupby(text, str.isdecimal)]
    return tuple((0, int(piece), "") if piece.isdecimal() else (1, 0, piece.lower()) for piece in pieces), text


def _checked(dataset: Dataset) -> Dataset:
    """With a warning for classes without images. Raises BadDataset when there is one class only."""
    seen = {label for sample in dataset.samples for label in sample.labels or ()}
    if len(seen) == 1 and not any(sample.labels == () for sample in dataset.samples):
        (only,) = seen
        others = f" ({', '.join(_empty(dataset, seen)[:5])}: no images)" if len(dataset.labels) > 1 else ""
        raise BadDataset(
            f"The dataset has images of one class only, “{dataset.labels[only]}”{others}, so accuracy would say"
            " nothing.",
            hint=_FOLDERS_HINT,
            where=dataset.labels[only],
        )
    empty = _empty(dataset, seen) if seen else ()
    if not empty:
        return dataset
    problem = Problem(
        level="warning", where="dataset", message=f"{count(len(empty), 'class')} without images.", items=empty[:100]
    )
    return replace(dataset, problems=(*dataset.problems, problem))


def _empty(dataset: Dataset, seen: set[int]) -> tuple[str, ...]:
    return tuple(label for number, label in enumerate(dataset.labels) if number not in seen)


# --- images alone


def _loose_images(root: Path) -> Dataset | None:
    """Images without labels, split or not."""
    found = _images_under(root)
    if not found:
        return None
    problem = Problem(
        level="info",
        where="dataset",
        message="The images have no labels, so accuracy is how often the optimised model agrees with the original.",
        hint="For real accuracy, put the images of each class in a folder named after it, two classes or more.",
    )
    problems = [problem]
    if others := _other_files(root):
        unknown = Problem(
            level="warning",
            where="dataset",
            message=f"{count(len(others), 'file')} beside the images {are(len(others))} in no annotation format that is"
            " known here, and not used.",
            hint="Known are Datumaro, COCO, Roboflow, ImageNet and Pascal VOC for classification.",
            items=tuple(_relative(path, root) for path in others[:100]),
        )
        problems.append(unknown)
    samples = tuple(Sample(_relative(path, root), path, split_above(path.relative_to(root))) for path in found)
    return Dataset("Images without labels", (), samples, tuple(problems))


# --- annotations, through Datumaro


def _annotated(root: Path, scratch: Path, task: Task) -> Dataset | None:
    """By the formats of the task whose sign is there. Datumaro is imported only then: it takes a second."""
    coco_format = next((name for name in task.formats if name in ("coco_labels", "coco_instances")), None)
    if coco_format and (files := coco.find(root)):
        return _coco(root, files, scratch, task, coco_format)
    for name in task.formats:
        if name in _SIGNS and _SIGNS[name](root):
            return _from_datumaro(_import(root, name), name, root, task)
    return None


def _coco(root: Path, files: Sequence[Path], scratch: Path, task: Task, name: str) -> Dataset:
    kind = name.removeprefix("coco_")
    arranged = coco.arrange(root, files, _images_under(root), scratch / "coco", kind)
    splits = {part.subset: part.split for part in arranged.parts}
    found = _from_datumaro(
        _import(arranged.folder, name), name, root, task, base=arranged.folder / "images", splits=splits
    )
    if not arranged.missing:
        return found
    return replace(found, problems=(*found.problems, _not_there(list(arranged.missing))))


def _not_there(names: list[str]) -> Problem:
    return left_out(names, "named in the annotations but not in the archive")


def _datumaro_json(root: Path) -> bool:
    return any(b'"items"' in data and b'"categories"' in data for data in _heads(root.glob("annotations/*.json")))


def _heads(paths: Iterable[Path]) -> Iterable[bytes]:
    """Of small files all, of large ones the beginning, where the keys are as a rule."""
    for path in paths:
        with path.open("rb") as file:
            yield file.read(coco.MAX_BYTES)


def _imagenet_txt(root: Path) -> bool:
    return (root / "synsets.txt").is_file() and len(list(root.glob("*.txt"))) > 1


_SIGNS: Mapping[str, Callable[[Path], bool]] = {
    "datumaro": _datumaro_json,
    "roboflow_multiclass": lambda root: any(root.glob("*/_classes.csv")) or (root / "_classes.csv").is_file(),
    "imagenet_txt": _imagenet_txt,
    "voc_classification": lambda root: (root / "ImageSets" / "Main").is_dir(),
}
"""What a dataset of this format always has. The allow-list: some of Datumaro's importers unpickle."""
_TITLES = {
    "datumaro": "Datumaro",
    "coco_labels": "COCO",
    "coco_instances": "COCO",
    "imagenet_txt": "ImageNet with a text file",
    "roboflow_multiclass": "Roboflow multi-class",
    "voc_classification": "Pascal VOC",
}


def _import(folder: Path, name: str) -> Any:
    from datumaro.components.dataset import Dataset as DatumaroDataset

    try:
        return DatumaroDataset.import_from(str(folder), name)
    except MemoryError:
        raise
    except Exception as error:  # its importers raise anything on a damaged file
        raise BadDataset(
            f"The dataset looks like {_TITLES[name]} but cannot be read: {_sentence(error)}",
            hint="Check the annotation file, or upload one folder a class.",
        ) from error


def _from_datumaro(
    loaded: Any,
    name: str,
    root: Path,
    task: Task,
    *,
    base: Path | None = None,
    splits: Mapping[str, str] | None = None,
) -> Dataset:
    """`base` is the folder that stands for the root in Datumaro's paths; `splits` says what its subsets are."""
    from datumaro.components.annotation import AnnotationType

    categories = loaded.categories().get(AnnotationType.label)
    labels = tuple(item.name for item in categories.items) if categories else ()
    home = (base or root).resolve()
    samples, missing = [], []
    for item in loaded:
        given = Path(getattr(item.media, "path", "") or "").resolve()
        path = root / given.relative_to(home) if given.is_relative_to(home) else home
        if not path.is_file():
            missing.append(f"{item.subset}/{item.id}")
            continue
        split = (splits or {}).get(item.subset) or split_named(item.subset) or split_above(path.relative_to(root))
        samples.append(Sample(_relative(path, root), path, split, task.target(item)))
    samples.sort(key=lambda sample: sample.name)
    problems = [_not_there(missing)] if missing else []
    return _checked(Dataset(_TITLES[name], labels, _with_none(samples), tuple(problems)))


def _with_none(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """Where images have several labels, one without any shows none of them, which is an answer too."""
    if not any(isinstance(sample.target, tuple) and len(sample.target) > 1 for sample in samples):
        return tuple(samples)
    return tuple(replace(sample, target=()) if sample.target is None else sample for sample in samples)


def _sentence(error: BaseException) -> str:
    """What the innermost error says: those around it name folders of ours."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:199] + "…"
