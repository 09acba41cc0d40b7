"""A model small enough to build in a test, which finds what is not green, and datasets for it as MVTec AD has them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops
from PIL import Image

SIDE = 16
GREEN = (60, 180, 60)
KINDS = {"scratch": (230, 40, 40), "spot": (40, 40, 230)}
THRESHOLDS = {"image_threshold": "5", "pixel_threshold": "5", "normalization_scale": "12"}


def padim(
    task: str = "segmentation", *, side: int = SIDE, thresholds: Mapping[str, str] = THRESHOLDS, outputs: str = "map"
) -> ov.Model:
    """[1, 3, side, side] of 0 to 255 RGB to a map [1, 1, side, side] of distances from green: a convolution, a ReLU,
    and what PaDiM does of it. `outputs` is map, score or both."""
    entry = ops.parameter([1, 3, side, side], np.float32, name="image")
    rng = np.random.default_rng(0)
    kernel = (np.eye(3)[:, :, None, None] * rng.uniform(0.08, 0.14, (3, 3, 3, 3)) / 20).astype(np.float32)
    features = ops.relu(ops.convolution(entry, kernel, [1, 1], [1, 1], [1, 1], [1, 1], name="mix"))
    mean = (kernel.sum((2, 3)) @ np.array(GREEN, np.float32)).reshape(1, 3, 1, 1)
    apart = ops.subtract(features, ops.constant(mean), name="apart")
    squares = ops.reduce_sum(ops.multiply(apart, apart), ops.constant([1]), keep_dims=True, name="squares")
    root = ops.sqrt(squares, name="distance")
    blur = np.full((1, 1, 3, 3), 1 / 9, np.float32)
    anomaly_map = ops.convolution(root, blur, [1, 1], [1, 1], [1, 1], [1, 1], name="blur")
    anomaly_map.output(0).set_names({"anomaly_map"})
    score = ops.reduce_max(anomaly_map, ops.constant([1, 2, 3]), keep_dims=False, name="highest")
    score.output(0).set_names({"score"})
    chosen = {"map": [anomaly_map], "score": [score], "both": [anomaly_map, score]}[outputs]
    model = ov.Model(chosen, [entry], "anomalies")
    model.inputs[0].set_names({"image"})
    info = {"model_type": "AnomalyDetection", "task": task, "labels": "Normal Anomaly", **thresholds}
    for name, value in info.items():
        model.set_rt_info(value, ["model_info", name])
    return model


def anomalib() -> ov.Model:
    """The same for pixels of 0 to 1, with everything in the graph as anomalib exports it."""
    inner = padim(outputs="both")
    entry = ops.parameter([1, 3, SIDE, SIDE], np.float32, name="input")
    inner.get_parameters()[0].output(0).replace(ops.multiply(entry, ops.constant(np.float32(255))).output(0))
    whole, score = (result.input_value(0) for result in inner.get_results())

    def normalised(port: ov.Output) -> ov.Node:
        return ops.clamp(ops.add(ops.divide(port, np.float32(12)), np.float32(0.5 - 5 / 12)), 0, 1)

    outputs = {"pred_score": normalised(score), "anomaly_map": normalised(whole)}
    outputs["pred_label"] = ops.greater(outputs["pred_score"], np.float32(0.5))
    outputs["pred_mask"] = ops.greater(outputs["anomaly_map"], np.float32(0.5))
    for name, node in outputs.items():
        node.output(0).set_names({name})
    return ov.Model(list(outputs.values()), [entry], "anomalib")


def picture(kind: str, rng: np.random.Generator, side: int = SIDE) -> tuple[Image.Image, NDArray[np.uint8]]:
    """Green with noise, and a square of the kind's colour somewhere; and where that is, 255 on 0."""
    pixels = np.array(GREEN) + rng.normal(0, 12, (side, side, 3))
    mask = np.zeros((side, side), np.uint8)
    if kind in KINDS:
        top, left = rng.integers(1, side // 2, 2)
        mask[top : top + side // 3, left : left + side // 3] = 255
        pixels[mask > 0] += np.array(KINDS[kind]) - np.array(GREEN)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), mask


def dataset(
    folder: Path, content: Mapping[str, int] | None = None, *, masks: str = "ground_truth/{kind}/{name}_mask.png"
) -> Path:
    """So many pictures in each folder, of the kind that the folder is called after; none drawn where `masks` is
    empty."""
    rng = np.random.default_rng(1)
    for place, count in (content or {"train/good": 12, "test/good": 6, "test/scratch": 4, "test/spot": 4}).items():
        kind = place.rpartition("/")[2]
        (folder / place).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            image, mask = picture(kind, rng)
            image.save(folder / place / f"{number:03}.png")
            if kind in KINDS and masks:
                path = folder / masks.format(kind=kind, name=f"{number:03}")
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(path)
    return folder
