"""The sample of semantic segmentation: what is ground, what is pebble, and what is paint."""

import json
from pathlib import Path

import numpy as np
import openvino as ov
import torch
from torch import Tensor, nn
from torch.nn import functional

from otx_web.samples.build import network, trunk
from otx_web.samples.build.digits import SEED, Pixels, jpeg, opened, pack, png
from otx_web.samples.build.network import block, narrow
from otx_web.samples.build.pebbles import QUALITY, SIDE, draw

CLASSES = ("background", "pebble", "paint")
SPLITS = {"train": 120, "val": 300}  # pictures
PICTURES, EPOCHS, BATCH, RATE = 400, 8, 8, 5e-3


class Painter(nn.Module):
    """Some thousand parameters on top of the classifier's 0.15 million, which are not trained any further."""

    def __init__(self) -> None:
        super().__init__()
        self.from_eighth, self.from_quarter, self.from_half = narrow(256, 32), narrow(128, 32), narrow(64, 24)
        self.coarse, self.fine = block(32, 24), block(24, 24)
        self.what = nn.Conv2d(24, len(CLASSES), 1)

    def forward(self, half: Tensor, quarter: Tensor, eighth: Tensor) -> Tensor:
        """Probabilities [n, classes, SIDE, SIDE] of the classifier's layers; in training logits, half as large."""
        coarse = self.coarse(
            self.from_quarter(quarter) + functional.interpolate(self.from_eighth(eighth), scale_factor=2.0)
        )
        logits = self.what(self.fine(self.from_half(half) + functional.interpolate(coarse, scale_factor=2.0)))
        if self.training:
            return logits
        large = functional.interpolate(logits, scale_factor=2.0, mode="bilinear", align_corners=False)
        return torch.softmax(large, 1)


def build(folder: Path) -> str:
    """Write the files; what they are, in words."""
    ov.save_model(convert(trained()), folder / "pebbles.xml", compress_to_fp16=False)
    pack(dataset(), folder / "pebbles.zip")
    return f"{SPLITS['val']} scenes to validate"


def trained() -> Painter:
    """On scenes with the digits that train; a minute on one core."""
    network.begin(SEED)
    rng = np.random.default_rng(SEED + 20)
    pixels: Pixels = np.empty((PICTURES, SIDE, SIDE, 3), np.uint8)
    parts: Pixels = np.empty((PICTURES, SIDE, SIDE), np.uint8)
    for number in range(PICTURES):
        scene = draw(rng, "train")
        pixels[number], parts[number] = opened(jpeg(scene.pixels, QUALITY)), scene.parts
    layers = [torch.from_numpy(layer.astype(np.float16)) for layer in trunk.layers(pixels, 2, 4, 8)]
    painter = Painter().to(memory_format=torch.channels_last)

    def loss(chosen: Tensor) -> Tensor:
        seen = (layer[chosen].float().contiguous(memory_format=torch.channels_last) for layer in layers)
        return functional.cross_entropy(painter(*seen), torch.from_numpy(parts[chosen.numpy(), ::2, ::2]).long())

    network.train(painter, loss, pictures=PICTURES, epochs=EPOCHS, batch=BATCH, rate=RATE)
    return painter


def convert(painter: Painter) -> ov.Model:
    """As OTX exports: a map of probabilities of the picture's size."""
    model = trunk.under(painter, SIDE, 2, 4, 8)
    model.outputs[0].set_names({"output1"})
    network.tell(
        model,
        labels=CLASSES,
        model_type="Segmentation",
        task_type="segmentation",
        label_ids=" ".join(str(number) for number in range(len(CLASSES))),
        return_soft_prediction="True",
        soft_threshold="0.5",
        blur_strength="-1",
    )
    return model


def dataset() -> dict[str, bytes]:
    """As OTX lays it out: images, masks of numbers, and what the numbers mean."""
    meta = json.dumps({"label_map": {str(number): name for number, name in enumerate(CLASSES)}}).encode()
    files = {}
    for seed, (split, count) in enumerate(SPLITS.items(), SEED + 200):
        rng = np.random.default_rng(seed)
        files[f"{split}/dataset_meta.json"] = meta
        for number in range(count):
            scene = draw(rng, split)
            files[f"{split}/images/{number:04}.jpg"] = jpeg(scene.pixels, QUALITY)
            files[f"{split}/masks/{number:04}.png"] = png(scene.parts)
    return files
