"""The graph of PyTorch that a model becomes, as it grows, and what functions that add to it need."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray
from torch import fx, nn

Array = NDArray[Any]
Value: TypeAlias = Any
"""A node of the graph, or an array that is constant."""
Made: TypeAlias = Any
"""The node of an operation's output, or a tuple of them."""


class Unliftable(Exception):
    """The operation cannot be said in PyTorch."""


class Constant(np.ndarray[Any, Any]):
    """A constant of the model, which knows where it comes from. What is computed from it does not."""

    source: str
    """Name of the operation."""


@dataclass(frozen=True)
class Step:
    """What is learned of a quantizer: its step, of which its ends are multiples."""

    parameter: str
    """Name of the parameter that holds the logarithm of the step."""
    before: Array
    """That logarithm before any training."""
    low: Array
    high: Array
    """The ends before any training."""

    def ends(self, log_step: Array) -> tuple[Array, Array]:
        """Lower and upper end, for a learned logarithm of the step: to the last bit what they were where it is too."""
        growth = np.exp(log_step.astype(np.float64) - self.before).reshape(self.low.shape)
        return (self.low * growth).astype(np.float32), (self.high * growth).astype(np.float32)


class Builder:
    """A graph of PyTorch as it grows, with the parameters and buffers it uses."""

    def __init__(self, trainable: Collection[str] = ()) -> None:
        """`trainable` are names of constants that become parameters."""
        self.graph = fx.Graph()
        self.root = nn.Module()
        self.parameters: dict[str, str] = {}
        """Names of constants to names of parameters."""
        self.quantizers = True
        self.steps: dict[str, Step] = {}
        """Names of quantizers to what is learned of them."""
        self._trainable = trainable
        self._buffers: dict[tuple[Any, ...], fx.Node] = {}

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> fx.Node:
        """A function of the values."""
        values = tuple(self.value(one) for one in args)
        return self.graph.call_function(function, values, {name: self.value(one) for name, one in kwargs.items()})

    def learns(self, one: Any) -> bool:
        """Whether it is a constant that becomes a parameter."""
        return isinstance(one, Constant) and getattr(one, "source", None) in self._trainable

    def value(self, one: Any) -> Any:
        """A node for a constant: of a parameter, or of a buffer."""
        if self.learns(one):
            return self._parameter(one)
        if isinstance(one, np.ndarray):
            return self._buffer(np.asarray(one))
        if isinstance(one, list | tuple) and any(isinstance(part, np.ndarray) for part in one):
            return [self.value(part) for part in one]
        return one

    def quantizer(self, name: str, ends: list[Array], levels: int) -> tuple[fx.Node, fx.Node, int | None] | None:
        """Parameter of the step's logarithm, zero, and the axis along which they vary; None if it cannot be learned."""
        low, high, out_low, out_high = (end.astype(np.float64) for end in ends)
        if low.shape != high.shape or not (np.array_equal(low, out_low) and np.array_equal(high, out_high)):
            return None
        step = (high - low) / (levels - 1)
        if not (step > 0).all():
            return None
        zero = -low / step
        if np.abs(zero - np.rint(zero)).max() > 0.02 or zero.min() < -0.02 or zero.max() > levels - 0.98:
            return None
        axes = [axis for axis, side in enumerate(step.shape) if side > 1]
        if len(axes) > 1:
            return None
        parameter = f"step{len(self.steps)}"
        log_step = np.log(step).astype(np.float32).ravel()
        self.steps[name] = Step(parameter, log_step, low, high)
        self.root.register_parameter(parameter, nn.Parameter(torch.from_numpy(log_step.copy())))
        node = self.graph.get_attr(parameter)
        return node, self._buffer(np.rint(zero).astype(np.float32).ravel()), axes[0] if axes else None

    def _parameter(self, constant: Constant) -> fx.Node:
        key = ("parameter", constant.source)
        if key not in self._buffers:
            name = f"parameter{len(self.parameters)}"
            self.parameters[constant.source] = name
            values = torch.from_numpy(np.array(constant, dtype=np.float32))
            self.root.register_parameter(name, nn.Parameter(values))
            self._buffers[key] = self.graph.get_attr(name)
        return self._buffers[key]

    def _buffer(self, array: Array) -> fx.Node:
        """Equal constants are one."""
        if array.dtype == np.float16 or array.dtype == np.float64:
            array = array.astype(np.float32)
        key = (array.dtype.str, array.shape, array.tobytes() if array.nbytes < 4096 else array.ctypes.data)
        if key not in self._buffers:
            name = f"constant{len(self._buffers)}"
            self.root.register_buffer(name, torch.from_numpy(np.array(array)))
            self._buffers[key] = self.graph.get_attr(name)
        return self._buffers[key]


Operation = Callable[[Builder, ov.Node, list[Value]], Made]


def shape(output: Any) -> list[int]:
    """The static shape of an output. Raises Unliftable."""
    found = output.get_partial_shape()
    if found.is_dynamic:
        raise Unliftable(f"its shape {found} is not known beforehand")
    return list(found.to_shape())


def constant(value: Value, what: str) -> Array:
    if not isinstance(value, np.ndarray):
        raise Unliftable(f"its {what} is not constant")
    return value


def ints(value: Value, what: str) -> list[int]:
    return [int(one) for one in np.ravel(constant(value, what))]


def axis_of(axis: int, rank: int) -> int:
    return axis + rank if axis < 0 else axis


def around(begin: Sequence[int], end: Sequence[int]) -> list[int]:
    """As `functional.pad` takes it: the last axis first."""
    return [side for pair in zip(reversed(begin), reversed(end), strict=True) for side in pair]


def node_of(build: Builder, value: Value) -> fx.Node:
    found: fx.Node = build.value(value)
    return found


def shaped(build: Builder, value: Value, outside: list[int], *, batched: bool = True) -> fx.Node:
    """The value in another shape, for any number of images where the first axis is theirs."""
    return build.call(torch.reshape, value, [-1, *outside[1:]] if batched and outside[:1] == [1] else outside)


def batched(op: ov.Node) -> bool:
    """Whether the first axis of an operation's first input and output is one image."""
    return shape(op.input_value(0))[:1] == shape(op.output(0))[:1] == [1]
