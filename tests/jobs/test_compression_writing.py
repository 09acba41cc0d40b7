import json
from pathlib import Path

import pytest

from jobs import artifacts, compression_config, compression_writing, templates
from jobs.spec import FilterPruning, NncfPruning, NncfQat, Trained
from jobs.templates import ConfigFile


@pytest.mark.parametrize("method", ["nncf_qat", "nncf_pruning"])
@pytest.mark.parametrize("template", ["generic", "efficientnet_b0", "deit_tiny"])
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"preset": "mixed", "epochs": "3", "batch_size": "4", "learning_rate": "0.02", "stat_subset_size": "20"},
        {
            "ignored.scope": "a, {re}b{1,2}.*",
            "ignored.operations": 'Add\n{"type": "Convolution", "attributes": {"auto_pad": "explicit"}}',
            "ignored.strict": "false",
            "range_estimator.preset": "quantile",
            "weights.mode": "asymmetric",
            "weights.granularity": "pertensor",
            "activations.range_estimator.max.clipping_value": "6",
            "seed": "4",
            "threshold": "3",
            "use_fast_bias": "false",
            "target_device": "GPU",
            "train_images": "100",
            "weight_decay": "0.01",
            "early_stop_patience": "0",
            "learning_rate_warmup_iters": "0",
            "shuffle_data": "false",
            "optimizer": "SGD",
            "label_loss": "0.5",
        },
        {"label_loss": "0"},
    ],
)
def test_settings_written_come_to_the_same_settings(method: str, template: str, given: dict[str, str]) -> None:
    found = templates.load("classification", template)
    options = templates.resolve(found, method, given=given).options
    assert isinstance(options, Trained)
    config = ConfigFile(name="compression_config.json", text=compression_writing.write(options))
    again = templates.resolve(found, method, config=config)
    assert again.options == options
    assert not again.warnings
    assert {one.fate for one in again.config_keys if one.source == config.name} <= {"kept"}


def test_a_job_leaves_its_settings_as_such_a_file(tmp_path: Path) -> None:
    (tmp_path / artifacts.FOLDER).mkdir()
    artifacts.save_config(tmp_path, NncfQat(epochs=7))
    (listed,) = artifacts.listed(tmp_path)
    assert (listed.path, listed.name) == ("artifacts/compression_config.json", "Settings as NNCF's configuration")
    assert compression_config.read("", (tmp_path / listed.path).read_text()).values["epochs"] == 7


FILTERS = {
    "filter_pruning.pruning_flops_target": "0.4",
    "filter_pruning.pruning_target": "0.2",
    "filter_pruning.pruning_init": "0.1",
    "filter_pruning.schedule": "exponential_with_bias",
    "filter_pruning.num_init_steps": "2",
    "filter_pruning.pruning_steps": "6",
    "filter_pruning.filter_importance": "L1",
    "filter_pruning.all_weights": "true",
    "filter_pruning.prune_first_conv": "true",
    "filter_pruning.prune_downsample_convs": "true",
    "filter_pruning.ignored_scopes": "a, {re}b{1,2}.*",
    "quantized_epochs": "3",
}
ZEROS = {
    "algorithm": "magnitude_sparsity",
    "sparsity.sparsity_init": "0.1",
    "sparsity.sparsity_target": "0.7",
    "sparsity.sparsity_target_epoch": "4",
    "sparsity.sparsity_freeze_epoch": "5",
    "sparsity.schedule": "exponential",
    "sparsity.power": "2",
    "sparsity.concave": "false",
    "sparsity.update_per_optimizer_step": "true",
    "sparsity.weight_importance": "abs",
    "sparsity.sparsity_level_setting_mode": "local",
    "sparsity.ignored_scopes": "a",
}
STEPS = {
    "sparsity.schedule": "multistep",
    "sparsity.multistep_steps": "2, 5",
    "sparsity.multistep_sparsity_levels": "0.1, 0.2, 0.5",
}


@pytest.mark.parametrize("template", ["generic", "efficientnet_b0", "deit_tiny"])
@pytest.mark.parametrize("quantized", [{}, {"enable_quantization": "false", "preset": "mixed"}])
@pytest.mark.parametrize(
    "given",
    [
        FILTERS,
        {**FILTERS, "filter_pruning.pruning_flops_target": "", "filter_pruning.schedule": "baseline"},
        ZEROS,
        {**ZEROS, **STEPS},
        {**ZEROS, "algorithm": "rb_sparsity", "sparsity.weight_importance": "normed_abs"},
        {**ZEROS, **FILTERS, "filter_pruning.pruning_flops_target": "", "epochs": "3", "ignored.strict": "false"},
    ],
)
def test_what_is_removed_comes_to_the_same(template: str, given: dict[str, str], quantized: dict[str, str]) -> None:
    """Also what the algorithm that runs does not look at."""
    found = templates.load("classification", template)
    options = templates.resolve(found, "nncf_pruning", given={**given, **quantized}).options
    assert isinstance(options, NncfPruning)
    text = compression_writing.write(options)
    again = templates.resolve(found, "nncf_pruning", config=ConfigFile(name="compression_config.json", text=text))
    assert again.options == options
    (part,) = json.loads(text)["order_of_parts"]
    assert part == ("nncf_pruning" if quantized else "nncf_quantization_pruning")


def test_nncf_could_read_it() -> None:
    """It has one target of filters, under its own key, and no quantization where there is none."""
    options = NncfPruning(filter_pruning=FilterPruning(pruning_flops_target=None), enable_quantization=False)
    (algorithm,) = json.loads(compression_writing.write(options))["nncf_pruning"]["nncf_config"]["compression"]
    assert algorithm["algorithm"] == "filter_pruning"
    assert algorithm["params"]["pruning_target"] == 0.3
    assert "pruning_flops_target" not in algorithm["params"]
