"""Suppression against its definition."""

import numpy as np
import pytest
from model_api.models.utils import multiclass_nms, nms

from jobs import non_maximum


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("count", [1, 40, 900])
def test_as_model_api_does(count: int, together: bool) -> None:
    rng = np.random.default_rng(count)
    corner, sides = rng.uniform(0, 400, (count, 2)), rng.uniform(10, 120, (count, 2))
    boxes, scores = np.hstack((corner, corner + sides)), rng.random(count)
    labels = rng.integers(0, 4, count)
    expected = nms(boxes, scores, 0.5) if together else multiclass_nms(boxes, scores, labels, 0.5, 0)
    kept = non_maximum.keep(boxes, scores, labels, 0.5, together=together, most=10_000)
    assert kept.tolist() == expected


def test_no_more_than_asked_for() -> None:
    boxes = np.array([[0, 0, 1, 1], [5, 5, 6, 6], [8, 8, 9, 9]], np.float32)
    kept = non_maximum.keep(boxes, np.array([0.1, 0.9, 0.5]), np.zeros(3, np.int64), 0.5, together=True, most=2)
    assert kept.tolist() == [1, 2]


def test_none_of_none() -> None:
    empty = np.empty(0)
    assert not len(non_maximum.keep(np.empty((0, 4)), empty, empty, 0.5, together=False, most=9))
