"""Which filters go, and how many."""

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from jobs import complexity
from jobs.errors import BadOption, UnsupportedModel
from jobs.numbers import percent
from jobs.pruning import Pruning
from jobs.spec import FilterPruning
from tests.jobs import tiny


def network(*widths: int, stride: int = 1) -> ov.Model:
    """Convolutions of 3x3, each with so many filters, whose weights grow from filter to filter."""
    rng = np.random.default_rng(0)
    entry = ops.parameter([1, 3, 16, 16], np.float32, name="image")
    node: ov.Node = entry
    for place, width in enumerate(widths):
        weights = rng.normal(0, 0.1, (width, node.get_output_shape(0)[1], 3, 3)).astype(np.float32)
        weights *= np.linspace(0.5, 1.5, width, dtype=np.float32)[:, None, None, None] * (1 + place)
        steps = [stride if place == 1 else 1] * 2
        node = ops.relu(
            ops.convolution(entry if not place else node, weights, steps, [1, 1], [1, 1], [1, 1], name=f"conv{place}")
        )
    scores = ops.matmul(
        ops.reduce_mean(node, ops.constant([2, 3])), rng.normal(0, 1, (widths[-1], 5)).astype(np.float32), False, False
    )
    return ov.Model([scores], [entry])


def filters(model: ov.Model) -> list[int]:
    return [op.input_value(1).get_shape()[0] for op in model.get_ordered_ops() if op.get_type_name() == "Convolution"]


def kernel(model: ov.Model) -> ov.Node:
    """Of the second layer."""
    return next(op for op in model.get_ops() if op.get_friendly_name() == "conv1").input_value(1).get_node()


def pruning(model: ov.Model, **options: object) -> Pruning:
    return Pruning(model, model, FilterPruning.model_validate(options))


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6])
@pytest.mark.parametrize("every", [False, True])
def test_as_many_flops_go_as_are_to(share: float, every: bool) -> None:
    model = network(16, 64, 64, 32)
    found = pruning(model, all_weights=every)
    assert found.budget.flops == complexity.total(model)
    smaller = found.by_flops(found.budget.flops * (1 - share))
    left = complexity.total(smaller) / found.budget.flops
    assert 1 - share - 0.1 < left <= 1 - share, "no more goes than multiples of 8 need"
    assert all(width % 8 == 0 for width in filters(smaller)) and filters(smaller)[0] == 16, "the first layer stays"


def test_a_share_of_the_filters_of_each_layer() -> None:
    assert filters(pruning(network(16, 64, 40)).by_filters(0.5)) == [16, 32, 24]
    assert filters(pruning(network(16, 64, 40), prune_first_conv=True).by_filters(0.5)) == [8, 32, 24]
    assert filters(pruning(network(16, 64, 40)).by_filters(0.8)) == [16, 16, 8]


@pytest.mark.parametrize("all_weights", [False, True])
def test_share_of_filters_in_stages_is_that_at_once(all_weights: bool) -> None:
    """Though each layer keeps a multiple of 8 in each of them."""
    at_once = pruning(network(16, 64, 40), all_weights=all_weights).by_filters(0.5)
    model = network(16, 64, 40)
    sizes = pruning(model, all_weights=all_weights).sizes
    for share in (0.2, 0.3, 0.4, 0.5):
        model = pruning(model, all_weights=all_weights).by_filters(share, sizes)
    if not all_weights:  # there, what rounding spares in one stage is not what it spares in the next
        assert filters(model) == filters(at_once)
    assert 16 + 104 / 2 <= sum(filters(model)) <= sum(filters(at_once))


def test_share_of_filters_that_would_empty_a_layer_is_refused() -> None:
    with pytest.raises(BadOption, match=r"At most 8\d.% of the filters that may go") as caught:
        pruning(network(16, 64, 40)).by_filters(0.99)
    assert caught.value.where == "filter_pruning.pruning_target"


def test_layers_that_shrink_stay_unless_they_may_go() -> None:
    model = network(16, 32, 32, stride=2)
    assert filters(pruning(model).by_filters(0.5)) == [16, 32, 16]
    assert filters(pruning(model, prune_downsample_convs=True).by_filters(0.5)) == [16, 16, 16]


def test_layers_called_unpruned_stay() -> None:
    model = network(16, 32, 32)
    found = Pruning(model, model, FilterPruning(), unpruned=["conv1"])
    assert filters(found.by_filters(0.5)) == [16, 32, 16]


@pytest.mark.parametrize("importance", ["L1", "L2"])
def test_the_smallest_filters_go(importance: str) -> None:
    model = network(16, 32, 16)
    smaller = pruning(model, filter_importance=importance).by_filters(0.5)
    before, after = (
        next(op for op in one.get_ops() if op.get_friendly_name() == "conv1").input_value(1).get_node().get_data()
        for one in (model, smaller)
    )
    norms = [
        np.abs(one).sum((1, 2, 3)) if importance == "L1" else np.square(one).sum((1, 2, 3)) for one in (before, after)
    ]
    # what the next layer makes of a filter does not count
    np.testing.assert_allclose(np.sort(norms[1]), np.sort(norms[0])[-16:], rtol=1e-5)


def test_filters_in_the_middle_of_all_others_go_by_the_geometric_median() -> None:
    model = network(8, 16, 16)
    old = kernel(model)
    weights = np.array(old.get_data())
    weights[:8] = weights.mean(0)
    new = ops.constant(weights)
    new.set_friendly_name(old.get_friendly_name())
    for target in old.output(0).get_target_inputs():
        target.replace_source_output(new.output(0))
    smaller = pruning(model, filter_importance="geometric_median").by_filters(0.5)
    kept = (
        next(op for op in smaller.get_ops() if op.get_friendly_name() == "conv1").input_value(1).get_node().get_data()
    )
    np.testing.assert_array_equal(kept, weights[8:])


def test_more_than_can_go_is_refused_with_what_can() -> None:
    found = pruning(network(16, 32, 16))
    most = found.budget.most
    assert 0.9 < most < 0.95
    with pytest.raises(BadOption, match=f"At most {percent(most, 0)} of the FLOPs") as caught:
        found.by_flops(found.budget.flops * 0.05)
    assert "first layer" in caught.value.hint and caught.value.where == "filter_pruning.pruning_flops_target"


def test_a_model_of_which_no_filter_can_go() -> None:
    with pytest.raises(UnsupportedModel, match="No filter"):
        pruning(tiny.classifier())


def test_nothing_of_the_upload_changes() -> None:
    model = network(16, 32, 16)
    pruning(model).by_filters(0.5)
    assert filters(model) == [16, 32, 16]
