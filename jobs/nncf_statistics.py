"""Statistics of activations for NNCF, several images at a time.

NNCF 3.4 asks the model about one image after another and hands each of some hundred small results through its tensor
classes: on a small network that is most of the time a quantization takes. Here requests run at the same time, and what
the graph has already reduced is aggregated over all images at once. The same reducers and aggregators of NNCF do the
work, in the order of the images, so the ranges are the same.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import openvino as ov
from nncf.common.factory import ModelTransformerFactory
from nncf.common.tensor_statistics.collectors import (
    AggregatorBase,
    MaxAggregator,
    MeanAggregator,
    MinAggregator,
    RawReducer,
    TensorReducerBase,
)
from nncf.openvino.graph.model_utils import model_has_state
from nncf.openvino.graph.node_utils import get_reducer_output_node_names
from nncf.openvino.statistics.aggregator import OVStatisticsAggregator
from nncf.tensor import Tensor
from numpy.typing import NDArray

Array = NDArray[Any]
Progress = Callable[[str, int, int], None]

_CONFIG = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT"}
# The aggregate of all images, taken as the only image, is the aggregate.
_AT_ONCE: Mapping[type[AggregatorBase], Callable[[Array], Array]] = {
    MinAggregator: lambda stacked: stacked.min(0),
    MaxAggregator: lambda stacked: stacked.max(0),
    MeanAggregator: lambda stacked: stacked.mean(0),
}

_one_by_one = OVStatisticsAggregator.collect_statistics


@dataclass
class _Branch:
    """A statistic at a place in the model: what reduces the values of an image, and what takes the results."""

    reducer: TensorReducerBase
    output: int
    """Place among the outputs of the model, which NNCF has extended by what it wants to see."""
    aggregators: list[tuple[int, AggregatorBase]]
    """Each with the place of what it takes among the reducer's results."""
    wanted: float = 0
    """How many images somebody takes results of. Weights are the same on every image."""
    results: dict[int, list[Array]] = field(default_factory=dict)
    """By the number of the image."""

    def __post_init__(self) -> None:
        self.wanted = max((one.num_samples or np.inf for _, one in self.aggregators), default=0)

    def take(self, number: int, values: Array) -> None:
        """Reduce the values of an image. They lie in memory that the next image uses."""
        if values.size == 0 or number >= self.wanted:
            return
        if self.reducer.inplace or isinstance(self.reducer, RawReducer):
            self.results[number] = [values.copy()]
        else:
            self.results[number] = [one.data for one in self.reducer([Tensor(values)])]

    def aggregate(self) -> None:
        """Give the results to whom they are for, in the order of the images."""
        for place, aggregator in self.aggregators:
            found = [self.results[number][place] for number in sorted(self.results)][: aggregator.num_samples]
            at_once = _AT_ONCE.get(type(aggregator)) if _is_plain(aggregator) and _are_alike(found) else None
            for values in [at_once(np.stack(found))] if at_once and found else found:
                aggregator.register_reduced_input(Tensor(values))


def _is_plain(aggregator: AggregatorBase) -> bool:
    """Over images only, and over all of them."""
    return aggregator._aggregation_axes == (0,) and aggregator._window_size is None


def _are_alike(found: list[Array]) -> bool:
    return len({values.shape for values in found}) == 1


def collecting(progress: Progress) -> Callable[[OVStatisticsAggregator, ov.Model, Any], None]:
    """In place of `OVStatisticsAggregator.collect_statistics`."""

    def collect_statistics(self: OVStatisticsAggregator, model: ov.Model, graph: Any) -> None:
        count = self._get_iterations_number() or 0
        items = self.dataset.get_inference_data()
        if self.statistic_points and (model_has_state(model) or not _are_named(items)):
            _one_by_one(self, model, graph)
            return
        if self.statistic_points:
            _collect(self, model, graph, islice(items, count), lambda done: progress("images", done, count))
        progress("images", count, count)

    return collect_statistics


def _are_named(items: Iterable[Any]) -> bool:
    """Whether each item holds inputs by name; those of a branch of an If come as lists."""
    return isinstance(next(iter(items), None), Mapping)


def _collect(
    aggregator: OVStatisticsAggregator,
    model: ov.Model,
    graph: Any,
    items: Iterable[Mapping[str, Array]],
    progress: Callable[[int], None],
) -> None:
    aggregator._name_to_node_mapping = {op.get_friendly_name(): op for op in model.get_ops()}
    merged = aggregator._get_merged_statistic_points(aggregator.statistic_points, model, graph)
    layout = aggregator._get_transformation_layout_extra_outputs(merged)
    extended = ModelTransformerFactory.create(model).transform(layout)
    compiled = ov.Core().compile_model(extended, "CPU", _CONFIG)
    branches = list(_branches(aggregator, merged, compiled))
    for done, (number, request) in enumerate(_answers(compiled, items)):
        _take(branches, number, request)
        progress(done)
    for branch in branches:
        branch.aggregate()


def _branches(aggregator: OVStatisticsAggregator, merged: Any, compiled: ov.CompiledModel) -> Iterator[_Branch]:
    places = {name: place for place, port in enumerate(compiled.outputs) for name in port.names}
    for _, point, collector in merged.get_tensor_collectors():
        node_name, port, _ = aggregator._translate_to_post_layer_operation(point)
        for reducer in collector.reducers if collector.enabled else ():
            [name] = get_reducer_output_node_names(
                reducer.name, node_name, port, reducer.output_port_id, reducer.inplace
            )
            takers = [(key[1], one) for key, one in collector.aggregators.items() if key[0] == hash(reducer)]
            yield _Branch(reducer, places[name], takers)


def _answers(compiled: ov.CompiledModel, items: Iterable[Mapping[str, Array]]) -> Iterator[tuple[int, ov.InferRequest]]:
    """Requests with the number of the image they have seen, as they are done; each is used again when the next is."""
    queue = ov.AsyncInferQueue(compiled)
    requests = list(queue)
    busy: dict[int, tuple[int, Mapping[str, Array]]] = {}  # the images too: a request does not own them
    try:
        for number, item in enumerate(items):
            free = queue.get_idle_request_id()  # the one that start_async takes
            if free in busy:  # its image stays until it was looked at: an output may lie in the memory of an input
                yield busy[free][0], requests[free]
            busy[free] = number, item
            queue.start_async(item, share_inputs=True)
    finally:  # also when an image is refused: a request that still runs would read memory that is gone
        queue.wait_all()
    for place, (number, _) in busy.items():
        yield number, requests[place]


def _take(branches: Iterable[_Branch], number: int, request: ov.InferRequest) -> None:
    seen: dict[int, Array] = {}
    for branch in branches:
        if branch.output not in seen:
            seen[branch.output] = request.get_output_tensor(branch.output).data
        branch.take(number, seen[branch.output])
