"""Training until a quantized model says what another one says, on a network that is quantized badly by hand."""

import math
from dataclasses import replace

import numpy as np
import openvino as ov
import pytest
import torch
from openvino import opset13 as ops

from jobs import lift, training
from jobs.errors import BadOutputs
from jobs.label_loss import LabelLoss
from jobs.lift import Lifted
from jobs.targets import Targets
from jobs.training import Epoch, Images, Plan
from tests.jobs import tiny
from tests.jobs.test_lift import quantized


def pair() -> tuple[Lifted, Lifted]:
    """A student whose weights are not those of its teacher."""
    teacher = lift.folded(tiny.classifier())
    student = lift.lift(quantized(teacher))
    with torch.no_grad():
        for one in student.parameters.values():
            one.mul_(0.8)
    return student, lift.lift(teacher)


def images(count: int = 24) -> Images:
    rng = np.random.default_rng(0)
    return [rng.uniform(0, 255, (1, 3, 16, 16)).astype(np.float32) for _ in range(count)]


PLAN = Plan(epochs=4, batch=8, learning_rate=3e-3)


def test_loss_falls_and_the_best_is_kept() -> None:
    student, teacher = pair()
    before = student.learned()
    told: list[tuple[int, int]] = []
    trained = training.train(student, teacher, images(), PLAN, progress=lambda done, total: told.append((done, total)))
    first, *others = trained.epochs
    assert first.number == 0 and math.isnan(first.loss) and len(others) == 4 and not trained.ended
    assert trained.best.number > 0 and trained.best.held_out < 0.5 * first.held_out
    assert told[-1] == (84, 84), "21 of 24 images train, four times"
    assert any(not np.array_equal(values, before.constants[name]) for name, values in trained.learned.constants.items())


def test_training_that_gains_nothing_keeps_what_was_there() -> None:
    student, teacher = pair()
    before = student.learned()
    trained = training.train(student, teacher, images(), Plan(epochs=9, batch=8, learning_rate=10.0, patience=2))
    assert trained.best.number == 0 and "Nothing was gained for 2 epochs" in trained.ended
    assert len(trained.epochs) == 3
    assert all(np.array_equal(values, before.constants[name]) for name, values in trained.learned.constants.items())


def test_stop_ends_at_the_next_step_with_the_best() -> None:
    student, teacher = pair()
    trained = training.train(student, teacher, images(), PLAN, stop=lambda: True)
    assert [epoch.number for epoch in trained.epochs] == [0, 1] and trained.ended == "It was stopped."
    assert trained.best.number == 1


def test_watcher_may_end_it() -> None:
    student, teacher = pair()
    trained = training.train(
        student, teacher, images(), PLAN, watch=lambda epoch, learned: "enough" if epoch.number == 2 else ""
    )
    assert trained.epochs[-1].number == 2 and trained.ended == "enough"


def test_loss_that_is_no_number_ends_it_at_a_named_step() -> None:
    student, teacher = pair()

    def break_it(epoch: Epoch, learned: object) -> str:
        if epoch.number == 1:
            with torch.no_grad():
                list(student.parameters.values())[-1].fill_(math.nan)  # the matrix, which no quantizer clips
        return ""

    trained = training.train(student, teacher, images(), PLAN, watch=break_it)
    assert "no number (NaN or infinite) at step 1 of epoch 2" in trained.ended and trained.best.number == 1
    assert all(np.isfinite(values).all() for values in trained.learned.constants.values())


def test_model_that_gives_no_numbers_is_refused() -> None:
    student, teacher = pair()
    with torch.no_grad():
        next(iter(teacher.parameters.values())).fill_(math.inf)
    with pytest.raises(BadOutputs, match="nothing can be learned"):
        training.train(student, teacher, images(), PLAN)


def test_single_image_trains_and_tells() -> None:
    student, teacher = pair()
    trained = training.train(student, teacher, images(1), PLAN)
    assert len(trained.epochs) == 5 and all(math.isfinite(epoch.held_out) for epoch in trained.epochs)


def labelled(teacher: Lifted, count: int, label: int) -> LabelLoss:
    """All images of one class."""
    targets = Targets(0, (0, 1, 2), lambda image: np.array(label), count)
    place = teacher.outputs[0]
    assert place is not None
    return LabelLoss(targets, place)


def test_labels_pull_where_the_teacher_does_not() -> None:
    def score(weight: float) -> float:
        student, teacher = pair()
        labels = labelled(teacher, 24, 2)
        plan = replace(PLAN, label_loss=weight, epochs=3, learning_rate=0.02)
        trained = training.train(student, teacher, images(), plan, labels=labels)
        assert trained.epochs[0].held_out == pytest.approx(1)
        with torch.no_grad():
            (found,) = student.module(torch.from_numpy(np.concatenate(images())))
        return float(found.softmax(1)[:, 2].mean())

    assert score(100) > score(0) + 0.01


def test_plain_gradient_descent_learns_too() -> None:
    student, teacher = pair()
    trained = training.train(student, teacher, images(), replace(PLAN, optimizer="SGD"))
    assert trained.best.held_out < 0.9


def test_every_step_can_be_corrected_and_the_loss_have_more_to_it() -> None:
    """As weights are that must stay 0, and a penalty on those that are not."""
    student, teacher = pair()
    weights = next(iter(student.parameters.values()))
    asked: list[float] = []

    def correct() -> None:
        with torch.no_grad():
            weights[0] = 0

    def penalty() -> torch.Tensor:
        asked.append(float(weights.detach().abs().sum()))
        return weights.abs().sum()

    trained = training.train(student, teacher, images(), PLAN, after_step=correct, extra=penalty)
    assert len(asked) == 4 * 3 and not weights[0].any()
    plain = training.train(*pair(), images(), PLAN)
    assert trained.epochs[0].held_out == plain.epochs[0].held_out, "the penalty is not part of what chooses"


def test_second_training_goes_on_counting() -> None:
    student, teacher = pair()
    trained = training.train(student, teacher, images(), Plan(epochs=3, batch=8, learning_rate=1e-9), first=4, ready=6)
    assert [epoch.number for epoch in trained.epochs] == [4, 5, 6, 7]
    assert trained.epochs[2].best, "before it the model is not what was asked for"


def test_same_seed_learns_the_same() -> None:
    first, second = (training.train(*pair(), images(), PLAN).learned for _ in range(2))
    for one, other in zip(first.constants.values(), second.constants.values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_step_says_what_it_asks_for_and_learns_nothing() -> None:
    student, teacher = pair()
    before = student.learned()
    asked = training.load(student, teacher, images(3), Plan(epochs=1, batch=8, learning_rate=1.0))
    kept = 3 * 16 * 16 * 4  # a map of three channels
    assert asked.seconds > 0 and asked.batch == 8
    assert 2 * kept <= asked.image_bytes <= 12 * kept
    assert asked.fixed_bytes >= 5 * 4 * sum(one.numel() for one in student.parameters.values())
    for name, values in student.learned().constants.items():
        np.testing.assert_array_equal(values, before.constants[name])


def test_batch_that_keeps_too_much_goes_through_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    student, teacher = pair()
    plan = Plan(epochs=1, batch=8, learning_rate=1e-3)
    whole = training.load(student, teacher, images(8), plan)
    monkeypatch.setattr(training, "_STEP_BYTES", 3 * whole.image_bytes)
    parts = training.load(student, teacher, images(8), plan)
    assert whole.batch == 8 and parts.batch == 4, "in parts of one size, though more than four would fit"
    assert parts.rehearsed_bytes < whole.rehearsed_bytes
    trained = training.train(student, teacher, images(), plan)
    assert trained.best.number == 1


def test_epoch_that_goes_astray_is_undone_and_steps_get_smaller() -> None:
    student, teacher = pair()
    trained = training.train(student, teacher, images(), Plan(epochs=6, batch=8, learning_rate=0.3))
    first, *rest = (epoch.held_out for epoch in trained.epochs)
    assert trained.astray and rest[trained.astray[0] - 1] > first
    assert trained.best.number > trained.astray[-1] and trained.best.held_out < first


def test_small_weights_take_shorter_steps_than_usual_ones_and_biases() -> None:
    """As those have that see pixels of 0 to 255: a few steps as long as all others' would undo them."""
    shapes = {(4, 3, 3, 3): 0.002, (4, 3): 0.05, (1, 4, 1, 1): 1e-4}
    assert [training._pace(torch.full(*one)) for one in shapes.items()] == pytest.approx([0.1, 1.0, 1.0])


def averages(shape: list[int], axis: int) -> ov.Model:
    """A convolution, and the mean of each channel after a reshape."""
    entry = ops.parameter([1, 3, 16, 16], np.float32, name="image")
    mixed = ops.convolution(entry, np.full((3, 3, 1, 1), 0.1, np.float32), [1, 1], [0, 0], [0, 0], [1, 1], name="mix")
    means = ops.reduce_mean(ops.reshape(mixed, ops.constant(shape), False), ops.constant([axis]), keep_dims=False)
    return lift.folded(ov.Model([means], [entry]))


def test_graph_for_one_image_learns_of_several_side_by_side() -> None:
    """Where a reshape has the one image built in, as where it has not."""
    built_in, free = averages([3, 256], 1), averages([1, 3, 256], 2)
    learned = []
    for model in (built_in, free):
        student, teacher = lift.lift(quantized(model)), lift.lift(model)
        with torch.no_grad():
            next(iter(student.parameters.values())).mul_(0.8)
        assert training.load(student, teacher, images(4), PLAN).batch == 8
        learned.append(training.train(student, teacher, images(8), Plan(epochs=2, batch=4, learning_rate=1e-3)).learned)
    for one, other in zip(learned[0].constants.values(), learned[1].constants.values(), strict=True):
        assert not np.allclose(one, 0.08)
        np.testing.assert_allclose(one, other, rtol=1e-4)
