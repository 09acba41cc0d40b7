"""Every template that is shipped: read, checked against what is known of OTX, and resolved."""

import json
from pathlib import Path
from typing import Any

import pytest

from jobs import configuration, templates
from jobs.spec import TaskName

ROOT = Path(__file__).parent.parent / "configs"
ALL = [(path.parent.parent.name, path.parent.name) for path in sorted(ROOT.glob("*/*/template.yaml"))]
# reference: OTX 1.0, DeiT-Tiny 1.6
OTX = {
    "efficientnet_b0": ("Custom_Image_Classification_EfficinetNet-B0", 0.81, 4.09, 64, 0.0049, 90, 0, True),
    "efficientnet_v2_s": ("Custom_Image_Classification_EfficientNet-V2-S", 5.76, 20.23, 64, 0.0071, 90, 0, False),
    "mobilenet_v3_large_1x": (
        "Custom_Image_Classification_MobileNet-V3-large-1x",
        0.44,
        4.29,
        64,
        0.0058,
        90,
        10,
        True,
    ),
    "mobilenet_v3_large_075x": (
        "Custom_Image_Classification_MobileNet-V3-large-0.75x",
        0.32,
        2.76,
        32,
        0.016,
        20,
        100,
        False,
    ),
    "mobilenet_v3_small": ("Custom_Image_Classification_MobileNet-V3-small", 0.12, 1.56, 32, 0.016, 20, 100, False),
    "deit_tiny": ("Custom_Image_Classification_DeiT-Tiny", 1.26, 5.72, 64, 0.0001, 90, 0, None),
}


def test_they_are_the_ones_that_are_shipped() -> None:
    assert templates.root() == ROOT
    for task in {task for task, _ in ALL}:
        assert task in list(TaskName)
        assert set(templates.names(task)) == {name for folder, name in ALL if folder == task}
        assert templates.names(task)[-1] == templates.GENERIC


@pytest.mark.parametrize(("task", "name"), ALL)
def test_it_loads_and_every_method_resolves(task: str, name: str) -> None:
    template = templates.load(task, name)
    assert template.methods
    for method in template.methods:
        assert templates.parameters(template, method)
        resolved = templates.resolve(template, method)
        assert resolved.options.method == method
        assert not resolved.warnings
        assert {key.fate for key in resolved.config_keys} <= {"kept"}
    assert templates.model_parameters(template, {})


@pytest.mark.parametrize("name", OTX)
def test_values_are_otxs(name: str) -> None:
    id_, gflops, size, batch, rate, epochs, warm_up, pruning = OTX[name]
    template = templates.load("classification", name)
    assert (template.id, template.gflops, template.size_mb) == (id_, gflops, size)
    values = {key: configuration.effective(node) for key, node in configuration.walk(template.configuration)}
    assert values["learning_parameters.batch_size"] == batch
    assert values["learning_parameters.learning_rate"] == rate
    assert values["learning_parameters.num_iters"] == epochs
    assert values["learning_parameters.learning_rate_warmup_iters"] == warm_up
    assert values.get("nncf_optimization.pruning_supported") == pruning
    assert (values["pot_parameters.preset"], values["pot_parameters.stat_subset_size"]) == ("Performance", 300)


def test_efficientnet_b0_is_the_default() -> None:
    assert [name for _, name in ALL if templates.load("classification", name).is_default] == ["efficientnet_b0"]


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/*/compression_config.json")), ids=lambda path: path.parent.name)
def test_compression_configs_are_whole(path: Path) -> None:
    data: dict[str, Any] = json.loads(path.read_text())
    assert set(data["order_of_parts"]) == data.keys() - {"base", "order_of_parts"}
    assert data["base"]["nncf_config"]["compression"] == []
    for part in data["order_of_parts"]:
        assert data[part]["nncf_config"]["compression"][-1]["algorithm"] == "quantization"
    prunes = templates.load("classification", path.parent.name).configuration.groups["nncf_optimization"]
    supported = configuration.effective(prunes.parameters["pruning_supported"])
    assert supported == ("nncf_quantization_pruning" in data)
