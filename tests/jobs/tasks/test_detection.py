"""Detectors of several kinds on pictures of coloured squares, from their outputs to their worth."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from jobs import check, data, detector_kinds, findings, formats, image_input, measure, run, spec
from jobs.errors import LabelMismatch, UnsupportedModel, WrongTask
from jobs.findings import CheckRequest
from jobs.predictions import Predictions
from jobs.samples import Dataset
from jobs.spec import PotDefault
from jobs.tasks import Bound, Scores, detection
from tests.jobs import scenes, tiny

TASK = detection.TASK
MODELS = {"boxes and labels": scenes.ssd, "DetectionOutput": scenes.detection_output, "YOLOv8": scenes.yolov8}


@dataclass(frozen=True)
class Seen:
    """What a model says of a dataset."""

    bound: Bound
    dataset: Dataset
    predictions: Predictions
    sizes: tuple[tuple[int, int], ...]
    scores: Scores


def look(model: ov.Model, folder: Path, scratch: Path, **settings: str) -> Seen:
    said = detector_kinds.prepared(model, {**formats.model_info(model), **settings})
    dataset = data.open_dataset(folder, scratch, TASK)
    entry = image_input.of(model, said)
    bound = TASK.bind(model, said, dataset)
    decoded = data.decode(dataset.samples, entry.resize, scratch)
    compiled = measure.compile_for(entry.embed(model), "CPU", "throughput")
    predictions = measure.predictions(compiled, decoded, bound, scratch)
    scores = TASK.score(predictions, TASK.truth(decoded.samples, bound), bound)
    return Seen(bound, dataset, predictions, decoded.sizes, scores)


@pytest.fixture(scope="module")
def anywhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(3)
    return scenes.coco(tmp_path_factory.mktemp("anywhere"), scenes.anywhere(12, rng))


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_objects_are_found_where_they_are(make: Callable[[], ov.Model], anywhere: Path, tmp_path: Path) -> None:
    seen = look(make(), anywhere, tmp_path, scale_values="1", resize_type="standard")
    assert seen.scores.metrics["map"] > 0.95 and seen.scores.metrics["f_measure"] > 0.95
    assert not seen.bound.notes
    assert set(seen.scores.per_class) == set(scenes.LABELS)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_model_that_says_nothing_is_read_by_its_looks(
    make: Callable[..., ov.Model], anywhere: Path, tmp_path: Path
) -> None:
    labels = "" if make is scenes.yolov8 else " ".join(scenes.LABELS)
    model = make("", labels=labels)
    seen = look(model, anywhere, tmp_path, scale_values="1", resize_type="standard")
    assert seen.scores.metrics["map"] > 0.95
    assert "does not say what it is" in seen.bound.notes[0]
    if not labels:
        assert "by order" in seen.bound.notes[1]


def test_what_is_supposed_can_be_taken_back() -> None:
    """An empty scale is none."""
    model = scenes.yolov8("", labels="")
    assert TASK.prepared(model, {})["scale_values"] == "255"
    assert TASK.prepared(model, {"scale_values": "", "resize_type": "standard"}) == {
        **TASK.prepared(model, {}),
        "scale_values": "",
        "resize_type": "standard",
    }


def test_ultralytics_export_needs_no_settings(anywhere: Path, tmp_path: Path) -> None:
    """It calls itself YOLO, wants its RGB “reversed” as OpenCV's BGR is, and gives its names with underscores."""
    said = {"reverse_input_channels": "True", "resize_type": "fit_to_window_letterbox", "scale_values": "1"}
    model = scenes.yolov8("YOLO", task="detect", **said)
    seen = look(model, anywhere, tmp_path)
    assert seen.scores.metrics["map"] > 0.95 and not seen.bound.notes


def test_boxes_are_not_rounded_to_pixels(anywhere: Path, tmp_path: Path) -> None:
    """Model API gives whole pixels, which costs precision on small objects."""
    bound = look(scenes.ssd(), anywhere, tmp_path).bound
    boxes = np.array([[[1.25, 2.5, 11.75, 20.5, 0.9]]], np.float32)
    (found, labels, scores) = bound.read([boxes, np.array([[2]])], (scenes.SIDE, scenes.SIDE))
    assert found.tolist() == [[1.25, 2.5, 11.75, 20.5]] and labels.tolist() == [2]
    assert scores.tolist() == pytest.approx([0.9])


def test_boxes_follow_the_image_out_of_a_letterbox(anywhere: Path, tmp_path: Path) -> None:
    bound = look(scenes.yolov8(), anywhere, tmp_path, resize_type="fit_to_window_letterbox", scale_values="1").bound
    output = np.zeros((1, 7, 16), np.float32)
    output[0, :5, 0] = [32, 32, 16, 8, 0.9]
    (found, _, _) = bound.read([output], (64, 128))  # half as high as wide: 16 rows of padding above
    assert found.tolist() == [[48, 24, 80, 40]]


def test_boxes_of_a_crop_are_moved(anywhere: Path, tmp_path: Path) -> None:
    bound = look(scenes.ssd(), anywhere, tmp_path, resize_type="crop").bound
    boxes = np.array([[[0, 0, 32, 64, 0.9]]], np.float32)
    (found, _, _) = bound.read([boxes, np.array([[0]])], (64, 96))
    assert found.tolist() == [[16, 0, 48, 64]]


def test_huge_image_has_its_boxes(anywhere: Path, tmp_path: Path) -> None:
    """Areas of more than 31 bits were negative."""
    bound = look(scenes.ssd(), anywhere, tmp_path).bound
    boxes = np.array([[[0, 0, 64, 64, 0.9]]], np.float32)
    (found, _, _) = bound.read([boxes, np.array([[0]])], (10_000, 12_000))
    assert found.tolist() == [[0, 0, 12_000, 10_000]]


def test_low_scores_are_kept_for_the_metric_but_not_for_words(anywhere: Path, tmp_path: Path) -> None:
    bound = look(scenes.ssd(), anywhere, tmp_path).bound
    boxes = np.array([[[0, 0, 9, 9, 0.8], [20, 20, 30, 30, 0.02], [5, 5, 5, 9, 0.9]]], np.float32)
    prediction = bound.read([boxes, np.array([[0, 1, 1]])], (64, 64))
    assert prediction[2].tolist() == pytest.approx([0.8, 0.02]), "one without area is none"
    assert TASK.describe(prediction, bound) == ("1 object: 1 blue", pytest.approx(0.8))
    assert len(TASK.marks(prediction, bound, (64, 64)).shapes) == 1


def test_no_objects_are_told(anywhere: Path, tmp_path: Path) -> None:
    bound = look(scenes.ssd(), anywhere, tmp_path).bound
    prediction = bound.read([np.zeros((1, 0, 5), np.float32), np.zeros((1, 0), np.int64)], (64, 64))
    assert TASK.describe(prediction, bound) == ("no objects", 0.0)


def test_model_that_knows_more_is_not_blamed_for_it(tmp_path: Path) -> None:
    """COCO ignores what is found of classes that the dataset does not have; so does a person."""
    folder = scenes.coco(tmp_path / "blue", [[(0, 1, "blue")], [(2, 2, "blue")], []], labels=("blue",))
    seen = look(scenes.ssd(), folder, tmp_path)
    assert seen.bound.notes == (
        "What the model says of classes that the dataset does not have is ignored: green, red.",
    )
    assert seen.scores.metrics["map"] == pytest.approx(1)
    boxes = np.array([[[0, 0, 9, 9, 0.8], [20, 20, 30, 30, 0.9]]], np.float32)
    assert seen.bound.read([boxes, np.array([[0, 1]])], (64, 64))[1].tolist() == [0]


def test_class_that_the_model_does_not_know_is_an_error(tmp_path: Path) -> None:
    folder = scenes.coco(tmp_path / "pink", [[(0, 1, "blue"), (1, 1, "red")]], labels=("blue", "green", "pink"))
    with pytest.raises(LabelMismatch, match="pink") as caught:
        look(scenes.ssd(), folder, tmp_path)
    assert caught.value.where == "labels" and caught.value.hint


def test_class_that_no_image_shows_need_not_be_known(tmp_path: Path) -> None:
    folder = scenes.coco(tmp_path / "pink", [[(0, 1, "blue")]], labels=("blue", "green", "pink"))
    assert look(scenes.ssd(), folder, tmp_path).bound.from_dataset == (0, 1, -1)


def test_model_of_any_size_gets_one(anywhere: Path) -> None:
    entry = ops.parameter([-1, 3, -1, -1], np.float32)
    seen = ops.convolution(entry, np.zeros((7, 3, 8, 8), np.float32), [8, 8], [0, 0], [0, 0], [1, 1])
    model = ov.Model([ops.reshape(seen, ops.constant([1, 7, -1]), False)], [entry])
    assert TASK.prepared(model, {"model_type": "YOLO"})["orig_height"] == "640"
    said = TASK.prepared(model, {"model_type": "YOLO", "orig_height": "64"})
    assert (said["orig_height"], said["orig_width"]) == ("64", "640")


def test_background_is_no_class(tmp_path: Path) -> None:
    names = ("azure", "lime", "crimson")
    folder = scenes.coco(tmp_path / "other", [[(0, 1, "blue"), (1, 1, "red"), (2, 2, "green")]], labels=names)
    seen = look(scenes.ssd(labels="otx_empty_lbl blue green red"), folder, tmp_path)
    assert seen.bound.from_dataset == (1, 2, 3) and "by order" in seen.bound.notes[0]


def test_coco_is_assumed_of_eighty_nameless_classes() -> None:
    from jobs import labels

    names, places, notes = labels.match_objects({}, ("truck", "person"), {0, 1}, 80)
    assert (names[7], names[0]) == ("truck", "person") and places == (7, 0)
    assert "COCO" in notes[0]
    assert labels.match_objects({}, ("truck", "person"), {0, 1}, 91)[1] == (8, 1)


@pytest.mark.parametrize("settings", [{"model_type": "Transporter"}, {"confidence_threshold": "2"}])
def test_setting_that_is_none_is_refused(settings: dict[str, str]) -> None:
    with pytest.raises(Exception, match=r"Transporter|confidence_threshold"):
        TASK.bind(scenes.ssd(), settings, Dataset("", (), ()))


def test_wrong_kind_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="not those of a YOLOX model"):
        TASK.bind(scenes.ssd(), {"model_type": "YOLOX"}, Dataset("", (), ()))


@pytest.mark.parametrize("kind", [one.name for one in detector_kinds.KINDS])
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_every_wrong_kind_is_refused_in_words(make: Callable[..., ov.Model], kind: str) -> None:
    """When it is bound or when it is asked, but never as a bug; or its classes are others, which pictures show."""
    model = make("", labels="")
    outputs = [np.full([1, *list(port.partial_shape.get_min_shape())[1:]], 0.5, np.float32) for port in model.outputs]
    try:
        bound = TASK.bind(model, {"model_type": kind}, Dataset("", (), ()))
        bound.read([outputs[place] for place in bound.outputs], (64, 64))
    except UnsupportedModel as error:
        assert kind.lower() in error.message.lower() and error.where == "model_type"


def test_classifier_is_no_detector() -> None:
    model = tiny.classifier()
    assert TASK.fits(formats.describe(formats.Imported(model, "ONNX", "a.onnx", 1))) == 0
    with pytest.raises(WrongTask, match="not those of a detector"):
        TASK.bind(model, {}, Dataset("", (), ()))


def test_without_annotations_the_original_is_the_truth(anywhere: Path, tmp_path: Path) -> None:
    bound = look(scenes.ssd(), anywhere, tmp_path).bound
    assert bound.threshold == 0.5
    assert TASK.bind(scenes.ssd(), {"otx_version": "2.6.0"}, Dataset("", (), ())).threshold == 0.35
    nameless = TASK.bind(scenes.yolov8(labels=""), {"model_type": "YOLOv8"}, Dataset("", (), ()))
    assert nameless.labels == ("0", "1", "2")
    untold = TASK.bind(scenes.ssd(labels=""), {"model_type": "SSD"}, Dataset("", (), ()))
    boxes = np.array([[[0, 0, 9, 9, 0.8]]], np.float32)
    assert untold.read([boxes, np.array([[40]])], (64, 64))[1].tolist() == [40]


# --- a whole job


def job(tmp_path: Path, model: ov.Model, dataset: Path) -> Path:
    return tiny.job(tmp_path, model=model, dataset=dataset, task="detection", options=PotDefault(stat_subset_size=6))


def test_job_goes_from_upload_to_report(tmp_path: Path) -> None:
    made = run.run(job(tmp_path, scenes.ssd(), scenes.dataset(tmp_path / "scenes")))
    assert made.status == "succeeded", made.failure
    assert made.before and made.before.metrics["map"] > 0.9 and made.metric == "map"
    assert made.after and set(made.after.per_class) == set(scenes.LABELS)
    picture = made.pictures[0]
    assert picture.before_view.shapes and picture.truth_view.shapes and picture.threshold == 0.5
    assert "object" in picture.truth


def test_rehearsal_shows_how_a_silent_model_is_read(tmp_path: Path) -> None:
    folder = job(tmp_path, scenes.yolov8("", labels=""), scenes.dataset(tmp_path / "scenes"))
    wanted = spec.read(folder)
    (tmp_path / "check").mkdir()
    request = CheckRequest(kind="job", source=wanted.model, job=wanted)
    (tmp_path / "check" / findings.REQUEST_NAME).write_text(request.model_dump_json())
    found = check.check(tmp_path / "check")
    assert not found.blocked, found.problems
    assert any("look like YOLOv8" in problem.message for problem in found.problems)
    assert len(found.pictures) == 3 and found.pictures[0].truth_view.shapes


def test_job_on_images_without_annotations_agrees_with_the_original(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    (scenes.dataset(tmp_path / "scenes") / "images" / "val").rename(pictures)
    made = run.run(job(tmp_path, scenes.ssd(), pictures))
    assert made.status == "succeeded", made.failure
    assert made.before and made.before.metrics["map"] == pytest.approx(1)
    assert made.images and not made.images.labelled
