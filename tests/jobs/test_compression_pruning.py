import json
from typing import Any

import pytest

from jobs import compression_config, templates
from jobs.errors import BadConfig, BadOption
from jobs.spec import NncfPruning
from jobs.templates import ConfigFile
from jobs.translation import Row, Translation

HERE = "nncf.json"
QUANTIZATION = {"algorithm": "quantization"}


def read(data: object, **keywords: Any) -> Translation:
    return compression_config.read(HERE, json.dumps(data), "nncf_pruning", **keywords)


def filters(*more: dict[str, Any], root: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
    """NNCF's own file with filter_pruning, and more algorithms."""
    return {"compression": [{"algorithm": "filter_pruning", "params": params}, *more], **(root or {})}


def zeros(name: str = "magnitude_sparsity", root: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
    return {"compression": {"algorithm": name, "params": params}, **(root or {})}


def otx(*parts: str) -> dict[str, Any]:
    """OTX's file with these parts, each of a target of its own."""
    data: dict[str, Any] = {"base": {"nncf_config": {"compression": []}}, "order_of_parts": list(parts)}
    for number, part in enumerate(parts, 1):
        found = [QUANTIZATION] if "quantization" in part else []
        if "pruning" in part:
            found.append({"algorithm": "filter_pruning", "params": {"pruning_flops_target": number / 10}})
        data[part] = {"nncf_config": {"compression": found}}
    return data


def row(translation: Translation, end: str) -> Row:
    return next(one for one in translation.rows if one.path.endswith(end))


def options(template: str, given: dict[str, str] | None = None, file: object = None) -> NncfPruning:
    config = ConfigFile(name=HERE, text=json.dumps(file)) if file else None
    found = templates.load(*template.split("/"))
    resolved = templates.resolve(found, "nncf_pruning", given=given or {}, config=config).options
    assert isinstance(resolved, NncfPruning)
    return resolved


# --- what OTX ships

PRUNED = {
    "classification/efficientnet_b0": {"pruning_init": 0.1, "prune_downsample_convs": True},
    "classification/mobilenet_v3_large_1x": {"pruning_init": 0.1, "prune_downsample_convs": True},
    "detection/mobilenetv2_atss": {},
    "detection/mobilenetv2_ssd": {},
}
"""What the part that prunes says besides, by the template."""


@pytest.mark.parametrize("template", PRUNED)
def test_a_template_that_otx_could_prune_gives_the_defaults(template: str) -> None:
    found = options(template)
    said = {"pruning_flops_target": 0.1, "schedule": "baseline", "filter_importance": "geometric_median"}
    assert {name: getattr(found.filter_pruning, name) for name in (*said, *PRUNED[template])} == {
        **said,
        **PRUNED[template],
    }
    assert found.algorithm == "filter_pruning"
    assert found.enable_quantization
    assert found.epochs == NncfPruning().epochs, "not the bound of 100 or 200"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("segmentation/lite_hrnet_s_mod2", {"preset": "mixed", "stat_subset_size": 5}),
        ("detection/yolox_tiny", {"stat_subset_size": 300}),
        ("classification/deit_tiny", {"model_type": "transformer"}),
        ("classification/generic", {}),
    ],
)
def test_others_say_how_to_quantize(template: str, said: dict[str, Any]) -> None:
    found = options(template)
    assert {name: getattr(found, name) for name in said} == said
    assert found.filter_pruning == NncfPruning().filter_pruning
    assert found.learning_rate == NncfPruning().learning_rate, "not that of training which only quantizes"


def test_otxs_parameters_are_told() -> None:
    def keys(template: str) -> dict[str, str]:
        found = templates.resolve(templates.load(*template.split("/")), "nncf_pruning").config_keys
        return {one.key: one.fate for one in found if one.key.startswith("nncf_optimization")}

    enabled, supported = "nncf_optimization.enable_pruning", "nncf_optimization.pruning_supported"
    assert keys("classification/efficientnet_b0") == {enabled: "changed", supported: "kept"}
    assert keys("detection/yolox_tiny") == {enabled: "changed", supported: "changed"}
    parameters = templates.parameters(templates.load("detection", "yolox_tiny"), "nncf_pruning")
    (quantized,) = [one for one in parameters if one.name == "enable_quantization"]
    assert (quantized.value, quantized.source) == ("true", "configuration.yaml")


# --- whose part


@pytest.mark.parametrize(
    ("parts", "target", "quantized"),
    [
        (("nncf_quantization", "nncf_quantization_pruning"), 0.2, True),
        (("nncf_pruning",), 0.1, False),
        (("nncf_pruning", "nncf_quantization_pruning"), 0.2, True),
    ],
)
def test_the_part_that_prunes_is_chosen(parts: tuple[str, ...], target: float, quantized: bool) -> None:
    translation = read(otx(*parts))
    assert translation.values["filter_pruning.pruning_flops_target"] == target
    assert translation.values["enable_quantization"] is quantized
    assert [one.fate for one in translation.rows if one.path in set(parts)] == ["refused"] * (len(parts) - 1)


def test_a_file_wins_over_otxs_parameters() -> None:
    assert not options("classification/efficientnet_b0", file=filters()).enable_quantization
    assert options("classification/efficientnet_b0", {"enable_quantization": "yes"}, filters()).enable_quantization


@pytest.mark.parametrize(
    ("data", "method", "problem", "hint"),
    [
        (otx("nncf_quantization"), "nncf_pruning", "has no part that prunes", "NNCF Quantization"),
        (otx("nncf_pruning"), "nncf_qat", "no part that quantizes without pruning", "NNCF Pruning"),
        ({"compression": QUANTIZATION}, "nncf_pruning", "nothing is to be removed", "NNCF Quantization"),
        (filters(), "nncf_qat", "not for quantization", "NNCF Pruning"),
        (zeros(), "nncf_qat", "not for quantization", "NNCF Pruning"),
        (zeros("const_sparsity"), "nncf_pruning", "asks for const_sparsity", "magnitude_sparsity"),
        (zeros("movement_sparsity"), "nncf_pruning", "asks for movement_sparsity", "magnitude_sparsity"),
        (zeros("bootstrap_nas"), "nncf_pruning", "asks for bootstrap_nas", "smaller network|smaller one"),
        ({"algorithms": [{"name": "DefaultQuantization"}]}, "nncf_pruning", "configuration of POT", "POT Default"),
        (filters({"algorithm": "filter_pruning"}), "nncf_pruning", "filter_pruning twice", "Keep one"),
        (
            filters({"algorithm": "rb_sparsity"}),
            "nncf_pruning",
            "filter_pruning and rb_sparsity",
            "Keep filter_pruning",
        ),
        (
            {"compression": [{"algorithm": "rb_sparsity"}, {"algorithm": "magnitude_sparsity"}]},
            "nncf_pruning",
            "rb_sparsity and magnitude_sparsity",
            "Keep magnitude_sparsity",
        ),
        (filters(pruning_target=0.2, pruning_flops_target=0.2), "nncf_pruning", "two targets", "Keep pruning_flops"),
        (filters(colour=1), "nncf_pruning", r"params\.colour", "Remove it"),
        (zeros(multistep_steps=3), "nncf_pruning", "list of numbers", ""),
    ],
)
def test_what_cannot_be_says_what_to_do(data: object, method: str, problem: str, hint: str) -> None:
    with pytest.raises(BadConfig, match=problem) as caught:
        compression_config.read(HERE, json.dumps(data), method)
    assert caught.value.where == HERE
    assert any(one in caught.value.hint for one in hint.split("|"))


# --- filters


def test_every_key_of_filter_pruning() -> None:
    params = {
        "schedule": "exponential_with_bias",
        "pruning_flops_target": 0.4,
        "num_init_steps": 1,
        "pruning_steps": 9,
        "filter_importance": "geometric_median",
        "all_weights": True,
        "prune_first_conv": True,
        "prune_downsample_convs": True,
    }
    data = filters(
        {"algorithm": "quantization", "preset": "mixed"},
        {"algorithm": "knowledge_distillation", "type": "softmax"},
        interlayer_ranking_type="unweighted_ranking",
        prune_batch_norms=True,
        **params,
    )
    data["compression"][0] |= {"pruning_init": 0.2, "ignored_scopes": ["a"], "validate_scopes": False}
    translation = read(data)
    assert translation.values == {
        "algorithm": "filter_pruning",
        "enable_quantization": True,
        "preset": "mixed",
        "ignored.strict": False,
        "filter_pruning.pruning_init": 0.2,
        "filter_pruning.ignored_scopes": ("a",),
        **{f"filter_pruning.{name}": value for name, value in params.items()},
    }
    assert {one.fate for one in translation.rows if "[0]" in one.path} == {"kept"}


@pytest.mark.parametrize(
    ("params", "share", "flops"),
    [
        ({"pruning_flops_target": 0.4}, 0.3, 0.4),
        ({"pruning_target": 0.4}, 0.4, None),
        ({}, 0.5, None),
    ],
)
def test_targets_are_nncfs(params: dict[str, float], share: float, flops: float | None) -> None:
    """Whose default is half of the filters."""
    found = options("classification/generic", file=filters(**params)).filter_pruning
    assert (found.pruning_target, found.pruning_flops_target) == (share, flops)


def test_a_share_of_flops_can_be_taken_away_by_hand() -> None:
    found = options("classification/generic", {"filter_pruning.pruning_flops_target": ""}).filter_pruning
    assert found.pruning_flops_target is None


@pytest.mark.parametrize(
    "params",
    [
        {"interlayer_ranking_type": "learned_ranking"},
        {"legr_params": {"generations": 400}},
        {"save_ranking_coeffs_path": "a.json"},
        {"load_ranking_coeffs_path": "a.json"},
        {"prune_batch_norms": False},
    ],
)
def test_what_pruning_does_not_do_is_refused(params: dict[str, Any]) -> None:
    refused = [one for one in read(filters(**params)).rows if one.fate == "refused"]
    assert len(refused) == 1
    assert refused[0].note


def test_layers_that_are_meant_are_a_pattern_of_the_others() -> None:
    data = filters()
    data["compression"][0]["target_scopes"] = ["{re}head.*"]
    values = read(data).values
    assert values["filter_pruning.ignored_scopes"] == ("{re}(?!head.*)",)
    assert "ignored.scope" not in values


# --- zeros


def test_every_key_of_magnitude_sparsity() -> None:
    params = {
        "schedule": "polynomial",
        "sparsity_target": 0.6,
        "sparsity_target_epoch": 5,
        "sparsity_freeze_epoch": 7,
        "update_per_optimizer_step": True,
        "power": 2.0,
        "concave": False,
        "patience": 2,
        "weight_importance": "abs",
        "sparsity_level_setting_mode": "local",
    }
    data = zeros(**params)
    data["compression"] |= {"sparsity_init": 0.1, "ignored_scopes": "a"}
    assert read(data).values == {
        "algorithm": "magnitude_sparsity",
        "enable_quantization": False,
        "sparsity.sparsity_init": 0.1,
        "sparsity.ignored_scopes": ("a",),
        **{f"sparsity.{name}": value for name, value in params.items()},
    }


def test_rb_sparsity_has_a_schedule_of_its_own() -> None:
    translation = read(zeros("rb_sparsity", weight_importance="abs", steps_per_epoch=4))
    assert translation.values["sparsity.schedule"] == "exponential"
    assert "sparsity.weight_importance" not in translation.values
    assert (row(translation, "weight_importance").fate, row(translation, "steps_per_epoch").fate) == (
        "refused",
        "changed",
    )
    assert read(zeros("rb_sparsity", schedule="adaptive")).values["sparsity.schedule"] == "adaptive"


def test_steps_are_numbers_in_the_end() -> None:
    file = zeros(schedule="multistep", multistep_steps=[2, 5], multistep_sparsity_levels=[0.1, 0.2, 0.5])
    found = options("classification/generic", file=file).sparsity
    assert (found.multistep_steps, found.multistep_sparsity_levels) == ((2, 5), (0.1, 0.2, 0.5))
    found = options("classification/generic", file=zeros(schedule="multistep")).sparsity
    assert (found.multistep_steps, found.multistep_sparsity_levels) == ((10,), (0.1, 0.5)), "90, of 20 epochs"


def test_shares_must_fit_the_steps() -> None:
    file = zeros(schedule="multistep", multistep_steps=[2, 5], multistep_sparsity_levels=[0.1, 0.2])
    with pytest.raises(BadOption, match="2 steps need 3 shares") as caught:
        options("classification/generic", file=file)
    assert caught.value.where.startswith("sparsity.")
    given = {"sparsity.multistep_sparsity_levels": "0.1"}
    with pytest.raises(BadOption, match="2 steps need 3 shares") as caught:
        options("classification/generic", given, file)
    assert caught.value.where == "sparsity.multistep_sparsity_levels", "what the person said last"


# --- lengths


@pytest.mark.parametrize(
    ("data", "used"),
    [
        (filters(pruning_steps=9), {"pruning_steps": 9}),
        (filters(pruning_steps=100), {"pruning_steps": 10}),
        (filters(pruning_steps=30, num_init_steps=10), {"pruning_steps": 8, "num_init_steps": 2}),
        (filters(pruning_steps=100, schedule="baseline"), {"pruning_steps": 100}),
        (filters(pruning_steps=100, root={"epochs": 120}), {"pruning_steps": 100}),
        (filters(pruning_steps=100, root={"epochs": 10}), {"pruning_steps": 5}),
        (zeros(sparsity_target_epoch=90, sparsity_freeze_epoch=100), {"target_epoch": 10, "freeze_epoch": 11}),
        (zeros(sparsity_target_epoch=5, sparsity_freeze_epoch=100), {"target_epoch": 5, "freeze_epoch": 20}),
        (zeros(sparsity_target_epoch=20), {"target_epoch": 20, "freeze_epoch": 20}),
        (zeros(sparsity_target_epoch=18), {"target_epoch": 18, "freeze_epoch": 20}),
        (zeros(sparsity_freeze_epoch=10), {"target_epoch": 9, "freeze_epoch": 10}),
        (zeros(sparsity_freeze_epoch=200), {"target_epoch": 10, "freeze_epoch": 11}),
        (zeros(schedule="multistep", multistep_steps=[100, 101]), {"multistep_steps": ("1", "2")}),
    ],
)
def test_what_is_longer_than_the_training_is_scaled(data: object, used: dict[str, Any]) -> None:
    translation = read(data)
    found = {name: value for key, value in translation.values.items() for name in used if key.endswith(name)}
    assert found == used
    for name in used:
        one = row(translation, name)
        assert one.fate == ("kept" if one.value is not None and str(one.value) == str(one.used) else "changed")


def test_accuracy_adapts_what_is_removed() -> None:
    params = {"initial_training_phase_epochs": 5, "patience_epochs": 3, "maximal_total_epochs": 30}
    aware = {"accuracy_aware_training": {"mode": "adaptive_compression_level", "params": params}}
    translation = read(filters(root=aware))
    assert translation.values["epochs"] == 30
    fates = [one.fate for one in translation.rows if "accuracy" in one.path]
    assert fates == ["kept", "changed", "kept", "kept"]
