"""Classification: which class, or which classes, an image shows."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from jobs import stats
from jobs.errors import LabelMismatch, WrongTask
from jobs.findings import ModelFindings
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
    said = f"{model.model_info.get('model_type', '')} {model.model_info.get('task_type', '')}".lower()
    if "classification" in said and "anomaly" not in said:
        return 1.0
    if said.strip():
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
    output, count = _score_output(model)
    names = label_names(settings, count)
    multilabel = settings.get("multilabel", "").lower() == "true" or any(len(t or ()) > 1 for t in targets)
    threshold = float(settings.get("confidence_threshold") or 0.5)
    places, notes = _match(names, tuple(dataset_labels), count)
    labels = names or _named_by_dataset(dataset_labels, places, count)
    return Bound((output,), labels, places, notes, multilabel, threshold)


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
        hint="Choose the task the model was trained for, or export it with one output of shape [1, classes].",
    )


def label_names(settings: Mapping[str, str], count: int) -> tuple[str, ...]:
    """The model's labels: exact names from `label_info`, else `labels`, separated by commas or, as OTX does, by spaces.

    Empty when the model has none. Raises LabelMismatch when their number is not that of the outputs.
    """
    names = _from_label_info(settings.get("label_info", "")) if not settings.get("labels_given") else ()
    text = settings.get("labels", "").strip()
    if not names and text:
        split = re.split(r"[,\n]", text) if "," in text or "\n" in text else text.split()
        names = tuple(name.strip().replace("^", " ") for name in split if name.strip())
    if names and len(names) != count:
        raise LabelMismatch(
            f"The model has {count} classes but {len(names)} label names: {_list(names)}.",
            hint=f"Give {count} names, separated by commas.",
            where="labels",
        )
    return names


def _from_label_info(text: str) -> tuple[str, ...]:
    try:
        return tuple(str(name) for name in json.loads(text)["label_names"])
    except (ValueError, KeyError, TypeError):
        return ()


def _plain(name: str) -> str:
    """For comparing: case, spaces, underscores and hyphens do not matter."""
    return re.sub(r"[\s_\-]+", "", name).casefold()


def _match(names: tuple[str, ...], dataset: tuple[str, ...], count: int) -> tuple[tuple[int, ...], tuple[str, ...]]:
    if not dataset:
        return (), ()
    places = {_plain(name): place for place, name in enumerate(names)}
    found = [places.get(_plain(label)) for label in dataset]
    if all(place is not None for place in found):
        return tuple(place for place in found if place is not None), ()
    if all(label.isdecimal() and int(label) < count for label in dataset):
        return tuple(int(label) for label in dataset), (
            "The dataset's folders are numbers, taken as places of outputs.",
        )
    if len(dataset) == count and not any(place is not None for place in found):
        why = "the model names none" if not names else "no name is the same"
        ends = f"the first class, “{dataset[0]}”, is output 0 and the last, “{dataset[-1]}”, is output {count - 1}"
        return tuple(range(count)), (f"Labels are matched by order, since {why}: {ends}.",)
    missing = tuple(label for label, place in zip(dataset, found, strict=True) if place is None)
    raise LabelMismatch(
        f"The model has {count} classes ({_list(names) or 'without names'}), the dataset has {len(dataset)}"
        f" ({_list(dataset)}); not found in the model: {_list(missing)}.",
        hint="Name the folders like the model's labels, or give the model's labels in the order of its outputs.",
        where="labels",
    )


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
        return scores if inside else 1 / (1 + np.exp(-scores))
    if inside and np.allclose(scores.sum(1), 1, atol=1e-2):
        return scores
    powers = np.exp(scores - scores.max(1, keepdims=True))
    result: Array = powers / powers.sum(1, keepdims=True)
    return result


def truth(targets: Sequence[Any], bound: Bound) -> Truth:
    places = [[bound.from_dataset[label] for label in labels or ()] for labels in targets]
    if not bound.multilabel:
        return Truth(np.array([row[0] for row in places]))
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
    from sklearn.metrics import f1_score, top_k_accuracy_score

    answers = predictions.argmax(1)
    right = (answers == classes).astype(np.float64)
    present = np.unique(classes)
    metrics = {"accuracy": float(right.mean())}
    if len(bound.labels) > 5:
        places = np.arange(len(bound.labels))
        metrics["top5"] = float(top_k_accuracy_score(classes, predictions, k=5, labels=places))
    metrics["f1_macro"] = float(f1_score(classes, answers, labels=present, average="macro", zero_division=0))
    metrics |= _auroc(predictions, np.eye(len(bound.labels), dtype=np.int64)[classes])
    # Accuracy of a class is its recall: the share of its images that are recognised.
    per_class = {bound.labels[place]: {"accuracy": float(right[classes == place].mean())} for place in present}
    return Scores(metrics, per_class, right)


def _score_many(predictions: Array, classes: NDArray[np.int64], bound: Bound) -> Scores:
    from sklearn.metrics import f1_score

    answers = (predictions >= bound.threshold).astype(np.int64)
    right = answers == classes
    metrics = {
        "accuracy": float(right.mean()),
        "f1_macro": float(f1_score(classes, answers, average="macro", zero_division=0)),
    } | _auroc(predictions, classes)
    per_class = {label: {"accuracy": float(right[:, place].mean())} for place, label in enumerate(bound.labels)}
    return Scores(metrics, per_class, right.mean(1))


def _auroc(predictions: Array, onehot: NDArray[np.int64]) -> dict[str, float]:
    """Macro AUROC, one class against the rest, over the classes that have both kinds of images."""
    from sklearn.metrics import roc_auc_score

    seen = [place for place in range(onehot.shape[1]) if 0 < onehot[:, place].sum() < len(onehot)]
    if not seen:
        return {}
    return {"auroc": float(np.mean([roc_auc_score(onehot[:, place], predictions[:, place]) for place in seen]))}


def compare(before: Scores, after: Scores) -> stats.Interval:
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


def difference(before: Array, after: Array) -> NDArray[np.float64]:
    """1 plus the shift where the answer changed, else the shift of the largest probability."""
    shift = np.abs(before - after).max(1)
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
        "coco",
        "roboflow_coco",
        "coco_instances",
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
