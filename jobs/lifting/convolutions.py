"""Convolutions and matrix products, and the weights they have."""

from collections.abc import Sequence

import openvino as ov
import torch
from torch import fx
from torch.nn import functional

from jobs.lifting.builder import Array, Builder, Made, Unliftable, Value, around, node_of, shape


def pads(op: ov.Node, kernel: Sequence[int]) -> tuple[list[int], list[int]]:
    """Padding before and after of each axis, also where it is left to the operation."""
    said = op.get_attributes()
    if said["auto_pad"] == "explicit":
        return list(said["pads_begin"]), list(said["pads_end"])
    dilations = said.get("dilations", [1] * len(kernel))
    inside, outside = shape(op.input_value(0))[2:], shape(op.output(0))[2:]
    begin, end = [], []
    for i, o, k, stride, dilation in zip(inside, outside, kernel, said["strides"], dilations, strict=True):
        total = 0 if said["auto_pad"] == "valid" else max((o - 1) * stride + (k - 1) * dilation + 1 - i, 0)
        less, more = total // 2, total - total // 2
        begin.append(more if said["auto_pad"] == "same_lower" else less)
        end.append(less if said["auto_pad"] == "same_lower" else more)
    return begin, end


def _same_on_both_sides(
    build: Builder, value: Value, begin: list[int], end: list[int], fill: float = 0.0
) -> tuple[Value, list[int]]:
    """The value padded where the two sides differ, and the padding that is left to the operation."""
    if begin == end and all(side >= 0 for side in begin):
        return value, begin
    padded = build.call(functional.pad, value, around(begin, end), value=fill)
    return padded, [0] * len(begin)


_CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}
TAKING_BIAS = (*_CONVOLUTIONS.values(), *_TRANSPOSED.values(), functional.linear)
"""Functions whose third argument is a bias."""


def _weight(build: Builder, op: ov.Node, args: list[Value]) -> tuple[fx.Node, int, list[int]]:
    """The weight as PyTorch has it, the number of groups, and the kernel's size."""
    sides = shape(op.input_value(1))
    weight = node_of(build, args[1])
    if not op.get_type_name().startswith("Group"):
        return weight, 1, sides[2:]
    return build.call(torch.reshape, weight, [sides[0] * sides[1], *sides[2:]]), sides[0], sides[3:]


def convolution(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    weight, groups, kernel = _weight(build, op, args)
    if len(kernel) not in _CONVOLUTIONS:
        raise Unliftable(f"it has {len(kernel)} axes")
    said = op.get_attributes()
    begin, end = pads(op, kernel)
    entry, padding = _same_on_both_sides(build, args[0], begin, end)
    strides, dilations = list(said["strides"]), list(said["dilations"])
    return build.call(_CONVOLUTIONS[len(kernel)], entry, weight, None, strides, padding, dilations, groups)


def transposed(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    weight, groups, kernel = _weight(build, op, args)
    said = op.get_attributes()
    strides, dilations = list(said["strides"]), list(said["dilations"])
    inside, outside = shape(op.input_value(0))[2:], shape(op.output(0))[2:]
    whole = [(i - 1) * s + d * (k - 1) + 1 for i, s, d, k in zip(inside, strides, dilations, kernel, strict=True)]
    begin = list(said["pads_begin"])
    if said["auto_pad"] != "explicit":  # the output's size says it; the mode says on which side the odd one goes
        begin = []
        for w, o in zip(whole, outside, strict=True):
            cut = max(w - o, 0)
            begin.append((cut + 1) // 2 if said["auto_pad"] == "same_upper" else cut // 2)
    end = [w - b - o for w, b, o in zip(whole, begin, outside, strict=True)]
    extra = [b - e for b, e in zip(begin, end, strict=True)]
    transposed = _TRANSPOSED[len(kernel)]
    if all(0 <= one < max(s, d) for one, s, d in zip(extra, strides, dilations, strict=True)):
        return build.call(transposed, args[0], weight, None, strides, begin, extra, groups, dilations)
    made = build.call(transposed, args[0], weight, None, strides, 0, 0, groups, dilations)
    return build.call(functional.pad, made, [-side for side in around(begin, end)])


def matmul(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    said = op.get_attributes()
    if is_weight(op, 1) and len(shape(op.input_value(1))) == 2 and not said["transpose_a"]:
        weight = node_of(build, args[1])
        return build.call(
            functional.linear, args[0], weight if said["transpose_b"] else build.call(torch.t, weight), None
        )
    sides = []
    for place, flag in enumerate(("transpose_a", "transpose_b")):
        one = args[place]
        if said[flag] and len(shape(op.input_value(place))) > 1:
            one = build.call(torch.transpose, one, -1, -2)
        sides.append(one)
    return build.call(torch.matmul, *sides)


_ON_THE_WAY = ("FakeQuantize", "Convert", "Reshape", "Multiply", "Subtract", "Transpose", "Unsqueeze", "Squeeze")
"""What stands between a weight and what it weighs."""


def is_weight(op: ov.Node, place: int) -> bool:
    """Whether an input is a constant, maybe quantized or decompressed on its way."""
    return weight_of(op, place) is not None


def weight_of(op: ov.Node, place: int) -> ov.Node | None:
    """The constant that an input comes from."""
    node = op.input_value(place).get_node()
    while node.get_type_name() in _ON_THE_WAY:
        node = node.input_value(0).get_node()
    return node if node.get_type_name() == "Constant" else None


def bias_shape(op: ov.Node, constant: Array) -> bool:
    """Whether a constant that is added to a convolution or a product has one value a channel, or one in all."""
    outside = shape(op.output(0))
    channel = len(outside) - 1 if op.get_type_name() == "MatMul" else 1
    wanted = [1] * len(outside)
    wanted[channel] = outside[channel]
    found = [1] * (len(outside) - constant.ndim) + list(constant.shape)
    return len(found) == len(outside) and found == wanted
