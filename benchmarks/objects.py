"""A large COCO file opened, against Datumaro's own reader, and the interval of a drop of mAP.

Promised: 50,000 annotations with outlines in under 10 s, and the interval in about a second.

    python -m benchmarks.objects [--annotations 50000]
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import clock
from jobs import average_precision, layouts, matching, tasks
from jobs.objects import Objects
from jobs.predictions import Prediction

_SIZE = (480, 640)
_PER_IMAGE = 5
_CLASSES = 80
_IMAGES = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotations", type=int, default=50_000)
    count = parser.parse_args().annotations
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        _write_coco(root, count)
        for task in ("detection", "instance_segmentation"):
            start = time.perf_counter()
            dataset = layouts.read(root, tasks.by_name(task))
            seconds = time.perf_counter() - start
            found = sum(len(sample.target) for sample in dataset.samples)
            clock.say(f"{found:,} annotations for {task}: {seconds:.1f} s (promised: under 10)")
        clock.say(f"the same by Datumaro's own reader: {_datumaro(root):.1f} s")
    predictions, truth = _detections(np.random.default_rng(0))
    start = time.perf_counter()
    matches = matching.match(predictions, truth, _CLASSES, by_mask=False)
    matched = time.perf_counter()
    average_precision.drop(matches, matches)
    clock.say(f"{_IMAGES:,} images and {_CLASSES} classes matched: {matched - start:.1f} s")
    clock.say(f"the interval of a drop: {time.perf_counter() - matched:.1f} s (promised: about 1)")


def _write_coco(root: Path, count: int) -> None:
    """As Datumaro wants it, so that both can read it."""
    rng = np.random.default_rng(0)
    (root / "images" / "train").mkdir(parents=True)
    (root / "annotations").mkdir()
    names = [f"{number:06}.jpg" for number in range(count // _PER_IMAGE)]
    first = root / "images" / "train" / names[0]
    Image.fromarray(rng.integers(0, 256, (*_SIZE, 3), dtype=np.uint8)).save(first)
    for name in names[1:]:
        os.link(first, first.with_name(name))
    content = {
        "images": [
            {"id": number, "file_name": name, "height": _SIZE[0], "width": _SIZE[1]}
            for number, name in enumerate(names, start=1)
        ],
        "annotations": [_annotation(number, rng) for number in range(count)],
        "categories": [{"id": number, "name": f"class {number}"} for number in range(1, _CLASSES + 1)],
    }
    (root / "annotations" / "instances_train.json").write_text(json.dumps(content))


def _annotation(number: int, rng: np.random.Generator) -> dict[str, Any]:
    """An outline of 30 points, small ones more often than large ones."""
    radius = float(np.exp(rng.uniform(np.log(8), np.log(150))))
    middle = rng.uniform(radius, np.array(_SIZE[::-1]) - radius)
    angles = np.linspace(0, 2 * np.pi, 30, endpoint=False)
    points = middle + radius * rng.uniform(0.7, 1, (30, 1)) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    low, high = points.min(0), points.max(0)
    return {
        "id": number + 1,
        "image_id": number // _PER_IMAGE + 1,
        "category_id": int(rng.integers(1, _CLASSES + 1)),
        "bbox": [*low.round(2).tolist(), *(high - low).round(2).tolist()],
        "area": float(np.prod(high - low)),
        "iscrowd": 0,
        "segmentation": [points.round(2).ravel().tolist()],
    }


def _datumaro(root: Path) -> float:
    from datumaro.components.dataset import Dataset

    start = time.perf_counter()
    for _ in Dataset.import_from(str(root), "coco_instances"):
        pass
    return time.perf_counter() - start


def _detections(rng: np.random.Generator) -> tuple[list[Prediction], list[Objects]]:
    """Six objects an image, each found twice, and 40 predictions of nothing."""
    predictions: list[Prediction] = []
    truth: list[Objects] = []
    for _ in range(_IMAGES):
        corners = rng.uniform(0, 400, (46, 2))
        boxes = np.hstack([corners, corners + rng.uniform(8, 200, (46, 2))]).astype(np.float32)
        labels = rng.integers(0, _CLASSES, 46)
        near = [(boxes[:6] + rng.normal(0, 6, (6, 4))).astype(np.float32) for _ in range(2)]
        scores = np.r_[rng.beta(4, 2, 12), rng.beta(1, 6, 40)].astype(np.float32)
        predictions.append((np.vstack([*near, boxes[6:]]), np.r_[labels[:6], labels], scores))
        truth.append(Objects(boxes[:6], labels[:6], np.zeros(6, np.bool_)))
    return predictions, truth


if __name__ == "__main__":
    main()
