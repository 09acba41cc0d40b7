"""Objects from annotations, and what is wrong with some."""

from typing import Any

import numpy as np
import pytest
from datumaro.components.annotation import Bbox, Caption, Ellipse, Label, Mask, Polygon, RleMask, RotatedBbox
from datumaro.components.dataset_base import DatasetItem
from datumaro.components.media import Image

from jobs import masks, objects
from jobs.objects import Objects

SIZE = (40, 60)
SQUARE = [10, 5, 20, 5, 20, 15, 10, 15]


def of(*annotations: Any, with_masks: bool = False) -> Objects:
    item = DatasetItem("1", media=Image.from_numpy(np.zeros((*SIZE, 3), np.uint8)), annotations=list(annotations))
    return objects.of(item, with_masks=with_masks)


def said(found: Objects) -> list[str]:
    return [problem.message for problem in objects.problems([("cat.png", found)])]


def test_boxes_with_labels_and_crowds() -> None:
    found = of(Bbox(1, 2, 10, 20, label=3), Bbox(30, 20, 5, 5, label=0, attributes={"is_crowd": True}))
    assert found.boxes.tolist() == [[1, 2, 11, 22], [30, 20, 35, 25]]
    assert found.boxes.dtype == np.float32
    assert found.labels.tolist() == [3, 0]
    assert found.crowd.tolist() == [False, True]
    assert found.classes == (0, 3)
    assert found.size == SIZE
    assert said(found) == []


def test_ellipse_is_an_object_with_an_outline() -> None:
    found = of(Ellipse(10, 5, 30, 15, label=0), with_masks=True)
    assert found.boxes == pytest.approx(np.array([[10, 5, 30, 15]]), abs=1)
    assert masks.area(found.masks[0], SIZE) == pytest.approx(np.pi * 50, rel=0.1)


def test_image_without_objects_has_none() -> None:
    found = of(Label(1), Caption("a cat"))
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)
    assert found.classes == ()


def test_parts_of_a_group_are_one_object_with_its_box() -> None:
    parts = Polygon(SQUARE, label=1, group=7), Polygon([30, 5, 35, 5, 35, 10], label=1, group=7)
    found = of(*parts, Bbox(9, 4, 30, 12, label=1, group=7), with_masks=True)
    assert found.boxes.tolist() == [[9, 4, 39, 16]]
    assert masks.decode(found.masks[0], SIZE)[10, 15] == 1
    assert masks.decode(found.masks[0], SIZE)[6, 33] == 1
    assert of(*parts).boxes.tolist() == [[10, 5, 35, 15]]


def test_group_of_boxes_is_many_objects_and_of_two_labels_too() -> None:
    assert len(of(Bbox(1, 1, 4, 4, label=0, group=2), Bbox(9, 9, 4, 4, label=0, group=2))) == 2
    assert len(of(Polygon(SQUARE, label=0, group=2), Polygon(SQUARE, label=1, group=2))) == 2


def test_masks_of_every_kind_are_the_same() -> None:
    pixels = np.zeros(SIZE, np.uint8)
    pixels[5:15, 10:20] = 1
    rle = {"size": list(SIZE), "counts": masks.encode(pixels)}
    runs = np.diff([0, *np.flatnonzero(np.diff(pixels.ravel("F"), prepend=0, append=0)), pixels.size])
    kinds = (
        Polygon(SQUARE, label=0),
        Mask(pixels, label=0),
        RleMask(rle, label=0),
        RleMask({**rle, "counts": rle["counts"].decode()}, label=0),
        RleMask({**rle, "counts": runs.tolist()}, label=0),
        RotatedBbox(15, 10, 10, 10, 0, label=0),
    )
    found = of(*kinds, with_masks=True)
    assert said(found) == []
    assert found.masks == (masks.encode(pixels),) * 6
    assert found.boxes.tolist() == [[10, 5, 20, 15]] * 6


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Bbox(1, 1, 5, 5), "of no category that the dataset names"),
        (Bbox(float("nan"), 1, 5, 5, label=0), "the coordinates are no numbers"),
        (Bbox(1, 1, 0, 5, label=0), "without area"),
        (Bbox(9, 9, -5, -5, label=0), "without area"),
        (Bbox(70, 1, 5, 5, label=0), "outside the image"),
    ],
    ids=["no category", "NaN", "no area", "turned round", "outside"],
)
def test_box_that_cannot_be_used_is_left_out(annotation: Bbox, message: str) -> None:
    found = of(annotation, Bbox(1, 1, 4, 4, label=0))
    assert len(found) == 1
    (problem,) = objects.problems([("cat.png", found), ("dog.png", found)])
    assert problem.message == f"2 objects are left out: {message}."
    assert problem.items == ("cat.png: object 1", "dog.png: object 1")


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Bbox(1, 1, 5, 5, label=0), "a box without an outline or mask"),
        (Mask(np.ones((9, 9), np.uint8), label=0), "the mask has another size than the image"),
        (RleMask({"size": [9, 9], "counts": b"9"}, label=0), "the mask has another size than the image"),
        (RleMask({"size": list(SIZE), "counts": b"9"}, label=0), "the outline or mask cannot be read"),
        (RleMask({"size": list(SIZE), "counts": [1, 2]}, label=0), "the outline or mask cannot be read"),
        (RleMask({"size": list(SIZE)}, label=0), "the outline or mask cannot be read"),
        (Polygon([1, float("nan"), 5, 5, 1, 5], label=0), "the outline or mask cannot be read"),
        (Mask(np.zeros(SIZE, np.uint8), label=0), "without area"),
        (Polygon([100, 100, 110, 100, 110, 110], label=0), "without area"),
    ],
    ids=["box", "pixels", "size", "bad", "short", "none", "NaN", "empty", "outside"],
)
def test_mask_that_cannot_be_used_is_left_out(annotation: Any, message: str) -> None:
    found = of(annotation, Polygon(SQUARE, label=0), with_masks=True)
    assert len(found) == len(found.masks) == 1
    assert said(found) == [f"1 object is left out: {message}."]


def test_mask_alone_gives_a_box_where_it_can_be_read() -> None:
    square = np.zeros(SIZE, np.uint8)
    square[5:15, 10:20] = 1
    good = RleMask({"size": list(SIZE), "counts": masks.encode(square)}, label=0)
    found = of(good, RleMask({"size": list(SIZE), "counts": b"\xff" * 50}, label=0))
    assert found.boxes.tolist() == [[10, 5, 20, 15]]
    assert found.masks == ()
    assert said(found) == ["1 object is left out: the outline or mask cannot be read."]


def test_box_over_the_edge_is_clipped_and_said_so_beyond_rounding() -> None:
    found = of(Bbox(-0.5, 1, 10, 10, label=0), Bbox(50, 30, 20, 20, label=0))
    assert found.boxes.tolist() == [[-0.5, 1, 9.5, 11], [50, 30, 60, 40]]
    assert said(found) == ["1 object is clipped: the box reaches outside the image."]


def test_labels_get_the_models_numbers() -> None:
    found = of(Polygon(SQUARE, label=0), Polygon(SQUARE, label=1), Polygon(SQUARE, label=2), with_masks=True)
    renumbered = objects.renumbered(found, (4, -1, 0))
    assert renumbered.labels.tolist() == [4, 0]
    assert len(renumbered.boxes) == len(renumbered.masks) == len(renumbered.crowd) == 2
    assert len(objects.renumbered(of(), ())) == 0
