"""Samples of a dataset, and the splits they came in."""

import itertools
import re
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from jobs.findings import Problem

_SPLITS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "eval", "evaluation"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
_BESIDE = {"set", "split", "data", "dataset", "images", "imgs", "img", "instances", "labels", "annotations", "coco"}
"""Words that may stand beside a split's own, as in train_set or instances_val2017."""
_LISTED = 100  # names in one problem


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

    @property
    def labels(self) -> tuple[int, ...] | None:
        """Numbers of the dataset's labels that occur in it; None without an annotation.

        A target is a tuple of such numbers, or says them as its `classes`.
        """
        if self.target is None or isinstance(self.target, tuple):
            return self.target
        found: tuple[int, ...] = self.target.classes
        return found


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


def split_named(name: str) -> str:
    """The split that a folder or an annotation file is called after; empty when it is none.

    `train`, `Validation`, `test_set`, `train2017` and `instances_val2017` are; `training day` is not.
    """
    words = [word for word in re.split(r"[\W_\d]+", name.lower()) if word]
    found = [_split_word(word) for word in words]
    if not all(split or word in _BESIDE for split, word in zip(found, words, strict=True)):
        return ""
    return next(filter(None, found), "")


def _split_word(word: str) -> str:
    """trainset is train."""
    return _SPLITS.get(word, "") or _SPLITS.get(word.removesuffix("set"), "")


def split_above(path: PurePath) -> str:
    """The split in the folders of a path inside the dataset, the outermost first."""
    return next(filter(None, (split_named(part) for part in path.parts[:-1])), "")


def natural(text: str) -> tuple[Any, ...]:
    """A key to sort by: 10 comes after 9."""
    pieces = ["".join(group) for _, group in itertools.groupby(text, str.isdecimal)]
    return tuple((0, int(piece), "") if piece.isdecimal() else (1, 0, piece.lower()) for piece in pieces), text


def count(number: int, noun: str) -> str:
    """`1 image`, `2 images`, `2 classes`."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def are(number: int) -> str:
    """The verb after that."""
    return "is" if number == 1 else "are"


def left_out(names: list[str], why: str) -> Problem:
    """A warning that lists them."""
    return Problem(
        level="warning",
        where="dataset",
        message=f"{count(len(names), 'image')} {are(len(names))} left out: {why}.",
        items=tuple(names[:_LISTED]),
    )
