"""POT's DefaultQuantization on NNCF: activation channel alignment, min-max, (fast) bias correction.

Where the two differ in their defaults, POT's are set (openvino-dev 2023.3): channel alignment is on, SmoothQuant is
off, the preset does not depend on the model type, the ends of a symmetric range are the smallest minimum and the mean
of the absolute maxima, `quantile` means absolute quantiles for symmetric ranges, and the saturation fix is for CPUs.

Known to be otherwise than in POT: its saturation fix also halved the weights of layers that channel alignment had
changed; its list of operations that a transformer keeps in float is shorter than NNCF's; and a symmetric range always
follows absolute values, also where `max` is asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import openvino as ov

from jobs import events, fields, ignored, nncf_engine, post_processing, pot_ranges
from jobs.errors import BadDataset, BadOption, BadOutputs, JobError, UnsupportedModel
from jobs.formats import is_out_of_memory, sentence
from jobs.methods import Array, Cost, Method, Optimised, Prepared
from jobs.nncf_engine import QuantizationMode, QuantizationParameters, nncf
from jobs.pot_ranges import Range
from jobs.spec import PotDefault, Preset, Quantization, Quantizers

_THRESHOLDS = {True: 2.0, False: 1000.0}  # of fast and of full bias correction


def apply(prepared: Prepared, options: PotDefault, emit: events.Emit) -> Optimised:
    """Quantize. Raises BadDataset, BadOutputs, BadOption and UnsupportedModel."""
    ignored.require(prepared.model, options.ignored)
    quantized = quantize(prepared, options, emit)
    return Optimised(
        model=quantized.model,
        applied={**quantized.applied, "quantizers": str(quantized.quantizers)},
        config_keys=ignored.keys(prepared.model, options.ignored),
        notes=quantized.notes,
    )


@dataclass(frozen=True)
class Quantized:
    """A quantized model, and what it was made of."""

    model: ov.Model
    aligned: ov.Model
    """As it was right before: in float, its channels aligned."""
    quantizers: int
    applied: Mapping[str, str]
    """The settings really used."""
    notes: tuple[str, ...] = ()
    """What a person should know of it."""


def quantize(prepared: Prepared, options: Quantization, emit: events.Emit, *, float_weights: bool = False) -> Quantized:
    """What DefaultQuantization does. With `float_weights` they are rounded, but not stored in 8 bits yet."""
    plan = _plan(prepared, options)
    weights, activations = plan.weights, plan.activations
    spared = post_processing.operations(prepared.model)
    graphs: list[ov.Model] = []
    with nncf_engine.running(
        _progress(plan, emit),
        weights=weights.clip,
        activations=activations.clip,
        every_bias=options.apply_for_all_nodes,
        quantizing=graphs.append if float_weights else None,
    ):
        model = _quantize(prepared, plan, options, float_weights, [op.friendly_name for op in spared])
    return Quantized(
        model,
        aligned=graphs[0] if graphs else prepared.model,
        quantizers=_require_quantized(model),
        applied={**_applied(plan, options), **({"ignored.post_processing": str(len(spared))} if spared else {})},
        notes=(post_processing.note(spared),) if spared else (),
    )


# --- what to ask of NNCF


@dataclass(frozen=True)
class Plan:
    """Options with what they leave open decided."""

    images: int
    passes: int
    preset: Preset
    modes: Mapping[str, str]
    """Of weights and of activations."""
    weights: Range
    activations: Range
    threshold: float
    saturation_fix: str


def _plan(prepared: Prepared, options: Quantization) -> Plan:
    preset = Preset.MIXED if options.preset == Preset.ACCURACY else options.preset
    modes = {
        "weights": options.weights.mode or "symmetric",
        "activations": options.activations.mode or ("symmetric" if preset == Preset.PERFORMANCE else "asymmetric"),
    }
    # POT divides by 2 on CPUs only, and there is no half of an asymmetric range.
    fixable = options.target_device in ("ANY", "CPU") and modes["weights"] == "symmetric"
    return Plan(
        images=min(options.stat_subset_size, prepared.calibration_size),
        passes=1 + options.channel_alignment + (options.model_type is not None and options.smooth_quant_alpha >= 0),
        preset=preset,
        modes=modes,
        weights=pot_ranges.estimate(options.weights, options.range_estimator, "weights", modes["weights"]),
        activations=pot_ranges.estimate(
            options.activations, options.range_estimator, "activations", modes["activations"]
        ),
        threshold=options.threshold or _THRESHOLDS[options.use_fast_bias],
        saturation_fix=options.saturation_fix if fixable else "no",
    )


def unmatched(model: ov.Model, options: Quantization) -> tuple[str, ...]:
    """Ignored names, patterns and types that nothing in the model has. Raises BadOption for a pattern that is none."""
    return ignored.unmatched(model, options.ignored)


# --- asking


def _quantize(
    prepared: Prepared, plan: Plan, options: Quantization, float_weights: bool, spared: Sequence[str]
) -> ov.Model:
    try:
        return nncf.quantize(
            nncf_engine.copy(prepared.model),
            nncf.Dataset(Finite(prepared)),
            preset=nncf.QuantizationPreset(plan.preset.value),
            target_device=nncf.TargetDevice(options.target_device),
            subset_size=plan.images,
            fast_bias_correction=options.use_fast_bias,
            model_type=nncf.ModelType(options.model_type) if options.model_type else None,
            ignored_scope=nncf_engine.ignored_scope(prepared.model, options.ignored, spared),
            advanced_parameters=_advanced(plan, options, float_weights),
        )
    except JobError:
        raise
    except Exception as error:  # NNCF raises anything on a model it was not made for
        if is_out_of_memory(error):
            raise
        raise _refused(error, options) from error


def _advanced(plan: Plan, options: Quantization, float_weights: bool) -> nncf.AdvancedQuantizationParameters:
    fixes = {
        "first_layer": nncf.OverflowFix.FIRST_LAYER,
        "all": nncf.OverflowFix.ENABLE,
        "no": nncf.OverflowFix.DISABLE,
    }
    return nncf.AdvancedQuantizationParameters(
        overflow_fix=fixes[plan.saturation_fix],
        inplace_statistics=options.inplace_statistics,
        disable_channel_alignment=not options.channel_alignment,
        weights_quantization_params=_quantization(options.weights),
        activations_quantization_params=_quantization(options.activations),
        weights_range_estimator_params=pot_ranges.parameters(plan.weights),
        activations_range_estimator_params=pot_ranges.parameters(plan.activations),
        bias_correction_params=nncf.AdvancedBiasCorrectionParameters(threshold=plan.threshold),
        smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=options.smooth_quant_alpha),
        backend_params={nncf_engine.COMPRESS_WEIGHTS: not float_weights},
    )


def _quantization(quantizers: Quantizers) -> QuantizationParameters:
    modes = {None: None, "symmetric": QuantizationMode.SYMMETRIC, "asymmetric": QuantizationMode.ASYMMETRIC}
    granularities = {None: None, "perchannel": True, "pertensor": False}
    return QuantizationParameters(mode=modes[quantizers.mode], per_channel=granularities[quantizers.granularity])


class Finite:
    """The calibration images, refused when a value is none: NNCF would quantize to nonsense without a word."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._looked = False

    def __len__(self) -> int:
        return self._prepared.calibration_size

    def __iter__(self) -> Iterator[Mapping[str, Array]]:
        for number, item in enumerate(self._prepared.calibration):
            if not self._looked and not all(np.isfinite(values).all() for values in item.values()):
                raise BadDataset(
                    f"The calibration image {self._name(number)} holds values that are no numbers (NaN or infinite).",
                    hint="Check the image, and the mean and scale of the model.",
                    where=self._name(number),
                )
            yield item
        self._looked = True

    def _name(self, number: int) -> str:
        names = self._prepared.names
        return f"“{names[number]}”" if number < len(names) else f"number {number + 1}"


def _refused(error: Exception, options: Quantization) -> JobError:
    text = sentence(error)
    if "HW capabilities" in str(error):
        return BadOption(
            f"{options.target_device} cannot compute with these quantizers: {text}",
            hint="Leave mode and granularity of weights and activations to the preset.",
            where="activations.mode",
        )
    if isinstance(error, NotImplementedError) and not options.use_fast_bias:
        hint = "Turn use_fast_bias on: the full bias correction cannot go into branches."
    else:
        hint = "Leave the operations it is about in float, by name or type, or export the model another way."
    return UnsupportedModel(f"This model cannot be quantized: {text}", hint=hint)


# --- what came of it


def _progress(plan: Plan, emit: events.Emit) -> nncf_engine.Progress:
    """One count of images over all passes, so that it goes up once."""
    passed = 0

    def progress(unit: str, done: int, total: int) -> None:
        nonlocal passed
        if unit == "images":
            share = min(1.0, (passed + done / max(1, total)) / plan.passes)
            emit(events.Progress(done=int(share * plan.images), total=plan.images, unit=unit))
            passed += done == total
        else:
            emit(events.Progress(done=done, total=total, unit=unit))

    return progress


def _require_quantized(model: ov.Model) -> int:
    """The number of quantizers. Raises UnsupportedModel when there is none, BadOutputs when one is not finite."""
    quantizers = [op for op in ignored.operations(model) if op.get_type_name() == "FakeQuantize"]
    if not quantizers:
        raise UnsupportedModel(
            "Nothing in this model was quantized.",
            hint="It has no convolution or matrix product with weights, or all of them are to be left in float.",
        )
    for op in quantizers:
        ends = [op.input_value(place).get_node() for place in range(1, 5)]
        if not all(np.isfinite(end.get_data()).all() for end in ends if end.get_type_name() == "Constant"):
            raise BadOutputs(
                f"Inside the model, at “{op.friendly_name}”, values are not numbers (NaN or infinite) on these images."
            )
    return len(quantizers)


def _applied(plan: Plan, options: Quantization) -> dict[str, str]:
    """Every parameter with the value it really had."""
    values = {
        one.name: fields.text(fields.value(options, one.name)).replace("\n", ", ")
        for one in fields.describe(type(options))
    }
    kept = {name: text for name, text in values.items() if "range_estimator" not in name and text}
    return {
        **kept,
        "preset": plan.preset.value,
        "stat_subset_size": str(plan.images),
        "threshold": f"{plan.threshold:g}",
        "saturation_fix": plan.saturation_fix,
        "weights.mode": plan.modes["weights"],
        "weights.granularity": options.weights.granularity or "perchannel",
        **pot_ranges.applied(plan.weights, "weights", ("", "")),
        "activations.mode": plan.modes["activations"],
        "activations.granularity": options.activations.granularity or "pertensor",
        **pot_ranges.applied(plan.activations, "activations", ("mean", "mean")),
    }


def cost(optimised: Optimised, options: PotDefault, *, calibration: int, validation: int) -> Cost:
    """Images go through once for channel alignment, and once for ranges and biases."""
    return Cost(calibrated=2 * calibration)


METHOD = Method(
    name="pot_default",
    title="Default quantization",
    family="POT",
    apply=apply,
    unmatched=unmatched,
    cost=cost,
)
