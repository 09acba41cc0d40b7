"""Semantic segmentation: how classes meet, what is counted, and what is said and shown of it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray
from openvino import opset13 as ops
from PIL import Image

from jobs import data, formats, image_input, label_maps, measure, palette, run
from jobs.errors import BadDataset, BadOption, LabelMismatch
from jobs.formats import Imported
from jobs.label_codes import VOID
from jobs.label_maps import resized
from jobs.samples import Dataset
from jobs.targets import UNKNOWN
from jobs.tasks import Prediction, segmentation
from jobs.tasks.segmentation import TASK, MapBound
from tests.jobs import datasets, streets, tiny


def opened(root: Path) -> Dataset:
    return data.open_dataset(root, root.parent / "scratch", TASK)


def named(root: Path, names: Sequence[str] = streets.CLASSES, each: int = 4) -> Dataset:
    """Masks of 0, 1, 2 with these names."""
    rng = np.random.default_rng(2)
    for number in range(each):
        streets.pair(root, str(number), rng)
    if names:
        datasets.text(root / "classes.txt", "\n".join(names))
    return opened(root)


def bound(model: ov.Model, dataset: Dataset, **settings: str) -> MapBound:
    return segmentation.bind(model, {**formats.model_info(model), **settings}, dataset)


def answers(model: ov.Model, dataset: Dataset, to: MapBound, tmp_path: Path) -> list[Prediction]:
    entry = image_input.of(model, {})
    decoded = data.decode(dataset.samples, entry.resize, tmp_path / "scratch")
    compiled = measure.compile_for(entry.embed(model), "CPU", "throughput")
    return list(measure.predictions(compiled, decoded, to, tmp_path / "scratch"))


def packed(numbers: Any, sure: float = 0.9) -> Prediction:
    return (*label_maps.pack(np.array(numbers, np.uint8)), np.array([sure], np.float32))


def findings(model: ov.Model, info: Mapping[str, str] | None = None) -> Any:
    found = formats.describe(Imported(model, "ONNX", "a.onnx", 1))
    return found if info is None else found.model_copy(update={"model_info": dict(info)})


# --- which models


@pytest.mark.parametrize(
    ("info", "fit"),
    [
        ({"model_type": "Segmentation", "task_type": "segmentation"}, 1.0),
        ({"model_type": "AnomalyDetection", "task": "segmentation"}, 0.0),
        ({"model_type": "MaskRCNN", "task_type": "instance_segmentation"}, 0.0),
        ({"model_type": "YOLO11", "task": "segment"}, 0.0),
        ({"model_type": "Classification"}, 0.0),
        ({}, 0.5),
    ],
)
def test_model_says_what_it_is_for(info: dict[str, str], fit: float) -> None:
    assert segmentation.fits(findings(streets.model(), info)) == fit


def test_classifier_does_not_fit() -> None:
    assert segmentation.fits(findings(tiny.classifier(), {})) == 0


# --- classes


def test_classes_are_matched_by_name(tmp_path: Path) -> None:
    found = bound(streets.model(["Roof", "background", "grass"]), named(tmp_path / "data"))
    assert found.from_dataset == (1, 2, 0) and not found.notes
    assert found.background == 1 and found.colours == (2, 0, 1), "a class has the dataset's colour"


def test_one_more_class_than_names_is_the_background(tmp_path: Path) -> None:
    found = bound(streets.model(["grass", "roof"]), named(tmp_path / "data"))
    assert found.labels == ("background", "grass", "roof") and found.from_dataset == (0, 1, 2)
    assert "one class more than names" in found.notes[0]


def test_background_has_a_name_of_otx(tmp_path: Path) -> None:
    found = bound(streets.model(["otx_background_lbl", "grass", "roof"]), named(tmp_path / "data"))
    assert found.labels == streets.CLASSES and found.background == 0


def test_model_without_names_is_matched_by_order(tmp_path: Path) -> None:
    found = bound(streets.model(told=False), named(tmp_path / "data", ["ground", "lawn", "roof"]))
    assert found.labels == ("ground", "lawn", "roof") and "by order" in found.notes[0]


def test_values_without_names_are_places(tmp_path: Path) -> None:
    found = bound(streets.model(), named(tmp_path / "data", ()))
    assert found.from_dataset == (0, 1, 2) and "numbers" in found.notes[0]


def test_class_that_the_model_does_not_know_is_an_error_that_names_it(tmp_path: Path) -> None:
    dataset = named(tmp_path / "data", ["background", "grass", "water"])
    with pytest.raises(LabelMismatch, match="not found in the model: water") as caught:
        bound(streets.model(), dataset)
    assert "unknown_classes" in caught.value.hint


def test_unknown_class_can_be_void_or_background(tmp_path: Path) -> None:
    dataset = named(tmp_path / "data", ["background", "grass", "water"])
    void = bound(streets.model(), dataset, unknown_classes="void")
    assert void.from_dataset == (0, 1, -1) and "Not counted" in void.notes[0] and "water" in void.notes[0]
    ground = bound(streets.model(), dataset, unknown_classes="background")
    assert ground.from_dataset == (0, 1, 0) and "Counted as background" in ground.notes[0]
    real = TASK.truth(dataset.samples, void)
    assert set(np.unique(real.read(0))) == {0, 1, VOID}


def test_unknown_class_needs_a_background_to_be_it(tmp_path: Path) -> None:
    dataset = named(tmp_path / "data", ["ground", "grass", "water"])
    with pytest.raises(BadOption, match="cannot be background"):
        bound(streets.model(["ground", "grass", "roof"]), dataset, unknown_classes="background")
    with pytest.raises(BadOption, match="must be error, void or background"):
        bound(streets.model(), dataset, unknown_classes="sky")


def test_nothing_known_is_an_error_whatever_the_setting(tmp_path: Path) -> None:
    dataset = named(tmp_path / "data", ["a", "b"])
    with pytest.raises(LabelMismatch, match="not found in the model: a, b"):
        bound(streets.model(), dataset, unknown_classes="void")


def test_name_given_twice_makes_two_classes_one(tmp_path: Path) -> None:
    dataset = named(tmp_path / "data", ["background", "grass", "roof"])
    model = streets.model()
    found = bound(
        model, dataset, labels="background, grass, background", labels_given="true", unknown_classes="background"
    )
    assert found.labels == ("background", "grass") and found.from_dataset == (0, 1, 0)
    scores = TASK.score(answers(model, dataset, found, tmp_path), TASK.truth(dataset.samples, found), found)
    assert set(scores.per_class) == {"background", "grass"} and scores.metrics["miou"] > 0.8


def test_wrong_number_of_names_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LabelMismatch, match="3 classes but 5 label names"):
        bound(streets.model(list("abcde")), named(tmp_path / "data"))


def single(*, sigmoid: bool) -> ov.Model:
    """Whether a pixel is red."""
    entry = ops.parameter([1, 3, streets.SIDE, streets.SIDE], np.float32, name="image")
    weights = np.array([0.05, -0.05, -0.05], np.float32).reshape(1, 3, 1, 1)
    score = ops.convolution(entry, weights, [1, 1], [0, 0], [0, 0], [1, 1])
    return streets.whole(ops.sigmoid(score) if sigmoid else score, entry)


@pytest.mark.parametrize("sigmoid", [True, False])
def test_single_channel_is_two_classes(tmp_path: Path, sigmoid: bool) -> None:
    dataset = named(tmp_path / "data", ["background", "background", "roof"])
    model = single(sigmoid=sigmoid)
    found = bound(model, dataset, labels="roof", labels_given="true")
    assert found.labels == ("background", "roof") and "one score a pixel" in found.notes[0]
    scores = TASK.score(answers(model, dataset, found, tmp_path), TASK.truth(dataset.samples, found), found)
    assert scores.metrics["miou"] > 0.95


def test_model_of_numbers_has_a_class_for_those_without_a_name(tmp_path: Path) -> None:
    entry = ops.parameter([1, 3, streets.SIDE, streets.SIDE], np.float32, name="image")
    best = ops.topk(entry, ops.constant(1), 1, "max", "value").output(1)
    backwards = ops.subtract(ops.constant(np.int32(2)), ops.squeeze(ops.convert(best, "i32"), ops.constant([1])))
    model = streets.whole(backwards, entry)
    dataset = named(tmp_path / "data")
    found = bound(model, dataset, labels="background,grass,roof", labels_given="true")
    assert found.labels == (*streets.CLASSES, "other")
    scores = TASK.score(answers(model, dataset, found, tmp_path), TASK.truth(dataset.samples, found), found)
    assert scores.metrics["miou"] > 0.95 and set(scores.per_class) == set(streets.CLASSES)


# --- what is counted


def test_good_model_of_logits_is_right(tmp_path: Path) -> None:
    model, dataset = streets.model(softmax=False), named(tmp_path / "data")
    found = bound(model, dataset)
    scores = TASK.score(answers(model, dataset, found, tmp_path), TASK.truth(dataset.samples, found), found)
    assert list(scores.metrics) == ["miou", "dice", "pixel_accuracy"] and scores.metrics["miou"] > 0.8
    assert set(scores.per_class["roof"]) == {"iou", "dice"}


def test_answer_goes_to_the_size_of_the_mask(tmp_path: Path) -> None:
    root = tmp_path / "data"
    streets.pair(root, "large", np.random.default_rng(0), side=100)
    dataset, model = opened(root), streets.model()
    found = bound(model, dataset)
    predictions = answers(model, dataset, found, tmp_path)
    assert segmentation._map(predictions[0]).shape == (24, 24)
    real = TASK.truth(dataset.samples, found)
    counts = TASK.score(predictions, real, found).evidence
    assert counts.real.sum() == 100 * 100
    expected = resized(segmentation._map(predictions[0]), (100, 100)) == real.read(0)
    assert counts.both.sum() == expected.sum()


def test_guess_is_the_commonest_class_everywhere(tmp_path: Path) -> None:
    dataset = named(tmp_path / "data")
    found = bound(streets.model(), dataset)
    real = TASK.truth(dataset.samples, found)
    scores = TASK.score([packed(np.zeros((24, 24)))] * len(dataset.samples), real, found)
    assert TASK.chance(found) == pytest.approx(scores.metrics["miou"])


def test_targets_are_the_labels_of_the_pixels_that_the_model_sees(tmp_path: Path) -> None:
    root = tmp_path / "data"
    streets.pair(root, "wide", np.random.default_rng(0), side=48)
    datasets.text(root / "classes.txt", "\n".join(streets.CLASSES))
    dataset, model = opened(root), streets.model(["roof", "background", "grass"])
    found, entry = bound(model, dataset), image_input.of(model, {})
    targets = segmentation.targets(model, dataset.samples, found, entry)
    assert targets is not None and targets.exclusive and targets.labels == (0, 1, 2) and targets.known == 1
    real = TASK.truth(dataset.samples, found).read(0)
    assert (targets.of(0) == resized(real, (streets.SIDE, streets.SIDE))).all()


def test_targets_of_a_single_class_are_yes_or_no(tmp_path: Path) -> None:
    entry = ops.parameter([1, 3, streets.SIDE, streets.SIDE], np.float32, name="image")
    red = ops.gather(entry, ops.constant([0]), ops.constant(1))
    model, dataset = streets.whole(ops.sigmoid(red), entry, ["roof"]), named(tmp_path / "data", ["background", "roof"])
    found = bound(model, dataset)
    targets = segmentation.targets(model, dataset.samples, found, image_input.of(model, {}))
    assert targets is not None and not targets.exclusive and targets.probabilities
    real = TASK.truth(dataset.samples, found).read(0).astype(np.int64)
    assert (targets.of(0)[0] == np.where(real == VOID, UNKNOWN, real == 1)).all()


def test_map_of_numbers_has_no_targets(tmp_path: Path) -> None:
    entry = ops.parameter([1, 3, streets.SIDE, streets.SIDE], np.float32, name="image")
    best = ops.convert(ops.topk(entry, ops.constant(1), 1, "max", "value").output(1), "i32")
    model, dataset = streets.whole(best, entry), named(tmp_path / "data")
    found = bound(model, dataset)
    assert segmentation.targets(model, dataset.samples, found, image_input.of(model, {})) is None


def test_nothing_to_count_is_an_error(tmp_path: Path) -> None:
    dataset = named(tmp_path / "data")
    found = bound(streets.model(), dataset)
    nothing = segmentation.Truth(1, lambda image: np.full((2, 2), VOID, np.uint8))
    with pytest.raises(BadDataset, match="No pixel"):
        TASK.score([packed([[0, 0], [0, 0]])], nothing, found)


def test_mask_that_is_gone_is_named(tmp_path: Path) -> None:
    dataset = named(tmp_path / "data")
    found = bound(streets.model(), dataset)
    dataset.samples[0].target.path.unlink()
    with pytest.raises(BadDataset, match=r"“masks/0\.png” cannot be read"):
        TASK.truth(dataset.samples, found).read(0)


def test_images_without_masks_are_compared_with_the_original(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    rng = np.random.default_rng(0)
    for number in range(3):
        streets.image(streets.mask(rng), rng).save(root / f"{number}.png")
    dataset, model = opened(root), streets.model()
    found = bound(model, dataset)
    assert not dataset.labelled and found.from_dataset == ()
    predictions = answers(model, dataset, found, tmp_path)
    itself = TASK.score(predictions, TASK.agreement(predictions, found), found)
    assert set(itself.metrics.values()) == {1.0} and set(itself.per_class) == set(streets.CLASSES)


# --- words and pictures


def test_words_are_shares_of_the_image(tmp_path: Path) -> None:
    found = bound(streets.model(), named(tmp_path / "data"))
    numbers = np.zeros((10, 100), np.uint8)
    numbers[:, :41] = 2
    numbers[:, 41:53] = 1
    assert TASK.describe(packed(numbers, 0.75), found) == (
        "background 47\u00a0%, roof 41\u00a0%, grass 12\u00a0%",
        0.75,
    )
    assert TASK.describe(packed([[VOID]]), found)[0] == "nothing"


def test_layer_has_the_colours_of_the_classes(tmp_path: Path) -> None:
    found = bound(streets.model(["Roof", "background", "grass"]), named(tmp_path / "data"))
    layer = TASK.marks(packed([[0, 1], [2, VOID]]), found, (2, 2)).layer
    assert layer is not None
    assert layer[0, 0].tolist() == [*palette.colour(2), 255] and layer[1, 0].tolist() == [*palette.colour(1), 255]
    assert layer[0, 1, 3] == layer[1, 1, 3] == 0, "background and void are clear"


def test_annotation_is_drawn_before_there_is_a_model(tmp_path: Path) -> None:
    dataset = named(tmp_path / "data")
    sample = dataset.samples[0]
    layer = TASK.target_marks(sample.target, dataset.labels, (24, 24)).layer
    assert layer is not None and ((layer[..., 3] > 0) == (sample.target.read() > 0)).all()
    sample.target.path.unlink()
    assert TASK.target_marks(sample.target, dataset.labels, (24, 24)).layer is None


def test_layer_has_the_shape_of_the_image_and_is_small() -> None:
    layer = segmentation._painted(np.ones((512, 512), np.uint8), [0, 1], -1, (2000, 1000)).layer
    assert layer is not None and layer.shape == (640, 320, 4)


@pytest.mark.parametrize(
    ("after", "changed"),
    [(0, 0.0), (4, 0.04), (5, 1.05), (100, 2.0)],
)
def test_difference_counts_pixels_and_from_a_twentieth_on_it_is_another_answer(
    tmp_path: Path, after: int, changed: float
) -> None:
    found = bound(streets.model(), named(tmp_path / "data"))
    one: NDArray[np.uint8] = np.zeros((10, 20), np.uint8)
    one[5:] = 1
    other = one.copy().ravel()
    other[: 2 * min(after, 50)] = 1
    if after == 100:
        other[:] = 2
        changed = 2.0
    value = TASK.difference([packed(one)], [packed(other.reshape(10, 20))], found)[0]
    assert value == pytest.approx(changed)


def test_class_that_is_new_is_another_answer(tmp_path: Path) -> None:
    found = bound(streets.model(), named(tmp_path / "data"))
    one = np.zeros((10, 20), np.uint8)
    other = one.copy()
    other[0, :2] = 2
    assert TASK.difference([packed(one)], [packed(other)], found)[0] == pytest.approx(1.01)


def test_whole_job(tmp_path: Path) -> None:
    dataset = streets.dataset(tmp_path / "data", each=10)
    report = run.run(tiny.job(tmp_path, model=streets.model(), dataset=dataset, task="segmentation"))
    assert report.failure is None and report.before and report.after
    assert report.metric == "miou" and report.before.metrics["miou"] > 0.8
    assert report.after.metrics["miou"] > 0.7
    picture = report.pictures[0]
    for view in (picture.before_view, picture.after_view, picture.truth_view):
        with Image.open(tmp_path / "job" / view.layer) as layer:
            assert layer.mode == "RGBA"
    assert json.loads((tmp_path / "job" / "report.json").read_text())["labels"] == list(streets.CLASSES)


def test_detectors_grids_do_not_fit() -> None:
    entry = ops.parameter([1, 3, 64, 64], np.float32, name="image")
    grids = [ops.avg_pool(entry, [side] * 2, [0, 0], [0, 0], [side] * 2, False) for side in (8, 16)]
    model = ov.Model(grids, [entry], "grids")
    assert segmentation.fits(findings(model, {})) == 0
