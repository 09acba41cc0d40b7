"""Vision tasks, one file each: what a task is, and the list of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from jobs.findings import ModelFindings
from jobs.image_input import ImageInput
from jobs.intervals import Interval
from jobs.predictions import Array as Array
from jobs.predictions import Prediction as Prediction
from jobs.report import ScoreHistogram, Shape
from jobs.samples import Dataset, Sample
from jobs.spec import CalibrateOn, TaskName
from jobs.targets import Targets

Size = tuple[int, int]
"""Height and width of an image as it came, upright."""


@dataclass(frozen=True)
class Metric:
    """A number that says how good a model is; a fraction."""

    name: str
    title: str
    higher_is_better: bool = True


@dataclass(frozen=True)
class Scores:
    """What predictions are worth."""

    metrics: Mapping[str, float]
    """By the metric's name, the primary one first."""
    per_class: Mapping[str, Mapping[str, float]]
    """By label, then by metric."""
    per_image: NDArray[np.float64]
    """[n] the primary metric of each image alone, or what comes nearest to it."""
    evidence: Any = None
    """What `compare` needs besides."""


@dataclass(frozen=True)
class Marks:
    """What is drawn over an image."""

    shapes: tuple[Shape, ...] = ()
    layer: NDArray[np.uint8] | None = None
    """[h, w, 4] RGBA of any size, stretched over the image: a mask or a heat map."""


@dataclass(frozen=True)
class Bound:
    """A model's outputs bound to a dataset's labels."""

    outputs: tuple[int, ...]
    """Which of the model's outputs are read."""
    labels: tuple[str, ...]
    """Of the model, in its order."""
    from_dataset: tuple[int, ...]
    """For each label of the dataset, its place in `labels`; -1 for one that no image has."""
    read: Callable[[Sequence[Array], Size], Prediction]
    """The chosen outputs for one image, each a batch of one, and the image's own size to what they say.

    Called in a thread beside inference. The arrays are its own to keep or to change.
    """
    notes: tuple[str, ...] = ()
    multilabel: bool = False
    threshold: float = 0.5
    """Confidence from which on an answer counts."""


Images = Callable[[], NDArray[np.uint8]]
"""Gives images in the model's size [n, h, w, c]."""
Ask = Callable[[NDArray[np.uint8]], Sequence[Prediction]]
"""Images in the model's size [n, h, w, c] to what a model says of each."""


@dataclass(frozen=True)
class Settled:
    """A bound with thresholds that were found by asking models."""

    bound: Bound
    model_info: Mapping[str, str]
    """What the model must say of itself now, by Model API's names."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Thresholds:
    """What a task does whose models answer with a score, and carry the threshold from which on it counts."""

    settle: Callable[[Bound, Images, Ask], Settled]
    """(bound, normal images that measure nothing, the original) to the thresholds that the original lacks."""
    refit: Callable[[Bound, Images, Ask, Ask], Settled]
    """(bound, such images, the original, the optimised model) to thresholds of the optimised model."""
    matched: Callable[[Bound, Sequence[Prediction], Sequence[Prediction]], Bound]
    """(bound, what the original and a model that is only tried said of the same images) to the bound of the latter."""
    compared: Callable[[Scores, Scores], tuple[str, ...]]
    """What the optimised model is worth with the original's thresholds and with its own, in words."""
    histograms: Callable[[Sequence[Prediction], Sequence[Prediction], Any, Bound, Bound], tuple[ScoreHistogram, ...]]
    """(predictions before, after, truth, bound before, after): scores of normal and anomalous images and pixels."""
    head: Callable[[ov.Model], tuple[str, ...]]
    """Operations that turn features into scores: images that calibrate do not tell their range."""
    lighten: Callable[[ov.Model], tuple[str, ...]]
    """Change what can be done with less in the optimised model, and say so."""


@dataclass(frozen=True)
class Task:
    """A task, as functions in the order in which a job uses them."""

    name: TaskName
    title: str
    formats: tuple[str, ...]
    """Dataset formats: `class_folders`, and others of `jobs.layouts`, most specific first."""
    metrics: tuple[Metric, ...]
    """The primary one first."""
    fits: Callable[[ModelFindings], float]
    """How well a model fits, 0 (not at all) to 1 (it says so itself)."""
    target: Callable[[Any], Any]
    """A Datumaro item to its target; None when it has no annotation."""
    bind: Callable[[ov.Model, Mapping[str, str], Dataset], Bound]
    """(model, settings, dataset) to a Bound. Raises WrongTask, LabelMismatch."""
    truth: Callable[[Sequence[Sample], Bound], Any]
    """Samples with their targets to what `score` compares with."""
    agreement: Callable[[Sequence[Prediction], Bound], Any]
    """Predictions of the original model taken as the truth, for images without labels."""
    score: Callable[[Sequence[Prediction], Any, Bound], Scores]
    compare: Callable[[Scores, Scores], Interval]
    """Scores before and after to the drop of the primary metric (before minus after) with its 95 % interval."""
    describe: Callable[[Prediction, Bound], tuple[str, float]]
    """A prediction in words, and its confidence."""
    describe_truth: Callable[[Any, int, Bound], str]
    """The truth of image i in words."""
    marks: Callable[[Prediction, Bound, Size], Marks]
    """A prediction as what is drawn over its image."""
    truth_marks: Callable[[Any, int, Bound, Size], Marks]
    target_marks: Callable[[Any, Sequence[str], Size], Marks]
    """(target, the dataset's labels, size): an annotation drawn before there is a model."""
    chance: Callable[[Bound], float]
    """What guessing reaches on the primary metric."""
    difference: Callable[[Sequence[Prediction], Sequence[Prediction], Bound], NDArray[np.float64]]
    """Predictions before and after to how much they differ [n]; 1 and above is another answer. The bound is that of
    the optimised model."""
    prepared: Callable[[ov.Model, Mapping[str, str]], Mapping[str, str]] = lambda model, settings: settings
    """Settings with what such a model is used to where they say nothing."""
    may_calibrate: Callable[[Any, CalibrateOn], bool] | None = None
    """Whether an image with this target is of the kind that is to calibrate; where all are, there is no such choice."""
    thresholds: Thresholds | None = None
    targets: Callable[[ov.Model, Sequence[Sample], Bound, ImageInput], Targets | None] | None = None
    """(model, samples with targets, bound, input) to what training can learn from labels; None where it can nothing."""
    unseen_change: float = 1.0
    """How much one more image may change by that nobody saw: see `compare`."""


def by_name(name: str) -> Task:
    """The task called `name`."""
    return all_tasks()[TaskName(name)]


def all_tasks() -> dict[TaskName, Task]:
    """Every task, imported when asked for."""
    from jobs.tasks import (
        anomaly_classification,
        anomaly_detection,
        anomaly_segmentation,
        classification,
        detection,
        instance_segmentation,
        segmentation,
    )

    modules = (
        classification,
        detection,
        instance_segmentation,
        segmentation,
        anomaly_classification,
        anomaly_detection,
        anomaly_segmentation,
    )
    return {module.TASK.name: module.TASK for module in modules}
