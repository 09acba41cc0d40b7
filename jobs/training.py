"""Training a lifted model until it says what another one says: the loop that every training method shares.

No labels are needed: the float model is the teacher, and the loss is how far the outputs are from its own (Hinton et
al. 2015), as a share of how far they were before the training. Where images have labels, a loss on them can be added,
as such a share too. What counts is the loss on images that train nothing; the best values by it are kept, and those
from before the training where it gained nothing.
"""

import contextlib
import io
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from jobs import augmentation, withheld
from jobs.distances import Distances
from jobs.errors import BadOutputs
from jobs.label_loss import LabelLoss
from jobs.lift import Learned, Lifted
from jobs.methods import Load
from jobs.predictions import Array

_STEP_RATE = 3.0
"""How much faster the logarithms of quantizers' steps learn than weights: theirs is a relative change."""
_USUAL_WEIGHT = 0.02
"""Root mean square of a layer's weights. Adam's steps are as long whatever they step on, so that weights much smaller,
as the first layer has where pixels of 0 to 255 come in as they are, would be lost in a few of them."""
_LARGEST_GRADIENT = 10.0
_MOMENTUM = 0.9
_STEP_BYTES = 1 << 30
"""As many images of a batch go through at once as keep so much for the way back, and the gradients of such parts are
added up: all at once would be no faster on a CPU."""
_REHEARSED_COPIES, _COPIES = 3, 7
"""Of every weight: the teacher's, the student's, its gradient; and two that the optimizer keeps, and the best twice."""
_ASTRAY = 1.5
"""Times the best loss on images held out: an epoch that ends above it, and above where training began, went too far.
Below that it swings as long as the rate is high: of a PaDiM by 1.8 times, on the way to a 30th of the loss."""
_SLOWER = 0.1
"""The learning rate of those after it, as a share."""
_NEAR = 1e-3
"""Of the largest value: answers that differ by no more are the same."""
_PASSING = 1.5
"""Times what is kept for the way back: what memory that is taken and given back in steps grows to. A rehearsal has
seen a step; in a training, up to 1.2 times as much was seen."""
_AROUND_BYTES = 32 << 20
"""Of PyTorch's own, once it computes."""

Images = Sequence[Array]
"""Model inputs, batch of one each, as the untouched model takes them."""


@dataclass(frozen=True)
class Plan:
    """How to train."""

    epochs: int
    batch: int
    learning_rate: float
    warm_up: int = 0
    """Steps in which the rate rises from 0."""
    weight_decay: float = 0.0
    patience: int = 0
    """Epochs without a gain after which it ends; 0 for none."""
    seed: int = 0
    augmentation: bool = False
    """Whether images train a little otherwise each time."""
    optimizer: str = "AdamW"
    """Or SGD, which has a momentum of 0.9."""
    label_loss: float = 0.0
    """What the loss on labels counts, beside 1 of that to the teacher."""
    falls: bool = True
    """Whether the rate falls to 0 in the end: not where another training follows."""


@dataclass(frozen=True)
class Epoch:
    """What came of an epoch. The first of a training is the model before it."""

    number: int
    loss: float
    """On the images that train; NaN before the training."""
    held_out: float
    """On those that do not."""
    seconds: float
    best: bool
    """Whether it is the best so far."""


@dataclass(frozen=True)
class Trained:
    """What came of it all."""

    learned: Learned
    """Of the best epoch."""
    epochs: tuple[Epoch, ...]
    ended: str = ""
    """Why it ended before its time, in words; empty when it did not."""
    astray: tuple[int, ...] = ()
    """Numbers of epochs that went too far: training went on from the best before them, with smaller steps."""

    @property
    def best(self) -> Epoch:
        """The epoch whose values are kept."""
        return [epoch for epoch in self.epochs if epoch.best][-1]


Progress = Callable[[int, int], None]
"""How many are done, and of how many."""
Stop = Callable[[], bool]
Watch = Callable[[Epoch, Callable[[], Learned]], str]
"""After each epoch, with a way to what was learned so far. A text that is not empty ends the training, and says why."""


def _quiet(done: int, total: int) -> None:
    """Nobody listens."""


class Diverged(Exception):
    """The loss is no number any more."""


def train(
    student: Lifted,
    teacher: Lifted,
    images: Images,
    plan: Plan,
    *,
    progress: Progress = _quiet,
    comparing: Progress = _quiet,
    watch: Watch = lambda epoch, learned: "",
    stop: Stop = lambda: False,
    after_step: Callable[[], None] = lambda: None,
    extra: Callable[[], Tensor] | None = None,
    labels: LabelLoss | None = None,
    first: int = 0,
    ready: int = 0,
) -> Trained:
    """Train `student` to give what `teacher` gives; their outputs are the same, in the same order.

    `progress` gets how many images have been trained with, and of how many; `comparing` the same of those held
    out, each time that the loss on them is taken. `stop` is asked after every step.
    `after_step` may change what was learned in it, and `extra` is added to the loss that trains, not to the one on
    images held out. Epochs are numbered from `first` on, for several trainings in a row; that is the one before this
    training. Up to epoch `ready` the model is not yet what was asked for, so that the last of them is the best.
    An epoch that goes far astray is undone, and the next ones take smaller steps.
    """
    run = _Training(student, teacher, images, plan, after_step, extra, labels)
    try:
        held_out = run.held_out(comparing)
    except Diverged as error:
        raise BadOutputs(
            "What the model gives for these images is not a number (NaN or infinite), so nothing can be learned of it."
        ) from error
    epochs = [Epoch(first, math.nan, held_out, 0.0, best=True)]
    best, kept, ended = held_out, student.learned(), watch(epochs[0], student.learned)
    values, astray = run.values(), list[int]()
    for number in range(first + 1, first + plan.epochs + 1):
        if ended:
            break
        start = time.perf_counter()
        try:
            loss = run.epoch(number, number - first, progress, stop)
            held_out = run.held_out(comparing, number)
        except Diverged as error:
            ended = f"{error} A lower rate (learning_rate) may help."
            break
        better = held_out < best or number <= ready
        if better:
            best, kept, values = held_out, student.learned(), run.values()
        epochs.append(Epoch(number, loss, held_out, time.perf_counter() - start, better))
        ended = watch(epochs[-1], student.learned)
        if not ended and stop():
            ended = "It was stopped."
        if not ended and plan.patience and number - _last_gain(epochs) >= plan.patience:
            ended = f"Nothing was gained for {plan.patience} epochs."
        far = held_out > max(_ASTRAY * best, epochs[0].held_out)
        if far and number < first + plan.epochs and not ended:
            run.back(values)
            astray.append(number)
    return Trained(kept, tuple(epochs), ended, tuple(astray))


def steps(images: int, plan: Plan) -> int:
    """Of an epoch with so many images."""
    return max(1, math.ceil((images - withheld.count(images)) / plan.batch))


def load(student: Lifted, teacher: Lifted, images: Images, plan: Plan) -> Load:
    """What a step asks for, measured on the images there are; nothing is learned."""
    return _Training(student, teacher, images, plan).load()


def _last_gain(epochs: Sequence[Epoch]) -> int:
    return max(epoch.number for epoch in epochs if epoch.best)


class _Training:
    """Two models, the images, and the state of the optimizer."""

    def __init__(
        self,
        student: Lifted,
        teacher: Lifted,
        images: Images,
        plan: Plan,
        after_step: Callable[[], None] = lambda: None,
        extra: Callable[[], Tensor] | None = None,
        labels: LabelLoss | None = None,
    ) -> None:
        torch.manual_seed(plan.seed)
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._student = student.module.to(self._device)
        self._teacher = teacher.module.to(self._device).requires_grad_(False)
        self._images, self._plan = images, plan
        self._after_step, self._extra = after_step, extra
        self._labels = labels if plan.label_loss else None
        order = np.random.default_rng(plan.seed).permutation(len(images))
        held = withheld.count(len(images))
        self._held, self._training = order[: max(1, held)], order[held:]
        self._forward: tuple[_Forward, _Forward] = (self._student, self._teacher)
        two = self._on(order[:2])
        # The teacher is asked: in the student, what is rounded to the other level would look like another answer.
        if not _any_number(self._teacher, two):
            self._forward = (_side_by_side(self._student), _side_by_side(self._teacher))
        several = _any_number(self._forward[1], two)
        weights, steps = list(student.parameters.values()), [student.step(name) for name in student.steps]
        self._optimizer = _optimizer(
            plan,
            [
                *(
                    {"params": [one], "lr": plan.learning_rate * _pace(one), "weight_decay": plan.weight_decay}
                    for one in weights
                ),
                {"params": steps, "lr": plan.learning_rate * _STEP_RATE, "weight_decay": 0.0},
            ],
        )
        self._all = [*weights, *steps]
        total = max(1, plan.epochs * math.ceil(len(self._training) / plan.batch))
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, lambda n: _rate(n, total, plan))
        self._distances: Distances | None = None
        self._image_bytes = max(1, self._kept(self._on(self._held[:1])))
        self._distances = None  # what is compared is decided by several images
        self._batch = _at_once(plan.batch, self._image_bytes, self._room()) if several else 1

    def epoch(self, number: int, place: int, progress: Progress, stop: Stop) -> float:
        """Train with every image once. `place` is the epoch's in this training, from 1 on. Raises Diverged."""
        order = np.random.default_rng((self._plan.seed, number)).permutation(self._training)
        total, seen, before = 0.0, 0, len(self._training) * (place - 1)
        for start in range(0, len(order), self._plan.batch):
            chosen = order[start : start + self._plan.batch]
            self._optimizer.zero_grad()
            for part in _parts(chosen, self._batch):
                batch, labels = self._on(part), self._labels_of(part)
                if self._plan.augmentation:
                    batch, labels = augmentation.changed(batch, labels)
                loss = self._total(self._each(batch, labels)) * (len(part) / len(chosen))
                if not math.isfinite(loss.item()):
                    step = start // self._plan.batch + 1
                    raise Diverged(f"The loss is no number (NaN or infinite) at step {step} of epoch {number}.")
                loss.backward()
                total += loss.item() * len(chosen)
                seen += len(part)
                progress(before + seen, len(self._training) * self._plan.epochs)
            if self._extra is not None:
                self._extra().backward()
            nn.utils.clip_grad_norm_(self._all, _LARGEST_GRADIENT)
            self._optimizer.step()
            self._schedule.step()
            self._after_step()
            if stop():
                break
        return total / max(1, seen)

    def held_out(self, progress: Progress, number: int = 0) -> float:
        """The loss on images that train nothing, after an epoch; 1 the first time. Raises Diverged."""
        parts = list[tuple[int, Tensor]]()
        with torch.no_grad():
            for part in _parts(self._held, self._batch):
                progress(sum(count for count, _ in parts), len(self._held))
                parts.append((len(part), self._each(self._on(part), self._labels_of(part))))
        each = torch.stack([count / len(self._held) * one for count, one in parts]).sum(0)
        if not bool(each.isfinite().all()):
            raise Diverged(f"The loss on the images held out is no number after epoch {number}.")
        return float(self._total(each))

    def values(self) -> list[Tensor]:
        """A copy of all that is learned."""
        return [one.detach().clone() for one in self._all]

    def back(self, values: Sequence[Tensor]) -> None:
        """Go on from these values, in smaller steps."""
        with torch.no_grad():
            for one, value in zip(self._all, values, strict=True):
                one.copy_(value)
        self._schedule.base_lrs = [rate * _SLOWER for rate in self._schedule.base_lrs]

    def load(self) -> Load:
        """Time and memory of a step."""
        count, each = self._batch, self._image_bytes
        batch = self._on(np.resize(np.arange(len(self._images)), count))
        for _ in range(2):  # the first is slower than all others
            start = time.perf_counter()
            self._total(self._each(batch)).backward()
            self._optimizer.zero_grad()
            seconds = time.perf_counter() - start
        once = sum(one.numel() * one.element_size() for one in self._all)
        return Load(
            seconds=seconds / count,
            image_bytes=int(_PASSING * each),
            fixed_bytes=_COPIES * once + _AROUND_BYTES,
            batch=count,
            rehearsed_bytes=_REHEARSED_COPIES * once + count * each,
        )

    def _room(self) -> int:
        """Bytes that may be kept for the way back."""
        return torch.cuda.mem_get_info()[0] // 2 if self._device == "cuda" else _STEP_BYTES

    def _kept(self, batch: Tensor) -> int:
        """Bytes that are kept on the way forward for the way back."""
        weights = {one.data_ptr() for one in self._all}
        kept: dict[int, int] = {}

        def count(tensor: Tensor) -> Tensor:
            if tensor.data_ptr() not in weights:
                kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            loss = self._each(batch)
        total = sum(kept.values())
        del loss  # until now it holds all of them, so that no two are at one address
        return total

    def _total(self, each: Tensor) -> Tensor:
        """The loss, which begins with 1."""
        assert self._distances is not None
        if self._labels is None:
            return self._distances.total(each)
        weight = self._plan.label_loss
        return (self._distances.total(each[:-1]) + weight * self._labels.share(each[-1])) / (1 + weight)

    def _each(self, batch: Tensor, labels: Tensor | None = None) -> Tensor:
        """The loss of each output, or part of one; that on labels comes last."""
        student, teacher = self._forward
        with torch.no_grad():
            wanted = teacher(batch)
        if self._distances is None:
            self._distances = Distances(wanted)
        found = student(batch)
        distances = self._distances(found, wanted)
        if self._labels is None or labels is None:
            return distances
        return torch.cat([distances, self._labels(found, wanted, labels)[None]])

    def _labels_of(self, places: Array) -> Tensor | None:
        return None if self._labels is None else self._labels.targets(map(int, places)).to(self._device)

    def _on(self, places: Array) -> Tensor:
        """These images as one batch on the device."""
        return torch.from_numpy(np.concatenate([self._images[int(place)] for place in places])).to(self._device)


def _optimizer(plan: Plan, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, momentum=_MOMENTUM) if plan.optimizer == "SGD" else torch.optim.AdamW(groups)


def _pace(weights: Tensor) -> float:
    """The share of the learning rate that weights can take; biases and slopes, of one value a channel, take all."""
    if weights.numel() <= max(weights.shape, default=1):
        return 1.0
    return min(1.0, float(weights.detach().square().mean().sqrt()) / _USUAL_WEIGHT)


def _at_once(batch: int, image_bytes: int, room: int) -> int:
    """How many images of a batch go through together, in parts of about one size."""
    parts = math.ceil(batch / max(1, room // image_bytes))
    return math.ceil(batch / parts)


def _parts(places: Array, size: int) -> Iterator[Array]:
    for start in range(0, len(places), size):
        yield places[start : start + size]


def _rate(step: int, total: int, plan: Plan) -> float:
    """Up in a line, then down along a cosine."""
    if step < plan.warm_up:
        return (step + 1) / (plan.warm_up + 1)
    if not plan.falls:
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - plan.warm_up) / max(1, total - plan.warm_up))))


_Forward = Callable[[Tensor], tuple[Tensor, ...]]


def _side_by_side(module: nn.Module) -> _Forward:
    """A graph for one image for several: every operation is done for all of them, not all operations for each."""
    alone = torch.vmap(module, randomness="error")

    def forward(batch: Tensor) -> tuple[Tensor, ...]:
        return tuple(one.flatten(0, 1) if one.dim() > 1 else one for one in alone(batch[:, None]))

    return forward


def _any_number(module: _Forward, two: Tensor) -> bool:
    """Whether several images at once get the answers of each alone: a graph may have one image built into it."""
    if len(two) < 2:
        return False
    try:
        # PyTorch prints what went wrong in a graph, besides raising it.
        with torch.no_grad(), contextlib.redirect_stderr(io.StringIO()):
            together, alone = module(two), [module(two[:1]), module(two[1:])]
    except (RuntimeError, IndexError):
        return False
    for place, one in enumerate(together):
        apart = torch.cat([alone[0][place], alone[1][place]]) if one.dim() else one
        if apart.shape != one.shape or not torch.allclose(apart.float(), one.float(), rtol=0, atol=_near(one)):
            return False
    return True


def _near(wanted: Tensor) -> float:
    """How far an answer may be off and still be the same."""
    return _NEAR * float(wanted.float().abs().nan_to_num().max()) if wanted.numel() else 0.0
