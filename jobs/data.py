"""Datasets on their way to a model: opened, and every image decoded once."""

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from jobs import archive, images, layouts
from jobs.errors import NotEnoughImages
from jobs.images import Pixels
from jobs.samples import Dataset, Sample, count, left_out
from jobs.tasks import Task

T = TypeVar("T")

_MEMORY_CACHE = 256 << 20  # bytes; a larger cache lies in a file
_BATCH = 16  # images that a thread takes at once: small ones are decoded faster than threads can talk


@dataclass(frozen=True)
class Decoded:
    """Images as the model's size asks, each decoded once a job."""

    pixels: Pixels
    """[n, height, width, channels]"""
    samples: tuple[Sample, ...]
    """Those that could be read, in the order of `pixels`."""
    sizes: tuple[tuple[int, int], ...]
    """Height and width that each had before."""
    broken: tuple[str, ...] = ()
    """Names of those that could not."""


@dataclass(frozen=True)
class Calibration:
    """Calibration images as the untouched model takes them; can be iterated over many times."""

    pixels: Pixels
    name: str
    tensor: Callable[[Pixels], NDArray[Any]] = field(repr=False)

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        return ({self.name: self.tensor(pixels)} for pixels in self.pixels)

    def __getitem__(self, place: int) -> dict[str, NDArray[Any]]:
        return {self.name: self.tensor(self.pixels[place])}

    def __len__(self) -> int:
        return len(self.pixels)


def open_dataset(folder: Path, scratch: Path, task: Task) -> Dataset:
    """Read the dataset in `folder`: one zip, or the files themselves.

    A zip is unpacked under `scratch`. Raises BadArchive, UnknownDataset, BadDataset, NotEnoughImages.
    """
    return _without_broken(layouts.read(_unpacked(folder, scratch), task))


def _unpacked(folder: Path, scratch: Path) -> Path:
    files = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if len(files) != 1 or not files[0].is_file() or files[0].suffix.lower() in images.ENDINGS:
        return folder
    into = scratch / "dataset"
    archive.unpack(files[0], into)
    into.mkdir(parents=True, exist_ok=True)  # of an archive with nothing in it
    return into


def _without_broken(dataset: Dataset) -> Dataset:
    fine = list(_in_threads(lambda sample: images.opens(sample.path), dataset.samples))
    broken = [sample.name for sample, opens in zip(dataset.samples, fine, strict=True) if not opens]
    if not any(fine):
        raise NotEnoughImages(
            f"None of the {count(len(broken), 'image')} can be read." if broken else "The dataset holds no image.",
            hint=f"Upload {images.KINDS} files of at most {images.MAX_PIXELS // 10**6} million pixels.",
            where=next(iter(broken), ""),
        )
    if not broken:
        return dataset
    samples = tuple(itertools.compress(dataset.samples, fine))
    why = f"no image that can be read, or more than {images.MAX_PIXELS // 10**6} million pixels"
    return replace(dataset, samples=samples, problems=(*dataset.problems, left_out(broken, why)))


def decode(
    samples: Sequence[Sample],
    resize: Callable[[Pixels], Pixels],
    scratch: Path,
    progress: Callable[[int], None] = lambda done: None,
) -> Decoded:
    """Decode and resize every sample once, in threads: Pillow and OpenCV let go of the interpreter.

    Memory is bounded: a cache of more than 256 MB lies in a file under `scratch`. Raises NotEnoughImages when none
    can be read.
    """

    def pixels_of(sample: Sample) -> tuple[Pixels, tuple[int, int]] | None:
        try:
            image = images.load(sample.path)
            return resize(image), (image.shape[0], image.shape[1])
        except ValueError:
            return None

    cache: Pixels | None = None
    kept: list[Sample] = []
    sizes: list[tuple[int, int]] = []
    broken: list[str] = []
    for number, (sample, found) in enumerate(zip(samples, _in_threads(pixels_of, samples), strict=True)):
        progress(number + 1)
        if found is None:
            broken.append(sample.name)
            continue
        pixels, size = found
        if cache is None:
            cache = _cache((len(samples), *pixels.shape), scratch)
        cache[len(kept)] = pixels
        kept.append(sample)
        sizes.append(size)
    if cache is None and not samples:
        return Decoded(np.empty((0, 0, 0, 0), np.uint8), (), ())
    if cache is None:
        raise NotEnoughImages(
            f"None of the {count(len(broken), 'image')} can be decoded.",
            hint=f"Upload whole {images.KINDS} files.",
            where=next(iter(broken), ""),
        )
    return Decoded(cache[: len(kept)], tuple(kept), tuple(sizes), tuple(broken))


def _in_threads(function: Callable[[Sample], T], samples: Sequence[Sample]) -> Iterator[T]:
    """Results in order, with a few batches waiting at most instead of all."""
    count = min(16, len(os.sched_getaffinity(0)) + 1)
    waiting: deque[Future[list[T]]] = deque()
    with ThreadPoolExecutor(count) as threads:
        for start in range(0, len(samples), _BATCH):
            waiting.append(threads.submit(_each, function, samples[start : start + _BATCH]))
            if len(waiting) > count:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _each(function: Callable[[Sample], T], samples: Sequence[Sample]) -> list[T]:
    return [function(sample) for sample in samples]


def _cache(shape: tuple[int, ...], scratch: Path) -> Pixels:
    size = int(np.prod(shape))
    if size <= _MEMORY_CACHE:
        return np.empty(shape, np.uint8)
    scratch.mkdir(parents=True, exist_ok=True)
    path = scratch / f"pixels-{len(list(scratch.glob('pixels-*')))}.u8"
    with path.open("xb") as file:
        os.posix_fallocate(file.fileno(), 0, size)  # a full disk is an error here, and a crash in the mapped memory
    return np.memmap(path, np.uint8, "r+", shape=shape)
