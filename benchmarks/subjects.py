"""What is measured: a ResNet-20 (He et al. 2015, section 4.2) and pictures of 32 × 32, the same every time."""

import itertools
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import openvino as ov
import torch
from PIL import Image
from torch import nn

CLASSES = 10
SIDE = 32
MEAN, SCALE = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


class _Block(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(inside, outside, 3, stride, 1, bias=False), nn.BatchNorm2d(outside))
        self.second = nn.Sequential(nn.Conv2d(outside, outside, 3, 1, 1, bias=False), nn.BatchNorm2d(outside))
        same = stride == 1 and inside == outside
        self.skip = nn.Identity() if same else nn.Conv2d(inside, outside, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.second(torch.relu(self.first(x))) + self.skip(x))


def resnet20() -> nn.Module:
    """0.27 million parameters, with random weights: speed does not hang on what they are."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    widths = [16] * 4 + [32] * 3 + [64] * 3
    for inside, outside in itertools.pairwise(widths):
        layers.append(_Block(inside, outside, 1 if inside == outside else 2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, CLASSES)).eval()


def write_model(folder: Path) -> Path:
    """IR of the network, with the preparation of its input in `rt_info` as OTX writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    model = ov.convert_model(resnet20(), example_input=torch.zeros(1, 3, SIDE, SIDE), input=[1, 3, SIDE, SIDE])
    info = {
        "model_type": "Classification",
        "labels": " ".join(f"class{number}" for number in range(CLASSES)),
        "mean_values": " ".join(map(str, MEAN)),
        "scale_values": " ".join(map(str, SCALE)),
    }
    for name, value in info.items():
        model.set_rt_info(value, ["model_info", name])
    ov.save_model(model, folder / "resnet20.xml", compress_to_fp16=False)
    return folder / "resnet20.xml"


def write_dataset(path: Path, *, train: int = 500, val: int = 2000) -> Path:
    """A zip of PNG files, one folder a class: blurred noise, which packs and decodes about as photographs do."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        for split, count in (("train", train), ("val", val)):
            for number in range(count):
                small = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                image = Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
                content = BytesIO()
                image.save(content, "PNG")
                packed.writestr(f"{split}/class{number % CLASSES}/{number:05}.png", content.getvalue())
    return path
