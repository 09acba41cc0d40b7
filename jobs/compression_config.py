"""OTX's `compression_config.json` and NNCF's own JSON file, translated into the parameters of NNCF's method.

What NNCF did with each key was read off its code (2.19, the last version that read such files), what OTX did with its
file off OTX 1.0.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from jobs import commented_json, compression_parts, config_kind, fields, translation
from jobs.compression_algorithms import OVERFLOW, QUANTIZES, algorithms
from jobs.compression_training import BEST, LR_CONFIG, MULTIPLIER, SCHEDULE, aware, optimizer, rate
from jobs.errors import BadConfig
from jobs.spec import NncfQat
from jobs.translation import Reader, Rule, Translation, change, keep, only, section, walk

OWN = "otx_web"
"""The section for settings that NNCF's files have no key for."""

# --- the file


_INPUT: dict[str, Rule] = {
    name: lambda reader, path, value: reader.add(path, value, "kept", "The model knows its inputs.")
    for name in ("sample_size", "type", "filler", "keyword")
}


def _input_info(reader: Reader, path: str, value: JsonValue) -> None:
    many = isinstance(value, list)
    for number, one in enumerate(value if isinstance(value, list) else [value]):
        walk(reader, f"{path}[{number}]" if many else path, one, _INPUT)


def _own(reader: Reader, path: str, value: JsonValue) -> None:
    known = {one.name: keep(one.name) for one in fields.describe(NncfQat)}
    walk(reader, path, value, known)


_METRIC = change("The primary metric of the task is shown after each epoch.")
_DATA = "The uploaded dataset is used."


def _nncf(by_accuracy: Rule) -> dict[str, Rule]:
    """The root of NNCF's own file."""
    return {
        "input_info": _input_info,
        "target_device": translation.device,
        "hw_config_type": translation.device,
        "compression": algorithms,
        "accuracy_aware_training": by_accuracy,
        "compression_lr_multiplier": change(MULTIPLIER),
        "disable_shape_matching": change("Shapes are the model's."),
        "log_dir": change("The job has a log of its own."),
        "target_metric_name": _METRIC,
    }


_BESIDE: dict[str, Rule] = {
    "optimizer": optimizer,
    "batch_size": keep("batch_size"),
    "epochs": keep("epochs"),
    OWN: _own,
    **dict.fromkeys(
        ("model", "pretrained", "num_classes", "weights", "resuming_checkpoint_path"),
        change("The uploaded model is used."),
    ),
    **dict.fromkeys(("dataset", "dataset_type", "dataset_dir", "workers"), change(_DATA)),
    "multiprocessing_distributed": change("One device trains."),
}
"""What NNCF's own examples say beside it."""


def _otx(by_accuracy: Rule) -> dict[str, Rule]:
    """The root of what OTX's parts come to."""
    return {
        "nncf_config": section(_nncf(by_accuracy)),
        "nncf": section({"coeff_decrease_lr_for_nncf": only(1.0, "The rate is that of the method.")}),
        "find_unused_parameters": change("It is for training on several devices; one trains."),
        "target_metric_name": _METRIC,
        "optimizer": optimizer,
        "optimizer_config": change("Gradients are cut at a length of 10."),
        "lr_config": section(LR_CONFIG),
        "lr_finder": section({"enable": only(False, "The rate is not searched for.")}),
        "model": section({"lr": rate}),
        "params_config": change("All weights learn, from the first step on."),
        "checkpoint_config": change(BEST),
        "total_epochs": keep("epochs"),
        "train": section(
            {
                "batch_size": keep("batch_size"),
                "lr": rate,
                "max_epoch": keep("epochs"),
                "lr_scheduler": change(SCHEDULE),
                "mix_precision": only(False, "Training is in 32 bits."),
            }
        ),
        "test": section({"batch_size": change("Images are measured one by one.")}),
        OWN: _own,
    }


def read(name: str, text: str, *, points: float | None = None, shipped: bool = False) -> Translation:
    """OTX's `compression_config.json`, or NNCF's own JSON file, for the method `nncf_qat`.

    `points` is OTX's parameter maximal_accuracy_degradation, in percentage points, where there is one; `shipped` says
    that it is the template's own file. Raises BadConfig and BadOption.
    """
    data = commented_json.parse(name, text)
    if not isinstance(data, dict):
        raise BadConfig(f"“{name}” must hold an object, not {fields.shown(data)}.", where=name)
    if config_kind.is_pot(data):
        raise BadConfig(
            f"“{name}” is a configuration of POT, not NNCF's.",
            hint="Choose the method POT Default or POT Accuracy-aware for it, or upload a compression_config.json.",
            where=name,
        )
    reader = Reader(name)
    by_accuracy = aware(points=points, shipped=shipped)
    if not compression_parts.has_parts(data):
        _require_compression(name, data)
        walk(reader, "", data, {**_nncf(by_accuracy), **_BESIDE})
        return reader.done()
    chosen = compression_parts.part(quantization=True, pruning=False)
    composed = compression_parts.compose(name, data, chosen)
    _other_parts(reader, data, chosen)
    inner = composed.get("nncf_config")
    _require_compression(name, inner if isinstance(inner, dict) else {})
    walk(reader, "", composed, _otx(by_accuracy))
    return reader.done()


def _require_compression(name: str, data: Mapping[str, JsonValue]) -> None:
    if data.get("compression") in (None, [], {}):
        hint = 'It needs "compression": {"algorithm": "quantization"}.'
        raise BadConfig(f"“{name}” names no algorithm.", hint=hint, where=name)


def _other_parts(reader: Reader, data: Mapping[str, JsonValue], chosen: str) -> None:
    order = data[compression_parts.ORDER]
    for key, value in data.items():
        if key in (compression_parts.BASE, chosen):
            continue
        if key == compression_parts.ORDER:
            reader.add(key, value, "kept", f"Of them {chosen} is merged into the base, since the method quantizes.")
        elif isinstance(order, list) and key in order:
            reader.add(key, value, "refused", f"This part is for another method. {QUANTIZES}")
        else:
            raise reader.bad(
                key, f"is no part that {compression_parts.ORDER} names", "Add its name there, or remove it."
            )


# --- written


def write(options: NncfQat) -> str:
    """Settings as a file that comes to the same settings when it is read."""
    said = {one.name: fields.value(options, one.name) for one in fields.describe(NncfQat)}
    changed = {one.name for one in fields.describe(NncfQat) if fields.text(said[one.name]) != one.default}
    quantization: dict[str, Any] = {
        "algorithm": "quantization",
        "preset": options.preset.value if options.preset != "accuracy" else "mixed",
        "initializer": {"range": {"num_init_samples": options.stat_subset_size}},
        "overflow_fix": {used: name for name, used in OVERFLOW.items()}[options.saturation_fix],
        "ignored_scopes": list(options.ignored.scope),
        "validate_scopes": options.ignored.strict,
    }
    for group, quantizers in (("weights", options.weights), ("activations", options.activations)):
        own: dict[str, Any] = {"bits": quantizers.bits}
        if quantizers.mode:
            own["mode"] = quantizers.mode
        if quantizers.granularity:
            own["per_channel"] = quantizers.granularity == "perchannel"
        quantization[group] = own
    part: dict[str, Any] = {
        "optimizer": {"type": "AdamW", "lr": options.learning_rate, "weight_decay": options.weight_decay},
        "lr_config": {"warmup_iters": options.learning_rate_warmup_iters},
        "total_epochs": options.epochs,
        "nncf_config": {"target_device": options.target_device, "compression": [quantization]},
    }
    rest = {name: _plain(said[name]) for name in sorted(changed - _SAID)}
    rest |= {"batch_size": options.batch_size, "train_images": options.train_images}
    chosen = compression_parts.part(quantization=True, pruning=False)
    base: dict[str, Any] = {"nncf_config": {"compression": []}}
    whole = {"base": base, chosen: {**part, OWN: rest}, "order_of_parts": [chosen]}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


_SAID = {
    *("preset", "stat_subset_size", "saturation_fix", "ignored.scope", "ignored.strict", "target_device"),
    *("weights.bits", "weights.mode", "weights.granularity"),
    *("activations.bits", "activations.mode", "activations.granularity"),
    *("learning_rate", "weight_decay", "learning_rate_warmup_iters", "epochs"),
}
"""What NNCF's and OTX's own keys say."""


def _plain(value: object) -> JsonValue:
    if isinstance(value, tuple):
        return [fields.text(one) for one in value]
    found: JsonValue = json.loads(json.dumps(value))
    return found
