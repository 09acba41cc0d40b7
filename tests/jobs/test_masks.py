"""Masks as run lengths."""

import numpy as np
import pytest

from jobs import masks

SIZE = (40, 50)


@pytest.fixture
def mask() -> np.ndarray:
    """Two rectangles."""
    found = np.zeros(SIZE, np.uint8)
    found[3:10, 4:9] = 1
    found[20:30, 30:45] = 1
    return found


def test_mask_comes_back(mask: np.ndarray) -> None:
    rle = masks.encode(mask)
    assert (masks.decode(rle, SIZE) == mask).all()
    assert masks.area(rle, SIZE) == mask.sum()
    assert masks.box(rle, SIZE) == (4, 3, 45, 30)


def test_polygons_of_an_object_are_one_mask(mask: np.ndarray) -> None:
    polygons = [[4, 3, 9, 3, 9, 10, 4, 10], [30, 20, 45, 20, 45, 30, 30, 30], [1, 1, 2, 2]]
    assert masks.from_polygons(polygons, SIZE) == masks.encode(mask)
    assert masks.from_polygons([], SIZE) == masks.empty(SIZE)


def test_point_far_outside_costs_no_time() -> None:
    assert masks.area(masks.from_polygons([[1e9, 1, 1, -1e9, 1, 1e300]], SIZE), SIZE) > 0


def test_point_that_is_no_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="no numbers"):
        masks.from_polygons([[1, 1, float("nan"), 5, 5, 5]], SIZE)


def test_plain_runs(mask: np.ndarray) -> None:
    changes = np.flatnonzero(np.diff(mask.ravel("F"), prepend=0, append=0)).tolist()
    ends = [0, *changes, mask.size]
    assert masks.from_runs(np.diff(ends).tolist(), SIZE) == masks.encode(mask)


@pytest.mark.parametrize("runs", [[10], [2001], [2010, -10]])
def test_runs_that_do_not_fill_the_image_are_an_error(runs: list[int]) -> None:
    with pytest.raises(ValueError, match="pixels"):
        masks.from_runs(runs, SIZE)


@pytest.mark.parametrize("rle", [b"", b"\xff\xff", b"PPPPPPPP"])
def test_what_is_no_run_length_is_an_error(rle: bytes) -> None:
    with pytest.raises(ValueError, match="RLE"):
        masks.decode(rle, SIZE)


def test_overlaps_do_not_need_the_size(mask: np.ndarray) -> None:
    rle, moved = masks.encode(mask), masks.encode(np.roll(mask, 3, axis=1))
    for crowd in (False, True):
        known, unknown = (masks.overlaps([rle], [moved, rle], [crowd] * 2, size) for size in (SIZE, (0, 0)))
        assert known.tolist() == unknown.tolist()
        assert 0 < known[0, 0] < known[0, 1] == 1
    assert masks.overlaps([], [rle], [False], SIZE).shape == (0, 1)
    assert masks.overlaps([rle], [], [], SIZE).shape == (1, 0)


def test_packed_masks_come_back(mask: np.ndarray) -> None:
    some = (masks.encode(mask), masks.empty(SIZE), masks.encode(1 - mask))
    assert masks.unpack(*masks.pack(some)) == some
    assert masks.unpack(*masks.pack(())) == ()


def test_resized_mask_keeps_its_share(mask: np.ndarray) -> None:
    assert masks.resize(mask, (80, 100)).mean() == pytest.approx(mask.mean(), abs=0.01)
    assert masks.resize(mask, SIZE) is mask


def test_outlines_have_few_points_and_lie_on_the_edge(mask: np.ndarray) -> None:
    below, above = masks.outlines(mask)
    assert len(above) == len(below) == 8
    assert above[:2] == (0.09, 0.0875)


def test_outline_of_a_single_pixel_is_none() -> None:
    dot = np.zeros(SIZE, np.uint8)
    dot[5, 5] = 1
    assert masks.outlines(dot) == ()


@pytest.mark.parametrize("seed", range(4))
def test_outlines_of_run_lengths_are_those_of_the_whole_mask(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros(SIZE, np.uint8)
    for _ in range(seed):
        y, x = rng.integers(0, 40), rng.integers(0, 50)
        mask[y : y + 9, x : x + 12] = 1
    assert masks.outlines_of(masks.encode(mask), SIZE) == masks.outlines(mask)
