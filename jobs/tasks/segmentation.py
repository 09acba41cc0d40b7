"""Semantic segmentation: which class each pixel of an image shows."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from jobs import explaining, formats, image_input, label_maps, labels, map_output, overlap, palette
from jobs.errors import BadDataset, BadOption, LabelMismatch
from jobs.findings import ModelFindings
from jobs.image_input import ImageInput
from jobs.images import NoImage
from jobs.intervals import Interval
from jobs.label_codes import BACKGROUND, VOID
from jobs.label_maps import LabelMap, Map
from jobs.map_output import Holds, MapOutput, Reader
from jobs.numbers import percent
from jobs.overlap import Overlaps
from jobs.samples import Dataset, Sample
from jobs.spec import TaskName
from jobs.targets import UNKNOWN, Targets
from jobs.tasks import Array, Bound, Marks, Metric, Prediction, Scores, Size, Task

T = TypeVar("T")
R = TypeVar("R")

_METRICS = (Metric("miou", "mIoU"), Metric("dice", "Dice"), Metric("pixel_accuracy", "Pixel accuracy"))
_OTX_BACKGROUND = "otx_background_lbl"
_OTHER = "other"
"""What a model that answers numbers says where the number has no name."""
_CHANGED = 0.05  # share of an image's pixels from which on it is another answer
_SEEN = 0.01  # share from which on a class is part of an answer
_NAMED = 4  # classes in words
_AT_ONCE = 64  # maps on their way through the threads
_DRAWN_SIDE = 640  # pixels


@dataclass(frozen=True)
class MapBound(Bound):
    """A model's map bound to a dataset's classes. Labels are what the classes of the map come to."""

    colours: tuple[int, ...] = ()
    """For each label its number in the palette: its place among the dataset's."""
    background: int = -1
    """The label that is none of the others; -1 where there is no such."""
    guess: float = 0.0
    """Mean IoU of always answering the commonest class."""


@dataclass(frozen=True)
class Truth:
    """What the images really show, read when it is asked for."""

    images: int
    read: Callable[[int], Map]
    """The labels of image i; VOID where a pixel does not count."""


def fits(model: ModelFindings) -> float:
    said = " ".join(model.model_info.get(key, "") for key in ("model_type", "task_type", "task")).lower()
    if any(word in said for word in ("anomaly", "instance", "rotated", "mask", "yolo", "prompt", "sam_")):
        return 0.0
    if "segm" in said:
        return 1.0
    if said.strip() or len(model.inputs) != 1 or len(model.inputs[0].shape) != 4:
        return 0.0
    ports = [port for port in model.outputs if not explaining.is_one(port.name)]
    found = [map_output.looks_like_one(port.shape, port.type, _sides(model)) for port in ports]
    if not all(found) or not 0 < len(found) <= 3:  # a detector has grids of several sizes, some of them coarse
        return 0.0
    return 0.5 if any(one and one.holds != Holds.ONE for one in found) else 0.3


def _sides(model: ModelFindings) -> tuple[int, int]:
    """Height and width of the input."""
    (port,) = model.inputs
    _, *sides = port.shape
    last = port.layout == "NHWC" or sides[2] in (1, 3)
    return (sides[0], sides[1]) if last else (sides[1], sides[2])


def target(item: Any) -> None:
    """Masks are read by `jobs.mask_files`, not by Datumaro, which would open all of them one by one."""


def bind(model: ov.Model, settings: Mapping[str, str], dataset: Dataset) -> MapBound:
    """Classes are matched by name first, by place when the counts agree; a name given twice makes two classes one."""
    entry = image_input.of(model, settings)
    output = map_output.find(model, entry)
    names, notes = _names(settings, output)
    merged = tuple(dict.fromkeys(names))
    count = len(merged) or output.classes or _highest(dataset) + 1
    places, more = _matched(merged, dataset, count, settings)
    shown = merged or labels.named_by_dataset(dataset.labels, places, count)
    if output.holds == Holds.NUMBERS:
        shown = (*shown, _OTHER)
    table = np.full(256, len(shown) - 1, np.uint8)
    table[: max(len(names), count)] = [shown.index(name) for name in names] or range(count)
    reader = Reader(output, entry, table, *_smoothing(settings))
    return MapBound(
        (output.place,),
        shown,
        places,
        reader,
        (*notes, *more, *_cropped(entry)),
        colours=_colours(shown, places, dataset.labels),
        background=next((place for place, name in enumerate(shown) if name.casefold() == BACKGROUND), -1),
        guess=_guess(dataset, places),
    )


def _names(settings: Mapping[str, str], output: MapOutput) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of the map's classes, in their order; empty when nobody says them. Raises LabelMismatch."""
    names = formats.labels({"labels": settings.get("labels", "")} if settings.get("labels_given") else settings)
    names = tuple(BACKGROUND if name == _OTX_BACKGROUND else name for name in names)
    if not names or not output.classes:
        return names, ()
    if len(names) == output.classes - 1 and BACKGROUND not in {name.casefold() for name in names}:
        if output.holds == Holds.ONE:
            return (BACKGROUND, *names), (f"The model has one score a pixel: from 0.5 on it is “{names[0]}”.",)
        return (BACKGROUND, *names), (f"The model has one class more than names, so its first is the {BACKGROUND}.",)
    labels.named(settings, output.classes)  # that there are as many
    return names, ()


def _highest(dataset: Dataset) -> int:
    """The highest number a class has, by its name or its place."""
    numbers = [int(label) for label in dataset.labels if label.isdecimal()]
    return max([*numbers, len(dataset.labels) - 1])


def _used(dataset: Dataset) -> set[int]:
    return {label for sample in dataset.samples for label in sample.labels or ()}


def _matched(
    names: tuple[str, ...], dataset: Dataset, count: int, settings: Mapping[str, str]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """For each label of the dataset that of the model, -1 where its pixels do not count; and what to know of it."""
    policy = settings.get("unknown_classes", "").strip().lower() or "error"
    if policy not in ("error", "void", BACKGROUND):
        raise BadOption(
            f"unknown_classes is “{policy}”; it must be error, void or background.", where="unknown_classes"
        )
    used = _used(dataset)
    by_name, _ = labels.match(names, dataset.labels, set(), count)
    unknown = {number for number in used if by_name[number] < 0}
    if policy == "error" or not unknown or unknown == used:
        try:
            return labels.match(names, dataset.labels, used, count)
        except LabelMismatch as error:
            raise LabelMismatch(
                error.message,
                hint="Give the model's classes in the order of its outputs. What becomes of classes that it does not"
                " know is said by “Unknown classes” (unknown_classes).",
                where=error.where,
            ) from error
    share = percent(_share(dataset, unknown), 0)
    words = labels.shown([dataset.labels[number] for number in sorted(unknown)])
    if policy == "void":
        return by_name, (f"Not counted, since the model does not know them: {words} ({share} of the pixels).",)
    background = next((place for place, name in enumerate(names) if name.casefold() == BACKGROUND), -1)
    if background < 0:
        raise BadOption(
            f"Unknown classes cannot be background: the model's classes are {labels.shown(names)}.",
            hint=f"Call one of the model's classes {BACKGROUND}, or choose void.",
            where="unknown_classes",
        )
    places = tuple(background if place < 0 else place for place in by_name)
    return places, (f"Counted as {BACKGROUND}, since the model does not know them: {words} ({share} of the pixels).",)


def _pixels(dataset: Dataset) -> NDArray[np.int64]:
    """How many of each label there are in the masks that were looked into."""
    totals = np.zeros(len(dataset.labels), np.int64)
    for sample in dataset.samples:
        for number, pixels in sample.target.pixels if sample.target is not None else ():
            totals[number] += pixels
    return totals


def _share(dataset: Dataset, numbers: set[int]) -> float:
    totals = _pixels(dataset)
    return float(totals[sorted(numbers)].sum() / max(1, totals.sum()))


def _guess(dataset: Dataset, places: tuple[int, ...]) -> float:
    """One class is right where it is, which is its IoU; all others have 0."""
    totals: dict[int, int] = {}
    for place, pixels in zip(places, _pixels(dataset), strict=True):
        if place >= 0 and pixels:
            totals[place] = totals.get(place, 0) + int(pixels)
    return max(totals.values()) / sum(totals.values()) / len(totals) if totals else 0.0


def _smoothing(settings: Mapping[str, str]) -> tuple[float, int]:
    """`soft_threshold` and `blur_strength`."""
    values = []
    for name, default in (("soft_threshold", -np.inf), ("blur_strength", -1.0)):
        text = settings.get(name, "").strip()
        try:
            values.append(float(text) if text else default)
        except ValueError:
            raise BadOption(f"{name} must be a number; it is “{text}”.", where=name) from None
    return values[0], int(values[1])


def _cropped(entry: ImageInput) -> tuple[str, ...]:
    if entry.resize_type != "crop":
        return ()
    return ("Only the middle square of an image is shown to the model; what is beside it does not count.",)


def _colours(shown: tuple[str, ...], places: tuple[int, ...], dataset: tuple[str, ...]) -> tuple[int, ...]:
    """The dataset's own numbers where it knows a label, whatever case its name has there."""
    numbers = palette.numbers(dataset, shown)
    of_place = {place: number for number, place in reversed(list(enumerate(places)))}
    return tuple(of_place.get(place, numbers[name]) for place, name in enumerate(shown))


def _own(bound: Bound) -> MapBound:
    assert isinstance(bound, MapBound)
    return bound


# --- truth and scores


def truth(samples: Sequence[Sample], bound: Bound) -> Truth:
    table = np.full(256, VOID, np.uint8)
    for number, place in enumerate(bound.from_dataset):
        table[number] = place if place >= 0 else VOID

    def read(image: int) -> Map:
        mask: LabelMap = samples[image].target
        try:
            return np.asarray(table[mask.read()])
        except NoImage as error:
            raise BadDataset(f"The mask “{mask.name}” cannot be read.", where=mask.name) from error

    return Truth(len(samples), read)


def targets(model: ov.Model, samples: Sequence[Sample], bound: Bound, entry: ImageInput) -> Targets | None:
    """The labels of the pixels that the model sees. Raises BadDataset.

    None for a map of classes' numbers: no gradient says how to come nearer to another number.
    """
    reader = bound.read
    assert isinstance(reader, Reader)
    if reader.output.holds == Holds.NUMBERS:
        return None
    annotated = [image for image, sample in enumerate(samples) if sample.target is not None]
    real = truth(samples, bound)

    def laid(image: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        return label_maps.pack(entry.resize_map(real.read(image), VOID))

    maps = dict(zip(annotated, _in_threads(laid, (partial(int, image) for image in annotated)), strict=True))
    labels, exclusive = tuple(map(int, reader.places[: reader.output.classes])), reader.output.holds == Holds.SCORES
    blank = np.full((entry.height, entry.width), UNKNOWN)

    def of(image: int) -> Array:
        if image not in maps:
            return blank if exclusive else blank[None]
        numbers = label_maps.unpack(*maps[image]).astype(np.int64)
        known = np.isin(numbers, labels)
        return np.where(known, numbers, UNKNOWN) if exclusive else np.where(known, numbers == labels[1], UNKNOWN)[None]

    return Targets(
        bound.outputs[0],
        labels,
        of,
        len(maps),
        axis=3 if reader.output.last else 1,
        exclusive=exclusive,
        probabilities=None if exclusive else not reader.output.squash,
    )


def agreement(predictions: Sequence[Prediction], bound: Bound) -> Truth:
    return Truth(len(predictions), lambda image: _map(predictions[image]))


def _map(prediction: Prediction) -> Map:
    return label_maps.unpack(prediction[0], prediction[1])


def score(predictions: Sequence[Prediction], real: Truth, bound: Bound) -> Scores:
    classes = len(bound.labels)

    def counted(pair: tuple[Map, Prediction]) -> NDArray[np.int64]:
        return overlap.count(pair[0], label_maps.resized(_map(pair[1]), pair[0].shape), classes)

    counts = np.stack(list(_in_threads(counted, _pairs(predictions, real))))
    averaged = np.isin(np.arange(classes), bound.from_dataset) if bound.from_dataset else np.ones(classes, np.bool_)
    each = Overlaps(counts[:, 0], counts[:, 1], counts[:, 2], averaged)
    total = each.total()
    if not total.real.any():
        raise BadDataset("No pixel of the images measured has a class that the model knows.")
    values = {"miou": float(total.mean_iou()), "pixel_accuracy": total.agreement()}
    dice = total.dice_of_pixels(_own(bound).background)
    values |= {} if dice is None else {"dice": dice}
    ious, dices = total.iou(), total.dice()
    per_class = {
        bound.labels[place]: {"iou": float(ious[place]), "dice": float(dices[place])}
        for place in np.flatnonzero(total.present)
    }
    ordered = {metric.name: values[metric.name] for metric in _METRICS if metric.name in values}
    return Scores(ordered, per_class, each.mean_iou(), each)


def _pairs(predictions: Sequence[Prediction], real: Truth) -> Iterator[Callable[[], tuple[Map, Prediction]]]:
    for image, prediction in enumerate(predictions):
        yield lambda image=image, prediction=prediction: (real.read(image), prediction)  # type: ignore[misc]


def _in_threads(function: Callable[[T], R], sources: Iterator[Callable[[], T]]) -> Iterator[R]:
    """Results in order; files are unpacked in the threads, too."""
    with ThreadPoolExecutor(min(8, len(os.sched_getaffinity(0)))) as threads:
        batch: list[Callable[[], T]] = []
        for source in sources:
            batch.append(source)
            if len(batch) == _AT_ONCE:
                yield from threads.map(lambda one: function(one()), batch)
                batch = []
        yield from threads.map(lambda one: function(one()), batch)


def compare(before: Scores, after: Scores) -> Interval:
    """Mean IoU is no mean over images, so it is worked out anew for each resample of them."""
    return overlap.drop(before.evidence, after.evidence)


# --- words and pictures


def describe(prediction: Prediction, bound: Bound) -> tuple[str, float]:
    return _words(_map(prediction), bound.labels), float(prediction[2][0])


def describe_truth(real: Truth, i: int, bound: Bound) -> str:
    return _words(real.read(i), bound.labels)


def _words(numbers: Map, names: Sequence[str]) -> str:
    """Classes by the share of the image they have, the largest first: "road 41 %, car 12 %"."""
    shares = _shares(numbers, len(names))
    ordered = [int(place) for place in np.argsort(-shares, kind="stable") if shares[place] >= _SEEN / 2]
    words = [f"{names[place]} {percent(shares[place], 0)}" for place in ordered[:_NAMED]]
    rest = len(ordered) - _NAMED
    return (", ".join(words) + (f" and {rest} more" if rest > 0 else "")) or "nothing"


def _shares(numbers: Map, classes: int) -> NDArray[np.float64]:
    """Of the pixels that count."""
    found = np.bincount(numbers.ravel(), minlength=256)[:classes]
    return np.asarray(found / max(1, found.sum()))


def marks(prediction: Prediction, bound: Bound, size: Size) -> Marks:
    own = _own(bound)
    return _painted(_map(prediction), own.colours, own.background, size)


def truth_marks(real: Truth, i: int, bound: Bound, size: Size) -> Marks:
    own = _own(bound)
    return _painted(real.read(i), own.colours, own.background, size)


def target_marks(found: LabelMap, names: Sequence[str], size: Size) -> Marks:
    try:
        numbers = found.read()
    except NoImage:  # nothing can be shown of it
        return Marks()
    background = next((number for number, name in enumerate(names) if name.casefold() == BACKGROUND), -1)
    return _painted(numbers, range(len(names)), background, size)


def _painted(numbers: Map, colours: Sequence[int], background: int, size: Size) -> Marks:
    """Every class in its colour, in the image's shape; background and what does not count stay clear."""
    table = np.zeros((256, 4), np.uint8)
    for place, number in enumerate(colours):
        table[place] = (*palette.colour(number), 0 if place == background else 255)
    scale = min(1.0, _DRAWN_SIDE / max(size))
    height, width = (max(1, round(side * scale)) for side in size)
    return Marks(layer=table[label_maps.resized(numbers, (height, width))])


def chance(bound: Bound) -> float:
    """Always answering the commonest class."""
    return _own(bound).guess


def difference(before: Sequence[Prediction], after: Sequence[Prediction], bound: Bound) -> NDArray[np.float64]:
    """Share of pixels with another class; 1 more where these are a twentieth, or other classes are seen at all."""
    return np.array([_changed(one, other, len(bound.labels)) for one, other in zip(before, after, strict=True)])


def _changed(before: Prediction, after: Prediction, classes: int) -> float:
    one, other = _map(before), _map(after)
    share = float((one != other).mean())
    seen = [_shares(numbers, classes) >= _SEEN for numbers in (one, other)]
    return share + (share >= _CHANGED or bool((seen[0] != seen[1]).any()))


TASK = Task(
    name=TaskName.SEGMENTATION,
    title="Semantic segmentation",
    formats=(
        "cityscapes",
        "voc_segmentation",
        "common_semantic_segmentation",
        "roboflow_masks",
        "camvid",
        "masks",
    ),
    metrics=_METRICS,
    fits=fits,
    target=target,
    bind=bind,
    truth=truth,
    targets=targets,
    agreement=agreement,
    score=score,
    compare=compare,
    describe=describe,
    describe_truth=describe_truth,
    marks=marks,
    truth_marks=truth_marks,
    target_marks=target_marks,
    chance=chance,
    difference=difference,
    unseen_change=overlap.UNSEEN_CHANGE,
)
