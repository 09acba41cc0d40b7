import numpy as np
import openvino as ov
from openvino import opset13 as ops

from jobs import anomaly_head
from tests.jobs import anomalies, tiny


def test_what_compares_features_comes_after_the_last_layer() -> None:
    names = anomaly_head.names(anomalies.padim())
    assert {"apart", "squares", "distance", "blur"} <= set(names)
    assert "mix" not in names and "image" not in names


def test_classifier_has_no_more_than_its_last_layer_leaves() -> None:
    assert "mix" not in anomaly_head.names(tiny.classifier())


def test_graph_without_layers_has_no_head() -> None:
    entry = ops.parameter([1, 3, 8, 8], np.float32)
    assert anomaly_head.names(ov.Model([ops.relu(entry)], [entry])) == ()
