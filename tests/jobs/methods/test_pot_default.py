import logging
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from nncf.quantization.range_estimator import (
    AggregatorType,
    RangeEstimatorParameters,
    StatisticsCollectorParameters,
    StatisticsType,
)

from jobs import events, templates
from jobs.errors import BadDataset, BadOption, BadOutputs, UnsupportedModel
from jobs.methods import Optimised, pot_default
from jobs.nncf_engine import nncf
from jobs.spec import PotDefault
from tests.jobs.methods.nets import (
    Images,
    attention,
    branches,
    constant,
    constants,
    convolutions,
    prepared,
    quantizers,
)


def options(**given: str) -> PotDefault:
    """By `--set`, with two underscores for a dot."""
    template = templates.load("classification", "generic")
    texts = {name.replace("__", "."): text for name, text in given.items()}
    found = templates.resolve(template, "pot_default", given=texts).options
    assert isinstance(found, PotDefault)
    return found


def apply(model: ov.Model, found: list[events.Event] | None = None, **given: str) -> Optimised:
    emit = (lambda event: None) if found is None else found.append
    return pot_default.apply(prepared(model), options(**given), emit)


def by_nncf(model: ov.Model, **keywords: Any) -> ov.Model:
    """NNCF itself, called the way POT's defaults ask for, but for channel alignment, which fails in NNCF 3.4."""
    advanced = keywords.pop("advanced", {})
    ends = {
        "activations_range_estimator_params": RangeEstimatorParameters(
            min=StatisticsCollectorParameters(aggregator_type=AggregatorType.MIN)
        )
    }
    return nncf.quantize(
        model,
        nncf.Dataset(Images(model)),
        preset=keywords.pop("preset", nncf.QuantizationPreset.PERFORMANCE),
        advanced_parameters=nncf.AdvancedQuantizationParameters(**{**ends, **advanced}),
        **keywords,
    )


def same(one: ov.Model, other: ov.Model) -> None:
    """The same constants at the same places."""
    for (name, ours), (_, theirs) in zip(constants(one), constants(other), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6, err_msg=name)


# --- what NNCF is asked for


@pytest.mark.parametrize(
    ("given", "keywords"),
    [
        ({}, {}),
        (
            {"preset": "mixed"},
            {
                "preset": nncf.QuantizationPreset.MIXED,
                "advanced": {"activations_range_estimator_params": RangeEstimatorParameters()},
            },
        ),
        ({"use_fast_bias": "false"}, {"fast_bias_correction": False, "subset_size": 8}),
        ({"saturation_fix": "all"}, {"advanced": {"overflow_fix": nncf.OverflowFix.ENABLE}}),
        ({"saturation_fix": "no"}, {"advanced": {"overflow_fix": nncf.OverflowFix.DISABLE}}),
        ({"inplace_statistics": "false"}, {}),
        ({"stat_subset_size": "3"}, {"subset_size": 3}),
        ({"ignored__scope": "conv1, {re}lin.*"}, {"ignored_scope": nncf.IgnoredScope(names=["conv1", "linear"])}),
        ({"ignored__operations": "GroupConvolution"}, {"ignored_scope": nncf.IgnoredScope(names=["depthwise"])}),
        (
            {"range_estimator__preset": "quantile", "range_estimator__max__outlier_prob": "0.01"},
            {
                "advanced": {
                    "activations_range_estimator_params": RangeEstimatorParameters(
                        min=StatisticsCollectorParameters(aggregator_type=AggregatorType.MIN),
                        max=StatisticsCollectorParameters(
                            statistics_type=StatisticsType.ABS_QUANTILE, quantile_outlier_prob=0.01
                        ),
                    ),
                    "weights_range_estimator_params": RangeEstimatorParameters(
                        max=StatisticsCollectorParameters(
                            statistics_type=StatisticsType.ABS_QUANTILE, quantile_outlier_prob=0.01
                        ),
                    ),
                }
            },
        ),
        (
            {"activations__range_estimator__max__aggregator": "mean_no_outliers"},
            {
                "advanced": {
                    "activations_range_estimator_params": RangeEstimatorParameters(
                        min=StatisticsCollectorParameters(aggregator_type=AggregatorType.MIN),
                        max=StatisticsCollectorParameters(
                            aggregator_type=AggregatorType.MEAN_NO_OUTLIERS, quantile_outlier_prob=0.01
                        ),
                    )
                }
            },
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_it_is_what_nncf_does_with_pots_defaults(given: dict[str, str], keywords: dict[str, Any]) -> None:
    same(apply(convolutions(), channel_alignment="false", **given).model, by_nncf(convolutions(), **keywords))


def test_the_saturation_fix_is_for_cpus() -> None:
    without = by_nncf(convolutions(), advanced={"overflow_fix": nncf.OverflowFix.DISABLE})
    optimised = apply(convolutions(), channel_alignment="false", target_device="GPU")
    same(optimised.model, without)
    assert optimised.applied["saturation_fix"] == "no"


def test_channel_alignment_evens_out_a_pair() -> None:
    """conv1 to conv2 is such a pair: nothing between, no padding. What comes out of the second stays the same."""
    model = convolutions()
    images = Images(model)
    aligned, plain = (apply(model, channel_alignment=on).model for on in ("true", "false"))
    assert not np.allclose(constant(aligned, "bias1"), constant(plain, "bias1"), atol=0.01)
    reference = outputs(model, images)
    error, plain_error = (np.abs(outputs(one, images) - reference).mean() for one in (aligned, plain))
    assert error < 1.2 * plain_error < 0.3 * np.abs(reference).mean()


def outputs(model: ov.Model, images: Images) -> np.ndarray:
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array([compiled(item)[0] for item in images])


def test_clipping_holds() -> None:
    clips = {
        "activations__range_estimator__min__clipping_value": "-0.5",
        "activations__range_estimator__max__clipping_value": "2",
    }
    plain = quantizers(apply(convolutions(), preset="mixed").model)
    clipped = quantizers(apply(convolutions(), preset="mixed", **clips).model)
    assert max(high.max() for _, high in plain.values()) > 3
    assert max(high.max() for _, high in clipped.values()) < 2.1
    assert min(low.min() for low, _ in clipped.values()) > -0.6


def test_every_bias_is_corrected_when_asked() -> None:
    """Also that of a layer whose weights stay in float, as POT did; with padding the estimate moves it."""
    before = constant(convolutions(), "bias0")
    given = {"ignored__scope": "conv0", "channel_alignment": "false"}
    np.testing.assert_array_equal(constant(apply(convolutions(), **given).model, "bias0"), before)
    moved = constant(apply(convolutions(), apply_for_all_nodes="true", threshold="1000", **given).model, "bias0")
    assert not np.allclose(moved, before)


def test_an_operation_is_left_in_float_by_its_attributes() -> None:
    given = '{"type": "Convolution", "attributes": {"pads_begin": "0,0"}}'
    optimised = apply(convolutions(), ignored__operations=given, channel_alignment="false")
    same(optimised.model, by_nncf(convolutions(), ignored_scope=nncf.IgnoredScope(names=["conv2"])))


def test_a_name_in_another_exporters_spelling_is_left_in_float_and_the_report_says_so() -> None:
    model = convolutions()
    for op in model.get_ops():
        if op.friendly_name == "conv2":
            op.friendly_name = "__module.model.head.2/aten::_convolution/Convolution"
    given = {"ignored__scope": "/head/head.2/Conv, gone", "ignored__strict": "false", "channel_alignment": "false"}
    optimised = apply(model, **given)
    same(optimised.model, by_nncf(convolutions(), ignored_scope=nncf.IgnoredScope(names=["conv2"])))
    assert [(key.value, key.fate) for key in optimised.config_keys] == [
        ("/head/head.2/Conv", "changed"),
        ("gone", "refused"),
    ]
    assert apply(convolutions(), ignored__scope="conv2").config_keys == ()


def test_a_transformer() -> None:
    plain, smooth = (
        apply(attention(), model_type="transformer", smooth_quant_alpha=alpha, preset="mixed")
        for alpha in ("-1", "0.95")
    )
    reference = by_nncf(
        attention(),
        preset=nncf.QuantizationPreset.MIXED,
        model_type=nncf.ModelType.TRANSFORMER,
        advanced={"activations_range_estimator_params": RangeEstimatorParameters()},
    )
    same(smooth.model, reference)
    assert len(constants(plain.model)) < len(constants(smooth.model))
    assert plain.applied["smooth_quant_alpha"] == "-1.0"


def test_branches_are_quantized_too() -> None:
    optimised = apply(branches(), ignored__scope="then_conv")
    assert int(optimised.applied["quantizers"]) >= 2
    with pytest.raises(UnsupportedModel) as caught:
        apply(branches(), use_fast_bias="false")
    assert "use_fast_bias" in caught.value.hint


# --- what it gives back


def test_the_model_given_is_not_changed(tmp_path: Path) -> None:
    model = convolutions()
    for name in ("before", "after"):
        ov.serialize(model, tmp_path / f"{name}.xml")
        apply(model)
    for ending in (".xml", ".bin"):
        before, after = (tmp_path / name for name in (f"before{ending}", f"after{ending}"))
        assert before.read_bytes() == after.read_bytes()


def test_names_and_model_info_stay() -> None:
    model = apply(convolutions()).model
    assert model.inputs[0].names == {"x"}
    assert model.get_rt_info(["model_info", "model_type"]).value == "Classification"


def test_a_model_without_names() -> None:
    """As one built in code, or from an old IR; images then come by the name of the parameter."""
    model = convolutions()
    model.inputs[0].tensor.set_names(set())
    assert int(apply(model).applied["quantizers"]) == 6
    assert not model.inputs[0].names


def test_the_settings_really_used() -> None:
    applied = apply(convolutions(), preset="mixed", ignored__scope="conv1").applied
    assert applied["stat_subset_size"] == "8"  # there are no more
    assert applied["threshold"] == "2"
    assert applied["activations.mode"] == "asymmetric"
    assert applied["activations.range_estimator.max.type"] == "max"
    assert applied["activations.range_estimator.max.aggregator"] == "mean"
    assert applied["weights.range_estimator.max.type"] == "abs_max"
    assert applied["ignored.scope"] == "conv1"
    assert all(type(text) is str and text for text in applied.values())
    assert apply(convolutions(), use_fast_bias="false").applied["threshold"] == "1000"


def test_progress_goes_up_to_the_images_there_are() -> None:
    found: list[events.Event] = []
    apply(convolutions(), found)
    images = [event.done for event in found if isinstance(event, events.Progress) and event.unit == "images"]
    assert images == sorted(images)
    assert (images[0], images[-1]) == (0, 8)
    found.clear()
    apply(convolutions(), found, use_fast_bias="false")
    assert any(isinstance(event, events.Progress) and event.unit == "layers" for event in found)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    level = logging.getLogger("nncf").level
    apply(convolutions())
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("nncf").level == level


# --- what is refused


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_image_that_is_no_image_is_named(bad: float) -> None:
    model = convolutions()
    images = Images(model)
    images.items[5]["x"][0, 1, 2, 3] = bad
    with pytest.raises(BadDataset, match=r"“5\.png”"):
        pot_default.apply(prepared(model, images), options(), lambda event: None)


def test_a_model_that_overflows_is_said() -> None:
    model = convolutions()
    images = Images(model)
    for item in images:
        item["x"] *= 1e37
    with pytest.raises(BadOutputs, match="not numbers"):
        pot_default.apply(prepared(model, images), options(), lambda event: None)


def test_nothing_to_quantize() -> None:
    with pytest.raises(UnsupportedModel, match="Nothing in this model was quantized"):
        apply(convolutions(), ignored__scope="{re}.*")


def test_an_ignored_name_that_nothing_has() -> None:
    with pytest.raises(BadOption, match="called conv9, Sigmoid") as caught:
        apply(convolutions(), ignored__scope="conv1, conv9", ignored__operations="Add, Sigmoid")
    assert caught.value.where == "ignored.scope"


def test_names_need_not_exist_when_a_recipe_says_so() -> None:
    given = {"ignored__scope": "conv9", "ignored__operations": "Sigmoid", "ignored__strict": "false"}
    assert pot_default.METHOD.unmatched(convolutions(), options(**given)) == ()
    apply(convolutions(), **given)


def test_a_device_that_cannot() -> None:
    wanted = options().model_copy(
        update={"activations": options().activations.model_copy(update={"granularity": "perchannel"})}
    )
    with pytest.raises(BadOption, match="cannot compute with these quantizers"):
        pot_default.apply(prepared(convolutions()), wanted, lambda event: None)
