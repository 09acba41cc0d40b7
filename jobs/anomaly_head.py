"""Where an anomaly model stops looking and starts to compare: what comes after its last layer with trained weights.

Images that calibrate are normal: they say how large features become, and nothing of how large a distance from normal
can. Quantized by them, scores are cut off where normal images end. Of three PaDiMs the AUROC of images fell so from
1.000 to 0.833, from 0.968 to 0.500 and from 0.875 to 0.854; with these operations left in float it was 1.000, 0.904 and
0.875; calibrated on anomalous images with everything quantized, 1.000, 0.856 and 0.875. (OTX does the latter, and
leaves the square and the root of its map generator in float.)

A product with a matrix is quantized all the same: it holds nearly all the weights of a PaDiM, four times as large in
float, and what it loses (0.0003 of the AUROC of pixels at most) is little.
"""

import openvino as ov

_CONVOLUTIONS = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData")
_NO_OPERATIONS = ("Constant", "Parameter", "Result")


def names(model: ov.Model) -> tuple[str, ...]:
    """Operations without weights that no layer with trained ones comes after, in the graph's order; none where there is
    no such layer."""
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
        if op.get_friendly_name() not in before | fixed
        and op.get_type_name() not in _NO_OPERATIONS
        and not (op.get_type_name() == "MatMul" and _fixed_inputs(op, fixed))
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
    return any(port.get_partial_shape().rank.get_length() == 2 for port in _fixed_inputs(op, fixed))


def _fixed_inputs(op: ov.Node, fixed: set[str]) -> list[ov.Input]:
    return [port for port in op.inputs() if port.get_source_output().get_node().get_friendly_name() in fixed]
