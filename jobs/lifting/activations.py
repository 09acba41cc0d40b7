"""Normalisation and activation functions."""

import math

import numpy as np
import openvino as ov
import torch
from torch.nn import functional

from jobs.lifting.builder import (
    Builder,
    Made,
    Unliftable,
    Value,
    axis_of,
    constant,
    ints,
    shape,
)


def batch_norm(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    data, gamma, beta, mean, variance = args
    return build.call(
        functional.batch_norm, data, mean, variance, gamma, beta, False, 0.0, float(op.get_attributes()["epsilon"])
    )


def mvn(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    said = op.get_attributes()
    rank = len(shape(op.input_value(0)))
    if len(args) > 1:
        axes = [axis_of(one, rank) for one in ints(args[1], "axes")]
    else:
        axes = list(range(1 if said.get("across_channels") else 2, rank))
    eps = float(said["eps"])
    mean = build.call(torch.mean, args[0], dim=axes, keepdim=True)
    centred = build.call(torch.sub, args[0], mean)
    if not said["normalize_variance"]:
        return centred
    variance = build.call(torch.mean, build.call(torch.mul, centred, centred), dim=axes, keepdim=True)
    if str(said.get("eps_mode", "INSIDE_SQRT")).upper().startswith("INSIDE"):
        return build.call(torch.div, centred, build.call(torch.sqrt, build.call(torch.add, variance, eps)))
    return build.call(torch.div, centred, build.call(torch.add, build.call(torch.sqrt, variance), eps))


def group_norm(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    said = op.get_attributes()
    return build.call(functional.group_norm, args[0], said["num_groups"], args[1], args[2], float(said["epsilon"]))


def lrn(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    said = op.get_attributes()
    rank = len(shape(op.input_value(0)))
    if [axis_of(one, rank) for one in ints(args[1], "axes")] != [1]:
        raise Unliftable("it normalises over pixels")
    return build.call(
        functional.local_response_norm, args[0], said["size"], alpha=said["alpha"], beta=said["beta"], k=said["bias"]
    )


def normalize_l2(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    said = op.get_attributes()
    axes = ints(args[1], "axes")
    squares = build.call(torch.mul, args[0], args[0])
    total = build.call(torch.sum, squares, dim=axes, keepdim=True) if axes else squares
    eps = float(said["eps"])
    inner = (
        build.call(torch.add, total, eps)
        if str(said["eps_mode"]).lower() == "add"
        else build.call(torch.clamp, total, min=eps)
    )
    return build.call(torch.div, args[0], build.call(torch.sqrt, inner))


def prelu(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    inside, slopes = shape(op.input_value(0)), shape(op.input_value(1))
    channels = inside[1] if len(inside) > 1 else 1
    if math.prod(slopes) not in (1, channels):
        raise Unliftable("its slopes are not one a channel")
    return build.call(functional.prelu, args[0], build.call(torch.reshape, args[1], [-1]))


def swish(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    beta = float(np.ravel(constant(args[1], "beta"))[0]) if len(args) > 1 else 1.0
    if beta == 1:
        return build.call(functional.silu, args[0])
    return build.call(torch.mul, args[0], build.call(torch.sigmoid, build.call(torch.mul, args[0], beta)))


def gelu(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    how = str(op.get_attributes().get("approximation_mode", "ERF")).lower()
    return build.call(functional.gelu, args[0], approximate="tanh" if how == "tanh" else "none")


def softmax(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    function = functional.log_softmax if op.get_type_name() == "LogSoftmax" else functional.softmax
    return build.call(function, args[0], dim=int(op.get_attributes()["axis"]))


def clamp(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    said = op.get_attributes()
    low, high = float(said["min"]), float(said["max"])
    if (low, high) == (0, 6):
        return build.call(functional.relu6, args[0])
    return build.call(torch.clamp, args[0], low, high)


def elu(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    return build.call(functional.elu, args[0], float(op.get_attributes()["alpha"]))


def selu(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    alpha, scale = (float(np.ravel(constant(one, "scale"))[0]) for one in args[1:3])
    return build.call(torch.mul, build.call(functional.elu, args[0], alpha), scale)


def hard_sigmoid(build: Builder, op: ov.Node, args: list[Value]) -> Made:
    alpha, beta = (float(np.ravel(constant(one, "slope"))[0]) for one in args[1:3])
    return build.call(torch.clamp, build.call(torch.add, build.call(torch.mul, args[0], alpha), beta), 0.0, 1.0)
