import json
from typing import Any

import pytest

from jobs import pot_config
from jobs.errors import BadConfig, BadOption
from jobs.translation import Row

OTX = {
    "algorithms": [
        {
            "name": "DefaultQuantization",
            "params": {
                "preset": "mixed",
                "target_device": "ANY",
                "range_estimator": {"preset": "quantile"},
                "shuffle_data": True,
                "ignored": {"scope": ["/backbone/Mul", "/backbone/Add_1"]},
            },
        }
    ]
}
WHOLE = """
{
    /* Model parameters */
    "model": {"model_name": "m", "model": "m.xml", "weights": "m.bin"},
    "engine": {
        "stat_requests_number": 8, // requests
        "eval_requests_number": 8,
        "config": "ac.yml",
        "name": "m",
        "launchers": [{"framework": "dlsdk", "device": "CPU", "adapter": "classification"}],
        "datasets": [{"name": "d", "metrics": [{"type": "accuracy"}]}],
        "type": "simplified",
        "data_source": "/images"
    },
    "compression": {
        "target_device": "GNA3.5",
        "model_type": "None",
        "dump_intermediate_model": true,
        "inplase_statistics": false,
        "algorithms": [
            {
                "name": "DefaultQuantization",
                "params": {
                    "ignored": {
                        "scope": ["a"],
                        "operations": [
                            {"type": "Add", "attributes": {"auto_broadcast": "numpy"}}, {"type": "Multiply"}
                        ],
                        "skip_model": false
                    },
                    "preset": "accuracy",
                    "stat_subset_size": 100,
                    "stat_batch_size": 4,
                    "shuffle_data": false,
                    "seed": 7,
                    "use_fast_bias": false,
                    "threshold": 500,
                    "use_layerwise_tuning": false,
                    "tuning_iterations": 10,
                    "weights": {
                        "bits": 8, "mode": "symmetric", "granularity": "perchannel",
                        "level_low": -127, "level_high": 100,
                        "range_estimator": {"max": {"type": "quantile", "outlier_prob": 0.001, "aggregator": "mean"}}
                    },
                    "activations": {
                        "bits": 4, "mode": "asymmetric", "granularity": "perchannel", "level_low": 0, "level_high": 255,
                        "range_estimator": {
                            "preset": "quantile",
                            "min": {"clipping_value": 0, "aggregator": "hl_estimator", "type": "quantile"},
                            "max": {"clipping_value": 6, "aggregator": "median", "granularity": "pertensor"}
                        }
                    }
                }
            },
            {"name": "MagnitudeSparsity", "params": {"sparsity_level": 0.5}}
        ]
    }
}
"""


def rows(data: object) -> dict[str, Row]:
    text = data if isinstance(data, str) else json.dumps(data)
    found = pot_config.read("pot.json", text).rows
    assert len({row.path for row in found}) == len(found)
    return {row.path.replace("algorithms[0].params.", "…").replace("compression.", ""): row for row in found}


def with_params(**params: Any) -> dict[str, Any]:
    return {"algorithms": [{"name": "DefaultQuantization", "params": params}]}


def test_the_file_that_otx_ships() -> None:
    translation = pot_config.read("pot_optimization_config.json", json.dumps(OTX))
    assert translation.values == {
        "preset": "mixed",
        "target_device": "ANY",
        "range_estimator.preset": "quantile",
        "shuffle_data": True,
        "ignored.scope": ("/backbone/Mul", "/backbone/Add_1"),
    }
    assert {row.fate for row in translation.rows} == {"kept"}


def test_every_key_of_pots_whole_file_has_a_fate() -> None:
    found = rows(WHOLE)
    assert {path: row.fate for path, row in found.items()} == {
        "model.model_name": "changed",
        "model.model": "changed",
        "model.weights": "changed",
        "engine.stat_requests_number": "changed",
        "engine.eval_requests_number": "changed",
        "engine.config": "changed",
        "engine.name": "changed",
        "engine.launchers": "changed",
        "engine.datasets": "changed",
        "engine.type": "changed",
        "engine.data_source": "changed",
        "target_device": "refused",
        "model_type": "kept",
        "dump_intermediate_model": "refused",
        "inplase_statistics": "changed",
        "algorithms[0].name": "kept",
        "…ignored.scope": "kept",
        "…ignored.operations": "kept",
        "…ignored.skip_model": "kept",
        "…preset": "changed",
        "…stat_subset_size": "kept",
        "…stat_batch_size": "changed",
        "…shuffle_data": "kept",
        "…seed": "kept",
        "…use_fast_bias": "kept",
        "…threshold": "kept",
        "…use_layerwise_tuning": "kept",
        "…tuning_iterations": "refused",
        "…weights.bits": "kept",
        "…weights.mode": "kept",
        "…weights.granularity": "kept",
        "…weights.level_low": "kept",
        "…weights.level_high": "refused",
        "…weights.range_estimator.max.type": "kept",
        "…weights.range_estimator.max.outlier_prob": "kept",
        "…weights.range_estimator.max.aggregator": "refused",
        "…activations.bits": "refused",
        "…activations.mode": "kept",
        "…activations.granularity": "refused",
        "…activations.level_low": "kept",
        "…activations.level_high": "kept",
        "…activations.range_estimator.preset": "kept",
        "…activations.range_estimator.min.clipping_value": "kept",
        "…activations.range_estimator.min.aggregator": "refused",
        "…activations.range_estimator.min.type": "kept",
        "…activations.range_estimator.max.clipping_value": "kept",
        "…activations.range_estimator.max.aggregator": "kept",
        "…activations.range_estimator.max.granularity": "refused",
        "algorithms[1].name": "refused",
    }
    assert all(row.note for row in found.values() if row.fate != "kept")


def test_what_the_whole_file_sets() -> None:
    values = pot_config.read("pot.json", WHOLE).values
    assert values["preset"] == "mixed"
    assert values["inplace_statistics"] is False
    assert values["ignored.operations"][0] == {"type": "Add", "attributes": {"auto_broadcast": "numpy"}}
    assert values["activations.range_estimator.max.clipping_value"] == 6.0
    assert not {"target_device", "activations.bits", "activations.range_estimator.min.aggregator"} & values.keys()


@pytest.mark.parametrize(
    ("written", "used"), [("symmetric", "performance"), ("asymmetric", "mixed"), ("Mixed", "mixed")]
)
def test_the_presets_other_names(written: str, used: str) -> None:
    assert rows(with_params(preset=written))["…preset"].used == used


AWARE = {
    "maximal_drop": 0.005,
    "drop_type": "Relative",
    "max_iter_num": 2**63 - 1,
    "ranking_subset_size": 100,
    "metric_subset_ratio": 0.3,
    "use_prev_if_drop_increase": False,
    "annotation_free": True,
    "tune_hyperparams": True,
    "convert_to_mixed_preset": True,
    "metrics": [{"name": "accuracy", "baseline_value": 0.7}],
    "base_algorithm": "DefaultQuantization",
    "annotation_conf_threshold": 0.6,
    "preset": "performance",
}


def aware_rows(method: str, *algorithms: str) -> dict[str, Row]:
    data = {"algorithms": [{"name": name, "params": AWARE if "Aware" in name else {}} for name in algorithms]}
    translation = pot_config.read("pot.json", json.dumps(data), method)
    return {row.path.replace("algorithms[0].params.", "…"): row for row in translation.rows}


def test_accuracy_aware_is_translated_for_the_method_it_names() -> None:
    found = aware_rows("pot_accuracy_aware", "AccuracyAwareQuantization")
    assert found["algorithms[0].name"].fate == "kept"
    kept = ("maximal_drop", "ranking_subset_size", "metric_subset_ratio", "annotation_free", "tune_hyperparams")
    assert all(found[f"…{name}"].fate == "kept" and found[f"…{name}"].used == AWARE[name] for name in kept)
    assert found["…drop_type"].used == "relative"
    assert (found["…max_iter_num"].fate, found["…max_iter_num"].used) == ("changed", 1000)
    assert found["…metrics"].fate == "changed" and "primary metric" in found["…metrics"].note
    assert found["…base_algorithm"].fate == "kept"
    assert found["…annotation_conf_threshold"].fate == "refused"


def test_accuracy_aware_names_its_method_where_another_was_chosen() -> None:
    found = aware_rows("pot_default", "AccuracyAwareQuantization")
    assert found["algorithms[0].name"].fate == "refused"
    assert "POT Accuracy-aware" in found["algorithms[0].name"].note
    assert found["…maximal_drop"].fate == "refused" and "POT Accuracy-aware" in found["…maximal_drop"].note
    assert found["…preset"].used == "performance"
    data = {"algorithms": [{"name": "AccuracyAwareQuantization"}]}
    assert "DefaultQuantization runs instead" in pot_config.read("pot.json", json.dumps(data)).warnings[0]


def test_default_is_what_a_search_begins_with() -> None:
    found = aware_rows("pot_accuracy_aware", "DefaultQuantization")
    assert found["algorithms[0].name"].fate == "kept" and "POT Default" in found["algorithms[0].name"].note


def test_of_two_algorithms_the_chosen_one_runs() -> None:
    found = aware_rows("pot_accuracy_aware", "DefaultQuantization", "AccuracyAwareQuantization")
    assert found["algorithms[0].name"].fate == "refused"
    assert found["algorithms[1].name"].fate == "kept"


def test_one_model_of_a_cascade_is_refused() -> None:
    found = rows(with_params(ignored={"pnet": {"scope": ["a"], "skip_model": True}}))
    assert found["…ignored.pnet"].fate == "refused"


def test_a_key_said_twice_has_the_later_value() -> None:
    data = with_params(inplace_statistics=False, inplase_statistics=True)
    translation = pot_config.read("pot.json", json.dumps(data))
    assert translation.values == {"inplace_statistics": True}
    assert [row.fate for row in translation.rows[1:]] == ["changed", "changed"]


@pytest.mark.parametrize(
    ("params", "where", "allowed"),
    [
        ({"stat_subset_size": 0}, "stat_subset_size", "a whole number of at least 1"),
        ({"weights": {"bits": 9}}, "weights.bits", "8"),
        ({"range_estimator": {"max": {"outlier_prob": 0.7}}}, "range_estimator.max.outlier_prob", "from 0 to 0.5"),
        ({"preset": "fast"}, "preset", "one of performance, mixed"),
        ({"preset": 5}, "preset", "one of performance"),
        ({"target_device": "TPU"}, "target_device", "one of ANY, CPU"),
        ({"model_type": "mamba"}, "model_type", "one of transformer"),
        ({"saturation_fix": "some"}, "saturation_fix", "one of first_layer, all, no"),
        ({"ignored": {"scope": "a", "operations": [{"type": "Add", "attributes": {}}]}, "seed": "x"}, "seed", "number"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_range(params: dict[str, Any], where: str, allowed: str) -> None:
    with pytest.raises(BadOption, match=allowed) as caught:
        rows(with_params(**params))
    assert caught.value.where == where
    assert "“pot.json”" in caught.value.message


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("[1, 2", "damaged: line 1"),
        ([], "must hold an object"),
        ({}, "names no algorithm"),
        ({"compression": {}}, "names no algorithm"),
        ({"algorithms": []}, "must be a list of objects"),
        ({"algorithms": ["DefaultQuantization"]}, "must be a list of objects"),
        ({"algorithms": [{"name": "MagnitudeSparsity"}]}, "asks for MagnitudeSparsity"),
        ({"base": {}, "nncf_quantization": {}, "order_of_parts": []}, "is an NNCF compression"),
        ({"algoritms": []}, "algoritms in “pot.json” is no setting"),
        (with_params(stat_subset_sise=5), r"algorithms\[0\].params.stat_subset_sise in “pot.json”"),
        (with_params(weights=8), "weights in “pot.json” is 8; it must be an object"),
        (with_params(stat_batch_size=0), "stat_batch_size in “pot.json” is 0"),
        (with_params(ignored={"operations": [{"attributes": {}}]}), "must name the type"),
        (with_params(ignored={"operations": [{"type": "Add", "attrs": {}}]}), "operations.attrs"),
        (with_params(ignored={"operations": "Add"}), "must be a list of objects"),
    ],
)
def test_what_is_not_pots_is_named(data: object, problem: str) -> None:
    with pytest.raises(BadConfig, match=problem) as caught:
        rows(data)
    assert caught.value.where == "pot.json"


def test_a_near_name_is_proposed() -> None:
    with pytest.raises(BadConfig) as caught:
        rows(with_params(stat_subset_sise=5))
    assert caught.value.hint == "Did you mean stat_subset_size?"
