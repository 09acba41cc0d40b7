"""What pruning did not win is said too."""

from typing import Any

import pytest

from jobs import gains, numbers
from jobs.report import Measure, Speed
from jobs.spec import NncfPruning, PotDefault
from tests.otx_web import made


def measure(**more: Any) -> Measure:
    return Measure.model_validate(
        {"metrics": {"accuracy": 0.8}, "size_bytes": 1_000_000, "parameters": 1000, "precision": "FP32", **more}
    )


def ratio(low: float, high: float) -> Speed:
    return made.speed(ratio=(low + high) / 2, ratio_low=low, ratio_high=high)


def notes(speed: Speed, before: int = 1_430_000, **options: Any) -> str:
    chosen = NncfPruning.model_validate(options)
    found = gains.notes(chosen, measure(flops=before), measure(flops=1_000_000, zeros=0.5), speed, 600_000)
    return " ".join(found).replace(numbers.SPACE, " ")


def test_pruning_that_made_nothing_faster_says_so() -> None:
    said = notes(ratio(0.95, 1.02))
    assert "computes 1.43× fewer FLOPs, yet it is not faster here" in said and "enable_quantization" not in said
    assert "Quantize it too (enable_quantization)." in notes(ratio(0.95, 1.02), enable_quantization=False)


@pytest.mark.parametrize(("speed", "before"), [(ratio(1.1, 1.2), 1_430_000), (ratio(0.9, 1.02), 1_050_000)])
def test_pruning_that_did_or_hardly_pruned_says_nothing(speed: Speed, before: int) -> None:
    assert notes(speed, before) == ""


@pytest.mark.parametrize("algorithm", ["magnitude_sparsity", "rb_sparsity"])
def test_zeros_are_for_packing(algorithm: str) -> None:
    said = notes(ratio(1.2, 1.3), algorithm=algorithm)
    assert "Zeros make a model easier to compress; this hardware does not compute faster with them." in said
    assert "What makes it faster is INT8." in said
    assert "The zip takes 600 kB, and the model in it 1.00 MB." in said
    assert "INT8" not in notes(ratio(1.2, 1.3), algorithm=algorithm, enable_quantization=False)
    assert "INT8" not in notes(ratio(0.9, 1.1), algorithm=algorithm)


def test_other_methods_have_nothing_to_say() -> None:
    assert gains.notes(PotDefault(), measure(flops=2), measure(flops=1), ratio(0.9, 1.0), 1) == ()
