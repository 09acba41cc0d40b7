"""Objects and predictions of them, as a middling detector would make them."""

import numpy as np

from jobs import masks
from jobs.objects import Objects
from jobs.predictions import Prediction

SIZE = (60, 80)


def random(
    images: int,
    classes: int,
    *,
    seed: int = 0,
    strays: int = 20,
    crowd: float = 0.15,
    with_masks: bool = False,
) -> tuple[list[Prediction], list[Objects]]:
    """Up to seven objects an image, most of them predicted up to three times, and so many predictions of nothing."""
    rng = np.random.default_rng(seed)
    predictions: list[Prediction] = []
    truth: list[Objects] = []
    for _ in range(images):
        count = int(rng.integers(0, 8))
        boxes = _boxes(rng, count)
        labels = rng.integers(0, classes, count)
        objects = Objects(boxes, labels, rng.random(count) < crowd, _masks(boxes, with_masks), SIZE)
        again = np.repeat(np.arange(count), rng.integers(0, 4, count))
        near = boxes[again] + rng.normal(0, 2, (len(again), 4)).astype(np.float32)
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        found = np.vstack([near, _boxes(rng, strays)]).astype(np.float32)
        found_labels = np.r_[labels[again], rng.integers(0, classes, strays)]
        scores = np.r_[rng.beta(4, 2, len(again)), rng.beta(2, 4, strays)].round(2).astype(np.float32)
        packed = masks.pack(_masks(found, with_masks)) if with_masks else ()
        predictions.append((found, found_labels, scores, *packed))
        truth.append(objects)
    return predictions, truth


def _boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corner = rng.uniform(0, 40, (count, 2))
    return np.hstack([corner, corner + rng.uniform(4, 30, (count, 2))]).astype(np.float32)


def _masks(boxes: np.ndarray, wanted: bool) -> tuple[bytes, ...]:
    """A diamond in each box."""
    if not wanted:
        return ()
    middles = [((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in boxes]
    return tuple(
        masks.from_polygons([[float(p) for p in (x, y0, x1, y, x, y1, x0, y)]], SIZE)
        for (x0, y0, x1, y1), (x, y) in zip(boxes, middles, strict=True)
    )


def objects(*boxes: tuple[float, float, float, float], labels: tuple[int, ...] = (), crowd: bool = False) -> Objects:
    """Some at these places, of class 0 unless said otherwise."""
    return Objects(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels or [0] * len(boxes), np.int64),
        np.full(len(boxes), crowd),
    )


def prediction(*found: tuple[tuple[float, float, float, float], float], label: int = 0) -> Prediction:
    """Boxes with their scores, of one class."""
    boxes = np.array([box for box, _ in found], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score in found], np.float32)
    return boxes, np.full(len(found), label, np.int64), scores
