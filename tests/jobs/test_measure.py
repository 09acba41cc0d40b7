"""Every image gets its own answer, and speeds are compared fairly."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from jobs import image_input, measure
from jobs.data import Decoded
from jobs.errors import BadOutputs, UnsupportedModel
from jobs.predictions import Predictions
from jobs.tasks import Bound, Prediction
from tests.jobs import tiny

Nodes = Callable[[ov.Node], list[ov.Node]]


def compiled(make: Nodes, *, config: str = "f32") -> ov.CompiledModel:
    """A model of [1, 2, 2, 1] bytes."""
    entry = ops.parameter([1, 2, 2, 1], np.uint8)
    outputs = make(ops.convert(entry, np.float32))
    return measure.compile_for(ov.Model(outputs, [entry]), "CPU", "throughput", INFERENCE_PRECISION_HINT=config)


def images(count: int) -> np.ndarray:
    """Each is full of its number."""
    return np.repeat(np.arange(count, dtype=np.uint8), 4).reshape(count, 2, 2, 1)


def double(entry: ov.Node) -> list[ov.Node]:
    return [ops.reduce_sum(entry, ops.constant([2, 3]), keep_dims=False)]


def ask(
    model: ov.CompiledModel,
    pixels: np.ndarray,
    places: tuple[int, ...],
    scratch: Path,
    *more: Callable[[int], None],
) -> Predictions:
    """Every output as it is."""
    bound = Bound(places, (), (), lambda outputs, size: (*outputs, np.array(size)))
    decoded = Decoded(pixels, (), tuple((place, 7) for place in range(len(pixels))))
    return measure.predictions(model, decoded, bound, scratch, *more)


def test_answers_are_in_the_order_of_the_images(tmp_path: Path) -> None:
    found = ask(compiled(double), images(200), (0,), tmp_path)
    assert [output.tolist() for output, _ in found] == [[[2 * number] * 2] for number in range(200)]
    assert [size.tolist() for _, size in found] == [[number, 7] for number in range(200)]


def test_answers_are_those_of_one_image_after_the_other(tmp_path: Path) -> None:
    """Also on a model with some work to do, where requests end in any order."""
    model = tiny.classifier(side=32)
    entry = image_input.of(model, {})
    pixels = np.random.default_rng(0).integers(0, 256, (150, 32, 32, 3), dtype=np.uint8)
    embedded = measure.compile_for(entry.embed(model), "CPU", "throughput", INFERENCE_PRECISION_HINT="f32")
    found = ask(embedded, pixels, (0,), tmp_path)
    for place in (0, 1, 77, 149):
        np.testing.assert_allclose(found[place][0], embedded(pixels[place][None])[0], rtol=1e-5)


def test_only_the_outputs_asked_for_come_back_and_in_that_order(tmp_path: Path) -> None:
    def three(entry: ov.Node) -> list[ov.Node]:
        return [ops.multiply(double(entry)[0], ops.constant(np.float32(factor))) for factor in (1, 10, 100)]

    found = ask(compiled(three), images(5), (2, 0), tmp_path)
    assert [(high[0, 0], low[0, 0]) for high, low, _ in found] == [(200 * n, 2 * n) for n in range(5)]


@pytest.mark.parametrize("kind", [np.float16, np.int64, np.uint8])
def test_answers_of_any_type(kind: type, tmp_path: Path) -> None:
    found = ask(compiled(lambda entry: [ops.convert(double(entry)[0], kind)]), images(9), (0,), tmp_path)
    assert found[0][0].dtype == kind and [output[0, 1] for output, _ in found] == [2 * number for number in range(9)]


def test_answers_of_any_length(tmp_path: Path) -> None:
    """As a detector gives them, which finds another number of things in every image."""

    def bright(entry: ov.Node) -> list[ov.Node]:
        return [ops.non_zero(ops.greater(entry, ops.constant(np.float32(2))), "i64")]

    found = ask(compiled(bright), images(5), (0,), tmp_path)
    assert [output.shape for output, _ in found] == [(4, 0), (4, 0), (4, 0), (4, 4), (4, 4)]


def test_images_may_lie_in_a_file(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "pixels", np.uint8, "w+", shape=(40, 2, 2, 1))
    mapped[:] = images(40)
    found = ask(compiled(double), mapped[:30], (0,), tmp_path)
    assert [output[0, 0] for output, _ in found] == [2 * number for number in range(30)]


def test_progress_ends_with_all_of_them(tmp_path: Path) -> None:
    seen: list[int] = []
    ask(compiled(double), images(130), (0,), tmp_path, seen.append)
    assert seen == [*range(130), 130]


def test_numbers_that_are_none_are_counted(tmp_path: Path) -> None:
    def logarithm(entry: ov.Node) -> list[ov.Node]:
        return [ops.log(ops.subtract(double(entry)[0], ops.constant(np.float32(8))))]

    with pytest.raises(BadOutputs, match="on 5 of 20 images") as caught:
        ask(compiled(logarithm), images(20), (0,), tmp_path)
    assert caught.value.hint


def test_error_while_reading_comes_out(tmp_path: Path) -> None:
    def fail(outputs: object, size: object) -> Prediction:
        raise UnsupportedModel("No boxes")

    decoded = Decoded(images(40), (), ((1, 1),) * 40)
    with pytest.raises(UnsupportedModel, match="No boxes"):
        measure.predictions(compiled(double), decoded, Bound((0,), (), (), fail), tmp_path)


# --- speed


def test_speed_of_two_models() -> None:
    seen: list[tuple[int, int]] = []
    model = tiny.classifier()
    found = measure.speed(model, model, seconds=0.1, progress=lambda done, total: seen.append((done, total)))
    assert found.ratio_low <= found.ratio <= found.ratio_high
    for rate in (found.before, found.after):
        assert 0 < rate.throughput_low <= rate.throughput_fps <= rate.throughput_high
        assert 0 < rate.latency_low <= rate.latency_ms <= rate.latency_high
    assert found.before.precision in found.reference
    assert (found.fp32 is None) == (found.before.precision == "FP32") == (found.fp32_ratio is None)
    assert seen and seen[-1][0] >= 2, "two pairs at least, whatever the time"


class Steady:
    """Runs at this many images a second, with a little noise, and remembers its turns."""

    def __init__(self, name: str, fps: float, turns: list[str], spread: float = 0.001) -> None:
        self._name, self._fps, self._turns, self._spread = name, fps, turns, spread
        self._rng = np.random.default_rng(len(name))

    def images_per_second(self, seconds: float) -> float:
        if seconds == measure._BLOCK_SECONDS:
            self._turns.append(self._name)
        return self._fps * float(np.exp(self._rng.normal(0, self._spread)))

    def milliseconds(self, seconds: float) -> float:
        return 1000 / self._fps


def measured(seconds: float, spread: float) -> tuple[measure._Blocks, list[str]]:
    turns: list[str] = []
    runners = {name: Steady(name, fps, turns, spread) for name, fps in (("before", 100), ("after", 150))}
    return measure._measure(runners, seconds, lambda done, total: None), turns  # type: ignore[arg-type]


def test_blocks_alternate_and_their_order_turns_round() -> None:
    blocks, turns = measured(60, 0.001)
    assert turns == list(itertools.islice(itertools.cycle(["before", "after", "after", "before"]), len(turns)))
    assert len(turns) == 2 * measure._FEWEST_PAIRS, "it stops as soon as the ratio is known"
    assert blocks.ratio("after", "before").value == pytest.approx(1.5, rel=0.01)
    assert blocks.latency_ratio("after", "before").value == pytest.approx(1.5)


def test_noise_needs_more_blocks() -> None:
    blocks, turns = measured(60, 0.1)
    ratio = blocks.ratio("after", "before")
    assert len(turns) > 2 * measure._FEWEST_PAIRS and ratio.half_width / ratio.value <= 0.02


def test_time_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0.0, 0.5)
    monkeypatch.setattr(measure.time, "perf_counter", lambda: next(clock))
    _, turns = measured(0.4, 5.0)
    assert len(turns) == 4


# --- what really ran


def test_layers_are_those_of_the_runtime_graph() -> None:
    model = measure.compile_for(tiny.classifier(), "CPU", "latency", INFERENCE_PRECISION_HINT="f32")
    ran = measure.layers(model)
    assert "Convolution" in {layer.type for layer in ran} and all(layer.precision for layer in ran)
    assert measure.main_precision(model) == "FP32"


def test_precision_of_a_model_without_products() -> None:
    assert measure.main_precision(compiled(lambda entry: [ops.relu(entry)])) in ("FP32", "INT8")
