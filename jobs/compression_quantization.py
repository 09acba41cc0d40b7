"""The algorithm quantization of NNCF's configuration files, translated key by key."""

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from jobs import fields, translation
from jobs.compression_scopes import scopes, targets
from jobs.compression_training import ADAPTATION, MULTIPLIER, SCHEDULE, rate
from jobs.translation import CHANNELS, Reader, Rule, bits, change, keep, only, refuse, section, walk

NAMES = ("quantization", "experimental_quantization")
"""What it is called."""
PRECISION = (
    "Devices compute in 8 bits, so all of it has 8. Where that loses too much, leave layers in float: name them in"
    " ignored_scopes, or let POT Accuracy-aware find them."
)
_ONE_SIDE = "An operation is left in float as a whole: name it in the algorithm's own ignored_scopes."

OVERFLOW = {"enable": "all", "disable": "no", "first_layer_only": "first_layer"}


def _overflow_fix(reader: Reader, path: str, value: JsonValue) -> None:
    used = OVERFLOW.get(value, value) if isinstance(value, str) else value
    if used not in OVERFLOW.values() or value in OVERFLOW.values():
        raise reader.bad(path, f"is {fields.shown(value)}; it must be one of {', '.join(OVERFLOW)}")
    reader.set(path, value, "saturation_fix", used, note=f"It is called saturation_fix {used} here.")


def _ends(low: str, low_over: str, high: str, high_over: str) -> dict[str, str]:
    names = ("min.type", "min.aggregator", "max.type", "max.aggregator")
    return dict(zip(names, (low, low_over, high, high_over), strict=True))


_RANGES: Mapping[str, Mapping[str, str]] = {
    "mixed_min_max": _ends("min", "min", "max", "max"),
    "min_max": _ends("min", "min", "max", "max"),
    "mean_min_max": _ends("min", "mean", "max", "mean"),
    "percentile": _ends("quantile", "min", "quantile", "max"),
    "mean_percentile": _ends("quantile", "mean", "quantile", "mean"),
}
"""What NNCF's names for range estimators mean, as its own converter had it."""
_PERCENTILES = {"min_percentile": ("min", 0.1), "max_percentile": ("max", 99.9)}


def _range(reader: Reader, path: str, value: JsonValue) -> None:
    if isinstance(value, list):
        reader.add(path, value, "refused", "All quantizers have one way to find their range; say it as an object.")
        return
    kind = value.get("type") if isinstance(value, dict) else None
    rules: dict[str, Rule] = {
        "num_init_samples": keep("stat_subset_size"),
        "type": _range_type,
        "params": section({name: _percentile(name, kind) for name in _PERCENTILES}),
        **dict.fromkeys(
            ("target_scopes", "ignored_scopes", "target_quantizer_group"),
            refuse("All quantizers have one way to find their range."),
        ),
    }
    walk(reader, path, value, rules)


def _range_type(reader: Reader, path: str, value: JsonValue) -> None:
    if value == "threesigma":
        note = "The engine has it no more; POT's default is used. percentile leaves out rare values too."
        reader.add(path, value, "refused", note)
        return
    ends = _RANGES.get(value) if isinstance(value, str) else None
    if ends is None:
        raise reader.bad(path, f"is {fields.shown(value)}; it must be one of {', '.join([*_RANGES, 'threesigma'])}")
    also: dict[str, Any] = {f"range_estimator.{end}": used for end, used in ends.items()}
    if ends["min.type"] == "quantile":
        also |= {
            f"range_estimator.{side}.outlier_prob": _share(side, percent) for side, percent in _PERCENTILES.values()
        }
    first, used = next(iter(also.items()))
    said = "{} and {} of each image, and of these the {} and the {}.".format(
        *(ends[end] for end in ("min.type", "max.type", "min.aggregator", "max.aggregator"))
    )
    reader.set(path, value, first, used, note=said, also=also)


def _share(side: str, percent: float) -> float:
    """The share of values beyond a percentile."""
    return round(percent / 100 if side == "min" else (100 - percent) / 100, 10)


def _percentile(name: str, kind: JsonValue) -> Rule:
    side, _ = _PERCENTILES[name]

    def rule(reader: Reader, path: str, value: JsonValue) -> None:
        if kind not in ("percentile", "mean_percentile"):
            reader.add(path, value, "refused", f"The estimator is {kind or 'not named'}, which has no percentiles.")
            return
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 100:
            raise reader.bad(path, f"is {fields.shown(value)}; it must be a number from 0 to 100")
        share = _share(side, value)
        parameter = f"range_estimator.{side}.outlier_prob"
        reader.set(path, value, parameter, share, note=f"A share of {share:g} is beyond it.")

    return rule


def _precision(reader: Reader, path: str, value: JsonValue) -> None:
    kind = value.get("type") if isinstance(value, dict) else None
    known = (
        *("type", "bits", "num_data_points", "iter_number", "tolerance", "compression_ratio", "eval_subset_ratio"),
        *("warmup_iter_number", "bitwidth_per_scope", "traces_per_layer_path", "dump_init_precision_data"),
        *("bitwidth_assignment_mode", "hw_cfg_path", "skip_constraint", "finetune"),
    )
    walk(reader, path, value, dict.fromkeys(known, refuse(PRECISION)))
    name = {"hawq": "HAWQ", "autoq": "AutoQ"}.get(str(kind), f"{path}.type {fields.shown(kind)}")
    reader.warnings.append(f"“{reader.source}” asks for {name}, which mixes numbers of bits. {PRECISION}")


def _is_off(value: JsonValue) -> bool:
    return value in (None, [], "", {})


def _per_layer(note: str) -> Rule:
    """What can be done for all layers only. Nothing asked for is nothing refused."""
    return lambda reader, path, value: reader.add(
        path, value, "kept" if _is_off(value) else "refused", "" if _is_off(value) else note
    )


def _quantizers(group: str) -> Rule:
    def per_channel(reader: Reader, path: str, value: JsonValue) -> None:
        if not isinstance(value, bool):
            raise reader.bad(path, f"is {fields.shown(value)}; it must be true or false")
        if value and group == "activations":
            reader.add(path, value, "refused", CHANNELS)
            return
        reader.set(path, value, f"{group}.granularity", "perchannel" if value else "pertensor")

    rules: dict[str, Rule] = {
        "mode": keep(f"{group}.mode"),
        "bits": bits(f"{group}.bits"),
        "per_channel": per_channel,
        "signed": only(True if group == "weights" else None, "The sign follows the values."),
        "logarithm_scale": only(True, "It is the logarithm of a step that learns."),
        "validate_scopes": only(True, "Names are looked for in the algorithm's own ignored_scopes only."),
        **dict.fromkeys(("ignored_scopes", "target_scopes"), _per_layer(_ONE_SIDE)),
    }
    if group == "activations":
        rules["unified_scale_ops"] = _per_layer("The engine knows itself where several inputs need one scale.")
    return section(rules)


_AT_ONCE = "Everything is quantized from the first epoch on."
_RULES: dict[str, Rule] = {
    "preset": translation.preset,
    "quantize_inputs": only(True, "Inputs are quantized where the layer that reads them is."),
    "quantize_outputs": only(False, "Outputs are left in float."),
    "overflow_fix": _overflow_fix,
    "export_to_onnx_standard_ops": only(False, "Quantizers are OpenVINO's own operation, FakeQuantize."),
    "initializer": section(
        {
            "range": _range,
            "batchnorm_adaptation": ADAPTATION,
            "precision": _precision,
        }
    ),
    "weights": _quantizers("weights"),
    "activations": _quantizers("activations"),
    "scope_overrides": section(
        dict.fromkeys(
            ("weights", "activations"),
            _per_layer("Layers cannot be quantized one by one; they can be left in float, in ignored_scopes."),
        )
    ),
    "params": section(
        {
            "base_lr": rate,
            "base_wd": keep("weight_decay"),
            "batch_multiplier": only(1, "A step is made after each batch."),
            **dict.fromkeys(("activations_quant_start_epoch", "weights_quant_start_epoch"), change(_AT_ONCE)),
            **dict.fromkeys(("lr_poly_drop_start_epoch", "lr_poly_drop_duration_epochs"), change(SCHEDULE)),
            "disable_wd_start_epoch": refuse("Weight decay stays on."),
        }
    ),
    "ignored_scopes": scopes("ignored.scope", "ignored.strict"),
    "target_scopes": targets("ignored.scope", "All that is called otherwise is left in float.", "ignored.strict"),
    "validate_scopes": keep("ignored.strict"),
    "compression_lr_multiplier": change(MULTIPLIER),
}


def algorithm(reader: Reader, path: str, value: dict[str, JsonValue]) -> None:
    """The algorithm, by either name. Raises BadConfig and BadOption."""

    def named(reader: Reader, path: str, value: JsonValue) -> None:
        old = value != "quantization"
        note = "NNCF's experimental quantization is what it has become." if old else ""
        reader.add(path, value, "changed" if old else "kept", note)

    walk(reader, path, value, _RULES | {"algorithm": named})
