import pytest

from jobs import templates
from jobs.errors import BadOption
from jobs.spec import NncfPruning
from jobs.templates import Resolved


def resolve(**given: str) -> Resolved:
    named = {name.replace("__", "."): text for name, text in given.items()}
    return templates.resolve(templates.load("classification", "generic"), "nncf_pruning", given=named)


def pruning(resolved: Resolved) -> NncfPruning:
    assert isinstance(resolved.options, NncfPruning)
    return resolved.options


@pytest.mark.parametrize(
    ("given", "lengths", "said"),
    [
        ({}, (0, 5), ""),
        ({"epochs": "3"}, (0, 3), "3 epochs: the last filters are removed in epoch 3"),
        ({"epochs": "1", "filter_pruning__num_init_steps": "4"}, (0, 1), "1 epoch: the last filters"),
        ({"epochs": "3", "filter_pruning__schedule": "baseline"}, (0, 5), ""),
        (
            {"epochs": "3", "filter_pruning__schedule": "baseline", "filter_pruning__num_init_steps": "4"},
            (2, 5),
            "removed in epoch 3",
        ),
    ],
)
def test_filters_are_removed_before_the_end(given: dict[str, str], lengths: tuple[int, int], said: str) -> None:
    resolved = resolve(**given)
    filters = pruning(resolved).filter_pruning
    assert (filters.num_init_steps, filters.pruning_steps) == lengths
    assert said in " ".join(resolved.warnings).replace("\N{NO-BREAK SPACE}", " ")
    assert bool(said) == bool(resolved.warnings)


def test_zeros_are_there_before_the_end() -> None:
    resolved = resolve(algorithm="magnitude_sparsity", epochs="3")
    zeros = pruning(resolved).sparsity
    assert (zeros.sparsity_target_epoch, zeros.sparsity_freeze_epoch) == (2, 3)
    assert len(resolved.warnings) == 1


@pytest.mark.parametrize("steps", ["", "0, 3", "5, 3", "3, 3", "30"])
def test_steps_must_come_in_order_and_in_time(steps: str) -> None:
    with pytest.raises(BadOption, match="epochs from 1 to 20") as caught:
        shares = ", ".join(["0.5"] * (len([one for one in steps.split(",") if one]) + 1))
        resolve(
            algorithm="rb_sparsity",
            sparsity__schedule="multistep",
            sparsity__multistep_steps=steps,
            sparsity__multistep_sparsity_levels=shares,
        )
    assert caught.value.where == "sparsity.multistep_steps"


@pytest.mark.parametrize(
    ("given", "idle"),
    [
        ({"sparsity__sparsity_target": "0.6"}, "sparsity.sparsity_target"),
        ({"algorithm": "magnitude_sparsity", "filter_pruning__pruning_init": "0.1"}, "filter_pruning.pruning_init"),
        ({"filter_pruning__pruning_target": "0.5"}, "filter_pruning.pruning_target"),
        ({"filter_pruning__pruning_target": "0.5", "filter_pruning__pruning_flops_target": ""}, ""),
        ({"algorithm": "magnitude_sparsity", "sparsity__patience": "2"}, "sparsity.patience"),
        ({"algorithm": "rb_sparsity", "sparsity__weight_importance": "abs"}, "sparsity.weight_importance"),
        ({"enable_quantization": "false", "weights__mode": "symmetric"}, "weights.mode"),
        ({"enable_quantization": "false", "quantized_epochs": "3"}, "quantized_epochs"),
        ({"enable_quantization": "false", "seed": "3"}, ""),
        ({"algorithm": "magnitude_sparsity", "sparsity__power": "2"}, ""),
    ],
)
def test_what_is_without_effect_is_said(given: dict[str, str], idle: str) -> None:
    warnings = resolve(**given).warnings
    assert [idle in one for one in warnings] == ([True] if idle else [])
