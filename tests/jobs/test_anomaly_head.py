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


def test_product_with_a_matrix_is_quantized_since_it_holds_the_weights() -> None:
    entry = ops.parameter([1, 3, 8, 8], np.float32)
    features = ops.convolution(entry, np.ones((4, 3, 8, 8), np.float32), [1, 1], [0, 0], [0, 0], [1, 1])
    rows = ops.reshape(features, np.array([1, 1, 4]), special_zero=False)
    matrices = ops.constant(np.ones((1, 4, 4), np.float32))
    away = ops.multiply(ops.matmul(rows, matrices, False, False, name="inverse"), rows, name="square")
    names = anomaly_head.names(ov.Model([ops.reduce_sum(away, np.array([2]), name="sum")], [entry]))
    assert {"square", "sum"} <= set(names) and "inverse" not in names
