"""Maps stretched over an image."""

import numpy as np
import pytest

from jobs import masks, planes
from jobs.predictions import Array

SIZE = (40, 60)


def exact(plane: Array, around: tuple[float, ...], level: float) -> Array:
    """As the definition has it, over the whole image."""
    height, width = SIZE
    rows, columns = plane.shape
    y = (np.arange(height) + 0.5 - around[1]) * rows / (around[3] - around[1]) - 0.5
    x = (np.arange(width) + 0.5 - around[0]) * columns / (around[2] - around[0]) - 0.5
    down = np.maximum(0, 1 - np.abs(y[:, None] - np.arange(rows)))
    across = np.maximum(0, 1 - np.abs(x[:, None] - np.arange(columns)))
    found: Array = down @ plane @ across.T > level
    return found


@pytest.mark.parametrize(
    "around", [(5.3, 3.2, 33.7, 31.9), (-20.0, -9.5, 30.0, 70.0), (0, 0, 60, 40), (50.0, 30.0, 90.0, 80.0)]
)
def test_plane_is_stretched_over_its_box(around: tuple[float, float, float, float]) -> None:
    """Also where the box reaches beyond the image."""
    plane = np.random.default_rng(0).normal(0, 1, (7, 9)).astype(np.float32)
    mask = masks.decode(planes.mask(plane, around, (0, 0, 60, 40), SIZE, 0), SIZE)
    wanted = exact(plane, around, 0)
    assert wanted.any() and (mask != wanted).sum() <= 0.01 * wanted.size  # OpenCV knows 32 steps between two cells


def test_only_the_window_is_looked_at() -> None:
    mask = masks.decode(planes.mask(np.ones((4, 4)), (0, 0, 60, 40), (10.2, 5.6, 20.4, 9.5), SIZE, 0), SIZE)
    assert mask[6:9, 10:20].all() and mask.sum() == 3 * 10


@pytest.mark.parametrize("window", [(70, 0, 80, 40), (5.6, 3, 6.4, 9), (9, 9, 3, 3), (-8, 0, -2, 9)])
def test_window_without_a_pixel_has_an_empty_mask(window: tuple[float, float, float, float]) -> None:
    assert planes.mask(np.ones((4, 4)), (0, 0, 60, 40), window, SIZE, 0) == masks.empty(SIZE)


@pytest.mark.parametrize("window", [(0, 0, 60, 40), (58, 0, 60, 40), (0, 39, 60, 40), (0, 0, 1, 1), (59, 39, 60, 40)])
def test_runs_are_those_of_the_whole_mask(window: tuple[float, float, float, float]) -> None:
    left, top, right, bottom = (int(side) for side in window)
    whole = np.zeros(SIZE, np.uint8)
    whole[top:bottom, left:right] = 1
    assert planes.mask(np.ones((4, 4)), (-9, -9, 70, 70), window, SIZE, 0) == masks.encode(whole)


def test_extent_holds_all_of_a_mask() -> None:
    plane = np.zeros((7, 9), np.float32)
    plane[2:4, 5:9] = 1
    around = (-4.0, -3.0, 66.0, 47.0)
    window = planes.extent(plane, around, 0.4)
    assert window[0] > 20 and window[1] > 0 and window[3] < 40
    everywhere = (0.0, 0.0, 60.0, 40.0)
    assert planes.mask(plane, around, window, SIZE, 0.4) == planes.mask(plane, around, everywhere, SIZE, 0.4)
    nothing = planes.extent(np.zeros((7, 9)), around, 0.4)
    assert planes.mask(plane, around, nothing, SIZE, 0.4) == masks.empty(SIZE)
