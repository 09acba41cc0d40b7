"""Optimisation methods, one file each: what a method gets, what it gives back, and the list of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from jobs import events
from jobs.report import ConfigKey
from jobs.targets import Targets

Array = NDArray[Any]


@dataclass(frozen=True)
class Evaluation:
    """What a model is worth on some images."""

    value: float
    """The primary metric."""
    per_image: NDArray[np.float64]
    """[n] the same of each image alone, or what comes nearest to it."""
    difference: NDArray[np.float64]
    """[n] how much what it says differs from what the original says; 1 and above is another answer."""
    higher_is_better: bool = True

    def drop_from(self, before: "Evaluation", *, relative: bool = False) -> float:
        """What is lost on the metric since `before`, in it or as a share of it; below 0 when there is a gain."""
        lost = before.value - self.value if self.higher_is_better else self.value - before.value
        return lost / abs(before.value) if relative and before.value else lost


class Validation(Protocol):
    """The images that measure accuracy, for a method that must know what a model is worth.

    Images are meant by their places. `labels` says whether their labels are the truth, or what the original answers.
    """

    @property
    def size(self) -> int:
        """How many images there are."""

    def part(self, share: float, seed: int) -> tuple[int, ...]:
        """Places of a share of them, of every label its part; at least one, in order."""

    def original(self, places: Sequence[int], *, labels: bool) -> Evaluation:
        """What the float model is worth. Asks it nothing: that is known."""

    def evaluate(
        self,
        model: ov.Model,
        places: Sequence[int],
        *,
        labels: bool,
        progress: Callable[[int], None] = lambda done: None,
    ) -> Evaluation:
        """What a model is worth that a method made of the float model. `progress` gets how many images it was asked."""


class Inputs(Protocol):
    """Inputs of a model, one image after the other or by their place."""

    def __iter__(self) -> Iterator[Mapping[str, Array]]:
        """All of them, as many times as one likes."""

    def __getitem__(self, place: int) -> Mapping[str, Array]:
        """One of them."""


@dataclass(frozen=True)
class Prepared:
    """What `jobs.run` has ready when it calls a method."""

    model: ov.Model
    """The float model as uploaded, without any preprocessing put into it. A method must not change it."""
    calibration: Inputs
    """Model inputs by name, batch of one, preprocessed as the model expects; can be iterated over many times."""
    calibration_size: int
    """How many there are; 0 for options that do not calibrate."""
    names: tuple[str, ...] = ()
    """Names of the calibration images, for messages."""
    targets: Targets | None = None
    """What these are labelled with, where a method is to learn from that and the task's models can."""
    validation: Validation | None = None
    """None in a rehearsal, where nothing is searched for."""
    head: tuple[str, ...] = ()
    """Names of operations that compare features with what they were in training: each of them must still be there."""
    stop: Callable[[], bool] = lambda: False
    """Whether a person wants it to end with the best it has."""


@dataclass(frozen=True)
class Optimised:
    """What a method made."""

    model: ov.Model
    applied: Mapping[str, str]
    """The settings really used, by their POT, NNCF or OTX name."""
    config_keys: tuple[ConfigKey, ...] = ()
    """What became of configuration keys, where only the run could tell."""
    notes: tuple[str, ...] = field(default=())
    search: tuple[events.Trial, ...] = ()
    """Models that were tried, in their order."""
    training: tuple[events.Epoch, ...] = ()
    """What came of each epoch."""
    load: "Load | None" = None
    """What training asks for, where a rehearsal measured it."""


@dataclass(frozen=True)
class Load:
    """What training asks of the machine."""

    seconds: float
    """For one image."""
    image_bytes: int
    """Of memory, for each image of a batch."""
    fixed_bytes: int
    """Of memory, however large the batch is."""
    batch: int
    """Images at once; fewer than asked for where the graph takes only one."""
    rehearsed_bytes: int = 0
    """Of memory, what was taken to find this out."""


@dataclass(frozen=True)
class Cost:
    """What a method does in a job, at most, besides what it does in a rehearsal. For estimates of time."""

    calibrated: int = 0
    """Times that a calibration image goes through the model."""
    compiled: int = 0
    """Models compiled to be evaluated."""
    evaluated: int = 0
    """Images that these are asked about, of all of them together."""
    seconds: float = 0.0
    """Of training."""
    memory_bytes: int = 0
    """Besides what the rehearsal took."""


class Estimate(Protocol):
    """How a method says what it costs. `optimised` is what it made in the rehearsal."""

    def __call__(self, optimised: Optimised, options: Any, *, calibration: int, validation: int) -> Cost:
        """`calibration` and `validation` are how many images there are."""


@dataclass(frozen=True)
class Method:
    """A way to make a model smaller and faster."""

    name: str
    title: str
    family: str
    """POT or NNCF: how the page groups them."""
    apply: Callable[[Prepared, Any, events.Emit], Optimised]
    unmatched: Callable[[ov.Model, Any], tuple[str, ...]]
    """(model, options) to the ignored names, patterns and types that nothing in the model has."""
    cost: Estimate


def by_name(name: str) -> Method:
    """The method called `name`. Imported when asked for, since a method brings its engine with it."""
    from jobs.methods import nncf_pruning, nncf_qat, pot_accuracy_aware, pot_default, weights

    known = (
        pot_default.METHOD,
        pot_accuracy_aware.METHOD,
        weights.METHOD,
        nncf_qat.METHOD,
        nncf_pruning.METHOD,
    )
    return {method.name: method for method in known}[name]
