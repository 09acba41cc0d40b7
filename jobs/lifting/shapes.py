"""Operations that move values about, and change none."""

from collections.abc import Sequence

import numpy as np
import openvino as ov
import torch
from torch import Tensor
from torch.nn import functional

from jobs.lifting.builder import (
    Builder,
    Made,
    Unliftable,
    Value,
    around,
    axis_of,
    batched,
    constant,
    ints,
    node_of,
    shape,
    shaped,
)


def reshape(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    return shaped(build, args[0], shape(op.output(0)), batched=batched(op))


def transpose(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    rank = len(shape(op.input_value(0)))
    order = ints(args[1], "order") or list(reversed(range(rank)))
    return build.call(torch.permute, args[0], order)


def concat(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    return build.call(_together, list(args), int(op.get_attributes()["axis"]))


def _together(values: Sequence[Tensor], axis: int) -> Tensor:
    """Side by side; what is constant is repeated for every image."""
    images = max(value.shape[0] for value in values)
    if axis != 0 and any(value.shape[0] != images for value in values):
        values = [value.expand(images, *value.shape[1:]) for value in values]
    return torch.cat(list(values), axis)


def split(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    axis = ints(args[1], "axis")[0]
    sizes = [shape(port)[axis] for port in op.outputs()]
    made = build.call(torch.split, args[0], sizes, axis)
    return tuple(build.call(_item, made, place) for place in range(len(sizes)))


def _item(values: Sequence[Tensor], place: int) -> Tensor:
    return values[place]


def sliced(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    inside = shape(op.input_value(0))
    starts, stops, steps = (ints(one, "bounds") for one in args[1:4])
    axes = ints(args[4], "axes") if len(args) > 4 else list(range(len(starts)))
    value: Value = args[0]
    for start, stop, step, axis in zip(starts, stops, steps, axes, strict=True):
        value = _part(build, value, axis_of(axis, len(inside)), slice(start, stop, step), inside)
    return node_of(build, value)


def _part(build: Builder, value: Value, axis: int, part: slice, inside: list[int]) -> Value:
    """A part along one axis, as Python slices."""
    start, stop, step = part.indices(inside[axis])
    places = np.arange(start, stop, step, dtype=np.int64)
    if len(places) == inside[axis] and step == 1:
        return value
    if not len(places):
        raise Unliftable("nothing is left of it")
    if step < 0:
        return build.call(torch.index_select, value, axis, places)
    index = [slice(None)] * axis + [slice(start, stop, step)]
    return build.call(_get, value, tuple(index))


def _get(x: Tensor, index: tuple[slice, ...]) -> Tensor:
    return x[index]


def strided_slice(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    said = op.get_attributes()
    inside, outside = shape(op.input_value(0)), shape(op.output(0))
    begin, end = ints(args[1], "begin"), ints(args[2], "end")
    steps = ints(args[3], "strides") if len(args) > 3 else [1] * len(begin)
    masks = {
        name: [*said[f"{name}_mask"], *[0] * len(begin)]
        for name in ("begin", "end", "new_axis", "shrink_axis", "ellipsis")
    }
    value: Value = args[0]
    axis = 0
    for place in range(len(begin)):
        if masks["ellipsis"][place]:
            used = sum(1 for later in range(place + 1, len(begin)) if not masks["new_axis"][later])
            axis = len(inside) - used
        elif not masks["new_axis"][place]:
            if masks["shrink_axis"][place]:
                start = axis_of(begin[place], inside[axis])
                part = slice(start, start + 1, 1)
            else:
                start_, stop_ = (
                    None if masks[name][place] else bound[place] for name, bound in (("begin", begin), ("end", end))
                )
                part = slice(start_, stop_, steps[place])
            value = _part(build, value, axis, part, inside)
            axis += 1
    return shaped(build, value, outside, batched=batched(op))


def gather(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    if op.get_attributes().get("batch_dims", 0):
        raise Unliftable("it picks something else for each image")
    index = constant(args[1], "index").astype(np.int64)
    inside = shape(op.input_value(0))
    axis = axis_of(ints(args[2], "axis")[0], len(inside))
    index = np.where(index < 0, index + inside[axis], index)
    if index.size == 1:
        place = int(index.reshape(-1)[0])
        value = node_of(build, _part(build, args[0], axis, slice(place, place + 1, 1), inside))
        return shaped(build, value, shape(op.output(0)), batched=axis > 0 and batched(op))
    picked = build.call(torch.index_select, args[0], axis, index.reshape(-1))
    return picked if index.ndim == 1 else shaped(build, picked, shape(op.output(0)), batched=axis > 0 and batched(op))


def pad(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    begin, end = ints(args[1], "padding"), ints(args[2], "padding")
    mode = op.get_attributes()["pad_mode"]
    inside = shape(op.input_value(0))
    if mode == "constant":
        fill = float(np.ravel(constant(args[3], "value"))[0]) if len(args) > 3 else 0.0
        return build.call(functional.pad, args[0], around(begin, end), value=fill)
    if any(side < 0 for side in (*begin, *end)):
        raise Unliftable("it cuts and mirrors at once")
    value: Value = args[0]
    for axis, (before, after) in enumerate(zip(begin, end, strict=True)):
        if before or after:
            numpy_mode = {"edge": "edge", "reflect": "reflect", "symmetric": "symmetric"}[mode]
            places = np.pad(np.arange(inside[axis]), (before, after), numpy_mode)  # type: ignore[call-overload]
            value = build.call(torch.index_select, value, axis, places.astype(np.int64))
    return node_of(build, value)


def tile(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    return build.call(torch.tile, args[0], ints(args[1], "repeats"))


def broadcast(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    inside, outside = shape(op.input_value(0)), shape(op.output(0))
    value: Value = args[0]
    if str(op.get_attributes().get("mode", "numpy")).lower() == "explicit":
        axes = ints(args[2], "axes")
        wide = [1] * len(outside)
        for axis, side in zip(axes, inside, strict=True):
            wide[axis] = side
        value = build.call(torch.reshape, value, wide)
    if batched(op) and len(inside) == len(outside):
        outside = [-1, *outside[1:]]
    return build.call(torch.broadcast_to, value, outside)


def depth_to_space(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    said = op.get_attributes()
    n, c, *sides = shape(op.input_value(0))
    block, axes = int(said["block_size"]), len(sides)
    deep = c // block**axes
    if said["mode"] == "depth_first" and axes == 2:
        return build.call(functional.pixel_shuffle, args[0], block)
    blocks = [block] * axes
    first = said["mode"] == "blocks_first"
    wide = shaped(build, args[0], [n, *blocks, deep, *sides] if first else [n, deep, *blocks, *sides])
    offset, block_at = (axes + 2, 1) if first else (axes + 2, 2)
    order = [0, axes + 1 if first else 1]
    for place in range(axes):
        order += [offset + place, block_at + place]
    return shaped(build, build.call(torch.permute, wide, order), shape(op.output(0)))


def space_to_depth(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    said = op.get_attributes()
    n, c, *sides = shape(op.input_value(0))
    block, axes = int(said["block_size"]), len(sides)
    wide: list[int] = [n, c]
    for side in sides:
        wide += [side // block, block]
    blocks = [3 + 2 * place for place in range(axes)]
    rest = [2 + 2 * place for place in range(axes)]
    order = [0, *blocks, 1, *rest] if said["mode"] == "blocks_first" else [0, 1, *blocks, *rest]
    made = build.call(torch.permute, shaped(build, args[0], wide), order)
    return shaped(build, made, shape(op.output(0)))


def shuffle(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    said = op.get_attributes()
    inside = shape(op.input_value(0))
    axis, group = axis_of(int(said["axis"]), len(inside)), int(said["group"])
    wide = [*inside[:axis], group, inside[axis] // group, *inside[axis + 1 :]]
    turned = build.call(torch.transpose, shaped(build, args[0], wide, batched=axis > 0), axis, axis + 1)
    return shaped(build, turned, inside, batched=axis > 0)
