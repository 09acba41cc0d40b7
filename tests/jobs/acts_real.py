"""As `acts`, with the real engines imported before the fork and used after it."""

import os
from pathlib import Path

from jobs import forkserver, optional_torch
from jobs.keeper import Command

ENGINES = tuple(name for name in forkserver.ENGINES if not name.startswith("jobs."))


def use_all(command: Command, directory: Path) -> int:
    """Quantize and run a model, and have OpenBLAS and PyTorch's OpenMP work on all cores."""
    assert len(list(Path("/proc/self/task").iterdir())) == 1

    import nncf
    import numpy as np
    import openvino as ov
    from openvino import opset13 as ops

    optional_torch.want()
    import torch

    random = np.random.default_rng(0)
    image = ops.parameter([1, 3, 16, 16], np.float32)
    weights = ops.constant(random.normal(size=(8, 3, 3, 3)).astype(np.float32))
    model = ov.Model([ops.relu(ops.convolution(image, weights, [1, 1], [1, 1], [1, 1], [1, 1]))], [image])
    images = [random.normal(size=(1, 3, 16, 16)).astype(np.float32) for _ in range(4)]
    quantized = nncf.quantize(model, nncf.Dataset(images), subset_size=4)
    ov.save_model(quantized, directory / "model.xml")
    compiled = ov.Core().compile_model(directory / "model.xml", "CPU")
    assert np.isfinite(compiled(images[0])[0]).all()
    square = random.normal(size=(600, 600))
    assert np.isfinite(square @ square).all()
    assert torch.isfinite(torch.from_numpy(square) @ torch.from_numpy(square)).all()
    assert torch.get_num_threads() == len(os.sched_getaffinity(0))
    return 0


if __name__ == "__main__":
    forkserver.main(use_all, engines=ENGINES)
