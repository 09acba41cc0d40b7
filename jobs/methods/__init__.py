"""Optimisation methods, one file each: what a method gets, what it gives back, and the list of them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import openvino as ov
from numpy.typing import NDArray

from jobs import events
from jobs.report import ConfigKey

Array = NDArray[Any]


@dataclass(frozen=True)
class Prepared:
    """What `jobs.run` has ready when it calls a method."""

    model: ov.Model
    """The float model as uploaded, without any preprocessing put into it. A method must not change it."""
    calibration: Iterable[Mapping[str, Array]]
    """Model inputs by name, batch of one, preprocessed as the model expects; can be iterated over many times."""
    calibration_size: int
    """How many there are."""
    names: tuple[str, ...] = ()
    """Names of the calibration images, for messages."""


@dataclass(frozen=True)
class Optimised:
    """What a method made."""

    model: ov.Model
    applied: Mapping[str, str]
    """The settings really used, by their POT, NNCF or OTX name."""
    config_keys: tuple[ConfigKey, ...] = ()
    """What became of configuration keys, where only the run could tell."""
    notes: tuple[str, ...] = field(default=())


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
    passes: int
    """About how many times each calibration image goes through the model; for estimates of time."""


def by_name(name: str) -> Method:
    """The method called `name`. Imported when asked for, since a method brings its engine with it."""
    from jobs.methods import pot_default

    return {method.name: method for method in (pot_default.METHOD,)}[name]
