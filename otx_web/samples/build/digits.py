"""Scikit-learn's handwritten digits, the only pictures at hand, and what all samples do with them."""

import zipfile
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

LABELS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SEED = 0
VALIDATION = 900  # of 1,797 digits; the rest trains the networks, and calibrates
DATE = (1980, 1, 1, 0, 0, 0)  # the same files pack to the same bytes at any time

Floats = NDArray[np.floating[Any]]
Pixels = NDArray[np.uint8]


@cache
def written(split: str) -> tuple[tuple[Floats, ...], ...]:
    """For each label the digits [8, 8] of 0 to 16 of a split: train and val share none."""
    digits = load_digits()
    order = np.random.default_rng(SEED).permutation(len(digits.images))
    chosen = order[:VALIDATION] if split == "val" else order[VALIDATION:]
    return tuple(
        tuple(digits.images[number] for number in chosen if digits.target[number] == label)
        for label in range(len(LABELS))
    )


def patch(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> Floats:
    """Smooth noise [height, width] of -1 to 1: that many random spots across, with soft passages between."""
    spots = Image.fromarray(rng.uniform(-1, 1, (cells, cells)).astype(np.float32))
    return np.asarray(spots.resize(shape[::-1], Image.Resampling.BICUBIC))


def jpeg(pixels: Floats, quality: int) -> bytes:
    """A picture [height, width, 3] of 0 to 255 as a file."""
    file = BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return file.getvalue()


def png(mask: Pixels) -> bytes:
    """A mask [height, width] as a file."""
    file = BytesIO()
    Image.fromarray(mask).save(file, "PNG", optimize=True)
    return file.getvalue()


def opened(picture: bytes) -> Pixels:
    """[height, width, 3], as whoever opens the file sees it."""
    return np.asarray(Image.open(BytesIO(picture)))


def pack(files: dict[str, bytes], path: Path) -> None:
    """One zip of files by their paths in it. Pictures do not get smaller, annotations do."""
    with zipfile.ZipFile(path, "w") as packed:
        for name in sorted(files):
            plain = name.endswith((".jpg", ".png"))
            how = zipfile.ZIP_STORED if plain else zipfile.ZIP_DEFLATED
            packed.writestr(zipfile.ZipInfo(name, DATE), files[name], how)
