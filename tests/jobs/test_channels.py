"""What belongs together in a model: a model without channels gives what it gives when they are silent."""

from collections.abc import Callable

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from jobs import channels
from jobs.channels import Channels
from tests.jobs import tiny

RNG = np.random.default_rng(0)
Node = ov.Node | ov.Output


def values(*shape: int) -> ov.Node:
    return ops.constant(RNG.normal(0, 0.5, shape).astype(np.float32))


def conv(entry: Node, filters: int, name: str, side: int = 1, stride: int = 1) -> ov.Node:
    port = entry.output(0) if isinstance(entry, ov.Node) else entry
    channels_in = port.get_partial_shape()[1].get_length()
    pad = [side // 2] * 2
    return ops.convolution(entry, values(filters, channels_in, side, side), [stride] * 2, pad, pad, [1, 1], name=name)


def depthwise(entry: Node, name: str) -> ov.Node:
    wide = entry.get_output_shape(0)[1]
    return ops.group_convolution(entry, values(wide, 1, 1, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1], name=name)


def pooled(node: Node, axes: tuple[int, ...] = (2, 3), *, keep: bool = True) -> ov.Node:
    return ops.reduce_mean(node, ops.constant(list(axes)), keep_dims=keep)


def chain(x: Node) -> ov.Node:
    node = ops.relu(ops.add(conv(x, 8, "a"), values(1, 8, 1, 1)))
    return conv(ops.clamp(depthwise(node, "deep"), 0.0, 6.0), 3, "out")


def residual(x: Node) -> ov.Node:
    stem = ops.relu(conv(x, 8, "a"))
    return conv(ops.add(stem, conv(ops.relu(conv(stem, 6, "b")), 8, "c")), 3, "out")


def concatenated(x: Node) -> ov.Node:
    both = ops.concat([conv(x, 4, "a"), conv(x, 6, "b")], 1)
    return conv(ops.multiply(both, values(1, 10, 1, 1)), 3, "out")


def squeezed(x: Node) -> ov.Node:
    wide = conv(x, 8, "a")
    gate = ops.sigmoid(conv(ops.relu(conv(pooled(wide), 4, "less")), 8, "more"))
    return conv(ops.multiply(wide, gate), 3, "out")


def split(x: Node) -> ov.Node:
    parts = ops.split(conv(x, 8, "a"), ops.constant(1), 2)
    return conv(ops.concat([parts.output(0), conv(parts.output(1), 4, "b")], 1), 3, "out")


def split_by_sizes(x: Node) -> ov.Node:
    parts = ops.variadic_split(conv(x, 8, "a"), ops.constant(1), ops.constant([3, 5]))
    return ops.add(conv(parts.output(0), 3, "out"), conv(parts.output(1), 3, "out2"))


def shuffled(x: Node) -> ov.Node:
    wide = ops.reshape(conv(x, 8, "a"), ops.constant([1, 2, 4, 6, 6]), False)
    turned = ops.transpose(wide, ops.constant([0, 2, 1, 3, 4]))
    return conv(ops.reshape(turned, ops.constant([1, 8, 6, 6]), False), 3, "out")


def shuffled_at_once(x: Node) -> ov.Node:
    return conv(ops.shuffle_channels(conv(x, 8, "a"), 1, 2), 3, "out")


def flattened(x: Node) -> ov.Node:
    flat = ops.reshape(conv(x, 4, "a"), ops.constant([1, 4 * 36]), False)
    return ops.matmul(flat, values(4 * 36, 3), False, False, name="out")


def grouped(x: Node) -> ov.Node:
    wide = conv(x, 8, "a")
    node = ops.group_convolution(wide, values(2, 6, 4, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1], name="groups")
    return conv(node, 3, "out")


def widened(x: Node) -> ov.Node:
    wide = conv(x, 4, "a")
    node = ops.group_convolution(wide, values(4, 2, 1, 1, 1), [1, 1], [0, 0], [0, 0], [1, 1], name="deep")
    return conv(node, 3, "out")


def transposed(x: Node) -> ov.Node:
    larger = ops.convolution_backprop_data(conv(x, 4, "a"), values(4, 6, 2, 2), [2, 2], name="back")
    return conv(larger, 3, "out")


def normalised(x: Node) -> ov.Node:
    scale, shift, mean = values(8), values(8), values(8)
    spread = ops.constant(np.full(8, 2, np.float32))
    normal = ops.batch_norm_inference(conv(x, 8, "a"), scale, shift, mean, spread, 1e-5)
    return conv(ops.prelu(normal, values(8)), 3, "out")


def resized(x: Node) -> ov.Node:
    node = conv(x, 8, "a")
    sizes, axes = ops.constant([1, 8, 12, 12]), ops.constant([0, 1, 2, 3])
    return conv(ops.interpolate(node, sizes, "nearest", "sizes", axes=axes), 3, "out")


def quantized(x: Node) -> ov.Node:
    ends = [np.full((1, 8, 1, 1), end, np.float32) for end in (-2, 2, -2, 2)]
    return conv(ops.fake_quantize(conv(x, 8, "a"), *ends, 256), 3, "out")


def attention(x: Node) -> ov.Node:
    tokens = ops.reshape(ops.transpose(conv(x, 8, "a"), ops.constant([0, 2, 3, 1])), ops.constant([1, 36, 8]), False)
    heads = []
    for name in "qkv":
        apart = ops.reshape(
            ops.matmul(tokens, values(8, 12), False, False, name=name), ops.constant([1, 36, 3, 4]), False
        )
        heads.append(ops.transpose(apart, ops.constant([0, 2, 1, 3])))
    mixed = ops.matmul(ops.softmax(ops.matmul(heads[0], heads[1], False, True), -1), heads[2], False, False)
    flat = ops.reshape(ops.transpose(mixed, ops.constant([0, 2, 1, 3])), ops.constant([1, 36, 12]), False)
    return ops.matmul(flat, values(12, 3), False, False, name="out")


PATTERNS: dict[str, tuple[Callable[[Node], ov.Node], int]] = {
    "chain": (chain, 8),
    "residual": (residual, 14),
    "concatenated": (concatenated, 10),
    "squeezed": (squeezed, 12),
    "split": (split, 8),
    "split by sizes": (split_by_sizes, 8),
    "shuffled": (shuffled, 4),
    "shuffled at once": (shuffled_at_once, 4),
    "flattened": (flattened, 4),
    "grouped": (grouped, 4 + 6),
    "widened": (widened, 4),
    "transposed": (transposed, 10),
    "normalised": (normalised, 8),
    "resized": (resized, 8),
    "quantized": (quantized, 8),
    "attention": (attention, 8 + 4 + 4),
}
"""Each with how many channels can go, alone or in company."""


def model(pattern: Callable[[Node], ov.Node]) -> ov.Model:
    entry = ops.parameter([1, 3, 6, 6], np.float32, name="image")
    return ov.Model([pattern(entry)], [entry])


def half(found: Channels) -> np.ndarray:
    """Every other channel, but never all positions of a constant."""
    removed = np.arange(found.count) % 2 == 0
    for numbers in found.positions.values():
        if len(numbers) and (numbers >= 0).all() and removed[numbers].all():
            removed[numbers[0]] = False
    return removed


def silent(whole: ov.Model, found: Channels, removed: np.ndarray) -> ov.Model:
    """Weights, and what is added, are 0 wherever they belong to a removed channel."""
    copy = whole.clone()
    for op in copy.get_ordered_ops():
        kind = op.get_type_name()
        for entry in op.input_values():
            node = entry.get_node()
            name = node.get_friendly_name()
            weighs = any(layer.weight == name for layer in found.layers) or kind == "Add"
            if node.get_type_name() != "Constant" or not weighs or (name, 0) not in found.positions:
                continue
            data = np.array(node.get_data())
            for axis in range(data.ndim):
                numbers = found.positions[name, axis]
                gone = np.where(numbers >= 0, removed[numbers], False)
                data[(slice(None),) * axis + (gone,)] = 0
            new = ops.constant(data)
            for target in entry.get_target_inputs():
                target.replace_source_output(new.output(0))
    return copy


def answers(whole: ov.Model) -> np.ndarray:
    image = np.random.default_rng(1).normal(0, 1, (1, 3, 6, 6)).astype(np.float32)
    compiled = ov.Core().compile_model(whole, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(compiled(image)[0])


def weights(whole: ov.Model) -> int:
    return sum(op.get_data().size for op in whole.get_ops() if op.get_type_name() == "Constant")


@pytest.mark.parametrize("name", PATTERNS)
def test_without_channels_as_if_they_were_silent(name: str) -> None:
    pattern, count = PATTERNS[name]
    whole = model(pattern)
    found = channels.find(whole, whole)
    assert found.count == count
    removed = half(found)
    smaller = found.without(whole, removed)
    assert removed.any() and smaller.output(0).shape == whole.output(0).shape
    expected = answers(silent(whole, found, removed))
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(answers(smaller), expected, rtol=1e-4, atol=1e-5)
    sizes = [
        sum(op.get_data().size for op in one.get_ops() if op.get_type_name() == "Constant") for one in (smaller, whole)
    ]
    assert sizes[0] < sizes[1]


def fixed_by(pattern: Callable[[Node], ov.Node]) -> int:
    whole = model(pattern)
    return channels.find(whole, whole).count


def test_what_mixes_channels_keeps_them() -> None:
    assert fixed_by(lambda x: conv(ops.softmax(conv(x, 8, "a"), 1), 3, "out")) == 0
    assert (
        fixed_by(lambda x: conv(ops.mvn(conv(x, 8, "a"), ops.constant([1]), True, 1e-5, "inside_sqrt"), 3, "out")) == 0
    )
    assert fixed_by(lambda x: conv(ops.multiply(conv(x, 8, "a"), pooled(conv(x, 8, "b"), (1,))), 3, "out")) == 8
    assert fixed_by(lambda x: ops.relu(conv(x, 8, "a"))) == 0, "an output of the model"
    assert fixed_by(lambda x: conv(ops.depth_to_space(conv(x, 8, "a"), "blocks_first", 2), 3, "out")) == 0
    assert fixed_by(lambda x: conv(ops.add(conv(x, 3, "a"), x), 3, "out")) == 0, "the image has its channels"


def test_what_must_stay_whole() -> None:
    whole = model(chain)
    assert channels.find(whole, whole, [("deep", 0)]).count == 0
    assert channels.find(whole, whole, whole=["out"]).count == 0


def test_sizes_worked_out_while_it_runs() -> None:
    entry = ops.parameter([-1, 3, 6, 6], np.float32, name="image")
    wide = conv(ops.relu(entry), 4, "a")
    batch = ops.gather(ops.shape_of(wide), ops.constant([0]), ops.constant(0))
    flat = ops.reshape(wide, ops.concat([batch, ops.constant(np.array([4 * 36]))], 0), False)
    whole = ov.Model([ops.matmul(flat, values(4 * 36, 3), False, False, name="out")], [entry])
    still = whole.clone()
    still.reshape({still.inputs[0]: [1, 3, 6, 6]})
    found = channels.find(whole, still)
    smaller = found.without(whole, half(found))
    assert smaller.inputs[0].partial_shape == whole.inputs[0].partial_shape
    np.testing.assert_allclose(answers(smaller), answers(silent(whole, found, half(found))), rtol=1e-4, atol=1e-5)


def test_first_and_strided_layers_are_told() -> None:
    whole = model(lambda x: conv(conv(ops.relu(conv(x, 8, "a", 3)), 8, "b", 3, stride=2), 3, "out"))
    told = {layer.name: (layer.first, layer.strided) for layer in channels.find(whole, whole).layers}
    assert told == {"a": (True, False), "b": (False, True), "out": (False, False)}


def test_a_real_classifier_loses_nothing_that_shows() -> None:
    whole = tiny.classifier()
    found = channels.find(whole, whole)
    assert [layer.name for layer in found.layers][:1] == ["mix"] and found.count == 3
