"""Numbers that say how good predictions are, as scikit-learn defines them; importing it takes longer than they do."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_COLUMNS = 64  # classes sorted at once, so that memory stays within bounds


def f1_macro(answers: Ints, classes: Ints) -> float:
    """Mean F1 over the classes that occur in `classes` [n]; a class that is never answered counts 0."""
    count = int(max(answers.max(), classes.max())) + 1
    right = np.bincount(classes[answers == classes], minlength=count)
    answered, real = np.bincount(answers, minlength=count), np.bincount(classes, minlength=count)
    present = real > 0
    return float((2 * right / np.maximum(answered + real, 1))[present].mean())


def f1_macro_many(answers: Ints, classes: Ints) -> float:
    """Mean F1 over all columns of [n, classes] of 0 and 1; one that is neither answered nor real counts 0."""
    right = (answers & classes).sum(0)
    total = answers.sum(0) + classes.sum(0)
    return float((2 * right / np.maximum(total, 1)).mean())


def top(scores: Floats, classes: Ints, k: int) -> float:
    """Share of rows of `scores` [n, classes] whose class is among the `k` highest; of equal ones the first is more."""
    own = scores[np.arange(len(scores)), classes][:, None]
    before = np.arange(scores.shape[1]) < classes[:, None]
    higher = (scores > own).sum(1) + ((scores == own) & before).sum(1)
    return float((higher < k).mean())


def auroc(scores: Floats, real: Ints) -> float | None:
    """Mean area under the ROC curve over the columns of `real` [n, classes] that hold both 0 and 1; None without any.

    Of one column it is the share of pairs of a positive and a negative in which the positive has the higher score,
    equal ones counting half (Mann and Whitney 1947).
    """
    positives = real.sum(0)
    seen = np.flatnonzero((positives > 0) & (positives < len(real)))
    if not len(seen):
        return None
    areas = []
    for start in range(0, len(seen), _COLUMNS):
        columns = seen[start : start + _COLUMNS]
        ordered = np.sort(scores[:, columns], axis=0)
        for place, column in enumerate(columns):
            own = scores[real[:, column] == 1, column]
            below = np.searchsorted(ordered[:, place], own, "left") + np.searchsorted(ordered[:, place], own, "right")
            count = len(own)
            areas.append((below.sum() / 2 - count**2 / 2) / (count * (len(real) - count)))
    return float(np.mean(areas))
