import json
import re
from typing import Any

import pytest

from jobs import compression_config, config_kind, pot_config, templates
from jobs.errors import BadConfig, BadOption
from jobs.spec import NncfQat
from jobs.templates import ConfigFile
from jobs.translation import Row, Translation

HERE = "nncf.json"


def read(data: object, **keywords: Any) -> Translation:
    return compression_config.read(HERE, data if isinstance(data, str) else json.dumps(data), **keywords)


def own(*more: dict[str, Any], root: dict[str, Any] | None = None, **quantization: Any) -> dict[str, Any]:
    """NNCF's own file with the algorithm quantization, and more algorithms."""
    return {"compression": [{"algorithm": "quantization", **quantization}, *more], **(root or {})}


def otx(**part: Any) -> dict[str, Any]:
    """OTX's file, whose part quantizes and says more."""
    nncf = {"compression": [{"algorithm": "quantization"}], **part.pop("nncf_config", {})}
    return {
        "base": {"nncf_config": {"compression": []}},
        "nncf_quantization": {"nncf_config": nncf, **part},
        "order_of_parts": ["nncf_quantization"],
    }


def row(translation: Translation, end: str) -> Row:
    return next(one for one in translation.rows if one.path.endswith(end))


# --- what OTX ships

ENOUGH = {"maximal_absolute_accuracy_degradation": 0.01}
QAT = {
    "classification/efficientnet_b0": {"preset": "mixed", "stat_subset_size": 8192, "epochs": 100, **ENOUGH},
    "classification/efficientnet_v2_s": {"preset": "mixed", "stat_subset_size": 8192, "epochs": 100, **ENOUGH},
    "detection/mobilenetv2_atss": {"stat_subset_size": 300, "learning_rate": 0.0005, "epochs": 20, **ENOUGH},
    "detection/mobilenetv2_ssd": {"stat_subset_size": 300, "learning_rate": 0.0005, "epochs": 20, **ENOUGH},
    "detection/yolox_tiny": {"learning_rate": 0.0005, "epochs": 20, **ENOUGH},
    "instance_segmentation/maskrcnn_efficientnetb2b": {
        "stat_subset_size": 1000,
        "learning_rate": 0.0005,
        "epochs": 20,
        **ENOUGH,
    },
    "segmentation/lite_hrnet_s_mod2": {
        "preset": "mixed",
        "stat_subset_size": 5,
        "learning_rate": 0.0001,
        "learning_rate_warmup_iters": 0,
        "epochs": 40,
        **ENOUGH,
        "ignored.scope": ("{re}.*cross_resolution_weighting.*__mul__.*", "{re}.*spatial_weighting.*__mul__.*"),
        "ignored.strict": False,
    },
    **{
        f"anomaly_{task}/padim": {
            "preset": "mixed",
            "stat_subset_size": 250,
            "ignored.scope": tuple(
                f"PadimModel/AnomalyMapGenerator[anomaly_map_generator]/{name}"
                for name in ("sqrt_0", "interpolate_0", "matmul_0", "GaussianBlur2d[blur]/conv2d_0")
            ),
            "ignored.strict": False,
        }
        for task in ("classification", "detection", "segmentation")
    },
    "anomaly_detection/stfpm": {
        "preset": "mixed",
        "stat_subset_size": 250,
        "ignored.scope": ("{re}.*__pow__.*",),
        "ignored.strict": False,
    },
}
"""What the part that quantizes says, by the template."""


@pytest.mark.parametrize("path", QAT)
def test_values_are_those_of_otxs_file(path: str) -> None:
    file = templates.load(*path.split("/")).nncf
    assert file is not None
    assert compression_config.read(file.name, file.text).values == QAT[path]


@pytest.mark.parametrize("path", QAT)
def test_a_templates_own_file_counts_but_for_its_bound_on_epochs(path: str) -> None:
    template = templates.load(*path.split("/"))
    options = templates.resolve(template, "nncf_qat").options
    assert isinstance(options, NncfQat)
    assert options.epochs == (30 if path.startswith(("anomaly", "instance")) else NncfQat().epochs)
    found = {name: one.value for one in templates.parameters(template, "nncf_qat") if (name := one.name) in QAT[path]}
    assert float(found["stat_subset_size"] if "stat_subset_size" in found else 300) == options.stat_subset_size
    assert options.ignored.scope == QAT[path].get("ignored.scope", ())


def test_otxs_parameter_overwrites_the_accepted_loss() -> None:
    """So the 1.0 of the files for segmentation comes to 0.01."""
    keys = templates.resolve(templates.load("segmentation", "lite_hrnet_s_mod2"), "nncf_qat").config_keys
    (key,) = [one for one in keys if one.key.endswith("absolute_accuracy_degradation")]
    assert (key.value, key.fate) == ("1.0", "changed")
    assert "1 %, overwrites it with 0.01" in key.note
    options = templates.resolve(templates.load("segmentation", "lite_hrnet_s_mod2"), "nncf_qat").options
    assert isinstance(options, NncfQat) and options.maximal_absolute_accuracy_degradation == 0.01


def test_the_batch_is_otxs_unless_an_uploaded_file_says_one() -> None:
    template = templates.load("classification", "efficientnet_b0")

    def options(text: str | None) -> NncfQat:
        config = ConfigFile(name=HERE, text=text) if text else None
        found = templates.resolve(template, "nncf_qat", config=config).options
        assert isinstance(found, NncfQat)
        return found

    assert options(None).batch_size == 64
    assert options(json.dumps(own())).batch_size == 64
    assert options(json.dumps(own(root={"batch_size": 4}))).batch_size == 4
    assert options(None).learning_rate == NncfQat().learning_rate, "not the 0.0049 of learning from labels"


def test_a_template_without_nncf_begins_with_what_it_says_for_pot() -> None:
    options = templates.resolve(templates.load("classification", "deit_tiny"), "nncf_qat").options
    assert isinstance(options, NncfQat)
    assert options.model_type == "transformer"


# --- how parts come together


def test_lists_are_added_objects_merged_and_values_overwritten() -> None:
    data = {
        "base": {
            "find_unused_parameters": True,
            "nncf_config": {"compression": [{"algorithm": "knowledge_distillation", "type": "mse"}], "log_dir": "."},
            "optimizer": {"lr": 0.1, "type": "Adam"},
        },
        "nncf_quantization": {
            "optimizer": {"lr": 2e-5},
            "nncf_config": {"compression": [{"algorithm": "quantization"}], "log_dir": None},
        },
        "nncf_quantization_pruning": {"nncf_config": {}},
        "order_of_parts": ["nncf_quantization", "nncf_quantization_pruning"],
    }
    translation = read(data)
    assert translation.values == {"learning_rate": 2e-5}
    assert row(translation, "compression[0].algorithm").value == "knowledge_distillation"
    assert row(translation, "compression[1].algorithm").fate == "kept"
    assert row(translation, "log_dir").value is None
    assert row(translation, "nncf_quantization_pruning").fate == "refused"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"base": {"nncf_config": {"compression": {}}}}, "nncf_config.compression in “nncf.json” is {} in the base"),
        ({"base": {"optimizer": 3, "nncf_config": {}}, "nncf_quantization": {"optimizer": {}}}, "cannot be merged"),
        ({"base": None}, "no object “base”"),
        ({"order_of_parts": "nncf_quantization"}, "must be a list of names"),
        ({"order_of_parts": ["nncf_sparsity"]}, "lacks nncf_quantization"),
        ({"order_of_parts": ["nncf_quantization_pruning"]}, "no part that quantizes without pruning"),
        ({"nncf_quantization": None}, "has no part “nncf_quantization”"),
        ({"nncf_sparsity": {}}, "nncf_sparsity in “nncf.json” is no part"),
        ({"nncf_quantization": {}}, "names no algorithm"),
    ],
)
def test_parts_that_do_not_come_together(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadConfig) as caught:
        read({**otx(), **change})
    assert problem in caught.value.message


def test_older_files_have_one_algorithm_instead_of_a_list() -> None:
    """And a classifier's section of training beside, as in OTX 0.5."""
    data = {
        "base": {
            "nncf_config": {},
            "lr_finder": {"enable": False},
            "train": {"batch_size": 64, "lr_scheduler": "reduce_on_plateau", "mix_precision": False},
            "test": {"batch_size": 64},
        },
        "nncf_quantization": {"nncf_config": {"compression": {"algorithm": "quantization", "preset": "mixed"}}},
        "order_of_parts": ["nncf_quantization"],
    }
    assert read(data).values == {"batch_size": 64, "preset": "mixed"}


# --- NNCF's own file


def test_one_of_nncfs_examples() -> None:
    text = """{
        "model": "resnet50", "pretrained": true, "num_classes": 1000,  // theirs
        "input_info": [{"sample_size": [1, 3, 224, 224]}],
        "batch_size": 32, "epochs": 15,
        "optimizer": {"type": "Adam", "base_lr": 1e-5, "schedule_type": "multistep", "steps": [5]},
        "target_device": "TRIAL",
        "compression": {
            "algorithm": "quantization", "preset": "mixed", "overflow_fix": "enable",
            "initializer": {"range": {"num_init_samples": 64, "type": "percentile",
                                      "params": {"min_percentile": 0.01, "max_percentile": 99.99}}},
            "weights": {"mode": "symmetric", "bits": 8, "per_channel": true, "signed": true},
            "activations": {"mode": "asymmetric", "bits": 8, "per_channel": false},
            "ignored_scopes": "{re}.*head.*", "validate_scopes": false,
        },
        "accuracy_aware_training": {"mode": "early_exit",
            "params": {"maximal_relative_accuracy_degradation": 1.0, "maximal_total_epochs": 12}},
        "compression_lr_multiplier": 10, "disable_shape_matching": true, "log_dir": "runs",
    }"""
    translation = read(text)
    assert translation.values == {
        "batch_size": 32,
        "epochs": 12,
        "maximal_relative_accuracy_degradation": 1.0,
        "learning_rate": 1e-5,
        "preset": "mixed",
        "saturation_fix": "all",
        "stat_subset_size": 64,
        "range_estimator.min.type": "quantile",
        "range_estimator.min.aggregator": "min",
        "range_estimator.min.outlier_prob": 0.0001,
        "range_estimator.max.type": "quantile",
        "range_estimator.max.aggregator": "max",
        "range_estimator.max.outlier_prob": 0.0001,
        "weights.mode": "symmetric",
        "weights.bits": 8,
        "weights.granularity": "perchannel",
        "activations.mode": "asymmetric",
        "activations.bits": 8,
        "activations.granularity": "pertensor",
        "ignored.scope": ("{re}.*head.*",),
        "ignored.strict": False,
    }
    assert row(translation, "sample_size").fate == "kept"
    assert (row(translation, "target_device").fate, row(translation, "epochs").fate) == ("refused", "changed")
    assert all(one.note for one in translation.rows if one.fate != "kept")


@pytest.mark.parametrize(
    ("kind", "ends", "share"),
    [
        ("mixed_min_max", ("min", "min", "max", "max"), None),
        ("min_max", ("min", "min", "max", "max"), None),
        ("mean_min_max", ("min", "mean", "max", "mean"), None),
        ("percentile", ("quantile", "min", "quantile", "max"), 0.001),
        ("mean_percentile", ("quantile", "mean", "quantile", "mean"), 0.001),
    ],
)
def test_ranges_by_nncfs_names(kind: str, ends: tuple[str, ...], share: float | None) -> None:
    values = read(own(initializer={"range": {"type": kind}})).values
    names = ("min.type", "min.aggregator", "max.type", "max.aggregator")
    assert tuple(values[f"range_estimator.{name}"] for name in names) == ends
    assert [values.get(f"range_estimator.{side}.outlier_prob") for side in ("min", "max")] == [share, share]


def test_what_is_not_to_be_left_out_of_targets() -> None:
    values = read(own(target_scopes=["conv.1", "{re}head.*"])).values
    (pattern,) = values["ignored.scope"]
    left = [name for name in ("conv.1", "conv.12", "convx1", "head", "head/Mul", "neck") if re.match(pattern[4:], name)]
    assert left == ["conv.12", "convx1", "neck"]
    assert read(own(target_scopes=["{re}.*__mul__.*"])).values == {}
    assert read(own(target_scopes=[])).values == {}


@pytest.mark.parametrize(
    ("rate", "used"),
    [
        ({"optimizer": {"lr": 5e-4}}, 5e-4),
        ({"optimizer": {"type": "SGD", "lr": 0.004, "momentum": 0.9}}, None),
        ({"optimizer": {"type": "AdamW", "lr": 0.004}}, 0.004),
        ({"model": {"lr": 0.004}}, None),
    ],
)
def test_a_rate_for_another_optimizer_is_not_taken(rate: dict[str, Any], used: float | None) -> None:
    translation = read(otx(**rate))
    assert translation.values.get("learning_rate") == used
    assert row(translation, ".lr").fate == ("kept" if used else "changed")


@pytest.mark.parametrize(
    ("named", "used", "fate"),
    [("SGD", None, "changed"), ("adamw", "AdamW", "kept"), ("Adam", None, "changed"), ("RMSprop", None, "changed")],
)
def test_another_optimizer_gives_way(named: str, used: str | None, fate: str) -> None:
    translation = read(otx(optimizer={"type": named}))
    assert translation.values.get("optimizer") == used and row(translation, "optimizer.type").fate == fate


# --- what is refused


@pytest.mark.parametrize(
    "name",
    [
        *("filter_pruning", "magnitude_sparsity", "rb_sparsity", "const_sparsity", "movement_sparsity"),
        *("bootstrap_nas", "bootstrapNAS", "progressive_shrinking", "binarization", "hawq", "autoq"),
    ],
)
def test_other_algorithms_are_refused_by_name(name: str) -> None:
    translation = read(own({"algorithm": name, "params": {"schedule": "baseline"}}))
    refused = row(translation, "compression[1].algorithm")
    assert (refused.value, refused.fate) == (name, "refused")
    assert refused.note in translation.warnings[0]
    assert name in translation.warnings[0]
    with pytest.raises(BadConfig, match=f"asks for {name}, and not for quantization") as caught:
        read({"compression": {"algorithm": name}})
    assert caught.value.hint == refused.note


def test_search_for_another_network_is_refused_by_name() -> None:
    search = {"bootstrapNAS": {"training": {"algorithm": "progressive_shrinking"}}}
    translation = read(own(root=search))
    assert row(translation, "bootstrapNAS").fate == "refused" and "asks for bootstrapNAS" in translation.warnings[0]
    with pytest.raises(BadConfig, match="asks for bootstrapNAS alone") as caught:
        read(search)
    assert "prune its filters" in caught.value.hint


@pytest.mark.parametrize(("kind", "name"), [("hawq", "HAWQ"), ("autoq", "AutoQ"), ("manual", "manual")])
def test_mixed_precision_is_refused_by_name_with_what_to_do(kind: str, name: str) -> None:
    translation = read(own(initializer={"precision": {"type": kind, "bits": [4, 8], "compression_ratio": 1.5}}))
    assert {one.fate for one in translation.rows if "precision" in one.path} == {"refused"}
    assert name in translation.warnings[0]
    assert "POT Accuracy-aware" in translation.warnings[0]


@pytest.mark.parametrize(
    ("quantization", "reason"),
    [
        ({"initializer": {"batchnorm_adaptation": {"num_bn_adaptation_samples": 5}}}, "part of the weights"),
        ({"initializer": {"range": {"type": "threesigma"}}}, "percentile leaves out"),
        ({"initializer": {"range": {"params": {"min_percentile": 1}}}}, "no percentiles"),
        ({"initializer": {"range": [{"target_scopes": "a", "num_init_samples": 5}]}}, "one way"),
        ({"quantize_inputs": False}, "Inputs"),
        ({"quantize_outputs": True}, "float"),
        ({"export_to_onnx_standard_ops": True}, "FakeQuantize"),
        ({"weights": {"bits": 4}}, "8 are used"),
        ({"weights": {"signed": False}}, "sign"),
        ({"activations": {"per_channel": True}}, "one scale"),
        ({"activations": {"ignored_scopes": ["a"]}}, "as a whole"),
        ({"weights": {"target_scopes": ["a"]}}, "as a whole"),
        ({"activations": {"unified_scale_ops": [["a", "b"]]}}, "one scale"),
        ({"scope_overrides": {"weights": {"a": {"bits": 4}}}}, "one by one"),
        ({"params": {"batch_multiplier": 2}}, "each batch"),
        ({"params": {"disable_wd_start_epoch": 2}}, "stays on"),
        ({"target_scopes": ["Net/Conv[a]/conv2d_0"]}, "ignored_scopes"),
    ],
)
def test_keys_that_cannot_be_are_refused_with_the_reason(quantization: dict[str, Any], reason: str) -> None:
    translation = read(own(**quantization))
    refused = [one for one in translation.rows if one.fate == "refused"]
    assert [reason in one.note for one in refused] == [True]
    assert translation.values == {}


@pytest.mark.parametrize(
    ("quantization", "note"),
    [
        ({"compression_lr_multiplier": 5}, "rate of their own"),
        ({"params": {"weights_quant_start_epoch": 2}}, "first epoch"),
        ({"params": {"lr_poly_drop_start_epoch": 2}}, "cosine"),
        ({"ignored_scopes": ["Net/Conv[a]/conv2d_0"]}, "in the report"),
    ],
)
def test_keys_that_are_changed_say_into_what(quantization: dict[str, Any], note: str) -> None:
    assert any(note in one.note for one in read(own(**quantization)).rows if one.fate == "changed")


def test_accepted_loss_ends_the_training() -> None:
    def accepted(value: object) -> object:
        params = {"maximal_absolute_accuracy_degradation": value}
        return read(own(root={"accuracy_aware_training": {"mode": "early_exit", "params": params}})).values

    name = "maximal_absolute_accuracy_degradation"
    assert accepted(0.02) == {name: 0.02} and accepted(2.0) == {name: 0.02}, "points of a metric from 0 to 100"
    for value in (-1, "little", 200):
        with pytest.raises((BadOption, BadConfig)):
            accepted(value)


def test_there_is_no_rate_of_compression_to_adapt() -> None:
    params = {"initial_training_phase_epochs": 5, "patience_epochs": 3, "maximal_total_epochs": 30}
    translation = read(own(root={"accuracy_aware_training": {"mode": "adaptive_compression_level", "params": params}}))
    assert translation.values == {"epochs": 30}
    assert [one.fate for one in translation.rows if "accuracy" in one.path] == ["refused"] * 3 + ["kept"]


def test_how_much_can_be_removed_is_found_out() -> None:
    params = {"initial_compression_rate_step": 0.2, "patience_epochs": 4, "lr_reduction_factor": 0.1}
    data = {
        "compression": {"algorithm": "filter_pruning", "params": {"pruning_flops_target": 0.5}},
        "accuracy_aware_training": {"mode": "adaptive_compression_level", "params": params},
    }
    values = compression_config.read("nncf.json", json.dumps(data), "nncf_pruning").values
    said = {name.rpartition(".")[2]: value for name, value in values.items() if name.startswith("adaptive")}
    assert said == {"enabled": True, "initial_compression_rate_step": 0.2, "patience_epochs": 4}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("[1, 2", "damaged: line 1"),
        ([], "must hold an object"),
        ({}, "names no algorithm"),
        ({"compression": []}, "names no algorithm"),
        ({"compression": ["quantization"]}, "must be an object with algorithm"),
        ({"compression": [{"algorithm": "quantization"}] * 2}, "asks for quantization twice"),
        (own({"algorithm": "experimental_quantization"}), "asks for quantization twice"),
        (own({"algorithm": "filter_pruning"}, {"algorithm": "filter_pruning"}), "asks for filter_pruning twice"),
        (own({"algorithm": "quantisation"}), "compression[1].algorithm in “nncf.json” is “quantisation”"),
        (own(colour="red"), "compression[0].colour in “nncf.json” is no setting"),
        (own(root={"colour": "red"}), "colour in “nncf.json” is no setting"),
        (own(overflow_fix="all"), "one of enable, disable, first_layer_only"),
        (own(initializer={"range": {"type": "max"}}), "one of mixed_min_max"),
        (own(initializer={"range": {"type": "percentile", "params": {"min_percentile": 200}}}), "from 0 to 100"),
        (own(weights={"per_channel": 1}), "must be true or false"),
        (own(ignored_scopes=[1]), "a name or a list of names"),
        (own(root={"accuracy_aware_training": {"mode": "late_exit"}}), "one of early_exit"),
        (otx(lr_config={"colour": 1}), "lr_config.colour"),
        ({"algorithms": [{"name": "DefaultQuantization"}]}, "is a configuration of POT"),
        ({"compression": {"algorithms": [{"name": "DefaultQuantization"}]}}, "is a configuration of POT"),
    ],
)
def test_what_is_not_nncfs_is_named(data: object, problem: str) -> None:
    with pytest.raises(BadConfig) as caught:
        read(data)
    assert problem in caught.value.message
    assert caught.value.where == HERE


@pytest.mark.parametrize(
    ("quantization", "where"),
    [
        ({"preset": "fast"}, "preset"),
        ({"initializer": {"range": {"num_init_samples": 0}}}, "stat_subset_size"),
        ({"weights": {"bits": 16}}, "weights.bits"),
        ({"weights": {"mode": "upside down"}}, "weights.mode"),
    ],
)
def test_a_value_that_cannot_be_names_its_setting(quantization: dict[str, Any], where: str) -> None:
    with pytest.raises(BadOption, match=r"“nncf\.json”") as caught:
        read(own(**quantization))
    assert caught.value.where == where


def test_experimental_quantization_is_quantization() -> None:
    translation = read({"compression": {"algorithm": "experimental_quantization", "preset": "mixed"}})
    assert translation.values == {"preset": "mixed"}
    assert row(translation, "algorithm").fate == "changed"


# --- whose file it is


def test_files_are_told_by_what_they_hold() -> None:
    for file in (own(), otx(), {"compression": {"algorithm": "quantization"}}):
        assert config_kind.is_nncf(file)
        assert not config_kind.is_pot(file)
        with pytest.raises(BadConfig, match="NNCF compression configuration") as caught:
            pot_config.read("pot_optimization_config.json", json.dumps(file))
        assert "NNCF Quantization" in caught.value.hint
    pot = {"compression": {"algorithms": []}}
    assert config_kind.is_pot(pot)
    assert not config_kind.is_nncf(pot)


def test_a_file_of_either_kind_for_the_other_method() -> None:
    template = templates.load("classification", "generic")
    pot = ConfigFile(name="compression_config.json", text='{"algorithms": [{"name": "DefaultQuantization"}]}')
    with pytest.raises(BadConfig, match="configuration of POT") as caught:
        templates.resolve(template, "nncf_qat", config=pot)
    assert "POT Default" in caught.value.hint
    nncf = ConfigFile(name="pot_optimization_config.json", text=json.dumps(own()))
    with pytest.raises(BadConfig, match="NNCF compression configuration"):
        templates.resolve(template, "pot_accuracy_aware", config=nncf)
    with pytest.raises(BadConfig, match="about quantization"):
        templates.resolve(template, "weights", config=nncf)
