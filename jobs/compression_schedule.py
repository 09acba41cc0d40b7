"""How much is removed before each epoch, until all of it is: the schedules of NNCF's pruning and sparsity."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import exp

from scipy.optimize import brentq

from jobs.spec import FilterPruning, Sparsity

_EARLY, _MOST_OF_IT = 1 / 8, 3 / 4
"""NNCF's exponential schedule with a bias comes so far in so much of the time."""


@dataclass(frozen=True)
class Stage:
    """Epochs with so much removed."""

    level: float
    """Share of what is to be removed in all: 1 is the target."""
    epochs: int


def pruning(options: FilterPruning, target: float, epochs: int) -> tuple[Stage, ...]:
    """Stages of filter pruning to a share `target`; at least the last epoch has all of it removed."""
    first = min(1.0, options.pruning_init / target) if target else 1.0
    early = min(options.num_init_steps, epochs - 1) if first else 0
    steps = max(1, min(options.pruning_steps, epochs - early))
    if options.schedule == "baseline":
        steps = 1
    levels = [first] * early + [
        _rising(options.schedule, first, target, place / steps) for place in range(1, steps + 1)
    ]
    return _together([*levels, *[1.0] * (epochs - len(levels))])


def _rising(kind: str, first: float, target: float, time: float) -> float:
    """The level at a share of the time."""
    if time >= 1:
        return 1.0
    if kind == "exponential_with_bias" and first < _MOST_OF_IT:
        return _with_bias(first, time)
    before, after = 1 - first * target, 1 - target  # it is what stays that shrinks by the same factor each time
    return float((1 - before * (after / before) ** time) / target)


def _with_bias(first: float, time: float) -> float:
    """On a curve a + b exp(-k t) through its two ends, and most of the way early."""

    def level(speed: float, at: float) -> float:
        return first + (1 - first) * (1 - exp(-speed * at)) / (1 - exp(-speed))

    most = first + (1 - first) * (1 - 1e-6)
    wanted = min(max(_MOST_OF_IT, first + (1 - first) * (_EARLY + 1e-6)), most)
    return level(brentq(lambda speed: level(speed, _EARLY) - wanted, 1e-9, 200), time)


def sparsity(options: Sparsity, epochs: int, time: float) -> float:
    """The share of zeros so many epochs after the start, of a training of `epochs`."""
    target, first = options.target, options.sparsity_init
    if options.schedule == "multistep":
        passed = sum(time >= step for step in options.multistep_steps)
        return options.multistep_sparsity_levels[passed]
    done = min(1.0, time / target_epoch(options, epochs))
    if options.schedule == "exponential":  # it is what stays that shrinks by the same factor each time
        return 1 - float((1 - first) * ((1 - target) / (1 - first)) ** done)
    if options.concave:
        return target - (target - first) * float((1 - done) ** options.power)
    return first + (target - first) * float(done**options.power)


def target_epoch(options: Sparsity, epochs: int) -> int:
    """After which the share rises no more, so that something is left to train with it."""
    wanted = (
        max(options.multistep_steps, default=1) if options.schedule == "multistep" else options.sparsity_target_epoch
    )
    return max(1, min(wanted, epochs - 1))


def _together(levels: Sequence[float]) -> tuple[Stage, ...]:
    """Equal ones as one stage; where nothing is removed, there is nothing to train."""
    return tuple(Stage(level, len(list(same))) for level, same in groupby(levels) if level > 0)
