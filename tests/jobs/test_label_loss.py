"""The loss on labels: the same number that PyTorch or the definition gives, whatever the output is like."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from jobs.label_loss import LabelLoss
from jobs.predictions import Array
from jobs.targets import UNKNOWN, Targets


def scores(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def loss(output: Tensor, right: list[Array], wanted: Tensor | None = None, **more: object) -> float:
    """On one output, `wanted` being what the teacher gives for it."""
    channels = output.shape[more.get("axis", 1)]  # type: ignore[call-overload]
    said: dict[str, object] = {"labels": tuple(range(channels)), **more}
    targets = Targets(0, of=right.__getitem__, known=len(right), **said)  # type: ignore[arg-type]
    found = LabelLoss(targets, 0)
    wanted = output if wanted is None else wanted
    return float(found([output], [wanted], found.targets(range(len(right)))))


def test_logits_and_probabilities_of_a_class_come_to_the_same() -> None:
    output, classes = scores(4, 3), [0, 2, 1, 1]
    expected = float(functional.cross_entropy(output, torch.tensor(classes)))
    labels = [np.array(one) for one in classes]
    assert loss(output, labels) == pytest.approx(expected)
    assert loss(output.softmax(1), labels) == pytest.approx(expected, rel=1e-5)
    assert loss(output[:, :, None, None], labels) == pytest.approx(expected), "[n, classes, 1, 1]"


def test_the_teacher_tells_what_the_numbers_are() -> None:
    output, labels = scores(2, 3).softmax(1), [np.array(0), np.array(1)]
    assert loss(output, labels, wanted=5 * scores(2, 3)) != pytest.approx(loss(output, labels))


def test_what_nobody_knows_does_not_count() -> None:
    output = scores(3, 3)
    some = [np.array(0), np.array(UNKNOWN), np.array(2)]
    assert loss(output, some) == pytest.approx(loss(output[[0, 2]], [some[0], some[2]]))
    assert loss(output, [np.array(UNKNOWN)] * 3) == 0


@pytest.mark.parametrize("probabilities", [False, None])
def test_each_class_by_itself(probabilities: bool | None) -> None:
    output = scores(2, 3)
    labels = [np.array([1, 0, 0]), np.array([1, 1, UNKNOWN])]
    expected = functional.binary_cross_entropy_with_logits(
        output.ravel()[:5], torch.tensor([1.0, 0, 0, 1, 1]), reduction="mean"
    )
    shown = output if probabilities is False else output.sigmoid()
    found = loss(shown, labels, exclusive=False, probabilities=probabilities)
    assert found == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("axis", [1, 3])
def test_pixels_of_a_map(axis: int) -> None:
    output = scores(1, 3, 2, 2)
    numbers = np.array([[0, 1], [2, UNKNOWN]])
    expected = functional.cross_entropy(output.flatten(2)[:, :, :3], torch.tensor([[0, 1, 2]]))
    large = np.kron(numbers, np.ones((4, 4), np.int64))
    given = output.movedim(1, 3) if axis == 3 else output
    for labels in (numbers, large):
        assert loss(given, [labels], axis=axis) == pytest.approx(float(expected)), "labels of the input or of the map"


@pytest.mark.parametrize("flat", [False, True])
def test_a_single_class_of_a_map(flat: bool) -> None:
    output = scores(1, 1, 2, 2)
    labels = np.array([[[0, 1], [1, UNKNOWN]]])
    expected = functional.binary_cross_entropy_with_logits(output.ravel()[:3], torch.tensor([0.0, 1, 1]))
    given = output[:, 0] if flat else output
    assert loss(given, [labels], labels=(0, 1), exclusive=False, probabilities=False) == pytest.approx(float(expected))


def test_channels_that_share_a_label_are_one() -> None:
    output = scores(2, 3)
    shares = output.softmax(1)
    expected = -torch.log(torch.stack([shares[0, 0] + shares[0, 2], shares[1, 1]])).mean()
    assert loss(output, [np.array(0), np.array(1)], labels=(0, 1, 0)) == pytest.approx(float(expected), rel=1e-5)
    swapped = functional.cross_entropy(output, torch.tensor([1, 0]))
    assert loss(output, [np.array(0), np.array(1)], labels=(1, 0, 2)) == pytest.approx(float(swapped), rel=1e-5)


def test_share_of_what_it_was() -> None:
    found = LabelLoss(Targets(0, (0, 1), [].__getitem__, 0), 0)
    assert [float(found.share(torch.tensor(value))) for value in (0.5, 0.25)] == [1.0, 0.5]
