import pytest

from jobs import torch_names

MAP = "PadimModel/AnomalyMapGenerator[anomaly_map_generator]"
PADIM = (
    ("__module.anomaly_map_generator/aten::sqrt/Sqrt", "Sqrt"),
    ("__module.anomaly_map_generator/aten::upsample_bilinear2d/Interpolate_1", "Interpolate"),
    ("__module.anomaly_map_generator/aten::matmul/MatMul", "MatMul"),
    ("__module.anomaly_map_generator/aten::sub/Subtract", "Add"),
    ("__module.anomaly_map_generator.blur/aten::_convolution/Convolution", "Convolution"),
    ("__module.layer1.0.bn1/aten::batch_norm/Add_5", "Convolution"),
    ("Result_1", "Result"),
)
"""As an export of OTX 2 names its operations."""
EXPORTED = (
    ("/backbone/stage0/stage0.0/weighting/Mul", "Multiply"),
    ("/backbone/stage0/stage0.0/weighting/Mul_1", "Multiply"),
    ("/backbone/stage0/stage0.0/weighting/conv/Conv/WithoutBiases", "Convolution"),
    ("/backbone/stage0/stage0.0/weighting/conv/Conv", "Add"),
    ("/backbone/stage0/stage0.0/norm/Mul", "Multiply"),
    ("/backbone/stage0/stage0.0/Div", "Divide"),
)
"""As ONNX names them."""


@pytest.mark.parametrize(
    ("name", "old"),
    [
        (f"{MAP}/sqrt_0", True),
        (f"{MAP}/GaussianBlur2d[blur]/conv2d_0", True),
        ("PadimModel/__truediv___1", True),
        ("{re}.*__pow__.*", True),
        (r"{re}SingleStageDetector/SSDHead\[bbox_head\].*", True),
        ("{re}conv[01]", False),
        ("{re}.*head.*", False),
        ("backbone/stage_0", False),
        ("/neck/Mul_1", False),
        ("__module.neck/aten::mul/Multiply_1", False),
        ("conv2d_0", False),
        ("", False),
    ],
)
def test_which_names_are_old(name: str, old: bool) -> None:
    assert torch_names.is_old(name) is old


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (f"{MAP}/sqrt_0", "__module.anomaly_map_generator/aten::sqrt/Sqrt"),
        (f"{MAP}/interpolate_0", "__module.anomaly_map_generator/aten::upsample_bilinear2d/Interpolate_1"),
        (f"{MAP}/matmul_0", "__module.anomaly_map_generator/aten::matmul/MatMul"),
        (f"{MAP}/__rsub___0", "__module.anomaly_map_generator/aten::sub/Subtract"),
        (f"{MAP}/GaussianBlur2d[blur]/conv2d_0", "__module.anomaly_map_generator.blur/aten::_convolution/Convolution"),
        ("PadimModel/sqrt_3", "__module.anomaly_map_generator/aten::sqrt/Sqrt"),
        ("PadimModel/conv2d_0", ""),  # there are two
        ("PadimModel/Other[other]/sqrt_0", ""),
        (f"{MAP}/softmax_0", ""),
    ],
)
def test_an_operation_by_module_function_and_number(name: str, found: str) -> None:
    assert torch_names.found(PADIM, [name]) == ({name: (found,)} if found else {})


def test_the_number_tells_two_apart() -> None:
    inside = "Net/Stages[backbone]/Sequential[stage0]/Unit[0]/Weighting[weighting]"
    assert torch_names.found(EXPORTED, [f"{inside}/__mul___1", f"{inside}/__mul___7"]) == {
        f"{inside}/__mul___1": ("/backbone/stage0/stage0.0/weighting/Mul_1",)
    }


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("{re}.*weighting.*__mul__.*", ("weighting/Mul", "weighting/Mul_1")),
        ("{re}.*__mul__.*", ("norm/Mul", "weighting/Mul", "weighting/Mul_1")),
        (r"{re}Net/Stages\[backbone\]/.*Weighting\[weighting\]/.*conv2d.*", ("weighting/conv/Conv/WithoutBiases",)),
        ("{re}.*__truediv___0", ("Div",)),
        ("{re}.*__pow__.*", ()),
        ("{re}.*__mul__(", ()),
        ("{re}.*weighting.*", ()),  # not an old one
    ],
)
def test_a_pattern_may_mean_several(pattern: str, found: tuple[str, ...]) -> None:
    names = tuple(f"/backbone/stage0/stage0.0/{name}" for name in found)
    assert torch_names.found(EXPORTED, [pattern]) == ({pattern: names} if names else {})
