"""Pictures of coloured squares with their boxes, and models small enough to build in a test that really find them."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops
from PIL import Image

from tests.jobs.tiny import COLOURS

SIDE = 64
CELL = 16
"""Squares fill a cell of the grid, so that a model which looks at cells finds their boxes exactly."""
CELLS = SIDE // CELL
LABELS = tuple(COLOURS)

Square = tuple[int, int, str]
"""Row and column of the cell, and the colour."""


def picture(
    squares: Sequence[Square], rng: np.random.Generator, size: tuple[int, int] = (SIDE, SIDE), cell: int = CELL
) -> Image.Image:
    pixels = np.full((*size, 3), 90.0)
    for row, column, colour in squares:
        pixels[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell] = COLOURS[colour]
    return Image.fromarray(np.clip(pixels + rng.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8))


def in_their_places(count: int, rng: np.random.Generator) -> list[list[Square]]:
    """Scenes of up to three squares, each colour with a row of its own, so that what there is says where it is."""
    scenes = []
    for number in range(count):
        colours = [colour for place, colour in enumerate(LABELS) if (number + 1) >> place & 1]
        scenes.append([(LABELS.index(colour), 1, colour) for colour in colours])
    return scenes


def anywhere(count: int, rng: np.random.Generator) -> list[list[Square]]:
    """Scenes of one to four squares in any cells."""
    scenes = []
    for _ in range(count):
        cells = rng.permutation(CELLS * CELLS)[: rng.integers(1, 5)]
        scenes.append([(int(cell) // CELLS, int(cell) % CELLS, str(rng.choice(LABELS))) for cell in cells])
    return scenes


def coco(
    folder: Path,
    scenes: Sequence[Sequence[Square]],
    *,
    split: str = "val",
    labels: Sequence[str] = LABELS,
    size: tuple[int, int] = (SIDE, SIDE),
    cell: int = CELL,
) -> Path:
    """A COCO dataset of them, or another split of it. `labels` are what the colours are called there.

    Images have this size (height and width), and squares the size of a cell.
    """
    rng = np.random.default_rng(1)
    (folder / "images" / split).mkdir(parents=True, exist_ok=True)
    (folder / "annotations").mkdir(exist_ok=True)
    annotations = []
    for number, squares in enumerate(scenes):
        picture(squares, rng, size, cell).save(folder / "images" / split / f"{split}-{number:03}.png")
        for row, column, colour in squares:
            x, y = column * cell, row * cell
            outline = [x, y, x + cell, y, x + cell, y + cell, x, y + cell]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": LABELS.index(colour) + 1,
                    "bbox": [x, y, cell, cell],
                    "area": cell * cell,
                    "segmentation": [outline],
                    "iscrowd": 0,
                }
            )
    images = [
        {"id": number, "file_name": f"{split}-{number:03}.png", "width": size[1], "height": size[0]}
        for number in range(len(scenes))
    ]
    categories = [{"id": place + 1, "name": name} for place, name in enumerate(labels)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def dataset(folder: Path, each: int = 14) -> Path:
    """Two splits of scenes in which each colour has its place."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        coco(folder, in_their_places(each, rng), split=split)
    return folder


# --- models


def _boxes() -> NDArray[np.float32]:
    """[cells, 4] x0, y0, x1, y1 in pixels."""
    y, x = np.divmod(np.arange(CELLS * CELLS), CELLS)
    return (np.stack((x, y, x + 1, y + 1), 1) * CELL).astype(np.float32)


def _scores() -> tuple[ov.Node, ov.Node]:
    """The image [1, 3, side, side] of 0 to 255, and how much each cell is of each colour [1, 3, cells], 0 to 1."""
    entry = ops.parameter([1, 3, SIDE, SIDE], np.float32, name="image")
    kernel = np.zeros((3, 3, 3, 3), np.float32)
    for place, colour in enumerate(LABELS):
        main = int(np.argmax(COLOURS[colour]))
        kernel[place, :, 1, 1] = -0.005
        kernel[place, main, 1, 1] = 0.01
    rng = np.random.default_rng(0)
    kernel += rng.normal(0, 1e-5, kernel.shape).astype(np.float32)
    mixed = ops.relu(ops.convolution(entry, kernel, [1, 1], [1, 1], [1, 1], [1, 1], name="mix"))
    mean = np.zeros((3, 3, CELL, CELL), np.float32)
    mean[range(3), range(3)] = 1 / (CELL * CELL)
    means = ops.convolution(mixed, mean, [CELL, CELL], [0, 0], [0, 0], [1, 1], name="look")
    return entry, ops.clamp(ops.reshape(means, ops.constant([1, 3, CELLS * CELLS]), False), 0.0, 0.99)


def _model(entry: ov.Node, outputs: dict[str, ov.Node], model_type: str, **info: str) -> ov.Model:
    for name, output in outputs.items():
        output.output(0).set_names({name})
    model = ov.Model(list(outputs.values()), [entry], "squares")
    model.inputs[0].set_names({"image"})
    for key, value in {"model_type": model_type, "labels": " ".join(LABELS), **info}.items():
        if value:
            model.set_rt_info(value, ["model_info", key])
    return model


def ssd(model_type: str = "ssd", **info: str) -> ov.Model:
    """Boxes [1, n, 5] and labels [1, n], as OTX exports all its detectors, with suppression inside."""
    entry, scores = _scores()
    found = ops.multiclass_nms(
        ops.constant(_boxes()[None]), scores, score_threshold=0.05, iou_threshold=0.5, nms_top_k=-1, keep_top_k=50
    )
    rows = found.output(0)
    boxes = ops.gather(rows, ops.constant([2, 3, 4, 5, 1]), ops.constant(1))
    labels = ops.convert(ops.gather(rows, ops.constant(0), ops.constant(1)), "i64")
    zero = ops.constant(0)
    return _model(
        entry, {"boxes": ops.unsqueeze(boxes, zero), "labels": ops.unsqueeze(labels, zero)}, model_type, **info
    )


def mask_rcnn(side: int = 28, model_type: str = "MaskRCNN", batch: bool = True, **info: str) -> ov.Model:
    """Boxes [1, n, 5], labels [1, n] and masks [1, n, side, side], as OTX exports it; squares fill their boxes.

    Without a batch the first axis is missing, as it was in OTX 1.
    """
    found = ssd("")
    boxes, labels = (port.get_node().input_value(0) for port in found.outputs)
    score = ops.unsqueeze(ops.gather(boxes, ops.constant([4]), ops.constant(2)), ops.constant(3))
    none = ops.constant(np.zeros((1, 1, side, side), np.float32))
    masks = ops.add(ops.multiply(score, none), ops.constant(np.float32(1)))  # as many as there are boxes
    outputs = {"boxes": boxes.get_node(), "labels": labels.get_node(), "masks": masks}
    if not batch:
        outputs = {name: ops.squeeze(output, ops.constant([0])) for name, output in outputs.items()}
    info = {"labels": " ".join(("otx_empty_lbl", *LABELS)), **info}
    return _model(found.get_parameters()[0], outputs, model_type, **info)


def yolo_seg(model_type: str = "YOLO", **info: str) -> ov.Model:
    """[1, 4 + 3 + 2, cells] and prototypes [1, 2, side / 4, side / 4], as Ultralytics exports it."""
    entry, scores = _scores()
    corners = _boxes()
    boxes = np.concatenate([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], 1).T[None]
    coefficients = np.ones((1, 2, CELLS * CELLS), np.float32)
    found = ops.concat([ops.constant(boxes), scores, ops.constant(coefficients)], 1)
    return _model(entry, {"output0": found, "output1": _prototypes()}, model_type, **info)


def yolo26_seg(model_type: str = "YOLO", **info: str) -> ov.Model:
    """[1, n, 6 + 2] and prototypes [1, 2, side / 4, side / 4], as Ultralytics exports it since YOLO26."""
    found = ssd("")
    boxes, labels = (port.get_node().input_value(0) for port in found.outputs)
    label = ops.unsqueeze(ops.convert(labels, "f32"), ops.constant(2))
    rows = ops.concat([boxes, label, ops.add(ops.multiply(label, np.float32(0)), np.float32(1))], 2)
    rows = ops.concat([rows, ops.gather(rows, ops.constant([6]), ops.constant(2))], 2)
    return _model(found.get_parameters()[0], {"output0": rows, "output1": _prototypes()}, model_type, **info)


def _prototypes() -> ov.Node:
    """All that lies in a box belongs to its object."""
    half = ops.constant(np.full((1, 2, SIDE // 4, SIDE // 4), 4, np.float32))
    return ops.add(half, ops.constant(np.float32(1)))


def detection_output(model_type: str = "ssd", **info: str) -> ov.Model:
    """[1, 1, n, 7]: image, label, score, and the box as shares of the image."""
    entry, scores = _scores()
    count = CELLS * CELLS
    best = ops.reduce_max(scores, ops.constant([1]), True)
    label = ops.convert(
        ops.unsqueeze(ops.topk(scores, ops.constant(1), 1, "max", "value").output(1), ops.constant(0)), "f32"
    )
    label = ops.reshape(label, ops.constant([1, 1, count]), False)
    boxes = ops.constant(_boxes().T[None] / SIDE)
    image = ops.constant(np.zeros((1, 1, count), np.float32))
    rows = ops.transpose(ops.concat([image, label, best, boxes], 1), ops.constant([0, 2, 1]))
    return _model(entry, {"detections": ops.unsqueeze(rows, ops.constant(0))}, model_type, **info)


def yolov8(model_type: str = "YOLOv8", **info: str) -> ov.Model:
    """[1, 4 + classes, cells]: centre and size of each box, and the scores; nothing is suppressed."""
    entry, scores = _scores()
    boxes = _boxes()
    centred = np.hstack(((boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2])).T[None]
    output = ops.concat([ops.constant(centred.astype(np.float32)), scores], 1)
    return _model(entry, {"output0": output}, model_type, **info)
