"""A training step here against the same step in plain PyTorch, on a module that NNCF quantized with its source at hand.

    python -m benchmarks.training

Both train a ResNet-20 on the answers of the float network, with the same images, loss and optimizer, in turns. What is
promised is at most 1.3 times the time.
"""

import copy
import os
import sys
from collections.abc import Callable

import nncf
import numpy as np
import openvino as ov
import torch
from torch import nn
from torch.nn import functional

from benchmarks import clock, subjects
from jobs import lift
from jobs.methods import Prepared, pot_default
from jobs.spec import NncfQat

BATCH, STEPS, ROUNDS = 32, 20, 6
SHAPE = [1, 3, subjects.SIDE, subjects.SIDE]

Forward = Callable[[torch.Tensor], torch.Tensor]


class Whole(nn.Module):
    """NNCF adds a child to what it quantizes, which must not be a step of a sequence."""

    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.inside = inside

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.inside(x)
        return found


def training(student: Forward, teacher: Forward, parameters: list[nn.Parameter], images: torch.Tensor) -> clock.Run:
    optimizer = torch.optim.AdamW(parameters, 1e-5)

    def run() -> None:
        for _ in range(STEPS):
            with torch.no_grad():
                wanted = teacher(images)
            optimizer.zero_grad()
            functional.mse_loss(student(images), wanted).backward()
            nn.utils.clip_grad_norm_(parameters, 10.0)
            optimizer.step()

    return run


def by_source(network: nn.Module, images: torch.Tensor) -> clock.Run:
    quantized = nncf.quantize(Whole(copy.deepcopy(network)), nncf.Dataset(list(images[:16, None])))
    return training(quantized, network, [one for one in quantized.parameters() if one.requires_grad], images)


def by_graph(network: nn.Module, images: torch.Tensor) -> clock.Run:
    model = ov.convert_model(network, example_input=torch.zeros(SHAPE), input=SHAPE)
    model.inputs[0].set_names({"image"})
    given = [{"image": image[None]} for image in images[:16].numpy()]
    quantized = pot_default.quantize(Prepared(model, given, 16), NncfQat(), lambda event: None, float_weights=True)
    teacher = lift.lift(lift.folded(model))
    student = lift.lift(quantized.model, teacher.ends)
    parameters = [*student.parameters.values(), *map(student.step, student.steps)]
    return training(lambda x: student.module(x)[0], lambda x: teacher.module(x)[0], parameters, images)


def main() -> None:
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    network = subjects.resnet20()
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.normal(0, 1, (BATCH, *SHAPE[1:])).astype(np.float32))
    runs = {"source": by_source(network, images), "graph": by_graph(network, images)}
    for run in runs.values():
        run()
    found = clock.in_turns(runs, ROUNDS)
    ms = {name: 1000 * min(seconds) / STEPS for name, seconds in found.items()}
    sys.stdout.write(
        f"a step of {BATCH} images: {ms['graph']:.0f} ms here, {ms['source']:.0f} ms with the source,"
        f" {clock.ratio(found['graph'], found['source']):.2f} times\n"
    )


if __name__ == "__main__":
    main()
