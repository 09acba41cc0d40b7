"""Quantizers, whose step can be learned."""

import numpy as np
import openvino as ov
import torch
from torch import Tensor

from jobs.lifting.builder import Builder, Made, Value


def fake_quantize(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    """x to the nearest of so many levels between two ends, and back to the output's range."""
    levels = int(op.get_attributes()["levels"])
    ends = args[1:5]
    if build.quantizers and all(isinstance(end, np.ndarray) for end in ends):
        made = build.quantizer(op.get_friendly_name(), [np.asarray(end) for end in ends], levels)
        if made is not None:
            scale, zero, axis = made
            return build.call(_learning, args[0], scale, zero, axis, levels - 1)
    return build.call(_quantized, args[0], *ends, levels)


def _quantized(x: Tensor, low: Tensor, high: Tensor, out_low: Tensor, out_high: Tensor, levels: int) -> Tensor:
    inside = torch.minimum(torch.maximum(x, low), high)
    steps = (inside - low) * ((levels - 1) / (high - low))
    # Rounding passes gradients by unchanged (Bengio et al. 2013).
    whole = steps + (torch.round(steps) - steps).detach()
    return whole * ((out_high - out_low) / (levels - 1)) + out_low


def _learning(x: Tensor, log_scale: Tensor, zero: Tensor, axis: int | None, most: int) -> Tensor:
    """Quantized with a step that is learned (Esser et al. 2020); its logarithm is, so that it stays above 0."""
    scale = torch.exp(log_scale)
    if axis is None:
        factor = (x.numel() * most) ** -0.5
        return torch._fake_quantize_learnable_per_tensor_affine(x, scale, zero, 0, most, factor)
    factor = (x.numel() / x.shape[axis] * most) ** -0.5
    return torch._fake_quantize_learnable_per_channel_affine(x, scale, zero, axis, 0, most, factor)
