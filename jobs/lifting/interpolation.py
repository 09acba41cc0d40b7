"""Interpolation in every mode, and with every way to count pixels."""

import math
from typing import Any

import numpy as np
import openvino as ov
import torch
from torch import fx
from torch.nn import functional

from jobs.lifting.builder import (
    Array,
    Builder,
    Made,
    Unliftable,
    Value,
    around,
    axis_of,
    constant,
    ints,
    node_of,
    shape,
)


def interpolate(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    said = op.get_attributes()
    inside, outside = shape(op.input_value(0)), shape(op.output(0))
    rank = len(inside)
    if op.get_type_info().version_id == "opset1":
        return _interpolate_first(build, op, args)
    places = 2 if op.get_type_info().version_id == "opset11" else 3
    axes = ints(args[places], "axes") if len(args) > places else list(range(rank))
    axes = [axis_of(one, rank) for one in axes]
    begin = [*said["pads_begin"], *[0] * (rank - len(said["pads_begin"]))]
    end = [*said["pads_end"], *[0] * (rank - len(said["pads_end"]))]
    value: Value = args[0]
    if any((*begin, *end)):
        value = build.call(functional.pad, value, around(begin, end))
        inside = [side + b + e for side, b, e in zip(inside, begin, end, strict=True)]
    if said["antialias"] and any(outside[axis] < inside[axis] for axis in axes):
        raise Unliftable("it smooths while it shrinks")
    scales = _scales(said, inside, outside, axes, args)
    native = _native(build, said, value, inside, outside, axes, scales)
    if native is not None:
        return native
    for axis in axes:
        if inside[axis] != outside[axis] or scales[axis] != 1:
            value = _along(build, said, value, axis, rank, inside[axis], outside[axis], scales[axis])
    return node_of(build, value)


def _interpolate_first(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    """The operation of opset 1, whose attributes say less."""
    said = op.get_attributes()
    inside, outside = shape(op.input_value(0)), shape(op.output(0))
    if any(said.get("pads_begin", ())) or any(said.get("pads_end", ())) or said.get("antialias"):
        raise Unliftable("it pads or smooths")
    axes = list(said["axes"])
    align = bool(said.get("align_corners", True))
    mode = str(said["mode"])
    new = {
        "mode": {"linear": "linear_onnx"}.get(mode, mode),
        "coordinate_transformation_mode": "align_corners" if align and mode != "nearest" else "asymmetric",
        "nearest_mode": "floor",
        "cube_coeff": -0.75,
    }
    scales = {axis: outside[axis] / inside[axis] for axis in axes}
    native = _native(build, new, args[0], inside, outside, axes, scales)
    if native is not None:
        return native
    value: Value = args[0]
    for axis in axes:
        value = _along(build, new, value, axis, len(inside), inside[axis], outside[axis], scales[axis])
    return node_of(build, value)


def _scales(
    said: dict[str, Any], inside: list[int], outside: list[int], axes: list[int], args: list[Value]
) -> dict[int, float]:
    if said["shape_calculation_mode"] != "scales":
        return {axis: outside[axis] / inside[axis] for axis in axes}
    place = 1 if len(args) < 3 or np.issubdtype(constant(args[1], "scales").dtype, np.floating) else 2
    given = np.ravel(constant(args[place], "scales"))
    return {axis: float(scale) for axis, scale in zip(axes, given, strict=True)}


def _native(
    build: Builder,
    said: dict[str, Any],
    value: Value,
    inside: list[int],
    outside: list[int],
    axes: list[int],
    scales: dict[int, float],
) -> fx.Node | None:
    """PyTorch's own interpolation, where it means the same: it becomes the same operation on the way back."""
    moving = [axis for axis in axes if outside[axis] != inside[axis]]
    if len(inside) != 4 or not set(moving) <= {2, 3}:
        return None
    if any(not math.isclose(scales.get(axis, 1.0), outside[axis] / inside[axis], rel_tol=1e-6) for axis in axes):
        return None
    mode, where = said["mode"], said["coordinate_transformation_mode"]
    size = outside[2:]
    # pytorch_half_pixel means something else for an output of one pixel.
    half = where == "half_pixel" or (where == "pytorch_half_pixel" and 1 not in size)
    if mode == "nearest" and where == "asymmetric" and said["nearest_mode"] == "floor":
        return build.call(functional.interpolate, value, size=size, mode="nearest")
    if mode in ("linear", "linear_onnx", "cubic"):
        if mode == "linear" and any(outside[axis] < inside[axis] for axis in moving):
            return None
        name = "bicubic" if mode == "cubic" else "bilinear"
        if mode == "cubic" and not math.isclose(said["cube_coeff"], -0.75):
            return None
        if half:
            return build.call(functional.interpolate, value, size=size, mode=name, align_corners=False)
        if where == "align_corners":
            return build.call(functional.interpolate, value, size=size, mode=name, align_corners=True)
    return None


def _sources(where: str, inside: int, outside: int, scale: float) -> Array:
    """For each place of the output, where it lies in the input."""
    x = np.arange(outside, dtype=np.float64)
    match where:
        case "half_pixel":
            return (x + 0.5) / scale - 0.5
        case "pytorch_half_pixel":
            return (x + 0.5) / scale - 0.5 if outside > 1 else np.zeros(outside)
        case "asymmetric":
            return x / scale
        case "tf_half_pixel_for_nn":
            return (x + 0.5) / scale
        case "align_corners":
            return x * (inside - 1) / (outside - 1) if outside > 1 else np.zeros(outside)
    raise Unliftable(f"it counts pixels as {where}")


def _along(
    build: Builder, said: dict[str, Any], value: Value, axis: int, rank: int, inside: int, outside: int, scale: float
) -> fx.Node:
    """One axis interpolated by picking from the input and weighing."""
    sources = _sources(said["coordinate_transformation_mode"], inside, outside, scale)

    def picked(places: Array) -> fx.Node:
        index = np.clip(places, 0, inside - 1).astype(np.int64)
        return build.call(torch.index_select, value, axis, index)

    def weighed(places: Array, weights: Array) -> fx.Node:
        trailing = weights.astype(np.float32).reshape(outside, *[1] * (rank - 1 - axis))
        return build.call(torch.mul, picked(places), trailing)

    if said["mode"] == "nearest":
        return picked(_nearest(said["nearest_mode"], sources, scale))
    if said["mode"] in ("linear", "linear_onnx"):
        if said["mode"] == "linear" and scale < 1:
            raise Unliftable("it interpolates linearly while it shrinks")
        at = np.clip(sources, 0, inside - 1)
        low = np.floor(at)
        share = at - low
        return build.call(torch.add, weighed(low, 1 - share), weighed(low + 1, share))
    if said["mode"] == "cubic":
        low = np.floor(sources)
        parts = [weighed(low + step, _cubic(sources - low - step, said["cube_coeff"])) for step in (-1, 0, 1, 2)]
        made = parts[0]
        for part in parts[1:]:
            made = build.call(torch.add, made, part)
        return made
    raise Unliftable(f"it interpolates by {said['mode']}")


def _nearest(how: str, sources: Array, scale: float) -> Array:
    match how:
        case "round_prefer_floor":
            return np.ceil(sources - 0.5)
        case "round_prefer_ceil":
            return np.floor(sources + 0.5)
        case "floor":
            return np.floor(sources)
        case "ceil":
            return np.ceil(sources)
    return np.ceil(sources) if scale < 1 else np.trunc(sources)  # simple


def _cubic(distance: Array, a: float) -> Array:
    """Weights by distance (Keys 1981)."""
    d = np.abs(distance)
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))
