"""IoU, Dice and the loss of them, against scikit-learn and against a plain loop."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score

from jobs import overlap, stats
from jobs.label_codes import VOID
from jobs.overlap import Overlaps

CLASSES = 6
Maps = list[NDArray[np.uint8]]


def maps(images: int = 12, wrong: float = 0.2, seed: int = 0) -> tuple[Maps, Maps]:
    """Real maps with some void pixels, and answers of which so many pixels are wrong. Class 4 is in neither."""
    rng = np.random.default_rng(seed)
    real, answers = [], []
    for _ in range(images):
        numbers = rng.choice([0, 1, 2, 3, 5], (20, 30), p=[0.5, 0.3, 0.1, 0.05, 0.05]).astype(np.uint8)
        answer = np.where(rng.random(numbers.shape) < wrong, rng.choice([0, 1, 2, 3, 5], numbers.shape), numbers)
        numbers[rng.random(numbers.shape) < 0.1] = VOID
        real.append(numbers)
        answers.append(answer.astype(np.uint8))
    return real, answers


def overlaps(real: Maps, answers: Maps, averaged: NDArray[np.bool_] | None = None) -> Overlaps:
    counts = np.stack([overlap.count(one, other, CLASSES) for one, other in zip(real, answers, strict=True)])
    every = np.ones(CLASSES, np.bool_) if averaged is None else averaged
    return Overlaps(counts[:, 0], counts[:, 1], counts[:, 2], every)


def flat(real: Maps, answers: Maps) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    one, other = np.concatenate([m.ravel() for m in real]), np.concatenate([m.ravel() for m in answers])
    return one[one != VOID], other[one != VOID]


def test_counts_are_those_of_the_confusion_matrix() -> None:
    real, answers = maps(1)
    matrix = confusion_matrix(*flat(real, answers), labels=range(CLASSES))
    both, rows, columns = overlap.count(real[0], answers[0], CLASSES)
    assert both.tolist() == matrix.diagonal().tolist()
    assert rows.tolist() == matrix.sum(1).tolist() and columns.tolist() == matrix.sum(0).tolist()


def test_numbers_equal_those_of_scikit_learn() -> None:
    real, answers = maps()
    total = overlaps(real, answers).total()
    true, said = flat(real, answers)
    assert total.mean_iou() == pytest.approx(jaccard_score(true, said, average="macro"), abs=1e-9)
    present = [0, 1, 2, 3, 5]
    assert total.iou()[present] == pytest.approx(jaccard_score(true, said, average=None), abs=1e-9)
    assert total.dice()[present] == pytest.approx(f1_score(true, said, average=None), abs=1e-9)
    assert total.agreement() == pytest.approx(accuracy_score(true, said), abs=1e-9)
    assert total.present.tolist() == [True, True, True, True, False, True], "what is in neither map does not count"


def test_dice_of_pixels_is_that_of_all_classes_but_background() -> None:
    real, answers = maps()
    total = overlaps(real, answers).total()
    true, said = flat(real, answers)
    expected = f1_score(true, said, average="micro", labels=[1, 2, 3, 4, 5])
    assert total.dice_of_pixels(without=0) == pytest.approx(expected, abs=1e-9)
    assert total.dice_of_pixels() == pytest.approx(total.agreement())


def test_dice_of_nothing_but_background_is_none() -> None:
    nothing = np.zeros((4, 4), np.uint8)
    assert overlaps([nothing], [nothing]).total().dice_of_pixels(without=0) is None


def test_class_that_annotations_cannot_name_costs_nothing_but_its_pixels() -> None:
    real, answers = np.zeros((1, 10), np.uint8), np.array([[0] * 8 + [3, 3]], np.uint8)
    named = overlaps([real], [answers], np.array([True, True, False, False, False, False]))
    assert named.total().mean_iou() == 0.8
    assert overlaps([real], [answers]).total().mean_iou() == 0.4


def test_pixels_that_nobody_asked_about_do_not_count() -> None:
    answers = np.array([[0, VOID], [1, VOID]], np.uint8)
    total = overlaps([np.array([[0, 0], [1, 1]], np.uint8)], [answers]).total()
    assert total.mean_iou() == 1 and total.real.sum() == 2


def test_image_that_is_void_is_no_mistake() -> None:
    void = np.full((4, 4), VOID, np.uint8)
    assert overlaps([void], [np.zeros((4, 4), np.uint8)]).mean_iou().tolist() == [1]


def test_drop_is_that_of_the_whole_and_its_interval_that_of_a_bootstrap() -> None:
    real, before = maps(40, wrong=0.1)
    _, after = maps(40, wrong=0.3)
    one, other = overlaps(real, before), overlaps(real, after)
    drop = overlap.drop(one, other)
    assert drop.value == pytest.approx(float(one.total().mean_iou() - other.total().mean_iou()))
    rng = np.random.default_rng(5)
    draws = []
    for _ in range(300):
        chosen = rng.integers(0, 40, 40)
        parts = [
            Overlaps(o.both[chosen], o.real[chosen], o.answered[chosen], o.averaged).total().mean_iou()
            for o in (one, other)
        ]
        draws.append(float(parts[0] - parts[1]))
    value, wider = drop.value, stats.widening(40)
    low, high = (value + (end - value) * wider for end in np.quantile(draws, [0.025, 0.975]))
    unseen = 3 / 40 * max(0.1, float(np.abs(one.mean_iou() - other.mean_iou()).max()))
    assert drop.low == pytest.approx(min(low, drop.value - unseen), abs=5e-3)
    assert drop.high == pytest.approx(max(high, drop.value + unseen), abs=5e-3)


def test_no_change_on_few_images_proves_less_than_on_many() -> None:
    few, many = (overlap.drop(one, one) for one in (overlaps(*maps(4)), overlaps(*maps(200))))
    assert few.value == many.value == 0
    assert few.high == pytest.approx(0.075) and many.high == pytest.approx(0.0015)
