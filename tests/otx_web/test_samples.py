"""The samples are there, small, and what they say they are."""

import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from otx_web import samples

MAX_BYTES = 16_000_000
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ON_PEBBLES = ("zero", "two", "four", "six", "seven")
TASKS = ("classification", "detection", "segmentation", "instance_segmentation")
ANOMALY_TASKS = ("anomaly_classification", "anomaly_detection", "anomaly_segmentation")


def told(task: str) -> dict[str, str]:
    """`model_info` of a sample's model, from its file."""
    graph = ElementTree.parse(samples.paths(task).model[0]).getroot()
    return {node.tag: node.get("value", "") for node in graph.iterfind("rt_info/model_info/*")}


def files(task: str) -> dict[str, bytes]:
    """A sample's dataset, path by path."""
    with zipfile.ZipFile(samples.paths(task).dataset) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def opened(content: bytes) -> NDArray[np.uint8]:
    """Pixels of a picture or mask."""
    return np.asarray(Image.open(BytesIO(content)))


def model(task: str, **settings: object) -> Any:
    """The sample's model in Model API, which finds out by itself what it is."""
    from model_api.models import Model

    return Model.create_model(str(samples.paths(task).model[0]), configuration=settings, device="CPU", nstreams="1")


# --- all of them


def test_there_is_a_sample_for_every_task() -> None:
    assert samples.tasks() == (*TASKS, *ANOMALY_TASKS)


@pytest.mark.parametrize("task", samples.tasks())
def test_the_files_of_a_sample_are_there(task: str) -> None:
    sample = samples.paths(task)
    graph, weights = sample.model
    assert graph.suffix == ".xml" and weights == graph.with_suffix(".bin") and sample.dataset.suffix == ".zip"
    assert all(path.is_file() and path.stat().st_size for path in (graph, weights, sample.dataset))


def test_all_samples_together_are_small() -> None:
    found = [path for path in samples.FOLDER.rglob("*") if path.suffix in (".xml", ".bin", ".zip")]
    assert {path for task in samples.tasks() for path in (*samples.paths(task).model, samples.paths(task).dataset)} == {
        *found
    }  # and none that no sample needs
    assert sum(path.stat().st_size for path in found) < MAX_BYTES


def test_an_unknown_task_has_no_sample() -> None:
    with pytest.raises(samples.NoSample, match="juggling") as refused:
        samples.paths("juggling")
    assert "classification" in refused.value.hint


@pytest.mark.parametrize("task", samples.tasks())
def test_a_model_says_what_model_api_needs(task: str) -> None:
    info = told(task)
    kinds = {
        "classification": ("Classification", "classification"),
        "detection": ("ssd", "detection"),
        "segmentation": ("Segmentation", "segmentation"),
        "instance_segmentation": ("MaskRCNN", "instance_segmentation"),
    }
    assert (info["model_type"], info["task_type"]) == kinds.get(task, ("AnomalyDetection", "anomaly"))
    labels = {
        "segmentation": ("background", "pebble", "paint"),
        "detection": ON_PEBBLES,
        "instance_segmentation": ("otx_empty_lbl", *ON_PEBBLES),
        **dict.fromkeys(ANOMALY_TASKS, ("Normal", "Anomaly")),
    }
    assert tuple(info["labels"].split()) == labels.get(task, DIGITS)
    assert len(info["mean_values"].split()) == len(info["scale_values"].split()) == 3
    assert info["reverse_input_channels"] == "False" and info["resize_type"] == "standard"


@pytest.mark.parametrize("task", samples.tasks())
def test_no_picture_is_there_twice(task: str) -> None:
    pictures = [content for name, content in files(task).items() if name.endswith(".jpg")]
    assert len(set(pictures)) == len(pictures) > 250


# --- classification


def test_the_classifiers_dataset_is_split_by_class() -> None:
    names = files("classification")
    splits = {split: [name for name in names if name.startswith(f"{split}/")] for split in ("train", "val")}
    assert len(splits["train"]) == 897 and len(splits["val"]) == 900
    assert {name.split("/")[1] for name in splits["train"]} == {name.split("/")[1] for name in splits["val"]}
    with Image.open(BytesIO(files("classification")[splits["val"][0]])) as picture:
        assert picture.format == "JPEG" and picture.size == (64, 64) and picture.mode == "RGB"


def test_the_classifier_recognises_the_digits() -> None:
    """97.4 % on all of val, as the script that builds it prints; here on every ninth picture."""
    pictures = [(name, content) for name, content in files("classification").items() if name.startswith("val/")][::9]
    classifier = model("classification")
    right = [classifier(opened(content)).top_labels[0].name == name.split("/")[1] for name, content in pictures]
    assert len(right) == 100 and sum(right) / len(right) > 0.95


# --- pebbles


def annotated(split: str) -> tuple[dict[int, str], list[dict[str, Any]]]:
    """COCO's json of the pebbles: file names by image, and annotations."""
    text = json.loads(files("detection")[f"annotations/instances_{split}.json"])
    assert [category["name"] for category in text["categories"]] == list(ON_PEBBLES)
    return {image["id"]: image["file_name"] for image in text["images"]}, text["annotations"]


@pytest.mark.parametrize(("split", "count"), [("train", 120), ("val", 300)])
def test_pebbles_are_annotated_with_boxes_and_outlines(split: str, count: int) -> None:
    images, annotations = annotated(split)
    there = {name for name in files("detection") if name.startswith(f"images/{split}/")}
    assert {f"images/{split}/{name}" for name in images.values()} == there and len(there) == count
    assert {one["image_id"] for one in annotations} == set(images)
    assert {one["category_id"] for one in annotations} == set(range(1, 6))
    for one in annotations:
        x, y, width, height = one["bbox"]
        (outline,) = one["segmentation"]
        assert (min(outline[::2]), min(outline[1::2])) == (x, y)
        assert 0 < x < x + width < 176 and 0 < y < y + height < 176
        assert 0.6 * width * height < one["area"] < width * height


def found(task: str, images: int) -> Iterator[tuple[list[dict[str, Any]], Any]]:
    """For some pictures of val what is on them and what a model says of them."""
    content, (names, annotations) = files("detection"), annotated("val")
    spotter = model(task)
    for number, name in list(names.items())[:images]:
        real = [one for one in annotations if one["image_id"] == number]
        yield real, spotter(opened(content[f"images/val/{name}"]))


def matched(real: list[dict[str, Any]], labels: list[str], boxes: NDArray[np.int32]) -> list[int]:
    """For each real pebble the prediction with its label and nearly its box, or -1."""
    places = []
    for one in real:
        x, y, width, height = one["bbox"]
        near = np.abs(boxes - np.array([x, y, x + width, y + height])).max(1) < 0.1 * max(width, height)
        right = [n for n, label in enumerate(labels) if near[n] and label == ON_PEBBLES[one["category_id"] - 1]]
        places.append(right[0] if right else -1)
    return places


def test_the_detector_finds_and_reads_the_pebbles() -> None:
    hits = [
        place >= 0 for real, said in found("detection", 20) for place in matched(real, said.label_names, said.bboxes)
    ]
    assert len(hits) > 60 and np.mean(hits) > 0.85


def test_the_masks_have_the_shape_of_the_pebbles() -> None:
    areas = []
    for real, said in found("instance_segmentation", 10):
        places = matched(real, said.label_names, said.bboxes)
        areas += [
            (int(said.masks[place].sum()), one["area"]) for one, place in zip(real, places, strict=True) if place >= 0
        ]
    assert len(areas) > 30 and all(said == pytest.approx(real, rel=0.25) for said, real in areas)
    assert np.mean([said / real for said, real in areas]) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("split", "count"), [("train", 120), ("val", 300)])
def test_the_masks_are_of_known_numbers(split: str, count: int) -> None:
    content = files("segmentation")
    meta = json.loads(content[f"{split}/dataset_meta.json"])
    assert tuple(meta["label_map"].values()) == tuple(told("segmentation")["labels"].split())
    images = {name.split("/")[2][:-4] for name in content if name.startswith(f"{split}/images/")}
    masks = {name.split("/")[2][:-4]: opened(content[name]) for name in content if name.startswith(f"{split}/masks/")}
    assert images == set(masks) and len(images) == count
    assert all(mask.shape == (176, 176) and mask.max() == 2 for mask in masks.values())


def test_the_segmentation_tells_ground_pebbles_and_paint_apart() -> None:
    content, painter = files("segmentation"), model("segmentation", return_soft_prediction=False)
    names = [name for name in content if name.startswith("val/images/")][:20]
    real = np.stack([opened(content[name.replace("images", "masks").replace(".jpg", ".png")]) for name in names])
    said = np.stack([painter(opened(content[name])) for name in names])
    shared = [
        ((real == label) & (said == label)).sum() / ((real == label) | (said == label)).sum() for label in range(3)
    ]
    assert np.mean(shared) > 0.8


# --- keypads


def test_the_keypads_lie_as_in_mvtec() -> None:
    content = files("anomaly_classification")
    counts = Counter("/".join(name.split("/")[:2]) for name in content)
    faults = ("missing", "scratch", "stain", "swapped")
    assert counts == {
        "train/good": 120,
        "test/good": 60,
        **{f"test/{fault}": 30 for fault in faults},
        **{f"ground_truth/{fault}": 30 for fault in faults},
    }
    for name, mask in content.items():
        if name.startswith("ground_truth/"):
            assert name.replace("ground_truth", "test").replace("_mask.png", ".jpg") in content
            assert set(np.unique(opened(mask)).tolist()) == {0, 255} and opened(mask).shape == (128, 128)


def test_the_three_models_of_keypads_differ_in_their_task() -> None:
    assert {told(task)["task"] for task in ANOMALY_TASKS} == {"classification", "detection", "segmentation"}
    assert len({samples.paths(task).model[1].read_bytes() for task in ANOMALY_TASKS}) == 1
    assert len({tuple(sorted((told(task) | {"task": ""}).items())) for task in ANOMALY_TASKS}) == 1


def test_faulty_keypads_are_told_from_good_ones() -> None:
    content, padim = files("anomaly_detection"), model("anomaly_detection")
    names = [name for name in content if name.startswith("test/")][::6]
    said = {name: padim(opened(content[name])) for name in names}
    right = [(result.pred_label == "Normal") == name.startswith("test/good/") for name, result in said.items()]
    assert len(right) == 30 and np.mean(right) > 0.8
    assert all(len(result.pred_boxes) for name, result in said.items() if name.startswith("test/missing/"))
