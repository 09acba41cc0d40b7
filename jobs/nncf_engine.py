"""NNCF as it is used here: it reports to nobody, prints no bars, says how far it is, and does what POT did.

NNCF has no public way to any of this, so its parts are replaced while it runs, all of them here. The version is pinned
in `pyproject.toml`; `tests/jobs/test_nncf_engine.py` fails when a new one no longer has a part.
"""

import os

os.environ["NNCF_CI"] = "1"  # read when NNCF is imported: without it, NNCF reports what it is used for over the network

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import nncf
import numpy as np
import openvino as ov
from nncf.common.quantization.structs import QuantizerGroup
from nncf.common.tensor_statistics import aggregator as aggregator_module
from nncf.common.tensor_statistics.statistics import MinMaxTensorStatistic
from nncf.openvino.quantization import quantize_ifmodel, quantize_model
from nncf.openvino.quantization.backend_parameters import BackendParameters
from nncf.openvino.statistics.aggregator import OVStatisticsAggregator
from nncf.quantization import range_estimator
from nncf.quantization.advanced_parameters import QuantizationMode, QuantizationParameters
from nncf.quantization.algorithms.bias_correction import algorithm as bias_correction
from nncf.quantization.algorithms.bias_correction.openvino_backend import OVBiasCorrectionAlgoBackend
from nncf.quantization.algorithms.channel_alignment import algorithm as channel_alignment
from nncf.quantization.algorithms.channel_alignment.openvino_backend import OVChannelAlignmentAlgoBackend
from nncf.quantization.algorithms.fast_bias_correction import algorithm as fast_bias_correction
from nncf.quantization.algorithms.fast_bias_correction.openvino_backend import OVFastBiasCorrectionAlgoBackend
from nncf.quantization.algorithms.min_max import algorithm as min_max
from nncf.quantization.algorithms.smooth_quant import algorithm as smooth_quant
from nncf.quantization.algorithms.weight_compression import algorithm as weight_compression
from nncf.quantization.algorithms.weight_compression import awq, mixed_precision, scale_estimation
from nncf.tensor import functions

from jobs import ignored, nncf_statistics
from jobs.spec import Ignored

Item = TypeVar("Item")
Progress = Callable[[str, int, int], None]
"""(what is counted, done, total): images, of one pass over them, those for a branch of an If, or layers of what goes
through one after the other."""

COMPRESS_WEIGHTS = BackendParameters.COMPRESS_WEIGHTS

_UNITS = {
    "Statistics collection": "images",
    "Applying Bias correction": "layers",
    "Applying Weight Compression": "layers",
    "Collecting the dataset for then and else bodies:": "images for a branch",
}
_TRACKING = (
    aggregator_module,
    bias_correction,
    channel_alignment,
    fast_bias_correction,
    quantize_ifmodel,
    smooth_quant,
    weight_compression,
    awq,
    mixed_precision,
    scale_estimation,
)


@dataclass(frozen=True)
class Clip:
    """What the ends of a range may not go beyond."""

    low: float | None = None
    high: float | None = None


@contextlib.contextmanager
def running(
    progress: Progress,
    *,
    weights: Clip | None = None,
    activations: Clip | None = None,
    every_bias: bool = False,
    quantizing: Callable[[ov.Model], None] | None = None,
) -> Iterator[None]:
    """Run NNCF inside this. The clips hold for all weights and all activations.

    `quantizing` is given each graph, the model's first, as it is before quantizers are put in: still in float, its
    channels aligned.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_only_warnings())
        stack.enter_context(np.errstate(all="ignore"))  # what is not finite shows in the ranges
        for module in _TRACKING:
            stack.enter_context(_replaced(module, "track", _tracking(progress)))
        for module in (quantize_ifmodel, quantize_model):
            stack.enter_context(_replaced(module, "get_number_if_op", branching))
        stack.enter_context(
            _replaced(OVStatisticsAggregator, "collect_statistics", nncf_statistics.collecting(progress))
        )
        stack.enter_context(
            _replaced(OVChannelAlignmentAlgoBackend, "get_statistic_collector", staticmethod(_aligning))
        )
        if weights or activations:
            clips = {QuantizerGroup.WEIGHTS: weights, QuantizerGroup.ACTIVATIONS: activations}
            stack.enter_context(_replaced(min_max, "calculate_quantizer_parameters", _clipping(clips)))
        if quantizing:
            apply = _telling(min_max.MinMaxQuantization.apply, quantizing)
            stack.enter_context(_replaced(min_max.MinMaxQuantization, "apply", apply))
        if every_bias:
            for backend in (OVFastBiasCorrectionAlgoBackend, OVBiasCorrectionAlgoBackend):
                stack.enter_context(_replaced(backend, "is_quantized_weights", staticmethod(_has_weights)))
        yield


def ignored_scope(model: ov.Model, wanted: Ignored, more: Sequence[str] = ()) -> nncf.IgnoredScope:
    """What NNCF leaves in float, and `more` names. It knows no attributes of operations, so these are named."""
    scope, kinds = wanted.scope, wanted.operations
    with_attributes = [one for one in kinds if one.attributes]
    named = [
        op.friendly_name for op in ignored.operations(model) if any(ignored.fits(op, one) for one in with_attributes)
    ]
    here = ignored.renamed(model, scope)
    elsewhere = [own for found in here.values() for own in found]
    rest = [name for name in scope if name not in here]
    return nncf.IgnoredScope(
        names=[name for name in rest if not name.startswith(ignored.PATTERN)] + elsewhere + named + [*more],
        patterns=[name.removeprefix(ignored.PATTERN) for name in rest if name.startswith(ignored.PATTERN)],
        types=[one.type for one in kinds if not one.attributes],
        validate=False,  # `ignored.unmatched` has looked already, also inside branches
    )


def copy(model: ov.Model) -> ov.Model:
    """A copy for NNCF to work on, which asks for the names of inputs and outputs, of the model and of branches."""
    return _named(model.clone())


def _named(model: ov.Model) -> ov.Model:
    for parameter in model.get_parameters():
        _name(parameter.output(0))
    for result in model.get_results():
        _name(result.input_value(0))
    for op in model.get_ops():
        if op.get_type_name() == "If":
            for value in op.input_values():
                _name(value)
            _named(op.get_function(0))
            _named(op.get_function(1))
    return model


def _name(output: ov.Output) -> None:
    if not output.names:
        index = output.get_index()
        output.get_tensor().set_names({f"{output.node.friendly_name}.{index}" if index else output.node.friendly_name})


_WEIGHTY = (
    *("Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData", "MatMul"),
    *("LSTMSequence", "GRUSequence", "RNNSequence", "LSTMCell", "GRUCell", "RNNCell"),
)


def branching(model: ov.Model) -> int:
    """In place of `get_number_if_op`: how many Ifs have a branch with something to make faster.

    For every If, NNCF shows the whole model every image once more, and then quantizes each branch for itself: minutes
    for the Ifs of a detector's post-processing, which hold no more than a Squeeze.
    """
    ifs = [op for op in model.get_ops() if op.get_type_name() == "If"]
    branches = [(op.get_function(0), op.get_function(1)) for op in ifs]
    return sum(any(map(_is_weighty, pair)) for pair in branches)


def _is_weighty(model: ov.Model) -> bool:
    return any(op.get_type_name() in _WEIGHTY for op in model.get_ops()) or branching(model) > 0


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextlib.contextmanager
def _only_warnings() -> Iterator[None]:
    """NNCF says of each operation that it quantizes, or does not."""
    logger = logging.getLogger("nncf")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def _tracking(progress: Progress) -> Callable[..., Iterator[Any]]:
    """In place of `track`, which draws a bar: counts to whoever wants to know."""

    def track(sequence: Iterable[Item], description: str = "", total: int | None = None, **_: Any) -> Iterator[Item]:
        unit = _UNITS.get(description, "")
        count = total if total is not None else len(list(sequence)) if isinstance(sequence, list | tuple) else 0
        for done, item in enumerate(sequence):
            if unit:
                progress(unit, done, count)
            yield item
        if unit:
            progress(unit, count, count)

    return track


# --- the model before quantizers are put in


def _telling(apply: Callable[..., ov.Model], tell: Callable[[ov.Model], None]) -> Callable[..., ov.Model]:
    """In place of `apply`: NNCF has no way to get at the model between the steps of its pipeline."""

    def telling(algorithm: Any, model: ov.Model, *args: Any, **more: Any) -> ov.Model:
        tell(model.clone())
        return apply(algorithm, model, *args, **more)

    return telling


# --- channel alignment


def _aligning(*args: Any, **more: Any) -> Any:
    """NNCF 3.4's channel alignment calls numpy on the tensors of its own statistics and fails on every pair it finds:
    KeyError in `astype(np.float32)`. So it is given numpy arrays."""
    collector = _COLLECTOR(*args, **more)
    get = collector.get_statistics
    collector.get_statistics = lambda: _plain(get())
    return collector


_COLLECTOR = OVChannelAlignmentAlgoBackend.get_statistic_collector


@dataclass(frozen=True)
class _Plain:
    min_values: Any
    max_values: Any


def _plain(statistic: MinMaxTensorStatistic) -> _Plain:
    low, high = statistic.min_values, statistic.max_values
    return _Plain(None if low is None else low.data, None if high is None else high.data)


# --- clipping


def _clipping(clips: dict[QuantizerGroup, Clip | None]) -> Callable[..., Any]:
    """NNCF takes a clipping value and never uses it. POT clipped the ends of the range; here the statistic is, so that
    a symmetric range stays symmetric and runs in INT8."""
    original = min_max.calculate_quantizer_parameters

    def calculate(statistics: MinMaxTensorStatistic, config: Any, group: QuantizerGroup, *more: Any) -> Any:
        clip = clips[group]
        low, high = statistics.min_values, statistics.max_values
        if clip and clip.low is not None:
            low = functions.maximum(low, clip.low)
        if clip and clip.high is not None:
            high = functions.minimum(high, clip.high)
        return original(MinMaxTensorStatistic(min_values=low, max_values=high), config, group, *more)

    return calculate


# --- bias correction


def _has_weights(node: Any, graph: Any) -> bool:
    """In place of `is_quantized_weights`: POT's apply_for_all_nodes corrects layers whose weights stay in float too."""
    return bool(node.layer_attributes is not None and node.layer_attributes.get_const_port_ids())


__all__ = [
    "COMPRESS_WEIGHTS",
    "Clip",
    "Progress",
    "QuantizationMode",
    "QuantizationParameters",
    "branching",
    "copy",
    "ignored_scope",
    "nncf",
    "range_estimator",
    "running",
]
