"""Vision tasks, one file each: what a task is, and the list of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from jobs.findings import ModelFindings
from jobs.intervals import Interval
from jobs.spec import TaskName

Array = NDArray[Any]


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


@dataclass(frozen=True)
class Bound:
    """A model's outputs bound to a dataset's labels."""

    outputs: tuple[int, ...]
    """Which of the model's outputs are read."""
    labels: tuple[str, ...]
    """Of the outputs, in their order."""
    from_dataset: tuple[int, ...]
    """For each label of the dataset, its place among the outputs; -1 for one that no image has."""
    notes: tuple[str, ...] = ()
    multilabel: bool = False
    threshold: float = 0.5


@dataclass(frozen=True)
class Task:
    """A task, as functions in the order in which a job uses them."""

    name: TaskName
    title: str
    formats: tuple[str, ...]
    """Dataset formats: `class_folders`, and those of Datumaro, most specific first."""
    metrics: tuple[Metric, ...]
    """The primary one first."""
    fits: Callable[[ModelFindings], float]
    """How well a model fits, 0 (not at all) to 1 (it says so itself)."""
    target: Callable[[Sequence[Any]], Any]
    """Datumaro annotations of an image to its target; None when there is none."""
    bind: Callable[[ov.Model, Mapping[str, str], Sequence[str], Sequence[Any]], Bound]
    """(model, settings, the dataset's labels, all targets) to a Bound. Raises WrongTask, LabelMismatch."""
    predict: Callable[[Sequence[Array], Bound], Array]
    """Stacked outputs [n, …] to predictions [n, …]."""
    truth: Callable[[Sequence[Any], Bound], Any]
    """Targets of the dataset to what `score` compares with."""
    agreement: Callable[[Array, Bound], Any]
    """Predictions of the original model taken as the truth, for images without labels."""
    score: Callable[[Array, Any, Bound], Scores]
    compare: Callable[[Scores, Scores], Interval]
    """Scores before and after to the drop of the primary metric (before minus after) with its 95 % interval."""
    describe: Callable[[Array, int, Bound], tuple[str, float]]
    """Prediction of image i in words, and its confidence."""
    describe_truth: Callable[[Any, int, Bound], str]
    chance: Callable[[Bound], float]
    """What guessing reaches on the primary metric."""
    difference: Callable[[Array, Array, Bound], NDArray[np.float64]]
    """Predictions before and after to how much they differ [n]; 1 and above is another answer."""


def by_name(name: str) -> Task:
    """The task called `name`."""
    return all_tasks()[TaskName(name)]


def all_tasks() -> dict[TaskName, Task]:
    """Every task, imported when asked for."""
    from jobs.tasks import classification

    return {task.name: task for task in (classification.TASK,)}
