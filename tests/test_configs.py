"""Every template that is shipped: read, checked against what is known of OTX, and resolved."""

import json
from pathlib import Path
from typing import Any

import pytest

from jobs import configuration, templates
from jobs.spec import TaskName

ROOT = Path(__file__).parent.parent / "configs"
ALL = [(path.parent.parent.name, path.parent.name) for path in sorted(ROOT.glob("*/*/template.yaml"))]
# Id, GFLOPs, MB, images in a batch, learning rate, epochs, warm-up and whether it can be pruned; None where OTX's
# configuration has no such parameter. OTX 1.0; DeiT, SegNeXt, the larger YOLOX, ResNeXt101 and Swin-T are of OTX 1.6.
CLASSIFIER = "Custom_Image_Classification_"
DETECTOR = "Custom_Object_Detection_"
SEGMENTER = "Custom_Semantic_Segmentation_"
MASK_RCNN = "Custom_Counting_Instance_Segmentation_MaskRCNN_"
OTX: dict[str, tuple[object, ...]] = {
    "classification/efficientnet_b0": (f"{CLASSIFIER}EfficinetNet-B0", 0.81, 4.09, 64, 0.0049, 90, 0, True),
    "classification/efficientnet_v2_s": (f"{CLASSIFIER}EfficientNet-V2-S", 5.76, 20.23, 64, 0.0071, 90, 0, False),
    "classification/mobilenet_v3_large_1x": (
        f"{CLASSIFIER}MobileNet-V3-large-1x",
        *(0.44, 4.29, 64, 0.0058, 90, 10, True),
    ),
    "classification/mobilenet_v3_large_075x": (
        f"{CLASSIFIER}MobileNet-V3-large-0.75x",
        *(0.32, 2.76, 32, 0.016, 20, 100, False),
    ),
    "classification/mobilenet_v3_small": (f"{CLASSIFIER}MobileNet-V3-small", 0.12, 1.56, 32, 0.016, 20, 100, False),
    "classification/deit_tiny": (f"{CLASSIFIER}DeiT-Tiny", 1.26, 5.72, 64, 0.0001, 90, 0, None),
    "detection/mobilenetv2_atss": (f"{DETECTOR}Gen3_ATSS", 20.6, 9.1, 8, 0.004, 200, 3, True),
    "detection/mobilenetv2_ssd": (f"{DETECTOR}Gen3_SSD", 9.4, 7.6, 8, 0.01, 200, 3, True),
    "detection/yolox_tiny": (f"{DETECTOR}YOLOX", 6.5, 20.4, 8, 0.0002, 200, 3, False),
    "detection/yolox_s": ("Object_Detection_YOLOX_S", 33.51, 46, 8, 0.001, 200, 3, False),
    "detection/yolox_l": ("Object_Detection_YOLOX_L", 194.57, 207, 8, 0.001, 200, 3, False),
    "detection/yolox_x": ("Object_Detection_YOLOX_X", 352.42, 378, 4, 0.001, 200, 3, False),
    "detection/resnext101_atss": ("Object_Detection_ResNeXt101_ATSS", 434.75, 344, 4, 0.004, 200, 3, True),
    "segmentation/lite_hrnet_s_mod2": (f"{SEGMENTER}Lite-HRNet-s-mod2_OCR", 1.82, 3.5, 8, 0.001, 300, 100, False),
    "segmentation/lite_hrnet_18": (f"{SEGMENTER}Lite-HRNet-18_OCR", 3.45, 4.5, 8, 0.001, 300, 100, False),
    "segmentation/lite_hrnet_18_mod2": (f"{SEGMENTER}Lite-HRNet-18-mod2_OCR", 3.63, 4.8, 8, 0.001, 300, 100, False),
    "segmentation/lite_hrnet_x_mod3": (f"{SEGMENTER}Lite-HRNet-x-mod3_OCR", 13.97, 6.4, 8, 0.001, 300, 100, False),
    "segmentation/segnext_t": (f"{SEGMENTER}SegNext_t", 6.07, 4.23, 8, 0.00008, 170, 20, False),
    "segmentation/segnext_s": (f"{SEGMENTER}SegNext_s", 15.35, 13.9, 8, 0.00008, 170, 20, False),
    "segmentation/segnext_b": (f"{SEGMENTER}SegNext_B", 32.08, 27.56, 8, 0.00008, 150, 20, False),
    "instance_segmentation/maskrcnn_efficientnetb2b": (
        f"{MASK_RCNN}EfficientNetB2B",
        *(68.48, 13.27, 4, 0.015, 100, 100, False),
    ),
    "instance_segmentation/maskrcnn_resnet50": (f"{MASK_RCNN}ResNet50", 533.8, 177.9, 4, 0.001, 100, 100, False),
    "instance_segmentation/maskrcnn_swint": (f"{MASK_RCNN}SwinT_FP16", 407.32, 191.46, 4, 0.0001, 100, 100, False),
    **{
        f"anomaly_{kind}/{name}": (f"ote_anomaly_{kind}_{name}", *values)
        for kind in ("classification", "detection", "segmentation")
        for name, values in {
            "padim": (3.9, 168.4, 32, None, None, None, False),
            "stfpm": (5.6, 21.1, 32, 0.4, 100, None, False),
            "draem": (3.9, 168.4, 8, 0.0001, 700, None, False),
        }.items()
    },
}
DEFAULTS = {
    "classification": "efficientnet_b0",
    "detection": "mobilenetv2_atss",
    "segmentation": "lite_hrnet_s_mod2",
    "instance_segmentation": "maskrcnn_efficientnetb2b",
    "anomaly_classification": "padim",
    "anomaly_detection": "padim",
    "anomaly_segmentation": "padim",
}


def test_they_are_the_ones_that_are_shipped() -> None:
    assert templates.root() == ROOT
    assert {task for task, _ in ALL} == set(TaskName)
    assert {f"{task}/{name}" for task, name in ALL if name != templates.GENERIC} == OTX.keys()
    for task in TaskName:
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
        others = [key for key in resolved.config_keys if key.fate != "kept"]
        assert all(key.note for key in others)
        if method.startswith("nncf_"):
            refused = {key.key.rpartition(".")[2] for key in others if key.fate == "refused"}
            other = "nncf_quantization_pruning" if method == "nncf_qat" else "nncf_quantization"
            assert refused <= {"num_bn_adaptation_samples", other}
            continue
        # OTX's parameters say performance whatever the file says, and OpenVINO decides on the number of requests.
        assert {key.key.rpartition(".")[2] for key in others} <= {"preset", "stat_requests_number"}
        assert all(key.fate == "changed" for key in others)
    assert templates.model_parameters(template, {})


@pytest.mark.parametrize("path", OTX)
def test_values_are_otxs(path: str) -> None:
    template = templates.load(*path.split("/"))
    values = {key: configuration.effective(node) for key, node in configuration.walk(template.configuration)}

    def learning(*names: str) -> object:
        return next((values[key] for name in names if (key := f"learning_parameters.{name}") in values), None)

    assert OTX[path] == (
        *(template.id, template.gflops, template.size_mb),
        learning("batch_size", "train_batch_size"),
        learning("learning_rate", "lr"),
        learning("num_iters", "max_epochs"),
        learning("learning_rate_warmup_iters"),
        values.get("nncf_optimization.pruning_supported"),
    )
    preset = "Mixed" if "segnext" in path or "swint" in path else "Performance"
    assert (values["pot_parameters.preset"], values["pot_parameters.stat_subset_size"]) == (preset, 300)
    accepted = None if "anomaly" in path or "deit" in path else 1
    assert values.get("nncf_optimization.maximal_accuracy_degradation") == accepted


@pytest.mark.parametrize("task", DEFAULTS)
def test_the_default_comes_first(task: str) -> None:
    assert [name for folder, name in ALL if folder == task and templates.load(task, name).is_default] == [
        DEFAULTS[task]
    ]
    assert templates.names(task)[0] == DEFAULTS[task]


@pytest.mark.parametrize(
    ("name", "requests"), [("maskrcnn_efficientnetb2b", "2"), ("maskrcnn_resnet50", "1"), ("maskrcnn_swint", "1")]
)
def test_the_number_of_requests_is_said_to_have_no_effect(name: str, requests: str) -> None:
    (key,) = [
        key
        for key in templates.resolve(templates.load("instance_segmentation", name), "pot_default").config_keys
        if key.key == "stat_requests_number"
    ]
    assert (key.value, key.fate, key.source) == (requests, "changed", "template.yaml")
    assert "OpenVINO decides" in key.note


def named(stages: dict[int, tuple[int, int, tuple[int, ...]]], aggregated: int) -> set[str]:
    """Products and sums of a Lite-HRNet: for each stage its modules, products in a layer and sums in a module."""
    names = {_numbered("/aggregator/Add", number) for number in range(aggregated)}
    for stage, (modules, products, sums) in stages.items():
        for module in range(modules):
            path = f"/backbone/stage{stage}/stage{stage}.{module}"
            names |= {f"{path}/Add_{number}" for number in sums}
            names |= {
                _numbered(f"{path}/layers/layers.{layer}/cross_resolution_weighting/Mul", number)
                for layer in (0, 1)
                for number in range(products)
            }
    return names


def _numbered(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name


def test_operations_that_lite_hrnet_keeps_in_float() -> None:
    second, third, fourth = (1, 2, 5), (1, 2, 3, 6, 7, 11), (1, 2, 3, 4, 7, 8, 9, 13, 14, 19)
    small = named({0: (4, 2, (1,)), 1: (4, 3, second)}, 2)
    middle = named({0: (2, 2, (1,)), 1: (4, 3, second), 2: (2, 4, third)}, 3)
    large = named({0: (2, 2, (1,)), 1: (4, 3, second), 2: (4, 4, third), 3: (2, 5, fourth)}, 4)
    first_sums = {f"/backbone/stage{s}/stage{s}.{m}/Add" for s, n in enumerate((2, 4, 4, 2)) for m in range(n)}
    wanted = {
        "lite_hrnet_s_mod2": (small, 58),
        "lite_hrnet_18": (middle, 77),
        "lite_hrnet_18_mod2": (middle | {"/backbone/stage2/stage2.1/Add"}, 78),
        "lite_hrnet_x_mod3": (large | first_sums, 158),
    }
    for name, (operations, count) in wanted.items():
        options = templates.resolve(templates.load("segmentation", name), "pot_default").options
        assert set(options.ignored.scope) == operations
        assert len(options.ignored.scope) == count
        assert options.range_estimator.preset == "quantile"
        assert not options.ignored.strict


@pytest.mark.parametrize("task", [name for name in TaskName if name.startswith("anomaly")])
def test_padim_is_quantized_as_otx_does(task: str) -> None:
    options = templates.resolve(templates.load(task, "padim"), "pot_default").options
    assert options.ignored.scope == ("/anomaly_map_generator/Mul", "/anomaly_map_generator/Sqrt")
    assert (options.range_estimator.preset, options.shuffle_data, options.preset) == ("quantile", True, "performance")


@pytest.mark.parametrize(
    "path",
    sorted(ROOT.glob("*/*/compression_config.json")),
    ids=lambda path: f"{path.parent.parent.name}-{path.parent.name}",
)
def test_compression_configs_are_whole(path: Path) -> None:
    data: dict[str, Any] = json.loads(path.read_text())
    assert set(data["order_of_parts"]) == data.keys() - {"base", "order_of_parts"}
    assert data["base"]["nncf_config"]["compression"] == []
    for part in data["order_of_parts"]:
        assert data[part]["nncf_config"]["compression"][-1]["algorithm"] == "quantization"
    template = templates.load(path.parent.parent.name, path.parent.name)
    prunes = template.configuration.groups["nncf_optimization"]
    supported = configuration.effective(prunes.parameters["pruning_supported"])
    assert supported == ("nncf_quantization_pruning" in data)
