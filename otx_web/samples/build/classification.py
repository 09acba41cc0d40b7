"""The sample of classification: a small depthwise-separable network for scikit-learn's digits, a folder a class."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import openvino as ov
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from otx_web.samples.build import network
from otx_web.samples.build.digits import LABELS, SEED, VALIDATION, Floats, jpeg, opened, pack
from otx_web.samples.build.network import block, stem

SIDE = 64  # pixels
BLOCKS = ((32, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 128, 1), (128, 256, 2), (256, 256, 1))
"""Channels in, channels out, stride."""
EPOCHS, BATCH = 14, 64


@dataclass(frozen=True)
class Picture:
    """A digit as a JPEG file."""

    name: str
    """Path in the dataset, e.g. train/seven/0007.jpg."""
    content: bytes
    label: int


def build(folder: Path) -> str:
    """Write the files; how good the network is, in words."""
    classifier, pictures = trained(), draw_all()
    ov.save_model(convert(classifier), folder / "digits.xml", compress_to_fp16=False)
    pack({picture.name: picture.content for picture in pictures}, folder / "digits.zip")
    return f"accuracy on val {accuracy(classifier, *tensors(pictures, 'val')):.1%}"


# --- pictures


def draw(digit: Floats, rng: np.random.Generator) -> Floats:
    """A digit [8, 8] of 0 to 16 as if written with some pen on some paper under some lamp: [SIDE, SIDE, 3]."""
    size = int(rng.uniform(44, 56))
    grey = Image.fromarray((digit * 255 / 16).astype(np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
    sheet = Image.new("L", (SIDE, SIDE))
    sheet.paste(grey, tuple((rng.uniform(0.2, 0.8, 2) * (SIDE - size)).astype(int)))
    sheet = sheet.rotate(rng.uniform(-12, 12), Image.Resampling.BICUBIC)
    ink = np.clip(np.asarray(sheet, dtype=np.float32)[..., None] / 127 - 0.5, 0, 1)
    paper, pen = rng.uniform(170, 250, 3), rng.uniform(0, 110, 3)
    across = np.linspace(-1, 1, SIDE)
    down_slope, right_slope = rng.uniform(-0.18, 0.18, 2)
    light = 1 + down_slope * across[:, None] + right_slope * across[None, :]
    colours = (paper * (1 - ink) + pen * ink) * light[..., None]
    return colours + rng.normal(0, rng.uniform(1, 5), (SIDE, SIDE, 1))


@cache
def draw_all() -> tuple[Picture, ...]:
    """All of scikit-learn's digits, divided at random into train and val."""
    digits = load_digits()
    rng = np.random.default_rng(SEED)
    validating = set(rng.permutation(len(digits.images))[:VALIDATION].tolist())
    pictures = []
    for number, (digit, label) in enumerate(zip(digits.images, digits.target.tolist(), strict=True)):
        split = "val" if number in validating else "train"
        name = f"{split}/{LABELS[label]}/{number:04}.jpg"
        pictures.append(Picture(name, jpeg(draw(digit, rng), quality=80), label))
    return tuple(pictures)


def tensors(pictures: tuple[Picture, ...], split: str) -> tuple[Tensor, Tensor]:
    """Pictures [n, 3, height, width] as the network takes them, and labels [n]."""
    chosen = [picture for picture in pictures if picture.name.startswith(split)]
    pixels = np.stack([opened(picture.content) for picture in chosen])
    return network.normalised(pixels), torch.tensor([picture.label for picture in chosen])


# --- the network


def build_network() -> nn.Sequential:
    """0.16 million parameters, 50 MFLOPs."""
    first, last = BLOCKS[0][0], BLOCKS[-1][1]
    return nn.Sequential(
        *stem(first),
        *(block(*sides) for sides in BLOCKS),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(last, len(LABELS)),
    )


def vary(images: Tensor) -> Tensor:
    """Turned, moved, stretched and tinted a little, differently each time."""
    n = len(images)
    spread = torch.tensor([[0.08, 0.1, 0.08], [0.1, 0.08, 0.08]])
    turns = torch.eye(2, 3) + torch.randn(n, 2, 3) * spread
    grid = functional.affine_grid(turns, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return moved * (1 + 0.15 * torch.randn(n, 3, 1, 1)) + 0.2 * torch.randn(n, 3, 1, 1)


@cache
def trained() -> nn.Sequential:
    """About half a minute on two cores."""
    network.begin(SEED, threads=2)
    images, labels = tensors(draw_all(), "train")
    classifier = build_network()

    def loss(chosen: Tensor) -> Tensor:
        return functional.cross_entropy(classifier(vary(images[chosen])), labels[chosen], label_smoothing=0.05)

    network.train(classifier, loss, pictures=len(images), epochs=EPOCHS, batch=BATCH, rate=8e-3)
    return classifier


def accuracy(classifier: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Of the float network."""
    with torch.no_grad():
        return float((classifier(images).argmax(1) == labels).float().mean())


def convert(classifier: nn.Module) -> ov.Model:
    """As OTX exports: logits."""
    model = network.converted(classifier, SIDE)
    model.outputs[0].set_names({"logits"})
    network.tell(
        model,
        labels=LABELS,
        model_type="Classification",
        task_type="classification",
        label_ids=" ".join(str(number) for number in range(len(LABELS))),
        multilabel="False",
        hierarchical="False",
        output_raw_scores="True",
    )
    return model
