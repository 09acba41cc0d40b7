"""Datasets of objects, and a task that only wants them."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jobs import layouts, objects, tasks
from jobs.objects import Objects
from jobs.samples import Dataset

SIZE = (30, 40)
"""Height and width of every image."""
SQUARE = [4.0, 3.0, 14.0, 3.0, 14.0, 13.0, 4.0, 13.0]
BOX = [4.0, 3.0, 14.0, 13.0]
"""Around the square: x0, y0, x1, y1."""

_rng = np.random.default_rng(3)


def read(root: Path, *, with_masks: bool = False) -> Dataset:
    """For a task that takes objects as they are."""
    task = dataclasses.replace(
        tasks.by_name("classification"),
        title="Instance segmentation" if with_masks else "Detection",
        formats=("datumaro", "coco_instances", "voc_detection", "cvat", "yolo"),
        target=lambda item: objects.of(item, with_masks=with_masks),
    )
    return layouts.read(root, task)


def only(dataset: Dataset) -> Objects:
    """Those of the one image."""
    (sample,) = dataset.samples
    found: Objects = sample.target
    return found


def said(dataset: Dataset) -> list[str]:
    """The messages."""
    return [problem.message for problem in dataset.problems]


def image(path: Path, *, orientation: int = 1, size: tuple[int, int] = SIZE) -> Path:
    """A picture whose file stores it in this size (height, width), lying as EXIF says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if orientation != 1:
        exif[0x0112] = orientation
    Image.fromarray(_rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path, exif=exif)
    return path


def images(root: Path, *names: str) -> Path:
    """Pictures of SIZE."""
    for name in names:
        image(root / name)
    return root


def entry(number: int, category: Any = 1, **fields: Any) -> dict[str, Any]:
    """An annotation of COCO: the square in image `number`, with these fields instead."""
    return {
        "id": number * 100,
        "image_id": number,
        "category_id": category,
        "bbox": [4, 3, 10, 10],
        "area": 100,
        "iscrowd": 0,
        "segmentation": [SQUARE],
        **fields,
    }


def coco(
    path: Path,
    names: Sequence[str],
    annotations: Sequence[Mapping[str, Any]],
    *,
    categories: Sequence[tuple[int, str]] = ((1, "cat"), (2, "dog")),
    size: tuple[int, int] | None = SIZE,
) -> Path:
    """An annotation file; the images are numbered from 1 on."""
    height, width = size or (0, 0)
    fields = {"height": height, "width": width} if size else {}
    content = {
        "images": [{"id": number, "file_name": name, **fields} for number, name in enumerate(names, start=1)],
        "annotations": list(annotations),
        "categories": [{"id": number, "name": name} for number, name in categories],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path
