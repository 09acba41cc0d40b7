"""Pascal VOC with boxes."""

from pathlib import Path

import pytest

from jobs.errors import BadDataset
from tests.jobs.datasets import text
from tests.jobs.object_datasets import BOX, SIZE, image, images, read, said


def xml(path: Path, image_name: str, *names: str, size: tuple[int, int] = SIZE, box: str | None = None) -> Path:
    """The box of BOX with each of these names."""
    bounds = box or "<xmin>4</xmin><ymin>3</ymin><xmax>14.0</xmax><ymax>13</ymax>"
    objects = "".join(f"<object><name>{name}</name><bndbox>{bounds}</bndbox></object>" for name in names)
    head = f"<filename>{image_name}</filename><size><width>{size[1]}</width><height>{size[0]}</height></size>"
    return text(path, f"<annotation>{head}{objects}</annotation>")


def test_challenge(tmp_path: Path) -> None:
    images(tmp_path / "JPEGImages", "1.jpg", "2.jpg", "3.jpg")
    images(tmp_path / "SegmentationClass", "1.png")
    for name, names in (("1", ["dog", "cat"]), ("2", ["cat"]), ("3", [])):
        xml(tmp_path / f"Annotations/{name}.xml", f"{name}.jpg", *names)
    text(tmp_path / "ImageSets/Main/train.txt", "1\n2\n")
    text(tmp_path / "ImageSets/Main/val.txt", "3\n")
    text(tmp_path / "ImageSets/Main/cat_train.txt", "1 1\n2 -1\n")
    dataset = read(tmp_path)
    assert (dataset.format, dataset.labels) == ("Pascal VOC", ("cat", "dog"))
    assert [(sample.name, sample.split) for sample in dataset.samples] == [
        ("JPEGImages/1.jpg", "train"),
        ("JPEGImages/2.jpg", "train"),
        ("JPEGImages/3.jpg", "val"),
    ]
    assert dataset.samples[0].target.boxes.tolist() == [BOX, BOX]
    assert dataset.samples[0].target.labels.tolist() == [1, 0]
    assert said(dataset) == []


def test_roboflow_has_both_in_one_folder(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        images(tmp_path / split, "a.jpg", "b.jpg")
        xml(tmp_path / split / "a.xml", "a.jpg", "кот", "big dog")
        xml(tmp_path / split / "b.xml", "b.jpg")
    dataset = read(tmp_path)
    assert dataset.labels == ("big dog", "кот")
    assert [(sample.split, len(sample.target)) for sample in dataset.samples] == [
        ("train", 2),
        ("train", 0),
        ("val", 2),
        ("val", 0),
    ]


def test_labels_keep_the_order_of_their_list(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    xml(tmp_path / "a.xml", "a.jpg", "cat", "owl")
    text(tmp_path / "labelmap.txt", "# label:color_rgb:parts:actions\nbackground:0,0,0::\nowl:1,1,1::\ncat:2,2,2::\n")
    assert read(tmp_path).labels == ("owl", "cat")


def test_image_is_that_of_the_same_name_or_the_one_named(tmp_path: Path) -> None:
    images(tmp_path, "images/a.PNG", "images/b.jpg")
    xml(tmp_path / "xml/a.xml", "/home/me/other.jpg", "cat")
    xml(tmp_path / "xml/0001.xml", "b.jpg", "cat")
    assert [sample.name for sample in read(tmp_path).samples] == ["images/a.PNG", "images/b.jpg"]


def test_what_does_not_belong_together_is_named(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    xml(tmp_path / "a.xml", "a.jpg", "cat")
    xml(tmp_path / "gone.xml", "gone.jpg", "cat")
    text(tmp_path / "c.xml", "<annotation><object>")
    dataset = read(tmp_path)
    assert said(dataset) == [
        "1 annotation file is left out: not to be read as XML.",
        "1 image is left out: named in the annotations but not in the archive.",
        "1 image is left out: named in no annotation.",
    ]
    assert [problem.items for problem in dataset.problems] == [("c.xml",), ("gone.jpg",), ("b.jpg",)]


def test_nothing_but_damage_is_refused_by_name(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    text(tmp_path / "a.xml", "<annotation><object>")
    with pytest.raises(BadDataset, match=r"“a.xml” cannot be read"):
        read(tmp_path)


@pytest.mark.parametrize("box", ["<xmin>4</xmin>", "<xmin>a</xmin><ymin>3</ymin><xmax>14</xmax><ymax>13</ymax>"])
def test_box_that_is_none_is_left_out(tmp_path: Path, box: str) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    xml(tmp_path / "a.xml", "a.jpg", "cat", box=box)
    xml(tmp_path / "b.xml", "b.jpg", "cat")
    assert said(read(tmp_path))[0] == "1 object is left out: the coordinates are no numbers."


@pytest.mark.parametrize("number", ["inf", "0.5", "-1", "wide", ""])
def test_size_that_is_none_is_passed_over(tmp_path: Path, number: str) -> None:
    images(tmp_path, "a.jpg")
    path = xml(tmp_path / "a.xml", "a.jpg", "cat")
    path.write_text(path.read_text().replace(f"<width>{SIZE[1]}", f"<width>{number}"))
    (sample,) = read(tmp_path).samples
    assert sample.target.boxes.tolist() == [BOX]


def test_annotations_without_their_images_are_refused(tmp_path: Path) -> None:
    images(tmp_path, "other.jpg")
    xml(tmp_path / "a.xml", "a.jpg", "cat")
    xml(tmp_path / "b.xml", "b.jpg", "cat")
    with pytest.raises(BadDataset, match=r"None of the 2 images .* is there, such as “a.jpg”") as error:
        read(tmp_path)
    assert "into the same zip" in error.value.hint


def test_stored_image_that_lies_on_its_side_was_annotated(tmp_path: Path) -> None:
    image(tmp_path / "a.jpg", orientation=6)
    xml(tmp_path / "a.xml", "a.jpg", "cat")
    (sample,) = read(tmp_path).samples
    assert sample.target.boxes.tolist() == [[30 - 13, 4, 30 - 3, 14]]


def test_entities_do_not_grow(tmp_path: Path) -> None:
    """A hundred million laughs."""
    images(tmp_path, "a.jpg")
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 9))
    head = f'<!DOCTYPE annotation [<!ENTITY e0 "ha ha ha ha ha ha">{levels}]><annotation><filename>&e8;</filename>'
    text(tmp_path / "a.xml", f"{head}</annotation>")
    with pytest.raises(BadDataset, match="cannot be read"):
        read(tmp_path)
