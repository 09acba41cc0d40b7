"""The network behind the samples of pebbles: it finds them, reads their numbers, and knows their shape.

It stands on the layers of the classifier, which are not trained any further. Detection is without anchors, as in FCOS
(Tian et al. 2019): a score is how well a box fits (learnt by the quality focal loss of Li et al. 2020, equation 6)
times how probable a label is. Masks of objects are sums of a few prototypes (Bolya et al. 2019, YOLACT).
"""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from otx_web.samples.build import digits, network, trunk
from otx_web.samples.build.digits import SEED, Pixels, jpeg, opened
from otx_web.samples.build.network import block, narrow
from otx_web.samples.build.pebbles import QUALITY, SIDE, Pebble, Scene, draw

STRIDE = 8  # pixels: from cell to cell
NEAR = 12  # pixels: cells that near to the middle of a pebble speak for it
PROTOTYPES = 12
MASK = 28  # cells: of a mask, as MaskRCNN has them
NUMBERS = (0, 2, 4, 6, 7)
"""On the pebbles: digits that are told apart even by those who have seen few of them."""
LABELS = tuple(digits.LABELS[number] for number in NUMBERS)
CLASSES = ("background", *LABELS)  # of a pixel
FIRST, SECOND = (1200, 6, 6e-3), (1000, 7, 4e-3)
"""Pictures, epochs and learning rate of two rounds: new pictures are worth more than more of the same."""
BATCH = 16


class Said(NamedTuple):
    """Of n pictures."""

    fits: Tensor
    """[n, cells]: how well the box of a cell fits something, a logit."""
    labels: Tensor
    """[n, labels, cells]: logits."""
    boxes: Tensor
    """[n, cells, 4]: x0, y0, x1, y1 in pixels."""
    weights: Tensor
    """[n, cells, prototypes]."""
    prototypes: Tensor
    """[n, prototypes, SIDE / 4, SIDE / 4]: logits of masks."""
    classes: Tensor
    """[n, classes, SIDE / 4, SIDE / 4]: logits of what is there."""


class Spotter(nn.Module):
    """0.1 million parameters on top of the classifier's 0.15 million."""

    def __init__(self) -> None:
        super().__init__()
        self.neck = nn.Sequential(narrow(256, 96), _block(96, 96), _block(96, 96))
        self.what = nn.Sequential(_block(96, 96), nn.Conv2d(96, len(LABELS), 1))
        self.where = nn.Sequential(_block(96, 96), _block(96, 96), nn.Conv2d(96, 1 + 4 + PROTOTYPES, 1))
        self.across, self.down = narrow(128, 48), nn.Conv2d(96, 48, 1)
        self.fine = nn.Sequential(_block(48, 64), _block(64, 64))
        self.prototypes, self.classes = nn.Conv2d(64, PROTOTYPES, 1), nn.Conv2d(64, len(CLASSES), 1)
        nn.init.constant_(self.where[-1].bias[:1], -3.0)  # at first nothing is anywhere
        self.register_buffer("centres", centres())

    def forward(self, quarter: Tensor, eighth: Tensor) -> Said:
        """What it says of the classifier's layers at a quarter and an eighth of the picture's size."""
        seen = self.neck(eighth)
        place = self.where(seen).flatten(2).transpose(1, 2)
        reach = functional.softplus(place[..., 1:5]) * (2 * STRIDE)
        boxes = torch.cat([self.centres - reach[..., :2], self.centres + reach[..., 2:]], 2).clamp(0, SIDE)
        fine = self.fine(self.across(quarter) + functional.interpolate(self.down(seen), scale_factor=2.0))
        labels, weights = self.what(seen).flatten(2), torch.tanh(place[..., 5:])
        return Said(place[..., 0], labels, boxes, weights, self.prototypes(fine), self.classes(fine))


def _block(inside: int, outside: int) -> nn.Sequential:
    """With scales that differ less than those of the layers below, so that it learns within minutes."""
    return block(inside, outside, depthwise_spread=1.0, pointwise_spread=0.5)


def centres() -> Tensor:
    """[cells, 2]: x and y in pixels."""
    steps = (torch.arange(SIDE // STRIDE) + 0.5) * STRIDE
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], 1)


# --- training


@dataclass(frozen=True)
class Wanted:
    """What the network shall say of one picture."""

    cells: Tensor
    """[p]: those that speak for a pebble."""
    labels: Tensor
    """[p]."""
    boxes: Tensor
    """[p, 4]."""
    masks: Tensor
    """[p, MASK, MASK]: inside the box, 0 or 1."""
    classes: Tensor
    """[SIDE, SIDE]."""


def wanted(scene: Scene) -> Wanted:
    """Cells near the middle of a pebble, and what is where."""
    chosen, labels, boxes, masks = [], [], [], []
    for pebble in scene.pebbles:
        box = torch.tensor(pebble.box)
        away = (centres() - (box[:2] + box[2:]) / 2).abs().amax(1)
        near = torch.nonzero(away < NEAR)[:, 0]
        chosen.append(near)
        labels.append(torch.full((len(near),), pebble.label))
        boxes.append(box.expand(len(near), 4))
        masks.append(_mask(pebble).expand(len(near), MASK, MASK))
    classes = torch.from_numpy(scene.mask().copy())
    return Wanted(torch.cat(chosen), torch.cat(labels), torch.cat(boxes), torch.cat(masks), classes)


def _mask(pebble: Pebble) -> Tensor:
    """[MASK, MASK]: which cells of its box are inside a pebble, by the crossings of its outline with each row."""
    x0, y0, x1, y1 = pebble.box
    steps = (np.arange(MASK) + 0.5) / MASK
    x, y = x0 + (x1 - x0) * steps, y0 + (y1 - y0) * steps
    begin, end = pebble.outline, np.roll(pebble.outline, -1, 0)
    crosses = (begin[:, 1] > y[:, None]) != (end[:, 1] > y[:, None])  # [MASK, corners]
    with np.errstate(divide="ignore", invalid="ignore"):
        at = begin[:, 0] + (y[:, None] - begin[:, 1]) / (end - begin)[:, 1] * (end - begin)[:, 0]
    right = crosses[:, None, :] & (at[:, None, :] > x[None, :, None])
    return torch.from_numpy(right.sum(2) % 2).float()


def overlap(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and GIoU [n] (Rezatofighi et al. 2019) of boxes [n, 4] by pairs."""
    low, high = torch.maximum(first[:, :2], second[:, :2]), torch.minimum(first[:, 2:], second[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    together = (first[:, 2:] - first[:, :2]).prod(1) + (second[:, 2:] - second[:, :2]).prod(1) - shared
    around = torch.maximum(first[:, 2:], second[:, 2:]) - torch.minimum(first[:, :2], second[:, :2])
    iou = shared / together
    return iou, iou - 1 + together / around.prod(1)


def cropped(prototypes: Tensor, boxes: Tensor) -> Tensor:
    """Prototypes [n, k, h, w] inside boxes [n, 4] in pixels: [n, k, MASK, MASK]."""
    steps = (torch.arange(MASK) + 0.5) / MASK
    x = boxes[:, None, 0] + (boxes[:, 2] - boxes[:, 0])[:, None] * steps
    y = boxes[:, None, 1] + (boxes[:, 3] - boxes[:, 1])[:, None] * steps
    grid = torch.stack([x[:, None, :].expand(-1, MASK, -1), y[:, :, None].expand(-1, -1, MASK)], 3)
    return functional.grid_sample(prototypes, grid / SIDE * 2 - 1, padding_mode="border", align_corners=False)


def loss(said: Said, targets: list[Wanted]) -> Tensor:
    """Of a batch: quality focal loss, cross-entropy of labels, GIoU loss, cross-entropies of masks and of pixels."""
    picture = torch.cat([torch.full_like(target.cells, number) for number, target in enumerate(targets)])
    cell = torch.cat([target.cells for target in targets])
    real = torch.cat([target.boxes for target in targets])
    iou, giou = overlap(said.boxes[picture, cell], real)
    quality = torch.zeros_like(said.fits)
    quality[picture, cell] = iou.detach()
    entropy = functional.binary_cross_entropy_with_logits(said.fits, quality, reduction="none")
    fits = (entropy * (quality - said.fits.sigmoid()).abs() ** 2).sum() / len(cell)
    label = functional.cross_entropy(said.labels[picture, :, cell], torch.cat([target.labels for target in targets]))
    some = torch.randperm(len(cell))[: len(cell) // 3]  # a third is enough: the cells of a pebble say the same
    parts = cropped(said.prototypes[picture[some]], real[some])
    masks = torch.einsum("nkhw,nk->nhw", parts, said.weights[picture, cell][some])
    shape = functional.binary_cross_entropy_with_logits(masks, torch.cat([t.masks for t in targets])[some])
    larger = functional.interpolate(said.classes, scale_factor=2.0, mode="bilinear", align_corners=False)
    pixels = torch.stack([target.classes[::2, ::2] for target in targets]).long()
    return 4 * fits + 2 * label + 2 * (1 - giou).mean() + shape + 2 * functional.cross_entropy(larger, pixels)


@cache
def trained() -> Spotter:
    """On scenes with the digits that train; some minutes on one core."""
    network.begin(SEED, threads=2)
    spotter = Spotter().to(memory_format=torch.channels_last)
    train(spotter, SEED, *FIRST)
    network.begin(SEED + 1, threads=2)
    train(spotter, SEED + 1, *SECOND)
    return spotter


def train(spotter: Spotter, seed: int, pictures: int, epochs: int, rate: float) -> None:
    """One round, on new scenes. What the classifier makes of them is worked out once."""
    rng = np.random.default_rng(seed)
    pixels: Pixels = np.empty((pictures, SIDE, SIDE, 3), np.uint8)
    targets: list[Wanted] = []
    while len(targets) < pictures:
        scene = draw(rng, "train", NUMBERS)
        pixels[len(targets)] = opened(jpeg(scene.pixels, QUALITY))
        targets.append(wanted(scene))
    layers = [torch.from_numpy(layer.astype(np.float16)) for layer in trunk.layers(pixels, 4, 8)]

    def batch(chosen: Tensor) -> Tensor:
        seen = (layer[chosen].float().contiguous(memory_format=torch.channels_last) for layer in layers)
        return loss(spotter(*seen), [targets[number] for number in chosen.tolist()])

    network.train(spotter, batch, pictures=pictures, epochs=epochs, batch=BATCH, rate=rate)
