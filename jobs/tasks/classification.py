"""Classification: which class, or which classes, an image shows."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from jobs import formats, metrics, stats
from jobs.errors import BadOption, LabelMismatch, UnsupportedModel, WrongTask
from jobs.findings import ModelFindings
from jobs.intervals import Interval
from jobs.spec import TaskName
from jobs.tasks import Array, Bound, Metric, Scores, Task

_ACCURACY = Metric("accuracy", "Accuracy")
_METRICS = (_ACCURACY, Metric("top5", "Top-5 accuracy"), Metric("f1_macro", "Macro F1"), Metric("auroc", "AUROC"))
# What OTX's models give besides the scores, for explanations.
_EXTRA_OUTPUTS = ("saliency_map", "feature_vector")


@dataclass(frozen=True)
class Truth:
    """What the images really show."""

    classes: NDArray[np.int64]
    """[n] place of the class among the outputs; multi-label: [n, classes] of 0 and 1."""


def fits(model: ModelFindings) -> float:
    said = " ".join(model.model_info.get(key, "") for key in ("model_type", "task_type", "task")).lower()
    if "classif" in said and "anomaly" not in said:
        return 1.0
    if said.strip() and said.strip() != "yolo":  # Ultralytics calls its classifiers that too
        return 0.0
    outputs = [port for port in model.outputs if not _is_extra(port.name)]
    return 0.5 if any(_class_count(port.shape) for port in outputs) else 0.0


def _is_extra(name: str) -> bool:
    return any(extra in name for extra in _EXTRA_OUTPUTS)


def _class_count(shape: Sequence[int]) -> int:
    """Number of classes in an output [n, c], [n, c, 1, 1] or [n, 1, 1, c]; 0 when it is none."""
    sides = [side for side in shape[1:] if side != 1]
    return sides[0] if len(shape) in (2, 4) and len(sides) == 1 and sides[0] > 1 else 0


def target(annotations: Sequence[Any]) -> tuple[int, ...] | None:
    """Labels of an image from Datumaro: of the image itself, or of the objects in it."""
    found = sorted({annotation.label for annotation in annotations if getattr(annotation, "label", None) is not None})
    return tuple(found) or None


def bind(model: ov.Model, settings: Mapping[str, str], dataset_labels: Sequence[str], targets: Sequence[Any]) -> Bound:
    """Labels are matched by name first, by place when the counts agree; what cannot be matched is shown."""
    if _flag(settings, "hierarchical"):
        raise UnsupportedModel(
            "The model's labels are a hierarchy, which cannot be scored here.",
            hint="Train or export it with a flat list of labels.",
        )
    output, count = _score_output(model)
    names = label_names(settings, count)
    several = any(len(labels or ()) > 1 for labels in targets)
    multilabel = several or _flag(settings, "multilabel")
    threshold = _threshold(settings)
    used = {label for labels in targets for label in labels or ()}
    places, notes = _match(names, tuple(dataset_labels), used, count)
    if several and not _flag(settings, "multilabel"):
        notes = (*notes, f"Images have several labels, so each class is yes or no, from a score of {threshold:g} on.")
    labels = names or _named_by_dataset(dataset_labels, places, count)
    return Bound((output,), labels, places, notes, multilabel, threshold)


def _flag(settings: Mapping[str, str], name: str) -> bool:
    return settings.get(name, "").strip().lower() in ("true", "yes", "1", "on")


def _threshold(settings: Mapping[str, str]) -> float:
    text = settings.get("confidence_threshold", "").strip()
    try:
        value = float(text) if text else 0.5
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise BadOption(
            f"confidence_threshold must be a number from 0 to 1; it is “{text}”.", where="confidence_threshold"
        )
    return value


def _score_output(model: ov.Model) -> tuple[int, int]:
    """Place and class count of the output that holds the scores."""
    for index, port in enumerate(model.outputs):
        name = port.any_name if port.names else ""
        if port.partial_shape.rank.is_dynamic or _is_extra(name):
            continue
        shape = [-1 if side.is_dynamic else side.get_length() for side in port.partial_shape]
        if count := _class_count([1, *shape[1:]]):
            return index, count
    shapes = ", ".join(str(port.partial_shape) for port in model.outputs)
    raise WrongTask(
        f"The model's output {shapes} is no list of class scores, so this is not a classifier.",
        hint="Choose the task the model was trained for, or export it with one output of shape [1, classes]. One that"
        " says yes or no by a single number needs two outputs, one for each.",
    )


def label_names(settings: Mapping[str, str], count: int) -> tuple[str, ...]:
    """The model's labels; those the person gave (`labels_given`) come before exact ones in `label_info`.

    Empty when the model has none. Raises LabelMismatch when their number is not that of the outputs.
    """
    names = formats.labels({"labels": settings.get("labels", "")} if settings.get("labels_given") else settings)
    if names and len(names) != count:
        raise LabelMismatch(
            f"The model has {count} classes but {len(names)} label names: {_list(names)}.",
            hint=f"Give {count} names, separated by commas.",
            where="labels",
        )
    return names


def _plain(name: str) -> str:
    """For comparing: case, spaces, underscores, hyphens and ways to write an accent do not matter."""
    return re.sub(r"[\s_\-]+", "", unicodedata.normalize("NFKC", name)).casefold()


_NOWHERE = -1


def _match(
    names: tuple[str, ...], dataset: tuple[str, ...], used: set[int], count: int
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """For each label of the dataset its place among the outputs; nowhere is fine for one that no image has."""
    found = _by_name(names, dataset)
    if all(place != _NOWHERE for place, number in zip(found, range(len(dataset)), strict=True) if number in used):
        return found, ()
    if all(label.isdecimal() and int(label) < count for label in dataset):
        return tuple(int(label) for label in dataset), (
            "The dataset's folders are numbers, taken as places of outputs.",
        )
    for numbers in (range(len(dataset)), sorted(used)):
        if len(numbers) == count and all(found[number] == _NOWHERE for number in numbers):
            return _by_order([dataset[number] for number in numbers], dataset, names)
    missing = tuple(dataset[number] for number in sorted(used) if found[number] == _NOWHERE)
    raise LabelMismatch(
        f"The model has {count} classes ({_list(names) or 'without names'}), the dataset has {len(used)}"
        f" ({_list([dataset[number] for number in sorted(used)])}); not found in the model: {_list(missing)}.",
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


def _list(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _named_by_dataset(labels: Sequence[str], places: tuple[int, ...], count: int) -> tuple[str, ...]:
    by_place = dict(zip(places, labels, strict=True))
    return tuple(by_place.get(place, str(place)) for place in range(count))


def predict(outputs: Sequence[Array], bound: Bound) -> Array:
    """Scores [n, classes] as probabilities: as they are when they already are, else by softmax, or sigmoid if many."""
    scores = outputs[0].reshape(len(outputs[0]), len(bound.labels)).astype(np.float64)
    inside = scores.min() >= -1e-6 and scores.max() <= 1 + 1e-6
    if bound.multilabel:
        return scores if inside else 1 / (1 + np.exp(-np.clip(scores, -500, 500)))
    if inside and np.allclose(scores.sum(1), 1, atol=1e-2):
        return scores
    powers = np.exp(scores - scores.max(1, keepdims=True))
    result: Array = powers / powers.sum(1, keepdims=True)
    return result


def truth(targets: Sequence[Any], bound: Bound) -> Truth:
    places = [[bound.from_dataset[label] for label in labels or ()] for labels in targets]
    if not bound.multilabel:
        return Truth(np.array([row[0] for row in places], dtype=np.int64))
    many = np.zeros((len(places), len(bound.labels)), dtype=np.int64)
    for row, found in zip(many, places, strict=True):
        row[found] = 1
    return Truth(many)


def agreement(predictions: Array, bound: Bound) -> Truth:
    if bound.multilabel:
        return Truth((predictions >= bound.threshold).astype(np.int64))
    return Truth(predictions.argmax(1))


def score(predictions: Array, real: Truth, bound: Bound) -> Scores:
    return (
        _score_many(predictions, real.classes, bound)
        if bound.multilabel
        else _score_one(predictions, real.classes, bound)
    )


def _score_one(predictions: Array, classes: NDArray[np.int64], bound: Bound) -> Scores:
    answers = predictions.argmax(1)
    right = (answers == classes).astype(np.float64)
    values = {"accuracy": float(right.mean())}
    if len(bound.labels) > 5:
        values["top5"] = metrics.top(predictions, classes, 5)
    values["f1_macro"] = metrics.f1_macro(answers, classes)
    values |= _auroc(predictions, (classes[:, None] == np.arange(len(bound.labels))).astype(np.int64))
    # Accuracy of a class is its recall: the share of its images that are recognised.
    totals = np.bincount(classes, minlength=len(bound.labels))
    rights = np.bincount(classes, weights=right, minlength=len(bound.labels))
    names = _told_apart(bound.labels)
    per_class = {names[place]: {"accuracy": rights[place] / totals[place]} for place in np.flatnonzero(totals)}
    return Scores(values, per_class, right)


def _told_apart(labels: Sequence[str]) -> list[str]:
    """Names as keys: of those that occur twice, each with its place."""
    return [f"{name} ({place})" if labels.count(name) > 1 else name for place, name in enumerate(labels)]


def _score_many(predictions: Array, classes: NDArray[np.int64], bound: Bound) -> Scores:
    answers = (predictions >= bound.threshold).astype(np.int64)
    right = answers == classes
    values = {"accuracy": float(right.mean()), "f1_macro": metrics.f1_macro_many(answers, classes)}
    values |= _auroc(predictions, classes)
    names = _told_apart(bound.labels)
    per_class = {name: {"accuracy": float(right[:, place].mean())} for place, name in enumerate(names)}
    return Scores(values, per_class, right.mean(1))


def _auroc(predictions: Array, onehot: NDArray[np.int64]) -> dict[str, float]:
    """One class against the rest, over the classes that have both kinds of images."""
    value = metrics.auroc(predictions, onehot)
    return {} if value is None else {"auroc": value}


def compare(before: Scores, after: Scores) -> Interval:
    """Accuracy is a mean over images, so the paired bootstrap is over per-image differences."""
    return stats.paired_mean(before.per_image - after.per_image)


def describe(predictions: Array, i: int, bound: Bound) -> tuple[str, float]:
    row = predictions[i]
    if bound.multilabel:
        chosen = [bound.labels[place] for place in np.flatnonzero(row >= bound.threshold)]
        return ", ".join(chosen) or "none", float(row.max())
    return bound.labels[int(row.argmax())], float(row.max())


def describe_truth(real: Truth, i: int, bound: Bound) -> str:
    if bound.multilabel:
        return ", ".join(bound.labels[place] for place in np.flatnonzero(real.classes[i])) or "none"
    return bound.labels[int(real.classes[i])]


def chance(bound: Bound) -> float:
    """Of several labels at once most are absent anywhere, so that guessing cannot be told from knowing."""
    return 0.0 if bound.multilabel else 1 / len(bound.labels)


def difference(before: Array, after: Array, bound: Bound) -> NDArray[np.float64]:
    """1 plus the shift where the answer changed, else the shift of the largest probability."""
    shift = np.abs(before - after).max(1)
    if bound.multilabel:
        changed = ((before >= bound.threshold) != (after >= bound.threshold)).any(1)
    else:
        changed = before.argmax(1) != after.argmax(1)
    result: NDArray[np.float64] = shift + changed
    return result


TASK = Task(
    name=TaskName.CLASSIFICATION,
    title="Classification",
    formats=(
        "class_folders",
        "datumaro",
        "roboflow_multiclass",
        "coco_labels",
        "imagenet_txt",
        "voc_classification",
    ),
    metrics=_METRICS,
    fits=fits,
    target=target,
    bind=bind,
    predict=predict,
    truth=truth,
    agreement=agreement,
    score=score,
    compare=compare,
    describe=describe,
    describe_truth=describe_truth,
    chance=chance,
    difference=difference,
)
