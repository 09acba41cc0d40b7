"""A network of which filters were removed until 60 % of the FLOPs were left, against the whole one, both in float.

    python -m benchmarks.pruning [MODEL ...]

Without models, a ResNet-20 and the samples of classification and segmentation. What is promised is at least 1.25 times
the throughput, of networks of 50 MFLOPs and more. Nothing is trained: speed does not hang on values.
"""

import sys
from pathlib import Path

import openvino as ov
import torch

from benchmarks import subjects
from jobs import lift, measure
from jobs.pruning import Pruning
from jobs.spec import FilterPruning
from otx_web import samples

LEFT = 0.6
SECONDS = 8.0


def whole(arguments: list[str]) -> dict[str, ov.Model]:
    """Models by name, with one image of a fixed size."""
    if arguments:
        return {Path(path).parent.name: ov.Core().read_model(path) for path in arguments}
    side = [1, 3, subjects.SIDE, subjects.SIDE]
    found = {"ResNet-20": ov.convert_model(subjects.resnet20(), example_input=torch.zeros(side), input=side)}
    for task in ("classification", "segmentation"):
        graph = next(path for path in samples.paths(task).model if path.suffix == ".xml")
        found[f"sample of {task}"] = ov.Core().read_model(graph)
    return found


def main(arguments: list[str]) -> None:
    for name, model in whole(arguments).items():
        sides = [side.get_min_length() or 1 for side in model.inputs[0].partial_shape]
        model.reshape({model.inputs[0]: sides})
        folded = lift.folded(model)
        pruning = Pruning(folded, folded, FilterPruning(prune_downsample_convs=True))
        flops = pruning.budget.flops
        smaller = pruning.by_flops(LEFT * flops)
        speed = measure.speed(folded, smaller, seconds=SECONDS)
        sys.stdout.write(
            f"{name}: {flops / 1e6:.0f} MFLOPs, {LEFT:.0%} of them left:"
            f" {speed.ratio:.2f} times the throughput ({speed.ratio_low:.2f} to {speed.ratio_high:.2f},"
            f" {speed.before.precision}), {speed.latency_ratio:.2f} times faster for one image\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
