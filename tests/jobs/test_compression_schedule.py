"""How much is removed before each epoch."""

from itertools import pairwise

import pytest

from jobs import compression_schedule
from jobs.compression_schedule import Stage
from jobs.spec import FilterPruning, Sparsity


def levels(target: float, epochs: int, **options: object) -> list[float]:
    stages = compression_schedule.pruning(FilterPruning.model_validate(options), target, epochs)
    return [round(stage.level, 4) for stage in stages for _ in range(stage.epochs)]


def test_baseline_removes_all_at_once() -> None:
    stages = compression_schedule.pruning(FilterPruning(schedule="baseline"), 0.4, 20)
    assert stages == (Stage(1.0, 20),)


def test_exponential_keeps_the_same_share_at_each_step() -> None:
    found = levels(0.5, 6, pruning_steps=4)
    left = [1 - 0.5 * level for level in [0.0, *found]]
    ratios = [after / before for before, after in pairwise(left[:5])]
    assert ratios == pytest.approx([0.5 ** (1 / 4)] * 4, rel=1e-3)
    assert found[3:] == [1, 1, 1]


def test_with_a_bias_most_is_removed_early() -> None:
    plain, biased = (levels(0.5, 16, pruning_steps=16, schedule=f"exponential{name}") for name in ("", "_with_bias"))
    assert biased[1] == pytest.approx(0.75, abs=0.01) and biased[1] > plain[1]
    assert sorted(biased) == biased and biased[-1] == plain[-1] == 1


def test_what_is_removed_at_once_and_the_epochs_with_it() -> None:
    assert levels(0.4, 6, pruning_init=0.2, num_init_steps=2, pruning_steps=1) == [0.5, 0.5, 1, 1, 1, 1]
    assert levels(0.4, 4, num_init_steps=2, pruning_steps=1) == [1, 1, 1, 1], "nothing to train before"


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_few_epochs_end_at_the_target(epochs: int) -> None:
    found = levels(0.4, epochs, pruning_steps=5, pruning_init=0.1, num_init_steps=4)
    assert len(found) == epochs and found[-1] == 1


def zeros(epochs: int = 10, **options: object) -> list[float]:
    chosen = Sparsity.model_validate(options)
    return [round(compression_schedule.sparsity(chosen, epochs, time), 3) for time in range(epochs)]


def test_sparsity_rises_to_its_target() -> None:
    concave = zeros(sparsity_target=0.6, sparsity_target_epoch=5, power=2)
    convex = zeros(sparsity_target=0.6, sparsity_target_epoch=5, power=2, concave=False)
    assert concave[:2] == [0, 0.216] and convex[:2] == [0, 0.024]
    assert concave[5:] == convex[5:] == [0.6] * 5
    dense = [1 - share for share in zeros(schedule="exponential", sparsity_target=0.5, sparsity_target_epoch=4)]
    assert dense[1] / dense[0] == pytest.approx(dense[3] / dense[2], rel=1e-2)


def test_steps_of_their_own() -> None:
    found = zeros(schedule="multistep", multistep_steps=(2, 4), multistep_sparsity_levels=(0.1, 0.2, 0.7))
    assert found[:5] == [0.1, 0.1, 0.2, 0.2, 0.7]
    assert Sparsity.model_validate({"schedule": "multistep", "multistep_sparsity_levels": (0.3,)}).target == 0.3
    with pytest.raises(ValueError, match="2 steps need 3 shares"):
        Sparsity(schedule="multistep", multistep_steps=(1, 2), multistep_sparsity_levels=(0.1,))
