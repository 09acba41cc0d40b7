"""Which positions of a model's constants are one channel: what must go together when a filter is removed.

Every axis of every constant gets numbers, one a position, and the graph is walked in order: an operation says which
positions of its inputs belong to each other, and which numbers the axes of its outputs have. Numbers that belong
together are a channel. A channel that an operation cannot lose is fixed: it reaches an output, is mixed with others, or
meets an operation that is not known here.

Nothing is guessed: what is not known is fixed, so that what is removed never changes what the rest computes, besides
what the removed channels added to it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Numbers = NDArray[np.int64]
Axis = Numbers | None
"""A number for each position; None where no position can go."""
Axes = tuple[Axis, ...]

FIXED = -1
"""The channel of positions that cannot go."""


@dataclass(frozen=True)
class Layer:
    """A convolution or a product with a weight."""

    name: str
    type: str
    weight: str
    """Name of the constant."""
    filters: int
    """Axis of the weight along which its filters lie."""
    first: bool
    """Whether no other layer comes before it."""
    strided: bool
    """Whether it makes the image smaller."""


@dataclass(frozen=True)
class _Said:
    """A size that a graph says in a constant, which changes with what is removed."""

    operation: str
    entry: int
    position: int
    axis: Numbers


@dataclass(frozen=True)
class Channels:
    """What belongs together in a model."""

    layers: tuple[Layer, ...]
    positions: Mapping[tuple[str, int], Numbers]
    """By name of a constant and axis: the channel of each position, or FIXED."""
    count: int
    _said: tuple[_Said, ...] = field(repr=False)

    def of(self, layer: Layer) -> Numbers:
        """The channel of each filter of a layer."""
        return self.positions[layer.weight, layer.filters]

    def kept(self, removed: NDArray[np.bool_], weight: str) -> float:
        """The share of a constant that is left without some channels, a bool each."""
        return float(np.prod([1 - _gone(self.positions[key], removed).mean() for key in self._axes(weight)]))

    def without(self, model: ov.Model, removed: NDArray[np.bool_]) -> ov.Model:
        """A copy of the model without some channels, a bool each."""
        copy = model.clone()
        by_name = {op.get_friendly_name(): op for op in copy.get_ordered_ops()}
        for name in {name for name, _ in self.positions}:
            _shorten(by_name[name], [self.positions[key] for key in self._axes(name)], removed)
        for said in self._said:
            gone = _gone(said.axis, removed)
            if gone.any():
                _say(by_name[said.operation], said.entry, said.position, int((~gone).sum()))
        copy.validate_nodes_and_infer_types()
        return copy

    def _axes(self, name: str) -> Iterator[tuple[str, int]]:
        axis = 0
        while (name, axis) in self.positions:
            yield name, axis
            axis += 1


def find(
    model: ov.Model, fixed: ov.Model, ends: Iterable[tuple[str, int]] = (), whole: Collection[str] = ()
) -> Channels:
    """Channels of a model whose constants are folded, with any shapes; `fixed` is the same with static ones.

    `ends` are outputs, by operation and port, that must keep all of their channels, as the model's own do, and `whole`
    are names of operations that must get all of theirs.
    """
    walk = _Walk({op.get_friendly_name() for op in model.get_ops() if op.get_type_name() == "Constant"})
    wanted = set(ends)
    for op in fixed.get_ordered_ops():
        walk.visit(op, whole=op.get_friendly_name() in whole)
        for port in range(op.get_output_size()):
            if (op.get_friendly_name(), port) in wanted:
                walk.fix(walk.axes[op.get_name(), port])
    return walk.channels()


def _gone(numbers: Numbers, removed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    gone: NDArray[np.bool_] = np.where(numbers >= 0, removed[numbers], False)
    return gone


def _shorten(constant: ov.Node, axes: Sequence[Numbers], removed: NDArray[np.bool_]) -> None:
    values = constant.get_data()
    for axis, numbers in enumerate(axes):
        gone = _gone(numbers, removed)
        if gone.any():
            values = np.compress(~gone, values, axis=axis)
    if values.shape != tuple(constant.get_output_shape(0)):
        shorter = ops.constant(np.ascontiguousarray(values), constant.get_element_type())
        shorter.set_friendly_name(constant.get_friendly_name())
        for target in constant.output(0).get_target_inputs():
            target.replace_source_output(shorter.output(0))


def _say(op: ov.Node, entry: int, position: int, size: int) -> None:
    """Another size, unless what is there means that it follows from the rest (0 or -1)."""
    source = op.input_value(entry)
    node = source.get_node()
    kind = source.get_element_type()
    if node.get_type_name() == "Constant":
        values = np.array(node.get_data())
        if values.reshape(-1)[position] <= 0:
            return
        values.reshape(-1)[position] = size
        new = ops.constant(values, kind)
    else:  # worked out while the model runs, from sizes of its input
        place, one = ops.constant(np.array([position])), ops.constant(np.array([size], kind.to_dtype()))
        new = ops.scatter_update(source, place, one, ops.constant(np.int64(0)))
    op.input(entry).replace_source_output(new.output(0))


# --- walking


class _Walk:
    """Numbers of the axes of every output so far, and which of them belong together."""

    def __init__(self, known: Collection[str]) -> None:
        """`known` are names of constants that can be changed."""
        self.axes: dict[tuple[str, int], Axes] = {}
        self._known = known
        self._next = 1  # 0 is what cannot go
        self._pairs: list[tuple[Numbers, Numbers]] = []
        self._constants: dict[str, Axes] = {}
        self._layers: list[Layer] = []
        self._said: list[_Said] = []
        self._seen: set[str] = set()
        """Operations behind a layer."""

    def visit(self, op: ov.Node, *, whole: bool = False) -> None:
        kind, name = op.get_type_name(), op.get_name()
        before = {entry.get_node().get_name() for entry in op.input_values()}
        if kind == "Constant":
            made: tuple[Axes, ...] = (self._constant(op),)
        elif kind == "Parameter":
            made = (_none(op.output(0)),)
        else:
            args = [self.axes[entry.get_node().get_name(), entry.get_index()] for entry in op.input_values()]
            rule = _RULES.get(kind)
            if (
                whole
                or rule is None
                or not all(port.get_partial_shape().is_static for port in (*op.inputs(), *op.outputs()))
            ):
                made = _unknown(self, op, args)
            else:
                made = rule(self, op, args)
            if before & self._seen or kind in LAYERS:
                self._seen.add(name)
        self.axes |= {(name, port): axes for port, axes in enumerate(made)}

    def same(self, one: Axis, other: Axis) -> Axis:
        """Two axes of one size, position by position."""
        if one is None or other is None:
            self.fix((one, other))
            return None
        self._pairs.append((one, other))
        return one

    def fix(self, axes: Iterable[Axis]) -> None:
        """None of these positions can go."""
        for one in axes:
            if one is not None:
                self._pairs.append((one, np.zeros_like(one)))

    def says(self, op: ov.Node, entry: int, position: int, axis: Axis) -> None:
        """A size of an operation's constant is that of an axis."""
        if axis is not None:
            self._said.append(_Said(op.get_friendly_name(), entry, position, axis))

    def layer(self, op: ov.Node, place: int, filters: int) -> None:
        """A convolution or product whose weight is its input `place`."""
        weight = op.input_value(place).get_node()
        if weight.get_friendly_name() not in self._constants:
            return
        strides = op.get_attributes().get("strides", [1])
        data = op.input_value(1 - place).get_node().get_name()
        self._layers.append(
            Layer(
                op.get_friendly_name(),
                op.get_type_name(),
                weight.get_friendly_name(),
                filters,
                first=data not in self._seen,
                strided=max(strides) > 1 and not op.get_type_name().endswith("BackpropData"),
            )
        )

    def channels(self) -> Channels:
        """What came of it."""
        ends = [np.concatenate([pair[side] for pair in self._pairs] or [np.zeros(0, int)]) for side in range(2)]
        links = coo_array((np.ones(len(ends[0]), bool), (ends[0], ends[1])), shape=(self._next, self._next))
        _, found = connected_components(links, directed=False)
        # Those of layers are numbered from 0 on; all others are of no use alone.
        filters = [self._constants[layer.weight][layer.filters] for layer in self._layers]
        useful = np.unique(found[np.concatenate([one for one in filters if one is not None] or [np.zeros(1, int)])])
        useful = useful[useful != found[0]]
        number = np.full(self._next, FIXED)
        number[useful] = np.arange(len(useful))
        channel = number[found]
        positions = {
            (name, axis): channel[one]
            for name, axes in self._constants.items()
            for axis, one in enumerate(axes)
            if one is not None
        }
        said = tuple(_Said(one.operation, one.entry, one.position, channel[one.axis]) for one in self._said)
        return Channels(tuple(self._layers), positions, len(useful), said)

    def _constant(self, op: ov.Node) -> Axes:
        name, sides = op.get_friendly_name(), op.get_output_shape(0)
        if name not in self._known:
            return _none(op.output(0))
        found = []
        for side in sides:
            found.append(np.arange(self._next, self._next + side))
            self._next += side
        self._constants[name] = tuple(found)
        return tuple(found)


_Rule = Callable[[_Walk, ov.Node, Sequence[Axes]], tuple[Axes, ...]]


def _none(port: ov.Output) -> Axes:
    rank = port.get_partial_shape().rank
    return (None,) * (rank.get_length() if rank.is_static else 0)


def _unknown(walk: _Walk, op: ov.Node, args: Sequence[Axes]) -> tuple[Axes, ...]:
    for axes in args:
        walk.fix(axes)
    return tuple(_none(port) for port in op.outputs())


def _shape(op: ov.Node, entry: int = 0) -> list[int]:
    return list(op.input_value(entry).get_shape())


def _outside(op: ov.Node, port: int = 0) -> list[int]:
    return list(op.output(port).get_shape())


def _ints(op: ov.Node, entry: int) -> list[int] | None:
    """A constant input; None for another."""
    node = op.input_value(entry).get_node()
    return [int(one) for one in node.get_data().reshape(-1)] if node.get_type_name() == "Constant" else None


# --- operations that compute with each value


def _each(walk: _Walk, op: ov.Node, args: Sequence[Axes]) -> tuple[Axes, ...]:
    """Inputs of equal shapes, or such that are repeated (NumPy's rules)."""
    shapes = [_shape(op, entry) for entry in range(len(args))]
    return (_together(walk, shapes, args, _outside(op)),)


def _together(walk: _Walk, shapes: Sequence[Sequence[int]], args: Sequence[Axes], outside: Sequence[int]) -> Axes:
    rank = len(outside)
    found: list[Axis] = []
    for place, size in enumerate(outside):
        here = []
        for sides, axes in zip(shapes, args, strict=True):
            own = place - (rank - len(sides))
            if own < 0:
                continue
            if sides[own] == size:
                here.append(axes[own])
            else:  # one value for all positions stays when some of them go
                walk.fix([axes[own]])
        first, *others = here
        for one in others:
            first = walk.same(first, one)
        found.append(first)
    return tuple(found)


def _by_channel(walk: _Walk, op: ov.Node, args: Sequence[Axes]) -> tuple[Axes, ...]:
    """All inputs but the first are a value for each channel."""
    data = list(args[0])
    for axes in args[1:]:
        data[1] = walk.same(data[1], axes[0])
    return (tuple(data),)


def _slope(walk: _Walk, op: ov.Node, args: Sequence[Axes]) -> tuple[Axes, ...]:
    sides = _shape(op, 1)
    if len(sides) == 1 and sides[0] == _shape(op)[1] > 1:
        return _by_channel(walk, op, args)
    return _each(walk, op, args)


def _mixing(entry: int | None, attribute: str = "", *, default: int = 1) -> _Rule:
    """What mixes positions along some axes, which an input or an attribute names, and leaves the others apart."""

    def rule(walk: _Walk, op: ov.Node, args: Sequence[Axes]) -> tuple[Axes, ...]:
        said = op.get_attributes()
        named = _ints(op, entry) if entry is not None else [int(said.get(attribute, default))]
        if named is None:
            return _unknown(walk, op, args)
        data = list(args[0])
        for axis in named:
            walk.fix([data[axis]])
        return (tuple(data),)

    return rule


# --- operations that move positions


def _reshape(walk: _Walk, op: ov.Node, args: Sequence[Axes]) -> tuple[Axes, ...]:
    made = _reshaped(walk, _shape(op), args[0], _outside(op))
    if op.get_type_name() == "Reshape":
        for place, axis in enumerate(made):
            walk.says(op, 1, place, axis)
    return (made,)


def _reshaped(walk: _Walk, inside: Sequence[int], axes: Axes, outside: Sequence[int]) -> Axes:
    found: list[Axis] = [None] * len(outside)
    for before, after in _blocks(inside, outside):
        numbered = [axis for axis in before if axes[axis] is not None]
        if not numbered:
            continue
        if len(numbered) > 1:
            walk.fix(axes[axis] for axis in numbered)
            continue
        one = axes[numbered[0]]
        assert one is not None
        sides = [inside[axis] for axis in before]
        wide = [1] * len(sides)
        wide[before.index(numbered[0])] = len(one)
        whole = np.broadcast_to(one.reshape(wide), sides).reshape([outside[axis] for axis in after])
        _along_one(walk, whole, after, found)
    return tuple(found)


def _along_one(walk: _Walk, whole: Numbers, after: Sequence[int], found: list[Axis]) -> None:
    """Numbers of several axes become those of one: the one along which they differ, else the longest.

    What shares a position there can go together only.
    """
    if not after:
        walk.fix([whole.reshape(-1)])
        return
    sides = [np.moveaxis(whole, place, 0).reshape(whole.shape[place], -1) for place in range(whole.ndim)]
    alone = [place for place, rows in enumerate(sides) if (rows == rows[:, :1]).all()]
    place = max(alone or range(whole.ndim), key=lambda one: len(sides[one]))
    rows = sides[place]
    for column in range(1, rows.shape[1] if not alone else 1):
        walk.same(rows[:, 0], rows[:, column])
    found[after[place]] = np.ascontiguousarray(rows[:, 0])


def _blocks(inside: Sequence[int], outside: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Runs of axes before and after that hold the same values, as few in a run as can be."""
    i = o = 0
    while i < len(inside) and o < len(outside):
        before, after = [i], [o]
        left, right = inside[i], outside[o]
        i, o = i + 1, o + 1
        while left != right:
            if left < right:
                left *= inside[i]
                before.append(i)
                i += 1
            else:
                right *= outside[o]
                after.append(o)
                o += 1
        yield before, after
    yield list(range(i, len(inside))), []  # of size 1 all of them, or there are none


def _transpose(walk: _Walk, op: ov.Node, args: Sequence[Axes]) -> tuple[Axes, ...]:
    order = _ints(op, 1)
    if order is None:
        return _unknown(walk, op, args)
    order = order or list(reversed(range(len(args[0]))))
    return (tuple(args[0][axis] for axis in order),)


def _concat(walk: _Walk, op: ov.Node, args: Sequence[Axes]) -> tuple[Axes, ...]:
    outside = _outside(op)
    axis = int(op.get_attributes()["axis"]) % len(outside)
    sizes = [_shape(op, entry)[axis] for entry in range(len(args))]
    others = [(*axes[:axis], None, *axes[axis + 1 :]) for axes in args]
    flat = [*outside[:axis], 1, *outside[axis + 1 :]]
    found = list(_together(walk, [flat] * len(args), others, flat))
    parts = [axes[axis] for axes in args]
    if any(one is not None for one in parts):
        found[axis] = np.concatenate(
            [np.zeros(size, np.int64) if one is None else one for one, size in zip(parts, sizes, strict=True)]
        )
    return (tuple(found),)


def _split(walk: _Walk, op: ov.Node, args: Sequence[Axes]) -> tuple[Axes, ...]:
    named = _ints(op, 1)
    if named is None:
        return _unknown(walk, op, args)
    axis = named[0] % len(args[0])
    sizes = [_outside(op, port)[axis] for port in range(op.get_output_size())]
    whole = args[0][axis]
    parts: list[Axis] = [None] * len(sizes)
    if whole is not None:
        parts = list(np.split(whole, np.cumsum(sizes)[:-1]))
        for place, part in enumerate(parts):
            if op.get_type_name() == "VariadicSplit":
                walk.says(op, 2, place, part)
            else:
                walk.same(parts[0], part)
    return tuple((*args[0][:axis], part, *args[0][axis + 1 :]) for part in parts)


def _slice(walk: _Walk, op: ov.Node, args: Sequence[Axes]) -> tuple[Axes, ...]:
    inside, outside = _shape(op), _outside(op)
    steps, axes = _ints(op, 3), _ints(op, 4) if len(args) > 4 else list(range(len(inside)))
    if steps is None or axes is None:
        return _unknown(walk, op, args)
    by_axis = [1] * len(inside)
    for axis, step in zip(axes, steps, strict=True):
        by_axis[axis] = step
    return (_whole(walk, args[0], inside, outside, by_axis),)


def _strided_slice(walk: _Walk, op: ov.Node, args: Sequence[Axes]) -> tuple[Axes, ...]:
    said = op.get_attributes()
    plain = not any(any(said[f"{name}_mask"]) for name in ("new_axis", "shrink_axis", "ellipsis"))
    steps = _ints(op, 3) if len(args) > 3 else [1] * len(args[0])
    if not plain or steps is None:
        return _unknown(walk, op, args)
    inside, outside = _shape(op), _outside(op)
    return (_whole(walk, args[0], inside, outside, [*steps, *[1] * (len(inside) - len(steps))]),)


def _whole(
    walk: _Walk, axes: Axes, inside: Sequence[int], outside: Sequence[int], steps: Sequence[int] | None = None
) -> Axes:
    """Axes of which every position is left, in their order; the others cannot lose any."""
    steps = steps or [1] * len(inside)
    untouched = [i == o and step == 1 for i, o, step in zip(inside, outside, steps, strict=True)]
    walk.fix(axis for axis, same in zip(axes, untouched, strict=True) if not same)
    return tuple(axis if same else None for axis, same in zip(axes, untouched, strict=True))


def _gather(walk: _Walk, op: ov.Node, args: Sequence[Axes]) -> tuple[Axes, ...]:
    named = _ints(op, 2)
    if named is None or op.get_attributes().get("batch_dims", 0):
        return _unknown(walk, op, args)
    axis = named[0] % len(args[0])
    walk.fix([args[0][axis], *args[1]])
    return (args[0][:axis] + (None,) * len(args[1]) + args[0][axis + 1 :],)


def _sized(walk: _Walk, op: ov.Node, args: Sequence[Axes]) -> tuple[Axes, ...]:
    """What leaves axes as long as they are alone, and makes others longer or shorter."""
    return tuple(_whole(walk, args[0], _shape(op), _outside(op, port)) for port in range(op.get_output_size()))


def _pool(walk: _Walk, op: ov.Node, args: Sequence[Axes]) -> tuple[Axes, ...]:
    """Neighbours are mixed along all axes but those of images and channels."""
    walk.fix(args[0][2:])
    return tuple(args[0][:2] + (None,) * (len(args[0]) - 2) for _ in range(op.get_output_size()))


def _interpolate(walk: _Walk, op: ov.Node, args: Sequence[Axes]) -> tuple[Axes, ...]:
    last = len(args) - 1
    said = last > 1 and op.input_value(last).get_element_type().is_integral()
    named = (_ints(op, last) if said else None) or list(range(len(args[0])))
    by_size = op.get_attributes().get("shape_calculation_mode", "sizes") == "sizes"
    found = _whole(walk, args[0], _shape(op), _outside(op))
    for place, axis in enumerate(named):
        if by_size:
            walk.says(op, 1, place, found[axis])
    return (found,)


def _reduce(walk: _Walk, op: ov.Node, args: Sequence[Axes]) -> tuple[Axes, ...]:
    named = _ints(op, 1)
    if named is None:
        return _unknown(walk, op, args)
    gone = {axis % len(args[0]) for axis in named}
    walk.fix(args[0][axis] for axis in gone)
    keep = bool(op.get_attributes()["keep_dims"])
    return (tuple(None if axis in gone else one for axis, one in enumerate(args[0]) if keep or axis not in gone),)


def _broadcast(walk: _Walk, op: ov.Node, args: Sequence[Axes]) -> tuple[Axes, ...]:
    inside, outside = _shape(op), _outside(op)
    if str(op.get_attributes().get("mode", "numpy")).lower() == "explicit":
        return _unknown(walk, op, args)
    wide = [1] * (len(outside) - len(inside)) + inside
    axes = (None,) * (len(outside) - len(inside)) + args[0]
    found = _whole(walk, axes, wide, outside)
    for place, axis in enumerate(found):
        walk.says(op, 1, place, axis)
    return (found,)


def _shuffle(walk: _Walk, op: ov.Node, args: Sequence[Axes]) -> tuple[Axes, ...]:
    inside = _shape(op)
    axis, group = int(op.get_attributes()["axis"]) % len(inside), int(op.get_attributes()["group"])
    wide = [*inside[:axis], group, inside[axis] // group, *inside[axis + 1 :]]
    apart = _reshaped(walk, inside, args[0], wide)
    turned = (*apart[:axis], apart[axis + 1], apart[axis], *apart[axis + 2 :])
    sides = [*wide[:axis], wide[axis + 1], wide[axis], *wide[axis + 2 :]]
    return (_reshaped(walk, sides, turned, inside),)


# --- layers


def _convolution(walk: _Walk, op: ov.Node, args: Sequence[Axes]) -> tuple[Axes, ...]:
    """Weights are [out, in, ...], or [in, out, ...] of a transposed one."""
    data, weight = args[:2]
    backward = op.get_type_name().endswith("BackpropData")
    entry, filters = (0, 1) if backward else (1, 0)
    walk.fix((*data[2:], *weight[2:]))
    walk.same(data[1], weight[entry])
    walk.layer(op, 1, filters)
    return ((data[0], weight[filters], *(None,) * (len(data) - 2)),)


def _grouped(walk: _Walk, op: ov.Node, args: Sequence[Axes]) -> tuple[Axes, ...]:
    """Weights are [group, out, in, ...], or [group, in, out, ...] of a transposed one."""
    data, weight = args[:2]
    sides = _shape(op, 1)
    backward = op.get_type_name().endswith("BackpropData")
    entry, filters = (1, 2) if backward else (2, 1)
    groups, inside, outside = sides[0], sides[entry], sides[filters]
    walk.fix((*data[2:], *weight[3:]))
    walk.layer(op, 1, 0 if inside == 1 else filters)
    channels = data[1]
    if inside == 1:  # a group for each channel, which goes with it
        walk.fix((weight[entry], weight[filters]))
        whole = walk.same(channels, weight[0])
        return ((data[0], None if whole is None else np.repeat(whole, outside), *(None,) * (len(data) - 2)),)
    walk.fix([weight[0]])  # the same channels of each group, so that all stay alike
    if channels is None:
        walk.fix([weight[entry]])
    else:
        for group in channels.reshape(groups, inside):
            walk.same(weight[entry], group)
    own = weight[filters]
    return ((data[0], None if own is None else np.tile(own, groups), *(None,) * (len(data) - 2)),)


def _product(walk: _Walk, op: ov.Node, args: Sequence[Axes]) -> tuple[Axes, ...]:
    if min(len(axes) for axes in args) < 2:
        return _unknown(walk, op, args)
    said = op.get_attributes()
    sides, shapes = [], []
    for entry, (axes, flag) in enumerate(zip(args, (said["transpose_a"], said["transpose_b"]), strict=True)):
        size = _shape(op, entry)
        sides.append((*axes[:-2], axes[-1], axes[-2]) if flag else axes)
        shapes.append(size[:-2])
    one, other = sides
    walk.same(one[-1], other[-2])
    for entry, flag in ((0, said["transpose_a"]), (1, said["transpose_b"])):
        if op.input_value(entry).get_node().get_type_name() == "Constant":
            rank = len(args[entry])
            walk.layer(op, entry, (rank - 2) + (bool(flag) != bool(entry)))
    outside = _outside(op)
    batch = _together(walk, shapes, [one[:-2], other[:-2]], outside[:-2])
    return ((*batch, one[-2], other[-1]),)


# --- all of them

_EACH = (
    *("Add", "Subtract", "Multiply", "Divide", "Power", "Maximum", "Minimum", "SquaredDifference", "FloorMod", "Mod"),
    *("Equal", "NotEqual", "Greater", "GreaterEqual", "Less", "LessEqual", "LogicalAnd", "LogicalOr", "LogicalNot"),
    *("LogicalXor", "Select", "Exp", "Log", "Sqrt", "Abs", "Negative", "Floor", "Ceiling", "Sign", "Erf", "Sin"),
    *("Cos", "Tan", "Atan", "Round", "Convert", "Relu", "Sigmoid", "Tanh", "Mish", "SoftPlus", "SoftSign", "Elu"),
    *("Selu", "Clamp", "Swish", "HSwish", "HSigmoid", "HardSigmoid", "Gelu", "FakeQuantize"),
)
LAYERS = (
    *("Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData"),
    "MatMul",
)
"""Kinds of operations that have weights."""
_RULES: Mapping[str, _Rule] = {
    **dict.fromkeys(_EACH, _each),
    **dict.fromkeys(("Convolution", "ConvolutionBackpropData"), _convolution),
    **dict.fromkeys(("GroupConvolution", "GroupConvolutionBackpropData"), _grouped),
    "MatMul": _product,
    "BatchNormInference": _by_channel,
    "PRelu": _slope,
    **dict.fromkeys(("Softmax", "LogSoftmax"), _mixing(None, "axis")),
    **dict.fromkeys(("MVN", "NormalizeL2"), _mixing(1)),
    **dict.fromkeys(("MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool"), _pool),
    "Interpolate": _interpolate,
    **dict.fromkeys(("Reshape", "Squeeze", "Unsqueeze"), _reshape),
    "Transpose": _transpose,
    "Concat": _concat,
    **dict.fromkeys(("Split", "VariadicSplit"), _split),
    "Slice": _slice,
    "StridedSlice": _strided_slice,
    "Gather": _gather,
    **dict.fromkeys(("Pad", "Tile"), _sized),
    "Broadcast": _broadcast,
    "ShuffleChannels": _shuffle,
    **dict.fromkeys(
        ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2"), _reduce
    ),
}
"""By an operation's type. All others keep what they get."""
