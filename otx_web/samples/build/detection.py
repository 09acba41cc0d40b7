"""The sample of detection: the spotter without its masks, exported as OTX exports detectors, and pebbles in COCO."""

import json
from pathlib import Path

import numpy as np
import openvino as ov
import torch
from openvino import Node
from openvino import opset13 as ops
from torch import Tensor, nn

from otx_web.samples.build import network, spotter, trunk
from otx_web.samples.build.digits import SEED, jpeg, pack
from otx_web.samples.build.pebbles import QUALITY, SIDE, Pebble, draw
from otx_web.samples.build.spotter import LABELS, NUMBERS

SPLITS = {"train": 120, "val": 300}  # pictures
LEAST, SAME, MOST = 0.05, 0.5, 100  # score, IoU and number of detections that leave the network


def build(folder: Path) -> str:
    """Write the files; what they are, in words."""
    model = with_nms(Boxes(spotter.trained()), masks=False)
    network.tell(
        model,
        labels=LABELS,
        model_type="ssd",
        task_type="detection",
        label_ids=" ".join(str(number) for number in range(len(LABELS))),
        confidence_threshold="0.3",
        iou_threshold=str(SAME),
    )
    ov.save_model(model, folder / "pebbles.xml", compress_to_fp16=False)
    pack(dataset(), folder / "pebbles.zip")
    return f"{SPLITS['val']} scenes to validate"


def dataset() -> dict[str, bytes]:
    """COCO's instances as OTX lays them out, a json a split, with outlines as well as boxes."""
    files = {}
    for seed, (split, count) in enumerate(SPLITS.items(), SEED + 100):
        rng = np.random.default_rng(seed)
        images: list[dict[str, object]] = []
        annotations: list[dict[str, object]] = []
        for number in range(count):
            scene, name = draw(rng, split, NUMBERS), f"{number:04}.jpg"
            files[f"images/{split}/{name}"] = jpeg(scene.pixels, QUALITY)
            images.append({"id": number + 1, "file_name": name, "width": SIDE, "height": SIDE})
            for pebble in scene.pebbles:
                annotations.append(_annotation(pebble, len(annotations) + 1, number + 1))
        categories = [{"id": number, "name": name, "supercategory": ""} for number, name in enumerate(LABELS, 1)]
        told = {"images": images, "annotations": annotations, "categories": categories}
        files[f"annotations/instances_{split}.json"] = json.dumps(told, separators=(",", ":")).encode()
    return files


def _annotation(pebble: Pebble, number: int, image: int) -> dict[str, object]:
    x0, y0, x1, y1 = pebble.box
    return {
        "id": number,
        "image_id": image,
        "category_id": pebble.label + 1,
        "bbox": [x0, y0, round(x1 - x0, 1), round(y1 - y0, 1)],
        "area": round(pebble.area, 1),
        "segmentation": [pebble.outline.ravel().tolist()],
        "iscrowd": 0,
    }


class Boxes(nn.Module):
    """The spotter as it leaves training, with one score for a label and a cell."""

    def __init__(self, trained: spotter.Spotter) -> None:
        super().__init__()
        self.spotter = trained

    def forward(self, quarter: Tensor, eighth: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Scores [1, labels, cells], boxes, weights, prototypes."""
        said: spotter.Said = self.spotter(quarter, eighth)
        scores = torch.sigmoid(said.fits)[:, None] * torch.softmax(said.labels, 1)
        return scores, said.boxes, said.weights, said.prototypes


def with_nms(boxes: Boxes, *, masks: bool) -> ov.Model:
    """What OTX's detectors end with: `boxes` [1, n, 5] of x0, y0, x1, y1 in pixels of the input and score, the surest
    first, `labels` [1, n], and `masks` [1, n, 28, 28] when asked for; n is what was found.
    """
    raw = trunk.under(boxes, SIDE, 4, 8)
    scores, corners, weights, prototypes = (result.input_value(0) for result in raw.get_results())
    most, first, batch = (np.int64(number) for number in (MOST, 0, 0))
    kept = ops.non_max_suppression(corners, scores, most, np.float32(SAME), np.float32(LEAST))
    found = ops.slice(kept.output(0), np.array([0]), np.array([MOST]), np.array([1]), np.array([0]))
    surest = ops.slice(kept.output(1), np.array([0, 2]), np.array([MOST, 3]), np.array([1, 1]), np.array([0, 1]))
    label, cell = (ops.gather(found, np.int64(column), np.int64(1)) for column in (1, 2))
    box = ops.gather(ops.squeeze(corners, batch), cell, first)
    outputs = {"boxes": ops.concat([box, surest], 1), "labels": label}
    if masks:
        weight = ops.gather(ops.squeeze(weights, batch), cell, first)
        outputs["masks"] = _masks(box, ops.gather(found, first, np.int64(1)), weight, prototypes)
    results = []
    for name, node in outputs.items():
        output = ops.unsqueeze(node, first)
        output.output(0).set_names({name})
        results.append(ops.result(output))
    return ov.Model(results, raw.get_parameters(), "pebbles")


def _masks(box: Node, picture: Node, weight: Node, prototypes: Node) -> Node:
    """[n, 28, 28]: prototypes inside each box, times its weights."""
    scale = prototypes.get_shape()[3] / SIDE
    side = spotter.MASK
    parts = ops.roi_align(prototypes, box, picture, side, side, 1, scale, "avg", "half_pixel")
    weighted = ops.multiply(parts, ops.unsqueeze(weight, np.array([2, 3])))
    return ops.sigmoid(ops.reduce_sum(weighted, np.int64(1)))
