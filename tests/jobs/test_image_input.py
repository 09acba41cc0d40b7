"""How an image becomes the input of a model, whatever the model takes, and what is refused."""

from collections.abc import Mapping

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from jobs import image_input
from jobs.errors import BadOption, UnsupportedModel
from jobs.image_input import ImageInput


def model(shape: list[int], kind: type | ov.Type = np.float32, *, layout: str = "", inputs: int = 1) -> ov.Model:
    """It gives back what it takes, as floats."""
    entries = [ops.parameter(shape, kind, name=f"in{number}") for number in range(inputs)]
    made = ov.Model([ops.convert(entry, np.float32) for entry in entries], entries)
    if layout:
        made.get_parameters()[0].layout = ov.Layout(layout)
    return made


def entry(shape: list[int], settings: Mapping[str, str] | None = None, **more: object) -> ImageInput:
    return image_input.of(model(shape, **more), settings or {})  # type: ignore[arg-type]


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


# --- what is known of the input


@pytest.mark.parametrize(
    ("shape", "settings", "expected"),
    [
        ([1, 3, 20, 30], {}, ("NCHW", 20, 30, 3)),
        ([1, 20, 30, 3], {}, ("NHWC", 20, 30, 3)),
        ([1, 1, 28, 28], {}, ("NCHW", 28, 28, 1)),
        ([1, 28, 28, 1], {}, ("NHWC", 28, 28, 1)),
        ([-1, 3, 20, 30], {}, ("NCHW", 20, 30, 3)),
        ([8, 3, 20, 30], {}, ("NCHW", 20, 30, 3)),
        ([1, 3, -1, -1], {"orig_height": "40", "orig_width": "50.0"}, ("NCHW", 40, 50, 3)),
        ([1, -1, -1, 3], {"input_frame_height": "40", "input_frame_width": "50"}, ("NHWC", 40, 50, 3)),
        ([1, 3, 20, -1], {"orig_height": "40"}, ("NCHW", 20, 224, 3)),
        ([1, 3, 20, 3], {"layout": "NHWC"}, ("NHWC", 3, 20, 3)),
        ([1, 3, 20, 3], {"layout": "image:[N, H, W, C]"}, ("NHWC", 3, 20, 3)),
    ],
)
def test_layout_and_size(shape: list[int], settings: dict[str, str], expected: tuple[object, ...]) -> None:
    found = entry(shape, settings)
    assert (found.layout, found.height, found.width, found.channels) == expected


def test_declared_layout_is_believed() -> None:
    assert entry([1, 3, 20, 3], layout="NHWC").layout == "NHWC"
    assert entry([1, 3, 20, 3], {"layout": "NCHW"}, layout="NHWC").layout == "NCHW", "what is given wins"


def test_what_is_assumed_is_said() -> None:
    assert entry([1, 3, 20, 30]).guessed == ()
    assert entry([-1, -1, -1, -1]).guessed == (
        "layout NCHW",
        "height 224, since the model takes any",
        "width 224, since the model takes any",
    )
    assert entry([4, 3, 20, 20]).guessed == ("batch of 4 reshaped to 1",)


@pytest.mark.parametrize(
    ("shape", "more", "match"),
    [
        ([1, 3, 8, 8], {"inputs": 2}, r"2 inputs \(in0, in1\)"),
        ([1, 3, 8, 8], {"inputs": 0}, "0 inputs"),
        ([1, 40], {}, "four dimensions"),
        ([3, 8, 8], {}, "four dimensions"),
        ([1, 3, 4, 8, 8], {}, "four dimensions"),
        ([1, 10, 49, 10], {}, "has 10 channels"),
        ([1, 3, 8, 8], {"kind": np.int64}, "takes i64, which is no type for pixels"),
        ([1, 3, 8, 8], {"kind": np.int8}, "takes i8"),
        ([1, 3, 8, 8], {"kind": ov.Type.boolean}, "takes boolean"),
    ],
)
def test_what_is_no_image_input_is_refused(shape: list[int], more: dict[str, object], match: str) -> None:
    if more.get("inputs") == 0:
        made = ov.Model([ops.relu(ops.constant(np.ones(3, np.float32)))], [])
    else:
        made = model(shape, **more)  # type: ignore[arg-type]
    with pytest.raises(UnsupportedModel, match=match) as caught:
        image_input.of(made, {})
    assert caught.value.hint


def test_input_of_any_rank_is_refused() -> None:
    free = ops.parameter(ov.PartialShape.dynamic(), np.float32)
    with pytest.raises(UnsupportedModel, match="four dimensions"):
        image_input.of(ov.Model([ops.relu(free)], [free]), {})


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"mean_values": "1, 2"}, "mean_values has 2 values for 3 channels"),
        ({"mean_values": "one"}, "must be numbers such as"),
        ({"mean_values": "nan"}, "must be numbers such as"),
        ({"scale_values": "1e999"}, "must be numbers such as"),
        ({"scale_values": "1,0,1"}, "scale of 0"),
        ({"reverse_input_channels": "perhaps"}, "must be true or false"),
        ({"resize_type": "stretch"}, "must be one of"),
        ({"pad_value": "300"}, "from 0 to 255"),
        ({"pad_value": "1.5"}, "whole number"),
        ({"pad_value": "inf"}, "whole number"),
        ({"layout": "CHW"}, "must be NCHW or NHWC"),
        ({"orig_width": "-3"}, "orig_width must be a whole number"),
        ({"orig_height": "100000"}, "from 0 to 16384"),
        ({"resize_type": "crop", "orig_width": "30", "orig_height": "20"}, "square input; this one is 30 × 20"),
    ],
)
def test_setting_that_does_not_fit_is_refused(settings: dict[str, str], match: str) -> None:
    with pytest.raises(BadOption, match=match) as caught:
        entry([1, 3, -1, -1], settings)
    assert caught.value.where in settings


@pytest.mark.parametrize("text", ["123.7, 116.3, 103.5", "123.7 116.3 103.5", "[123.7, 116.3, 103.5]"])
def test_numbers_are_read_however_they_are_written(text: str) -> None:
    assert entry([1, 3, 8, 8], {"mean_values": text}).mean == (123.7, 116.3, 103.5)


def test_one_number_is_for_all_channels_and_neutral_ones_are_none() -> None:
    assert entry([1, 3, 8, 8], {"scale_values": "255"}).scale == (255, 255, 255)
    plain = entry([1, 3, 8, 8], {"scale_values": "1.0", "mean_values": "0 0 0"})
    assert plain.scale == () and plain.mean == ()


@pytest.mark.parametrize(("text", "reverse"), [("True", True), ("YES", True), ("false", False), ("None", False)])
def test_reverse_is_read_however_it_is_written(text: str, reverse: bool) -> None:
    assert entry([1, 3, 8, 8], {"reverse_input_channels": text}).reverse is reverse
    assert not entry([1, 1, 8, 8], {"reverse_input_channels": text}).reverse, "grey has no order"


# --- an image on its way in


@pytest.mark.parametrize("resize_type", ["standard", "fit_to_window", "fit_to_window_letterbox", "crop"])
@pytest.mark.parametrize("size", [(20, 20), (7, 13), (41, 17), (200, 30)])
def test_every_way_of_resizing_gives_the_size(resize_type: str, size: tuple[int, int]) -> None:
    resized = entry([1, 3, 20, 20], {"resize_type": resize_type}).resize(noise(*size))
    assert resized.shape == (20, 20, 3) and resized.dtype == np.uint8


def test_letterbox_is_padded_with_the_value() -> None:
    resized = entry([1, 3, 20, 20], {"resize_type": "fit_to_window_letterbox", "pad_value": "114"}).resize(
        np.full((10, 20, 3), 7, np.uint8)
    )
    assert (resized[:5] == 114).all() and (resized[5:15] == 7).all() and (resized[15:] == 114).all()


def test_image_without_height_left_is_refused() -> None:
    for resize_type in ("fit_to_window", "fit_to_window_letterbox"):
        with pytest.raises(ValueError, match="9000 × 1 pixels cannot be resized"):
            entry([1, 3, 20, 20], {"resize_type": resize_type}).resize(noise(1, 9000))


def test_grey_input_gets_grey() -> None:
    resized = entry([1, 1, 8, 8]).resize(np.full((8, 8, 3), (255, 0, 0), np.uint8))
    assert resized.shape == (8, 8, 1) and (resized == 76).all()


@pytest.mark.parametrize("shape", [[1, 3, 6, 9], [1, 6, 9, 3], [-1, 3, 6, 9], [4, 3, 6, 9], [1, 1, 6, 9]])
@pytest.mark.parametrize("kind", [np.float32, np.float16])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"mean_values": "10, 20, 30", "scale_values": "2, 4, 8", "reverse_input_channels": "true"},
        {"scale_values": "255"},
    ],
)
def test_embedded_and_own_preparation_agree(shape: list[int], kind: type, settings: dict[str, str]) -> None:
    """The model with its preprocessing inside answers as the untouched one on the prepared tensor."""
    if 1 in shape[1:] and settings.get("mean_values"):
        settings = settings | {"mean_values": "10", "scale_values": "2"}
    made = model(shape, kind)
    found = image_input.of(made, settings)
    pixels = found.resize(noise(6, 9))
    tensor = found.tensor(pixels)
    assert list(tensor.shape) == found.shape and tensor.dtype == kind
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    inside = ov.compile_model(found.embed(made), "CPU", config)(pixels[None])[0]
    outside = ov.compile_model(found.fix_shape(made), "CPU", config)(tensor)[0]
    np.testing.assert_allclose(inside, outside, rtol=1e-3 if kind == np.float16 else 1e-5, atol=1e-6)
    assert made.inputs[0].partial_shape == ov.PartialShape(shape), "the model itself is untouched"


def test_mean_is_taken_in_the_order_the_model_sees() -> None:
    found = entry([1, 3, 1, 1], {"mean_values": "1, 2, 3", "reverse_input_channels": "true"})
    red_green_blue = np.array([[[10, 20, 30]]], np.uint8)
    assert found.tensor(red_green_blue).ravel().tolist() == [30 - 1, 20 - 2, 10 - 3]


def test_model_of_bytes_takes_pixels_as_they_are() -> None:
    """Mean and scale would leave nothing of bytes; a template may bring them all the same."""
    made = model([1, 8, 8, 3], np.uint8)
    found = image_input.of(made, {"mean_values": "123.7, 116.3, 103.5", "scale_values": "58, 57, 57"})
    pixels = found.resize(noise(8, 8))
    assert "whole numbers" in found.guessed[-1]
    assert (found.tensor(pixels)[0] == pixels).all()
    assert (ov.compile_model(found.embed(made), "CPU")(pixels[None])[0] == pixels).all()


@pytest.mark.parametrize("kind", ["standard", "crop", "fit_to_window", "fit_to_window_letterbox"])
@pytest.mark.parametrize(("height", "width"), [(40, 60), (60, 40), (20, 20)])
def test_numbers_of_pixels_lie_where_the_pixels_do(kind: str, height: int, width: int) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    numbers = np.full((height, width), 3, np.uint8)
    image[height // 4 : height // 2, width // 4 : width // 2] = 255
    numbers[height // 4 : height // 2, width // 4 : width // 2] = 7
    found = entry([1, 3, 20, 20], {"resize_type": kind, "pad_value": "90"})
    pixels, laid = found.resize(image)[..., 0], found.resize_map(numbers, 255)
    assert laid.shape == (20, 20) and ((pixels > 127) == (laid == 7)).mean() > 0.97
    padded = kind.startswith("fit") and height != width
    assert ((laid == 255).mean() > 0.3) == padded and set(np.unique(laid)) <= {3, 7, 255}
