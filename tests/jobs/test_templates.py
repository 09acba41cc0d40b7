import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from jobs import templates
from jobs.configuration import effective
from jobs.errors import BadConfig, BadOption
from jobs.fields import Parameter
from jobs.spec import (
    OPTIONS,
    DropType,
    NncfPruning,
    NncfQat,
    PotAccuracyAware,
    PotDefault,
    Preset,
    TaskName,
    Weights,
    WeightsMode,
)
from jobs.templates import ConfigFile, Template

TEMPLATE = """
model_template_id: Tiny
name: Tiny
task_type: CLASSIFICATION
task_family: VISION
instantiation: "CLASS"
framework: OTX
entrypoints: {openvino: some.Task}
hyper_parameters: {base_path: ../configuration.yaml}
gigaflops: 0.5
size: 1.5
"""
CONFIGURATION = """
type: CONFIGURABLE_PARAMETERS
id: ""
pot_parameters:
  type: PARAMETER_GROUP
  stat_subset_size: {type: INTEGER, default_value: 300, min_value: 1, max_value: 1000}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of templates with one in it."""
    task = tmp_path / "classification"
    (task / "tiny").mkdir(parents=True)
    (task / "tiny" / "template.yaml").write_text(TEMPLATE)
    (task / "configuration.yaml").write_text(CONFIGURATION)
    monkeypatch.setenv("OTX_WEB_CONFIGS", str(tmp_path))
    return task


def template(name: str = "efficientnet_b0") -> Template:
    return templates.load("classification", name)


def pot(**params: Any) -> ConfigFile:
    data = {"algorithms": [{"name": "DefaultQuantization", "params": params}]}
    return ConfigFile(name="pot.json", text=json.dumps(data))


def named(name: str, found: tuple[Parameter, ...]) -> Parameter:
    return next(one for one in found if one.name == name)


# --- loading


def test_the_default_is_first_and_the_generic_last() -> None:
    found = templates.names("classification")
    assert (found[0], found[-1]) == ("efficientnet_b0", "generic")
    assert templates.names("no_such_task") == ()


def test_a_template_from_another_folder(folder: Path) -> None:
    assert templates.root() == folder.parent
    tiny = template("tiny")
    assert (tiny.title, tiny.gflops, tiny.size_mb) == ("Tiny", 0.5, 1.5)
    assert tiny.methods == tuple(OPTIONS)


def test_a_template_that_is_not_there() -> None:
    with pytest.raises(BadConfig, match="no template “efficientnet_b1”") as caught:
        template("efficientnet_b1")
    assert caught.value.hint == "Try efficientnet_b0."
    with pytest.raises(BadConfig):
        template("../classification/efficientnet_b0")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("size: 1.5", "size: big"), "size: Input should be a valid number"),
        (("size: 1.5", "colour: red"), "colour"),
        (("size: 1.5", "size: [1"), "damaged, line"),
        (("../configuration.yaml", "../../../x.yaml"), "leads out"),
        (("../configuration.yaml", "../other.yaml"), "“other.yaml” cannot be read"),
        (
            ("../configuration.yaml}", "../configuration.yaml, parameter_overrides: {pot_parameters: {x: 1}}}"),
            "overrides",
        ),
    ],
)
def test_a_damaged_template_is_named(folder: Path, change: tuple[str, str], problem: str) -> None:
    (folder / "tiny" / "template.yaml").write_text(TEMPLATE.replace(*change))
    with pytest.raises(BadConfig, match=problem):
        template("tiny")


def test_a_template_overrides_the_configuration(folder: Path) -> None:
    overrides = "parameter_overrides: {pot_parameters: {stat_subset_size: {default_value: 500}}}"
    changed = TEMPLATE.replace("../configuration.yaml", f"../configuration.yaml, {overrides}")
    (folder / "tiny" / "template.yaml").write_text(changed)
    subset = named("stat_subset_size", templates.parameters(template("tiny"), "pot_default"))
    assert (subset.value, subset.maximum) == ("500", 1000)


def test_its_own_pot_file_counts(folder: Path) -> None:
    (folder / "tiny" / "pot_optimization_config.json").write_text(pot(seed=3, stat_subset_size=100).text)
    tiny = template("tiny")
    resolved = templates.resolve(tiny, "pot_default")
    assert (resolved.options.seed, resolved.options.stat_subset_size) == (3, 300)
    assert named("seed", templates.parameters(tiny, "pot_default")).source == "pot_optimization_config.json"
    assert templates.resolve(tiny, "pot_default", config=pot(use_fast_bias=False)).options.seed == 0


# --- parameters


def test_the_parameters_of_a_template() -> None:
    found = templates.parameters(template(), "pot_default")
    assert [one.name for one in found if not one.advanced][:3] == ["preset", "stat_subset_size", "use_fast_bias"]
    preset = named("preset", found)
    assert (preset.options, preset.value, preset.source) == (
        ("performance", "mixed"),
        "performance",
        "configuration.yaml",
    )
    assert named("use_fast_bias", found).source == "POT"
    assert named("shuffle_data", found).source == "OTX"
    for method in OPTIONS:
        assert all(one.group for one in templates.parameters(template(), method) if one.advanced)
    assert all(one.header and one.description for one in found)
    assert not any(one.name.startswith("weights") and one.name.endswith("aggregator") for one in found)


def test_groups_stay_together() -> None:
    groups = [one.group for one in templates.parameters(template("generic"), "pot_default")]
    changes = sum(before != after for before, after in itertools.pairwise(groups))
    assert changes == len(set(groups)) - 1


def test_values_are_what_set_takes() -> None:
    """Giving every value as it is shown changes nothing."""
    for name in templates.names("classification"):
        found = templates.parameters(template(name), "pot_default")
        given = {one.name: one.value for one in found}
        plain = templates.resolve(template(name), "pot_default").options
        assert templates.resolve(template(name), "pot_default", given=given).options == plain


def test_deit_is_a_transformer() -> None:
    options = templates.resolve(template("deit_tiny"), "pot_default").options
    assert (options.model_type, options.smooth_quant_alpha) == ("transformer", 0.95)
    assert named("stat_subset_size", templates.parameters(template("deit_tiny"), "pot_default")).maximum == 1000


# --- resolving


def test_without_anything_said_it_is_pots_default() -> None:
    resolved = templates.resolve(template("generic"), "pot_default")
    assert resolved.options == PotDefault()
    assert resolved.config_keys == ()


def test_given_settings_win() -> None:
    resolved = templates.resolve(
        template(),
        "pot_default",
        given={
            "stat_subset_size": "200",
            "preset": "Mixed",
            "ignored.scope": "a, {re}b.*",
            "ignored.operations": 'Add\n{"type": "Convolution", "attributes": {"auto_pad": "explicit"}}',
            "activations.range_estimator.max.type": "quantile",
            "threshold": "",
        },
    )
    options = resolved.options
    assert (options.stat_subset_size, options.preset, options.threshold) == (200, Preset.MIXED, None)
    assert options.ignored.scope == ("a", "{re}b.*")
    assert [one.type for one in options.ignored.operations] == ["Add", "Convolution"]
    assert options.activations.range_estimator.max.type == "quantile"


def test_otxs_parameters_win_over_the_file() -> None:
    """So the mixed that OTX's files say is without effect, and the table says so."""
    config = pot(preset="mixed", stat_subset_size=100, shuffle_data=False, seed=5)
    resolved = templates.resolve(template(), "pot_default", config=config)
    assert (resolved.options.preset, resolved.options.stat_subset_size) == (Preset.PERFORMANCE, 300)
    keys = {key.key.rpartition(".")[2]: key for key in resolved.config_keys}
    assert {name: key.fate for name, key in keys.items()} == {
        "name": "kept",
        "preset": "changed",
        "stat_subset_size": "changed",
        "shuffle_data": "changed",
        "seed": "kept",
    }
    assert "configuration.yaml" in keys["preset"].note
    assert keys["preset"].source == "pot.json"


def test_no_parameter_of_otx_wins_for_any_model() -> None:
    config = pot(preset="mixed", stat_subset_size=100, shuffle_data=False)
    resolved = templates.resolve(template("generic"), "pot_default", config=config)
    assert (resolved.options.preset, resolved.options.stat_subset_size) == (Preset.MIXED, 100)
    assert not resolved.options.shuffle_data
    assert {key.fate for key in resolved.config_keys} == {"kept"}


def test_a_person_wins_over_the_file() -> None:
    given = {"preset": "mixed", "seed": "9"}
    resolved = templates.resolve(template(), "pot_default", given=given, config=pot(preset="mixed", seed=5))
    keys = {key.key.rpartition(".")[2]: key for key in resolved.config_keys}
    assert keys["preset"].fate == "kept"
    assert (keys["seed"].fate, keys["seed"].note, keys["seed"].parameter) == ("changed", "You set it to 9.", "")


def test_the_recipe_of_the_model_counts_unless_a_file_is_given() -> None:
    recipe = {"ignored_scope": '{"types": ["Add"]}', "subset_size": "50"}
    resolved = templates.resolve(template(), "pot_default", recipe=recipe)
    assert [one.type for one in resolved.options.ignored.operations] == ["Add"]
    assert resolved.options.stat_subset_size == 50, "more than what OTX 1.x would do with any model"
    assert [key.fate for key in resolved.config_keys] == ["kept", "kept"]
    assert {key.source for key in resolved.config_keys} == {"the model"}
    found = templates.parameters(template(), "pot_default", recipe=recipe)
    assert (named("ignored.operations", found).value, named("ignored.operations", found).source) == ("Add", "the model")
    with_file = templates.resolve(template(), "pot_default", recipe=recipe, config=pot(seed=1))
    assert with_file.options.ignored.operations == ()


def test_the_recipe_says_nothing_of_training_so_that_the_template_does() -> None:
    resolved = templates.resolve(template(), "nncf_pruning", recipe={"preset": '"performance"', "subset_size": "50"})
    found, keys = resolved.options, {(one.key.rpartition(".")[2], one.source): one for one in resolved.config_keys}
    assert isinstance(found, NncfPruning) and found.filter_pruning.filter_importance == "geometric_median"
    assert found.filter_pruning.pruning_flops_target == 0.1 and found.adaptive_compression_level.enabled
    assert (found.preset, found.stat_subset_size) == (Preset.PERFORMANCE, 50)
    file = "compression_config.json"
    assert (keys["preset", "the model"].fate, keys["pruning_flops_target", file].fate) == ("kept", "kept")
    assert keys["preset", file].fate == "changed" and "recipe of its own" in keys["preset", file].note
    assert templates.resolve(template(), "nncf_qat", recipe={"subset_size": "50"}).options.stat_subset_size == 50


def test_the_recipe_is_used_instead_of_the_templates_file_and_wins_over_otx() -> None:
    padim = templates.load("anomaly_segmentation", "padim")
    found = templates.resolve(padim, "pot_default", recipe={"preset": '"mixed"'}).options
    assert (found.preset, found.ignored.scope, found.range_estimator.preset) == (Preset.MIXED, (), None)
    assert found.shuffle_data, "of which a recipe says nothing"
    assert templates.resolve(padim, "pot_default", recipe={}).options.ignored.scope


def test_only_a_persons_names_must_exist() -> None:
    """Those of a template or of a recipe were made for one export of one version."""
    padim = templates.load("anomaly_segmentation", "padim")

    def strict(template: Template, **keywords: Any) -> bool:
        return templates.resolve(template, "pot_default", **keywords).options.ignored.strict

    assert not strict(padim)
    assert not strict(template(), recipe={"ignored_scope": '{"names": ["a"]}'})
    assert strict(template(), recipe={"ignored_scope": '{"names": ["a"], "validate": true}'})
    assert strict(padim, given={"ignored.scope": "/anomaly_map_generator/Mul, conv"})
    assert not strict(padim, given={"ignored.scope": "conv", "ignored.strict": "false"})
    assert strict(padim, given={"ignored.strict": "true"})
    assert strict(padim, config=pot(ignored={"scope": ["conv"]}))
    shown = named("ignored.strict", templates.parameters(padim, "pot_default"))
    assert (shown.value, shown.source) == ("false", "pot_optimization_config.json")


def test_pots_old_preset_is_explained() -> None:
    resolved = templates.resolve(template(), "pot_default", given={"preset": "accuracy"})
    assert resolved.options.preset == Preset.MIXED
    assert "mixed" in resolved.warnings[0]


def test_asymmetric_weights_have_no_saturation_fix() -> None:
    resolved = templates.resolve(
        template(), "pot_default", config=pot(weights={"mode": "asymmetric"}, saturation_fix="all")
    )
    assert resolved.options.saturation_fix == "no"
    assert resolved.warnings
    assert {key.key.rpartition(".")[2]: key.fate for key in resolved.config_keys}["saturation_fix"] == "changed"


@pytest.mark.parametrize(
    ("given", "where", "problem"),
    [
        ({"stat_subset_size": "0"}, "stat_subset_size", "a whole number of at least 1"),
        ({"weights.bits": "9"}, "weights.bits", "a whole number, 8"),
        ({"range_estimator.max.outlier_prob": "0.7"}, "range_estimator.max.outlier_prob", "from 0 to 0.5"),
        ({"range_estimator.max.outlier_prob": "0.5"}, "range_estimator.max.outlier_prob", "less than 0.5"),
        ({"threshold": "0"}, "threshold", "greater than 0"),
        ({"stat_subset_sise": "5"}, "stat_subset_sise", "no setting"),
        ({"activations.granularity": "perchannel"}, "activations.granularity", "one of pertensor"),
        ({"ignored.scope": '{"type": "Add"}'}, "ignored.scope", "string"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(given: dict[str, str], where: str, problem: str) -> None:
    with pytest.raises(BadOption, match=problem) as caught:
        templates.resolve(template(), "pot_default", given=given)
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("stat_batch_size", "one by one"),
        ("use_layerwise_tuning", "training with NNCF"),
        ("stat_requests_number", "OpenVINO decides"),
        ("maximal_drop", "AccuracyAwareQuantization"),
        ("use_fast_bia", "Did you mean use_fast_bias"),
        ("colour", ""),
    ],
)
def test_pots_other_parameters_are_explained(name: str, hint: str) -> None:
    with pytest.raises(BadOption) as caught:
        templates.resolve(template(), "pot_default", given={name: "4"})
    assert hint in caught.value.hint
    assert bool(hint) == bool(caught.value.hint)


def test_a_method_that_is_not_offered() -> None:
    with pytest.raises(BadOption, match="does not offer") as caught:
        templates.resolve(template(), "nncf_magic")
    assert caught.value.where == "method"


# --- the model and the job


def test_the_template_speaks_for_a_model_that_says_nothing() -> None:
    found = templates.model_parameters(template(), {})
    mean = named("mean_values", found)
    assert (mean.value, mean.source) == ("123.675 116.28 103.53", "template.yaml")
    assert named("mean_values", templates.model_parameters(template("generic"), {})).value == ""


def test_what_the_model_carries_counts_alone() -> None:
    info = {
        "reverse_input_channels": "True",
        "label_info": '{"label_names": ["cat", "sea lion"]}',
        "labels": "cat sea_lion",
        "resize_type": "stretched",
        "pad_value": "0.0",
    }
    found = templates.model_parameters(template(), info)
    assert (named("reverse_input_channels", found).value, named("reverse_input_channels", found).source) == (
        "true",
        "the model",
    )
    assert named("labels", found).value == "cat, sea lion"
    assert named("resize_type", found).value == "stretched"
    assert (named("mean_values", found).value, named("mean_values", found).source) == ("", "")


def test_what_belongs_to_the_job() -> None:
    found = templates.job_parameters(template())
    assert {one.name for one in found} == {"max_drop", "validation_images", "hint", "speed_seconds", "device"}
    assert (named("max_drop", found).value, named("max_drop", found).maximum) == ("0.01", 1)
    assert named("hint", found).options == ("throughput", "latency")


def test_which_images_calibrate_is_asked_for_anomalies_only() -> None:
    (asked,) = [
        one
        for one in templates.job_parameters(templates.load("anomaly_detection", "padim"))
        if one.name == "calibrate_on"
    ]
    assert asked.value == "normal" and asked.options == ("normal", "anomalous")


# --- the other methods


def test_a_search_has_all_of_pot_default_and_its_own() -> None:
    default, search = (templates.parameters(template(), method) for method in ("pot_default", "pot_accuracy_aware"))
    more = {one.name for one in search} - {one.name for one in default}
    assert {one.name for one in default} < {one.name for one in search}
    assert more == {
        *("maximal_drop", "drop_type", "max_iter_num", "ranking_subset_size", "metric_subset_ratio"),
        *("annotation_free", "tune_hyperparams", "convert_to_mixed_preset", "use_prev_if_drop_increase"),
    }
    assert named("max_iter_num", search).value == "20", "POT had no bound"
    assert named("preset", search).source == "configuration.yaml"
    options = templates.resolve(template(), "pot_accuracy_aware", given={"drop_type": "Relative"}).options
    assert isinstance(options, PotAccuracyAware) and options.drop_type is DropType.RELATIVE


def test_a_search_follows_its_file() -> None:
    text = json.dumps({"algorithms": [{"name": "AccuracyAwareQuantization", "params": {"maximal_drop": 0.02}}]})
    file = ConfigFile(name="pot.json", text=text)
    resolved = templates.resolve(template("generic"), "pot_accuracy_aware", config=file)
    assert isinstance(resolved.options, PotAccuracyAware) and resolved.options.maximal_drop == 0.02
    assert not resolved.warnings
    other = templates.resolve(template("generic"), "pot_default", config=file)
    assert isinstance(other.options, PotDefault)
    assert any("POT Accuracy-aware" in warning for warning in other.warnings)


def test_weights_have_parameters_of_their_own() -> None:
    found = templates.parameters(template(), "weights")
    assert [one.name for one in found if not one.advanced] == ["mode", "ignored.scope", "ignored.operations"]
    assert {one.source for one in found} == {"NNCF"}
    options = templates.resolve(template(), "weights", given={"mode": "INT4_SYM", "scale_estimation": "true"}).options
    assert isinstance(options, Weights) and options.mode is WeightsMode.INT4_SYM and options.calibrates
    assert not templates.resolve(template(), "weights").options.calibrates


def test_weights_in_8_bits_take_nothing_of_4() -> None:
    resolved = templates.resolve(template(), "weights", given={"awq": "true"})
    assert isinstance(resolved.options, Weights) and not resolved.options.awq
    assert any("4-bit weights only" in warning for warning in resolved.warnings)


def test_weights_take_no_file_of_quantization() -> None:
    with pytest.raises(BadConfig, match="is about quantization") as caught:
        templates.resolve(template(), "weights", config=pot(preset="mixed"))
    assert "a method of POT or NNCF" in caught.value.hint


def test_weights_in_groups_of_none() -> None:
    with pytest.raises(BadOption, match="group_size"):
        templates.resolve(template(), "weights", given={"mode": "int4_sym", "group_size": "0"})


def test_settings_that_a_model_looks_like_give_way_to_what_is_said() -> None:
    detection = templates.load("detection", "generic")
    supposed = {"model_type": "YOLOv8", "scale_values": "255"}
    found = {one.name: one for one in templates.model_parameters(detection, {"scale_values": "1"}, supposed)}
    assert (found["model_type"].value, found["model_type"].source) == ("YOLOv8", "its outputs")
    assert (found["scale_values"].value, found["scale_values"].source) == ("1", "the model")


def test_training_has_its_batch_from_otx_its_file_for_nncf_and_the_rest_of_its_own() -> None:
    found = {one.name: one for one in templates.parameters(template(), "nncf_qat")}
    told = template().configuration.groups["learning_parameters"].parameters["batch_size"]
    assert (found["batch_size"].value, found["batch_size"].source) == (str(effective(told)), "configuration.yaml")
    file = {name for name, one in found.items() if one.source == "compression_config.json"}
    assert file == {"preset", "stat_subset_size", "maximal_absolute_accuracy_degradation"}
    assert {one.source for name, one in found.items() if name not in file | {"batch_size"}} == {"OTX Web"}
    assert not found["epochs"].advanced and found["weight_decay"].group == "Training"
    options = templates.resolve(template(), "nncf_qat", given={"epochs": "3", "batch_size": "4"}).options
    assert isinstance(options, NncfQat) and (options.epochs, options.batch_size) == (3, 4)


def test_training_goes_faster_where_features_are_compared() -> None:
    found = {one.name: one for one in templates.parameters(templates.load("anomaly_detection", "generic"), "nncf_qat")}
    assert (found["learning_rate"].value, found["learning_rate"].source) == ("0.0005", "OTX Web")
    options = templates.resolve(templates.load("anomaly_detection", "padim"), "nncf_qat", given={"epochs": "4"}).options
    assert isinstance(options, NncfQat)
    assert (options.learning_rate, options.epochs, options.batch_size) == (5e-4, 4, 8)


def test_training_takes_no_file_of_pot() -> None:
    with pytest.raises(BadConfig, match="is a configuration of POT") as caught:
        templates.resolve(template(), "nncf_qat", config=pot(preset="mixed"))
    assert "POT Default" in caught.value.hint


@pytest.mark.parametrize("task", list(TaskName))
def test_every_template_offers_training(task: TaskName) -> None:
    for name in templates.names(task):
        assert isinstance(templates.resolve(templates.load(task, name), "nncf_qat").options, NncfQat)
