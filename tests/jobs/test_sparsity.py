"""Weights that become 0 while a model is trained."""

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from jobs import lift, sparsity, training
from jobs.lift import Lifted
from jobs.sparsity import Sparse
from jobs.spec import Sparsity
from jobs.training import Epoch, Plan

EPOCHS = 6


def network() -> ov.Model:
    """Two layers, the second with weights ten times as large as those of the first."""
    rng = np.random.default_rng(0)
    entry = ops.parameter([1, 3, 8, 8], np.float32, name="image")
    kernel, dense = rng.normal(0, 0.1, (8, 3, 3, 3)).astype(np.float32), rng.normal(0, 1, (8, 4)).astype(np.float32)
    weights = [ops.constant(one, name=name) for one, name in ((kernel, "kernel"), (dense, "dense"))]
    node = ops.relu(ops.convolution(entry, weights[0], [1, 1], [1, 1], [1, 1], [1, 1], name="conv"))
    scores = ops.matmul(ops.reduce_mean(node, ops.constant([2, 3])), weights[1], False, False, name="linear")
    return ov.Model([scores], [entry])


def pair() -> tuple[Lifted, Lifted]:
    return lift.lift(lift.folded(network())), lift.lift(lift.folded(network()))


def images(count: int = 24) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(0, 1, (1, 3, 8, 8)).astype(np.float32) for _ in range(count)]


PLAN = Plan(epochs=EPOCHS, batch=8, learning_rate=1e-3)


def sparse(student: Lifted, *, found: bool = False, **options: object) -> Sparse:
    chosen = Sparsity.model_validate({"sparsity_target_epoch": 3, "sparsity_freeze_epoch": 3, **options})
    return Sparse(student, sparsity.weights(network()), chosen, EPOCHS, found=found)


def train(one: Sparse, teacher: Lifted, *, found: bool = False) -> tuple[training.Trained, list[float]]:
    shares: list[float] = []

    def watch(epoch: Epoch, learned: object) -> str:
        shares.append(round(one.share, 2))
        one.after_epoch(epoch, epoch.number)
        return ""

    trained = training.train(
        one.student,
        teacher,
        images(),
        PLAN,
        watch=watch,
        after_step=one.after_step(training.steps(24, PLAN)),
        extra=one.extra if found else None,
        ready=one.ready,
    )
    return trained, shares


def zeros(learned: lift.Learned, *names: str) -> float:
    values = np.concatenate([learned.constants[name].ravel() for name in names or ("kernel", "dense")])
    return float((values == 0).mean())


def test_weights_are_those_of_layers_but_for_the_spared() -> None:
    assert sparsity.weights(network()) == ("kernel", "dense")
    assert sparsity.weights(network(), {"conv"}) == ("dense",)


@pytest.mark.parametrize("found", [False, True])
def test_share_of_zeros_rises_to_the_target_and_stays(found: bool) -> None:
    student, teacher = pair()
    one = sparse(student, found=found, sparsity_target=0.6, power=1)
    trained, shares = train(one, teacher, found=found)
    assert shares == pytest.approx([0, 0, 0.2, 0.4, 0.6, 0.6, 0.6], abs=0.02)
    assert trained.best.number >= one.ready == 4, "what has too few zeros is not kept, however good"
    assert zeros(trained.learned) == pytest.approx(0.6, abs=0.02)
    lowered = lift.lower(lift.folded(network()), trained.learned)
    kernel = next(op for op in lowered.get_ops() if op.get_friendly_name() == "kernel").get_data()
    np.testing.assert_array_equal(kernel, trained.learned.constants["kernel"])


def test_layers_are_compared_by_their_own_size() -> None:
    of_dense = {}
    for importance, mode in (("normed_abs", "global"), ("abs", "global"), ("abs", "local")):
        student, _ = pair()
        one = sparse(student, sparsity_init=0.5, weight_importance=importance, sparsity_level_setting_mode=mode)
        learned = one.student.learned()
        assert zeros(learned) == pytest.approx(0.5, abs=0.02)
        of_dense[importance, mode] = zeros(learned, "dense")
    assert of_dense["abs", "local"] == 0.5 and of_dense["abs", "global"] < 0.1 < of_dense["normed_abs", "global"]


def test_a_share_that_rises_with_each_step() -> None:
    student, _ = pair()
    one = sparse(student, sparsity_target=0.6, power=1, update_per_optimizer_step=True)
    step, shares = one.after_step(2), []
    for _ in range(6):
        step()
        shares.append(one.share)
    assert shares == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], abs=0.02)


def test_adaptive_waits_while_something_is_gained_and_still_gets_there() -> None:
    student, _ = pair()
    one = sparse(student, schedule="adaptive", sparsity_target=0.6, patience=2)
    levels = []
    for number in range(EPOCHS):
        one.after_epoch(Epoch(number, 0.0, 1.0 / (1 + number), 0.0, best=True), number)
        levels.append(round(one.share, 2))
    assert levels[0] == 0 and levels[-1] == pytest.approx(0.6, abs=0.02) and one.ready == 5


def test_zeros_are_held() -> None:
    model = lift.folded(network())
    kernel = next(op for op in model.get_ops() if op.get_friendly_name() == "kernel")
    values = np.array(kernel.get_data())
    values[:4] = 0
    model = lift.lower(model, lift.Learned({"kernel": values}, {}))
    student, teacher = lift.lift(model), pair()[1]
    trained = training.train(student, teacher, images(), PLAN, after_step=sparsity.hold(student, ["kernel"]))
    assert trained.best.number and (trained.learned.constants["kernel"][:4] == 0).all()
    assert (trained.learned.constants["kernel"][4:] != 0).all()
