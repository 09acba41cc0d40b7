"""What every task must do, whatever it is about: its functions fit together, on a model and a dataset of its own."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import torch

from jobs import data, division, formats, image_input, layouts, lift, measure, tasks, templates
from jobs.label_loss import LabelLoss
from jobs.spec import TaskName
from jobs.targets import UNKNOWN
from jobs.tasks import Bound, Prediction, Task
from tests.jobs import anomalies, scenes, streets, tiny

SUBJECTS: dict[TaskName, tuple[Callable[[], ov.Model], Callable[[Path], Path]]] = {
    TaskName.CLASSIFICATION: (tiny.classifier, tiny.pictures),
    TaskName.DETECTION: (scenes.ssd, scenes.dataset),
    TaskName.INSTANCE_SEGMENTATION: (scenes.mask_rcnn, scenes.dataset),
    TaskName.SEGMENTATION: (streets.model, streets.dataset),
    TaskName.ANOMALY_CLASSIFICATION: (partial(anomalies.padim, "classification"), anomalies.dataset),
    TaskName.ANOMALY_DETECTION: (partial(anomalies.padim, "detection"), anomalies.dataset),
    TaskName.ANOMALY_SEGMENTATION: (partial(anomalies.padim, "segmentation"), anomalies.dataset),
}
"""A new task adds a tiny model and a tiny dataset here."""
ALL = list(tasks.all_tasks().values())


class Case:
    """A task, its model's answers to its dataset, and the truth."""

    def __init__(self, task: Task, folder: Path) -> None:
        make_model, make_dataset = SUBJECTS[task.name]
        self.task, self.model = task, make_model()
        self.dataset = data.open_dataset(make_dataset(folder / "dataset"), folder / "scratch", task)
        self.settings = formats.model_info(self.model)
        samples = division.divide(self.dataset, calibration=6).validation
        self.bound = task.bind(self.model, self.settings, self.dataset)
        self.entry = entry = image_input.of(self.model, self.settings)
        decoded = data.decode(samples, entry.resize, folder / "scratch")
        self.pixels = decoded.pixels
        compiled = measure.compile_for(entry.embed(self.model), "CPU", "throughput")
        self.predictions = measure.predictions(compiled, decoded, self.bound, folder / "scratch")
        self.real = task.truth(decoded.samples, self.bound)
        self.sizes = decoded.sizes
        self.samples = decoded.samples
        self.count = len(decoded.samples)

    @property
    def rolled(self) -> list[Prediction]:
        """Each image with what was said of the one before."""
        return [self.predictions[place - 1] for place in range(self.count)]


@pytest.fixture(scope="module", params=ALL, ids=lambda task: task.name)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(request.param, tmp_path_factory.mktemp(request.param.name))


def test_every_name_has_its_task() -> None:
    assert set(tasks.all_tasks()) == set(TaskName) == set(SUBJECTS)
    assert all(tasks.by_name(name).name == name for name in TaskName)


def test_formats_can_be_read(case: Case) -> None:
    known = {"class_folders", *layouts.FORMATS}
    assert case.task.formats and set(case.task.formats) <= known


def test_its_model_fits_and_says_so(case: Case) -> None:
    found = formats.describe(formats.Imported(case.model, "ONNX", "a.onnx", 1))
    assert case.task.fits(found) == 1
    assert case.task.fits(found.model_copy(update={"model_info": {}})) > 0, "it may say nothing"
    assert case.task.fits(found.model_copy(update={"model_info": {"model_type": "Something else"}})) == 0


def test_model_is_bound_to_all_labels(case: Case) -> None:
    bound = case.bound
    assert isinstance(bound, Bound) and len(bound.from_dataset) == len(case.dataset.labels)
    assert [bound.labels[place] for place in bound.from_dataset] == list(case.dataset.labels)


def test_good_model_scores_above_guessing(case: Case) -> None:
    scores = case.task.score(case.predictions, case.real, case.bound)
    names = [metric.name for metric in case.task.metrics]
    assert next(iter(scores.metrics)) == names[0] and set(scores.metrics) <= set(names)
    assert all(0 <= value <= 1 for value in scores.metrics.values())
    assert scores.metrics[names[0]] > 1.5 * case.task.chance(case.bound)
    assert scores.per_image.shape == (case.count,) and np.isfinite(scores.per_image).all()
    assert set(scores.per_class) <= set(case.bound.labels) and scores.per_class


def test_model_agrees_with_itself(case: Case) -> None:
    itself = case.task.agreement(case.predictions, case.bound)
    scores = case.task.score(case.predictions, itself, case.bound)
    assert scores.metrics[case.task.metrics[0].name] == 1
    drop = case.task.compare(scores, scores)
    assert drop.value == 0 and drop.low < 0 < drop.high, "no change on a few images is no proof of none"


def test_worse_model_loses(case: Case) -> None:
    good = case.task.score(case.predictions, case.real, case.bound)
    bad = case.task.score(case.rolled, case.real, case.bound)
    drop = case.task.compare(good, bad)
    name = case.task.metrics[0].name
    assert drop.value == pytest.approx(good.metrics[name] - bad.metrics[name])
    assert drop.low <= drop.value <= drop.high


def test_difference_is_none_between_equals_and_one_where_the_answer_changed(case: Case) -> None:
    same = case.task.difference(case.predictions, case.predictions, case.bound)
    assert same.shape == (case.count,) and (same == 0).all()
    words = [case.task.describe(prediction, case.bound)[0] for prediction in case.predictions]
    changed = case.task.difference(case.predictions, case.rolled, case.bound) >= 1
    assert changed.tolist() == [words[place] != words[place - 1] for place in range(case.count)]


def test_a_good_model_is_right_by_the_labels_that_train(case: Case) -> None:
    if case.task.targets is None:
        assert case.task.name not in templates.LABELS_TRAIN
        return
    assert case.task.name in templates.LABELS_TRAIN
    targets = case.task.targets(case.model, case.samples, case.bound, case.entry)
    assert targets is not None and targets.known == case.count
    lifted = lift.lift(lift.folded(case.model))
    place = lifted.outputs[targets.output]
    assert place is not None
    found = LabelLoss(targets, place)
    with torch.no_grad():
        outputs = lifted.module(torch.from_numpy(np.concatenate([case.entry.tensor(one) for one in case.pixels])))
    right = found.targets(range(case.count))
    assert found(outputs, outputs, right) < 0.75 * found(outputs, outputs, right.roll(1, 0))
    unlabelled = case.task.targets(
        case.model, [replace(sample, target=None) for sample in case.samples], case.bound, case.entry
    )
    assert unlabelled is not None and unlabelled.known == 0 and (unlabelled.of(0) == UNKNOWN).all()


def test_answers_and_truth_are_told_in_words(case: Case) -> None:
    for place in range(case.count):
        words, confidence = case.task.describe(case.predictions[place], case.bound)
        assert words and 0 <= confidence <= 1
        assert case.task.describe_truth(case.real, place, case.bound)


def test_marks_lie_inside_the_image(case: Case) -> None:
    for place, (sample, size) in enumerate(zip(case.samples, case.sizes, strict=True)):
        for marks in (
            case.task.marks(case.predictions[place], case.bound, size),
            case.task.truth_marks(case.real, place, case.bound, size),
            case.task.target_marks(sample.target, case.dataset.labels, size),
        ):
            ends = [end for shape in marks.shapes for end in (*(shape.box or ()), *sum(shape.outline, ()))]
            assert all(0 <= end <= 1 for end in ends)
            assert marks.layer is None or (marks.layer.dtype == np.uint8 and marks.layer.shape[2] == 4)
