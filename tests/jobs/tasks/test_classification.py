"""Classification: labels bound to outputs, and what answers are worth."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from jobs.errors import BadOption, JobError, LabelMismatch, UnsupportedModel, WrongTask
from jobs.findings import ModelFindings, Port
from jobs.image_input import ImageInput
from jobs.samples import Dataset, Sample
from jobs.targets import UNKNOWN
from jobs.tasks import Bound, Prediction
from jobs.tasks import classification as task

SIZE = ImageInput("image", 0, "NCHW", 8, 8, 3, "f32")


def model(*shapes: Sequence[int], names: Sequence[str] = ()) -> ov.Model:
    """Outputs of these shapes."""
    entries = [ops.parameter(list(shape), np.float32) for shape in shapes]
    outputs = [ops.relu(entry) for entry in entries]
    for output, name in zip(outputs, names, strict=False):
        output.output(0).set_names({name})
    return ov.Model(outputs, entries)


def bind(
    found: Sequence[str],
    /,
    *,
    count: int = 3,
    targets: Sequence[tuple[int, ...] | None] | None = None,
    **settings: str,
) -> Bound:
    if targets is None:
        targets = [(number,) for number in range(len(found))]
    return task.bind(model([1, count]), settings, dataset(found, targets))


def dataset(labels: Sequence[str] = (), targets: Sequence[tuple[int, ...] | None] = ()) -> Dataset:
    return Dataset("made", tuple(labels), samples(*targets))


def samples(*targets: tuple[int, ...] | None) -> tuple[Sample, ...]:
    return tuple(Sample(f"{number}.png", Path(f"{number}.png"), "", one) for number, one in enumerate(targets))


def refused(kind: type[JobError], match: str, *args: object, **more: object) -> JobError:
    with pytest.raises(kind, match=match) as caught:
        bind(*args, **more)  # type: ignore[arg-type]
    return caught.value


# --- which models fit


def described(shapes: Sequence[Sequence[int]], names: Sequence[str] = (), **info: str) -> ModelFindings:
    named = [*names, *(f"out{number}" for number in range(len(names), len(shapes)))]
    ports = tuple(Port(name=name, shape=tuple(shape), type="f32") for name, shape in zip(named, shapes, strict=True))
    return ModelFindings(
        format="ONNX",
        name="m",
        size_bytes=1,
        inputs=(),
        outputs=ports,
        precision="FP32",
        parameters=1,
        gflops=0,
        model_info=info,
    )


@pytest.mark.parametrize(
    ("shapes", "info", "fit"),
    [
        ([[1, 10]], {"model_type": "Classification"}, 1),
        ([[1, 10]], {"task_type": "classification"}, 1),
        ([[1, 10]], {"model_type": "YOLO", "task": "classify"}, 1),
        ([[1, 10]], {}, 0.5),
        ([[-1, 10]], {}, 0.5),
        ([[1, 1000, 1, 1]], {}, 0.5),
        ([[1, 1, 1, 1000]], {}, 0.5),
        ([[1, 10]], {"model_type": "YOLO"}, 0.5),
        ([[1, 84, 8400]], {"model_type": "YOLO"}, 0),
        ([[1, 1]], {}, 0),
        ([[1]], {}, 0),
        ([[1, 4, 512, 896]], {}, 0),
        ([[1, -1, 5], [1, -1]], {"model_type": "ssd"}, 0),
        ([[1, -1, 5], [1, -1]], {}, 0),
        ([[1, 1, 256, 256]], {"model_type": "AnomalyDetection", "task": "classification"}, 0),
        ([[1, 2]], {"model_type": "AnomalyDetection", "task": "classification"}, 0),
        ([[1, 2]], {"task_type": "anomaly_classification"}, 0),
    ],
)
def test_fit(shapes: list[list[int]], info: dict[str, str], fit: float) -> None:
    assert task.fits(described(shapes, **info)) == fit


def test_outputs_for_explanations_do_not_count() -> None:
    assert task.fits(described([[1, 512]], ["feature_vector"])) == 0
    found = task.bind(
        model([1, 512], [1, 7, 7], [1, 3], names=["feature_vector", "saliency_map", "logits"]), {}, dataset()
    )
    assert found.outputs == (2,) and found.labels == ("0", "1", "2")


@pytest.mark.parametrize("shape", [[1, 3], [-1, 3], [1, 3, 1, 1], [1, 1, 1, 3], [4, 3]])
def test_scores_of_any_rank_are_found(shape: list[int]) -> None:
    assert len(task.bind(model(shape), {}, dataset("abc", [(0,), (1,), (2,)])).labels) == 3


@pytest.mark.parametrize("shape", [[1, 4, 8, 8], [1, 1], [1, 84, 8400], [1, -1, 5]])
def test_other_outputs_are_another_task(shape: list[int]) -> None:
    with pytest.raises(WrongTask, match="no list of class scores") as caught:
        task.bind(model(shape), {}, dataset())
    assert caught.value.hint


def test_hierarchy_of_labels_is_refused() -> None:
    error = refused(UnsupportedModel, "hierarchy", "abc", hierarchical="True")
    assert error.hint
    assert bind("abc", hierarchical="False")


# --- labels to outputs


@pytest.mark.parametrize(
    ("labels", "settings", "places"),
    [
        (("cat", "dog", "owl"), {"labels": "cat dog owl"}, (0, 1, 2)),
        (("cat", "dog", "owl"), {"labels": "owl, dog, cat"}, (2, 1, 0)),
        (("cat", "owl"), {"labels": "owl, dog, cat"}, (2, 0)),
        (("big cat", "DOG", "snow-owl"), {"labels": "big_cat dog SnowOwl"}, (0, 1, 2)),
        (("red cat", "dog", "owl"), {"labels": "red^cat dog owl"}, (0, 1, 2)),
        (("cafe\u0301", "dog", "owl"), {"labels": "caf\u00e9 dog owl"}, (0, 1, 2)),
        (("a", "b", "c"), {"labels": "x", "label_info": json.dumps({"label_names": ["c", "b", "a"]})}, (2, 1, 0)),
        (("Cat", "cat", "owl"), {"labels": "cat Cat owl"}, (1, 0, 2)),
        (("0", "2"), {}, (0, 2)),
        (("0", "2"), {"labels": "cat dog owl"}, (0, 2)),
    ],
)
def test_labels_are_matched_by_name(labels: tuple[str, ...], settings: dict[str, str], places: tuple[int, ...]) -> None:
    found = bind(labels, **settings)
    assert found.from_dataset == places


def test_given_labels_win_over_those_of_the_model() -> None:
    carried = json.dumps({"label_names": ["a", "b", "c"]})
    assert bind("abc", labels="c, b, a", label_info=carried, labels_given="true").labels == ("c", "b", "a")
    assert bind("abc", labels="c, b, a", label_info=carried).labels == ("a", "b", "c")


@pytest.mark.parametrize(
    ("settings", "why"), [({}, "the model names none"), ({"labels": "x y z"}, "no name is the same")]
)
def test_labels_are_matched_by_order_and_it_is_said(settings: dict[str, str], why: str) -> None:
    found = bind(("cat", "dog", "owl"), **settings)
    assert found.from_dataset == (0, 1, 2)
    assert why in found.notes[0] and "“cat”, is output 0 and the last, “owl”, is output 2" in found.notes[0]


def test_label_that_no_image_has_does_not_matter() -> None:
    """A background class, or Roboflow's category above all others."""
    named = bind(("background", "cat", "dog", "owl"), labels="owl dog cat", targets=[(1,), (2,), (3,)])
    assert named.from_dataset == (-1, 2, 1, 0)
    ordered = bind(("animals", "cat", "dog", "owl"), targets=[(1,), (2,), (3,), None])
    assert ordered.from_dataset == (-1, 0, 1, 2) and ordered.labels == ("cat", "dog", "owl")


@pytest.mark.parametrize(
    ("labels", "settings", "match"),
    [
        (("cat", "dog"), {}, "model has 3 classes .without names., the dataset has 2 .cat, dog."),
        (("a", "b", "c", "d"), {}, "the dataset has 4"),
        (("cat", "fox"), {"labels": "cat dog owl"}, "not found in the model: fox"),
        (("cat", "fox", "owl"), {"labels": "cat dog owl"}, "not found in the model: fox"),
        (("7", "8"), {}, "the dataset has 2"),
        (("CAT", "dog", "owl"), {"labels": "cat Cat owl"}, "not found in the model: CAT, dog"),
        (("cat",), {"labels": "cat dog"}, "3 classes but 2 label names: cat, dog"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: tuple[str, ...], settings: dict[str, str], match: str) -> None:
    error = refused(LabelMismatch, match, labels, **settings)
    assert error.where == "labels" and error.hint


def test_long_lists_of_labels_are_cut() -> None:
    error = refused(LabelMismatch, "and 22 more", [f"class {number}" for number in range(30)])
    assert len(error.message) < 400


def test_dataset_without_labels_needs_none() -> None:
    found = bind((), targets=[None, None], labels="cat dog owl")
    assert found.from_dataset == () and found.labels == ("cat", "dog", "owl") and not found.multilabel


@pytest.mark.parametrize("text", ["half", "-0.1", "1.5", "nan"])
def test_threshold_that_is_none_is_refused(text: str) -> None:
    error = refused(BadOption, "from 0 to 1", "abc", confidence_threshold=text)
    assert error.where == "confidence_threshold"


def test_several_labels_an_image_are_noticed_and_said() -> None:
    found = bind("abc", targets=[(0, 1), (2,)], confidence_threshold="0.4")
    assert found.multilabel and found.threshold == 0.4 and "from a score of 0.4 on" in found.notes[-1]
    assert bind("abc", multilabel="True").multilabel and not bind("abc").multilabel


def test_target_is_all_labels_once() -> None:
    annotations = [
        SimpleNamespace(label=2),
        SimpleNamespace(label=None),
        SimpleNamespace(label=1),
        SimpleNamespace(label=2),
    ]
    assert task.target(SimpleNamespace(annotations=annotations)) == (1, 2)
    assert task.target(SimpleNamespace(annotations=[SimpleNamespace()])) is None
    assert task.target(SimpleNamespace(annotations=[])) is None


# --- answers


ONE = bind(("cat", "dog", "owl"))
MANY = bind(("cat", "dog", "owl"), multilabel="true")


def rows(*scores: Sequence[float]) -> list[Prediction]:
    return [(np.array(row, dtype=np.float64),) for row in scores]


def read(bound: Bound, scores: Sequence[float], shape: Sequence[int] = (1, 3)) -> list[float]:
    (found,) = bound.read([np.array(scores, dtype=np.float32).reshape(shape)], (1, 1))
    values: list[float] = found.tolist()
    return values


def test_logits_become_probabilities_and_probabilities_stay() -> None:
    assert read(ONE, [1000, 0, -1000]) == [1, 0, 0]
    assert read(ONE, [0, 0, 0]) == pytest.approx([1 / 3] * 3)
    assert read(ONE, [0.2, 0.3, 0.5]) == read(ONE, [0.2, 0.3, 0.5], (1, 3, 1, 1)) == pytest.approx([0.2, 0.3, 0.5])
    assert read(ONE, [1, 0, 0]) == [1, 0, 0]


def test_several_labels_become_probabilities_each() -> None:
    assert read(MANY, [0, 800, -800]) == pytest.approx([0.5, 1, 0])
    assert read(MANY, [0.9, 0.9, 0.1]) == pytest.approx([0.9, 0.9, 0.1])


def test_several_logits_are_known_by_the_graph() -> None:
    """They may all lie between 0 and 1, as probabilities do."""
    entry = ops.parameter([1, 4], np.float32)
    logits = ops.matmul(entry, np.ones((4, 3), np.float32), False, False)
    found = task.bind(ov.Model([ops.reshape(logits, [1, 3], False)], [entry]), {"multilabel": "yes"}, dataset())
    assert read(found, [0.0, 0.5, 1]) == pytest.approx([0.5, 0.6225, 0.7311], abs=1e-4)


def test_scores_by_hand() -> None:
    predictions = rows([0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5])
    real = task.truth(samples((0,), (1,), (1,), (2,)), ONE)
    scores = task.score(predictions, real, ONE)
    assert scores.metrics["accuracy"] == 0.75 and "top5" not in scores.metrics
    assert scores.per_image.tolist() == [1, 0, 1, 1]
    assert scores.per_class == {"cat": {"accuracy": 1}, "dog": {"accuracy": 0.5}, "owl": {"accuracy": 1}}
    assert scores.metrics["f1_macro"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert scores.metrics["auroc"] == pytest.approx(np.mean([1, 3.5 / 4, 1]))


def test_targets_follow_the_places_of_the_model() -> None:
    asked = [(0,), (2,), None]
    found = bind(("owl", "cat", "fox"), labels="cat dog owl", targets=[(0,), (1,)])
    targets = task.targets(model([1, 3]), samples(*asked), found, SIZE)
    assert [int(targets.of(image)) for image in range(3)] == [2, UNKNOWN, UNKNOWN] and targets.known == 1
    assert targets.exclusive and targets.labels == (0, 1, 2)


def test_targets_of_several_labels_are_yes_or_no() -> None:
    asked = [(0, 1), (1,), (1, 2), None]
    found = bind(("owl", "cat", "fox"), labels="cat dog owl", targets=[(0, 1), (1,)])
    targets = task.targets(model([1, 3]), samples(*asked), found, SIZE)
    rows = [targets.of(image).tolist() for image in range(4)]
    assert rows == [[1, 0, 1], [1, 0, 0], [1, UNKNOWN, UNKNOWN], [UNKNOWN] * 3] and targets.known == 2
    assert not targets.exclusive and targets.probabilities is None, "its numbers tell"
    entry = ops.parameter([1, 4], np.float32)
    linear = ov.Model([ops.matmul(entry, np.ones((4, 3), np.float32), False, False)], [entry])
    assert task.targets(linear, samples(*asked), found, SIZE).probabilities is False


def test_truth_follows_the_places_of_the_model() -> None:
    turned = replace(ONE, from_dataset=(2, 1, 0))
    assert task.truth(samples((0,), (2,)), turned).classes.tolist() == [2, 0]
    many = replace(turned, multilabel=True)
    assert task.truth(samples((0, 1), (), None), many).classes.tolist() == [[0, 1, 1], [0, 0, 0], [0, 0, 0]]


def test_top_five_needs_more_than_five_classes() -> None:
    bound = replace(ONE, labels=tuple("abcdefg"), from_dataset=tuple(range(7)))
    scores = task.score(rows(range(7), range(7)), task.truth(samples((6,), (0,)), bound), bound)
    assert scores.metrics["top5"] == 0.5


def test_several_labels_by_hand() -> None:
    predictions = rows([0.9, 0.6, 0.1], [0.2, 0.3, 0.4])
    scores = task.score(predictions, task.truth(samples((0, 1), (2,)), MANY), MANY)
    assert scores.metrics["accuracy"] == pytest.approx(5 / 6) and scores.per_image.tolist() == pytest.approx([1, 2 / 3])
    assert scores.per_class["owl"] == {"accuracy": 0.5}


def test_one_class_measured_has_no_auroc() -> None:
    scores = task.score(rows([0.8, 0.1, 0.1]), task.truth(samples((0,)), ONE), ONE)
    assert "auroc" not in scores.metrics and scores.metrics["accuracy"] == 1


def test_classes_of_the_same_name_are_told_apart() -> None:
    bound = replace(ONE, labels=("crane", "dog", "crane"))
    scores = task.score(rows(*np.eye(3).tolist()), task.truth(samples((0,), (1,), (2,)), bound), bound)
    assert set(scores.per_class) == {"crane (0)", "dog", "crane (2)"}


def test_agreement_is_with_the_model_itself() -> None:
    predictions = rows([0.8, 0.6, 0.1])
    assert task.agreement(predictions, ONE).classes.tolist() == [0]
    assert task.agreement(predictions, MANY).classes.tolist() == [[1, 1, 0]]


def test_words() -> None:
    one, other = rows([0.8, 0.6, 0.1], [0.1, 0.2, 0.3])
    assert task.describe(one, ONE) == ("cat", pytest.approx(0.8))
    assert task.describe(one, MANY)[0] == "cat, dog" and task.describe(other, MANY)[0] == "none"
    assert task.describe_truth(task.truth(samples((1,)), ONE), 0, ONE) == "dog"
    assert task.describe_truth(task.truth(samples(()), MANY), 0, MANY) == "none"


def test_answer_of_several_labels_changes_at_the_threshold() -> None:
    """The highest score stays the same one, and yet another answer is given."""
    before, after = rows([0.9, 0.55, 0.1]), rows([0.9, 0.45, 0.1])
    assert task.difference(before, after, MANY)[0] >= 1 > task.difference(before, after, ONE)[0]


def test_guessing_is_known_for_single_labels() -> None:
    assert task.chance(ONE) == pytest.approx(1 / 3) and task.chance(MANY) == 0
