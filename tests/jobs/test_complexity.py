"""Operations and zeros of models small enough to count by hand."""

import nncf
import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from jobs import complexity
from tests.jobs import tiny


def filled(*shape: int, empty: int = 0) -> np.ndarray:
    """Ones and a two, after so many zeros."""
    values = np.ones(shape, np.float32)
    values.flat[-1] = 2
    values.flat[:empty] = 0
    return values


def image(*shape: int) -> ov.Node:
    return ops.parameter(list(shape), np.float32, name="image")


def matrix(entry: ov.Node, weights: ov.Node | np.ndarray, name: str = "product") -> ov.Node:
    return ops.matmul(entry, weights, False, False, name=name)


def quantized(weights: np.ndarray, *ends: float, levels: int = 255) -> ov.Node:
    return ops.fake_quantize(ops.constant(weights), *(np.float32(end) for end in ends), levels)


def test_each_operation_counts_by_its_name() -> None:
    found = complexity.flops(tiny.classifier())
    assert found["mix"] == 2 * (16 * 16 * 3) * (3 * 3 * 3)
    assert sorted(found.values()) == [2 * 3 * 3, found["mix"]]
    assert complexity.total(tiny.classifier()) == found["mix"] + 18


def test_convolutions_of_all_kinds() -> None:
    entry = image(1, 4, 8, 8)
    pads = ([2, 2], [1, 1], [1, 1], [1, 1])
    grouped = ops.group_convolution(entry, filled(2, 3, 2, 3, 3), *pads, name="grouped")
    back = ops.convolution_backprop_data(entry, filled(4, 5, 2, 2), [2, 2], name="back")
    back_grouped = ops.group_convolution_backprop_data(entry, filled(2, 2, 5, 2, 2), [2, 2], name="back_grouped")
    offsets = ops.constant(np.zeros((1, 18, 8, 8), np.float32))
    bent = ops.deformable_convolution(entry, offsets, filled(6, 4, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1], name="bent")
    model = ov.Model([grouped, back, back_grouped, bent], [entry])
    assert complexity.flops(model) == {
        "grouped": 2 * (4 * 4 * 6) * (2 * 9),
        "back": 2 * (8 * 8 * 4) * (5 * 4),
        "back_grouped": 2 * (8 * 8 * 4) * (5 * 4),
        "bent": 2 * (8 * 8 * 6) * (4 * 9),
    }
    assert complexity.zeros(model) == 0, "offsets are no weights"


def test_products_of_all_shapes() -> None:
    entry = image(2, 3, 5)
    turned = ops.matmul(entry, entry, True, False, name="turned")
    vector = matrix(entry, filled(5), "vector")
    attention = ops.scaled_dot_product_attention(entry, entry, ops.constant(filled(2, 3, 7)), name="attention")
    assert complexity.flops(ov.Model([turned, vector, attention], [entry])) == {
        "turned": 2 * (2 * 5 * 5) * 3,
        "vector": 2 * (2 * 3) * 5,
        "attention": 2 * 2 * (3 * 3 * 5 + 3 * 3 * 7),
    }


def test_what_is_constant_is_worked_out_once() -> None:
    entry = image(1, 2)
    weights = ops.matmul(ops.constant(np.eye(2, dtype=np.float32)), ops.constant(filled(2, 2, empty=1)), False, False)
    model = ov.Model([matrix(entry, weights)], [entry])
    assert complexity.flops(model) == {"product": 2 * 4}
    assert complexity.zeros(model) == 1 / 4


def test_one_branch_of_an_if_runs() -> None:
    entry = image(1, 4)
    bright = ops.greater(ops.reduce_max(entry, ops.constant([0, 1])), ops.constant(np.float32(0)))
    chosen = ops.if_op(bright.output(0))
    bodies = []
    for width in (2, 3):
        inside = image(1, 4)
        bodies.append(ov.Model([ops.reduce_max(matrix(inside, filled(4, width)), ops.constant([1]))], [inside]))
    chosen.set_then_body(bodies[0])
    chosen.set_else_body(bodies[1])
    chosen.set_input(entry.output(0), *(body.get_parameters()[0] for body in bodies))
    model = ov.Model([chosen.set_output(*(body.get_results()[0] for body in bodies))], [entry])
    assert complexity.flops(model) == {"product": 2 * 12}
    assert complexity.zeros(model) == 0


def test_what_depends_on_an_unknown_size_is_left_out() -> None:
    entry = image(-1, 4)
    model = ov.Model([matrix(entry, filled(4, 2))], [entry])
    assert complexity.flops(model) == {} and complexity.unknown(model) == ("product",)
    model.reshape([1, 4])
    assert complexity.total(model) == 16 and complexity.unknown(model) == ()


def test_without_weights_there_is_no_share_of_zeros() -> None:
    entry = image(2, 2)
    assert complexity.zeros(ov.Model([matrix(entry, entry)], [entry])) is None


def test_zeros_of_float_weights_in_either_place_and_once() -> None:
    entry = image(1, 4)
    shared = ops.constant(filled(4, 4, empty=4))
    node = matrix(matrix(entry, shared), shared)
    first = ops.matmul(ops.constant(filled(2, 4, empty=2)), node, False, True)
    assert complexity.zeros(ov.Model([first], [entry])) == 6 / 24


def test_zeros_of_weights_kept_in_half() -> None:
    entry = image(1, 4)
    weights = ops.convert(ops.constant(filled(4, 2, empty=3).astype(np.float16)), np.float32)
    assert complexity.zeros(ov.Model([matrix(entry, weights)], [entry])) == 3 / 8


@pytest.mark.parametrize(("low", "high", "levels"), [(-2, 2, 255), (-2 * 128 / 127, 2, 256), (-0.32, 2.23, 256)])
def test_zeros_of_quantized_weights(low: float, high: float, levels: int) -> None:
    """0.001 is far below half a step, 0.01 is above it."""
    entry = image(1, 4)
    values = np.array([[0, 0.001], [0.01, 1], [1, 2], [-0.001, 0.5]], np.float32)
    weights = quantized(values, low, high, low, high, levels=levels)
    assert complexity.zeros(ov.Model([matrix(entry, weights)], [entry])) == 3 / 8


def test_zeros_of_weights_in_eight_and_four_bits() -> None:
    """0 is where the zero point is."""
    entry = image(1, 3)
    stored = np.array([[7, 8], [8, 9], [0, 1]], np.uint8)
    for kind in ("u8", "u4"):
        numbers = ops.convert(ops.constant(stored, ov.Type(kind)), np.float32)
        shifted = ops.subtract(numbers, ops.constant(np.float32(8)))
        weights = ops.multiply(shifted, ops.constant(np.float32(0.1)))
        assert complexity.zeros(ov.Model([matrix(entry, weights)], [entry])) == 2 / 6, kind


def test_quantization_changes_no_operations_and_keeps_zeros() -> None:
    model = tiny.classifier()
    images = nncf.Dataset([np.full((1, 3, 16, 16), value, np.float32) for value in (0, 100, 255)])
    made = nncf.quantize(model, images, subset_size=3)
    assert complexity.flops(made) == complexity.flops(model)
    before, after = complexity.zeros(model), complexity.zeros(made)
    assert before is not None and after == pytest.approx(before)
    assert before == (6 * 9 + 6) / (81 + 9)
