import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray
from openvino import opset13 as ops

from jobs import separable


def blur(kernel: NDArray[np.float32], *, pads: tuple[int, int] = (0, 0), half: bool = False) -> ov.Model:
    entry = ops.parameter([1, 1, 24, 20], np.float32, name="map")
    weights = ops.constant(kernel[None, None].astype(np.float16 if half else np.float32))
    weights = ops.convert(weights, np.float32) if half else weights
    made = ops.convolution(entry, weights, [1, 1], list(pads), list(pads), [1, 1], name="blur")
    made.output(0).set_names({"blurred"})
    return ov.Model([made], [entry])


def gaussian(side: int, sigma: float) -> NDArray[np.float32]:
    line = np.exp(-((np.arange(side) - side // 2) ** 2) / (2 * sigma**2))
    return np.outer(line, line / line.sum() ** 2).astype(np.float32)


def answer(model: ov.Model) -> NDArray[np.float32]:
    given = np.random.default_rng(0).normal(0, 1, (1, 1, 24, 20)).astype(np.float32)
    found: NDArray[np.float32] = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(given)["blurred"]
    return found


@pytest.mark.parametrize("half", [False, True], ids=["single", "half"])
@pytest.mark.parametrize("pads", [(0, 0), (5, 3)])
def test_blur_in_two_passes_is_the_same(half: bool, pads: tuple[int, int]) -> None:
    model, split = (blur(gaussian(11, 2), pads=pads, half=half) for _ in range(2))
    assert separable.lighten(split) and "two passes" in separable.lighten(blur(gaussian(11, 2)))[0]
    assert [list(op.shape) for op in split.outputs] == [list(op.shape) for op in model.outputs]
    assert np.allclose(answer(split), answer(model), atol=2e-4 if half else 1e-6)
    assert split.outputs[0].any_name == "blurred"
    assert [op.friendly_name for op in split.get_ordered_ops() if op.get_type_name() == "Convolution"] == [
        "blur/down",
        "blur",
    ]


def test_kernel_that_is_no_product_or_small_stays() -> None:
    other = np.random.default_rng(1).normal(0, 1, (11, 11)).astype(np.float32)
    assert separable.lighten(blur(other)) == () and separable.lighten(blur(gaussian(5, 1))) == ()
