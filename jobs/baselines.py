"""What the original model answered in earlier jobs on the same data, so that a second method need not ask it again."""

import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np
import openvino as ov

from jobs.pair import Pair
from jobs.tasks import Array

_MOST_BYTES = 128 << 20  # of one measurement; larger ones are made again
_MOST_FILES = 20  # of one model and dataset


def recall(folder: Path | None, key: str) -> list[Array] | None:
    """The outputs kept under `key`; None when there are none, or they cannot be read."""
    if folder is None:
        return None
    try:
        with (folder / f"{key}.npz").open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return [kept[f"arr_{number}"] for number in range(len(kept.files))]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
        return None


def remember(folder: Path | None, key: str, outputs: list[Array]) -> None:
    """Keep outputs for the next job. A disk that is full must not stop this one."""
    if folder is None or not folder.is_dir() or sum(output.nbytes for output in outputs) > _MOST_BYTES:
        return
    part = folder / f".{key}-{os.getpid()}.npz"
    try:
        np.savez(part, *outputs, allow_pickle=False)
        part.replace(folder / f"{key}.npz")
        for old in sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime)[:-_MOST_FILES]:
            old.unlink(missing_ok=True)
    except OSError:
        part.unlink(missing_ok=True)


def key(pair: Pair, names: tuple[str, ...], *, device: str, cpu: str) -> str:
    """Everything but the files themselves that the outputs hang on: preparation, images, engine, machine."""
    said = (pair.entry, pair.bound.outputs, names, device, cpu, ov.__version__)
    return hashlib.sha256(repr(said).encode("utf-8", "surrogateescape")).hexdigest()[:32]
