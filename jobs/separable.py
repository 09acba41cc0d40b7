"""A large blur done in two passes, down and across, where that is the same: much less to compute.

The maps of PaDiM and its kin end in a Gaussian blur of 33 × 33. It has one channel, which processors are bad at, and
where scores stay in float it can take longer than the whole quantized network before it.
"""

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

_SMALLEST = 7
"""Sides of a kernel, from which on two passes are worth it."""
_EXACT = 1e-3
"""How much of a kernel two passes may miss: so much is gone from one that is kept in half precision."""


def lighten(model: ov.Model) -> tuple[str, ...]:
    """Change every such blur of the model, and say so."""
    if not split(model):
        return ()
    return (
        "A large blur at the end, which is left in float, is done in two passes, down and across: the same, sooner.",
    )


def split(model: ov.Model) -> int:
    """Change every such convolution of the model, and say how many there were."""
    found = [(op, kernel) for op in model.get_ops() if (kernel := _kernel(op)) is not None]
    for op, kernel in found:
        _replace(op, *_factors(kernel))
    if found:
        model.validate_nodes_and_infer_types()
    return len(found)


def _kernel(op: ov.Node) -> NDArray[np.float32] | None:
    """[h, w] of a convolution from one channel to one by a constant that is a product; None of any other."""
    if op.get_type_name() != "Convolution":
        return None
    source = op.input_value(1).get_node()
    while source.get_type_name() == "Convert":
        source = source.input_value(0).get_node()
    if source.get_type_name() != "Constant" or len(source.shape) != 4 or tuple(source.shape)[:2] != (1, 1):
        return None
    kernel = np.asarray(source.data, np.float32)[0, 0]
    plain = op.get_attributes()
    if min(kernel.shape) < _SMALLEST or list(plain["strides"]) != [1, 1] or list(plain["dilations"]) != [1, 1]:
        return None
    sizes = np.linalg.svd(kernel.astype(np.float64), compute_uv=False)
    return kernel if sizes[1] <= _EXACT * sizes[0] else None


def _factors(kernel: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A column and a row whose product it is."""
    left, sizes, right = np.linalg.svd(kernel.astype(np.float64))
    root = np.sqrt(sizes[0])
    return (left[:, 0] * root).astype(np.float32), (right[0] * root).astype(np.float32)


def _replace(op: ov.Node, column: NDArray[np.float32], row: NDArray[np.float32]) -> None:
    plain = op.get_attributes()
    (top, left), (bottom, right) = plain["pads_begin"], plain["pads_end"]
    padding = plain["auto_pad"]
    down = ops.convolution(
        op.input_value(0), column.reshape(1, 1, -1, 1), [1, 1], [top, 0], [bottom, 0], [1, 1], padding
    )
    across = ops.convolution(down, row.reshape(1, 1, 1, -1), [1, 1], [0, left], [0, right], [1, 1], padding)
    down.set_friendly_name(f"{op.get_friendly_name()}/down")
    across.set_friendly_name(op.get_friendly_name())
    across.output(0).set_names(op.output(0).get_names())
    op.output(0).replace(across.output(0))
