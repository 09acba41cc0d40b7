"""The samples are there, small, and what they say they are."""

import zipfile
from io import BytesIO
from xml.etree import ElementTree

import pytest
from PIL import Image

from otx_web import samples

MAX_BYTES = 4_000_000


@pytest.mark.parametrize("task", samples.tasks())
def test_the_files_of_a_sample_are_there(task: str) -> None:
    sample = samples.paths(task)
    graph, weights = sample.model
    assert graph.suffix == ".xml" and weights.suffix == ".bin" and sample.dataset.suffix == ".zip"
    assert all(path.is_file() and path.stat().st_size for path in (graph, weights, sample.dataset))


def test_all_samples_together_are_small() -> None:
    files = [path for path in samples.FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) < MAX_BYTES


def test_an_unknown_task_has_no_sample() -> None:
    with pytest.raises(samples.NoSample, match="juggling") as refused:
        samples.paths("juggling")
    assert "classification" in refused.value.hint


def test_the_classifier_says_what_model_api_needs() -> None:
    graph, _ = samples.paths("classification").model
    told = {
        node.tag: node.get("value", "") for node in ElementTree.parse(graph).getroot().iterfind("rt_info/model_info/*")
    }
    assert told["model_type"] == "Classification"
    assert told["labels"].split()[:3] == ["zero", "one", "two"]
    assert len(told["mean_values"].split()) == len(told["scale_values"].split()) == 3
    assert told["reverse_input_channels"] == "False"


def test_the_classifiers_dataset_is_split_by_class_without_overlap() -> None:
    with zipfile.ZipFile(samples.paths("classification").dataset) as packed:
        names = packed.namelist()
        pictures = [packed.read(name) for name in names]
    splits = {split: [name for name in names if name.startswith(f"{split}/")] for split in ("train", "val")}
    assert len(splits["train"]) == 897 and len(splits["val"]) == 900
    assert {name.split("/")[1] for name in splits["train"]} == {name.split("/")[1] for name in splits["val"]}
    assert len(set(pictures)) == len(pictures)  # no picture is there twice
    with Image.open(BytesIO(pictures[0])) as picture:
        assert picture.format == "JPEG" and picture.size == (64, 64) and picture.mode == "RGB"


def test_the_classifier_recognises_the_digits() -> None:
    """97.4 % on all of val, as the script that builds it prints; here on every ninth picture."""
    import numpy as np
    import openvino as ov

    sample = samples.paths("classification")
    compiled = ov.Core().compile_model(sample.model[0], "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    labels = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    with zipfile.ZipFile(sample.dataset) as packed:
        names = [name for name in packed.namelist() if name.startswith("val/")][::9]
        pixels = np.stack([np.asarray(Image.open(BytesIO(packed.read(name)))) for name in names]).astype(np.float32)
    mean, scale = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
    images = ((pixels - mean) / scale).transpose(0, 3, 1, 2).astype(np.float32)
    answers = [labels[int(compiled(image[None])[0].argmax())] for image in images]
    right = [answer == name.split("/")[1] for answer, name in zip(answers, names, strict=True)]
    assert len(right) == 100 and sum(right) / len(right) > 0.95
