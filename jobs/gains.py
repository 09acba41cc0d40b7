"""What removing filters or weights won besides, and what it did not, in sentences."""

from collections.abc import Iterator

from jobs import amounts, numbers
from jobs.report import Measure, Speed
from jobs.spec import NncfPruning, Options

_BUSY = 1.1
"""FLOPs before over after, from which on a model should be faster."""


def notes(options: Options, before: Measure, after: Measure, speed: Speed, packed_bytes: int) -> tuple[str, ...]:
    """What a person should know of a pruned model; `packed_bytes` is the size of the zip that holds it."""
    if not isinstance(options, NncfPruning):
        return ()
    if options.algorithm == "filter_pruning":
        return tuple(_of_filters(options, before, after, speed))
    return tuple(_of_zeros(options, after, speed, packed_bytes))


def _of_filters(options: NncfPruning, before: Measure, after: Measure, speed: Speed) -> Iterator[str]:
    if speed.ratio_low > 1 or not before.flops or not after.flops or before.flops < _BUSY * after.flops:
        return
    less = amounts.fewer(before.flops, after.flops)
    exact = "" if options.enable_quantization else " Quantize it too (enable_quantization)."
    yield (
        f"The model computes {less} FLOPs, yet it is not faster here: it is held up by something other than"
        f" multiplying, such as memory, or many small layers.{exact}"
    )


def _of_zeros(options: NncfPruning, after: Measure, speed: Speed, packed_bytes: int) -> Iterator[str]:
    faster = " What makes it faster is INT8." if options.enable_quantization and speed.ratio_low > 1 else ""
    yield f"Zeros make a model easier to compress; this hardware does not compute faster with them.{faster}"
    if packed_bytes < after.size_bytes:
        yield (f"The zip takes {numbers.size(packed_bytes)}, and the model in it {numbers.size(after.size_bytes)}.")
