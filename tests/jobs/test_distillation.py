"""What is said of a training when it is over."""

import math

import pytest

from jobs import distillation
from jobs.lift import Learned
from jobs.training import Epoch, Trained


def trained(losses: list[float], ended: str = "", astray: tuple[int, ...] = ()) -> Trained:
    """Of so many epochs, each with a loss on images held out."""
    epochs = [
        Epoch(number, 0.1, loss, 1.0, best=loss < min([math.inf, *losses[:number]]))
        for number, loss in enumerate(losses)
    ]
    return Trained(Learned({}, {}), tuple(epochs), ended, astray)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (trained([1.0, 0.5, 0.6]), "The model of epoch 1 is kept"),
        (trained([1.0, 2.0]), "Training gained nothing, so the model quantized without it is kept."),
        (trained([1.0, 0.5], "NaN."), "Training ended after epoch 1: NaN. The model of epoch 1 is kept"),
        (
            trained([1.0], "NaN."),
            "Training ended before its first epoch was done: NaN. The model quantized without it is kept.",
        ),
        (trained([1.0, 9.0, 0.5], astray=(1,)), "The loss grew far above the best in epoch 1: training went back"),
    ],
)
def test_what_is_kept_is_said_however_training_ended(one: Trained, said: str) -> None:
    assert " ".join(distillation.notes(one, "")).startswith(said)
