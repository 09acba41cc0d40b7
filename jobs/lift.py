"""A model of OpenVINO as a module of PyTorch that can be trained, and what it learned back into the model.

The graph is walked in order, and every operation becomes the same function in PyTorch (`jobs.lifting`). The
constants that training may change become parameters: weights, biases, slopes, scales of normalisation, and the ends of
quantizers. Where an operation cannot be said in PyTorch, and behind it, the graph is cut: the module ends with what
flows over the cut, and the operations behind stay as they are.

Going back, nothing but those constants changes in a copy of the model, so its names, shapes, layouts, types, `rt_info`
and speed are those it had, dynamic sizes included. That is why the module need not be converted.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import openvino as ov
import torch
from openvino import opset13 as ops
from openvino.passes import ConstantFolding, Manager
from torch import Tensor, fx, nn

from jobs.errors import UnsupportedModel
from jobs.lifting import OPERATIONS, builder, convolutions
from jobs.lifting.builder import Builder, Constant, Step, Unliftable, Value
from jobs.predictions import Array


@dataclass(frozen=True)
class End:
    """An output of an operation that flows over the cut, or out of the model."""

    operation: str
    port: int


@dataclass(frozen=True)
class Left:
    """An operation that stays behind the cut."""

    name: str
    type: str
    reason: str


@dataclass(frozen=True)
class Learned:
    """Values to put into a model."""

    constants: Mapping[str, Array]
    """By name of the constant."""
    ends: Mapping[str, tuple[Array, Array]]
    """Lower and upper end of quantizers, by name."""


@dataclass(frozen=True)
class Lifted:
    """A model in PyTorch."""

    module: nn.Module
    """Takes the model's input and gives a tuple: what flows over the cut, or the model's outputs."""
    ends: tuple[End, ...]
    """What each of the tuple is."""
    parameters: Mapping[str, nn.Parameter]
    """By the name of the constant they come from."""
    steps: Mapping[str, Step]
    """Of quantizers, by name."""
    left: tuple[Left, ...]
    """What is behind the cut; the first one is why."""
    attributes: Mapping[str, str]
    """What the parameters are called in the module's graph, by the name of the constant."""
    outputs: tuple[int | None, ...]
    """Of each output of the model its place in the tuple; None where it is behind the cut."""

    def step(self, name: str) -> nn.Parameter:
        """The logarithm of a quantizer's step."""
        found: nn.Parameter = getattr(self.module.graph, self.steps[name].parameter)
        return found

    def learned(self) -> Learned:
        """What training made of it."""
        constants = {
            name: getattr(self.module.graph, own).detach().cpu().numpy().copy() for name, own in self.attributes.items()
        }
        ends = {name: one.ends(self.step(name).detach().cpu().numpy()) for name, one in self.steps.items()}
        return Learned(constants, ends)


def lift(model: ov.Model, ends: Sequence[End] | None = None, *, frozen: Collection[str] = ()) -> Lifted:
    """Lift a model of static shapes, whose constants are folded (`folded`).

    `ends` are those of another model with the same operations, for a module that gives the same. `frozen` are names of
    operations whose weights stay as they are. Raises UnsupportedModel.
    """
    trainable = _trainable(model, frozen)
    build = Builder(trainable)
    values: dict[str, tuple[Value, ...]] = {}
    left: list[Left] = []
    for op in model.get_ordered_ops():
        kind, name = op.get_type_name(), op.get_name()
        if kind == "Parameter":
            values[name] = (build.graph.placeholder(f"input{len(values)}"),)
        elif kind == "Constant":
            values[name] = (_constant(op),)
        elif kind != "Result":
            found = _lifted(build, op, values, left)
            if found is not None:
                values[name] = found
    cut = _cut(model, values) if ends is None else ends
    by_name = {
        op.get_friendly_name(): values[op.get_name()] for op in model.get_ordered_ops() if op.get_name() in values
    }
    if not build.parameters or not cut or any(end.operation not in by_name for end in cut):
        raise _nothing(left, weights=bool(trainable))
    build.graph.output(tuple(by_name[end.operation][end.port] for end in cut))
    _prune(build)
    module = _Lifted(fx.GraphModule(build.root, build.graph))
    parameters = {source: getattr(module.graph, name) for source, name in build.parameters.items()}
    outputs = tuple(_place(result, cut) for result in model.get_results())
    return Lifted(module, tuple(cut), parameters, build.steps, tuple(left), dict(build.parameters), outputs)


class _Lifted(nn.Module):  # type: ignore[misc]
    """A graph inside a plain module, as tools for modules expect."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        found: tuple[Tensor, ...] = self.graph(image)
        return found


def folded(model: ov.Model) -> ov.Model:
    """A copy with everything constant worked out, decompressed weights too."""
    copy = model.clone()
    for op in copy.get_ops():
        info = op.get_rt_info()
        for key in [key for key in info if key.startswith("decompression")]:
            del info[key]
    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(copy)
    return copy


def lower(model: ov.Model, learned: Learned) -> ov.Model:
    """A copy of `model` with what was learned in place of its own values."""
    copy = model.clone()
    for op in list(copy.get_ordered_ops()):
        name, kind = op.get_friendly_name(), op.get_type_name()
        if kind == "Constant" and name in learned.constants:
            new = _new_constant(op, learned.constants[name])
            for target in op.output(0).get_target_inputs():
                target.replace_source_output(new.output(0))
        elif kind == "FakeQuantize" and name in learned.ends:
            low, high = learned.ends[name]
            for place, values in ((1, low), (2, high), (3, low), (4, high)):
                end = _new_constant(op.input_value(place).get_node(), values)
                op.input(place).replace_source_output(end.output(0))
    copy.validate_nodes_and_infer_types()
    return copy


def _new_constant(old: ov.Node, values: Array) -> ov.Node:
    """In place of another, of its shape and type."""
    kind = old.output(0).get_element_type()
    new = ops.constant(values.astype(kind.to_dtype()).reshape(list(old.get_output_shape(0))), kind)
    new.set_friendly_name(old.get_friendly_name())
    return new


# --- walking


def _constant(op: ov.Node) -> Constant:
    found: Constant = np.asarray(op.get_data()).view(Constant)
    found.source = op.get_friendly_name()
    return found


def _lifted(
    build: Builder, op: ov.Node, values: Mapping[str, tuple[Value, ...]], left: list[Left]
) -> tuple[Value, ...] | None:
    """The outputs of an operation in PyTorch; None behind the cut."""
    name, kind = op.get_friendly_name(), op.get_type_name()
    try:
        if kind == "ShapeOf":  # known also of what is behind the cut
            return (np.array(builder.shape(op.input_value(0)), op.get_output_element_type(0).to_dtype()),)
        args = []
        for entry in op.input_values():
            made = values.get(entry.get_node().get_name())
            if made is None:
                raise Unliftable("it is behind the cut")
            args.append(made[entry.get_index()])
        if kind == "Convert" and build.learns(args[0]):
            return (args[0],)  # what is stored in FP16 learns in FP32
        if (known := _worked_out(build, op, args)) is not None:
            return known
        if kind not in OPERATIONS:
            raise Unliftable("it is not known here")
        for port in op.outputs():
            builder.shape(port)
        biased = _with_bias(build, op, args)
        found = biased if biased is not None else OPERATIONS[kind](build, op, args)
    except Unliftable as reason:
        left.append(Left(name, kind, str(reason)))
        return None
    return found if isinstance(found, tuple) else (found,)


def _worked_out(build: Builder, op: ov.Node, args: Sequence[Value]) -> tuple[Value, ...] | None:
    """The outputs of what computes with shapes and constants alone, once the size of the input is fixed.

    A quantized model cannot be folded, or its weights would be rounded for good.
    """
    constant = args and all(isinstance(one, np.ndarray) for one in args)
    if not constant or op.get_type_name() == "FakeQuantize" or any(map(build.learns, args)):
        return None
    outputs = [ov.Tensor(one.get_element_type(), builder.shape(one)) for one in op.outputs()]
    inputs = [ov.Tensor(np.array(one, order="C")) for one in args]
    return tuple(np.array(one.data) for one in outputs) if op.evaluate(outputs, inputs) else None


def _with_bias(build: Builder, op: ov.Node, args: list[Value]) -> fx.Node | None:
    """What an addition right behind a convolution or a product is: its bias, which costs nothing."""
    if op.get_type_name() != "Add":
        return None
    for place, (one, other) in enumerate((args, args[::-1])):
        source = op.input_value(place)
        if (
            not isinstance(one, fx.Node)
            or not isinstance(other, np.ndarray)
            or one.target not in convolutions.TAKING_BIAS
        ):
            continue
        alone = len(source.get_target_inputs()) == 1 and one.args[2] is None
        if alone and convolutions.bias_shape(source.get_node(), other):
            with build.graph.inserting_before(one):
                bias = build.call(torch.reshape, other, [-1])
            one.args = (*one.args[:2], bias, *one.args[3:])
            return one
    return None


def _cut(model: ov.Model, values: Mapping[str, tuple[Value, ...]]) -> list[End]:
    """What flows from lifted operations to others, outputs of the model first."""
    found: dict[End, None] = {}
    for op in [*model.get_results(), *model.get_ordered_ops()]:
        if op.get_name() in values:
            continue
        for entry in op.input_values():
            entry = _with_images(entry)
            node, port = entry.get_node(), entry.get_index()
            made = values.get(node.get_name())
            if made is not None and isinstance(made[port], fx.Node) and node.get_type_name() != "Parameter":
                found[End(node.get_friendly_name(), port)] = None
    return list(found)


def _place(result: ov.Node, cut: Sequence[End]) -> int | None:
    source = _with_images(result.input_value(0))
    end = End(source.get_node().get_friendly_name(), source.get_index())
    return cut.index(end) if end in cut else None


def _with_images(output: ov.Output) -> ov.Output:
    """The same values where they still have an axis of images, so that the module takes several at once."""
    node = output.get_node()
    if node.get_type_name() not in ("Reshape", "Squeeze"):
        return output
    source = node.input_value(0)
    inside, outside = source.get_partial_shape(), output.get_partial_shape()
    lost = inside.rank.get_length() > 1 and inside[0] == 1 and (not outside.rank.get_length() or outside[0] != 1)
    return source if lost else output


def _prune(build: Builder) -> None:
    """Leave out what nothing needs, and parameters with it."""
    build.graph.eliminate_dead_code()
    used = {node.target for node in build.graph.nodes if node.op == "get_attr"}
    build.steps = {name: step for name, step in build.steps.items() if step.parameter in used}
    build.parameters = {source: name for source, name in build.parameters.items() if name in used}
    for name in [*dict(build.root.named_parameters()), *dict(build.root.named_buffers())]:
        if name not in used:
            delattr(build.root, name)


def _nothing(left: list[Left], *, weights: bool) -> UnsupportedModel:
    if not weights:
        return UnsupportedModel(
            "This model has no weights, so there is nothing in it to train.",
            hint="Check that it is the file you meant: a network has convolutions or matrix products.",
        )
    first = left[0] if left else None
    why = f" All its weights lie behind “{first.name}” ({first.type}), and {first.reason}." if first else ""
    return UnsupportedModel(
        f"Nothing in this model can be trained here.{why}",
        hint="Export the model another way, or use a method that needs no training.",
    )


# --- what training may change


def _trainable(model: ov.Model, frozen: Collection[str]) -> set[str]:
    """Names of the constants that become parameters."""
    return {op.get_friendly_name() for op in _changeable(model, frozen) if op.get_element_type().is_real()}


_WEIGHTED = {
    "Convolution": (1,),
    "GroupConvolution": (1,),
    "ConvolutionBackpropData": (1,),
    "GroupConvolutionBackpropData": (1,),
    "MatMul": (0, 1),
    "BatchNormInference": (1, 2),
    "GroupNormalization": (1, 2),
    "PRelu": (1,),
}


def _changeable(model: ov.Model, frozen: Collection[str]) -> Iterable[ov.Node]:
    for op in model.get_ordered_ops():
        if op.get_friendly_name() in frozen:
            continue
        kind = op.get_type_name()
        for place in _WEIGHTED.get(kind, ()):
            if (found := convolutions.weight_of(op, place)) is not None:
                yield found
        if kind in ("Add", "Multiply"):
            sides = [_decompressed(op.input_value(place).get_node()) for place in range(2)]
            for one, other in (sides, sides[::-1]):
                if one.get_type_name() == "Constant" and other.get_type_name() in (
                    *_WEIGHTED,
                    "Multiply",
                    "MVN",
                    "Add",
                ):
                    if (
                        other.get_type_name() != "Add"
                        and one.get_output_size()
                        and np.prod(one.get_output_shape(0)) > 1
                    ):
                        yield one


def _decompressed(node: ov.Node) -> ov.Node:
    """The constant behind a conversion, where there is one."""
    if node.get_type_name() == "Convert" and node.input_value(0).get_node().get_type_name() == "Constant":
        return node.input_value(0).get_node()
    return node
