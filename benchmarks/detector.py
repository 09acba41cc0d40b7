"""Evaluation of a detector against `benchmark_app`'s throughput and against a loop of Model API, and its memory.

Promised: on 200 images of 352 × 352, 80 % of the throughput that `benchmark_app` finds, and more than a loop of Model
API's synchronous call; memory that does not grow with the number of images.

    python -m benchmarks.detector [--rounds 3] [--model fastestdet.onnx]
"""

import argparse
import itertools
import re
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import openvino as ov
import torch
from model_api.models import Model
from torch import nn

from benchmarks import clock
from jobs import data, formats, image_input, measure, tasks
from jobs.data import Decoded
from jobs.image_input import ImageInput
from jobs.objects import Objects
from jobs.samples import Dataset
from jobs.tasks import Bound

_IMAGES, _MANY = 200, 2000
_SIZE = (480, 640)
_SIDE = 352
_CLASSES = 20
_DETECTION = tasks.by_name("detection")


class _Detector(nn.Module):
    """A small detector with outputs as YOLOv8's, 1 × (box, classes) × cells, for strides of 8, 16 and 32.

    Its weights are random: a few hundred of its 2,541 boxes score over 0.01, as a trained one's do.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 16, 32, 64, 96, 128)
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(a, b, 3, 2, 1, bias=False),
                nn.BatchNorm2d(b),
                nn.SiLU(),
                nn.Conv2d(b, b, 3, 1, 1, groups=b, bias=False),
                nn.Conv2d(b, b, 1, bias=False),
                nn.BatchNorm2d(b),
                nn.SiLU(),
            )
            for a, b in itertools.pairwise(widths)
        )
        self.heads = nn.ModuleList(nn.Conv2d(width, 4 + _CLASSES, 1) for width in widths[3:])
        for head in self.heads:
            nn.init.normal_(head.weight)
            nn.init.constant_(head.bias, 0)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found, node = [], image / 255
        for place, stage in enumerate(self.stages):
            node = stage(node)
            if place >= 2:
                found.append(self.heads[place - 2](node).flatten(2))
        together = torch.cat([node / node.std() * 1.4 - 8 for node in found], 2)
        cells = torch.arange(together.shape[2])
        centre = torch.stack((cells * 37 % _SIDE, cells * 61 % _SIDE)).float()[None]
        sides = together[:, 2:4].sigmoid() * 60 + 20
        return torch.cat((centre + together[:, :2].tanh(), sides, together[:, 4:].sigmoid()), 1)


def write_model(folder: Path) -> Path:
    """IR with the preparation of its input in `rt_info`."""
    torch.manual_seed(0)
    example = torch.zeros(1, 3, _SIDE, _SIDE)
    model = ov.convert_model(_Detector().eval(), example_input=example, input=[1, 3, _SIDE, _SIDE])
    info = {
        "model_type": "YOLOv8",
        "labels": " ".join(f"class{number}" for number in range(_CLASSES)),
        "resize_type": "standard",
        "scale_values": "1",
        "reverse_input_channels": "False",
    }
    for name, value in info.items():
        model.set_rt_info(value, ["model_info", name])
    ov.save_model(model, folder / "detector.xml", compress_to_fp16=False)
    return folder / "detector.xml"


def _images(count: int, entry: ImageInput, scratch: Path) -> Decoded:
    """Noise in patches, as many objects to a network as any photograph."""
    rng = np.random.default_rng(0)
    pixels = data._cache((count, entry.height, entry.width, 3), scratch)
    for row in pixels:
        small = rng.integers(0, 256, (11, 11, 3), dtype=np.uint8)
        row[:] = small.repeat(-(-entry.height // 11), 0).repeat(-(-entry.width // 11), 1)[: entry.height, : entry.width]
    return Decoded(pixels, (), (_SIZE,) * count)


def _evaluate(model: ov.Model, entry: ImageInput, decoded: Decoded, bound: Bound, scratch: Path) -> float:
    """Images a second."""
    compiled = measure.compile_for(entry.embed(model), "CPU", "throughput")
    start = time.perf_counter()
    predictions = measure.predictions(compiled, decoded, bound, scratch)
    seconds = time.perf_counter() - start
    found = len(predictions[0][0])
    clock.say(f"  evaluation: {len(decoded.pixels) / seconds:.0f} images/s, {found} boxes on the first")
    return len(decoded.pixels) / seconds


def _model_api(path: Path, decoded: Decoded) -> Callable[[], float]:
    """A loop of its synchronous call, on images that are decoded already."""
    model = Model.create_model(str(path), device="CPU")

    def run() -> float:
        start = time.perf_counter()
        for image in decoded.pixels:
            model(image)
        return len(decoded.pixels) / (time.perf_counter() - start)

    return run


def _memory() -> int:
    """Bytes of this process that lie in no file."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--model", type=Path, help="another detector than the one made here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        path = given.model or write_model(scratch)
        model = ov.Core().read_model(path)
        settings = _DETECTION.prepared(model, formats.model_info(model))
        entry = image_input.of(model, settings)
        bound = _DETECTION.bind(model, settings, Dataset("", (), ()))
        decoded = _images(_IMAGES, entry, scratch)
        loop = None if given.model else _model_api(path, decoded)
        ours, app, theirs = [], [], []
        for _ in range(given.rounds):
            app.append(clock.benchmark_app(path, run_seconds=given.seconds)[0])
            ours.append(_evaluate(model, entry, decoded, bound, scratch))
            if loop:
                theirs.append(loop())
        clock.say(f"evaluation / benchmark_app: {clock.ratio(ours, app):.2f} (promised: at least 0.80)")
        if theirs:
            clock.say(f"evaluation / Model API, one by one: {clock.ratio(ours, theirs):.2f} (promised: over 1)")
        _say_memory(partial(_evaluate, model, entry, bound=bound, scratch=scratch), entry, scratch)
        _say_score(model, entry, decoded, bound, scratch)


def _say_memory(evaluate: Callable[..., float], entry: ImageInput, scratch: Path) -> None:
    grown = {}
    for count in (_IMAGES, _MANY):
        decoded = _images(count, entry, scratch / str(count))
        before = _memory()
        evaluate(decoded=decoded)
        grown[count] = (_memory() - before) / 2**20
    clock.say(f"memory grows by {grown[_IMAGES]:.0f} MB with {_IMAGES} images, by {grown[_MANY]:.0f} with {_MANY}")


def _say_score(model: ov.Model, entry: ImageInput, decoded: Decoded, bound: Bound, scratch: Path) -> None:
    compiled = measure.compile_for(entry.embed(model), "CPU", "throughput")
    predictions = measure.predictions(compiled, decoded, bound, scratch)
    truth: list[Objects] = _DETECTION.agreement(predictions, bound)
    start = time.perf_counter()
    scores = _DETECTION.score(predictions, truth, bound)
    _DETECTION.compare(scores, scores)
    clock.say(f"metrics and their interval: {time.perf_counter() - start:.1f} s for {len(truth)} images")


if __name__ == "__main__":
    main()
