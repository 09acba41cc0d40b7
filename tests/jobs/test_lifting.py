"""Every operation in PyTorch says what OpenVINO says."""

import itertools
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import openvino as ov
import pytest
import torch
from openvino import opset1, opset10
from openvino import opset15 as ops

from jobs import lift
from jobs.lift import End, Lifted

Make = Callable[[ov.Node], ov.Node]
RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(0, 1, shape).astype(np.float32)


def check(
    *makes: Make, shape: Sequence[int] = (2, 4, 9, 8), low: float = -3, high: float = 3, names: Sequence[str] = ()
) -> None:
    """Operations behind a scale, which makes the model one that can be trained; all in one, which compiles faster."""
    entry = ops.parameter(list(shape), np.float32, name="image")
    weight = np.ones((shape[1], 1, *[1] * (len(shape) - 2)), np.float32)[:, :, None]
    scaled = ops.group_convolution(entry, weight, *_still(len(shape) - 2)) if len(shape) > 2 else entry
    if len(shape) == 2:
        scaled = ops.matmul(entry, np.eye(shape[1], dtype=np.float32), False, False)
    made = [make(scaled) for make in makes]
    ends = [one.outputs()[:1] if one.get_type_name() == "MaxPool" else one.outputs() for one in made]
    model = lift.folded(ov.Model([output for outputs in ends for output in outputs], [entry]))
    lifted = lift.lift(model)
    image = RNG.uniform(low, high, shape).astype(np.float32)
    wanted = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(image)
    with torch.no_grad():
        found = dict(zip(lifted.ends, lifted.module(torch.from_numpy(image)), strict=True))
    assert not lifted.left
    for place, result in enumerate(model.get_results()):
        node, port = result.input_value(0).get_node(), result.input_value(0).get_index()
        one = found[End(node.get_friendly_name(), port)]
        name = names[place] if names else node.get_type_name()
        np.testing.assert_allclose(one.numpy(), wanted[place], rtol=1e-4, atol=1e-5, err_msg=f"{place}: {name}")
    _check_side_by_side(lifted, image)


def _check_side_by_side(lifted: Lifted, image: np.ndarray) -> None:
    """Two entries at once through a graph for one get what each gets alone, and none is done one after the other."""
    entries = torch.from_numpy(np.stack([image, image[::-1] / 2]))
    with torch.no_grad():
        together = torch.vmap(lifted.module)(entries)
        for place, entry in enumerate(entries):
            for one, alone in zip(together, lifted.module(entry), strict=True):
                torch.testing.assert_close(one[place], alone, rtol=1e-4, atol=1e-5, equal_nan=True)


def _still(axes: int) -> tuple[list[int], ...]:
    return [1] * axes, [0] * axes, [0] * axes, [1] * axes


PADS = [([1, 1], [1, 1]), ([0, 1], [2, 1]), ([0, 0], [0, 0])]


def convolution(pads: tuple[list[int], list[int]], stride: int, dilation: int) -> Make:
    weight = normal(6, 4, 3, 3)
    return lambda x: ops.convolution(x, weight, [stride] * 2, *pads, [dilation] * 2)


def test_convolution() -> None:
    check(*itertools.starmap(convolution, itertools.product(PADS, [1, 2], [1, 2])))


def padding_itself(mode: str, stride: int) -> Make:
    weight = normal(6, 4, 4, 3)
    return lambda x: ops.convolution(x, weight, [stride] * 2, [0, 0], [0, 0], [1, 1], auto_pad=mode)


def test_convolution_that_pads_by_itself() -> None:
    check(*itertools.starmap(padding_itself, itertools.product(["same_upper", "same_lower", "valid"], [1, 2, 3])))


def test_convolution_of_groups_and_other_axes() -> None:
    check(lambda x: ops.group_convolution(x, normal(2, 3, 2, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1]))
    check(lambda x: ops.convolution(x, normal(5, 4, 3), [2], [1], [1], [1]), shape=(2, 4, 9))
    check(
        lambda x: ops.convolution(x, normal(5, 4, 3, 3, 3), [1] * 3, [1] * 3, [1] * 3, [1] * 3), shape=(1, 4, 5, 6, 7)
    )


def biased(bias: tuple[int, ...], first: bool) -> Make:
    weight, value = normal(6, 4, 3, 3), normal(*bias)

    def make(x: ov.Node) -> ov.Node:
        sides = [ops.convolution(x, weight, [1, 1], [1, 1], [1, 1], [1, 1]), ops.constant(value)]
        return ops.relu(ops.add(*(sides[::-1] if first else sides)))

    return make


def test_bias_is_added_once() -> None:
    shapes: list[tuple[int, ...]] = [(1, 6, 1, 1), (6, 1, 1), (1, 1, 1, 1), (), (1, 6, 9, 8)]
    check(*itertools.starmap(biased, itertools.product(shapes, [True, False])))


def test_bias_of_what_is_used_twice_stays_an_addition() -> None:
    def twice(x: ov.Node) -> ov.Node:
        found = ops.convolution(x, normal(4, 4, 1, 1), [1, 1], [0, 0], [0, 0], [1, 1])
        return ops.multiply(ops.add(found, ops.constant(normal(1, 4, 1, 1))), found)

    check(twice)


@pytest.mark.parametrize(
    ("stride", "begin", "end", "extra"),
    [
        (2, [1, 1], [1, 1], [1, 1]),
        (2, [0, 0], [0, 0], [0, 0]),
        (2, [0, 1], [1, 0], [0, 0]),
        (1, [1, 1], [1, 1], [0, 0]),
    ],
)
def test_transposed_convolution(stride: int, begin: list[int], end: list[int], extra: list[int]) -> None:
    more = {"pads_begin": begin, "pads_end": end, "output_padding": extra}
    check(
        lambda x: ops.convolution_backprop_data(x, normal(4, 5, 3, 3), [stride] * 2, **more),
        lambda x: ops.group_convolution_backprop_data(x, normal(2, 2, 3, 3, 3), [stride] * 2, **more),
    )


@pytest.mark.parametrize("mode", ["same_upper", "same_lower"])
def test_transposed_convolution_to_a_size(mode: str) -> None:
    size = ops.constant([18, 16])
    check(lambda x: ops.convolution_backprop_data(x, normal(4, 5, 3, 4), [2, 2], size, auto_pad=mode))


def products(left: bool, right: bool) -> list[Make]:
    weight = normal(*((5, 9 if left else 8) if right else (9 if left else 8, 5)))
    return [
        lambda x: ops.matmul(x, weight, left, right),
        lambda x: ops.matmul(x, x, left, not left),
        lambda x: ops.matmul(normal(3, 9 if not right else 8), x, False, right),
    ]


def test_products() -> None:
    flags = itertools.product([False, True], repeat=2)
    check(*(one for left, right in flags for one in products(left, right)))


POOLS = list(itertools.product([([0, 0], [0, 0]), ([1, 1], [1, 1]), ([0, 1], [1, 0])], ["floor", "ceil"], [1, 2, 3]))


def pools(pads: tuple[list[int], list[int]], rounding: str, stride: int) -> list[Make]:
    return [
        lambda x: opset1.max_pool(x, [stride] * 2, *pads, [3, 2], rounding),
        lambda x: opset1.avg_pool(x, [stride] * 2, *pads, [3, 2], True, rounding),
        lambda x: opset1.avg_pool(x, [stride] * 2, *pads, [3, 2], False, rounding),
    ]


def test_pooling() -> None:
    check(*(one for pool in POOLS for one in pools(*pool)))


def padding_pools(mode: str) -> list[Make]:
    return [
        lambda x: opset1.max_pool(x, [2, 2], [0, 0], [0, 0], [3, 2], "floor", mode),
        lambda x: opset1.avg_pool(x, [2, 2], [0, 0], [0, 0], [3, 2], True, "floor", mode),
    ]


def test_pooling_that_pads_by_itself() -> None:
    check(*(one for mode in ("same_upper", "same_lower", "valid") for one in padding_pools(mode)))


def test_pooling_of_other_kinds() -> None:
    check(lambda x: ops.max_pool(x, [1, 1], [2, 2], [1, 1], [1, 1], [2, 2]))
    check(lambda x: opset1.max_pool(x, [2], [0], [0], [3]), shape=(2, 4, 9))
    check(lambda x: ops.adaptive_avg_pool(x, ops.constant([3, 2])))


MODES = ["half_pixel", "pytorch_half_pixel", "asymmetric", "tf_half_pixel_for_nn", "align_corners"]
SIZES = [(18, 16), (5, 3), (13, 20), (1, 1)]


def interpolation(where: str, size: tuple[int, int], mode: str, how: str = "round_prefer_floor") -> Make:
    more = {"axes": ops.constant([2, 3]), "coordinate_transformation_mode": where, "nearest_mode": how}
    return lambda x: ops.interpolate(x, ops.constant(np.array(size)), mode, "sizes", **more)


NEAREST = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "simple"]


@pytest.mark.parametrize("mode", ["linear_onnx", "cubic"])
def test_interpolation(mode: str) -> None:
    check(*(interpolation(where, size, mode) for where, size in itertools.product(MODES, SIZES)))


def test_interpolation_to_the_nearest() -> None:
    kinds = itertools.product(MODES, SIZES[:3], NEAREST)
    check(*(interpolation(where, size, "nearest", how) for where, size, how in kinds))


def test_interpolation_of_older_sets() -> None:
    axes, scales = ops.constant([2, 3]), ops.constant(np.array([2, 2], np.float32))
    size = ops.constant([18, 16])
    check(lambda x: opset10.interpolate(x, size, scales, "linear_onnx", "scales", [0], [0], axes=axes))
    first = {"axes": [2, 3], "align_corners": False, "pads_begin": [0], "pads_end": [0]}
    check(lambda x: opset1.interpolate(x, size, {"mode": "nearest", **first}))


def normalisations(across: list[int]) -> list[Make]:
    axes = ops.constant(across)
    return [
        lambda x: ops.mvn(x, axes, True, 1e-3, "inside_sqrt"),
        lambda x: ops.mvn(x, axes, True, 1e-3, "outside_sqrt"),
        lambda x: ops.mvn(x, axes, False, 1e-3, "inside_sqrt"),
        lambda x: ops.normalize_l2(x, axes, 1e-3, "add"),
        lambda x: ops.normalize_l2(x, axes, 1e-3, "max"),
    ]


def test_normalisation() -> None:
    check(*(one for across in ([1, 2, 3], [2, 3], [3]) for one in normalisations(across)))


def test_normalisation_with_statistics() -> None:
    four = [ops.constant(np.abs(normal(4)) + 0.5) for _ in range(4)]
    check(
        lambda x: ops.batch_norm_inference(x, *four, 1e-3),
        lambda x: ops.group_normalization(x, four[0], four[1], 2, 1e-5),
        lambda x: ops.lrn(x, ops.constant([1]), 1e-2, 0.75, 1, 3),
    )


PLAIN: dict[str, Make] = {
    "relu": ops.relu,
    "sigmoid": ops.sigmoid,
    "tanh": ops.tanh,
    "swish": ops.swish,
    "swish with beta": lambda x: ops.swish(x, ops.constant(np.float32(1.7))),
    "hswish": ops.hswish,
    "hsigmoid": ops.hsigmoid,
    "hard sigmoid": lambda x: ops.hard_sigmoid(x, np.float32(0.2), np.float32(0.5)),
    "gelu": lambda x: ops.gelu(x, "erf"),
    "gelu by tanh": lambda x: ops.gelu(x, "tanh"),
    "mish": ops.mish,
    "softplus": ops.softplus,
    "softsign": ops.softsign,
    "elu": lambda x: ops.elu(x, 0.7),
    "selu": lambda x: ops.selu(x, np.float32(1.67), np.float32(1.05)),
    "prelu": lambda x: ops.prelu(x, normal(4)),
    "prelu of one slope": lambda x: ops.prelu(x, np.float32(0.1)),
    "clamp": lambda x: ops.clamp(x, -1, 2),
    "relu6": lambda x: ops.clamp(x, 0, 6),
    "softmax": lambda x: ops.softmax(x, 1),
    "log softmax": lambda x: ops.log_softmax(x, -1),
    "exp": ops.exp,
    "abs": ops.absolute,
    "negative": ops.negative,
    "floor": ops.floor,
    "ceiling": ops.ceiling,
    "sign": ops.sign,
    "erf": ops.erf,
    "sin": ops.sin,
    "cos": ops.cos,
    "atan": ops.atan,
    "round": lambda x: ops.round(x, "half_to_even"),
    "round away": lambda x: ops.round(x, "half_away_from_zero"),
    "transpose": lambda x: ops.transpose(x, ops.constant([0, 2, 3, 1])),
    "transpose without order": lambda x: ops.transpose(x, ops.constant(np.array([], np.int64))),
    "reshape": lambda x: ops.reshape(x, ops.constant([0, 2, -1]), True),
    "squeeze": lambda x: ops.squeeze(ops.unsqueeze(x, ops.constant([1, 3])), ops.constant([3])),
    "concat": lambda x: ops.concat([x, ops.relu(x), ops.constant(normal(2, 1, 9, 8))], 1),
    "depth to space": lambda x: ops.depth_to_space(x, "blocks_first", 2),
    "depth to space, depth first": lambda x: ops.depth_to_space(x, "depth_first", 2),
    "shuffle": lambda x: ops.shuffle_channels(x, 1, 2),
    "tile": lambda x: ops.tile(x, ops.constant([1, 2, 1, 3])),
    "gather": lambda x: ops.gather(x, ops.constant([3, 0, -1]), ops.constant(1)),
    "gather one": lambda x: ops.gather(x, ops.constant(2), ops.constant(1)),
    "gather a table": lambda x: ops.gather(x, ops.constant([[0, 1], [2, 3]]), ops.constant(-1)),
    "slice": lambda x: ops.slice(x, [1, 0], [-1, 9], [1, 2], [1, 2]),
    "slice backwards": lambda x: ops.slice(x, [-1], [-100], [-1], [3]),
    "maximum": lambda x: ops.maximum(x, ops.constant(np.float32(0.2))),
    "minimum": lambda x: ops.minimum(x, ops.constant(normal(1, 4, 1, 1))),
    "add": lambda x: ops.add(x, ops.constant(normal(1, 4, 1, 1))),
    "subtract": lambda x: ops.subtract(ops.constant(normal(1, 4, 1, 1)), x),
    "multiply": lambda x: ops.multiply(x, ops.constant(normal(8))),
    "divide": lambda x: ops.divide(x, ops.constant(np.abs(normal(1, 4, 1, 1)) + 1)),
    "squared difference": lambda x: ops.squared_difference(x, ops.constant(normal(8))),
    "floor mod": lambda x: ops.floor_mod(x, ops.constant(np.float32(0.7))),
    "mod": lambda x: ops.mod(x, ops.constant(np.float32(0.7))),
    "select": lambda x: ops.select(ops.greater(x, ops.constant(np.float32(0))), x, ops.constant(np.float32(0.1))),
    "pad": lambda x: ops.pad(x, ops.constant([0, 0, 1, 2]), ops.constant([0, 1, 0, 1]), "constant", np.float32(0.5)),
    "crop": lambda x: ops.pad(x, ops.constant([0, 0, -1, 0]), ops.constant([0, 0, 0, -2]), "constant"),
    "reflect": lambda x: ops.pad(x, ops.constant([0, 0, 2, 1]), ops.constant([0, 0, 1, 3]), "reflect"),
    "edge": lambda x: ops.pad(x, ops.constant([0, 0, 2, 1]), ops.constant([0, 0, 1, 3]), "edge"),
    "symmetric": lambda x: ops.pad(x, ops.constant([0, 0, 2, 1]), ops.constant([0, 0, 1, 3]), "symmetric"),
    "fake quantize": lambda x: ops.fake_quantize(x, *map(np.float32, (-2, 2, -2, 2)), 255),
    "fake quantize to another range": lambda x: ops.fake_quantize(x, *map(np.float32, (-2, 2, 0, 1)), 16),
    "fake quantize of no span": lambda x: ops.fake_quantize(x, *map(np.float32, (0, 0, 0, 0)), 256),
    "integers": lambda x: ops.convert(ops.add(ops.convert(x, "i64"), ops.constant(np.int64(1))), "f32"),
    "attention": lambda x: ops.scaled_dot_product_attention(x, x, x),
    "broadcast": lambda x: ops.broadcast(ops.reduce_mean(x, ops.constant([2]), True), ops.constant([2, 4, 5, 8])),
}


@pytest.mark.filterwarnings("ignore:There is a performance drop.*flash_attention:UserWarning")
def test_operations() -> None:
    check(*PLAIN.values(), names=list(PLAIN))


def test_operations_of_positive_numbers() -> None:
    check(ops.sqrt, ops.log, lambda x: ops.power(x, ops.constant(np.float32(1.5))), low=0.1)


def test_space_to_depth() -> None:
    modes: list[Make] = [
        partial(ops.space_to_depth, mode=mode, block_size=2) for mode in ("blocks_first", "depth_first")
    ]
    check(*modes, shape=(2, 4, 8, 6))


def test_splits() -> None:
    check(
        lambda x: ops.split(x, ops.constant(1), 2),
        lambda x: ops.variadic_split(x, ops.constant(2), ops.constant([2, -1, 3])),
    )


def reduction(name: str, keep: bool) -> Make:
    return lambda x: getattr(ops, f"reduce_{name}")(x, ops.constant([-1, 2]), keep)


def test_reductions() -> None:
    kinds = itertools.product(["mean", "sum", "max", "min", "prod", "l1", "l2"], [True, False])
    check(*itertools.starmap(reduction, kinds), low=0.5, high=1.2)


@pytest.mark.parametrize(
    ("begin", "end", "steps", "masks"),
    [
        ([0, 1], [1, 3], [1, 1], {"begin_mask": [1, 0], "end_mask": [1, 0]}),
        ([0, 2, 0, 0], [0, 3, 0, 0], [1, 1, 1, 2], {"begin_mask": [1, 0, 1, 1], "end_mask": [1, 0, 1, 1]}),
        ([0, 2], [0, 3], [1, 1], {"begin_mask": [1, 0], "end_mask": [1, 0], "shrink_axis_mask": [0, 1]}),
        ([0, 0], [0, 0], [1, 1], {"begin_mask": [1, 1], "end_mask": [1, 1], "new_axis_mask": [0, 1]}),
        ([0, -3], [0, -1], [1, 1], {"begin_mask": [1, 0], "end_mask": [1, 0], "ellipsis_mask": [1, 0]}),
    ],
)
def test_strided_slice(begin: list[int], end: list[int], steps: list[int], masks: dict[str, list[int]]) -> None:
    said = {"begin_mask": [0] * len(begin), "end_mask": [0] * len(begin), **masks}
    parts = [ops.constant(values) for values in (begin, end, steps)]
    check(lambda x: ops.strided_slice(x, *parts, **said))


def comparison(name: str) -> Make:
    return lambda x: ops.convert(getattr(ops, name)(x, ops.constant(np.float32(0.5))), "f32")


def between(x: ov.Node) -> ov.Node:
    return ops.convert(ops.logical_and(ops.less(x, np.float32(1)), ops.logical_not(ops.less(x, np.float32(0)))), "f32")


def test_comparisons() -> None:
    names = ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal")
    check(*map(comparison, names), between)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: ops.reduce_l2(x, ops.constant([2, 3]), True),
        lambda x: ops.sqrt(x),
        lambda x: ops.power(x, ops.constant(np.float32(0.5))),
        lambda x: ops.normalize_l2(x, ops.constant([1]), 1e-12, "max"),
    ],
    ids=["length", "root", "power", "normalisation"],
)
def test_gradients_where_all_is_0_are_numbers(make: Make) -> None:
    """Lite-HRNet divides by the lengths of features, and what a quantizer lets through of some is nothing."""
    entry = ops.parameter([1, 4, 3, 3], np.float32)
    mixed = ops.convolution(entry, normal(4, 4, 1, 1), [1, 1], [0, 0], [0, 0], [1, 1])
    divided = ops.divide(mixed, ops.maximum(make(mixed), ops.constant(np.float32(1e-12))))
    lifted = lift.lift(ov.Model([divided], [entry]))
    lifted.module(torch.zeros(1, 4, 3, 3))[0].sum().backward()
    (weight,) = lifted.parameters.values()
    assert weight.grad is not None and torch.isfinite(weight.grad).all()


def test_division_by_what_a_quantizer_made_0_has_gradients() -> None:
    """What is infinite is clipped by the next quantizer, here as there."""
    entry = ops.parameter([1, 4, 3, 3], np.float32)
    mixed = ops.convolution(entry, np.ones((4, 4, 1, 1), np.float32), [1, 1], [0, 0], [0, 0], [1, 1])
    ends = list(map(np.float32, (0, 255, 0, 255)))
    divided = ops.fake_quantize(ops.divide(mixed, ops.fake_quantize(mixed, *ends, 256)), *ends, 256)
    model = ov.Model([divided], [entry])
    lifted = lift.lift(model)
    image = RNG.uniform(0.01, 0.12, (1, 4, 3, 3)).astype(np.float32)
    image[..., 1:] *= 100
    (found,) = lifted.module(torch.from_numpy(image))
    found.sum().backward()
    wanted = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(image)[0]
    np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=1e-4)
    assert wanted.max() == 255
    learned = [*lifted.parameters.values(), *map(lifted.step, lifted.steps)]
    assert all(one.grad is not None and torch.isfinite(one.grad).all() for one in learned)
