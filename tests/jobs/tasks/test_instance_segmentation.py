"""Models that find objects with their masks, on pictures of coloured squares, from their outputs to their worth."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from PIL import Image

from jobs import data, formats, image_input, masks, measure, segmenters, tasks
from jobs.errors import BadDataset, LabelMismatch, UnsupportedModel, WrongTask
from jobs.predictions import Array, Predictions
from jobs.samples import Dataset
from jobs.tasks import Bound, Prediction, Scores, instance_segmentation
from tests.jobs import outlines, scenes, tiny

TASK = instance_segmentation.TASK
MODELS = {"MaskRCNN": scenes.mask_rcnn, "YOLO-seg": scenes.yolo_seg, "YOLO26-seg": scenes.yolo26_seg}
SIDE = scenes.SIDE


@dataclass(frozen=True)
class Seen:
    """What a model says of a dataset."""

    bound: Bound
    dataset: Dataset
    predictions: Predictions
    sizes: tuple[tuple[int, int], ...]
    scores: Scores


def look(model: ov.Model, folder: Path, scratch: Path, **settings: str) -> Seen:
    said = TASK.prepared(model, {"scale_values": "1", **formats.model_info(model), **settings})
    dataset = data.open_dataset(folder, scratch, TASK)
    entry = image_input.of(model, said)
    bound = TASK.bind(model, said, dataset)
    decoded = data.decode(dataset.samples, entry.resize, scratch)
    compiled = measure.compile_for(entry.embed(model), "CPU", "throughput")
    predictions = measure.predictions(compiled, decoded, bound, scratch)
    scores = TASK.score(predictions, TASK.truth(decoded.samples, bound), bound)
    return Seen(bound, dataset, predictions, decoded.sizes, scores)


def bind(model: ov.Model, **settings: str) -> Bound:
    said = TASK.prepared(model, {"scale_values": "1", **formats.model_info(model), **settings})
    return TASK.bind(model, said, Dataset("", (), ()))


def rows(*boxes: tuple[float, ...], label: int = 0, side: int = 28) -> list[Array]:
    """Outputs of MaskRCNN: boxes x0, y0, x1, y1, score, filled."""
    found = np.array([boxes], np.float32)
    return [found, np.full((1, len(boxes)), label, np.int64), np.ones((1, len(boxes), side, side), np.float32)]


def mask_of(prediction: Prediction, size: tuple[int, int]) -> Array:
    """That of the surest."""
    *_, ends, packed = prediction
    return masks.decode(masks.unpack(ends, packed)[0], size)


@pytest.fixture(scope="module")
def anywhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(3)
    return scenes.coco(tmp_path_factory.mktemp("anywhere"), scenes.anywhere(10, rng))


# --- models


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_objects_are_found_where_they_are(make: Callable[[], ov.Model], anywhere: Path, tmp_path: Path) -> None:
    seen = look(make(), anywhere, tmp_path, resize_type="standard")
    assert seen.scores.metrics["mask_map"] > 0.95 and seen.scores.metrics["map"] > 0.95
    assert set(seen.scores.metrics) == {"mask_map", "mask_map50", "map", "f_measure"}
    assert not seen.bound.notes and set(seen.scores.per_class) == set(scenes.LABELS)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_model_that_says_nothing_is_read_by_its_looks(
    make: Callable[..., ov.Model], anywhere: Path, tmp_path: Path
) -> None:
    seen = look(make(model_type="", labels=""), anywhere, tmp_path, resize_type="standard")
    assert seen.scores.metrics["mask_map"] > 0.95
    assert "does not say what it is" in seen.bound.notes[0] and "by order" in seen.bound.notes[1]


@pytest.mark.parametrize(
    "labels", ["otx_empty_lbl blue green red", "blue green red", "getitune_empty_lbl blue green red"]
)
@pytest.mark.parametrize("batch", [True, False], ids=["batch", "no batch"])
def test_exports_of_both_generations(labels: str, batch: bool, anywhere: Path, tmp_path: Path) -> None:
    """With or without a batch, and with or without a first label that stands for nothing."""
    seen = look(scenes.mask_rcnn(batch=batch, labels=labels), anywhere, tmp_path)
    assert seen.scores.metrics["mask_map"] > 0.95 and not seen.bound.notes


def test_given_names_win_over_the_models_own_with_or_without_its_first_label(anywhere: Path, tmp_path: Path) -> None:
    """OTX says its labels twice, and its exact ones name what stands for no object."""
    own = json.dumps({"label_names": ["otx_empty_lbl", "a", "b", "c"]})
    for given in ("blue, green, red", "otx_empty_lbl, blue, green, red"):
        seen = look(scenes.mask_rcnn(), anywhere, tmp_path, label_info=own, labels=given, labels_given="true")
        assert seen.scores.metrics["mask_map"] > 0.95 and not seen.bound.notes


def test_ultralytics_export_needs_no_settings(anywhere: Path, tmp_path: Path) -> None:
    said = {"reverse_input_channels": "True", "resize_type": "fit_to_window_letterbox", "scale_values": "1"}
    model = scenes.yolo_seg(task="segment", **said)
    assert TASK.fits(formats.describe(formats.Imported(model, "ONNX", "a.onnx", 1))) == 1
    assert look(model, anywhere, tmp_path).scores.metrics["mask_map"] > 0.95


# --- places


PLACES = {
    # size of the images, of a cell, and the cells that the model sees
    "standard": ((64, 64), 16, range(4), range(4)),
    "fit_to_window": ((128, 256), 64, range(2), range(4)),
    "fit_to_window, upright and small": ((32, 16), 8, range(4), range(2)),
    "fit_to_window_letterbox": ((128, 256), 64, range(2), range(4)),
    "fit_to_window_letterbox, upright and small": ((32, 16), 8, range(4), range(2)),
    "crop": ((128, 192), 32, range(4), range(1, 5)),
    "crop, upright and small": ((48, 32), 8, range(1, 5), range(4)),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("name", PLACES)
def test_boxes_and_masks_land_where_the_objects_are(make: Callable[[], ov.Model], name: str, tmp_path: Path) -> None:
    size, cell, upright, across = PLACES[name]
    rng = np.random.default_rng(5)
    cells = [(row, column, str(rng.choice(scenes.LABELS))) for row in upright for column in across]
    folder = scenes.coco(
        tmp_path / "dataset",
        [[cells[place] for place in rng.permutation(len(cells))[:3]] for _ in range(8)],
        size=size,
        cell=cell,
    )
    seen = look(make(), folder, tmp_path, resize_type=name.partition(",")[0])
    assert set(seen.sizes) == {size}
    assert seen.scores.metrics["mask_map"] > 0.9 and seen.scores.metrics["map"] > 0.9


def test_image_may_have_any_shape(tmp_path: Path) -> None:
    """Stretched to the input, and back."""
    scene = [[(0, 1, "blue"), (2, 2, "red"), (3, 0, "green")]]
    folder = scenes.coco(tmp_path / "dataset", scene * 4)
    (size,) = {(40, 100)}
    bound = look(scenes.mask_rcnn(), folder, tmp_path).bound
    prediction = bound.read(rows((16, 0, 32, 32, 0.9)), size)
    assert prediction[0].tolist() == [[25, 0, 50, 20]]
    mask = mask_of(prediction, size)
    assert mask[:20, 25:50].all() and mask.sum() == 20 * 25


def test_mask_is_as_exact_as_its_box() -> None:
    """Model API gives whole pixels."""
    prediction = bind(scenes.mask_rcnn()).read(rows((10.4, 20.6, 30.4, 40.6, 0.9)), (SIDE, SIDE))
    assert prediction[0][0].tolist() == pytest.approx([10.4, 20.6, 30.4, 40.6], abs=1e-3)
    mask = mask_of(prediction, (SIDE, SIDE))
    assert not mask.sum() - mask[21:41, 10:30].sum() and mask.sum() >= 20 * 20 - 4  # a corner may be rounded


def test_box_that_reaches_into_the_padding_ends_with_the_image_but_its_mask_is_not_squeezed() -> None:
    outputs = rows((0, 0, 64, 64, 0.9), side=32)
    outputs[2][..., 8:, :] = 0  # the quarter at the top
    prediction = bind(scenes.mask_rcnn(), resize_type="fit_to_window").read(outputs, (32, 64))
    assert prediction[0].tolist() == [[0, 0, 64, 32]]
    mask = mask_of(prediction, (32, 64))
    assert mask[:15].all() and not mask[17:].any()


def test_mask_of_the_whole_image_is_put_back_with_its_padding() -> None:
    """As DETR has them; the padding is a part of them."""
    model = scenes.mask_rcnn(side=96, model_type="DETRInstSeg")
    assert segmenters.kind_of(scenes.mask_rcnn(side=96, model_type=""), {})[0].name == "DETRInstSeg"
    outputs = rows((16, 16, 48, 48, 0.9), side=96)
    outputs[2][..., :48] = 0
    prediction = bind(model, resize_type="fit_to_window_letterbox").read(outputs, (64, 128))
    mask = mask_of(prediction, (64, 128))
    assert prediction[0].tolist() == [[32, 0, 96, 64]]
    assert mask[:, 65:].all() and not mask[:, :63].any()


# --- what is kept


def test_low_scores_are_kept_for_the_metric_but_not_for_words() -> None:
    bound = bind(scenes.mask_rcnn())
    prediction = bound.read(rows((0, 0, 9, 9, 0.8), (20, 20, 30, 30, 0.02), (5, 5, 5, 9, 0.9)), (64, 64))
    assert prediction[2].tolist() == pytest.approx([0.8, 0.02]), "one without a pixel is none"
    assert TASK.describe(prediction, bound) == ("1 object: 1 blue", pytest.approx(0.8))
    (shape,) = TASK.marks(prediction, bound, (64, 64)).shapes
    assert shape.outline and max(shape.outline[0]) <= 9 / 64


def test_no_objects_are_told() -> None:
    bound = bind(scenes.mask_rcnn())
    nothing = [np.zeros((1, 0, 5), np.float32), np.zeros((1, 0), np.int64), np.zeros((1, 0, 28, 28), np.float32)]
    prediction = bound.read(nothing, (64, 64))
    assert TASK.describe(prediction, bound) == ("no objects", 0.0)
    assert not TASK.marks(prediction, bound, (64, 64)).shapes
    quiet = bind(scenes.yolo_seg()).read(
        [np.zeros((1, 9, 16), np.float32), np.ones((1, 2, 16, 16), np.float32)], (9, 9)
    )
    assert TASK.describe(quiet, bound) == ("no objects", 0.0)


def test_a_hundred_objects_are_kept() -> None:
    prediction = bind(scenes.mask_rcnn()).read(rows(*[(0, 0, 9, 9, 0.1 + n / 1000) for n in range(300)]), (64, 64))
    assert len(prediction[0]) == 100 and prediction[2].min() == pytest.approx(0.3)
    assert (np.diff(prediction[2]) <= 0).all()


def test_model_that_knows_more_is_not_blamed_for_it(tmp_path: Path) -> None:
    folder = scenes.coco(tmp_path / "blue", [[(0, 1, "blue")], [(2, 2, "blue")], []], labels=("blue",))
    seen = look(scenes.mask_rcnn(), folder, tmp_path)
    assert seen.bound.notes == (
        "What the model says of classes that the dataset does not have is ignored: green, red.",
    )
    assert seen.scores.metrics["mask_map"] == pytest.approx(1)


# --- layouts


@pytest.mark.parametrize("name", outlines.LAYOUTS)
def test_outlines_are_read_in_every_layout(name: str, anywhere: Path, tmp_path: Path) -> None:
    content = json.loads((anywhere / "annotations" / "instances_val.json").read_text())
    names = {image["id"]: f"val/{image['file_name']}" for image in content["images"]}
    lines = [
        (names[one["image_id"]], scenes.LABELS[one["category_id"] - 1], one["segmentation"][0])
        for one in content["annotations"]
    ]
    folder = tmp_path / "dataset"
    shutil.copytree(anywhere / "images", folder / "images")
    outlines.LAYOUTS[name](folder, list(names.values()), lines)
    seen = look(scenes.mask_rcnn(), folder, tmp_path)
    assert seen.dataset.format == name and not seen.dataset.problems
    assert seen.scores.metrics["mask_map"] > 0.95


def test_mask_that_cannot_be_read_is_an_error_in_words(anywhere: Path, tmp_path: Path) -> None:
    """Datumaro reads it only when its turn comes."""
    folder = tmp_path / "dataset"
    shutil.copytree(anywhere / "images", folder / "images")
    outlines.as_voc(folder, ["val/val-000.png"], [])
    Image.new("RGB", (SIDE, SIDE), (7, 7, 7)).save(folder / "SegmentationClass" / "val-000.png")
    with pytest.raises(BadDataset, match=r"looks like Pascal VOC but cannot be read: .*color"):
        data.open_dataset(folder, tmp_path, TASK)


# --- what does not fit


def test_class_that_the_model_does_not_know_is_an_error(tmp_path: Path) -> None:
    folder = scenes.coco(tmp_path / "pink", [[(0, 1, "blue"), (1, 1, "red")]], labels=("blue", "green", "pink"))
    with pytest.raises(LabelMismatch, match="pink") as caught:
        look(scenes.mask_rcnn(), folder, tmp_path)
    assert caught.value.where == "labels" and caught.value.hint


def test_other_type_is_an_error_in_words() -> None:
    with pytest.raises(UnsupportedModel, match="of the type Transporter") as caught:
        TASK.bind(scenes.mask_rcnn(), {"model_type": "Transporter"}, Dataset("", (), ()))
    assert "MaskRCNN" in (caught.value.hint or "") and caught.value.where == "model_type"


@pytest.mark.parametrize("kind", [kind.name for kind in segmenters.KINDS])
def test_outputs_of_another_kind_are_an_error_in_words(kind: str) -> None:
    with pytest.raises(UnsupportedModel, match=f"not those of a {kind} model"):
        TASK.bind(scenes.ssd(), {"model_type": kind}, Dataset("", (), ()))


@pytest.mark.parametrize("make", [tiny.classifier, scenes.ssd, scenes.yolov8])
def test_model_without_masks_is_another_task(make: Callable[[], ov.Model]) -> None:
    model = make()
    assert TASK.fits(formats.describe(formats.Imported(model, "ONNX", "a.onnx", 1))) == 0
    with pytest.raises(WrongTask, match="not those of a model that finds objects with their masks"):
        TASK.bind(model, {}, Dataset("", (), ()))


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_other_tasks_leave_them_alone(make: Callable[..., ov.Model]) -> None:
    for model in (make(), make(model_type="")):
        found = formats.describe(formats.Imported(model, "ONNX", "a.onnx", 1))
        best = max(tasks.all_tasks().values(), key=lambda task: task.fits(found))
        assert best.name == TASK.name


def test_rotated_detection_is_told_by_its_masks() -> None:
    """Its models are Mask R-CNNs whose boxes are drawn around masks afterwards."""
    found = formats.describe(formats.Imported(scenes.mask_rcnn(task_type="rotated_detection"), "ONNX", "a.onnx", 1))
    assert TASK.fits(found) == 1
