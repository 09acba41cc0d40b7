"""Datasets for anomaly tasks: MVTec AD's layout and those like it, and folders of normal and of anomalous images.

MVTec AD is `train/good`, `test/good`, `test/<defect>` and `ground_truth/<defect>/<name>_mask.png`. Datumaro's importer
wants the masks there, in PNG and so called, and numbers the labels of each split anew; here they may be missing,
called like the image, of another size or several for an image (MVTec LOCO), and lie beside the splits or in them.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jobs import images, tree
from jobs.errors import BadDataset
from jobs.findings import Problem
from jobs.samples import Dataset, Sample, are, count, natural, split_named
from jobs.spec import TaskName
from jobs.tasks import Task

TITLE = "MVTec AD"
NORMAL = "Normal"
"""The first label of every dataset; the others are kinds of defects, called like their folders."""
_GOOD = frozenset(("good", "normal", "ok", "nominal", "healthy", "pass", "nodefect", "nondefective", "defectfree"))
_MASKS = frozenset(("groundtruth", "mask", "masks", "gt", "annotations", "labels"))
_MASK_ENDS = ("_mask", "_gt", "-mask", ".mask")
_HINT = (
    "Upload one category as MVTec AD has it: train/good, test/good and a folder for each kind of defect, such as"
    " test/scratch."
)


@dataclass(frozen=True)
class Defect:
    """What is wrong with an image."""

    kind: int
    """Number of the dataset's label; 0 is normal."""
    masks: tuple[Path, ...] = ()
    """Files that show where, together; none for a normal image, or where nobody drew one."""

    @property
    def classes(self) -> tuple[int, ...]:
        """For `Sample.labels`."""
        return (self.kind,)

    @property
    def normal(self) -> bool:
        """Whether nothing is wrong."""
        return self.kind == 0


def sign(root: Path) -> bool:
    """Whether there is a folder called like normal images, or the splits and masks of MVTec AD."""
    return bool(_categories(root))


def read(root: Path, task: Task) -> Dataset:
    """Samples with a Defect each; without any where all images are normal. Raises BadDataset."""
    categories = _categories(root)
    if len(categories) > 1:
        names = ", ".join(tree.relative(category, root) for category in categories[:8])
        raise BadDataset(
            f"The dataset holds several categories ({names}), and a model is of one.",
            hint="Upload the folder of one category.",
        )
    category = categories[0]
    found = _images(category, root)
    _require_normal(found)
    kinds = sorted({one.kind for one in found if not _is_good(one.kind)}, key=natural)
    labels = (NORMAL, *kinds)
    masks = _masks(category)
    samples = [_sample(one, labels, masks, root) for one in found]
    if not kinds:
        return _all_normal(samples)
    samples, problems = _with_both(samples)
    problems += _about_masks(samples, task)
    return Dataset(TITLE, labels, tuple(samples), tuple(problems))


# --- where images and masks are


@dataclass(frozen=True)
class _Image:
    path: Path
    split: str
    kind: str
    """Name of its folder."""


def _plain(name: str) -> str:
    """For comparing: in one case and one way to write an accent."""
    return unicodedata.normalize("NFC", name).casefold()


def _word(name: str) -> str:
    return "".join(letter for letter in _plain(name) if letter.isalnum())


def _is_good(name: str) -> bool:
    return _word(name) in _GOOD


def _is_masks(name: str) -> bool:
    return _word(name) in _MASKS


def _split(name: str) -> str:
    """Like split_named, and `test_public` of MVTec AD 2 is a test split as well."""
    return split_named(name) or ("test" if _plain(name).startswith("test_") else "")


def _categories(root: Path) -> list[Path]:
    """Folders that hold a category each: the outermost ones."""
    if _is_category(root):
        return [root]
    return [found for folder in tree.folders(root) if not _is_masks(folder.name) for found in _categories(folder)]


def _is_category(folder: Path) -> bool:
    inside = tree.folders(folder)
    splits = [one for one in inside if _split(one.name)]
    kinds = [kind for split in splits for kind in tree.folders(split)]
    if any(_is_good(one.name) and tree.images_under(one) for one in (*inside, *kinds)):
        return True
    return bool(kinds) and any(_is_masks(one.name) for one in inside)


def _images(category: Path, root: Path) -> list[_Image]:
    inside = tree.folders(category)
    splits = [one for one in inside if _split(one.name)]
    places = [(_split(split.name), kind) for split in splits for kind in tree.folders(split)]
    places += [("", one) for one in inside if one not in splits]
    found = [
        _Image(path, split, kind.name)
        for split, kind in places
        if not _is_masks(kind.name)
        for path in tree.images_under(kind)
    ]
    return sorted(found, key=lambda one: tree.relative(one.path, root))


def _require_normal(found: Sequence[_Image]) -> None:
    if any(_is_good(one.kind) for one in found):
        return
    kinds = sorted({one.kind for one in found}, key=natural)
    raise BadDataset(
        f"There is no folder of normal images, which would be called good or normal; there is {', '.join(kinds[:8])}.",
        hint=f"What is normal must be shown, too. {_HINT}",
    )


_Masks = Mapping[tuple[str, str], tuple[Path, ...]]
"""By the names of kind and image."""


def _masks(category: Path) -> _Masks:
    """All of them; one in a folder of its own for each image as well (MVTec LOCO)."""
    homes = [one for one in tree.folders(category) if _is_masks(one.name)]
    homes += [one for split in tree.folders(category) for one in tree.folders(split) if _is_masks(one.name)]
    found: dict[tuple[str, str], tuple[Path, ...]] = {}
    for home in homes:
        for path in tree.images_under(home):
            for key in _mask_keys(path):
                found[key] = (*found.get(key, ()), path)
    return found


def _mask_keys(path: Path) -> Iterator[tuple[str, str]]:
    stem = _plain(path.stem)
    for end in _MASK_ENDS:
        stem = stem.removesuffix(end)
    yield _plain(path.parent.name), stem
    yield _plain(path.parent.parent.name), _plain(path.parent.name)


def _sample(one: _Image, labels: Sequence[str], masks: _Masks, root: Path) -> Sample:
    name = tree.relative(one.path, root)
    if _is_good(one.kind):
        return Sample(name, one.path, one.split, Defect(0))
    drawn = masks.get((_plain(one.kind), _plain(one.path.stem)), ())
    return Sample(name, one.path, one.split, Defect(labels.index(one.kind), drawn))


# --- what is done about what is missing


def _all_normal(samples: Sequence[Sample]) -> Dataset:
    problem = Problem(
        level="info",
        where="dataset",
        message="All images are normal, so nothing can be told apart: accuracy is how often the optimised model agrees"
        " with the original.",
        hint="For real accuracy, add images with defects, each kind in a folder of its own, such as test/scratch.",
    )
    unlabelled = tuple(replace(sample, target=None) for sample in samples)
    return Dataset(f"{TITLE}, normal images only", (), unlabelled, (problem,))


def _with_both(samples: Sequence[Sample]) -> tuple[list[Sample], list[Problem]]:
    """Splits such that what measures has normal and anomalous images; normal ones beside it may calibrate."""
    kinds = {split: {sample.target.normal for sample in samples if sample.split == split} for split in ("val", "test")}
    complete = next((split for split in ("test", "val") if kinds[split] == {True, False}), "")
    if complete:
        # Images of another split that can measure nothing alone: normal ones, as a rule.
        return [replace(one, split=one.split if one.split in (complete, "") else "train") for one in samples], []
    anomalous = [one for one in samples if not one.target.normal]
    normal = [one for one in samples if one.target.normal]
    if not any(one.split for one in samples):
        return list(samples), []
    wanted = max(1, min(len(normal) // 3, len(anomalous)))
    held = {normal[place * len(normal) // wanted].name for place in range(wanted)}
    note = Problem(
        level="info",
        where="dataset",
        message=f"No split has normal and anomalous images, so {count(wanted, 'normal image')} {are(wanted)} held out"
        " to measure with the anomalous ones.",
        hint="Put normal images that the model was not trained on into test/good.",
    )
    moved = [replace(one, split="test" if not one.target.normal or one.name in held else "train") for one in samples]
    return moved, [note]


def _about_masks(samples: Sequence[Sample], task: Task) -> list[Problem]:
    """Raises BadDataset where masks are what the task is about and there is none."""
    if task.name == TaskName.ANOMALY_CLASSIFICATION:
        return []
    anomalous = [sample for sample in samples if not sample.target.normal]
    bare = [sample.name for sample in anomalous if not sample.target.masks]
    if len(bare) == len(anomalous):
        raise BadDataset(
            f"No anomalous image has a mask, and {task.title.lower()} is measured on masks.",
            hint="Add them as ground_truth/<defect>/<name>_mask.png, white where the defect is, or choose anomaly"
            " classification, which needs none.",
            where=anomalous[0].name,
        )
    problems = []
    if bare:
        problems.append(
            Problem(
                level="warning",
                where="dataset",
                message=f"{count(len(bare), 'anomalous image')} {'has' if len(bare) == 1 else 'have'} no mask, and"
                " count for the scores of images only.",
                items=tuple(bare[:100]),
            )
        )
    unreadable = [sample.name for sample in anomalous if not all(images.opens(mask) for mask in sample.target.masks)]
    if unreadable:
        raise BadDataset(
            f"{count(len(unreadable), 'mask')} cannot be read: that of {', '.join(unreadable[:5])}.",
            hint="Replace the files, or remove them: then the images count for the scores of images only.",
            where=unreadable[0],
        )
    other = [sample.name for sample in anomalous if _of_another_size(sample)]
    if other:
        problems.append(
            Problem(
                level="warning",
                where="dataset",
                message=f"{count(len(other), 'mask')} {are(len(other))} of another size than the image, and stretched"
                " over it.",
                items=tuple(other[:100]),
            )
        )
    return problems


def _of_another_size(sample: Sample) -> bool:
    try:
        size = images.head(sample.path).size
        return any(images.head(mask).size != size for mask in sample.target.masks)
    except images.NoImage:
        return False  # the image itself is told elsewhere
