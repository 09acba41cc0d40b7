"""The first layers of the sample of classification, which have learnt to see strokes: what other samples stand on."""

import numpy as np
import openvino as ov
import torch
from openvino import Node
from openvino import opset13 as ops
from torch import nn

from otx_web import samples
from otx_web.samples.build import network
from otx_web.samples.build.digits import Floats, Pixels

LAYERS = {
    2: "__module.4.5/aten::silu/Swish",  # 64 channels
    4: "__module.7.5/aten::silu/Swish",  # 128
    8: "__module.9.5/aten::silu/Swish",  # 256
}
"""Those before the picture becomes smaller again, by how much smaller it is already."""


def read(side: int) -> tuple[ov.Model, dict[int, Node]]:
    """The classifier for pictures [1, 3, side, side], and those of its layers [1, channels, side / n, side / n]."""
    classifier = ov.Core().read_model(samples.paths("classification").model[0])
    classifier.reshape([1, 3, side, side])
    named = {op.get_friendly_name(): op for op in classifier.get_ordered_ops()}
    return classifier, {smaller: named[name] for smaller, name in LAYERS.items()}


def answers(model: ov.Model, pixels: Pixels) -> list[Floats]:
    """What a model says of pictures [n, side, side, 3], in float: for each of its outputs [n, ...]."""
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
    said = [list(compiled(network.normalised(one[None]).contiguous().numpy()).values()) for one in pixels]
    return [np.concatenate(of_one) for of_one in zip(*said, strict=True)]


def layers(pixels: Pixels, *smaller: int) -> list[Floats]:
    """What layers make of pictures [n, side, side, 3]: for each [n, channels, side / smaller, side / smaller]."""
    classifier, there = read(pixels.shape[1])
    outputs = [ops.result(there[one]) for one in smaller]
    return answers(ov.Model(outputs, classifier.get_parameters(), "layers"), pixels)


def under(heads: nn.Module, side: int, *smaller: int) -> ov.Model:
    """The classifier's layers with a network that takes them, which was trained behind them."""
    classifier, there = read(side)
    shapes = [tuple(there[one].get_output_shape(0)) for one in smaller]
    behind = ov.convert_model(heads, example_input=tuple(torch.zeros(shape) for shape in shapes), input=shapes)
    for parameter, one in zip(behind.get_parameters(), smaller, strict=True):
        parameter.output(0).replace(there[one].output(0))
    classifier.inputs[0].set_names({"image"})
    return ov.Model(behind.get_results(), classifier.get_parameters(), "pebbles")
