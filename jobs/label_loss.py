"""How wrong a student is by the labels: cross-entropy, of labels that exclude each other or of each by itself."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from jobs.targets import UNKNOWN, Targets

_TINY = 1e-7
_LEAST = 1e-3
"""Of a loss before the training, for shares of it: what is hardly wrong at all must not count endlessly."""


class LabelLoss:
    """The loss on one of the outputs that a lifted model gives."""

    def __init__(self, targets: Targets, place: int) -> None:
        """`place` is that of the output among those of the lifted model."""
        self._targets, self._place = targets, place
        self._other = targets.labels != tuple(range(len(targets.labels)))  # numbers than the channels'
        self._probabilities = targets.probabilities
        self._first: Tensor | None = None

    def targets(self, places: Iterable[int]) -> Tensor:
        """Those of some images in one batch: [n], [n, h, w], [n, channels] or [n, channels, h, w]."""
        return torch.from_numpy(np.stack([self._targets.of(place) for place in places]))

    def __call__(self, found: Sequence[Tensor], wanted: Sequence[Tensor], labels: Tensor) -> Tensor:
        """[] the mean of what is known. What the teacher gives (`wanted`) tells probabilities from logits."""
        output, other = (self._arranged(outputs[self._place], labels) for outputs in (found, wanted))
        if self._probabilities is None:
            self._probabilities = _are_probabilities(other, exclusive=self._targets.exclusive)
        return self._of_one(output, labels) if self._targets.exclusive else self._of_each(output, labels)

    def share(self, loss: Tensor) -> Tensor:
        """Of what it was the first time that this was asked."""
        if self._first is None:
            self._first = loss.detach().clamp_min(_LEAST)
        return loss / self._first

    def _arranged(self, output: Tensor, labels: Tensor) -> Tensor:
        """[n, channels], or [n, channels, h, w] where pixels have labels."""
        if labels.dim() <= 2:
            return output.flatten(1)
        return output[:, None] if output.dim() == 3 else output.movedim(self._targets.axis, 1)

    def _of_one(self, output: Tensor, labels: Tensor) -> Tensor:
        logs = output.clamp_min(_TINY).log() if self._probabilities else functional.log_softmax(output, 1)
        if self._other:
            numbers = torch.tensor(self._targets.labels, device=logs.device)
            shares = logs.new_zeros(len(logs), max(self._targets.labels) + 1, *logs.shape[2:])
            logs = shares.index_add(1, numbers, logs.exp()).clamp_min(_TINY).log()
        labels = _resized(labels, logs)
        total = functional.nll_loss(logs, labels, ignore_index=UNKNOWN, reduction="sum")
        return total / (labels != UNKNOWN).sum().clamp_min(1)

    def _of_each(self, output: Tensor, labels: Tensor) -> Tensor:
        labels = _resized(labels, output)
        known, right = labels != UNKNOWN, labels.clamp_min(0).to(output.dtype)
        if self._probabilities:
            each = functional.binary_cross_entropy(output.clamp(0, 1), right, reduction="none")
        else:
            each = functional.binary_cross_entropy_with_logits(output, right, reduction="none")
        return (each * known).sum() / known.sum().clamp_min(1)


def _are_probabilities(scores: Tensor, *, exclusive: bool) -> bool:
    sums = scores.sum(1)
    inside = bool((scores >= -_TINY).all() and (scores <= 1 + _TINY).all())
    return inside and (not exclusive or torch.allclose(sums, torch.ones_like(sums), atol=1e-2))


def _resized(labels: Tensor, like: Tensor) -> Tensor:
    """Of every pixel of a map the label in its middle."""
    if labels.dim() < 3 or labels.shape[-2:] == like.shape[-2:]:
        return labels
    channels = labels if labels.dim() == 4 else labels[:, None]
    resized = functional.interpolate(channels.float(), tuple(like.shape[-2:]), mode="nearest-exact").long()
    return resized if labels.dim() == 4 else resized[:, 0]
