"""Filters that are removed from a model: which of them are worth least, and how many make it so much smaller.

As NNCF's filter pruning chose them: by a norm or by the distance to the others of their layer, the same share of each
layer or the weakest of all, and so that each layer keeps a multiple of 8, which devices compute in. NNCF set filters to
0 and left their removal to a later step; here they are gone at once, with all that depends on them (`jobs.channels`).
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from jobs import channels, complexity
from jobs.channels import Channels, Layer, Numbers
from jobs.errors import BadOption, UnsupportedModel
from jobs.numbers import percent
from jobs.spec import FilterPruning

_MULTIPLE = 8
"""Filters that a layer keeps; NNCF rounded so too."""
_ALMOST = 1 - 1e-9
"""Of all filters: what goes when each layer keeps as few as it may."""
_SEARCH = 30
"""Halvings until a level is exact enough."""

Sizes = Mapping[int, int]
"""How many filters there are in each group, by what it is called in every model that this one came from."""
Chosen = NDArray[np.bool_]
"""[channels] whether each of them is removed."""
Parts = Sequence[tuple[str, int]]
"""Outputs of operations: name and port."""


@dataclass(frozen=True)
class Budget:
    """What a model computed before anything was removed."""

    flops: int
    least: int
    """What remains when as much is removed as can be."""

    @property
    def most(self) -> float:
        """The largest share of FLOPs that can be removed."""
        return 1 - self.least / self.flops


class Pruning:
    """A model, and which of its filters go first."""

    def __init__(
        self,
        model: ov.Model,
        fixed: ov.Model,
        options: FilterPruning,
        *,
        ends: Parts = (),
        whole: Collection[str] = (),
        unpruned: Collection[str] = (),
    ) -> None:
        """`model` has its constants folded and any shapes, `fixed` is the same with static ones.

        What flows out of `ends` and into operations called `whole` keeps all channels; layers called `unpruned` keep
        their filters. Raises UnsupportedModel where no filter can go.
        """
        self._model, self._options = model, options
        self._channels = channels.find(model, fixed, ends, whole)
        self._flops = complexity.flops(fixed)
        self._total = sum(self._flops.values())
        kept = [layer for layer in self._channels.layers if layer.name in unpruned or not self._may_go(layer)]
        worth = _worth(model, self._channels, options)
        self._groups = _groups(self._channels, kept, worth)
        self._order = _order(list(self._groups.values()), worth)
        if not self._groups:
            raise UnsupportedModel(
                "No filter of this model can be removed: each is part of an output, or of an operation that takes only"
                " so many channels.",
                hint="Choose NNCF Quantization instead; it leaves all filters in place.",
            )

    @property
    def budget(self) -> Budget:
        """What it computes, and the least that it can."""
        return Budget(self._total, self._left(self._removed(1.0, self.sizes)))

    @property
    def sizes(self) -> Sizes:
        """Of the groups whose filters may go."""
        return {place: len(group) for place, group in self._groups.items()}

    def by_flops(self, left: float) -> ov.Model:
        """A copy that computes at most so many FLOPs. Raises BadOption where it cannot."""
        if (least := self.budget.least) > left:
            raise BadOption(
                f"At most {percent(1 - least / self._total, 0)} of the FLOPs can be removed from this model; with more,"
                " a layer would have no filter left, or one that must stay as it is.",
                hint="Remove less, or allow the first layer and layers that shrink to be pruned.",
                where="filter_pruning.pruning_flops_target",
            )
        low, high, sizes = 0.0, 1.0, self.sizes
        for _ in range(_SEARCH):
            middle = (low + high) / 2
            low, high = (low, middle) if self._left(self._removed(middle, sizes)) <= left else (middle, high)
        removed, less = self._removed(high, sizes), self._removed(low, sizes)
        for group in self._groups.values():  # one step more was too much for all of them, but not for each
            spared = removed.copy()
            spared[group] = less[group]
            if self._left(spared) <= left:
                removed = spared
        return self._channels.without(self._model, removed)

    def by_filters(self, share: float, sizes: Sizes | None = None) -> ov.Model:
        """A copy without a share of the filters of each layer, or of all of them. Raises BadOption where it cannot.

        `sizes` are those of the model that the share is of, where this one lacks some already.
        """
        whole = self.sizes if sizes is None else sizes
        total = sum(whole.values())
        least = len(self._order) - int(self._removed(_ALMOST, whole).sum())
        if total * (1 - share) < least:
            raise BadOption(
                f"At most {percent(1 - least / total, 0)} of the filters that may go can be removed from this"
                f" model: each layer keeps {_MULTIPLE} of them, or what it has.",
                hint="Remove less, or allow the first layer and layers that shrink to be pruned.",
                where="filter_pruning.pruning_target",
            )
        return self._channels.without(self._model, self._removed(share, whole))

    def _may_go(self, layer: Layer) -> bool:
        return (self._options.prune_first_conv or not layer.first) and (
            self._options.prune_downsample_convs or not layer.strided
        )

    def _left(self, removed: Chosen) -> int:
        """FLOPs without some channels."""
        weights = {layer.name: layer.weight for layer in self._channels.layers}
        return sum(
            round(flops * self._channels.kept(removed, weights[name])) if name in weights else flops
            for name, flops in self._flops.items()
        )

    def _removed(self, level: float, whole: Sizes) -> Chosen:
        """The weakest channels of each group, or of all, but for those that make it a multiple.

        `level` is the share of the filters that there were in the whole model, of which some may be gone.
        """
        removed, weak = (np.zeros(self._channels.count, bool) for _ in range(2))
        stay = round((1 - level) * sum(whole.values()))
        weak[self._order[: max(0, len(self._order) - stay)]] = True
        for place, group in self._groups.items():
            count = len(group)
            wanted = int(weak[group].sum()) if self._options.all_weights else count - (1 - level) * whole[place]
            kept = -(-(count - wanted) // _MULTIPLE) * _MULTIPLE
            removed[group[: max(0, count - int(max(kept, 1)))]] = True
        return removed


def _groups(found: Channels, kept: Iterable[Layer], worth: NDArray[np.float64]) -> dict[int, Numbers]:
    """Channels that stand in the same places of the same constants, the weakest first, without those of `kept`.

    By a number that stands for these places, in every model that has the same constants.

    Some of each stay, so no constant is ever empty.
    """
    place = np.zeros(found.count, np.uint64)
    for number, key in enumerate(sorted(found.positions)):
        numbers = np.unique(found.positions[key])
        numbers = numbers[numbers >= 0]
        place[numbers] = place[numbers] * np.uint64(1_000_003) + np.uint64(number + 1)
    staying = np.zeros(found.count, bool)
    for layer in kept:
        numbers = found.of(layer)
        staying[numbers[numbers >= 0]] = True
    by_place = defaultdict(list)
    for channel in np.flatnonzero(~staying):
        by_place[int(place[channel])].append(channel)
    groups = {one: np.array(members) for one, members in by_place.items()}
    return {one: group[np.argsort(worth[group], kind="stable")] for one, group in groups.items()}


def _order(groups: Sequence[Numbers], worth: NDArray[np.float64]) -> Numbers:
    """All channels that may go, the weakest first."""
    every = np.concatenate(groups) if groups else np.zeros(0, np.int64)
    return every[np.argsort(worth[every], kind="stable")]


# --- what a filter is worth


def _worth(model: ov.Model, found: Channels, options: FilterPruning) -> NDArray[np.float64]:
    """[channels] of all filters that are one channel, together."""
    constants = {op.get_friendly_name(): op for op in model.get_ops() if op.get_type_name() == "Constant"}
    worth = np.zeros(found.count)
    measure = _MEASURES[options.filter_importance]
    for layer in {layer.weight: layer for layer in found.layers}.values():
        numbers = found.of(layer)
        if (numbers < 0).all():
            continue
        values = np.moveaxis(constants[layer.weight].get_data().astype(np.float32), layer.filters, 0)
        if options.all_weights:  # so that layers of large weights do not outweigh all others
            values = values / max(float(np.linalg.norm(values)), 1e-12)
        of_filters = measure(values.reshape(len(values), -1))
        np.add.at(worth, numbers[numbers >= 0], of_filters[numbers >= 0])
    return worth


def _apart(filters: NDArray[np.float32]) -> NDArray[np.float64]:
    """How far each is from all others (He et al. 2019): what is near them all, they can do without."""
    distances: NDArray[np.float64] = cdist(filters, filters).sum(axis=1)
    return distances


_MEASURES: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float64]]] = {
    "L1": lambda filters: np.abs(filters).sum(axis=1, dtype=np.float64),
    "L2": lambda filters: np.sqrt(np.square(filters).sum(axis=1, dtype=np.float64)),
    "geometric_median": _apart,
}
