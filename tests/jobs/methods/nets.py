"""Tiny networks and images to quantize."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as op

from jobs.methods import Prepared

Array = NDArray[Any]


def _constant(rng: np.random.Generator, *shape: int) -> ov.Node:
    return op.constant(rng.normal(0, 0.3, shape).astype(np.float32))


def convolutions() -> ov.Model:
    """A classifier. Between conv1 and conv2 is no activation, so that channel alignment has a pair."""
    rng = np.random.default_rng(0)
    x = op.parameter([1, 3, 16, 16], np.float32, name="x")
    x.output(0).get_tensor().set_names({"x"})
    node: ov.Node = x
    channels = 3
    for place, (width, side) in enumerate(((8, 3), (8, 3), (8, 1))):
        pads = [side // 2] * 2
        weights = _constant(rng, width, channels, side, side)
        node = op.convolution(node, weights, [1, 1], pads, pads, [1, 1], name=f"conv{place}")
        node = op.add(node, _constant(rng, 1, width, 1, 1), name=f"bias{place}")
        node = node if place == 1 else op.relu(node, name=f"relu{place}")
        channels = width
    node = op.group_convolution(node, _constant(rng, 8, 1, 1, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1], name="depthwise")
    node = op.reduce_mean(node, op.constant(np.array([2, 3])), name="pool")
    node = op.add(
        op.matmul(node, _constant(rng, 8, 5), False, False, name="linear"), _constant(rng, 1, 5), name="scores"
    )
    model = ov.Model([op.result(node, name="out")], [x], "tiny")
    model.set_rt_info("Classification", ["model_info", "model_type"])
    return model


def swishing() -> ov.Model:
    """Two convolutions with Swish between them."""
    rng = np.random.default_rng(2)
    x = op.parameter([1, 3, 16, 16], np.float32, name="x")
    x.output(0).get_tensor().set_names({"x"})
    node = op.convolution(x, _constant(rng, 8, 3, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1], name="conv0")
    node = op.swish(op.add(node, _constant(rng, 1, 8, 1, 1)), name="swish")
    node = op.convolution(node, _constant(rng, 5, 8, 1, 1), [1, 1], [0, 0], [0, 0], [1, 1], name="conv1")
    out = op.reduce_mean(op.add(node, _constant(rng, 1, 5, 1, 1)), op.constant(np.array([2, 3])), name="pool")
    return ov.Model([op.result(out, name="out")], [x], "swishing")


def attention() -> ov.Model:
    """Self-attention over 16 patches, with its normalisations."""
    rng = np.random.default_rng(1)
    x = op.parameter([1, 16, 8], np.float32, name="x")
    x.output(0).get_tensor().set_names({"x"})
    normal = op.mvn(x, op.constant(np.array([2])), True, 1e-5, "inside_sqrt", name="norm")
    q, k, v = (op.matmul(normal, _constant(rng, 8, 8), False, False, name=name) for name in "qkv")
    weights = op.softmax(op.matmul(q, k, False, True, name="qk"), 2)
    mixed = op.add(op.matmul(weights, v, False, False, name="av"), x, name="residual")
    out = op.matmul(
        op.reduce_mean(mixed, op.constant(np.array([1]))), _constant(rng, 8, 5), False, False, name="linear"
    )
    return ov.Model([op.result(out, name="out")], [x], "attention")


def branches(*, weighty: bool = True) -> ov.Model:
    """A convolution, then another in either branch of an If, or nothing of weight."""
    rng = np.random.default_rng(2)
    x = op.parameter([1, 3, 8, 8], np.float32, name="x")
    x.output(0).get_tensor().set_names({"x"})
    node = op.convolution(x, _constant(rng, 3, 3, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1], name="before")
    condition = op.greater(op.reduce_mean(node, op.constant(np.arange(4))), op.constant(np.float32(0)))
    if_op = op.if_op(condition.output(0))
    bodies = []
    for name in ("then", "else"):
        inner = op.parameter([1, 3, 8, 8], np.float32)
        kernel = _constant(rng, 3, 3, 1, 1)
        conv = op.convolution(inner, kernel, [1, 1], [0, 0], [0, 0], [1, 1], name=f"{name}_conv")
        bodies.append(ov.Model([op.result(conv if weighty else op.relu(inner))], [inner], name))
    if_op.set_then_body(bodies[0])
    if_op.set_else_body(bodies[1])
    if_op.set_input(node.output(0), bodies[0].get_parameters()[0], bodies[1].get_parameters()[0])
    result = if_op.set_output(bodies[0].get_results()[0], bodies[1].get_results()[0])
    return ov.Model([op.result(result, name="out")], [x], "branches")


class Images:
    """Random images, the same each time they are asked for."""

    def __init__(self, model: ov.Model, count: int = 8) -> None:
        rng = np.random.default_rng(3)
        shape = list(model.inputs[0].shape)
        self.items = [{"x": rng.normal(0, 1 + place, shape).astype(np.float32)} for place in range(count)]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[dict[str, Array]]:
        return iter(self.items)

    def __getitem__(self, place: int) -> dict[str, Array]:
        return self.items[place]


def prepared(model: ov.Model, images: Images | None = None) -> Prepared:
    """What a job would give to a method."""
    images = images or Images(model)
    return Prepared(model, images, len(images), tuple(f"{place}.png" for place in range(len(images))))


def quantizers(model: ov.Model) -> dict[str, tuple[Array, Array]]:
    """The ends of every quantizer of activations, by what they are put on."""
    found = {}
    for node in model.get_ops():
        if node.get_type_name() == "FakeQuantize":
            low, high = (node.input_value(place).get_node().get_data().ravel() for place in (1, 2))
            found[node.input_value(0).get_node().friendly_name] = (low, high)
    return found


def constants(model: ov.Model) -> list[tuple[str, Array]]:
    """Every constant in the order of the operations that read them, with the name of the reader."""
    return [
        (node.friendly_name, node.input_value(place).get_node().get_data())
        for node in model.get_ordered_ops()
        for place in range(node.get_input_size())
        if node.input_value(place).get_node().get_type_name() == "Constant"
    ]


def constant(model: ov.Model, reader: str) -> Array:
    """The constant that an operation reads."""
    return next(values for name, values in constants(model) if name == reader)
