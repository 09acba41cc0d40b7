import json

from jobs import recipe


def text(**keys: object) -> dict[str, str]:
    return {key: json.dumps(value) for key, value in keys.items()}


def test_the_recipe_of_lite_hrnet() -> None:
    """As an export of OTX 2.6 carries it."""
    end = {"statistics_type": "QUANTILE", "aggregator_type": "MIN", "quantile_outlier_prob": 0.0001}
    translation = recipe.read(
        text(
            advanced_parameters={
                "activations_range_estimator_params": {"min": end, "max": end | {"aggregator_type": "MAX"}}
            },
            ignored_scope={
                "names": ["a/Multiply", "b/Add"],
                "patterns": [".*head.*"],
                "types": ["Add"],
                "validate": False,
            },
        )
    )
    assert translation.values == {
        "activations.range_estimator.min.type": "quantile",
        "activations.range_estimator.min.aggregator": "min",
        "activations.range_estimator.min.outlier_prob": 0.0001,
        "activations.range_estimator.max.type": "quantile",
        "activations.range_estimator.max.aggregator": "max",
        "activations.range_estimator.max.outlier_prob": 0.0001,
        "ignored.scope": ("a/Multiply", "b/Add", "{re}.*head.*"),
        "ignored.operations": ("Add",),
        "ignored.strict": False,
    }
    assert {row.fate for row in translation.rows} == {"kept"}


def test_the_recipe_of_a_transformer_brings_nncfs_defaults() -> None:
    translation = recipe.read(text(model_type="transformer"))
    assert translation.values == {"model_type": "transformer", "preset": "mixed", "smooth_quant_alpha": 0.95}
    assert all(row.note for row in translation.rows if row.fate == "changed")


def test_the_recipe_of_maskrcnn_swint() -> None:
    """Its probability is a text."""
    end = {"statistics_type": "QUANTILE", "aggregator_type": "MIN", "quantile_outlier_prob": "1e-4"}
    advanced = {"smooth_quant_alpha": -1, "activations_range_estimator_params": {"min": end}}
    translation = recipe.read(text(model_type="transformer", advanced_parameters=advanced))
    assert translation.values["smooth_quant_alpha"] == -1
    assert translation.values["activations.range_estimator.min.outlier_prob"] == 1e-4


def test_other_keywords_of_nncf() -> None:
    translation = recipe.read(
        text(
            subset_size=100,
            fast_bias_correction=False,
            preset="PERFORMANCE",
            target_device="CPU",
            advanced_parameters={
                "overflow_fix": "disable",
                "disable_channel_alignment": True,
                "bias_correction_params": {"threshold": 10.0},
                "weights_quantization_params": {"num_bits": 8, "per_channel": False, "mode": "asymmetric"},
                "activations_quantization_params": {"per_channel": True},
                "quantize_outputs": True,
                "batchwise_statistics": None,
            },
        )
    )
    assert translation.values == {
        "stat_subset_size": 100,
        "use_fast_bias": False,
        "preset": "performance",
        "target_device": "CPU",
        "saturation_fix": "no",
        "channel_alignment": False,
        "threshold": 10.0,
        "weights.bits": 8,
        "weights.granularity": "pertensor",
        "weights.mode": "asymmetric",
    }
    refused = [row.path for row in translation.rows if row.fate == "refused"]
    assert refused == [
        "advanced_parameters.activations_quantization_params.per_channel",
        "advanced_parameters.quantize_outputs",
    ]


def test_what_a_model_says_wrong_is_refused_and_stops_nothing() -> None:
    """A person cannot edit what is inside a model."""
    translation = recipe.read({"preset": "not json", "colour": '"red"', "subset_size": "0", "ignored_scope": "5"})
    assert translation.values == {}
    assert [row.fate for row in translation.rows] == ["refused"] * 4
    assert all(row.note for row in translation.rows)


def test_an_empty_recipe_sets_nothing() -> None:
    assert recipe.read({}).rows == ()
