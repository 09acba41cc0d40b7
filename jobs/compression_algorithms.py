"""The algorithms of NNCF's configuration files, translated: quantization key by key, the others as a whole."""

import re
from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import JsonValue

from jobs import fields, torch_names, translation
from jobs.compression_training import MULTIPLIER, SCHEDULE, rate
from jobs.translation import CHANNELS, Reader, Rule, bits, change, keep, only, refuse, section, walk

QUANTIZES = "This method quantizes and trains; it leaves every weight and filter in place."
_REFUSED: Mapping[str, str] = {
    "filter_pruning": f"{QUANTIZES} No filter is removed.",
    "magnitude_sparsity": f"{QUANTIZES} No weight becomes 0, which CPUs and GPUs would not run faster anyway.",
    "rb_sparsity": f"{QUANTIZES} No weight becomes 0, which CPUs and GPUs would not run faster anyway.",
    "const_sparsity": f"{QUANTIZES} Weights that are 0 may become others while training.",
    "movement_sparsity": f"{QUANTIZES} No part of a transformer is removed.",
    "binarization": "No device of OpenVINO runs single bits faster; 8 are used.",
    "bootstrap_nas": "The network stays as it is; no other is searched for. Train a smaller one where it is too slow.",
    "progressive_shrinking": "The network stays as it is. Train a smaller one where it is too slow.",
}
"""Algorithms that do not run, and what is done instead."""
_QUANTIZATION = ("quantization", "experimental_quantization")
_PRECISION = (
    "Devices compute in 8 bits, so all of it has 8. Where that loses too much, leave layers in float: name them in"
    " ignored_scopes, or let POT Accuracy-aware find them."
)
_ONE_SIDE = "An operation is left in float as a whole: name it in the algorithm's own ignored_scopes."

# --- the algorithm quantization


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
    walk(reader, path, value, dict.fromkeys(known, refuse(_PRECISION)))
    name = {"hawq": "HAWQ", "autoq": "AutoQ"}.get(str(kind), f"{path}.type {fields.shown(kind)}")
    reader.warnings.append(f"“{reader.source}” asks for {name}, which mixes numbers of bits. {_PRECISION}")


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


def _scopes(reader: Reader, path: str, value: JsonValue) -> None:
    """Old names of operations need not all exist: what is found of them is shown, and what is not."""
    names = _names(reader, path, value)
    old = [name for name in names if torch_names.is_old(name)]
    note = "Names of PyTorch's modules and functions; what they are called in this model is in the report."
    reader.set(
        path,
        value,
        "ignored.scope",
        names,
        fate="changed" if old else "kept",
        note=note if old else "",
        also={"ignored.strict": False} if old else {},
    )


def _targets(reader: Reader, path: str, value: JsonValue) -> None:
    """What is to be quantized, as a pattern of all that is to be left."""
    names = _names(reader, path, value)
    if not names:
        reader.add(path, value, "kept")
        return
    if any(torch_names.is_old(name) for name in names):
        note = "These are names of PyTorch, so what is not called so cannot be told. Say ignored_scopes instead."
        reader.add(path, value, "refused", note)
        return
    patterns = [name.removeprefix(torch_names.PATTERN) for name in names if name.startswith(torch_names.PATTERN)]
    whole = [f"{re.escape(name)}$" for name in names if not name.startswith(torch_names.PATTERN)]
    rest = f"{torch_names.PATTERN}(?!{'|'.join([*patterns, *whole])})"
    note = "All that is called otherwise is left in float."
    reader.set(path, value, "ignored.scope", [rest], "changed", note, also={"ignored.strict": False})


def _names(reader: Reader, path: str, value: JsonValue) -> list[str]:
    """A name or a list of names, the way NNCF has them."""
    found = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise reader.bad(path, f"is {fields.shown(value)}; it must be a name or a list of names")
    return [one for one in found if isinstance(one, str)]


_NO_BATCH_NORM = (
    "Batch normalisation is part of the weights before it in the uploaded model, so there is nothing to adapt."
)
_AT_ONCE = "Everything is quantized from the first epoch on."
_ALGORITHM: dict[str, Rule] = {
    "algorithm": change("NNCF's experimental quantization is what it has become."),
    "preset": translation.preset,
    "quantize_inputs": only(True, "Inputs are quantized where the layer that reads them is."),
    "quantize_outputs": only(False, "Outputs are left in float."),
    "overflow_fix": _overflow_fix,
    "export_to_onnx_standard_ops": only(False, "Quantizers are OpenVINO's own operation, FakeQuantize."),
    "initializer": section(
        {
            "range": _range,
            "batchnorm_adaptation": section(
                dict.fromkeys(("num_bn_adaptation_samples", "num_bn_forget_samples"), refuse(_NO_BATCH_NORM))
            ),
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
    "ignored_scopes": _scopes,
    "target_scopes": _targets,
    "validate_scopes": keep("ignored.strict"),
    "compression_lr_multiplier": change(MULTIPLIER),
}
_DISTILLATION: dict[str, Rule] = {
    "algorithm": lambda reader, path, value: reader.add(path, value, "kept", "The original is the teacher anyway."),
    "type": change("How far an answer is off is measured by what the output is: divergence of scores, else distance."),
    "scale": change("The distance to the original is all that is learned from, so nothing weighs it."),
    "temperature": only(1, "Scores are compared as they are."),
}


def algorithms(reader: Reader, path: str, value: JsonValue) -> None:
    """One algorithm or a list of them, at most one of a kind."""
    entries = value if isinstance(value, list) else [value]
    named = [one for one in entries if isinstance(one, dict) and isinstance(one.get("algorithm"), str)]
    if len(named) != len(entries):
        raise reader.bad(path, "must be an object with algorithm, or a list of such objects")
    counted = Counter(_kind(one) for one in named)
    if twice := [kind for kind, count in counted.items() if count > 1]:
        raise reader.bad(path, f"asks for {twice[0]} twice", "Keep one of the two.")
    if "quantization" not in counted:
        names = ", ".join(counted) or "nothing"
        notes = " ".join(dict.fromkeys(_REFUSED[name] for name in counted if name in _REFUSED))
        hint = notes or 'It needs {"algorithm": "quantization"}.'
        raise reader.bad(path, f"asks for {names}, and not for quantization, which this method does", hint)
    for number, one in enumerate(named):
        _algorithm(reader, f"{path}[{number}]" if isinstance(value, list) else path, one)


def _kind(algorithm: Mapping[str, JsonValue]) -> str:
    name = str(algorithm["algorithm"])
    return "quantization" if name in _QUANTIZATION else name


def _algorithm(reader: Reader, path: str, value: dict[str, JsonValue]) -> None:
    name = str(value["algorithm"])
    if name in _REFUSED:
        reader.add(f"{path}.algorithm", name, "refused", _REFUSED[name])
        reader.warnings.append(f"“{reader.source}” asks for {name}. {_REFUSED[name]}")
        return
    if name == "knowledge_distillation":
        walk(reader, path, value, _DISTILLATION)
        return
    if name not in _QUANTIZATION:
        near = get_close_matches(name, [*_QUANTIZATION, "knowledge_distillation", *_REFUSED], 1)
        hint = f"Did you mean {near[0]}?" if near else "quantization is what can run."
        raise reader.bad(f"{path}.algorithm", f"is “{name}”, which NNCF did not have", hint)
    plain: dict[str, Rule] = {"algorithm": lambda reader, path, value: reader.add(path, value, "kept")}
    walk(reader, path, value, _ALGORITHM | plain if name == "quantization" else _ALGORITHM)
