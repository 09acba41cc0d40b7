"""YOLO datasets in their many forms."""

from pathlib import Path

import pytest

from jobs import masks
from jobs.errors import BadDataset
from tests.jobs.datasets import text
from tests.jobs.object_datasets import BOX, SIZE, SQUARE, image, images, only, read, said

HEIGHT, WIDTH = SIZE
ROW = f"1 {9 / WIDTH} {8 / HEIGHT} {10 / WIDTH} {10 / HEIGHT}\n"
OUTLINE = " ".join(["0", *(str(value / (WIDTH, HEIGHT)[place % 2]) for place, value in enumerate(SQUARE))]) + "\n"
YAML = "path: ../datasets/pets\ntrain: images/train\nval: images/val\nnames:\n  0: cat\n  1: big dog\n"


def split_and_count(root: Path) -> dict[str, tuple[str, int]]:
    return {sample.name: (sample.split, len(sample.target)) for sample in read(root).samples}


def test_ultralytics(tmp_path: Path) -> None:
    images(tmp_path, "images/train/a.jpg", "images/train/empty.jpg", "images/val/B.PNG")
    text(tmp_path / "labels/train/a.txt", ROW + OUTLINE)
    text(tmp_path / "labels/val/B.txt", ROW)
    text(tmp_path / "data.yaml", YAML)
    dataset = read(tmp_path)
    assert (dataset.format, dataset.labels) == ("YOLO", ("cat", "big dog"))
    assert split_and_count(tmp_path) == {
        "images/train/a.jpg": ("train", 2),
        "images/train/empty.jpg": ("train", 0),  # an image without a text file shows nothing
        "images/val/B.PNG": ("val", 1),
    }
    first = dataset.samples[0].target
    assert first.boxes.tolist() == [BOX, BOX]
    assert first.labels.tolist() == [1, 0]
    assert said(dataset) == []


def test_outlines_are_masks_and_boxes_are_left_out(tmp_path: Path) -> None:
    images(tmp_path, "images/a.jpg")
    text(tmp_path / "labels/a.txt", OUTLINE + ROW)
    text(tmp_path / "data.yaml", YAML)
    dataset = read(tmp_path, with_masks=True)
    assert only(dataset).masks == (masks.from_polygons([SQUARE], SIZE),)
    assert said(dataset)[0] == "1 object is left out: a box without an outline or mask."


def test_roboflow(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        images(tmp_path / split / "images", "a_jpg.rf.1.jpg")
        text(tmp_path / split / "labels/a_jpg.rf.1.txt", ROW)
    text(tmp_path / "README.roboflow.txt", "5 images")
    text(tmp_path / "data.yaml", "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['cat', 'dog']\n")
    assert [(sample.split, len(sample.target)) for sample in read(tmp_path).samples] == [
        ("test", 1),
        ("train", 1),
        ("val", 1),
    ]


def test_folders_that_only_the_yaml_calls_splits(tmp_path: Path) -> None:
    images(tmp_path, "part1/images/a.jpg", "part2/images/b.jpg")
    text(tmp_path / "part1/labels/a.txt", ROW)
    text(tmp_path / "part2/labels/b.txt", ROW)
    text(tmp_path / "data.yaml", "train: [./part1/images]\nval: part2/images\nnames: [cat, dog]\n")
    assert split_and_count(tmp_path) == {"part1/images/a.jpg": ("train", 1), "part2/images/b.jpg": ("val", 1)}


def test_darknet_with_paths_of_another_machine(tmp_path: Path) -> None:
    images(tmp_path / "obj_train_data", "a.jpg", "b.jpg", "кот 1.jpg")
    for name in ("a", "b", "кот 1"):
        text(tmp_path / f"obj_train_data/{name}.txt", ROW)
    text(tmp_path / "obj.names", "cat\ndog\n\n")
    text(tmp_path / "obj.data", "classes = 2\ntrain = data/train.txt\nvalid = data/held.txt\nnames = data/obj.names\n")
    text(tmp_path / "train.txt", "/home/me/data/obj_train_data/a.jpg\nC:\\data\\obj_train_data\\кот 1.jpg\n")
    text(tmp_path / "held.txt", "data/obj_train_data/b.jpg\n")
    assert read(tmp_path).labels == ("cat", "dog")
    assert split_and_count(tmp_path) == {
        "obj_train_data/a.jpg": ("train", 1),
        "obj_train_data/b.jpg": ("val", 1),
        "obj_train_data/кот 1.jpg": ("train", 1),
    }


@pytest.mark.parametrize("name", ["classes.txt", "_darknet.labels", "obj.names"])
def test_text_files_beside_the_images(tmp_path: Path, name: str) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    text(tmp_path / "a.txt", ROW)
    text(tmp_path / name, "cat\ndog\n")
    dataset = read(tmp_path)
    assert dataset.labels == ("cat", "dog")
    assert [len(sample.target) for sample in dataset.samples] == [1, 0]


def test_names_of_classes_that_are_not_there_are_numbers(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    text(tmp_path / "a.txt", ROW)
    dataset = read(tmp_path)
    assert dataset.labels == ("0", "1")
    assert "called by their numbers" in said(dataset)[0]


def test_lines_that_cannot_be_read_are_named_and_the_rest_used(tmp_path: Path) -> None:
    images(tmp_path, "images/a.jpg", "images/b.jpg")
    wrong = "cat 0.5 0.5 0.1 0.1", "1 0.5", "1 100 100 50 50", "1.5 0.5 0.5 0.1 0.1", "1 nan 1 1 1", "inf 0 0 1 1"
    text(tmp_path / "labels/a.txt", "\n".join([ROW, *wrong, "1e9 0 0 1 1"]))
    text(tmp_path / "labels/b.txt", ROW)
    text(tmp_path / "data.yaml", YAML)
    dataset = read(tmp_path)
    assert [len(sample.target) for sample in dataset.samples] == [1, 1]
    assert dataset.problems[0].message == "7 lines of the annotations are left out: not to be read."
    assert dataset.problems[0].items[0] == "labels/a.txt: line 3"


def test_object_of_a_class_without_a_name_is_left_out(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    text(tmp_path / "a.txt", ROW + ROW.replace("1", "7", 1))
    text(tmp_path / "data.yaml", YAML)
    dataset = read(tmp_path)
    assert len(only(dataset)) == 1
    assert said(dataset)[0] == "1 object is left out: of no category that the dataset names."


def test_scores_of_predictions_are_passed_over(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    text(tmp_path / "a.txt", ROW.strip() + " 0.87\n")
    assert only(read(tmp_path)).boxes.tolist() == [BOX]


def test_image_that_lies_on_its_side_is_annotated_as_held(tmp_path: Path) -> None:
    image(tmp_path / "a.jpg", orientation=6, size=(WIDTH, HEIGHT))
    text(tmp_path / "a.txt", ROW)
    assert only(read(tmp_path)).boxes.tolist() == [BOX]


def test_damaged_yaml_is_refused_by_name(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    text(tmp_path / "a.txt", ROW)
    text(tmp_path / "data.yaml", "names: [cat\n  dog")
    with pytest.raises(BadDataset, match=r"“data.yaml” cannot be read"):
        read(tmp_path)


def test_texts_of_another_kind_are_no_labels(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    text(tmp_path / "a.txt", "A cat sits on a mat.\n")
    assert read(tmp_path).format == "Images without labels"
