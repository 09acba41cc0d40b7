"""The labels of a model and those of a dataset, matched: by name first, by place where that is clear."""

import re
import unicodedata
from collections.abc import Mapping, Sequence

from jobs import coco_classes, formats
from jobs.errors import LabelMismatch


def named(settings: Mapping[str, str], count: int | None) -> tuple[str, ...]:
    """The model's labels; those the person gave (`labels_given`) come before exact ones in `label_info`.

    Empty when the model has none. Raises LabelMismatch when their number is not that of the outputs, where that is
    known.
    """
    names = formats.labels({"labels": settings.get("labels", "")} if settings.get("labels_given") else settings)
    if names and count is not None and len(names) != count:
        raise LabelMismatch(
            f"The model has {count} classes but {len(names)} label names: {shown(names)}.",
            hint=f"Give {count} names, separated by commas.",
            where="labels",
        )
    return names


def _plain(name: str) -> str:
    """For comparing: case, spaces, underscores, hyphens and ways to write an accent do not matter."""
    return re.sub(r"[\s_\-]+", "", unicodedata.normalize("NFKC", name)).casefold()


_NOWHERE = -1


def match(
    names: tuple[str, ...], dataset: tuple[str, ...], used: set[int], count: int
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """For each label of the dataset its place among the outputs; nowhere is fine for one that no image has."""
    found = _by_name(names, dataset)
    if all(place != _NOWHERE for place, number in zip(found, range(len(dataset)), strict=True) if number in used):
        return found, ()
    if all(label.isdecimal() and int(label) < count for label in dataset):
        return tuple(int(label) for label in dataset), (
            "The dataset's classes are numbers, taken as places of outputs.",
        )
    for numbers in (range(len(dataset)), sorted(used)):
        if len(numbers) == count and all(found[number] == _NOWHERE for number in numbers):
            return _by_order([dataset[number] for number in numbers], dataset, names)
    missing = tuple(dataset[number] for number in sorted(used) if found[number] == _NOWHERE)
    raise LabelMismatch(
        f"The model has {count} classes ({shown(names) or 'without names'}), the dataset has {len(used)}"
        f" ({shown([dataset[number] for number in sorted(used)])}); not found in the model: {shown(missing)}.",
        hint="Name the folders like the model's labels, or give the model's labels in the order of its outputs.",
        where="labels",
    )


def _by_name(names: tuple[str, ...], dataset: tuple[str, ...]) -> tuple[int, ...]:
    """Exactly, else but for case and the like where that is clear."""
    exact = {name: place for place, name in enumerate(names)}
    alike: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        alike.setdefault(_plain(name), []).append(place)
    loose = {name: places[0] for name, places in alike.items() if len(places) == 1}
    return tuple(exact.get(label, loose.get(_plain(label), _NOWHERE)) for label in dataset)


def _by_order(
    labels: Sequence[str], dataset: tuple[str, ...], names: tuple[str, ...]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    why = "no name is the same" if names else "the model names none"
    ends = f"the first class, “{labels[0]}”, is output 0 and the last, “{labels[-1]}”, is output {len(labels) - 1}"
    places = {label: place for place, label in enumerate(labels)}
    note = f"Labels are matched by order, since {why}: {ends}."
    return tuple(places.get(label, _NOWHERE) for label in dataset), (note,)


def shown(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


_BACKGROUND = ("background", "bg", "bkg", "backgroundlbl", "otxemptylbl", "getituneemptylbl", "otxbg", "emptylbl")


_UNTOLD = 100
"""Classes that a model may have where nothing says how many it has."""


def is_background(name: str) -> bool:
    """Whether a label of a model stands for no object."""
    return _plain(name).strip("#.") in _BACKGROUND


def match_objects(
    settings: Mapping[str, str], dataset: tuple[str, ...], used: set[int], count: int | None, *, first: int = 0
) -> tuple[tuple[str, ...], tuple[int, ...], tuple[str, ...]]:
    """The labels of a model that finds objects, for each label of the dataset its place among them, and notes.

    Names decide, order only where no name is the same; a model may know more than the dataset has. `count` is None
    where the outputs do not tell how many there are; then the labels of a model without names begin at `first`.
    Raises LabelMismatch.
    """
    names = named(settings, None)
    if first and count and len(names) == count - first:
        names = (*["background"] * first, *names)
    else:
        names = named(settings, count)
    notes: tuple[str, ...] = ()
    places = _by_name(names, dataset)
    if not names and (of_coco := coco_classes.named(count or 0)):
        by_coco = _by_name(of_coco, dataset)
        if all(by_coco[number] != _NOWHERE for number in used):
            names, places = of_coco, by_coco
            notes = (f"The model names no classes; its {count} are taken to be those of COCO.",)
    missing = [number for number in sorted(used) if places[number] == _NOWHERE]
    if missing:
        places, notes = _objects_by_order(names, dataset, used, count, first)
    if not used and not names:
        count = count or _UNTOLD
    shown_names = names or named_by_dataset(dataset, places, count or max(places) + 1)
    ignored = [name for place, name in enumerate(shown_names) if place not in places and not is_background(name)]
    if used and ignored:
        notes = (*notes, f"What the model says of classes that the dataset does not have is ignored: {shown(ignored)}.")
    return shown_names, places, notes


def _objects_by_order(
    names: tuple[str, ...], dataset: tuple[str, ...], used: set[int], count: int | None, first: int
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Raises LabelMismatch."""
    found = _by_name(names, dataset)
    missing = [number for number in sorted(used) if found[number] == _NOWHERE]
    real = [place for place, name in enumerate(names) if not is_background(name)] or list(
        range(first, count if count is not None else first + len(dataset))
    )
    for numbers in (range(len(dataset)), sorted(used)):
        if len(missing) == len(used) and len(numbers) == len(real):
            order = dict(zip(numbers, real, strict=True))
            why = "no name is the same" if names else "the model names none"
            ends = ", ".join(f"“{dataset[number]}” is output {order[number]}" for number in (numbers[0], numbers[-1]))
            note = f"Labels are matched by order, since {why}: {ends}."
            return tuple(order.get(number, _NOWHERE) for number in range(len(dataset))), (note,)
    lost = [dataset[number] for number in missing]
    raise LabelMismatch(
        f"The model has {len(real)} classes ({shown([names[place] for place in real]) if names else 'without names'});"
        f" not among them: {shown(lost)}, which the dataset's images show.",
        hint="Give the model's labels in the order of its outputs, by the names that the dataset uses, or leave the"
        " images of other classes out.",
        where="labels",
    )


def named_by_dataset(labels: Sequence[str], places: tuple[int, ...], count: int) -> tuple[str, ...]:
    by_place = dict(zip(places, labels, strict=True))
    return tuple(by_place.get(place, str(place)) for place in range(count))


def told_apart(labels: Sequence[str]) -> list[str]:
    """Names as keys: of those that occur twice, each with its place."""
    return [f"{name} ({place})" if labels.count(name) > 1 else name for place, name in enumerate(labels)]
