"""Where an anomaly model stops looking and starts to compare: what comes after its last layer with trained weights.

Images that calibrate are normal, so they say how large features become, and nothing of how large a distance from normal
can: quantized by them, scores are cut off where normal images end. On a PaDiM the AUROC of images fell from 1.000 to
0.833 so, and held with these operations left in float. (OTX, which leaves the square and the root of its map generator
in float, calibrates on anomalous images instead.)
"""

import openvino as ov

_CONVOLUTIONS = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData")
_NO_OPERATIONS = ("Constant", "Parameter", "Result")


def names(model: ov.Model) -> tuple[str, ...]:
    """Operations that no layer with trained weights comes after, in the graph's order; empty where there is no such
    layer."""
    ops = model.get_ordered_ops()
    fixed = _fixed(ops)
    before: set[str] = set()
    for op in reversed(ops):
        name = op.get_friendly_name()
        targets = (one.get_node().get_friendly_name() for port in op.outputs() for one in port.get_target_inputs())
        if _is_trained(op, fixed) or any(target in before for target in targets):
            before.add(name)
    if not before:
        return ()
    return tuple(
        op.get_friendly_name()
        for op in ops
        if op.get_friendly_name() not in before | fixed and op.get_type_name() not in _NO_OPERATIONS
    )


def _fixed(ops: list[ov.Node]) -> set[str]:
    """Those that hang on constants only."""
    found: set[str] = set()
    for op in ops:
        sources = [port.get_source_output().get_node().get_friendly_name() for port in op.inputs()]
        if op.get_type_name() == "Constant" or (sources and all(source in found for source in sources)):
            found.add(op.get_friendly_name())
    return found


def _is_trained(op: ov.Node, fixed: set[str]) -> bool:
    """A convolution to more than one channel (a blur has one), or a product with a matrix that is fixed."""
    kind = op.get_type_name()
    if kind in _CONVOLUTIONS:
        channels = op.output(0).get_partial_shape()[1]
        return bool(channels.is_dynamic or channels.get_length() > 1)
    if kind != "MatMul":
        return False
    weights = [port for port in op.inputs() if port.get_source_output().get_node().get_friendly_name() in fixed]
    return any(port.get_partial_shape().rank.get_length() == 2 for port in weights)
