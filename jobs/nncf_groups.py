"""Layers that are quantized together, and their return to float: the parts of NNCF's accuracy control that are used.

Its loop is not: it asks a model about one image at a time, tells nobody how far it is, and has no best model to end
with. See `jobs.methods.pot_accuracy_aware` for the one that is.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import openvino as ov

from jobs import nncf_engine  # before nncf: it says that nothing is to be reported

# isort: split

from nncf.common.factory import build_graph
from nncf.common.graph import NNCFGraph
from nncf.common.quantization.quantizer_removal import revert_operations_to_floating_point_precision
from nncf.quantization.advanced_parameters import RestoreMode
from nncf.quantization.algorithms.accuracy_control.evaluator import Evaluator
from nncf.quantization.algorithms.accuracy_control.openvino_backend import OVAccuracyControlAlgoBackend
from nncf.quantization.algorithms.accuracy_control.ranker import GroupToRank, Ranker
from openvino._offline_transformations import compress_quantize_weights_transformation

_BACKEND = OVAccuracyControlAlgoBackend()


@dataclass(frozen=True)
class Group:
    """Layers that can only be given back together: a quantizer cannot serve one of them and not another."""

    layers: tuple[str, ...]
    inside: GroupToRank = field(repr=False)


class Groups:
    """All groups of a model quantized with its weights still in float. What is inside branches belongs to none."""

    def __init__(self, quantized: ov.Model, aligned: ov.Model) -> None:
        """`aligned` is the float model from which `quantized` was made: its weights and biases are given back."""
        self._graph = build_graph(quantized)
        self._remember(aligned)
        # It ranks nothing here, so it needs no images and nothing that evaluates.
        ranker = Ranker(1, nncf_engine.nncf.Dataset([]), _BACKEND, Evaluator(lambda model, images: (0.0, None)))
        found = ranker.find_groups_of_quantizers_to_rank(self._graph)
        self._all = tuple(
            Group(tuple(sorted(node.node_name for node in group.operations)), group)
            for group in found
            if group.operations
        )

    def __iter__(self) -> Iterator[Group]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def give_back(self, model: ov.Model, group: Group) -> ov.Model:
        """A copy of the quantized model, or of one with other groups given back, in which these layers are in float."""
        reverted: ov.Model = revert_operations_to_floating_point_precision(
            group.inside.operations,
            group.inside.quantizers,
            model,
            self._graph,
            RestoreMode.ACTIVATIONS_AND_WEIGHTS,
            _BACKEND.get_op_with_weights_metatypes(),
            _BACKEND.is_node_with_weight,
            _BACKEND.get_weight_tensor_port_ids,
        )
        return reverted

    def _remember(self, aligned: ov.Model) -> None:
        """Bias correction moved biases, and POT's saturation fix may move weights; NNCF keeps the originals here."""
        before: NNCFGraph = build_graph(aligned)
        for node in before.get_all_nodes():
            if _BACKEND.is_node_with_bias(node, before):
                bias = _BACKEND.get_bias_value(node, before, aligned)
                self._graph.get_node_by_name(node.node_name).attributes["original_bias"] = bias
            if _BACKEND.is_node_with_weight(node):
                quantized = self._graph.get_node_by_name(node.node_name)
                for port in _BACKEND.get_weight_tensor_port_ids(quantized):
                    weight = _BACKEND.get_weight_value(node, aligned, port)
                    quantized.attributes[f"original_weight.{port}"] = weight


def store_weights(model: ov.Model) -> None:
    """Put the rounded weights of a model into 8 bits."""
    compress_quantize_weights_transformation(model)
