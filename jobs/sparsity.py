"""Weights that become 0 while a model is trained: the smallest ones, or those that training finds.

A weight keeps its value behind a mask, so that it can come back as long as the choice goes on, as in NNCF. What is
lowered into the model are the weights with their zeros.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

import openvino as ov
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from jobs import compression_schedule
from jobs.channels import LAYERS
from jobs.lift import Lifted
from jobs.lifting import convolutions
from jobs.spec import Sparsity
from jobs.training import Epoch

_PACE = 10.0
"""How much further a step takes the score of a weight than a weight."""
_STRICT = 20.0
"""Of the loss by which the share of zeros is off."""
_SURE = 0.5
"""The score at first of a weight twice as large as usual; that of a usual one is 0."""


def weights(model: ov.Model, spared: Collection[str] = ()) -> tuple[str, ...]:
    """Names of the constants that convolutions and products weigh with, but for operations that are spared."""
    found: dict[str, None] = {}
    for op in model.get_ordered_ops():
        if op.get_type_name() not in LAYERS or op.get_friendly_name() in spared:
            continue
        for place in (0, 1) if op.get_type_name() == "MatMul" else (1,):
            if (weight := convolutions.weight_of(op, place)) is not None:
                found[weight.get_friendly_name()] = None
    return tuple(found)


def hold(student: Lifted, names: Collection[str]) -> Callable[[], None]:
    """What to do after each step of a training that must keep the zeros which weights have."""
    pairs = [(one, (one != 0).to(one.dtype)) for name, one in student.parameters.items() if name in names]

    def zero() -> None:
        with torch.no_grad():
            for one, mask in pairs:
                one.mul_(mask.to(one.device))

    return zero


class Sparse:
    """A module whose weights become sparse while it is trained. Give its `student` to the training."""

    def __init__(self, student: Lifted, names: Collection[str], options: Sparsity, epochs: int, *, found: bool) -> None:
        """`names` are those of the weights; `found` says that training finds the zeros (rb), not size."""
        self._options, self._epochs = options, epochs
        chosen = {name: student.parameters[name].detach() for name in names if name in student.parameters}
        sizes = {name: _normed(one) for name, one in chosen.items()}
        usual = float(torch.cat([one.ravel() for one in sizes.values()]).mean()) if sizes else 1.0
        self._masks = {name: _Mask(one, one / usual if found else None) for name, one in sizes.items()}
        for name, mask in self._masks.items():
            parametrize.register_parametrization(student.module.graph, student.attributes[name], mask)
        scores = {f"scores of {name}": mask.scores for name, mask in self._masks.items() if mask.scores is not None}
        held = {name: _dense(student, name) for name in self._masks}
        self.student = replace(student, parameters={**student.parameters, **held, **scores})
        self._weights: Mapping[str, Tensor] = held
        self._found, self._time = found, 0.0
        self._level = 0.0
        self._waited, self._best = 0, math.inf
        self._set(self._wanted(0.0))

    @property
    def ready(self) -> int:
        """The first epoch with all of the zeros, from which on they stay."""
        if self._options.schedule == "adaptive":
            return max(1, self._epochs - self._epochs // 4)
        target = compression_schedule.target_epoch(self._options, self._epochs)
        return min(self._epochs, max(target, self._options.sparsity_freeze_epoch) + 1)

    @property
    def share(self) -> float:
        """Of the weights that are 0 now."""
        kept = [mask.kept for mask in self._masks.values()]
        zeros = sum(float((one == 0).sum()) for one in kept)
        return float(zeros / max(1, sum(one.numel() for one in kept)))

    def after_step(self, steps: int) -> Callable[[], None]:
        """For a training that makes so many steps an epoch."""

        def step() -> None:
            self._time += 1 / steps
            if self._time > self.ready:
                return
            if self._options.update_per_optimizer_step and self._options.schedule == "polynomial":
                self._set(self._wanted(self._time))
            elif self._found:  # scores change with each step
                self._set(self._level)

        return step

    def after_epoch(self, epoch: Epoch, number: int) -> None:
        """Choose for the next one; `number` is the epoch's in this training, 0 before the first."""
        self._time = float(number)
        if number + 1 == self.ready:
            self._set(self._options.target)
        elif number + 1 < self.ready:
            adapts = self._options.schedule == "adaptive"
            self._set(self._adapted(epoch, number) if adapts else self._wanted(self._time))

    def _adapted(self, epoch: Epoch, number: int) -> float:
        """A step further when nothing is gained any more, or there is hardly time left."""
        self._waited = 0 if epoch.held_out < self._best else self._waited + 1
        self._best = min(self._best, epoch.held_out)
        step = (self._options.target - self._options.sparsity_init) / self._options.sparsity_target_epoch
        steps_left = (self._options.target - self._level) / step if step else 0
        if self._waited < self._options.patience and steps_left < self.ready - number:
            return self._level
        self._waited, self._best = 0, math.inf
        return min(self._options.target, self._level + step)

    def extra(self) -> Tensor:
        """What is added to the loss where training finds the zeros: how far their share is off."""
        scores = [mask.scores for mask in self._masks.values() if mask.scores is not None]
        likely = torch.stack([torch.sigmoid(_PACE * one).sum() for one in scores]).sum()
        dense = likely / sum(one.numel() for one in scores)
        return _STRICT * (dense - (1 - self._level)).square()

    def _wanted(self, time: float) -> float:
        if self._options.schedule == "adaptive":
            return self._options.sparsity_init
        return compression_schedule.sparsity(self._options, self._epochs, time)

    def _set(self, level: float) -> None:
        """Mask the weights that are worth least."""
        self._level = level
        worth = {name: self._worth(name) for name in self._masks}
        if not worth:
            return
        shared = None if self._options.sparsity_level_setting_mode == "local" else _limit(worth.values(), level)
        with torch.no_grad():
            for name, mask in self._masks.items():
                limit = shared if shared is not None else _limit([worth[name]], level)
                mask.kept.copy_((worth[name] > limit).to(mask.kept.dtype).reshape(mask.kept.shape))

    def _worth(self, name: str) -> Tensor:
        with torch.no_grad():
            scores = self._masks[name].scores
            if scores is not None:
                return scores.detach().reshape(-1)
            weight = self._weights[name].detach()
            return (_normed(weight) if self._options.weight_importance == "normed_abs" else weight.abs()).reshape(-1)


class _Mask(nn.Module):  # type: ignore[misc]
    """A weight with zeros. Its scores, where there are some, learn by what zeros and others do to the loss."""

    def __init__(self, weight: Tensor, worth: Tensor | None) -> None:
        """`worth` is where scores begin, 1 for the usual weight."""
        super().__init__()
        self.register_buffer("kept", torch.ones_like(weight, requires_grad=False))
        self.kept: Tensor
        self.scores = None if worth is None else nn.Parameter(_SURE / _PACE * (worth - 1))

    def forward(self, weight: Tensor) -> Tensor:
        if self.scores is None:
            return weight * self.kept
        # The choice is hard, and its gradient that of the soft one (Bengio et al. 2013).
        soft = torch.sigmoid(_PACE * self.scores)
        return weight * (self.kept + soft - soft.detach())


def _normed(weight: Tensor) -> Tensor:
    """Sizes, as shares of their layer's norm."""
    return weight.abs() / weight.norm().clamp_min(1e-12)


def _dense(student: Lifted, name: str) -> nn.Parameter:
    found: nn.Parameter = student.module.graph.parametrizations[student.attributes[name]].original
    return found


def _limit(worth: Collection[Tensor], level: float) -> Tensor | float:
    """What is worth no more than this is 0."""
    every = torch.cat(list(worth))
    count = int(level * every.numel())
    return float("-inf") if count <= 0 else torch.kthvalue(every, count).values
