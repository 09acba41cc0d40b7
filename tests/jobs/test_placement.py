"""Where an image lies in a model's input."""

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from jobs import image_input, placement
from jobs.image_input import ImageInput

SIZES = [(64, 128), (300, 100), (20, 10), (97, 131)]


def entry(resize_type: str, side: int = 64) -> ImageInput:
    parameter = ops.parameter([1, 3, side, side], np.float32)
    return image_input.of(ov.Model([parameter], [parameter]), {"resize_type": resize_type})


@pytest.mark.parametrize("resize_type", ["standard", "fit_to_window", "fit_to_window_letterbox", "crop"])
@pytest.mark.parametrize("size", SIZES)
def test_what_is_in_the_middle_of_the_image_is_found_there(resize_type: str, size: tuple[int, int]) -> None:
    """A square is drawn, the image resized as for the model, and its box there put back."""
    height, width = size
    side = min(size) // 3
    y, x = (height - side) // 2, (width - side) // 2
    image = np.zeros((*size, 3), np.uint8)
    image[y : y + side, x : x + side] = 255
    given = entry(resize_type)
    seen = given.resize(image)[..., 0] / 255.0
    edges = [position for axis in (0, 1) for position in _edges(seen.max(axis))]
    box = np.array([[edges[0], edges[2], edges[1], edges[3]]])
    (found,) = placement.of(given, size).boxes(box).tolist()
    assert found == pytest.approx([x, y, x + side, y + side], abs=0.02 * max(size) + 0.5)


def _edges(line: np.ndarray) -> tuple[float, float]:
    """Where a line that rises once and falls once is half as high as it gets."""
    inside = np.flatnonzero(line >= 0.5)
    return float(inside[0]), float(inside[-1] + 1)


def test_input_is_larger_than_a_padded_image_and_smaller_than_a_cut_one() -> None:
    assert placement.of(entry("fit_to_window_letterbox"), (32, 64)).whole(64, 64) == (0, -16, 64, 48)
    assert placement.of(entry("crop"), (64, 96)).whole(64, 64) == (16, 0, 80, 64)


def test_box_beyond_the_image_is_cut() -> None:
    place = placement.of(entry("fit_to_window"), (32, 64))
    assert place.inside(place.boxes(np.array([[-5.0, 0, 9, 50]]))).tolist() == [[0, 0, 9, 32]]
