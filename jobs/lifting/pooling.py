"""Pooling, with every way to round and to pad."""

import numpy as np
import openvino as ov
import torch
from torch.nn import functional

from jobs.lifting.builder import Builder, Made, Unliftable, Value, around, shape
from jobs.lifting.convolutions import pads


def max_pool(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    said = op.get_attributes()
    if len(op.outputs()) > 1 and op.output(1).get_target_inputs():
        raise Unliftable("the places of its maxima are used")
    kernel = list(said["kernel"])
    begin, end = pads(op, kernel)
    begin, end = _to_the_edge(op, kernel, begin, end)
    # A value below all others, and not infinite, since that times zero is no number.
    low = float(np.finfo(np.float32).min)
    entry = args[0] if not any((*begin, *end)) else build.call(functional.pad, args[0], around(begin, end), value=low)
    pool = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}[len(kernel)]
    if begin == end and all(2 * side <= k for side, k in zip(begin, kernel, strict=True)):
        entry, padding = args[0], begin
    else:
        padding = [0] * len(kernel)
    dilations = list(said.get("dilations", [1] * len(kernel)))
    made = build.call(pool, entry, kernel, list(said["strides"]), padding, dilations)
    return (made, made) if len(op.outputs()) > 1 else made


def _to_the_edge(op: ov.Node, kernel: list[int], begin: list[int], end: list[int]) -> tuple[list[int], list[int]]:
    """Padding that makes floor rounding give the operation's own output, however it rounds."""
    said = op.get_attributes()
    inside, outside = shape(op.input_value(0))[2:], shape(op.output(0))[2:]
    dilations = said.get("dilations", [1] * len(kernel))
    needed = [
        (o - 1) * s + d * (k - 1) + 1 - i - b
        for i, o, s, d, k, b in zip(inside, outside, said["strides"], dilations, kernel, begin, strict=True)
    ]
    return begin, [n if n > e else e for n, e in zip(needed, end, strict=True)]


def avg_pool(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    said = op.get_attributes()
    kernel, strides = list(said["kernel"]), list(said["strides"])
    inside = shape(op.input_value(0))[2:]
    begin, end = pads(op, kernel)
    _, edge = _to_the_edge(op, kernel, begin, end)
    exclude = said.get("exclude-pad", said.get("exclude_pad", False))
    pool = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}[len(kernel)]
    if begin == end == edge and all(2 * side <= k for side, k in zip(begin, kernel, strict=True)):
        return build.call(pool, args[0], kernel, strides, begin, False, not exclude)
    padded = build.call(functional.pad, args[0], around(begin, edge)) if any((*begin, *edge)) else args[0]
    means = build.call(pool, padded, kernel, strides)
    if not exclude and any((*begin, *end)):
        return means
    # The padding does not count, and without any, neither does what rounding up adds.
    inner = functional.pad(torch.ones(1, 1, *inside), around(begin, edge))
    shares = pool(inner, kernel, strides)
    return build.call(torch.div, means, shares.numpy())


def adaptive(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    size = shape(op.output(0))[2:]
    if op.get_type_name() == "AdaptiveAvgPool":
        pool = {1: functional.adaptive_avg_pool1d, 2: functional.adaptive_avg_pool2d, 3: functional.adaptive_avg_pool3d}
        return build.call(pool[len(size)], args[0], size)
    raise Unliftable("it takes maxima of uneven parts")
