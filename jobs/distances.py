"""How far what a student says is from what its teacher says: the loss of training without labels.

Every output counts as much as every other, whatever it is measured in: the loss is the share that is left of what it
was before the training. Class scores are told apart from coordinates by what the teacher gives, and a place of which it
says that there is nothing hardly counts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_TINY = 1e-8
_LEAST = 1e-6
"""Of a distance: what is nearer than this was not changed yet, so that it is no measure of anything."""
_LEAST_CERTAINTY = 0.01
_PLACES = 8
"""So many rows at least are places in an image."""

_Measure = Callable[[Tensor, Tensor], Tensor]
"""[images, channels, places] of a student and of its teacher to how far they are apart, [images, places]."""


@dataclass(frozen=True)
class _Part:
    """Channels of an output that say the same kind of thing."""

    output: int
    axis: int
    """Of channels."""
    channels: Tensor | None
    """Which of them; None for all."""
    measure: _Measure
    places: int | None = None
    """The number of places of the image, where other outputs can say what is there."""


class Distances:
    """What is compared, decided by what the teacher gives for a few images."""

    def __init__(self, wanted: Sequence[Tensor]) -> None:
        self._parts = [part for place, one in enumerate(wanted) for part in _parts(place, one)]
        self._scales: Tensor | None = None

    def __call__(self, found: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
        """[parts] how far they are from each other, means over all images."""
        certain = self._certainty(wanted)
        distances = []
        for part in self._parts:
            one, other = (_arranged(outputs[part.output], part) for outputs in (found, wanted))
            apart = part.measure(one, other)
            # What is there is said by the scores themselves, of which all count: what is not there must stay away.
            weights = certain.get((len(other), part.places)) if part.measure is not _bernoulli else None
            distances.append(apart.mean() if weights is None else (apart * weights).sum() / weights.sum())
        return torch.stack(distances)

    def total(self, each: Tensor) -> Tensor:
        """Of all parts, each as a share of what it was the first time this was asked."""
        if self._scales is None:
            first = each.detach()
            self._scales = torch.where(first > _LEAST, first, torch.ones_like(first))
        total: Tensor = (each / self._scales).mean()
        return total

    def _certainty(self, wanted: Sequence[Tensor]) -> dict[tuple[int, int | None], Tensor]:
        """By numbers of images and places: how sure the teacher is that something is there, [images, places]."""
        found: dict[tuple[int, int | None], Tensor] = {}
        for part in self._parts:
            if part.places and part.measure is _bernoulli:
                scores = _arranged(wanted[part.output], part)
                found[len(scores), part.places] = scores.amax(1).clamp(_LEAST_CERTAINTY, 1.0)
        return found


def _parts(place: int, wanted: Tensor) -> list[_Part]:
    if not wanted.is_floating_point():
        return []
    if wanted.dim() != 3 or max(wanted.shape[1:]) < _PLACES:
        return [_Part(place, 1, None, _measure(wanted))]
    # Objects: rows of boxes and scores, or columns of them, maybe side by side.
    axis = 1 if wanted.shape[1] <= wanted.shape[2] else 2
    places = wanted.shape[3 - axis]
    rest = (0, 3 - axis)
    scores = (wanted.amin(rest) >= 0) & (wanted.amax(rest) <= 1)
    if bool(scores.all()) or not bool(scores.any()):
        return [_Part(place, axis, None, _bernoulli if bool(scores.all()) else _distance, places)]
    return [
        _Part(place, axis, torch.nonzero(~scores).ravel(), _distance, places),
        _Part(place, axis, torch.nonzero(scores).ravel(), _bernoulli, places),
    ]


def _measure(wanted: Tensor) -> _Measure:
    if wanted.dim() < 2 or wanted.dim() == 3:
        return _distance
    if wanted.shape[1] > 1:
        sums = wanted.sum(1)
        if bool((wanted >= -_TINY).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-3):
            return _shares
        if wanted.dim() == 2:
            return _logits
    return _bernoulli if wanted.dim() == 4 and 0 <= wanted.min() and wanted.max() <= 1 else _distance


def _arranged(output: Tensor, part: _Part) -> Tensor:
    """[images, channels, places]"""
    if output.dim() < 2:
        return output.reshape(-1, 1, 1)
    if part.channels is not None:
        output = output.index_select(part.axis, part.channels)
    return output.movedim(part.axis, 1).flatten(2) if output.dim() > 2 else output[..., None]


# --- measures


def _distance(found: Tensor, wanted: Tensor) -> Tensor:
    """Squared difference, of the variance of what is wanted, the mean of all channels."""
    variance = wanted.var() if wanted.numel() > 1 else wanted.square().mean()
    return (found - wanted).square().mean(1) / (variance + _TINY)


def _logits(found: Tensor, wanted: Tensor) -> Tensor:
    apart = _divergence(functional.log_softmax(found, 1), functional.log_softmax(wanted, 1))
    return apart + _distance(found, wanted)


def _shares(found: Tensor, wanted: Tensor) -> Tensor:
    return _divergence(found.clamp_min(_TINY).log(), wanted.clamp_min(_TINY).log()) + _distance(found, wanted)


def _divergence(found: Tensor, wanted: Tensor) -> Tensor:
    """Kullback and Leibler's, of logarithms of shares of channels."""
    return (wanted.exp() * (wanted - found)).sum(1)


def _bernoulli(found: Tensor, wanted: Tensor) -> Tensor:
    """The same of scores that each are a share of 1, the sum of all channels."""
    found, wanted = found.clamp(_TINY, 1 - 1e-6), wanted.clamp(_TINY, 1 - 1e-6)
    yes = wanted * (wanted.log() - found.log())
    no = (1 - wanted) * (torch.log1p(-wanted) - torch.log1p(-found))
    return (yes + no).sum(1)
