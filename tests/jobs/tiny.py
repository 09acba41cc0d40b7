"""A model small enough to build in a test, which really tells colours apart, and pictures for it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13 as ops
from PIL import Image

from jobs import spec
from jobs.spec import JobSpec, PotDefault, Source

COLOURS = {"blue": (40, 40, 200), "green": (40, 200, 40), "red": (200, 40, 40)}
SIDE = 16


def classifier(labels: Sequence[str] = tuple(COLOURS), *, factor: float = 1.0, side: int = SIDE) -> ov.Model:
    """[1, 3, side, side] of 0 to 255 RGB to [1, 3] scores: a convolution, a ReLU, a mean, and the label's channel."""
    entry = ops.parameter([1, 3, side, side], np.float32, name="image")
    rng = np.random.default_rng(0)
    kernel = rng.uniform(0.08, 0.14, (3, 3, 3, 3)).astype(np.float32)
    kernel *= np.eye(3, dtype=np.float32)[:, :, None, None]
    mixed = ops.relu(ops.convolution(entry, kernel, [1, 1], [1, 1], [1, 1], [1, 1], name="mix"))
    means = ops.reduce_mean(mixed, ops.constant([2, 3]), keep_dims=False)
    places = [("red", "green", "blue").index(label) for label in labels]
    weights = np.eye(3, dtype=np.float32)[:, places] / 16
    scores = ops.matmul(means, weights, False, False)
    if factor != 1:
        scores = ops.multiply(scores, ops.constant(np.float32(factor)))
    scores.output(0).set_names({"scores"})
    model = ov.Model([scores], [entry], "colours")
    model.inputs[0].set_names({"image"})
    model.set_rt_info("Classification", ["model_info", "model_type"])
    model.set_rt_info(" ".join(labels), ["model_info", "labels"])
    return model


def sensitive(*names: str) -> ov.Model:
    """As `classifier`, with a layer of each name in it, one channel of whose input is thousands of times too large.

    All channels share a scale, so quantizing that input leaves nothing of the colours; nothing else hurts.
    """
    entry = ops.parameter([1, 3, SIDE, SIDE], np.float32, name="image")
    node = _pointwise(entry, np.eye(3, dtype=np.float32) / 255, "scale")
    for name in names:
        loud = np.vstack([np.eye(3), np.full((1, 3), 2000)]).astype(np.float32)
        node = _pointwise(node, loud, f"{name}_before")
        node = _pointwise(node, np.eye(3, 4, dtype=np.float32), name)
    means = ops.reduce_mean(node, ops.constant([2, 3]), keep_dims=False, name="mean")
    scores = ops.matmul(means, np.eye(3, dtype=np.float32)[:, [2, 1, 0]], False, False, name="classes")
    scores.output(0).set_names({"scores"})
    model = ov.Model([scores], [entry], "sensitive")
    model.inputs[0].set_names({"image"})
    model.set_rt_info("Classification", ["model_info", "model_type"])
    model.set_rt_info(" ".join(COLOURS), ["model_info", "labels"])
    return model


def _pointwise(entry: ov.Node, weights: np.ndarray, name: str) -> ov.Node:
    """A convolution of single pixels, [out, in], and a ReLU, so that its channels are not aligned with the next."""
    kernel = np.ascontiguousarray(weights[:, :, None, None], np.float32)
    return ops.relu(ops.convolution(entry, kernel, [1, 1], [0, 0], [0, 0], [1, 1], name=name))


def save(model: ov.Model, folder: Path) -> Path:
    """IR in a folder of its own, as an upload is."""
    folder.mkdir(parents=True, exist_ok=True)
    ov.save_model(model, folder / "colours.xml", compress_to_fp16=False)
    return folder


def picture(colour: tuple[int, int, int], rng: np.random.Generator, side: int = SIDE) -> Image.Image:
    noise = rng.normal(0, 12, (side, side, 3))
    return Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8))


def pictures(folder: Path, each: int = 12, *, splits: Sequence[str] = ("train", "val"), labelled: bool = True) -> Path:
    """So many pictures of each colour and split, one folder a class or all in one."""
    rng = np.random.default_rng(1)
    for split in splits:
        for label, colour in COLOURS.items():
            place = folder / split / label if labelled else folder
            place.mkdir(parents=True, exist_ok=True)
            for number in range(each):
                picture(colour, rng).save(place / f"{split}-{label}-{number}.png")
    return folder


def job(
    tmp_path: Path, *, model: ov.Model | None = None, dataset: Path | None = None, name: str = "job", **more: object
) -> Path:
    """A job directory with its spec, on a tiny model and pictures unless others are given."""
    model_folder = save(model or classifier(), tmp_path / f"{name}-model")
    dataset = dataset or pictures(tmp_path / f"{name}-pictures")
    job_dir = tmp_path / name
    job_dir.mkdir()
    fields = {"task": "classification", "template": "generic", "options": PotDefault(stat_subset_size=12)}
    wanted = JobSpec.model_validate(
        {
            **fields,
            "model": Source(name="colours.xml", digest="aa", path=str(model_folder)),
            "dataset": Source(name="pictures", digest="bb", path=str(dataset)),
            "speed_seconds": 0.2,
            **more,
        }
    )
    spec.write(job_dir, wanted)
    return job_dir
