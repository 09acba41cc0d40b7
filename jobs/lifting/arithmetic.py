"""Reductions, arithmetic and comparisons."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import torch
from torch import Tensor
from torch.nn import functional

from jobs.lifting.builder import Builder, Made, Operation, Unliftable, Value, axis_of, constant, ints, node_of, shape


def reduce(function: Callable[..., Any]) -> Operation:
    def made(build: Builder, op: ov.Node, args: list[Value]) -> Made:
        rank = len(shape(op.input_value(0)))
        axes = [axis_of(one, rank) for one in ints(args[1], "axes")]
        keep = bool(op.get_attributes()["keep_dims"])
        if not axes:
            return node_of(build, args[0])
        return build.call(function, args[0], dim=axes, keepdim=keep)

    return made


def product(x: Tensor, *, dim: list[int], keepdim: bool) -> Tensor:
    for axis in sorted(dim, reverse=True):
        x = torch.prod(x, dim=axis, keepdim=keepdim)
    return x


def l1(x: Tensor, *, dim: list[int], keepdim: bool) -> Tensor:
    return torch.sum(torch.abs(x), dim=dim, keepdim=keepdim)


def l2(x: Tensor, *, dim: list[int], keepdim: bool) -> Tensor:
    # Where all is 0 its gradient is 0, and not the root's, which is infinite.
    found: Tensor = torch.linalg.vector_norm(x, dim=dim, keepdim=keepdim)
    return found


def plain(function: Callable[..., Any]) -> Operation:
    """An operation that takes its inputs as they are."""

    def made(build: Builder, op: ov.Node, args: list[Value]) -> Made:
        return build.call(function, *args)

    return made


def first(function: Callable[..., Any], **more: Any) -> Operation:
    """An operation of its first input."""

    def made(build: Builder, op: ov.Node, args: list[Value]) -> Made:
        return build.call(function, args[0], **more)

    return made


_FAR = 1e15
"""For an infinite value: beyond all ranges, and still a number."""


def _divided(x: Tensor, y: Tensor) -> Tensor:
    """Also by what a quantizer made 0: what comes of that is clipped by the next one, and has no gradient."""
    zero = y == 0
    return torch.where(zero, torch.sign(x.detach()) * _FAR, x / y.masked_fill(zero, 1))


def divide(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    if op.get_element_type().is_real():
        return build.call(torch.div if isinstance(args[1], np.ndarray) else _divided, *args)
    rounding = "floor" if op.get_attributes().get("m_pythondiv", True) else "trunc"
    return build.call(torch.div, *args, rounding_mode=rounding)


def root(x: Tensor) -> Tensor:
    """Of 0 too, where its gradient is infinite: that times 0 would be no number, and 0 is taken for it."""
    return torch.sqrt(_off_zero(x))


def _off_zero(x: Tensor) -> Tensor:
    return x.masked_fill(x == 0, torch.finfo(x.dtype).tiny)


def power(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    base, exponent = args
    fraction = isinstance(exponent, np.ndarray) and bool(((exponent > 0) & (exponent < 1)).all())
    if fraction and not isinstance(base, np.ndarray):
        base = build.call(_off_zero, base)  # as for the root
    return build.call(torch.pow, base, exponent)


def squared_difference(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    difference = build.call(torch.sub, *args)
    return build.call(torch.mul, difference, difference)


def rounded(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    if op.get_attributes()["mode"] == "half_to_even":
        return build.call(torch.round, args[0])
    sign, whole = build.call(torch.sign, args[0]), build.call(torch.add, build.call(torch.abs, args[0]), 0.5)
    return build.call(torch.mul, sign, build.call(torch.floor, whole))


_TYPES = {
    "f32": torch.float32,
    "f16": torch.float32,
    "f64": torch.float64,
    "bf16": torch.float32,
    "i64": torch.int64,
    "i32": torch.int32,
    "u8": torch.uint8,
    "i8": torch.int8,
    "boolean": torch.bool,
    "i16": torch.int16,
}


def convert(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    name = op.output(0).get_element_type().get_type_name()
    if name not in _TYPES:
        raise Unliftable(f"it makes {name}")
    return build.call(torch.Tensor.to, args[0], _TYPES[name])


def attention(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    causal = bool(op.get_attributes().get("causal", False))
    mask = args[3] if len(args) > 3 and not causal else None
    scale = float(np.ravel(constant(args[4], "scale"))[0]) if len(args) > 4 else None
    return build.call(functional.scaled_dot_product_attention, *args[:3], mask, 0.0, causal, scale=scale)
