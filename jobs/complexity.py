"""What a model computes for one image, and how much of that it multiplies by 0.

Only convolutions and matrix products count: all else together is a few hundredths of the work. A multiply-add is two
operations. Nothing is run, and a model of tens of millions of weights takes less than a second.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import openvino as ov

from jobs.predictions import Array

_DENSE = ("Convolution", "GroupConvolution", "DeformableConvolution")
_TRANSPOSED = ("ConvolutionBackpropData", "GroupConvolutionBackpropData")
_ATTENTION = "ScaledDotProductAttention"
COUNTED = (*_DENSE, *_TRANSPOSED, "MatMul", _ATTENTION)
"""Kinds of operations that multiply and add."""

_ROUNDING = 1e-3
"""Of a quantizer's step: what is nearer to 0 is 0."""


def flops(model: ov.Model) -> dict[str, int]:
    """Of each convolution and matrix product, by friendly name, for the shapes that the model has.

    What depends on an unknown size is left out: give the model a fixed shape first (`ImageInput.fix_shape`). Of the
    branches of an If, the one that takes more is counted.
    """
    found: Counter[str] = Counter()
    for op in _running(model):
        if op.get_type_name() == "If":
            branches = [flops(op.get_function(place)) for place in (0, 1)]
            found.update(max(branches, key=lambda branch: sum(branch.values())))
        elif op.get_type_name() in COUNTED and (shapes := _shapes(op)) is not None:
            found[op.get_friendly_name()] += 2 * _multiplications(op, *shapes)
    return dict(found)


def total(model: ov.Model) -> int:
    """Of all of them."""
    return sum(flops(model).values())


def unknown(model: ov.Model) -> tuple[str, ...]:
    """Names of convolutions and matrix products whose size the model does not tell."""
    return tuple(
        op.get_friendly_name() for op in _running(model) if op.get_type_name() in COUNTED and _shapes(op) is None
    )


def zeros(model: ov.Model) -> float | None:
    """Share of the weights of convolutions and matrix products that are 0; None where there are none.

    Of a quantized model, what weights are once they are numbers again. Weights that several operations share count
    once.
    """
    seen: set[tuple[str, int]] = set()
    empty = weights = 0
    for port in _weights(model):
        place = (port.get_node().get_name(), port.get_index())
        if place in seen or (values := _value(port)) is None:
            continue
        seen.add(place)
        empty += values.get_size() - np.count_nonzero(values.data)
        weights += values.get_size()
    return int(empty) / weights if weights else None


# --- which operations, and how large


def _running(model: ov.Model) -> Iterator[ov.Node]:
    """Operations that see the image; what computes with constants alone is worked out once, before it."""
    constant = _constant(model)
    return (op for op in model.get_ordered_ops() if op.get_name() not in constant)


def _constant(model: ov.Model) -> set[str]:
    """Names of constants and of what is made of them alone."""
    found: set[str] = set()
    for op in model.get_ordered_ops():
        sources = [port.get_node().get_name() for port in op.input_values()]
        if op.get_type_name() == "Constant" or (sources and found.issuperset(sources)):
            found.add(op.get_name())
    return found


def _shapes(op: ov.Node) -> tuple[list[int], ...] | None:
    """Of the output and of each input that matters; None where one is not known."""
    ports = [
        op.output(0),
        *op.input_values()[: 3 if op.get_type_name() in ("DeformableConvolution", _ATTENTION) else 2],
    ]
    shapes = [port.get_partial_shape() for port in ports]
    return None if any(shape.is_dynamic for shape in shapes) else tuple(list(shape.to_shape()) for shape in shapes)


def _multiplications(op: ov.Node, out: list[int], first: list[int], *others: list[int]) -> int:
    kind, weights = op.get_type_name(), others[-1]
    if kind == "MatMul":
        inner = first[-2] if op.get_attributes()["transpose_a"] and len(first) > 1 else first[-1]
        return _product(out) * inner
    if kind == _ATTENTION:  # queries with keys, then those with values
        keys = others[0]
        return _product(out[:-1]) * keys[-2] * (first[-1] + out[-1])
    inside = weights[2:] if kind.startswith("Group") else weights[1:]
    return _product(first if kind in _TRANSPOSED else out) * _product(inside)


def _product(sides: list[int]) -> int:
    return int(np.prod(sides, dtype=np.int64))


# --- weights


def _weights(model: ov.Model) -> Iterator[ov.Output]:
    """Where convolutions and matrix products take what does not depend on the image."""
    constant = _constant(model)
    for op in model.get_ordered_ops():
        kind = op.get_type_name()
        if kind == "If":
            yield from _weights(op.get_function(0))
            yield from _weights(op.get_function(1))
        if kind not in COUNTED or kind == _ATTENTION or op.get_name() in constant:
            continue
        first = {"MatMul": 0, "DeformableConvolution": 2}.get(kind, 1)
        for port in op.input_values()[first : 3 if first == 2 else 2]:
            if port.get_node().get_name() in constant:
                yield port


def _value(port: ov.Output) -> ov.Tensor | None:
    """What constants come to, low bits and quantizers included; None where OpenVINO cannot tell."""
    op = port.get_node()
    if op.get_type_name() == "Constant":
        return op.get_tensor_view()
    entries = [found for entry in op.input_values() if (found := _value(entry)) is not None]
    if len(entries) < op.get_input_size():
        return None
    if op.get_type_name() == "FakeQuantize":
        return ov.Tensor(_quantized(op.get_attributes()["levels"], *(entry.data for entry in entries)))
    made = ov.TensorVector([ov.Tensor(one.get_element_type(), one.get_shape()) for one in op.outputs()])
    return made[port.get_index()] if op.evaluate(made, ov.TensorVector(entries)) else None


def _quantized(levels: int, values: Array, low: Array, high: Array, out_low: Array, out_high: Array) -> Array:
    """As FakeQuantize does, with a 0 that is one: reckoned from an end of the range, it is off by rounding."""
    low, high, first, last = (one.astype(np.float64) for one in (low, high, out_low, out_high))
    level = np.rint((np.clip(values, low, high) - low) / np.maximum(high - low, 1e-300) * (levels - 1))
    step = (last - first) / (levels - 1)
    found = level * step + first
    nothing = np.abs(found) <= _ROUNDING * np.abs(step)
    return np.where(nothing, 0, found).astype(values.dtype)
