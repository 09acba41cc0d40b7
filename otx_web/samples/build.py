"""Builds the sample of classification: a small depthwise-separable network for scikit-learn's digits, and its data.

    python -m otx_web.samples.build [FOLDER]

The only file of `otx_web` that imports an engine, and no part of the web app: it is run by hand, once. The files beside
it are what it wrote; on the same kind of machine it writes the same again.

The network is meant to show something: quantized with one range a tensor, it loses accuracy one can see. The loss is
not planted in the weights afterwards. Batch normalisation behind a layer makes the scale of each of its channels a free
choice, and large networks of this kind (MobileNet, EfficientNet) end with scales that differ a hundredfold; here they
begin that way, since so few pictures would not drive them apart in training. The SiLU between the layers, as in
EfficientNet, is far from symmetric around zero, and so the mixed preset loses less than the performance preset.
"""

import argparse
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from otx_web import samples

LABELS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SEED = 0
SIDE = 64  # pixels
VALIDATION = 900  # of 1,797 pictures; the rest trains the network, and calibrates
MEAN, SCALE = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # ImageNet's, as OTX writes them
BLOCKS = ((32, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 128, 1), (128, 256, 2), (256, 256, 1))
"""Channels in, channels out, stride."""
SPREAD_DEPTHWISE, SPREAD_POINTWISE = 2.0, 0.7
"""Standard deviation of the logarithm of the scales that batch normalisation begins with."""
EPOCHS, BATCH = 14, 64
DATE = (1980, 1, 1, 0, 0, 0)  # the same pictures pack to the same bytes at any time

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """A digit as a JPEG file."""

    name: str
    """Path in the dataset, e.g. train/seven/0007.jpg."""
    content: bytes
    label: int

    @property
    def pixels(self) -> Pixels:
        """[height, width, 3], as whoever opens the file sees it."""
        return np.asarray(Image.open(BytesIO(self.content)))


# --- pictures


def draw(digit: NDArray[np.float64], rng: np.random.Generator) -> Image.Image:
    """A digit [8, 8] of 0 to 16 as if written with some pen on some paper under some lamp."""
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
    colours += rng.normal(0, rng.uniform(1, 5), (SIDE, SIDE, 1))
    return Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8))


def draw_all() -> list[Picture]:
    """All of scikit-learn's digits, divided at random into train and val."""
    digits = load_digits()
    rng = np.random.default_rng(SEED)
    validating = set(rng.permutation(len(digits.images))[:VALIDATION].tolist())
    pictures = []
    for number, (digit, label) in enumerate(zip(digits.images, digits.target.tolist(), strict=True)):
        file = BytesIO()
        draw(digit, rng).save(file, "JPEG", quality=80)
        split = "val" if number in validating else "train"
        pictures.append(Picture(f"{split}/{LABELS[label]}/{number:04}.jpg", file.getvalue(), label))
    return pictures


def tensors(pictures: list[Picture], split: str) -> tuple[Tensor, Tensor]:
    """Pictures [n, 3, height, width] as the network takes them, and labels [n]."""
    chosen = [picture for picture in pictures if picture.name.startswith(split)]
    pixels = torch.from_numpy(np.stack([picture.pixels for picture in chosen])).permute(0, 3, 1, 2).float()
    mean, scale = (torch.tensor(values)[:, None, None] for values in (MEAN, SCALE))
    return (pixels - mean) / scale, torch.tensor([picture.label for picture in chosen])


# --- the network


def block(inside: int, outside: int, stride: int) -> nn.Sequential:
    """A depthwise and a pointwise convolution, each with its batch normalisation (Howard et al. 2017, figure 3)."""
    depthwise, pointwise = nn.BatchNorm2d(inside), nn.BatchNorm2d(outside)
    for norm, spread in ((depthwise, SPREAD_DEPTHWISE), (pointwise, SPREAD_POINTWISE)):
        n = norm.num_features
        quantiles = torch.special.ndtri((torch.randperm(n) + 0.5) / n)  # of the normal distribution: its tail too
        norm.weight.data = torch.exp(quantiles * spread)
    return nn.Sequential(
        nn.Conv2d(inside, inside, 3, stride, 1, groups=inside, bias=False),
        depthwise,
        nn.SiLU(),
        nn.Conv2d(inside, outside, 1, bias=False),
        pointwise,
        nn.SiLU(),
    )


def build_network() -> nn.Sequential:
    """0.16 million parameters, 50 MFLOPs."""
    first, last = BLOCKS[0][0], BLOCKS[-1][1]
    return nn.Sequential(
        nn.Conv2d(3, first, 3, 2, 1, bias=False),
        nn.BatchNorm2d(first),
        nn.SiLU(),
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


def train(network: nn.Module, images: Tensor, labels: Tensor) -> None:
    """AdamW under a one-cycle schedule. About half a minute on two cores."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.02)
    steps = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 8e-3, EPOCHS * steps)
    network.train()
    for _ in range(EPOCHS):
        order = torch.randperm(len(images))
        for chosen in order[: steps * BATCH].split(BATCH):
            scores = network(vary(images[chosen]))
            loss = functional.cross_entropy(scores, labels[chosen], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    network.eval()


def convert(network: nn.Module) -> ov.Model:
    """As OTX exports: NCHW, logits, and what Model API needs to know in `rt_info`."""
    shape = (1, 3, SIDE, SIDE)
    model = ov.convert_model(network, example_input=torch.zeros(shape), input=list(shape))
    model.inputs[0].set_names({"image"})
    model.outputs[0].set_names({"logits"})
    info = {
        "model_type": "Classification",
        "task_type": "classification",
        "labels": " ".join(LABELS),
        "label_ids": " ".join(str(number) for number in range(len(LABELS))),
        "multilabel": "False",
        "hierarchical": "False",
        "output_raw_scores": "True",
        "mean_values": " ".join(map(str, MEAN)),
        "scale_values": " ".join(map(str, SCALE)),
        "reverse_input_channels": "False",
        "resize_type": "standard",
        "pad_value": "0",
    }
    for name, value in info.items():
        model.set_rt_info(value, ["model_info", name])
    return model


# --- files


def pack(pictures: list[Picture], path: Path) -> None:
    """One zip, a folder a split and in it a folder a class."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:  # JPEG does not get smaller
        for picture in sorted(pictures, key=lambda picture: picture.name):
            packed.writestr(zipfile.ZipInfo(picture.name, DATE), picture.content)


def main() -> None:
    """Draw, train, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=samples.FOLDER / "classification")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    torch.set_num_threads(2)  # another number would sum in another order
    pictures = draw_all()
    network = build_network()
    train(network, *tensors(pictures, "train"))
    ov.save_model(convert(network), folder / "digits.xml", compress_to_fp16=False)
    pack(pictures, folder / "digits.zip")
    print(f"Accuracy on val: {accuracy(network, *tensors(pictures, 'val')):.1%}. Written to {folder}.")  # noqa: T201


def accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Of the float network."""
    with torch.no_grad():
        return float((network(images).argmax(1) == labels).float().mean())


if __name__ == "__main__":
    main()
