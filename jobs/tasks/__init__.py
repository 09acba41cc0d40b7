"""Vision tasks, one file each: what a task is, and the list of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from jobs.findings import ModelFindings
from jobs.intervals import Interval
from jobs.predictions import Array as Array
from jobs.predictions import Prediction as Prediction
from jobs.report import Shape
from jobs.samples import Dataset, Sample
from jobs.spec import TaskName

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
    """Predictions before and after to how much they differ [n]; 1 and above is another answer."""
    prepared: Callable[[ov.Model, Mapping[str, str]], Mapping[str, str]] = lambda model, settings: settings
    """Settings with what such a model is used to where they say nothing."""


def by_name(name: str) -> Task:
    """The task called `name`."""
    return all_tasks()[TaskName(name)]


def all_tasks() -> dict[TaskName, Task]:
    """Every task, imported when asked for."""
    from jobs.tasks import classification, detection, instance_segmentation, segmentation

    every = (classification.TASK, detection.TASK, instance_segmentation.TASK, segmentation.TASK)
    return {task.name: task for task in every}
