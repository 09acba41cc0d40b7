"""Datasets of tiny images, in the layouts people have them in."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

_rng = np.random.default_rng(7)


def image(path: Path) -> Path:
    """Another picture each time, so that none is a copy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(_rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).save(path)
    return path


def folders(root: Path, content: Mapping[str, int]) -> Path:
    """So many images in each of these folders."""
    for name, count in content.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            image(root / name / f"{number}.png")
    return root


def coco(
    path: Path,
    images: Mapping[str, Sequence[str]],
    *,
    categories: Sequence[str] = ("cat", "dog"),
    first: int = 1,
    boxes: bool = True,
) -> Path:
    """An annotation file: the labels of each image name, categories counted from `first`."""
    numbers = {name: number for number, name in enumerate(categories, start=first)}
    box: dict[str, Any] = {"bbox": [1, 1, 2, 2], "area": 4, "iscrowd": 0, "segmentation": [[1, 1, 3, 1, 3, 3]]}
    annotations: list[dict[str, Any]] = []
    for place, labels in enumerate(images.values()):
        for label in labels:
            entry = {"id": len(annotations) + 1, "image_id": place, "category_id": numbers[label]}
            annotations.append({**entry, **(box if boxes else {})})
    content = {
        "images": [{"id": place, "file_name": name, "width": 6, "height": 6} for place, name in enumerate(images)],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
    }
    return text(path, json.dumps(content))


def datumaro(path: Path, images: Mapping[str, int | None], labels: Sequence[str] = ("cat", "dog")) -> Path:
    """Datumaro's own annotation file: the label of each image."""
    items = []
    for name, label in images.items():
        annotation = {"id": 0, "type": "label", "attributes": {}, "group": 0, "label_id": label}
        items.append(
            {
                "id": Path(name).stem,
                "annotations": [] if label is None else [annotation],
                "image": {"path": name, "size": [6, 6]},
            }
        )
    categories = {"label": {"labels": [{"name": name, "parent": "", "attributes": []} for name in labels]}}
    categories["label"]["attributes"] = []
    return text(path, json.dumps({"info": {}, "categories": categories, "items": items}))


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path
