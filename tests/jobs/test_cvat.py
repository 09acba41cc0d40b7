"""CVAT's XML for images."""

from pathlib import Path

import numpy as np
import pytest

from jobs import masks
from jobs.errors import BadDataset
from tests.jobs.datasets import text
from tests.jobs.object_datasets import BOX, SIZE, SQUARE, images, only, read, said

POINTS = "4.00,3.00;14.00,3.00;14.00,13.00;4.00,13.00"
BOX_SHAPE = (
    '<box label="cat" source="manual" occluded="0" xtl="4.00" ytl="3.00" xbr="14.00" ybr="13.00" z_order="0"></box>'
)
POLYGON = f'<polygon label="big dog" source="manual" occluded="0" points="{POINTS}" z_order="0"></polygon>'


def xml(path: Path, *images: str, head: str = "") -> Path:
    labels = "".join(f"<label><name>{name}</name><type>any</type></label>" for name in ("cat", "big dog", "сова"))
    meta = f"<meta><task><name>pets</name><labels>{labels}</labels></task></meta>"
    return text(path, f"<annotations><version>1.1</version>{head or meta}{''.join(images)}</annotations>")


def shapes(name: str, *inside: str, subset: str = "") -> str:
    subset_field = f' subset="{subset}"' if subset else ""
    return f'<image id="0" name="{name}"{subset_field} width="{SIZE[1]}" height="{SIZE[0]}">{"".join(inside)}</image>'


def test_boxes_and_polygons(tmp_path: Path) -> None:
    images(tmp_path / "images", "my a.jpg", "b.jpg")
    xml(tmp_path / "annotations.xml", shapes("my a.jpg", BOX_SHAPE, POLYGON), shapes("b.jpg"))
    dataset = read(tmp_path)
    assert (dataset.format, dataset.labels) == ("CVAT", ("cat", "big dog", "сова"))
    empty, full = (sample.target for sample in dataset.samples)
    assert len(empty) == 0
    assert full.boxes.tolist() == [BOX, BOX]
    assert full.labels.tolist() == [0, 1]


def test_every_kind_of_outline_is_a_mask(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    mask = '<mask label="cat" rle="0, 100" left="4" top="3" width="10" height="10"></mask>'
    ellipse = '<ellipse label="cat" cx="9" cy="8" rx="5" ry="5"></ellipse>'
    turned = BOX_SHAPE.replace("z_order", 'rotation="90.0" z_order')
    xml(tmp_path / "annotations.xml", shapes("a.jpg", POLYGON, mask, turned, ellipse))
    found = only(read(tmp_path, with_masks=True))
    assert found.masks[:2] == (masks.from_polygons([SQUARE], SIZE),) * 2
    assert masks.area(found.masks[2], SIZE) == pytest.approx(100, abs=20)
    assert masks.area(found.masks[3], SIZE) == pytest.approx(np.pi * 25, rel=0.2)


def test_polygons_of_a_group_are_one_object(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    one, other = (POLYGON.replace("z_order", 'group_id="3" z_order').replace("4.00,13", f"{x},13") for x in (4, 5))
    xml(tmp_path / "annotations.xml", shapes("a.jpg", one, other, POLYGON))
    assert len(only(read(tmp_path, with_masks=True))) == 2


def test_project_names_its_subsets(tmp_path: Path) -> None:
    images(tmp_path / "images", "Train/a.jpg", "b.jpg")
    inside = shapes("Train/a.jpg", BOX_SHAPE, subset="Train"), shapes("b.jpg", BOX_SHAPE, subset="Validation")
    xml(tmp_path / "annotations.xml", *inside)
    assert {sample.name: sample.split for sample in read(tmp_path).samples} == {
        "images/Train/a.jpg": "train",
        "images/b.jpg": "val",
    }


def test_file_is_called_after_its_split(tmp_path: Path) -> None:
    images(tmp_path / "images", "a.jpg", "b.jpg")
    xml(tmp_path / "train.xml", shapes("a.jpg", BOX_SHAPE))
    xml(tmp_path / "val.xml", shapes("b.jpg", BOX_SHAPE))
    assert [sample.split for sample in read(tmp_path).samples] == ["train", "val"]


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ('<mask label="cat" rle="0, 5" left="4" top="3" width="10" height="10"></mask>', "cannot be read"),
        ('<mask label="cat" rle="0, 100" left="39" top="3" width="10" height="10"></mask>', "cannot be read"),
        ('<mask label="cat" rle="many" left="1" top="1" width="1" height="1"></mask>', "cannot be read"),
        ('<polygon label="cat" points="here"></polygon>', "cannot be read"),
        ('<polygon label="cat" points=""></polygon>', "cannot be read"),
        ('<polygon label="cat" points="1,2;3,4"></polygon>', "cannot be read"),
        ('<polygon label="cat" points="1,2;3,4;5,6;7"></polygon>', "cannot be read"),
        (BOX_SHAPE, "a box without an outline"),
        (BOX_SHAPE.replace("z_order", 'rotation="inf" z_order'), "a box without an outline"),
    ],
)
def test_shape_that_is_none_is_left_out(tmp_path: Path, shape: str, why: str) -> None:
    images(tmp_path, "a.jpg")
    xml(tmp_path / "annotations.xml", shapes("a.jpg", POLYGON, shape))
    dataset = read(tmp_path, with_masks=True)
    assert len(only(dataset)) == 1
    assert why in said(dataset)[0]


@pytest.mark.parametrize("number", ["nan", "inf", "wide", "100000000"])
def test_size_that_is_none_does_no_harm(tmp_path: Path, number: str) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    mask = '<mask label="cat" rle="0, 100" left="4" top="3" width="10" height="10"></mask>'
    inside = shapes("a.jpg", mask).replace(f'width="{SIZE[1]}"', f'width="{number}"')
    xml(tmp_path / "annotations.xml", inside, shapes("b.jpg", mask))
    assert len(read(tmp_path, with_masks=True).samples[-1].target) == 1


def test_labels_are_those_used_where_the_file_names_none(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    xml(tmp_path / "annotations.xml", shapes("a.jpg", POLYGON, BOX_SHAPE), head="<meta></meta>")
    assert read(tmp_path).labels == ("big dog", "cat")


def test_video_is_refused_by_name(tmp_path: Path) -> None:
    images(tmp_path, "frame_1.jpg")
    xml(tmp_path / "annotations.xml", '<track id="0" label="cat"><box frame="0"></box></track>')
    with pytest.raises(BadDataset, match=r"“annotations.xml” is CVAT's format for videos") as error:
        read(tmp_path)
    assert "CVAT for images" in error.value.hint


def test_damaged_file_is_refused_by_name(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    text(tmp_path / "annotations.xml", "<annotations><image>")
    with pytest.raises(BadDataset, match=r"“annotations.xml” looks like CVAT but cannot be read"):
        read(tmp_path)
