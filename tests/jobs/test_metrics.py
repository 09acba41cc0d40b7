"""Our metrics are scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics as theirs

from jobs import metrics


@pytest.fixture(params=[0, 1, 2])
def case(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Scores with many equal ones, and classes of which one never occurs."""
    rng = np.random.default_rng(request.param)
    scores = rng.integers(0, 6, (80, 7)) / 6
    return scores, rng.integers(0, 6, 80)


def test_f1_is_theirs(case: tuple[np.ndarray, np.ndarray]) -> None:
    scores, classes = case
    answers = scores.argmax(1)
    expected = theirs.f1_score(classes, answers, labels=np.unique(classes), average="macro", zero_division=0)
    assert metrics.f1_macro(answers, classes) == pytest.approx(expected)


def test_f1_of_several_labels_is_theirs(case: tuple[np.ndarray, np.ndarray]) -> None:
    scores, _ = case
    real = (np.random.default_rng(5).random(scores.shape) > 0.7).astype(np.int64)
    real[:, 3] = 0
    answers = (scores > 0.8).astype(np.int64)
    answers[:, 3] = 0
    expected = theirs.f1_score(real, answers, average="macro", zero_division=0)
    assert metrics.f1_macro_many(answers, real) == pytest.approx(expected)


def test_auroc_is_theirs(case: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    scores, classes = case
    monkeypatch.setattr(metrics, "_COLUMNS", 3)
    real = np.eye(7, dtype=np.int64)[classes]
    expected = np.mean([theirs.roc_auc_score(real[:, column], scores[:, column]) for column in np.unique(classes)])
    assert metrics.auroc(scores, real) == pytest.approx(expected)


def test_auroc_needs_both_kinds() -> None:
    assert metrics.auroc(np.ones((4, 2)), np.array([[1, 0]] * 4)) is None


def test_top_is_theirs_without_ties() -> None:
    rng = np.random.default_rng(0)
    scores, classes = rng.random((80, 9)), rng.integers(0, 9, 80)
    for k in (1, 5, 8):
        expected = theirs.top_k_accuracy_score(classes, scores, k=k, labels=np.arange(9))
        assert metrics.top(scores, classes, k) == pytest.approx(expected)


def test_top_one_is_accuracy_also_with_ties(case: tuple[np.ndarray, np.ndarray]) -> None:
    """A model that says the same of all classes is not right about each of them."""
    scores, classes = case
    assert metrics.top(scores, classes, 1) == pytest.approx((scores.argmax(1) == classes).mean())
    assert metrics.top(np.ones((3, 9)), np.array([0, 4, 8]), 5) == pytest.approx(2 / 3)
