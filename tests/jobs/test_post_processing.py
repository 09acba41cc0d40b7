"""Which operations compute with places in the image, and that quantization spares them."""

from collections.abc import Callable

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as op

from jobs import nncf_engine, post_processing
from jobs.methods import pot_default
from jobs.spec import PotDefault
from tests.jobs.methods.nets import Images, branches, convolutions, prepared

BINS = 16


def _conv(node: ov.Node, name: str, inside: int, outside: int) -> ov.Node:
    kernel = np.random.default_rng(len(name)).normal(0, 0.3, (outside, inside, 3, 3)).astype(np.float32)
    return op.convolution(node, kernel, [1, 1], [1, 1], [1, 1], [1, 1], name=name)


def distances() -> ov.Model:
    """A head as YOLOv8's: each side's distance is the mean of a distribution, which a convolution sums up."""
    x = op.parameter([1, 3, 8, 8], np.float32, name="x")
    x.output(0).get_tensor().set_names({"x"})
    node = op.relu(_conv(x, "backbone", 3, 8))
    sides = op.reshape(_conv(node, "head", 8, 4 * BINS), op.constant([1, 4, BINS, 64]), False)
    shares = op.softmax(op.transpose(sides, op.constant([0, 2, 1, 3])), 1, name="shares")
    count = op.constant(np.arange(BINS, dtype=np.float32).reshape(1, BINS, 1, 1))
    mean = op.convolution(shares, count, [1, 1], [0, 0], [0, 0], [1, 1], name="dfl")
    boxes = op.multiply(
        op.add(mean, op.constant(np.float32(3)), name="shift"), op.constant(np.float32(8)), name="scale"
    )
    return ov.Model([op.result(boxes, name="out")], [x], "distances")


def two_stages() -> ov.Model:
    """Boxes proposed from a map are where the second stage looks."""
    x = op.parameter([1, 3, 8, 8], np.float32, name="x")
    x.output(0).get_tensor().set_names({"x"})
    features = op.relu(_conv(x, "backbone", 3, 8))
    deltas = op.reshape(_conv(features, "proposals", 8, 4), op.constant([64, 4]), False)
    anchors = op.constant(np.random.default_rng(0).uniform(0, 6, (64, 4)).astype(np.float32))
    scaled = op.multiply(deltas, op.constant(np.float32(2)), name="scale")
    boxes = op.add(scaled, anchors, name="decode")
    seen = op.roi_align(features, boxes, op.constant(np.zeros(64, np.int32)), 4, 4, 2, 1.0, "avg")
    weights = np.random.default_rng(1).normal(0, 0.3, (128, 5)).astype(np.float32)
    scores = op.matmul(op.reshape(seen, op.constant([64, 128]), False), weights, False, False, name="second")
    return ov.Model([op.result(scores, name="out")], [x], "two stages")


def names(model: ov.Model) -> set[str]:
    return {operation.friendly_name for operation in post_processing.operations(model)}


def rounded(model: ov.Model) -> set[str]:
    """Names of the operations whose results are quantized."""
    return {
        operation.input_value(0).get_node().friendly_name
        for operation in model.get_ops()
        if operation.get_type_name() == "FakeQuantize"
    }


def test_what_counts_distances_is_found() -> None:
    assert {"shares", "dfl"} <= names(distances())
    assert not {"backbone", "head"} & names(distances())


def test_what_proposes_boxes_is_found() -> None:
    found = names(two_stages())
    assert {"scale", "decode"} <= found and not {"backbone", "proposals", "second"} & found


@pytest.mark.parametrize("make", [convolutions, branches])
def test_others_have_none(make: Callable[[], ov.Model]) -> None:
    assert not names(make())


@pytest.mark.parametrize(("make", "spared"), [(distances, "shares"), (two_stages, "proposals")])
def test_it_is_spared_and_said(make: Callable[[], ov.Model], spared: str) -> None:
    model = make()
    with nncf_engine.running(lambda *_: None):
        assert spared in rounded(nncf_engine.nncf.quantize(model, nncf_engine.nncf.Dataset(Images(model))))
    made = pot_default.apply(prepared(model, Images(model)), PotDefault(), lambda event: None)
    assert spared not in rounded(made.model) and "x" in rounded(made.model)
    assert "stays in float" in made.notes[0] and int(made.applied["ignored.post_processing"]) > 0
