"""OTX's `compression_config.json`, written with the settings of a job."""

import json
from typing import Any

from pydantic import JsonValue

from jobs import compression_parts, fields
from jobs.compression_config import OWN
from jobs.compression_quantization import OVERFLOW
from jobs.spec import NncfPruning, Trained

_TRAINING = {"learning_rate_warmup_iters", "epochs", "target_device"}
_ADAMW = {"optimizer", "learning_rate", "weight_decay"}
"""What NNCF's key can say of the one optimizer that is taken over from there."""
_QUANTIZATION = {
    *("preset", "stat_subset_size", "saturation_fix", "ignored.scope"),
    *("weights.bits", "weights.mode", "weights.granularity"),
    *("activations.bits", "activations.mode", "activations.granularity"),
}
_PRUNING = (
    *("schedule", "num_init_steps", "pruning_steps", "filter_importance", "all_weights"),
    *("prune_first_conv", "prune_downsample_convs"),
)
_SPARSITY = (
    *("sparsity_target", "sparsity_target_epoch", "sparsity_freeze_epoch", "schedule", "power", "concave"),
    *("patience", "update_per_optimizer_step", "sparsity_level_setting_mode"),
)
_MULTISTEP = ("multistep_steps", "multistep_sparsity_levels")
"""What keys of NNCF's and OTX's own say, each by its own name or the setting's."""


def write(options: Trained) -> str:
    """Settings as a file that comes to the same settings when it is read. What it has no key for is under `otx_web`."""
    quantizes = not isinstance(options, NncfPruning) or options.enable_quantization
    prunes = isinstance(options, NncfPruning)
    algorithms: list[dict[str, Any]] = []
    said = set(_TRAINING)
    if isinstance(options, NncfPruning):
        algorithm, of_it = _pruning(options)
        algorithms.append(algorithm)
        said |= {"algorithm", "enable_quantization", *of_it}
    if quantizes:
        algorithms.append(_quantization(options))
        said |= _QUANTIZATION
    algorithms[-1]["validate_scopes"] = options.ignored.strict
    said.add("ignored.strict")
    part: dict[str, Any] = {
        "lr_config": {"warmup_iters": options.learning_rate_warmup_iters},
        "total_epochs": options.epochs,
        "nncf_config": {"target_device": options.target_device, "compression": algorithms},
    }
    if options.optimizer == "AdamW":
        part["optimizer"] = {"type": "AdamW", "lr": options.learning_rate, "weight_decay": options.weight_decay}
        said |= _ADAMW
    chosen = compression_parts.part(quantization=quantizes, pruning=prunes)
    base: dict[str, Any] = {"nncf_config": {"compression": []}}
    whole = {"base": base, chosen: {**part, OWN: _rest(options, said)}, "order_of_parts": [chosen]}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _quantization(options: Trained) -> dict[str, Any]:
    result: dict[str, Any] = {
        "algorithm": "quantization",
        "preset": options.preset.value if options.preset != "accuracy" else "mixed",
        "initializer": {"range": {"num_init_samples": options.stat_subset_size}},
        "overflow_fix": {used: name for name, used in OVERFLOW.items()}[options.saturation_fix],
        "ignored_scopes": list(options.ignored.scope),
    }
    for group, quantizers in (("weights", options.weights), ("activations", options.activations)):
        own: dict[str, Any] = {"bits": quantizers.bits}
        if quantizers.mode:
            own["mode"] = quantizers.mode
        if quantizers.granularity:
            own["per_channel"] = quantizers.granularity == "perchannel"
        result[group] = own
    return result


def _pruning(options: NncfPruning) -> tuple[dict[str, Any], set[str]]:
    """The algorithm that removes, and the settings that it says."""
    if options.algorithm == "filter_pruning":
        filters = options.filter_pruning
        target = "pruning_target" if filters.pruning_flops_target is None else "pruning_flops_target"
        names: tuple[str, ...] = (target, *_PRUNING)
        result = {
            "algorithm": options.algorithm,
            "pruning_init": filters.pruning_init,
            "params": {name: getattr(filters, name) for name in names},
            "ignored_scopes": list(filters.ignored_scopes),
        }
        said = {f"filter_pruning.{name}" for name in (*names, "pruning_init", "pruning_flops_target", "ignored_scopes")}
        return result, said
    zeros = options.sparsity
    names = (*_SPARSITY, *(["weight_importance"] if options.algorithm == "magnitude_sparsity" else []))
    names += _MULTISTEP if zeros.schedule == "multistep" else ()
    result = {
        "algorithm": options.algorithm,
        "sparsity_init": zeros.sparsity_init,
        "params": {name: getattr(zeros, name) for name in names},
        "ignored_scopes": list(zeros.ignored_scopes),
    }
    return result, {f"sparsity.{name}" for name in (*names, "sparsity_init", "ignored_scopes")}


def _rest(options: Trained, said: set[str]) -> dict[str, JsonValue]:
    """Settings that are not the method's own, and are not said yet."""
    always = ("batch_size", "train_images", "label_loss")  # which templates may have otherwise
    found: dict[str, JsonValue] = {name: _plain(fields.value(options, name)) for name in always}
    for one in sorted(fields.describe(type(options)), key=lambda one: one.name):
        value = fields.value(options, one.name)
        # One target of filters is said; what the other is counts when a person takes that away.
        other = one.name == "filter_pruning.pruning_target" and "algorithm" in said
        if one.name not in said and (other or fields.text(value) != one.default):
            found[one.name] = _plain(value)
    return found


def _plain(value: object) -> JsonValue:
    if isinstance(value, tuple):
        return [fields.text(one) for one in value]
    found: JsonValue = json.loads(json.dumps(value))
    return found
