"""Datasets in formats that Datumaro reads as they are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs import annotated, tree
from jobs.annotated import Entry
from jobs.errors import BadDataset
from jobs.samples import Dataset, split_above, split_named
from jobs.tasks import Task

_MOST_BYTES = 256 << 20  # of a file that is searched


def has_datumaro(root: Path) -> bool:
    """Datumaro's own format."""
    beginnings = tree.first_bytes(root.glob("annotations/*.json"), _MOST_BYTES)
    return any(b'"items"' in data and b'"categories"' in data for data in beginnings)


def has_imagenet_txt(root: Path) -> bool:
    """ImageNet with text files."""
    return (root / "synsets.txt").is_file() and len(list(root.glob("*.txt"))) > 1


def has_roboflow_table(root: Path) -> bool:
    """Roboflow's table of classes."""
    return any(root.glob("*/_classes.csv")) or (root / "_classes.csv").is_file()


def has_voc_classes(root: Path) -> bool:
    """Pascal VOC's lists of images."""
    return (root / "ImageSets" / "Main").is_dir()


def has_voc_instances(root: Path) -> bool:
    """Pascal VOC's masks that tell objects apart."""
    return (root / "SegmentationObject").is_dir() and (root / "SegmentationClass").is_dir()


def read(root: Path, task: Task, *, name: str, title: str) -> Dataset:
    """By the importer called `name`: of those that run no code and unpickle nothing. Raises BadDataset."""
    from datumaro.components.annotation import AnnotationType

    loaded = _import(root, name, title)
    categories = loaded.categories().get(AnnotationType.label)
    labels = [item.name for item in categories.items] if categories else []
    home = root.resolve()
    missing: list[str] = []

    def entries() -> Iterator[Entry]:
        for item in _items(loaded, title):
            given = Path(getattr(item.media, "path", "") or "").resolve()
            path = root / given.relative_to(home) if given.is_relative_to(home) else home
            if not path.is_file():
                missing.append(f"{item.subset}/{item.id}")
                continue
            split = split_named(item.subset) or split_above(path.relative_to(root))
            yield Entry(path, split, item.annotations, item.media.size if item.media.has_size else None)

    found = annotated.dataset(title, root, labels, entries(), task)
    return annotated.with_missing(found, missing)


def _import(folder: Path, name: str, title: str) -> Any:
    from datumaro.components.dataset import Dataset as DatumaroDataset

    try:
        return DatumaroDataset.import_from(str(folder), name)
    except MemoryError:
        raise
    except Exception as error:  # its importers raise anything on a damaged file
        raise _unreadable(title, error) from error


def _items(loaded: Any, title: str) -> Iterator[Any]:
    """Some are read only when their turn comes."""
    try:
        yield from loaded
    except MemoryError:
        raise
    except Exception as error:
        raise _unreadable(title, error) from error


def _unreadable(title: str, error: Exception) -> BadDataset:
    return BadDataset(
        f"The dataset looks like {title} but cannot be read: {_sentence(error)}",
        hint="Check the annotation files.",
    )


def _sentence(error: BaseException) -> str:
    """What the innermost error says: those around it name folders of ours."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:199] + "…"
