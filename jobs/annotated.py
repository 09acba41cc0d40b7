"""Images with annotations, as every format's reader finds them, on their way to a task's samples."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jobs import frames, images, objects, tree
from jobs.errors import BadDataset
from jobs.findings import Problem
from jobs.images import Head, NoImage
from jobs.labels import is_background
from jobs.objects import Objects
from jobs.samples import Dataset, Sample, count, left_out
from jobs.tasks import Size, Task

_FOLDERS_HINT = "Add the folders of the other classes, or put the images in one folder without labels."


@dataclass(frozen=True)
class Entry:
    """What annotations say of an image."""

    path: Path
    split: str
    annotations: Sequence[Any]
    """Datumaro's; those of the image whatever way it is held, see `size`."""
    size: Size | None = None
    """Of the image they were made for, as they say themselves."""


def dataset(
    title: str,
    root: Path,
    labels: Sequence[str],
    entries: Iterable[Entry],
    task: Task,
    problems: Iterable[Problem] = (),
) -> Dataset:
    """What the task makes of them. The first entry of an image counts. Raises BadDataset."""
    samples: dict[Path, Sample] = {}
    sizes = _Sizes()
    for entry in entries:
        if entry.path in samples:
            continue
        name = tree.relative(entry.path, root)
        if (item := _item(entry, name, sizes)) is not None:
            samples[entry.path] = Sample(name, entry.path, entry.split, task.target(item))
    if sizes.other and not samples:
        example = next(iter(sizes.other))
        raise BadDataset(
            f"No image ({len(sizes.other):,} in all) has the shape it was annotated for, such as {example}.",
            hint="Add the images that were annotated, or correct the sizes in the annotations.",
            where=example,
        )
    ordered = sorted(samples.values(), key=lambda sample: sample.name)
    found = [*problems, *sizes.problems()]
    with_objects = [(sample.name, sample.target) for sample in ordered if isinstance(sample.target, Objects)]
    found += objects.problems(with_objects)
    _refuse_useless([target for _, target in with_objects], task)
    return checked(Dataset(title, tuple(labels), _without_nothing(_with_none(ordered)), tuple(found)))


def with_missing(found: Dataset, names: Sequence[str]) -> Dataset:
    """Which also says what images are named and not there. Raises BadDataset when none is there."""
    if not names:
        return found
    if not found.samples:
        raise BadDataset(
            f"None of the {count(len(names), 'image')} that the annotations name is there, such as “{names[0]}”.",
            hint="Put the images into the same zip or folder as the annotations.",
            where=names[0],
        )
    problem = left_out(list(names), "named in the annotations but not in the archive")
    return replace(found, problems=(*found.problems, problem))


def with_unnamed(found: Dataset, names: Sequence[str]) -> Dataset:
    """Which also says what images no annotation names."""
    if not names:
        return found
    return replace(found, problems=(*found.problems, left_out(list(names), "named in no annotation")))


@dataclass(frozen=True)
class _Sizes:
    """Images that were annotated in another size, by name."""

    scaled: dict[str, None] = field(default_factory=dict)
    other: dict[str, None] = field(default_factory=dict)

    def problems(self) -> list[Problem]:
        found = []
        if self.scaled:
            message = f"{count(len(self.scaled), 'image')} of another size than annotated: the annotations were scaled."
            found.append(Problem(level="info", where="dataset", message=message, items=tuple(self.scaled)[:100]))
        if self.other:
            found.append(left_out(list(self.other), "annotated for an image of another shape"))
        return found


def _item(entry: Entry, name: str, sizes: _Sizes) -> Any:
    """As Datumaro's item, with the size and the annotations of the upright image; None when they do not fit it."""
    from datumaro.components.annotation import Label
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Image

    annotations, size = list(entry.annotations), entry.size
    if not annotations or not all(isinstance(annotation, Label) for annotation in annotations):
        try:
            head = images.head(entry.path)
        except NoImage:
            head = Head(entry.size or (1, 1), 1)  # said later, with all images that cannot be read
        size = head.size
        if annotations and entry.size and entry.size != size:
            frame = frames.between(entry.size, head)
            if frame is None:
                sizes.other[f"{name} ({_shown(entry.size)} instead of {_shown(size)})"] = None
                return None
            if frame.scaled:
                sizes.scaled[name] = None
            annotations = [frame.upright(annotation, size) for annotation in annotations]
    return DatasetItem(entry.path.stem, media=Image.from_file(str(entry.path), size=size), annotations=annotations)


def _shown(size: Size) -> str:
    return f"{size[1]} × {size[0]}"


def _with_none(samples: Sequence[Sample]) -> list[Sample]:
    """Where images have several labels, one without any shows none of them, which is an answer too."""
    if not any(isinstance(sample.target, tuple) and len(sample.target) > 1 for sample in samples):
        return list(samples)
    return [replace(sample, target=()) if sample.target is None else sample for sample in samples]


def _without_nothing(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """A split without a single object was not annotated; an image without one, among others, is empty."""
    seen: dict[str, bool] = defaultdict(bool)
    for sample in samples:
        if isinstance(sample.target, Objects):
            seen[sample.split] |= len(sample.target) > 0
    bare = {split for split, any_objects in seen.items() if not any_objects}
    return tuple(
        replace(sample, target=None) if sample.split in bare and isinstance(sample.target, Objects) else sample
        for sample in samples
    )


def _refuse_useless(targets: Sequence[Objects], task: Task) -> None:
    """Raises BadDataset when there are objects and none is of use."""
    if any(len(target) for target in targets):
        return
    whys = Counter(remark.why for target in targets for remark in target.remarks)
    if whys:
        why = whys.most_common(1)[0][0].partition(": ")[2]
        raise BadDataset(
            f"None of the {count(whys.total(), 'object')} can be used for {task.title.lower()}: {why}",
            hint="Check the annotations, or choose another task.",
        )


def checked(dataset: Dataset) -> Dataset:
    """With a warning for classes without images. Raises BadDataset when every image is of the same class."""
    seen = {label for sample in dataset.samples for label in sample.labels or ()}
    of_images = all(sample.target is None or isinstance(sample.target, tuple) for sample in dataset.samples)
    if len(seen) == 1 and of_images and not any(sample.labels == () for sample in dataset.samples):
        (only,) = seen
        others = f" ({', '.join(_empty(dataset, seen)[:5])}: no images)" if len(dataset.labels) > 1 else ""
        raise BadDataset(
            f"The dataset has images of one class only, “{dataset.labels[only]}”{others}, so accuracy would say"
            " nothing.",
            hint=_FOLDERS_HINT,
            where=dataset.labels[only],
        )
    empty = _empty(dataset, seen) if seen else ()
    if not empty:
        return dataset
    problem = Problem(
        level="warning", where="dataset", message=f"{count(len(empty), 'class')} without images.", items=empty[:100]
    )
    return replace(dataset, problems=(*dataset.problems, problem))


def _empty(dataset: Dataset, seen: set[int]) -> tuple[str, ...]:
    missing = (label for number, label in enumerate(dataset.labels) if number not in seen)
    return tuple(label for label in missing if not is_background(label))
