"""Quantizers, whose step can be learned."""

import math
from typing import Any

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
    span = high - low
    steps = (inside - low) * ((levels - 1) / span.masked_fill(span == 0, math.inf))  # of no span, all is its lower end
    # Rounding passes gradients by unchanged (Bengio et al. 2013).
    whole = steps + (torch.round(steps) - steps).detach()
    return whole * ((out_high - out_low) / (levels - 1)) + out_low


def _learning(x: Tensor, log_scale: Tensor, zero: Tensor, axis: int | None, most: int) -> Tensor:
    """Quantized with a step that is learned (Esser et al. 2020); its logarithm is, so that it stays above 0."""
    found: Tensor = _Learning.apply(x, torch.exp(log_scale), zero, axis, most)
    return found


class _Learning(torch.autograd.Function):  # type: ignore[misc]
    """PyTorch's own quantizers, of which `vmap` knows only how to call them image by image."""

    @staticmethod
    def forward(x: Tensor, scale: Tensor, zero: Tensor, axis: int | None, most: int) -> Tensor:
        # The factor is for the way back, which has its own call.
        if axis is None:
            return torch._fake_quantize_learnable_per_tensor_affine(x, scale, zero, 0, most, 1.0)
        return torch._fake_quantize_learnable_per_channel_affine(x, scale, zero, axis, 0, most, 1.0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, scale, zero, ctx.axis, ctx.most = inputs
        ctx.save_for_backward(x, scale, zero)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, scale, zero = ctx.saved_tensors
        if ctx.axis is None:
            factor = (x.numel() * ctx.most) ** -0.5
            found = _TENSOR_BACK(grad, x, scale, zero, 0, ctx.most, factor)
        else:
            factor = (x.numel() / x.shape[ctx.axis] * ctx.most) ** -0.5
            found = _CHANNEL_BACK(grad, x, scale, zero, ctx.axis, 0, ctx.most, factor)
        return found[0], found[1], None, None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[Any, ...], x: Tensor, scale: Tensor, zero: Tensor, axis: int | None, most: int
    ) -> tuple[Tensor, int]:
        """Of all images at once: they share the step."""
        found: Tensor = _Learning.apply(x.movedim(in_dims[0], 0), scale, zero, None if axis is None else axis + 1, most)
        return found, 0


_TENSOR_BACK = torch.ops.aten._fake_quantize_learnable_per_tensor_affine_backward
_CHANNEL_BACK = torch.ops.aten._fake_quantize_learnable_per_channel_affine_backward
