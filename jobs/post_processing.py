"""Post-processing inside a detector: what turns a network's answers into boxes, and must not be rounded to 8 bits.

A coordinate of an image of 1,024 pixels in steps of 256 is off by two; so is what is found there. After the last
weights NNCF quantizes nothing. But the boxes that a first stage proposes go into a second one, and the distances of
newer heads are summed up by a convolution that only counts: there it would.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import openvino as ov

_LEARNED = (
    *("Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData", "MatMul"),
    *("LSTMSequence", "GRUSequence", "RNNSequence", "LSTMCell", "GRUCell", "RNNCell"),
)
_PLACES = {
    "ROIAlign": (1, 2),
    "ROIAlignRotated": (1, 2),
    "ROIPooling": (1,),
    "PSROIPooling": (1,),
    "DeformablePSROIPooling": (1,),
    "ExperimentalDetectronROIFeatureExtractor": (0,),
    "GridSample": (1,),
}
"""Inputs that say where to look, of operations that look there."""
_ROUNDED = (
    *("Add", "Subtract", "Multiply", "Divide", "Power", "Maximum", "Minimum", "Clamp", "Exp", "Sigmoid", "SoftMax"),
    *("Softmax", "ReduceSum", "ReduceMean", "Concat", "Sqrt", "SquaredDifference", "Tanh", "Log", *_LEARNED),
)
"""Types that quantizers are put on, or lie between those that they are put on."""


def operations(model: ov.Model) -> tuple[ov.Node, ...]:
    """Those that compute with places in the image, and that NNCF would quantize if nobody stopped it."""
    ops = model.get_ordered_ops()
    learned = [op for op in ops if op.get_type_name() in _LEARNED]
    real = [op for op in learned if not _counts(op)]
    before_any = _before(learned, by_places=True)
    before_real = _before(real, by_places=False) | {op.friendly_name for op in real}
    return tuple(
        op
        for op in ops
        if op.get_type_name() in _ROUNDED
        and op.get_output_element_type(0).is_real()
        and op.friendly_name not in before_real
        and (op.friendly_name in before_any or op.get_type_name() in _LEARNED)
    )


def _counts(op: ov.Node) -> bool:
    """Whether it multiplies by 0, 1, 2, …: the mean of a distribution over distances, not something learned."""
    if op.get_type_name() not in ("Convolution", "MatMul"):
        return False
    return any(
        source.get_type_name() == "Constant" and _is_count(source)
        for source in (_unwrapped(op.input_value(place).get_node()) for place in range(op.get_input_size()))
    )


def _unwrapped(node: ov.Node) -> ov.Node:
    """A constant in other clothes."""
    while node.get_type_name() in ("Convert", "Reshape", "Unsqueeze", "Transpose"):
        node = node.input_value(0).get_node()
    return node


def _is_count(constant: ov.Node) -> bool:
    size = int(np.prod(list(constant.shape)))
    return 4 <= size <= 64 and bool((np.ravel(constant.data) == np.arange(size)).all())


def _before(ops: Sequence[ov.Node], *, by_places: bool) -> set[str]:
    """Names of all that something of `ops` is computed from, except by way of the places where it looks."""
    found: set[str] = set()
    waiting = list(ops)
    while waiting:
        for source in _sources(waiting.pop(), by_places):
            if source.friendly_name not in found:
                found.add(source.friendly_name)
                waiting.append(source)
    return found


def _sources(op: ov.Node, by_places: bool) -> Iterator[ov.Node]:
    places = () if by_places else _PLACES.get(op.get_type_name(), ())
    for place in range(op.get_input_size()):
        if place not in places:
            yield op.input_value(place).get_node()


def note(ops: Sequence[ov.Node]) -> str:
    """What is left in float, for a person."""
    counts = Counter(op.get_type_name() for op in ops).most_common()
    listed = ", ".join(f"{count} {kind}" for kind, count in counts)
    return f"Post-processing inside the model, which computes with places in the image, stays in float: {listed}."
