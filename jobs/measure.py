"""Measuring a model: what it says of every image, and its speed beside another's."""

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from jobs import stats
from jobs.data import Decoded
from jobs.errors import BadOutputs
from jobs.intervals import Interval
from jobs.predictions import Predictions
from jobs.report import Layer, Rate, Speed
from jobs.tasks import Bound, Prediction, Size

Array = NDArray[Any]

_BLOCK_SECONDS = 0.06  # short, so that what slows the machine down slows both models down
_LATENCY_SECONDS = 0.03
_WARM_UP_SECONDS = 0.15
_ENOUGH = 0.02  # half-width of the ratio's interval over the ratio; 0.03 is promised
_FEWEST_PAIRS = 12


def compile_for(model: ov.Model, device: str, hint: str, **config: str) -> ov.CompiledModel:
    """Compile for throughput or latency, as `benchmark_app -hint` does."""
    return ov.Core().compile_model(model, device, {"PERFORMANCE_HINT": hint.upper(), **config})


def predictions(
    compiled: ov.CompiledModel,
    decoded: Decoded,
    bound: Bound,
    scratch: Path,
    progress: Callable[[int], None] = lambda done: None,
    *,
    places: Sequence[int] | None = None,
) -> Predictions:
    """What the model says of every image, in the order of the images, or of those at these places.

    The model takes [1, h, w, c] uint8. Requests run at the same time, as many as the device likes best; meanwhile
    threads read the answers of those that are done. As many answers wait to be read as threads can hold in their
    hands, so memory does not grow with the number of images. Raises BadOutputs on NaN or infinity.
    """
    queue = ov.AsyncInferQueue(compiled)
    requests = list(queue)
    pixels = _Rows(decoded.pixels)
    chosen = range(len(decoded.pixels)) if places is None else places
    rows: dict[int, int] = {}  # what each request works on
    with _Reading(bound, [decoded.sizes[image] for image in chosen], scratch) as reading:
        try:
            for row, image in enumerate(chosen):
                place = queue.get_idle_request_id()  # the one that start_async takes
                if place in rows:
                    reading.add(rows[place], requests[place])
                rows[place] = row
                requests[place].set_input_tensor(pixels[image])
                queue.start_async()
                progress(row)
        finally:  # also after an error: a request that still runs would read memory that is gone
            queue.wait_all()
        for place, row in rows.items():
            reading.add(row, requests[place])
        found = reading.finish()
    progress(len(chosen))
    return found


class _Rows:
    """Images [n, h, w, c], each as a tensor on their own memory."""

    def __init__(self, array: Array) -> None:
        self._whole = ov.Tensor(array, shared_memory=True)
        self._sides = list(array.shape[1:])
        self._zeros = [0] * len(self._sides)

    def __getitem__(self, row: int) -> ov.Tensor:
        return ov.Tensor(self._whole, [row, *self._zeros], [row + 1, *self._sides])


_Answer = tuple[int, list[Array]]
"""The row of an image, and the outputs for it."""


class _Reading:
    """Answers on their way to predictions: read in threads a handful at a time, kept in order."""

    _HANDFUL = 16  # small answers are read faster than threads can talk
    _HANDFUL_BYTES = 4 << 20  # large ones, such as maps, go to the threads one by one
    _WAITING_BYTES = 128 << 20  # of answers in the threads

    def __init__(self, bound: Bound, sizes: Sequence[Size], scratch: Path) -> None:
        self._bound, self._sizes = bound, sizes
        self._threads = ThreadPoolExecutor(min(4, len(os.sched_getaffinity(0))))
        self._handful: list[_Answer] = []
        self._held = 0  # bytes in the handful
        self._waiting: deque[tuple[Future[list[tuple[int, Prediction | None]]], int]] = deque()
        self._waiting_bytes = 0
        self._early: dict[int, Prediction | None] = {}
        self._found = Predictions(scratch)
        self._next = self._bad = 0

    def __enter__(self) -> "_Reading":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)

    def add(self, row: int, request: ov.InferRequest) -> None:
        """Take the answer of a request that is done; it will be used again, so its outputs are copied."""
        outputs = [request.get_output_tensor(place).data.copy() for place in self._bound.outputs]
        self._handful.append((row, outputs))
        self._held += sum(output.nbytes for output in outputs)
        if len(self._handful) == self._HANDFUL or self._held > self._HANDFUL_BYTES:
            self._pass_on()
            while len(self._waiting) > 4 or (len(self._waiting) > 1 and self._waiting_bytes > self._WAITING_BYTES):
                self._take()

    def finish(self) -> Predictions:
        """All of them. Raises BadOutputs."""
        self._pass_on()
        while self._waiting:
            self._take()
        if self._bad:
            total = len(self._sizes)
            raise BadOutputs(f"The model's outputs are not numbers (NaN or infinite) on {self._bad} of {total} images.")
        return self._found

    def _pass_on(self) -> None:
        self._waiting.append((self._threads.submit(self._read, self._handful), self._held))
        self._waiting_bytes += self._held
        self._handful, self._held = [], 0

    def _read(self, answers: list[_Answer]) -> list[tuple[int, Prediction | None]]:
        sizes, read = self._sizes, self._bound.read
        return [(row, read(outputs, sizes[row]) if _finite(outputs) else None) for row, outputs in answers]

    def _take(self) -> None:
        future, held = self._waiting.popleft()
        self._early.update(future.result())
        self._waiting_bytes -= held
        while self._next in self._early:
            prediction = self._early.pop(self._next)
            self._next += 1
            if prediction is None:
                self._bad += 1
            else:
                self._found.append(prediction)


def _finite(outputs: Sequence[Array]) -> bool:
    return all(output.dtype.kind != "f" or bool(np.isfinite(output).all()) for output in outputs)


# --- speed


class _Runner:
    """One compiled model kept busy for a block of time."""

    def __init__(self, model: ov.Model, device: str, **config: str) -> None:
        self.throughput = compile_for(model, device, "throughput", **config)
        self.latency = compile_for(model, device, "latency", **config)
        self.queue = ov.AsyncInferQueue(self.throughput)
        rng = np.random.default_rng(0)
        for request in self.queue:
            _fill(request, rng)
        self.single = self.latency.create_infer_request()
        _fill(self.single, rng)

    def images_per_second(self, seconds: float) -> float:
        """Throughput of a block: as many requests as the device likes, always busy.

        The clock runs only while all of them are: the queue is filled before it starts and emptied after it stops, so
        a block is as short as one likes and still not biased by its ends.
        """
        for _ in range(len(self.queue) + 1):
            self.queue.start_async()
        done, start, now = 0, time.perf_counter(), 0.0
        while now < seconds or done < len(self.queue):
            self.queue.start_async()  # waits until one is done
            done += 1
            now = time.perf_counter() - start
        self.queue.wait_all()
        return done / now

    def milliseconds(self, seconds: float) -> float:
        """Median latency of a block: one request at a time."""
        times: list[float] = []
        start = time.perf_counter()
        while not times or time.perf_counter() - start < seconds:
            before = time.perf_counter()
            self.single.infer()
            times.append(time.perf_counter() - before)
        return float(np.median(times)) * 1000


def _fill(request: ov.InferRequest, rng: np.random.Generator) -> None:
    """Random pixels in the request's own memory, as `benchmark_app` does."""
    for tensor in request.input_tensors:
        values = rng.integers(0, 256, tensor.shape)
        tensor.data[:] = values.astype(tensor.data.dtype)


@dataclass
class _Blocks:
    """What was measured so far."""

    throughput: dict[str, list[float]]
    latency: dict[str, list[float]]

    def rate(self, name: str, precision: str) -> Rate:
        fps, ms = (stats.geometric_mean(np.array(blocks[name])) for blocks in (self.throughput, self.latency))
        return Rate(
            throughput_fps=fps.value,
            throughput_low=fps.low,
            throughput_high=fps.high,
            latency_ms=ms.value,
            latency_low=ms.low,
            latency_high=ms.high,
            precision=precision,
        )

    def ratio(self, after: str, before: str) -> Interval:
        return stats.ratio(np.array(self.throughput[after]), np.array(self.throughput[before]))

    def latency_ratio(self, after: str, before: str) -> Interval:
        return stats.ratio(np.array(self.latency[before]), np.array(self.latency[after]))


def speed(
    before: ov.Model,
    after: ov.Model,
    *,
    device: str = "CPU",
    hint: str = "throughput",
    seconds: float = 8.0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Speed:
    """Compare two models of one image at a time, in short alternating blocks of this process.

    The order turns round from pair to pair (ABBA), so that a machine that grows slower or faster favours neither.
    Stops when the ratio is known within 2 %, or when `seconds` are over. Where the float model runs in another
    precision than FP32 by default, it is measured held to FP32 as well.
    """
    runners = {"before": _Runner(before, device), "after": _Runner(after, device)}
    precision = {name: main_precision(runner.throughput) for name, runner in runners.items()}
    if precision["before"] != "FP32":
        runners["fp32"] = _Runner(before, device, INFERENCE_PRECISION_HINT="f32")
    blocks = _measure(runners, seconds, progress)
    ratio, latency = blocks.ratio("after", "before"), blocks.latency_ratio("after", "before")
    fp32 = blocks.ratio("after", "fp32") if "fp32" in runners else None
    return Speed(
        hint="latency" if hint == "latency" else "throughput",
        before=blocks.rate("before", precision["before"]),
        after=blocks.rate("after", precision["after"]),
        ratio=ratio.value,
        ratio_low=ratio.low,
        ratio_high=ratio.high,
        latency_ratio=latency.value,
        latency_ratio_low=latency.low,
        latency_ratio_high=latency.high,
        reference=f"the original as it runs here by default, in {precision['before']}",
        fp32=blocks.rate("fp32", "FP32") if fp32 else None,
        fp32_ratio=fp32.value if fp32 else None,
        fp32_ratio_low=fp32.low if fp32 else None,
        fp32_ratio_high=fp32.high if fp32 else None,
    )


def _measure(runners: dict[str, _Runner], seconds: float, progress: Callable[[int, int], None]) -> _Blocks:
    deadline = time.perf_counter() + seconds
    for runner in runners.values():
        runner.images_per_second(_WARM_UP_SECONDS)
        runner.milliseconds(_WARM_UP_SECONDS / 3)
    blocks = _Blocks({name: [] for name in runners}, {name: [] for name in runners})
    for names in _turns(list(runners)):
        for name in names:
            blocks.throughput[name].append(runners[name].images_per_second(_BLOCK_SECONDS))
            blocks.latency[name].append(runners[name].milliseconds(_LATENCY_SECONDS))
        pairs = len(blocks.throughput["before"])
        progress(pairs, max(pairs, _FEWEST_PAIRS))
        if time.perf_counter() > deadline and pairs >= 2:
            break
        if pairs >= _FEWEST_PAIRS and _known(blocks):
            break
    return blocks


def _known(blocks: _Blocks) -> bool:
    ratio = blocks.ratio("after", "before")
    return ratio.half_width / ratio.value <= _ENOUGH


def _turns(names: list[str]) -> Iterator[list[str]]:
    while True:
        yield names
        yield names[::-1]


# --- what really ran


def layers(compiled: ov.CompiledModel) -> tuple[Layer, ...]:
    """Operations of the runtime graph with the precision each ran in."""
    found = []
    for node in compiled.get_runtime_model().get_ordered_ops():
        info = node.get_rt_info()
        kind = info["layerType"].astype(str) if "layerType" in info else node.get_type_name()
        if kind in ("Const", "Input", "Output", "Reorder"):
            continue
        precision = info["runtimePrecision"].astype(str) if "runtimePrecision" in info else ""
        found.append(Layer(name=node.friendly_name, type=kind, precision=_readable(precision)))
    return tuple(found)


_HEAVY = ("Convolution", "FullyConnected", "MatMul", "Deconvolution")
_PRECISIONS = {"I8": "INT8", "U8": "INT8", "F16": "FP16", "F32": "FP32"}


def _readable(precision: str) -> str:
    return _PRECISIONS.get(precision.upper(), precision.upper())


def main_precision(compiled: ov.CompiledModel) -> str:
    """The precision most convolutions and matrix products ran in; where there are none, most operations."""
    ran = layers(compiled)
    heavy = [layer.precision for layer in ran if layer.type in _HEAVY]
    chosen = heavy or [layer.precision for layer in ran]
    return Counter(chosen).most_common(1)[0][0] if chosen else ""
