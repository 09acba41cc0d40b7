"""Which images of a dataset calibrate, and which measure accuracy."""

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jobs.errors import NotEnoughImages
from jobs.samples import Dataset, Sample, are, count


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


def divide(
    dataset: Dataset,
    *,
    calibration: int,
    seed: int = 0,
    shuffle: bool = True,
    validation: int | None = None,
    calibrates: bool = True,
    enough: int | None = None,
    may_calibrate: Callable[[Any], bool] = lambda target: True,
) -> Division:
    """Images to calibrate with, at most `calibration`, and images to measure with, at most `validation`.

    The dataset's own splits are followed: train calibrates; val measures, test when there is no val. What is missing is
    held out from the other, every label in proportion, and drawn by `seed`. Where nothing `calibrates`, the same images
    measure as if it did, since only results on the same images can be compared. An image calibrates only if its target
    `may_calibrate`. It is said where there are fewer of these than `enough`, else `calibration`.
    Raises NotEnoughImages.
    """
    notes: list[str] = []
    train, measured = _parts(dataset, calibration, seed, notes, may_calibrate)
    measurable = len(measured)
    if validation is not None and validation < measurable:
        measured = _in_order(in_proportion(measured, validation, seed + 1))
    drawn, copies = _drawn(train, measured, calibration, seed, shuffle)
    if not drawn:  # the two splits hold the same images
        train, measured = _held_out(measured, calibration, seed, may_calibrate)
        notes.append(
            "The images to calibrate with are all among those to measure with, so"
            f" {count(len(train), 'image')} of these {are(len(train))} held out to calibrate."
        )
        drawn, copies = _drawn(train, measured, calibration, seed, shuffle)
    if copies:
        notes.append(
            f"{count(copies, 'image')} {are(copies)} not used to calibrate, since the same picture measures accuracy."
        )
    if not drawn or not measured:
        raise NotEnoughImages(
            "At least two different images are needed: one to calibrate and one to measure.",
            hint="A few hundred images with labels make a verdict.",
        )
    if not calibrates:
        return _without_calibration(train, measured, measurable, held_out=bool(notes))
    wanted = calibration if enough is None else enough
    if len(drawn) < wanted:
        verb = "calibrates" if len(drawn) == 1 else "calibrate"
        notes.append(f"{count(len(drawn), 'image')} {verb}; {wanted} were asked for.")
    spare, unmeasured = len(train) - len(drawn) - copies, measurable - len(measured)
    return Division(tuple(drawn), tuple(measured), tuple(notes), spare, unmeasured)


def _without_calibration(
    train: Sequence[Sample], measured: Sequence[Sample], measurable: int, *, held_out: bool
) -> Division:
    notes = ["No image calibrates: the method needs none."]
    if held_out:
        notes.append(
            f"{count(len(train), 'image')} on which other methods calibrate {are(len(train))} not measured on, so that"
            " results can be compared."
        )
    return Division((), tuple(measured), tuple(notes), unmeasured=measurable - len(measured))


def spread(samples: Sequence[Sample], most: int) -> list[Sample]:
    """A few samples of as many labels as can be, always the same ones."""
    return list(itertools.islice(_in_turn(samples, 0), most))


def _parts(
    dataset: Dataset, calibration: int, seed: int, notes: list[str], may_calibrate: Callable[[Any], bool]
) -> tuple[list[Sample], list[Sample]]:
    """Images that may calibrate, and images that may measure."""
    by_split: dict[str, list[Sample]] = defaultdict(list)
    unlabelled: list[Sample] = []  # among labelled ones: good to calibrate with, not to measure with
    for sample in dataset.samples:
        (by_split[sample.split] if sample.target is not None or not dataset.labelled else unlabelled).append(sample)
    measured = by_split["val"] or by_split["test"]
    rest = by_split["train"] or by_split[""]
    train = [sample for sample in rest if may_calibrate(sample.target)]
    if measured and (train or unlabelled):
        return [*train, *unlabelled], measured
    held, left = _held_out(measured or rest, calibration, seed, may_calibrate)
    why = (
        "Of the images to measure with," if measured and rest else "The dataset has no separate split to measure with:"
    )
    notes.append(f"{why} {count(len(held), 'image')} {are(len(held))} held out to calibrate.")
    return [*held, *unlabelled], left


def _held_out(
    pool: Sequence[Sample], calibration: int, seed: int, may_calibrate: Callable[[Any], bool]
) -> tuple[list[Sample], list[Sample]]:
    """At most a third of those that may to calibrate, the others to measure."""
    able = [sample for sample in pool if may_calibrate(sample.target)]
    held = in_proportion(able, min(calibration, max(1, len(able) // 3)), seed)
    names = {sample.name for sample in held}
    return held, [sample for sample in pool if sample.name not in names]


# --- drawing


def _strata(samples: Iterable[Sample], rng: np.random.Generator) -> list[list[Sample]]:
    """Samples by label, each stratum shuffled."""
    strata: dict[Any, list[Sample]] = defaultdict(list)
    for sample in samples:
        strata[sample.labels].append(sample)
    ordered = sorted(strata.items(), key=lambda item: str(item[0]))
    return [[group[i] for i in rng.permutation(len(group))] for _, group in ordered]


def _in_turn(samples: Sequence[Sample], seed: int) -> Iterator[Sample]:
    """All of them, one of every label in turn."""
    turns = itertools.zip_longest(*_strata(samples, np.random.default_rng(seed)))
    return (sample for turn in turns for sample in turn if sample is not None)


def in_proportion(samples: Sequence[Sample], most: int, seed: int) -> list[Sample]:
    """`most` samples, of every label its share; a rare label is not used up, as it would be in turns."""
    rng = np.random.default_rng(seed)
    ranked = []
    for stratum in _strata(samples, rng):
        start = rng.random()
        ranked += [((place + start) / len(stratum), sample) for place, sample in enumerate(stratum)]
    ranked.sort(key=lambda pair: pair[0])
    return [sample for _, sample in ranked[:most]]


def _in_order(samples: Iterable[Sample]) -> list[Sample]:
    return sorted(samples, key=lambda sample: sample.name)


def _drawn(
    train: Sequence[Sample], measured: Sequence[Sample], most: int, seed: int, shuffle: bool
) -> tuple[list[Sample], int]:
    """Images to calibrate with, and how many were passed over.

    One that is byte for byte among the measured ones would flatter the result.
    """
    by_size: dict[int, list[Path]] = defaultdict(list)
    for sample in measured:
        by_size[sample.path.stat().st_size].append(sample.path)
    digests: dict[int, set[bytes]] = {}
    drawn: list[Sample] = []
    copies = 0
    for sample in _in_turn(train, seed) if shuffle else train:
        if len(drawn) == most:
            break
        size = sample.path.stat().st_size
        if size in by_size and size not in digests:
            digests[size] = {_digest(path) for path in by_size[size]}
        if size in digests and _digest(sample.path) in digests[size]:
            copies += 1
        else:
            drawn.append(sample)
    return drawn, copies


def _digest(path: Path) -> bytes:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
