"""The recipe that a model of OTX 2.x carries, translated into the parameters of DefaultQuantization.

OTX 2.x writes the keywords it gives to `nncf.quantize` into `rt_info/model_info/optimization_config`.
"""

import json
from collections.abc import Mapping

from pydantic import JsonValue

from jobs import fields, translation
from jobs.translation import CHANNELS, PARAMETERS, Reader, Rule, Translation, bits, keep, only, refuse, section, walk

MODEL = "the model"
"""What a recipe is called as a source."""


def _mapped(name: str, names: Mapping[str, str]) -> Rule:
    """A choice by other names."""

    def rule(reader: Reader, path: str, value: JsonValue) -> None:
        used = names.get(value.lower(), value) if isinstance(value, str) else value
        reader.set(path, value, name, used)

    return rule


def read(recipe: Mapping[str, str]) -> Translation:
    """`optimization_config` of OTX 2.x, the keywords of `nncf.quantize`, key by key as JSON text."""
    reader = Reader(MODEL, strict=False)
    data: dict[str, JsonValue] = {key: _json_or_text(text) for key, text in recipe.items()}
    walk(reader, "", data, _RECIPE)
    _fill_in(reader)
    return reader.done()


def _json_or_text(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return text
    return value


def _fill_in(reader: Reader) -> None:
    """What NNCF does for a transformer when a recipe says no more than that, as OTX 2.x relied on."""
    said = {row.parameter: row.used for row in reader.rows}
    if said.get("model_type") != "transformer":
        return
    for name, used in (("preset", "mixed"), ("smooth_quant_alpha", 0.95)):
        if name not in said:
            note = "Not in the recipe, but what NNCF, and so OTX 2.x, does for a transformer."
            reader.set(name, None, name, used, "changed", note)


def _recipe_end(prefix: str) -> Rule:
    return section(
        {
            "statistics_type": _lower(f"{prefix}.type"),
            "aggregator_type": _lower(f"{prefix}.aggregator"),
            "quantile_outlier_prob": keep(f"{prefix}.outlier_prob"),
            "clipping_value": keep(f"{prefix}.clipping_value"),
        }
    )


def _lower(name: str) -> Rule:
    """An enumeration by its name, e.g. QUANTILE."""

    def rule(reader: Reader, path: str, value: JsonValue) -> None:
        parameter = PARAMETERS[name]
        used = value.lower() if isinstance(value, str) else value
        if used is not None and used not in parameter.options:
            reader.add(path, value, "refused", f"This can be {fields.allowed(parameter)}.")
            return
        reader.set(path, value, name, used)

    return rule


def _recipe_range(prefix: str) -> Rule:
    return section({side: _recipe_end(f"{prefix}range_estimator.{side}") for side in ("min", "max")})


def _quantizers(prefix: str) -> Rule:
    def granularity(reader: Reader, path: str, value: JsonValue) -> None:
        if value and prefix == "activations":
            reader.add(path, value, "refused", CHANNELS)
            return
        used = None if value is None else "perchannel" if value else "pertensor"
        reader.set(path, value, f"{prefix}.granularity", used)

    return section(
        {
            "num_bits": bits(f"{prefix}.bits"),
            "mode": _lower(f"{prefix}.mode"),
            "per_channel": granularity,
            "signedness_to_force": only(None, "The sign follows the values."),
            "narrow_range": only(None, "The levels are those of the device."),
        }
    )


def _inverse(name: str) -> Rule:
    def rule(reader: Reader, path: str, value: JsonValue) -> None:
        reader.set(path, value, name, not value if isinstance(value, bool) else value)

    return rule


_RECIPE: dict[str, Rule] = {
    "preset": translation.preset,
    "target_device": translation.device,
    "model_type": translation.model_type,
    "subset_size": keep("stat_subset_size"),
    "fast_bias_correction": keep("use_fast_bias"),
    "mode": only(None, "FP8 is not POT's."),
    "ignored_scope": section(
        {
            "names": keep("ignored.scope"),
            "types": keep("ignored.operations"),
            "patterns": lambda reader, path, value: reader.set(path, value, "ignored.scope", _patterns(value)),
            "validate": keep("ignored.strict"),
            "subgraphs": only([], "Parts between two operations cannot be left out here; name the operations."),
        }
    ),
    "advanced_parameters": section(
        {
            "overflow_fix": _mapped(
                "saturation_fix", {"first_layer_only": "first_layer", "enable": "all", "disable": "no"}
            ),
            "inplace_statistics": keep("inplace_statistics"),
            "disable_channel_alignment": _inverse("channel_alignment"),
            "disable_bias_correction": only(False, "POT always corrects biases."),
            "quantize_outputs": only(False, "POT leaves outputs in float."),
            "batchwise_statistics": only(None, "Images go through one by one."),
            "quantizer_propagation_rule": refuse("NNCF's own rule is used."),
            "backend_params": only({}, "These are for NNCF's own use."),
            "activations_quantization_params": _quantizers("activations"),
            "weights_quantization_params": _quantizers("weights"),
            "activations_range_estimator_params": _recipe_range("activations."),
            "weights_range_estimator_params": _recipe_range("weights."),
            "bias_correction_params": section(
                {"apply_for_all_nodes": keep("apply_for_all_nodes"), "threshold": keep("threshold")}
            ),
            "smooth_quant_alpha": keep("smooth_quant_alpha"),
            "smooth_quant_alphas": section(
                {
                    "matmul": keep("smooth_quant_alpha"),
                    "convolution": only(-1, "Only matrix products are smoothed."),
                }
            ),
        }
    ),
}


def _patterns(value: JsonValue) -> JsonValue:
    """Patterns as names that begin with {re}."""
    return [f"{{re}}{item}" for item in value] if isinstance(value, list) else value
