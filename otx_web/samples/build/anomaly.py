"""The three samples of anomalies: PaDiM (Defard et al. 2020) on keypads, as OTX exports it.

What the network of classification, which has learnt to read digits, makes of good keypads is described by a Gaussian
for each place; the anomaly map is the Mahalanobis distance to it, smoothed. As OTX 1 does, and further, what comes
behind the network stays in float: INT8 has no numbers for distances that were not there when it was calibrated. The
three models differ in one word, and share a dataset.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import Node
from openvino import opset13 as ops
from sklearn.metrics import precision_recall_curve, roc_auc_score

from otx_web.samples.build import network, trunk
from otx_web.samples.build.digits import SEED, Floats, Pixels, jpeg, opened, pack, png
from otx_web.samples.build.keypads import FAULTS, SIDE, draw

GRID = SIDE // 4  # places across
FEATURES, CHANCE = 16, 1  # of 192 channels, drawn at random from a seed
REGULARISATION = 0.01  # added to variances, as in the paper
SIGMA = 2.0  # pixels: OTX's 4 of 256
COUNTS = {"train/good": 120, "test/good": 60, **{f"test/{fault}": 30 for fault in FAULTS}}  # pictures
QUALITY = 75  # of JPEG
GENERATOR = "/anomaly_map_generator"
"""What OTX calls the part behind the features."""


def build(task: str, folder: Path) -> str:
    """Write the model of a task, and once the dataset; how good the network is, in words."""
    model, words, info = fitted()
    behind = [op.get_friendly_name() for op in model.get_ordered_ops() if op.get_friendly_name().startswith(GENERATOR)]
    network.tell(
        model,
        labels=("Normal", "Anomaly"),
        model_type="AnomalyDetection",
        task_type="anomaly",
        task=task,
        image_shape=f"{SIDE} {SIDE}",
        orig_height=str(SIDE),
        orig_width=str(SIDE),
        optimization_config=json.dumps({"ignored_scope": {"names": behind}}),
        **info,
    )
    ov.save_model(model, folder / "keypads.xml", compress_to_fp16=True)
    if task == "classification":  # the others share it
        pack(dataset(), folder / "keypads.zip")
    return words


@cache
def fitted() -> tuple[ov.Model, str, dict[str, str]]:
    """A PaDiM, how good it is, and its thresholds, which are found on pictures that nobody sees again."""
    extractor = features()
    model = with_map(extractor, *gaussians(*trunk.answers(extractor, good())))
    rng = np.random.default_rng(SEED + 301)
    drawn = [draw(rng, fault) for fault in ("", *FAULTS) * 25]
    masks: NDArray[np.bool_] = np.stack([mask for _, mask in drawn]) > 0
    (maps,) = trunk.answers(model, np.stack([opened(jpeg(picture, QUALITY)) for picture, _ in drawn]))
    maps = maps[:, 0]
    faulty, scores = np.asarray(masks.any((1, 2))), maps.max((1, 2))
    image_auroc, pixel_auroc = roc_auc_score(faulty, scores), roc_auc_score(masks.ravel(), maps.ravel())
    info = {
        "image_threshold": f"{threshold(faulty, scores):.6g}",
        "pixel_threshold": f"{threshold(masks.ravel(), maps.ravel()):.6g}",
        "normalization_scale": f"{maps.max() - maps.min():.6g}",
    }
    return model, f"AUROC of images {image_auroc:.3f}, of pixels {pixel_auroc:.3f}", info


def threshold(real: NDArray[np.bool_], scores: Floats) -> float:
    """The one with the best F1, as OTX takes it."""
    precision, recall, thresholds = precision_recall_curve(real, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    return float(thresholds[int(f1[:-1].argmax())])


# --- the network


def features() -> ov.Model:
    """`FEATURES` of the channels [1, FEATURES, places] of the classifier's first layers."""
    classifier, layers = trunk.read(SIDE)
    classifier.inputs[0].set_names({"input_tensor"})
    smaller = ops.avg_pool(layers[2], [2, 2], [0, 0], [0, 0], [2, 2], exclude_pad=True)
    both = ops.concat([smaller, layers[4]], 1)
    chosen = np.sort(np.random.default_rng(CHANCE).permutation(both.get_output_shape(0)[1])[:FEATURES])
    flat = ops.reshape(ops.gather(both, chosen, np.int64(1)), np.array([1, FEATURES, GRID * GRID]), special_zero=False)
    return ov.Model([ops.result(flat)], classifier.get_parameters(), "padim")


def gaussians(seen: Floats) -> tuple[Floats, Floats, Floats]:
    """Of features [n, FEATURES, places] for each place the mean [1, FEATURES, places], the deviation of each feature
    [1, FEATURES, 1] wherever it is, and in units of that for each place the inverse covariance
    [places, FEATURES, FEATURES].
    """
    mean, deviation = seen.mean(0, keepdims=True), seen.std((0, 2), keepdims=True)
    away = ((seen - mean) / deviation).astype(np.float64).transpose(2, 1, 0)  # [places, FEATURES, n]
    covariance = away @ away.transpose(0, 2, 1) / (len(seen) - 1) + REGULARISATION * np.eye(FEATURES)
    return mean, deviation, np.linalg.inv(covariance).astype(np.float32)


def with_map(extractor: ov.Model, mean: Floats, deviation: Floats, inverse: Floats) -> ov.Model:
    """The same with an anomaly map [1, 1, SIDE, SIDE] at its end: Mahalanobis distances, smoothed."""

    def named(name: str, node: Node) -> Node:
        node.set_friendly_name(f"{GENERATOR}/{name}")
        return node

    away = named("Sub", ops.subtract(extractor.get_results()[0].input_value(0), mean))
    away = named("Div", ops.divide(away, deviation))
    away = named("Transpose", ops.transpose(away, np.array([2, 0, 1])))  # [places, 1, FEATURES]
    squared = named("Mul", ops.multiply(named("MatMul", ops.matmul(away, inverse, False, False)), away))
    squared = named("ReduceSum", ops.reduce_sum(squared, np.array([1, 2])))
    distance = named("Sqrt", ops.sqrt(named("Max", ops.maximum(squared, np.float32(0)))))
    small = named("Reshape", ops.reshape(distance, np.array([1, 1, GRID, GRID]), special_zero=False))
    size, axes = np.array([SIDE, SIDE]), np.array([2, 3])
    large = named("Resize", ops.interpolate(small, size, "linear_onnx", "sizes", axes=axes))
    steps = np.arange(-4 * int(SIGMA), 4 * int(SIGMA) + 1)
    line = np.exp(-(steps**2) / (2 * SIGMA**2))
    blur = (np.outer(line, line) / line.sum() ** 2)[None, None].astype(np.float32)
    edge = np.array([0, 0, len(steps) // 2, len(steps) // 2])
    wide = named("Pad", ops.pad(large, edge, edge, "reflect"))
    smooth = named("Conv", ops.convolution(wide, blur, [1, 1], [0, 0], [0, 0], [1, 1]))
    smooth.output(0).set_names({"output1"})
    return ov.Model([ops.result(smooth)], extractor.get_parameters(), "padim")


# --- pictures


@cache
def dataset() -> dict[str, bytes]:
    """As MVTec lays it out."""
    rng = np.random.default_rng(SEED + 300)
    files = {}
    for place, count in COUNTS.items():
        kind = place.partition("/")[2]
        for number in range(count):
            pixels, mask = draw(rng, "" if kind == "good" else kind)
            files[f"{place}/{number:03}.jpg"] = jpeg(pixels, QUALITY)
            if kind != "good":
                files[f"ground_truth/{kind}/{number:03}_mask.png"] = png(mask)
    return files


def good() -> Pixels:
    """[n, SIDE, SIDE, 3]: what the dataset has to learn from."""
    return np.stack([opened(content) for name, content in dataset().items() if name.startswith("train/good/")])
