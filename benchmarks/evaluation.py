"""Evaluation once images are decoded against `benchmark_app`'s throughput, and the speed a job reports against it.

Promised: evaluation at 90 % of its throughput, the reported speed within 5 %.

    python -m benchmarks.evaluation [--rounds 5]
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import openvino as ov

from benchmarks import clock, subjects
from jobs import data, formats, image_input, measure, tasks
from jobs.samples import Dataset

_IMAGES = 20_000
_SECONDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        path = subjects.write_model(Path(name))
        model = ov.Core().read_model(path)
        entry = image_input.of(model, formats.model_info(model))
        pixels = rng.integers(0, 256, (_IMAGES, entry.height, entry.width, 3), dtype=np.uint8)
        decoded = data.Decoded(pixels, (), ((entry.height, entry.width),) * _IMAGES)
        bound = tasks.by_name("classification").bind(model, formats.model_info(model), Dataset("", (), ()))
        evaluation, app_fps, app_ms, our_fps, our_ms = ([] for _ in range(5))
        for _ in range(rounds):
            fps, _ms = clock.benchmark_app(path, run_seconds=_SECONDS)
            _fps, ms = clock.benchmark_app(path, hint="latency", run_seconds=_SECONDS)
            app_fps.append(fps)
            app_ms.append(ms)
            compiled = measure.compile_for(entry.embed(model), "CPU", "throughput")
            start = time.perf_counter()
            measure.predictions(compiled, decoded, bound, Path(name))
            evaluation.append(_IMAGES / (time.perf_counter() - start))
            found = measure.speed(model, model, seconds=_SECONDS).before
            our_fps.append(found.throughput_fps)
            our_ms.append(found.latency_ms)
    clock.say(f"evaluation / benchmark_app: {clock.ratio(evaluation, app_fps):.2f} (promised: at least 0.90)")
    clock.say(f"reported throughput / benchmark_app: {clock.ratio(our_fps, app_fps):.3f} (promised: 0.95 to 1.05)")
    clock.say(f"reported latency / benchmark_app: {clock.ratio(our_ms, app_ms):.3f} (promised: 0.95 to 1.05)")


if __name__ == "__main__":
    main()
