"""Datasets in every layout that people have, and those that are none."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from jobs import layouts, tasks
from jobs.errors import BadDataset, UnknownDataset
from jobs.samples import Dataset
from tests.jobs import datasets, object_datasets

TASK = tasks.by_name("classification")


def read(root: Path) -> Dataset:
    return layouts.read(root, TASK)


def splits(dataset: Dataset) -> dict[str, int]:
    return dict(Counter(sample.split for sample in dataset.samples))


def by_name(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """The labels of each image."""
    return {sample.name: tuple(dataset.labels[n] for n in sample.target or ()) for sample in dataset.samples}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


# --- one folder a class


@pytest.mark.parametrize(
    ("content", "labels", "expected"),
    [
        ({"cat": 2, "dog": 3}, ("cat", "dog"), {"": 5}),
        ({"data/pets/cat": 2, "data/pets/dog": 3}, ("cat", "dog"), {"": 5}),
        ({"train/cat": 2, "train/dog": 3, "val/cat": 1, "val/dog": 1}, ("cat", "dog"), {"train": 5, "val": 2}),
        (
            {"p/Training/cat": 2, "p/Validation/dog": 3, "p/TEST/cat": 1},
            ("cat", "dog"),
            {"train": 2, "val": 3, "test": 1},
        ),
        ({"train_set/cat": 2, "test_set/dog": 3}, ("cat", "dog"), {"train": 2, "test": 3}),
        ({"images/train2017/cat": 2, "images/val2017/dog": 3}, ("cat", "dog"), {"train": 2, "val": 3}),
        ({"train/n01440764": 2, "train/n01443537": 2}, ("n01440764", "n01443537"), {"train": 4}),
        ({"0": 1, "2": 1, "10": 1}, ("0", "2", "10"), {"": 3}),
        ({"cat/train": 2, "cat/val": 1, "dog/train": 2, "dog/val": 1}, ("cat", "dog"), {"train": 4, "val": 2}),
        ({"cat/young": 2, "cat/old": 1, "dog": 2}, ("cat", "dog"), {"": 5}),
        ({"кошка": 1, "собака 2": 1}, ("кошка", "собака 2"), {"": 2}),
        # a class that is called like a split
        ({"bus": 2, "car": 2, "train": 2}, ("bus", "car", "train"), {"": 6}),
        ({"train/bus": 2, "train/train": 2, "val/train": 1}, ("bus", "train"), {"train": 4, "val": 1}),
        # a part of it outside the splits
        ({"cat": 2, "dog": 2, "test/cat": 1, "test/dog": 1}, ("cat", "dog"), {"": 4, "test": 2}),
    ],
)
def test_folders_of_classes(
    root: Path, content: Mapping[str, int], labels: tuple[str, ...], expected: dict[str, int]
) -> None:
    found = read(datasets.folders(root, content))
    assert (found.labels, splits(found), found.problems) == (labels, expected, ())
    assert found.format == "One folder a class" + (", split" if set(expected) != {""} else "")
    for name, classes in by_name(found).items():
        assert f"/{classes[0]}/" in f"/{name}", "every image has the label of its folder"


def test_plain_folders_do_not_cost_an_import(root: Path) -> None:
    """Datumaro takes a second to import; text files beside the folders are no reason to."""
    datasets.folders(root, {"data/train/cat": 1, "data/train/dog": 1})
    for name in ("README.md", "README.roboflow.txt", "data/classes.txt", "data/labels.json", "data/info.xml"):
        datasets.text(root / name, "{}")
    before = "datumaro" in sys.modules
    assert read(root).labels == ("cat", "dog")
    assert ("datumaro" in sys.modules) == before


def test_junk_of_file_managers_does_not_count(root: Path) -> None:
    datasets.folders(root, {"cat": 1, "dog": 1, "__MACOSX/cat": 1, ".thumbnails/cat": 1})
    datasets.image(root / "cat" / "._0.png")
    assert len(read(root).samples) == 2


def test_empty_class_is_named(root: Path) -> None:
    found = read(datasets.folders(root, {"cat": 1, "dog": 1, "owl": 0}))
    assert found.labels == ("cat", "dog", "owl")
    assert [(p.level, p.message, p.items) for p in found.problems] == [("warning", "1 class without images.", ("owl",))]


def test_images_outside_the_folders_are_named(root: Path) -> None:
    datasets.folders(root, {"train/cat": 1, "train/dog": 1, "test": 2})
    datasets.image(root / "stray.png")
    (problem,) = read(root).problems
    assert problem.message == "3 images are left out: not in the folder of a class."
    assert problem.items == ("stray.png", "test/0.png", "test/1.png")


@pytest.mark.parametrize(
    "content", [{"train/cat": 2, "val/cat": 1}, {"cat": 2, "dog": 0}, {"train/cat": 2, "train/dog": 0}]
)
def test_one_class_is_refused(root: Path, content: Mapping[str, int]) -> None:
    with pytest.raises(BadDataset, match="one class only, “cat”") as caught:
        read(datasets.folders(root, content))
    assert "other classes" in caught.value.hint and caught.value.where == "cat"


def test_masks_are_no_classes(root: Path) -> None:
    with pytest.raises(BadDataset, match="images and masks, which are no classes"):
        read(datasets.folders(root, {"train/images": 2, "train/masks": 2}))


# --- images alone


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"": 3}, {"": 3}),
        ({"photos": 3}, {"": 3}),
        ({"train": 2, "val": 1}, {"train": 2, "val": 1}),
        ({"images/train": 2, "images/test": 1}, {"train": 2, "test": 1}),
    ],
)
def test_images_without_labels(root: Path, content: Mapping[str, int], expected: dict[str, int]) -> None:
    found = read(datasets.folders(root, content))
    assert (found.format, found.labels, splits(found)) == ("Images without labels", (), expected)
    assert not found.labelled and all(sample.target is None for sample in found.samples)
    assert "agrees with the original" in found.problems[0].message and found.problems[0].hint


@pytest.mark.parametrize(
    ("files", "match"), [((), "it is empty"), (("a.txt", "cat/b.heic", "cat/c.gif"), "3 files: .gif, .heic, .txt")]
)
def test_nothing_known_is_refused(root: Path, files: tuple[str, ...], match: str) -> None:
    for name in files:
        datasets.text(root / name, "x")
    with pytest.raises(UnknownDataset, match=match) as caught:
        read(root)
    assert "PNG, JPEG" in caught.value.hint


# --- COCO


IMAGES = {"train": {"a.jpg": ["cat"], "b.jpg": ["dog"]}, "val": {"c.jpg": ["cat"], "d.jpg": ["dog"]}}
TRAIN, VAL = IMAGES["train"], IMAGES["val"]


def put(root: Path, folder: str, images: Mapping[str, object]) -> None:
    for name in images:
        datasets.image(root / folder / name)


def coco_2017(root: Path) -> None:
    for split, images in IMAGES.items():
        put(root, f"{split}2017", images)
        datasets.coco(root / f"annotations/instances_{split}2017.json", images)
        datasets.coco(
            root / f"annotations/person_keypoints_{split}2017.json", images, categories=["person", "cat", "dog"]
        )
        datasets.text(root / f"annotations/captions_{split}2017.json", '{"images": [], "annotations": []}')


def coco_images_folder(root: Path) -> None:
    for split, images in IMAGES.items():
        put(root, f"images/{split}", images)
        datasets.coco(root / f"annotations/instances_{split}.json", images)


def coco_labels(root: Path) -> None:
    for split, images in IMAGES.items():
        put(root, f"images/{split}", images)
        datasets.coco(root / f"annotations/labels_{split}.json", images, boxes=False)


def coco_from_zero(root: Path) -> None:
    """Datumaro alone takes number 0 for no class."""
    for split, images in IMAGES.items():
        put(root, split, images)
        datasets.coco(root / f"{split}.json", images, first=0)


def coco_with_paths(root: Path) -> None:
    for split, images in IMAGES.items():
        put(root, f"set/{split}", images)
        named = {f"set\\{split}\\{name}": labels for name, labels in images.items()}
        datasets.coco(root / f"annotations_{split}.json", named)


def coco_same_names(root: Path) -> None:
    """a.jpg in both splits is not the same picture."""
    for split in IMAGES:
        put(root, f"images/{split}", TRAIN)
        flipped = {"a.jpg": ["dog"], "b.jpg": ["cat"]} if split == "val" else TRAIN
        datasets.coco(root / f"annotations/instances_{split}.json", flipped)


def roboflow(root: Path) -> None:
    for split, folder in (("train", "train"), ("val", "valid")):
        put(root, folder, IMAGES[split])
        # Roboflow puts a category above all others, which no image has.
        datasets.coco(
            root / folder / "_annotations.coco.json", IMAGES[split], categories=["animals", "cat", "dog"], first=0
        )
    datasets.text(root / "README.roboflow.txt", "x")


@pytest.mark.parametrize(
    "build", [coco_2017, coco_images_folder, coco_labels, coco_from_zero, coco_with_paths, coco_same_names, roboflow]
)
def test_coco(root: Path, build: Callable[[Path], None]) -> None:
    build(root)
    found = read(root)
    assert found.format == "COCO" and splits(found) == {"train": 2, "val": 2}
    assert found.labels[-2:] == ("cat", "dog")
    answers = {name.rpartition("/")[2]: labels for name, labels in by_name(found).items()}
    if build is coco_same_names:
        assert by_name(found)["images/train/a.jpg"] == ("cat",) and by_name(found)["images/val/a.jpg"] == ("dog",)
    else:
        assert answers == {"a.jpg": ("cat",), "b.jpg": ("dog",), "c.jpg": ("cat",), "d.jpg": ("dog",)}
    assert {problem.message for problem in found.problems} <= {"1 class without images."}


@pytest.mark.parametrize("name", ["annotations.json", "_annotations.coco.json", "labels/result.json"])
def test_coco_in_one_file_is_not_split(root: Path, name: str) -> None:
    put(root, "images", TRAIN)
    datasets.coco(root / name, TRAIN)
    assert splits(read(root)) == {"": 2}


def test_coco_with_several_labels_an_image(root: Path) -> None:
    """One image that shows neither is an answer too, where others show both."""
    images = {"a.jpg": ["cat", "dog", "dog"], "b.jpg": ["dog"], "c.jpg": []}
    put(root, "", images)
    found = read(datasets.coco(root / "all.json", images).parent)
    assert by_name(found) == {"a.jpg": ("cat", "dog"), "b.jpg": ("dog",), "c.jpg": ()}
    assert [sample.target for sample in found.samples] == [(0, 1), (1,), ()]


def test_coco_image_without_label_among_single_ones_has_none(root: Path) -> None:
    images = {"a.jpg": ["cat"], "b.jpg": ["dog"], "c.jpg": []}
    put(root, "", images)
    found = read(datasets.coco(root / "all.json", images).parent)
    assert [sample.target for sample in found.samples] == [(0,), (1,), None]


def test_coco_names_images_that_are_not_there(root: Path) -> None:
    images = {"a.jpg": ["cat"], "b.jpg": ["dog"], "../../etc/passwd": ["dog"], "c.jpg": ["cat"]}
    put(root, "", {"a.jpg": 0, "b.jpg": 0})
    found = read(datasets.coco(root / "all.json", images).parent)
    (problem,) = found.problems
    assert problem.message == "2 images are left out: named in the annotations but not in the archive."
    assert problem.items == ("../../etc/passwd", "c.jpg") and len(found.samples) == 2


def test_coco_files_with_other_categories_are_joined(root: Path) -> None:
    put(root, "train", TRAIN)
    datasets.coco(root / "train.json", TRAIN)
    put(root, "val", {"e.jpg": 0})
    datasets.coco(root / "val.json", {"e.jpg": ["owl"]}, categories=["owl", "cat"])
    found = read(root)
    assert found.labels == ("cat", "dog", "owl") and by_name(found)["val/e.jpg"] == ("owl",)


def test_coco_of_one_class_is_refused(root: Path) -> None:
    images = {"a.jpg": ["cat"], "b.jpg": ["cat"]}
    put(root, "", images)
    with pytest.raises(BadDataset, match="one class only, “cat”"):
        read(datasets.coco(root / "all.json", images).parent)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ('{"images": [], "annotations": [], "categories": [', "cannot be read"),
        ('{"images": [1], "annotations": [], "categories": []}', "an entry of images is no object"),
        ('{"images": [{"id": 1}], "annotations": [], "categories": []}', "'file_name' is missing"),
        ('{"a": {"images": 0, "annotations": 0, "categories": 0}}', "'images' is missing"),
        ('{"images": 0, "annotations": 0, "categories": 0}', "cannot be read"),
        ("[" * 100_000 + '"images" "annotations" "categories"', "cannot be read"),
    ],
)
def test_damaged_coco_is_refused(root: Path, content: str, match: str) -> None:
    put(root, "", TRAIN)
    datasets.text(root / "instances_train.json", content)
    with pytest.raises(BadDataset, match=match) as caught:
        read(root)
    assert caught.value.where == "instances_train.json" and caught.value.hint


def test_huge_annotations_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.coco.MAX_BYTES", 100)
    put(root, "", TRAIN)
    datasets.coco(root / "instances_train.json", TRAIN)
    with pytest.raises(BadDataset, match="at most 0 MB of annotations"):
        read(root)


def test_unusual_numbers_in_coco_do_no_harm(root: Path) -> None:
    """NaN is no JSON, but people write it."""
    put(root, "", TRAIN)
    path = datasets.coco(root / "all.json", TRAIN)
    path.write_text(path.read_text().replace('"area": 4', '"area": NaN'))
    assert len(read(root).samples) == 2


# --- other annotations


def test_datumaro(root: Path) -> None:
    for split, images in (("train", {"a.jpg": 0, "b.jpg": 1}), ("val", {"c.jpg": 1, "d.jpg": None})):
        put(root, f"images/{split}", images)
        datasets.datumaro(root / f"annotations/{split}.json", images)
    found = read(root)
    assert (found.format, found.labels, splits(found)) == ("Datumaro", ("cat", "dog"), {"train": 2, "val": 2})
    assert by_name(found) == {
        "images/train/a.jpg": ("cat",),
        "images/train/b.jpg": ("dog",),
        "images/val/c.jpg": ("dog",),
        "images/val/d.jpg": (),
    }


def test_datumaro_image_that_is_not_there(root: Path) -> None:
    put(root, "images/default", {"a.jpg": 0, "b.jpg": 0})
    datasets.datumaro(root / "annotations/default.json", {"a.jpg": 0, "b.jpg": 1, "c.jpg": 1})
    (problem,) = read(root).problems
    assert "not in the archive" in problem.message and problem.items == ("default/c",)


def test_roboflow_table(root: Path) -> None:
    for folder, images in (("train", TRAIN), ("valid", VAL)):
        put(root, folder, images)
        rows = [f"{name}, {int('cat' in labels)}, {int('dog' in labels)}" for name, labels in images.items()]
        datasets.text(root / folder / "_classes.csv", "\n".join(["filename, cat, dog", *rows]))
    found = read(root)
    assert found.format == "Roboflow multi-class" and splits(found) == {"train": 2, "val": 2}
    assert by_name(found)["valid/d.jpg"] == ("dog",)


def test_imagenet_with_text_files(root: Path) -> None:
    datasets.text(root / "synsets.txt", "cat\ndog\n")
    for split, images in IMAGES.items():
        put(root, "images", images)
        lines = [f"{name} {('cat', 'dog').index(labels[0])}" for name, labels in images.items()]
        datasets.text(root / f"{split}.txt", "\n".join(lines))
    found = read(root)
    assert found.format == "ImageNet with a text file" and splits(found) == {"train": 2, "val": 2}
    assert by_name(found)["images/b.jpg"] == ("dog",)


def test_pascal_voc(root: Path) -> None:
    datasets.text(root / "labelmap.txt", "# label:color_rgb:parts:actions\ncat:::\ndog:::\n")
    for split, images in IMAGES.items():
        put(root, "JPEGImages", images)
        stems = {Path(name).stem: labels[0] for name, labels in images.items()}
        datasets.text(root / f"ImageSets/Main/{split}.txt", "\n".join(stems))
        for label in ("cat", "dog"):
            lines = [f"{stem} {1 if label == own else -1}" for stem, own in stems.items()]
            datasets.text(root / f"ImageSets/Main/{label}_{split}.txt", "\n".join(lines))
    found = read(root)
    assert found.format == "Pascal VOC" and splits(found) == {"train": 2, "val": 2}
    assert by_name(found)["JPEGImages/b.jpg"] == ("dog",)


@pytest.mark.parametrize(
    "content",
    [
        '{"categories": {}, "items": [',
        '{"categories": 1, "items": 2}',
        '{"categories": {"label": 1}, "items": [{}]}',
        '{"categories": {}, "items": ' + "[" * 100_000,
    ],
)
def test_damaged_datumaro_is_refused(root: Path, content: str) -> None:
    put(root, "images/train", TRAIN)
    datasets.text(root / "annotations" / "train.json", content)
    with pytest.raises(BadDataset, match="looks like Datumaro but cannot be read") as caught:
        read(root)
    assert caught.value.hint


def test_pickles_of_other_formats_are_never_opened(root: Path, tmp_path: Path) -> None:
    """CIFAR's files are pickles; an importer for them is in Datumaro."""
    marker = tmp_path / "marker"
    pickle = b"cposix\nsystem\n(S'touch " + str(marker).encode() + b"'\ntR."
    put(root, "images/train", TRAIN)
    for name in ("data_batch_1", "test_batch", "batches.meta", "meta", "train", "annotations/train.pkl"):
        (root / name).parent.mkdir(exist_ok=True)
        if not (root / name).exists():
            (root / name).write_bytes(pickle)
    found = read(root)
    assert found.format == "Images without labels" and found.problems[1].items == ("annotations/train.pkl",)
    assert not marker.exists()


def test_annotations_nobody_knows_are_named(root: Path) -> None:
    """YOLO's, say: the images count as unlabelled, and the person is told why."""
    put(root, "images", TRAIN)
    for name in ("labels/a.txt", "labels/b.txt", "data.yaml", "README.txt"):
        datasets.text(root / name, "0 0.5 0.5 0.1 0.1")
    found = read(root)
    assert not found.labelled and found.problems[1].level == "warning"
    assert "3 files beside the images are in no annotation format" in found.problems[1].message


# --- objects


def test_objects_in_datumaros_own_format(root: Path) -> None:
    object_datasets.images(root / "images", "train/a.jpg", "train/b.jpg")
    common = {"id": 0, "attributes": {}, "group": 0, "label_id": 1, "z_order": 0}
    annotations = [
        {**common, "type": "bbox", "bbox": [4, 3, 10, 10]},
        {**common, "type": "polygon", "points": object_datasets.SQUARE},
    ]
    height, width = object_datasets.SIZE
    items = [
        {"id": name, "annotations": found, "image": {"path": f"{name}.jpg", "size": [height, width]}}
        for name, found in (("a", annotations), ("b", []))
    ]
    labels = [{"name": name, "parent": "", "attributes": []} for name in ("cat", "dog")]
    content = {"info": {}, "categories": {"label": {"labels": labels, "attributes": []}}, "items": items}
    datasets.text(root / "annotations/train.json", json.dumps(content))
    dataset = object_datasets.read(root)
    assert (dataset.format, dataset.labels) == ("Datumaro", ("cat", "dog"))
    assert [len(sample.target) for sample in dataset.samples] == [2, 0]
    assert dataset.samples[0].target.boxes.tolist() == [object_datasets.BOX] * 2


@pytest.mark.parametrize("task", tasks.all_tasks().values(), ids=lambda task: task.name)
def test_formats_of_tasks_are_known(task: tasks.Task) -> None:
    assert set(task.formats) <= {"class_folders", *layouts.FORMATS}


def test_images_without_annotations_are_told_what_would_help(root: Path) -> None:
    object_datasets.images(root, "a.jpg", "b.jpg")
    dataset = layouts.read(root, tasks.by_name("detection"))
    assert dataset.format == "Images without labels"
    assert dataset.problems[0].hint.startswith("For real accuracy, add annotations as Datumaro, COCO,")
    datasets.text(root / "a.mat", "")
    assert "Known for detection are" in layouts.read(root, tasks.by_name("detection")).problems[1].hint


def test_nothing_known_for_objects_is_refused(root: Path) -> None:
    datasets.text(root / "notes.md", "no images here")
    with pytest.raises(UnknownDataset) as error:
        layouts.read(root, tasks.by_name("detection"))
    assert "COCO" in error.value.hint
