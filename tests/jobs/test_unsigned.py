"""Quantizers behind activations that dip below zero."""

from collections.abc import Callable
from functools import partial

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray
from openvino import Node
from openvino import opset13 as op

from jobs import unsigned

Floats = NDArray[np.float32]
Activation = Callable[[Node], Node]
SHAPE = (1, 2, 4, 4)


def quantized(activation: Activation, high: float | list[float], *, levels: int = 256) -> ov.Model:
    """An activation and a symmetric quantizer behind it, of the one range or of one for each channel."""
    x = op.parameter(SHAPE, np.float32, name="x")
    top = np.array(high, np.float32).reshape((1, -1, 1, 1) if isinstance(high, list) else ())
    low = -top * (1 + 1 / 127)
    found = op.fake_quantize(activation(x), low, top, low, top, levels, name="quantizer")
    return ov.Model([op.result(found)], [x], "tiny")


def pooled(x: Node) -> Node:
    return op.reshape(
        op.max_pool(op.swish(x), [1, 1], [1, 1], [0, 0], [0, 0], [2, 2]).output(0), [*SHAPE[:2], 9, 1], False
    )


def low_end(model: ov.Model) -> Floats:
    found = next(one for one in model.get_ops() if one.get_friendly_name() == "quantizer")
    ends = [np.asarray(found.input_value(place).get_node().get_data()) for place in (1, 3)]
    assert np.array_equal(*ends)
    return ends[0]


def answers(model: ov.Model, x: Floats) -> Floats:
    found: Floats = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([x])[0]
    return found


@pytest.mark.parametrize("activation", [op.swish, op.hswish, pooled])
def test_large_range_needs_no_sign(activation: Activation) -> None:
    model = quantized(activation, 100.0)
    made, count = unsigned.without_sign(model)
    assert count == 1 and (low_end(made) == 0).all() and (low_end(model) < 0).all()
    assert [one.get_friendly_name() for one in made.get_ops()] == [one.get_friendly_name() for one in model.get_ops()]


def test_error_is_about_half() -> None:
    model = quantized(op.swish, 100.0)
    x = np.linspace(-10, 100, 32, dtype=np.float32).reshape(SHAPE)
    exact = x / (1 + np.exp(-x))
    before, after = (np.abs(answers(one, x) - exact).max() for one in (model, unsigned.without_sign(model)[0]))
    assert after < 0.7 * before


@pytest.mark.parametrize("high", [2.0, [100.0, 2.0]])
def test_range_in_which_the_dip_is_seen_keeps_it(high: float | list[float]) -> None:
    """All channels, since devices have one zero for them."""
    made, count = unsigned.without_sign(quantized(op.swish, high))
    assert count == 0 and (low_end(made) < 0).all()


@pytest.mark.parametrize(
    "model",
    [
        quantized(lambda x: op.multiply(x, np.float32(2)), 100.0),
        quantized(lambda x: op.swish(x, np.float32(-1)), 100.0),
        quantized(lambda x: op.swish(x, np.float32(0.01)), 100.0),
        quantized(op.swish, 100.0, levels=255),
    ],
    ids=["any value", "turned over", "deep dip", "as for weights"],
)
def test_what_may_be_far_below_keeps_its_sign(model: ov.Model) -> None:
    assert unsigned.without_sign(model)[1] == 0


@pytest.mark.parametrize(
    "activation",
    [
        op.swish,
        lambda x: op.swish(x, np.float32(3)),
        op.hswish,
        partial(op.gelu, approximation_mode="ERF"),
        partial(op.gelu, approximation_mode="TANH"),
        op.mish,
        partial(op.elu, alpha=0.2),
    ],
)
def test_nothing_is_lower_than_is_said(activation: Activation) -> None:
    model = quantized(activation, 1e6)
    result = next(one for one in model.get_ops() if one.get_friendly_name() == "quantizer").input_value(0)
    whole = ov.Model([op.result(result)], model.get_parameters(), "alone")
    x = np.linspace(-8, 8, 4000, dtype=np.float32)
    whole.reshape([1, 2, 4, 500])
    lowest = float(answers(whole, x.reshape(1, 2, 4, 500)).min())
    said = unsigned.lowest(result)
    assert said is not None and lowest - 1e-2 < said <= lowest
