"""What the original model said in earlier jobs on the same data, so that a second method need not ask it again."""

import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np
import openvino as ov

from jobs.pair import Pair
from jobs.predictions import Array, Predictions

_MOST_BYTES = 128 << 20  # of one measurement; larger ones are made again
_MOST_FILES = 20  # of one model and dataset


def recall(folder: Path | None, key: str, scratch: Path) -> Predictions | None:
    """The predictions kept under `key`; None when there are none, or they cannot be read."""
    if folder is None:
        return None
    try:
        with (folder / f"{key}.npz").open("rb") as file, np.load(file, allow_pickle=False) as kept:
            fields = [_apart(kept[f"values{n}"], kept[f"shapes{n}"]) for n in range(len(kept.files) // 2)]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
        return None
    found = Predictions(scratch)
    for prediction in zip(*fields, strict=True):
        found.append(prediction)
    return found


def remember(folder: Path | None, key: str, predictions: Predictions) -> None:
    """Keep predictions for the next job. A disk that is full must not stop this one."""
    if folder is None or not folder.is_dir() or predictions.nbytes > _MOST_BYTES:
        return
    kept: dict[str, Array] = {}
    for number, arrays in enumerate(zip(*predictions, strict=True)):
        kept[f"values{number}"] = np.concatenate([array.ravel() for array in arrays])
        kept[f"shapes{number}"] = np.array([array.shape for array in arrays], np.int64)
    part = folder / f".{key}-{os.getpid()}.npz"
    try:
        np.savez(part, allow_pickle=False, **kept)
        part.replace(folder / f"{key}.npz")
        for old in sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime)[:-_MOST_FILES]:
            old.unlink(missing_ok=True)
    except OSError:
        part.unlink(missing_ok=True)


def _apart(values: Array, shapes: Array) -> list[Array]:
    ends = np.cumsum(shapes.prod(axis=1))
    return [part.reshape(shape) for part, shape in zip(np.split(values, ends[:-1]), shapes, strict=True)]


def key(pair: Pair, names: tuple[str, ...], *, device: str, cpu: str) -> str:
    """Everything but the files themselves that the predictions hang on: preparation, images, engine, machine."""
    bound = (pair.bound.outputs, pair.bound.labels, pair.bound.multilabel, pair.bound.threshold)
    said = (pair.task.name, pair.entry, bound, sorted(pair.settings.items()), names, device, cpu, ov.__version__)
    return hashlib.sha256(repr(said).encode("utf-8", "surrogateescape")).hexdigest()[:32]
