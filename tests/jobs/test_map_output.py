"""Which output is a map, what it holds, and how it becomes the map of an image."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray
from openvino import opset13 as ops

from jobs import image_input, label_maps, map_output
from jobs.errors import WrongTask
from jobs.label_codes import VOID
from jobs.map_output import Holds, MapOutput, Reader
from jobs.wrapper import Wrapper
from tests.jobs import streets

PLACES = np.arange(256, dtype=np.uint8)


def made(*outputs: Any, entry: Any) -> ov.Model:
    model = ov.Model(list(outputs), [entry], "maps")
    for place, port in enumerate(model.outputs):
        port.set_names({f"output{place}"})
    return model


def parameter(shape: Sequence[int] = (1, 3, 24, 32)) -> Any:
    return ops.parameter(list(shape), np.float32, name="image")


def scores(entry: Any, channels: int = 4) -> Any:
    weights = np.random.default_rng(0).normal(0, 1, (channels, 3, 1, 1)).astype(np.float32)
    return ops.convolution(entry, weights, [1, 1], [0, 0], [0, 0], [1, 1])


def found(model: ov.Model, **settings: str) -> MapOutput:
    return map_output.find(model, image_input.of(model, settings))


def test_scores_with_the_classes_first() -> None:
    entry = parameter()
    output = found(made(ops.softmax(scores(entry), 1), entry=entry))
    assert (output.holds, output.classes, output.last) == (Holds.SCORES, 4, False)


def test_scores_with_the_classes_last() -> None:
    entry = parameter((1, 24, 32, 3))
    first = ops.transpose(entry, ops.constant([0, 3, 1, 2]))
    output = found(made(ops.transpose(scores(first), ops.constant([0, 2, 3, 1])), entry=entry))
    assert (output.holds, output.classes, output.last) == (Holds.SCORES, 4, True)


def test_coarse_map_is_one_too() -> None:
    entry = parameter()
    pooled = ops.avg_pool(scores(entry), [4, 4], [0, 0], [0, 0], [4, 4], False)
    assert found(made(pooled, entry=entry)).classes == 4


@pytest.mark.parametrize("kind", ["i64", "i32", "u8", "f32"])
@pytest.mark.parametrize("axes", [[], [0], [0, 1]])
def test_numbers_of_classes(kind: str, axes: list[int]) -> None:
    entry = parameter()
    best = ops.topk(scores(entry), ops.constant(1), 1, "max", "value").output(1)
    numbers = ops.convert(best, kind)
    if len(axes) == 1:
        numbers = ops.squeeze(numbers, ops.constant([1]))
    output = found(made(numbers, entry=entry))
    assert (output.holds, output.classes) == (Holds.NUMBERS, 0)


def test_single_class_with_and_without_sigmoid() -> None:
    entry = parameter()
    bare = found(made(scores(entry, 1), entry=entry))
    assert (bare.holds, bare.classes, bare.squash) == (Holds.ONE, 2, True)
    entry = parameter()
    assert not found(made(ops.sigmoid(scores(entry, 1)), entry=entry)).squash


def test_largest_map_is_meant_and_features_are_not() -> None:
    entry = parameter()
    small = ops.avg_pool(scores(entry), [2, 2], [0, 0], [0, 0], [2, 2], False)
    features = scores(entry, 8)
    model = made(small, features, scores(entry, 5), entry=entry)
    model.outputs[1].set_names({"feature_vector"})
    assert (found(model).place, found(model).classes) == (2, 5)


def test_list_of_scores_is_no_map() -> None:
    entry = parameter()
    means = ops.reduce_mean(scores(entry), ops.constant([2, 3]), keep_dims=True)
    with pytest.raises(WrongTask, match="no map of classes"):
        found(made(means, entry=entry))


def test_detectors_grid_is_no_map() -> None:
    assert map_output.looks_like_one((1, 85, 11, 11), "f32", (352, 352)) is None
    assert map_output.looks_like_one((1, 100, 5), "f32", (352, 352)) is None


def read(output: MapOutput, values: NDArray[Any], size: tuple[int, int] = (24, 32), **more: Any) -> tuple[Any, float]:
    entry = parameter()
    model = made(scores(entry), entry=entry)
    reader = Reader(output, image_input.of(model, more.pop("settings", {})), more.pop("places", PLACES), **more)
    packed, shape, sure = reader([values], size)
    return label_maps.unpack(packed, shape), float(sure[0])


@pytest.mark.parametrize("blur", ["-1", "1", "3"])
@pytest.mark.parametrize("size", [(24, 32), (48, 64), (11, 17)])
def test_map_of_scores_is_that_of_model_api(blur: str, size: tuple[int, int]) -> None:
    model = streets.model()
    settings = {"labels": "a b c", "soft_threshold": "0.45", "blur_strength": blur}
    entry = image_input.of(model, settings)
    values = np.random.default_rng(3).dirichlet([1, 1, 1], (24, 24)).astype(np.float32).transpose(2, 0, 1)[None]
    wrapper = Wrapper(model, entry, {**settings, "return_soft_prediction": "False"}, "Segmentation")
    expected = wrapper.read({"output1": values}, size)
    output = MapOutput(0, Holds.SCORES, 3)
    packed, shape, _ = Reader(output, entry, PLACES, 0.45, int(blur))([values.copy()], size)
    assert (label_maps.resized(label_maps.unpack(packed, shape), size) == expected).all()


def test_classes_last_say_the_same_as_first() -> None:
    values = np.random.default_rng(0).normal(size=(1, 4, 24, 32)).astype(np.float32)
    first, sure = read(MapOutput(0, Holds.SCORES, 4), values)
    last, sure_last = read(MapOutput(0, Holds.SCORES, 4, last=True), values.transpose(0, 2, 3, 1))
    assert (first == last).all() and (first == values[0].argmax(0)).all()
    assert sure == sure_last


def test_of_equal_scores_the_first_is_meant() -> None:
    values = np.random.default_rng(0).integers(0, 3, (1, 200, 24, 32)).astype(np.float16)
    assert (read(MapOutput(0, Holds.SCORES, 200), values)[0] == values[0].argmax(0)).all()


def test_how_sure_it_is_is_a_probability() -> None:
    logits = np.zeros((1, 4, 24, 32), np.float32)
    assert read(MapOutput(0, Holds.SCORES, 4), logits)[1] == pytest.approx(0.25)
    logits[0, 2] = 1000
    assert read(MapOutput(0, Holds.SCORES, 4), logits)[1] == pytest.approx(1)


def test_numbers_are_taken_as_they_are() -> None:
    numbers = np.random.default_rng(0).integers(0, 4, (24, 32))
    for values in (numbers[None], numbers[None, None], numbers[None].astype(np.float32)):
        assert (read(MapOutput(0, Holds.NUMBERS, 0), values)[0] == numbers).all()
    last = MapOutput(0, Holds.NUMBERS, 0, last=True)
    assert (read(last, numbers[None, ..., None])[0] == numbers).all()


def test_number_out_of_bounds_is_the_last_place() -> None:
    places = np.full(256, 9, np.uint8)
    values = np.array([[-1, 0], [300, 70000]])
    places[0] = 0
    assert read(MapOutput(0, Holds.NUMBERS, 0), values[None], (2, 2), places=places)[0].tolist() == [[9, 0], [9, 9]]


def test_single_score_is_yes_from_a_half_on() -> None:
    values = np.array([[[[-1.0, 0.0], [3.0, -4.0]]]], np.float32)
    assert read(MapOutput(0, Holds.ONE, 2, squash=True), values, (2, 2))[0].tolist() == [[0, 1], [1, 0]]
    likely = np.array([[[[0.1, 0.5], [0.9, 0.4]]]], np.float32)
    numbers, sure = read(MapOutput(0, Holds.ONE, 2), likely, (2, 2))
    assert numbers.tolist() == [[0, 1], [1, 0]] and sure == pytest.approx((0.9 + 0.5 + 0.9 + 0.6) / 4)


@pytest.mark.parametrize("resize", ["standard", "fit_to_window", "fit_to_window_letterbox"])
@pytest.mark.parametrize("size", [(100, 40), (40, 100), (48, 64), (30, 90)])
@pytest.mark.parametrize("scale", [1, 2])
def test_padding_is_cut_off(resize: str, size: tuple[int, int], scale: int) -> None:
    """An image whose left half is bright comes back as it was, whatever was added around it."""
    entry = image_input.of(made(scores(source := parameter((1, 3, 64, 64))), entry=source), {"resize_type": resize})
    image = np.full((*size, 3), 60, np.uint8)
    image[:, : size[1] // 2] = 220
    shown = entry.resize(image)[::scale, ::scale, 0]
    numbers = np.where(shown > 140, 2, np.where(shown > 30, 1, 0)).astype(np.uint8)
    whole = label_maps.resized(map_output.unpadded(numbers, entry, size), size)
    expected = np.where(image[..., 0] > 140, 2, 1)
    assert (whole == expected).mean() > 0.93 and (whole[size[0] // 2] != 0).all()


@pytest.mark.parametrize("size", [(100, 40), (40, 100), (64, 64)])
def test_what_was_cut_off_is_void(size: tuple[int, int]) -> None:
    entry = image_input.of(made(scores(source := parameter((1, 3, 64, 64))), entry=source), {"resize_type": "crop"})
    whole = label_maps.resized(map_output.unpadded(np.ones((64, 64), np.uint8), entry, size), size)
    side = min(size)
    assert (whole == 1).sum() == pytest.approx(side * side, rel=0.05)
    assert set(np.unique(whole)) <= {1, VOID} and whole[size[0] // 2, size[1] // 2] == 1
