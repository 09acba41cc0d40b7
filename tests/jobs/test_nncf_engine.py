import logging
import os
from unittest.mock import MagicMock

import numpy as np
import pytest
from nncf.telemetry import decorator

from jobs import ignored, nncf_engine
from jobs.nncf_engine import Clip, nncf
from tests.jobs.methods.nets import Images, branches, convolutions


def nothing(unit: str, done: int, total: int) -> None:
    pass


def parts() -> list[object]:
    """What is replaced, as it is now."""
    return [
        *(vars(module)["track"] for module in nncf_engine._TRACKING),
        *(vars(module)["get_number_if_op"] for module in (nncf_engine.quantize_ifmodel, nncf_engine.quantize_model)),
        vars(nncf_engine.OVChannelAlignmentAlgoBackend)["get_statistic_collector"],
        vars(nncf_engine.OVFastBiasCorrectionAlgoBackend)["is_quantized_weights"],
        vars(nncf_engine.OVBiasCorrectionAlgoBackend)["is_quantized_weights"],
        vars(nncf_engine.min_max)["calculate_quantizer_parameters"],
        logging.getLogger("nncf").level,
    ]


def test_every_part_is_put_back() -> None:
    before = parts()
    with pytest.raises(ZeroDivisionError), nncf_engine.running(nothing, weights=Clip(high=1), every_bias=True):
        assert not any(now is then for now, then in zip(parts()[:-1], before[:-1], strict=True))
        raise ZeroDivisionError
    assert parts() == before


def test_nothing_is_reported_to_anybody() -> None:
    assert os.environ["NNCF_CI"]
    assert isinstance(decorator.telemetry, MagicMock) or decorator.telemetry is MagicMock


def test_channel_alignment_is_still_broken_without_us() -> None:
    """When this fails, NNCF has repaired it, and `_aligning` can go."""
    model = convolutions()
    advanced = nncf.AdvancedQuantizationParameters(disable_channel_alignment=False)
    with pytest.raises(KeyError):
        nncf.quantize(model, nncf.Dataset(Images(model)), advanced_parameters=advanced)


def test_clipping_is_still_without_effect_without_us() -> None:
    """When this fails, NNCF uses clipping_value, and `_clipping` can go."""
    ends = nncf_engine.range_estimator.StatisticsCollectorParameters(clipping_value=0.1)
    advanced = nncf.AdvancedQuantizationParameters(
        activations_range_estimator_params=nncf_engine.range_estimator.RangeEstimatorParameters(max=ends)
    )
    model = convolutions()
    quantized = nncf.quantize(model, nncf.Dataset(Images(model)), advanced_parameters=advanced)
    highs = [
        op.input_value(2).get_node().get_data().max()
        for op in quantized.get_ops()
        if op.get_type_name() == "FakeQuantize"
    ]
    assert np.max(highs) > 1


def test_a_copy_has_names_everywhere_and_the_model_stays() -> None:
    model = branches()
    model.inputs[0].tensor.set_names(set())
    copied = nncf_engine.copy(model)
    assert copied.inputs[0].names == {"x"}
    assert not model.inputs[0].names


@pytest.mark.parametrize("weighty", [True, False])
def test_branches_are_walked_only_for_what_they_hold(weighty: bool) -> None:
    """NNCF shows the whole model every image again for each If, whatever is in it."""
    model = branches(weighty=weighty)
    counted: list[str] = []
    with nncf_engine.running(lambda unit, done, total: counted.append(unit)):
        quantized = nncf.quantize(nncf_engine.copy(model), nncf.Dataset(Images(model)))
    assert ("images for a branch" in counted) == weighty
    assert any(op.get_type_name() == "FakeQuantize" for op in quantized.get_ops())
    inside = [op for op in ignored.operations(quantized) if op.get_type_name() == "FakeQuantize"]
    assert (len(inside) > sum(op.get_type_name() == "FakeQuantize" for op in quantized.get_ops())) == weighty


def test_full_bias_correction_does_not_mind_branches_without_weights() -> None:
    model = branches(weighty=False)
    with nncf_engine.running(nothing):
        quantized = nncf.quantize(nncf_engine.copy(model), nncf.Dataset(Images(model)), fast_bias_correction=False)
    assert any(op.get_type_name() == "FakeQuantize" for op in quantized.get_ops())
