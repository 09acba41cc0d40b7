"""Datasets: found by their layout, read into samples, divided, and decoded once."""

import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from jobs import archive
from jobs.errors import BadDataset, NotEnoughImages, UnknownDataset
from jobs.findings import Problem
from jobs.tasks import Task

# Larger pictures are bombs or mistakes; a 10 KB file can hold 80 million pixels.
MAX_PIXELS = 25_000_000
IMAGE_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
_PILLOW_FORMATS = ("PNG", "JPEG", "MPO", "BMP", "WEBP", "TIFF", "PPM")
_SPLITS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
_MEMORY_CACHE = 256 << 20  # bytes; a larger cache lies in a file
_LISTED = 100  # names in one problem

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Sample:
    """One image with its annotation."""

    name: str
    """Path inside the dataset: how a person knows it."""
    path: Path
    split: str
    """train, val, test, or empty when the dataset is not split."""
    target: Any = None
    """What the task made of the annotation; None when there is none."""


@dataclass(frozen=True)
class Dataset:
    """A dataset as it was found."""

    format: str
    labels: tuple[str, ...]
    samples: tuple[Sample, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def labelled(self) -> bool:
        """Whether accuracy can be measured against the truth."""
        return any(sample.target is not None for sample in self.samples)


@dataclass(frozen=True)
class Division:
    """Which images serve for what. The two never overlap, by path or by content."""

    calibration: tuple[Sample, ...]
    validation: tuple[Sample, ...]
    notes: tuple[str, ...] = ()
    spare: int = 0
    """Images that could calibrate besides."""
    unmeasured: int = 0
    """Images that could measure accuracy besides."""

    @property
    def digest(self) -> str:
        """sha256 over both lists of names."""
        text = "\n".join([*(s.name for s in self.calibration), "--", *(s.name for s in self.validation)])
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True)
class Decoded:
    """Images as the model's size asks, each decoded once a job."""

    pixels: Pixels
    """[n, height, width, channels]"""
    samples: tuple[Sample, ...]
    """Those that could be read, in the order of `pixels`."""
    broken: tuple[str, ...] = ()
    """Names of those that could not."""


# --- finding and reading


def open_dataset(folder: Path, scratch: Path, task: Task) -> Dataset:
    """Read the dataset in `folder`: one zip, or the files themselves.

    A zip is unpacked under `scratch`. Raises BadArchive, UnknownDataset, BadDataset, NotEnoughImages.
    """
    root = _strip(_unpacked(folder, scratch))
    dataset = _read(root, task)
    if not dataset.samples:
        raise NotEnoughImages(
            f"The dataset holds no image ({_title(dataset.format)}).",
            hint="Images may be PNG, JPEG, BMP, WebP or TIFF files.",
        )
    return _without_broken(dataset)


def _unpacked(folder: Path, scratch: Path) -> Path:
    files = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if len(files) != 1 or not files[0].is_file():
        return folder
    if files[0].suffix.lower() in IMAGE_ENDINGS:
        return folder
    into = scratch / "dataset"
    archive.unpack(files[0], into)
    return into


def _strip(root: Path) -> Path:
    """The folder inside folders around everything, unless its name is a split's."""
    while True:
        entries = _entries(root)
        if len(entries) != 1 or not entries[0].is_dir() or entries[0].name.lower() in _SPLITS:
            return root
        root = entries[0]


def _entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX")))


def _read(root: Path, task: Task) -> Dataset:
    readers: list[Callable[[], Dataset | None]] = [
        lambda: _datumaro(root, task) if _has_annotations(root) else None,
        lambda: _class_folders(root) if "class_folders" in task.formats else None,
        lambda: _loose_images(root),
    ]
    for reader in readers:
        found = reader()
        if found is not None:
            return found
    raise UnknownDataset(
        "No known dataset layout was found, and no images.",
        hint="The simplest layout is one folder a class with its images inside; a folder of images alone works too.",
    )


def _has_annotations(root: Path) -> bool:
    """Whether there is anything that only Datumaro can read."""
    ending = {".json", ".xml", ".csv", ".txt", ".yaml", ".yml"}
    depths = itertools.chain(root.glob("*"), root.glob("*/*"), root.glob("*/*/*"))
    return any(path.suffix.lower() in ending and path.is_file() for path in depths)


def _images_under(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_ENDINGS and not path.name.startswith(".") and path.is_file()
    )


def _class_folders(root: Path) -> Dataset | None:
    """One folder a class, split or not; also ImageNet's layout."""
    folders = [path for path in _entries(root) if path.is_dir()]
    splits = {path: _SPLITS[path.name.lower()] for path in folders if path.name.lower() in _SPLITS}
    parts = splits or {root: ""}
    found: list[tuple[str, str, Path]] = []
    for part, split in parts.items():
        for folder in _entries(part):
            if folder.is_dir():
                found += [(split, folder.name, image) for image in _images_under(folder)]
    if not found:
        return None
    # An empty class still counts: its name is in the dataset.
    names = {folder.name for part in parts for folder in _entries(part) if folder.is_dir()}
    labels = tuple(sorted(names, key=_natural))
    index = {label: number for number, label in enumerate(labels)}
    samples = tuple(
        Sample(str(path.relative_to(root)), path, split, (index[label],)) for split, label, path in sorted(found)
    )
    problems = _class_problems(labels, samples)
    return Dataset("One folder a class" + (", split" if splits else ""), labels, samples, problems)


def _natural(text: str) -> tuple[Any, ...]:
    """10 comes after 9."""
    pieces = ["".join(group) for _, group in itertools.groupby(text, str.isdigit)]
    return tuple((0, int(piece), "") if piece.isdecimal() else (1, 0, piece.lower()) for piece in pieces), text


def _class_problems(labels: tuple[str, ...], samples: tuple[Sample, ...]) -> tuple[Problem, ...]:
    counts = Counter(label for sample in samples for label in sample.target or ())
    if len(labels) == 1:
        raise BadDataset(
            f"The dataset has one class only, “{labels[0]}”, so accuracy would say nothing.",
            hint="Add the folders of the other classes, or put the images in one folder without labels.",
        )
    empty = tuple(label for number, label in enumerate(labels) if not counts[number])
    if not empty:
        return ()
    return (
        Problem(
            level="warning", where="dataset", message=f"{_count(len(empty), 'class')} without images.", items=empty
        ),
    )


def _loose_images(root: Path) -> Dataset | None:
    """Images without labels, split or not."""
    images = _images_under(root)
    if not images:
        return None
    problem = Problem(
        level="info",
        where="dataset",
        message="The images have no labels, so accuracy is how often the optimised model agrees with the original.",
        hint="For real accuracy, put the images of each class in a folder named after it.",
    )
    samples = tuple(Sample(str(path.relative_to(root)), path, _split_of(path, root)) for path in images)
    return Dataset("Images without labels", (), samples, (problem,))


def _split_of(path: Path, root: Path) -> str:
    return next((_SPLITS[part.lower()] for part in path.relative_to(root).parts[:-1] if part.lower() in _SPLITS), "")


def _datumaro(root: Path, task: Task) -> Dataset | None:
    """Through Datumaro, by an allow-list: some of its importers unpickle."""
    from datumaro.components.dataset import Dataset as DatumaroDataset
    from datumaro.components.environment import Environment

    allowed = [name for name in task.formats if name != "class_folders"]
    environment = Environment()
    try:
        matched = [name for name in environment.detect_dataset(str(root), depth=2) if name in allowed]
    except Exception as error:  # its detectors raise anything on a damaged file
        raise BadDataset(f"The annotations cannot be read: {_sentence(error)}") from error
    for name in sorted(matched, key=allowed.index):
        try:
            loaded = DatumaroDataset.import_from(str(root), name)
        except Exception as error:
            raise BadDataset(
                f"The dataset looks like {_title(name)} but cannot be read: {_sentence(error)}",
                hint="Check the annotation file, or upload one folder a class.",
            ) from error
        return _from_datumaro(loaded, name, root, task)
    return None


def _from_datumaro(loaded: Any, name: str, root: Path, task: Task) -> Dataset:
    from datumaro.components.annotation import AnnotationType

    categories = loaded.categories().get(AnnotationType.label)
    labels = tuple(item.name for item in categories.items) if categories else ()
    samples, missing = [], []
    for item in loaded:
        path = Path(getattr(item.media, "path", "") or "")
        if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
            missing.append(f"{item.subset}/{item.id}")
            continue
        split = _SPLITS.get(item.subset.lower(), "")
        samples.append(Sample(str(path.relative_to(root)), path, split, task.target(item.annotations)))
    problems = []
    if missing:
        problems.append(_left_out(missing, "named in the annotations but not in the archive"))
    return Dataset(_title(name), labels, tuple(sorted(samples, key=lambda sample: sample.name)), tuple(problems))


_TITLES = {
    "datumaro": "Datumaro",
    "coco": "COCO",
    "coco_labels": "COCO with labels",
    "coco_instances": "COCO instances",
    "imagenet": "ImageNet",
    "imagenet_txt": "ImageNet with a text file",
    "imagenet_with_subset_dirs": "ImageNet with splits",
    "roboflow_multiclass": "Roboflow multi-class",
    "roboflow_coco": "Roboflow COCO",
    "voc_classification": "Pascal VOC",
}


def _title(name: str) -> str:
    return _TITLES.get(name, name.replace("_", " "))


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:199] + "…"


def _count(number: int, noun: str) -> str:
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number} {noun if number == 1 else plural}"


def _left_out(names: Sequence[str], why: str) -> Problem:
    verb = "is" if len(names) == 1 else "are"
    return Problem(
        level="warning",
        where="dataset",
        message=f"{_count(len(names), 'image')} {verb} left out: {why}.",
        items=tuple(names[:_LISTED]),
    )


# --- images


def load(path: Path) -> Pixels:
    """An image as RGB [h, w, 3], upright, whatever its mode. Raises OSError or ValueError on what is no image."""
    with Image.open(path, formats=_PILLOW_FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width} × {image.height} pixels are more than {MAX_PIXELS // 10**6} million")
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith(("I", "F")):
            return _to_bytes(np.asarray(upright))
        return np.asarray(upright.convert("RGB"))


def _to_bytes(values: NDArray[Any]) -> Pixels:
    """16-bit and float greys [h, w] as RGB bytes: 16 bits keep their high byte, others are stretched to their range."""
    if values.max(initial=0) <= 255 and values.min(initial=0) >= 0:
        grey = values
    elif values.max() <= 65535 and values.min() >= 0:
        grey = values / 257
    else:
        span = float(values.max() - values.min()) or 1.0
        grey = (values - values.min()) / span * 255
    return np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=2)


def _opens(path: Path) -> bool:
    """Whether the head of the file is an image's, of a sane size; the rest is not read."""
    try:
        with Image.open(path, formats=_PILLOW_FORMATS) as image:
            return 0 < image.width * image.height <= MAX_PIXELS
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


def _without_broken(dataset: Dataset) -> Dataset:
    with ThreadPoolExecutor(4) as threads:
        fine = list(threads.map(_opens, [sample.path for sample in dataset.samples]))
    broken = [sample.name for sample, opens in zip(dataset.samples, fine, strict=True) if not opens]
    if not broken:
        return dataset
    samples = tuple(itertools.compress(dataset.samples, fine))
    if not samples:
        raise NotEnoughImages(
            f"None of the {_count(len(broken), 'image')} can be read.",
            hint="Upload PNG, JPEG, BMP, WebP or TIFF files of at most 25 million pixels.",
            where=broken[0],
        )
    return replace(
        dataset, samples=samples, problems=(*dataset.problems, _left_out(broken, "not an image that can be read"))
    )


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

    def pixels_of(sample: Sample) -> Pixels | None:
        try:
            return resize(load(sample.path))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None

    cache: Pixels | None = None
    kept: list[Sample] = []
    broken: list[str] = []
    with ThreadPoolExecutor(4) as threads:
        for number, (sample, pixels) in enumerate(zip(samples, _bounded_map(threads, pixels_of, samples), strict=True)):
            progress(number + 1)
            if pixels is None:
                broken.append(sample.name)
                continue
            if cache is None:
                cache = _cache((len(samples), *pixels.shape), scratch)
            cache[len(kept)] = pixels
            kept.append(sample)
    if cache is None:
        raise NotEnoughImages("No image can be decoded.", where=broken[0] if broken else "")
    return Decoded(cache[: len(kept)], tuple(kept), tuple(broken))


def _bounded_map(
    threads: ThreadPoolExecutor, function: Callable[[Sample], Pixels | None], samples: Sequence[Sample]
) -> Iterator[Pixels | None]:
    """`threads.map` in order, with a few dozen results waiting at most instead of all."""
    for start in range(0, len(samples), 64):
        yield from threads.map(function, samples[start : start + 64])


def _cache(shape: tuple[int, ...], scratch: Path) -> Pixels:
    if int(np.prod(shape)) <= _MEMORY_CACHE:
        return np.empty(shape, np.uint8)
    scratch.mkdir(parents=True, exist_ok=True)
    path = scratch / f"pixels-{len(list(scratch.glob('pixels-*')))}.u8"
    return np.memmap(path, np.uint8, "w+", shape=shape)


# --- dividing


def divide(
    dataset: Dataset, *, calibration: int, seed: int = 0, shuffle: bool = True, validation: int | None = None
) -> Division:
    """Images to calibrate with, at most `calibration`, and images to measure with, at most `validation`.

    The dataset's own splits are followed: train calibrates; val measures, test when there is no val. What is missing is
    held out from the other, stratified by label, and drawn by `seed`. Raises NotEnoughImages under two images.
    """
    if len(dataset.samples) < 2:
        raise NotEnoughImages("At least two images are needed: one to calibrate and one to measure.")
    by_split: dict[str, list[Sample]] = defaultdict(list)
    unlabelled: list[Sample] = []  # among labelled ones: good to calibrate with, not to measure with
    for sample in dataset.samples:
        (by_split[sample.split] if sample.target is not None or not dataset.labelled else unlabelled).append(sample)
    measured = by_split["val"] or by_split["test"]
    train = by_split["train"] or by_split[""]
    notes: list[str] = []
    if not measured or not train:
        pool = measured or train
        train, measured = _hold_out(pool, min(calibration, max(1, len(pool) // 3)), seed)
        notes.append(
            f"The dataset has no separate validation split: {_count(len(train), 'image')} are held out to calibrate."
        )
    train = [*train, *unlabelled]
    drawn = _draw(train, calibration, seed) if shuffle else train[:calibration]
    measurable = len(measured)
    if validation is not None and validation < len(measured):
        measured = sorted(_draw(measured, validation, seed + 1), key=lambda sample: sample.name)
    drawn = _without_copies(drawn, measured, notes)
    if len(drawn) < calibration:
        notes.append(f"{_count(len(drawn), 'image')} calibrate; {calibration} were asked for.")
    spare, unmeasured = len(train) - len(drawn), measurable - len(measured)
    return Division(tuple(drawn), tuple(measured), tuple(notes), spare, unmeasured)


def _strata(samples: Sequence[Sample], seed: int) -> list[list[Sample]]:
    """Samples by label, each stratum shuffled."""
    rng = np.random.default_rng(seed)
    strata: dict[Any, list[Sample]] = defaultdict(list)
    for sample in samples:
        strata[sample.target if isinstance(sample.target, tuple) else None].append(sample)
    return [[group[i] for i in rng.permutation(len(group))] for _, group in sorted(strata.items(), key=str)]


def _draw(samples: Sequence[Sample], count: int, seed: int) -> list[Sample]:
    """`count` samples, from every label in turn until they are enough."""
    turns = itertools.zip_longest(*_strata(samples, seed))
    return list(itertools.islice((sample for turn in turns for sample in turn if sample is not None), count))


def spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """A few samples of as many labels as can be, always the same ones."""
    return _draw(samples, count, 0)


def _hold_out(pool: Sequence[Sample], count: int, seed: int) -> tuple[list[Sample], list[Sample]]:
    held = _draw(pool, count, seed)
    names = {sample.name for sample in held}
    return held, [sample for sample in pool if sample.name not in names]


def _without_copies(drawn: list[Sample], measured: Sequence[Sample], notes: list[str]) -> list[Sample]:
    """Calibration images that are byte for byte among the measured ones would flatter the result."""
    sizes = {sample.path.stat().st_size for sample in measured}
    suspects = {sample.name for sample in drawn if sample.path.stat().st_size in sizes}
    if not suspects:
        return drawn
    digests = {_digest(sample.path) for sample in measured}
    copies = {sample.name for sample in drawn if sample.name in suspects and _digest(sample.path) in digests}
    if not copies or len(copies) == len(drawn):
        if copies:
            raise NotEnoughImages(
                "Every calibration image is also among those that measure accuracy.",
                hint="Remove the copies from one of the two splits.",
            )
        return drawn
    notes.append(f"{_count(len(copies), 'calibration image')} left out: the same picture also measures accuracy.")
    return [sample for sample in drawn if sample.name not in copies]


def _digest(path: Path) -> bytes:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()


@dataclass(frozen=True)
class Calibration:
    """Calibration images as the untouched model takes them; can be iterated over many times."""

    pixels: Pixels
    name: str
    tensor: Callable[[Pixels], NDArray[Any]] = field(repr=False)

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        return ({self.name: self.tensor(pixels)} for pixels in self.pixels)

    def __len__(self) -> int:
        return len(self.pixels)
