"""Classification: which class, or which classes, an image shows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from jobs import explaining, image_input, labels, metrics, stats
from jobs.errors import UnsupportedModel, WrongTask
from jobs.findings import ModelFindings
from jobs.image_input import ImageInput
from jobs.intervals import Interval
from jobs.samples import Dataset, Sample
from jobs.spec import TaskName
from jobs.targets import UNKNOWN, Targets
from jobs.tasks import Array, Bound, Marks, Metric, Prediction, Scores, Size, Task

_ACCURACY = Metric("accuracy", "Accuracy")
_METRICS = (_ACCURACY, Metric("top5", "Top-5 accuracy"), Metric("f1_macro", "Macro F1"), Metric("auroc", "AUROC"))


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
    outputs = [port for port in model.outputs if not explaining.is_one(port.name)]
    return 0.5 if any(_class_count(port.shape) for port in outputs) else 0.0


def _class_count(shape: Sequence[int]) -> int:
    """Number of classes in an output [n, c], [n, c, 1, 1] or [n, 1, 1, c]; 0 when it is none."""
    sides = [side for side in shape[1:] if side != 1]
    return sides[0] if len(shape) in (2, 4) and len(sides) == 1 and sides[0] > 1 else 0


def target(item: Any) -> tuple[int, ...] | None:
    """Labels of an image from Datumaro: of the image itself, or of the objects in it."""
    found = {one.label for one in item.annotations if getattr(one, "label", None) is not None}
    return tuple(sorted(found)) or None


def bind(model: ov.Model, settings: Mapping[str, str], dataset: Dataset) -> Bound:
    """Labels are matched by name first, by place when the counts agree; what cannot be matched is shown."""
    if _flag(settings, "hierarchical"):
        raise UnsupportedModel(
            "The model's labels are a hierarchy, which cannot be scored here.",
            hint="Train or export it with a flat list of labels.",
        )
    output, count = _score_output(model)
    names = labels.named(settings, count)
    targets = [sample.target for sample in dataset.samples]
    several = any(len(target or ()) > 1 for target in targets)
    multilabel = several or _flag(settings, "multilabel")
    threshold = image_input.fraction(settings, "confidence_threshold", 0.5)
    used = {label for target in targets for label in target or ()}
    places, notes = labels.match(names, dataset.labels, used, count)
    if several and not _flag(settings, "multilabel"):
        notes = (*notes, f"Images have several labels, so each class is yes or no, from a score of {threshold:g} on.")
    shown = names or labels.named_by_dataset(dataset.labels, places, count)
    read = partial(_read, squash=_squash(model, output, multilabel=multilabel))
    return Bound((output,), shown, places, read, notes, multilabel, threshold)


def _flag(settings: Mapping[str, str], name: str) -> bool:
    return settings.get(name, "").strip().lower() in ("true", "yes", "1", "on")


def _score_output(model: ov.Model) -> tuple[int, int]:
    """Place and class count of the output that holds the scores."""
    for index, port in enumerate(model.outputs):
        name = port.any_name if port.names else ""
        if port.partial_shape.rank.is_dynamic or explaining.is_one(name):
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


def _read(outputs: Sequence[Array], size: Size, *, squash: Callable[[Array], Array]) -> Prediction:
    """Scores of an image to probabilities [classes]."""
    return (squash(outputs[0].reshape(-1).astype(np.float64)),)


def _softmax(scores: Array) -> Array:
    """Scores as probabilities, unless they are already."""
    if _inside(scores) and abs(scores.sum() - 1) <= 1e-2:
        return scores
    powers = np.exp(scores - scores.max())
    result: Array = powers / powers.sum()
    return result


def _sigmoid(scores: Array) -> Array:
    result: Array = 1 / (1 + np.exp(-np.clip(scores, -500, 500)))
    return result


def _sigmoid_unless_inside(scores: Array) -> Array:
    return scores if _inside(scores) else _sigmoid(scores)


def _inside(scores: Array) -> bool:
    return bool(scores.min() >= -1e-6 and scores.max() <= 1 + 1e-6)


_PASSING = ("Result", "Convert", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "FakeQuantize")
_LINEAR = ("MatMul", "Add", "Convolution", "GroupConvolution")


def _squash(model: ov.Model, output: int, *, multilabel: bool) -> Callable[[Array], Array]:
    """How scores become probabilities. Of several labels the graph tells it: logits may lie between 0 and 1 too."""
    if not multilabel:
        return _softmax
    node = model.outputs[output].get_node()
    while node.get_type_name() in _PASSING:
        node = node.input_value(0).get_node()
    return _sigmoid if node.get_type_name() in _LINEAR else _sigmoid_unless_inside


def truth(samples: Sequence[Sample], bound: Bound) -> Truth:
    places = [[bound.from_dataset[label] for label in sample.labels or ()] for sample in samples]
    if not bound.multilabel:
        return Truth(np.array([row[0] for row in places], dtype=np.int64))
    many = np.zeros((len(places), len(bound.labels)), dtype=np.int64)
    for row, found in zip(many, places, strict=True):
        row[found] = 1
    return Truth(many)


def targets(model: ov.Model, samples: Sequence[Sample], bound: Bound, entry: ImageInput) -> Targets:
    """The class of each image, or of each class whether an image has it; what the model does not know is unknown."""
    places = [[bound.from_dataset[label] for label in sample.labels or ()] for sample in samples]
    known = [bool(row) and min(row) >= 0 for row in places]
    (output,), classes = bound.outputs, tuple(range(len(bound.labels)))
    if not bound.multilabel:
        rows = [row[0] if known[image] else UNKNOWN for image, row in enumerate(places)]
        return Targets(output, classes, lambda image: np.array(rows[image]), sum(known))

    def of(image: int) -> Array:
        many = np.full(len(classes), 0 if known[image] else UNKNOWN)
        many[[place for place in places[image] if place >= 0]] = 1
        return many

    logits = _squash(model, output, multilabel=True) is _sigmoid
    return Targets(output, classes, of, sum(known), exclusive=False, probabilities=False if logits else None)


def agreement(predictions: Sequence[Prediction], bound: Bound) -> Truth:
    found = _stacked(predictions)
    return Truth((found >= bound.threshold).astype(np.int64) if bound.multilabel else found.argmax(1))


def _stacked(predictions: Sequence[Prediction]) -> Array:
    """Probabilities [n, classes]."""
    return np.stack([scores for (scores,) in predictions])


def score(predictions: Sequence[Prediction], real: Truth, bound: Bound) -> Scores:
    how = _score_many if bound.multilabel else _score_one
    return how(_stacked(predictions), real.classes, bound)


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
    names = labels.told_apart(bound.labels)
    per_class = {names[place]: {"accuracy": rights[place] / totals[place]} for place in np.flatnonzero(totals)}
    return Scores(values, per_class, right)


def _score_many(predictions: Array, classes: NDArray[np.int64], bound: Bound) -> Scores:
    answers = (predictions >= bound.threshold).astype(np.int64)
    right = answers == classes
    values = {"accuracy": float(right.mean()), "f1_macro": metrics.f1_macro_many(answers, classes)}
    values |= _auroc(predictions, classes)
    names = labels.told_apart(bound.labels)
    per_class = {name: {"accuracy": float(right[:, place].mean())} for place, name in enumerate(names)}
    return Scores(values, per_class, right.mean(1))


def _auroc(predictions: Array, onehot: NDArray[np.int64]) -> dict[str, float]:
    """One class against the rest, over the classes that have both kinds of images."""
    value = metrics.auroc(predictions, onehot)
    return {} if value is None else {"auroc": value}


def compare(before: Scores, after: Scores) -> Interval:
    """Accuracy is a mean over images, so the paired bootstrap is over per-image differences."""
    return stats.paired_mean(before.per_image - after.per_image)


def describe(prediction: Prediction, bound: Bound) -> tuple[str, float]:
    (row,) = prediction
    if bound.multilabel:
        chosen = [bound.labels[place] for place in np.flatnonzero(row >= bound.threshold)]
        return ", ".join(chosen) or "none", float(row.max())
    return bound.labels[int(row.argmax())], float(row.max())


def describe_truth(real: Truth, i: int, bound: Bound) -> str:
    if bound.multilabel:
        return ", ".join(bound.labels[place] for place in np.flatnonzero(real.classes[i])) or "none"
    return bound.labels[int(real.classes[i])]


def marks(prediction: Prediction, bound: Bound, size: Size) -> Marks:
    """Nothing: a class belongs to the whole image."""
    return Marks()


def truth_marks(real: Truth, i: int, bound: Bound, size: Size) -> Marks:
    return Marks()


def target_marks(found: tuple[int, ...], names: Sequence[str], size: Size) -> Marks:
    return Marks()


def chance(bound: Bound) -> float:
    """Of several labels at once most are absent anywhere, so that guessing cannot be told from knowing."""
    return 0.0 if bound.multilabel else 1 / len(bound.labels)


def difference(before: Sequence[Prediction], after: Sequence[Prediction], bound: Bound) -> NDArray[np.float64]:
    """1 plus the shift where the answer changed, else the shift of the largest probability."""
    one, other = _stacked(before), _stacked(after)
    shift = np.abs(one - other).max(1)
    if bound.multilabel:
        changed = ((one >= bound.threshold) != (other >= bound.threshold)).any(1)
    else:
        changed = one.argmax(1) != other.argmax(1)
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
)
