"""Weights alone in 8 or 4 bits; what flows between layers stays in float.

It needs no images and loses hardly any accuracy. The model is smaller, not faster: on a CPU most layers compute in
float as before, with weights that are unpacked when the model is loaded or as they are used.
"""

from collections.abc import Mapping

import numpy as np
import openvino as ov

from jobs import events, fields, ignored, nncf_engine
from jobs.errors import JobError, UnsupportedModel
from jobs.formats import is_out_of_memory, sentence
from jobs.methods import Cost, Method, Optimised, Prepared
from jobs.methods.pot_default import Finite
from jobs.nncf_engine import nncf
from jobs.spec import Weights

_LOW = {"i8": 8, "u8": 8, "i4": 4, "u4": 4}
_OF_FOUR_BITS = ("ratio", "group_size", "awq", "scale_estimation")
_OF_IMAGES = ("stat_subset_size", "shuffle_data", "seed")


def apply(prepared: Prepared, options: Weights, emit: events.Emit) -> Optimised:
    """Compress. Raises BadOption and UnsupportedModel."""
    ignored.require(prepared.model, options.ignored)
    with nncf_engine.running(lambda unit, done, total: emit(events.Progress(done=done, total=total, unit=unit))):
        model = _compress(prepared, options)
    bits = _bits(model)
    if not bits:
        raise UnsupportedModel(
            "No weights of this model could be compressed.",
            hint="It has no convolution or matrix product with weights, or all of them are to be left in float.",
        )
    keys = ignored.keys(prepared.model, options.ignored)
    return Optimised(model, _applied(prepared, options, bits), keys, _notes(model, options, bits))


def unmatched(model: ov.Model, options: Weights) -> tuple[str, ...]:
    """Ignored names, patterns and types that nothing in the model has. Raises BadOption for a pattern that is none."""
    return ignored.unmatched(model, options.ignored)


def _batched(model: ov.Model) -> list[str]:
    """Products with a matrix of its own for each place, as PaDiM's inverse covariances.

    OpenVINO 2026.4 computes these wrongly on a CPU with several streams, one compilation in two, when they are
    compressed; and they are statistics rather than a layer's weights.
    """
    return [
        op.friendly_name
        for op in model.get_ops()
        if op.get_type_name() == "MatMul" and any(_is_stack(op.input_value(place)) for place in (0, 1))
    ]


def _is_stack(value: ov.Output) -> bool:
    node = value.get_node()
    node = node.input_value(0).get_node() if node.get_type_name() == "Convert" else node
    return node.get_type_name() == "Constant" and len(node.shape) > 2 and int(np.prod(list(node.shape)[:-2])) > 1


def _compress(prepared: Prepared, options: Weights) -> ov.Model:
    four = options.mode.bits == 4
    scope = nncf_engine.ignored_scope(prepared.model, options.ignored)
    scope.names += _batched(prepared.model)
    try:
        return nncf.compress_weights(
            nncf_engine.copy(prepared.model),
            mode=nncf.CompressWeightsMode(options.mode.value),
            ratio=options.ratio if four else None,
            group_size=options.group_size if four else None,
            ignored_scope=scope,
            dataset=nncf.Dataset(Finite(prepared)) if options.calibrates else None,
            subset_size=max(1, min(options.stat_subset_size, prepared.calibration_size)),
            awq=options.awq if four else None,
            scale_estimation=options.scale_estimation if four else None,
            advanced_parameters=nncf.AdvancedCompressionParameters(
                group_size_fallback_mode=nncf.GroupSizeFallbackMode.ADJUST
            ),
        )
    except JobError:
        raise
    except Exception as error:  # NNCF raises anything on a model it was not made for
        if is_out_of_memory(error):
            raise
        hint = "Leave the operations it is about in float, by name or type, or choose 8 bits."
        raise UnsupportedModel(
            f"The weights of this model cannot be compressed: {sentence(error)}", hint=hint
        ) from error


def _bits(model: ov.Model) -> dict[int, int]:
    """How many weights there are of so many bits."""
    found: dict[int, int] = {}
    for op in ignored.operations(model):
        kind = op.get_element_type().get_type_name() if op.get_type_name() == "Constant" else ""
        if kind in _LOW:
            found[_LOW[kind]] = found.get(_LOW[kind], 0) + int(np.prod(list(op.shape)))
    return found


def _applied(prepared: Prepared, options: Weights, bits: Mapping[int, int]) -> dict[str, str]:
    """What belongs to other bits, or to images where none are looked at, is left out."""
    names = [one.name for one in fields.describe(Weights)]
    idle = (*(() if options.mode.bits == 4 else _OF_FOUR_BITS), *(() if options.calibrates else _OF_IMAGES))
    values = {name: fields.text(fields.value(options, name)).replace("\n", ", ") for name in names if name not in idle}
    if options.calibrates:
        values["stat_subset_size"] = str(min(options.stat_subset_size, prepared.calibration_size))
    stored = {f"weights_in_{width}_bits": f"{number:,}" for width, number in sorted(bits.items())}
    return {**{name: text for name, text in values.items() if text}, **stored}


def _notes(model: ov.Model, options: Weights, bits: Mapping[int, int]) -> tuple[str, ...]:
    notes = ["Only weights were compressed, so the model is smaller but computes in float as before."]
    if options.mode.bits == 4 and 4 not in bits:
        notes.append(
            "No layer could have 4 bits, so all have 8: convolutions and the last layer never have 4, and this model"
            " has no other matrix product with weights."
        )
    if nncf_engine.branching(model):
        notes.append("Weights inside the branches of an If stay as they were.")
    return tuple(notes)


def cost(optimised: Optimised, options: Weights, *, calibration: int, validation: int) -> Cost:
    """The rehearsal compresses all there is; only images come in addition."""
    return Cost(calibrated=calibration if options.calibrates else 0)


METHOD = Method(
    name="weights",
    title="Weight compression",
    family="NNCF",
    apply=apply,
    unmatched=unmatched,
    cost=cost,
)
