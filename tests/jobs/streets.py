"""Images of which every pixel has a class, with their masks, and a model small enough to build in a test for them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops
from PIL import Image

CLASSES = ("background", "grass", "roof")
COLOURS = np.array([(40, 40, 200), (40, 200, 40), (200, 40, 40)], np.uint8)
SIDE = 24


def model(labels: Sequence[str] = CLASSES, *, told: bool = True, softmax: bool = True) -> ov.Model:
    """[1, 3, side, side] of 0 to 255 RGB to the probabilities [1, 3, side, side] of blue, green and red."""
    entry = ops.parameter([1, 3, SIDE, SIDE], np.float32, name="image")
    rng = np.random.default_rng(0)
    kernel = rng.uniform(0.08, 0.14, (3, 3, 3, 3)).astype(np.float32) * np.eye(3, dtype=np.float32)[:, :, None, None]
    mixed = ops.relu(ops.convolution(entry, kernel, [1, 1], [1, 1], [1, 1], [1, 1], name="mix"))
    weights = np.eye(3, dtype=np.float32)[::-1].reshape(3, 3, 1, 1) / 16
    scores = ops.convolution(mixed, weights.copy(), [1, 1], [0, 0], [0, 0], [1, 1], name="scores")
    last = ops.softmax(scores, 1) if softmax else scores
    return whole(last, entry, labels if told else ())


def whole(last: Any, entry: Any, labels: Sequence[str] = ()) -> ov.Model:
    """As OTX exports it."""
    last.output(0).set_names({"output1"})
    made = ov.Model([last], [entry], "streets")
    made.inputs[0].set_names({"image"})
    if labels:
        said = {"model_type": "Segmentation", "task_type": "segmentation", "labels": " ".join(labels)}
        for name, value in {**said, "soft_threshold": "0.5", "blur_strength": "-1"}.items():
            made.set_rt_info(value, ["model_info", name])
    return made


def mask(rng: np.random.Generator, side: int = SIDE) -> NDArray[np.uint8]:
    """Two areas somewhere on the background."""
    numbers = np.zeros((side, side), np.uint8)
    for number in (1, 2):
        top, left = rng.integers(0, side // 2, 2)
        height, width = rng.integers(side // 5, side // 2 + 1, 2)
        numbers[top : top + height, left : left + width] = number
    return numbers


def image(numbers: NDArray[np.uint8], rng: np.random.Generator) -> Image.Image:
    """Each class in its colour, with noise."""
    noise = rng.normal(0, 12, (*numbers.shape, 3))
    return Image.fromarray(np.clip(COLOURS[numbers] + noise, 0, 255).astype(np.uint8))


def pair(folder: Path, name: str, rng: np.random.Generator, side: int = SIDE) -> NDArray[np.uint8]:
    """An image in `images` and its mask in `masks`."""
    numbers = mask(rng, side)
    for kind, picture in (("images", image(numbers, rng)), ("masks", Image.fromarray(numbers))):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        picture.save(folder / kind / f"{name}.png")
    return numbers


def dataset(folder: Path, each: int = 12, splits: Sequence[str] = ("train", "val")) -> Path:
    """In OTX's layout: images, masks and dataset_meta.json in the folder of each split."""
    rng = np.random.default_rng(1)
    for split in splits:
        for number in range(each):
            pair(folder / split, f"{split}-{number}", rng)
        meta = {"label_map": {str(value): name for value, name in enumerate(CLASSES)}}
        (folder / split / "dataset_meta.json").write_text(json.dumps(meta))
    return folder
