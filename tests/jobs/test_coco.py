"""COCO files of objects, as the world writes them."""

import json
import time
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs import masks
from jobs.errors import BadDataset
from tests.jobs.object_datasets import BOX, SIZE, SQUARE, coco, entry, image, images, only, read, said


def plain_runs(rle: bytes) -> list[int]:
    pixels = masks.decode(rle, SIZE).ravel("F")
    ends = np.flatnonzero(np.diff(pixels.astype(int), prepend=0, append=-1)).tolist()
    return [int(run) for run in np.diff([0, *ends])]


SQUARE_RLE = masks.from_polygons([SQUARE], SIZE)


def test_objects_of_split_files(tmp_path: Path) -> None:
    for split in ("train", "val"):
        images(tmp_path / f"{split}2017", "a.jpg", "b.jpg", "empty.jpg")
        annotations = [entry(1), entry(1, 2), entry(2, 2, iscrowd=1)]
        coco(tmp_path / f"annotations/instances_{split}2017.json", ["a.jpg", "b.jpg", "empty.jpg"], annotations)
    dataset = read(tmp_path)
    assert (dataset.format, dataset.labels) == ("COCO", ("cat", "dog"))
    assert [(sample.name, sample.split) for sample in dataset.samples[3:]] == [
        ("val2017/a.jpg", "val"),
        ("val2017/b.jpg", "val"),
        ("val2017/empty.jpg", "val"),
    ]
    first, second, empty = (sample.target for sample in dataset.samples[:3])
    assert first.boxes.tolist() == [BOX, BOX]
    assert first.labels.tolist() == [0, 1]
    assert second.crowd.tolist() == [True]
    assert len(empty) == 0  # an image without objects counts
    assert said(dataset) == []


@pytest.mark.parametrize(
    "segmentation",
    [
        [SQUARE],
        SQUARE,
        [[*SQUARE[:4], 14, 13], SQUARE[:2] + SQUARE[4:], [1, 1, 2, 2]],
        {"size": list(SIZE), "counts": SQUARE_RLE.decode()},
        {"size": list(SIZE), "counts": plain_runs(SQUARE_RLE)},
    ],
    ids=["polygon", "bare polygon", "polygons", "compressed", "plain runs"],
)
def test_masks_of_every_kind(tmp_path: Path, segmentation: Any) -> None:
    images(tmp_path, "a.jpg")
    coco(tmp_path / "all.json", ["a.jpg"], [entry(1, segmentation=segmentation), entry(1, bbox=[])])
    found = only(read(tmp_path, with_masks=True))
    assert found.masks == (SQUARE_RLE, SQUARE_RLE)
    assert found.boxes.tolist() == [BOX, BOX]


def test_fields_that_are_often_left_out(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    bare = {"image_id": 1, "category_id": 2, "bbox": [4, 3, 10, 10]}
    coco(tmp_path / "all.json", ["a.jpg"], [bare], size=None)
    found = only(read(tmp_path))
    assert (found.boxes.tolist(), found.labels.tolist(), found.size) == ([BOX], [1], SIZE)


def test_category_numbers_with_gaps_and_from_zero(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    annotations = [entry(1, 90), entry(1, 0), entry(1, 7)]
    coco(tmp_path / "all.json", ["a.jpg"], annotations, categories=[(90, "owl"), (0, "cat"), (7, "dog")])
    dataset = read(tmp_path)
    assert dataset.labels == ("cat", "dog", "owl")
    assert only(dataset).labels.tolist() == [2, 0, 1]


def test_categories_of_the_same_name_are_one(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    coco(tmp_path / "all.json", ["a.jpg"], [entry(1, 1), entry(1, 3)], categories=[(1, "cat"), (2, "dog"), (3, "cat")])
    dataset = read(tmp_path)
    assert dataset.labels == ("cat", "dog")
    assert only(dataset).labels.tolist() == [0, 0]
    assert dataset.problems[0].items == ("cat",)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("images/A.PNG", "a.png"),
        ("images/a.jpg", "a"),
        ("images/my cat 1.jpg", "my cat 1.jpg"),
        ("картинки/кот й.jpg", unicodedata.normalize("NFD", "кот й.jpg")),
        ("images/a.jpg", "/home/me/data/images/a.jpg"),
        ("images/a.jpg", "C:\\data\\a.jpg"),
    ],
    ids=["other letters", "no ending", "spaces", "accents", "absolute", "Windows"],
)
def test_image_is_found_by_what_it_is_called(tmp_path: Path, file: str, name: str) -> None:
    images(tmp_path, file)
    coco(tmp_path / "annotations/all.json", [name], [entry(1)])
    assert [sample.name for sample in read(tmp_path).samples] == [file]


def test_images_that_are_not_there_are_named(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    coco(tmp_path / "all.json", ["a.jpg", "b.jpg"], [entry(1), entry(2)])
    dataset = read(tmp_path)
    assert said(dataset)[-1] == "1 image is left out: named in the annotations but not in the archive."
    assert dataset.problems[-1].items == ("b.jpg",)


def test_image_in_two_files_counts_once(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    coco(tmp_path / "instances_train_1_imgs.json", ["a.jpg"], [entry(1)])
    coco(tmp_path / "instances_train.json", ["a.jpg", "b.jpg"], [entry(1), entry(1, 2), entry(2)])
    assert [len(sample.target) for sample in read(tmp_path).samples] == [2, 1]


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("upright", [True, False], ids=["as held", "as stored"])
def test_image_that_lies_on_its_side(tmp_path: Path, orientation: int, upright: bool) -> None:
    """What size the file names says which of both was annotated."""
    from PIL import Image, ImageOps

    image(tmp_path / "a.jpg", orientation=orientation, size=SIZE)
    height, width = SIZE
    rle = {"size": list(SIZE), "counts": SQUARE_RLE.decode()}
    annotations = [entry(1), entry(1, segmentation=rle)]
    if upright:
        annotations = [entry(1)]
    coco(tmp_path / "all.json", ["a.jpg"], annotations, size=(width, height) if upright else SIZE)
    found = only(read(tmp_path, with_masks=True))
    assert found.size == (width, height)
    if upright:
        assert found.boxes.tolist() == [BOX]
        return
    stored = Image.fromarray(masks.decode(SQUARE_RLE, SIZE) * 255)
    stored.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(stored)) > 0
    rows, columns = np.flatnonzero(expected.any(1)), np.flatnonzero(expected.any(0))
    box = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    assert found.boxes.tolist() == [box, box]
    for rle_found in found.masks:
        assert (masks.decode(rle_found, found.size) == expected).all()


def test_image_larger_than_annotated_has_its_annotations_scaled(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    half = (SIZE[0] // 2, SIZE[1] // 2)
    small = masks.from_polygons([np.array(SQUARE) / 2], half).decode()
    annotations = [
        entry(1, bbox=[2, 1.5, 5, 5], segmentation=[[value / 2 for value in SQUARE]]),
        entry(1, bbox=[2, 1.5, 5, 5], segmentation={"size": list(half), "counts": small}),
    ]
    coco(tmp_path / "all.json", ["a.jpg"], annotations, size=half)
    dataset = read(tmp_path, with_masks=True)
    assert only(dataset).boxes.tolist() == [BOX, BOX]
    assert masks.area(only(dataset).masks[1], SIZE) == pytest.approx(100, rel=0.2)
    assert said(dataset)[0] == "1 image of another size than annotated: the annotations were scaled."


def test_size_of_a_bomb_is_no_other_size(tmp_path: Path) -> None:
    """Of the same shape, and a mask of it would fill the memory."""
    images(tmp_path, "a.jpg")
    large = (SIZE[0] * 100_000, SIZE[1] * 100_000)
    runs = {"size": list(large), "counts": [large[0] * large[1]]}
    coco(tmp_path / "all.json", ["a.jpg"], [entry(1, segmentation=runs)], size=large)
    with pytest.raises(BadDataset, match=r"No image .* has the shape it was annotated for, such as a.jpg \("):
        read(tmp_path, with_masks=True)


def test_image_of_another_shape_is_left_out(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    coco(tmp_path / "train.json", ["a.jpg"], [entry(1)], size=(20, 20))
    coco(tmp_path / "val.json", ["b.jpg"], [entry(1)])
    dataset = read(tmp_path)
    assert [sample.name for sample in dataset.samples] == ["b.jpg"]
    assert dataset.problems[0].message == "1 image is left out: annotated for an image of another shape."
    assert dataset.problems[0].items == ("a.jpg (20 × 20 instead of 40 × 30)",)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"category_id": 77}, "1 object is left out: of no category that the dataset names."),
        ({"category_id": [1]}, "1 object is left out: of no category that the dataset names."),
        ({"bbox": [4, 3, 0, 10]}, "1 object is left out: without area."),
        ({"bbox": [4, 3, "wide", 10]}, "1 object is left out: the coordinates are no numbers."),
        ({"bbox": [4, 3, float("nan"), 10]}, "1 object is left out: the coordinates are no numbers."),
        ({"bbox": [100, 100, 10, 10]}, "1 object is left out: outside the image."),
        ({"bbox": [30, 3, 20, 10]}, "1 object is clipped: the box reaches outside the image."),
        ({"segmentation": []}, "1 object is left out: a box without an outline or mask."),
        (
            {"segmentation": {"size": [9, 9], "counts": [81]}},
            "1 object is left out: the mask has another size than the image.",
        ),
        (
            {"segmentation": {"size": list(SIZE), "counts": "???"}},
            "1 object is left out: the outline or mask cannot be read.",
        ),
        (
            {"segmentation": {"size": list(SIZE), "counts": [1]}},
            "1 object is left out: the outline or mask cannot be read.",
        ),
        ({"segmentation": {"size": "large"}}, "1 object is left out: the outline or mask cannot be read."),
        ({"segmentation": {"size": [9], "counts": [9]}}, "1 object is left out: the outline or mask cannot be read."),
    ],
    ids=[
        "category",
        "no number",
        "no area",
        "text",
        "NaN",
        "outside",
        "over the edge",
        "no mask",
        "mask size",
        "no RLE",
        "short",
        "size of text",
        "half a size",
    ],
)
def test_object_that_is_wrong_is_named_and_the_rest_used(tmp_path: Path, wrong: dict[str, Any], message: str) -> None:
    images(tmp_path, "a.jpg")
    coco(tmp_path / "all.json", ["a.jpg"], [entry(1), entry(1, **wrong)])
    dataset = read(tmp_path, with_masks=True)
    assert len(only(dataset)) == (2 if "clipped" in message else 1)
    assert dataset.problems[0].message == message
    assert dataset.problems[0].items == ("a.jpg: object 2",)


def test_annotations_of_no_image_do_no_harm(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    annotations = [entry(1), entry(9), entry(1, image_id=[1]), {"id": 4}]
    coco(tmp_path / "all.json", ["a.jpg"], annotations)
    assert len(only(read(tmp_path))) == 1


@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
@pytest.mark.parametrize("content", [{}, "text", 7, None, [7]], ids=str)
def test_file_of_another_shape_is_refused_by_name(tmp_path: Path, key: str, content: Any) -> None:
    images(tmp_path, "a.jpg")
    path = coco(tmp_path / "all.json", ["a.jpg"], [entry(1)])
    path.write_text(json.dumps({**json.loads(path.read_text()), key: content}))
    with pytest.raises(BadDataset, match=r"“all.json” looks like COCO but cannot be read"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"caption": "a cat"}, "captions"),
        ({"keypoints": [1, 2, 2]}, "keypoints without boxes"),
        ({"segments_info": []}, "panoptic segmentation"),
        ({"category_id": 1}, "labels of whole images"),
    ],
)
def test_file_of_another_kind_is_refused_by_name(tmp_path: Path, fields: dict[str, Any], kind: str) -> None:
    images(tmp_path, "a.jpg")
    path = coco(tmp_path / "val.json", ["a.jpg"], [{"id": 1, "image_id": 1, **fields}])
    if kind == "captions":
        content = json.loads(path.read_text())
        del content["categories"]
        path.write_text(json.dumps(content))
    with pytest.raises(BadDataset, match=f"“val.json” is a COCO file of {kind}; detection needs objects") as error:
        read(tmp_path)
    assert "instances" in error.value.hint


def test_file_of_another_kind_beside_the_right_one_does_no_harm(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    coco(tmp_path / "annotations/a_question.json", ["a.jpg"], [{"image_id": 1, "caption": "a cat"}])
    coco(tmp_path / "annotations/val.json", ["a.jpg"], [entry(1)])
    assert len(only(read(tmp_path))) == 1


def test_boxes_alone_are_refused_where_masks_are_needed(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    coco(tmp_path / "all.json", ["a.jpg"], [entry(1, segmentation=[]), entry(1, segmentation=[])])
    with pytest.raises(BadDataset, match=r"None of the 2 objects .* instance segmentation: a box without an outline"):
        read(tmp_path, with_masks=True)


def test_split_without_annotations_is_not_labelled(tmp_path: Path) -> None:
    images(tmp_path, "train/a.jpg", "train/b.jpg", "test/c.jpg")
    coco(tmp_path / "train.json", ["train/a.jpg", "train/b.jpg"], [entry(1)])
    coco(tmp_path / "image_info_test.json", ["test/c.jpg"], [])
    found = {sample.name: sample.target for sample in read(tmp_path).samples}
    assert found["test/c.jpg"] is None
    assert len(found["train/b.jpg"]) == 0


def test_roboflow(tmp_path: Path) -> None:
    for folder in ("train", "valid"):
        images(tmp_path / folder, "a_jpg.rf.1.jpg", "b_jpg.rf.2.jpg")
        annotations = [entry(1, 1), entry(2, 2)]
        categories = [(0, "animals"), (1, "cat"), (2, "dog")]
        names = ["a_jpg.rf.1.jpg", "b_jpg.rf.2.jpg"]
        coco(tmp_path / folder / "_annotations.coco.json", names, annotations, categories=categories)
    dataset = read(tmp_path)
    assert [sample.split for sample in dataset.samples] == ["train", "train", "val", "val"]
    assert [sample.labels for sample in dataset.samples] == [(1,), (2,), (1,), (2,)]


def test_many_annotations_take_no_time(tmp_path: Path) -> None:
    """Half a second as a rule; the bound is for a machine that is busy."""
    names = [f"{number}.jpg" for number in range(1, 101)]
    images(tmp_path, *names)
    coco(tmp_path / "all.json", names, [entry(number % 100 + 1) for number in range(5000)])
    start = time.process_time()
    dataset = read(tmp_path, with_masks=True)
    assert sum(len(sample.target) for sample in dataset.samples) == 5000
    assert time.process_time() - start < 10
