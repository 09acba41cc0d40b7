"""OTX's `compression_config.json` and NNCF's own JSON file, translated into the parameters of NNCF's methods.

What NNCF did with each key was read off its code (2.19, the last version that read such files), what OTX did with its
file off OTX 1.0.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from jobs import (
    commented_json,
    compression_algorithms,
    compression_parts,
    compression_pruning,
    config_kind,
    fields,
    translation,
)
from jobs.compression_parts import PRUNING, QUANTIZATION
from jobs.compression_training import BEST, LR_CONFIG, MULTIPLIER, SCHEDULE, aware, optimizer, rate
from jobs.errors import BadConfig
from jobs.spec import OPTIONS, NncfPruning
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


def _own(method: str) -> Rule:
    return section({one.name: keep(one.name) for one in fields.describe(OPTIONS[method])})


_METRIC = change("The primary metric of the task is shown after each epoch.")
_DATA = "The uploaded dataset is used."


def _nncf(method: str, by_accuracy: Rule, *, lenient: bool = False) -> dict[str, Rule]:
    """The root of NNCF's own file."""
    return {
        "input_info": _input_info,
        "target_device": translation.device,
        "hw_config_type": translation.device,
        "compression": compression_algorithms.algorithms(prunes=OPTIONS[method] is NncfPruning, lenient=lenient),
        compression_algorithms.NAS: compression_algorithms.search,
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
    **dict.fromkeys(
        ("model", "pretrained", "num_classes", "weights", "resuming_checkpoint_path"),
        change("The uploaded model is used."),
    ),
    **dict.fromkeys(("dataset", "dataset_type", "dataset_dir", "workers"), change(_DATA)),
    "multiprocessing_distributed": change("One device trains."),
}
"""What NNCF's own examples say beside it."""


def _otx(nncf: dict[str, Rule], method: str) -> dict[str, Rule]:
    """The root of what OTX's parts come to."""
    return {
        "nncf_config": section(nncf),
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
        OWN: _own(method),
    }


_TO_QUANTIZE = change("It is for training that only quantizes; what prunes has its own.")
_UNPRUNED = dict.fromkeys(("optimizer", "lr_config", "model"), _TO_QUANTIZE)
"""What a part that only quantizes says, for the method that prunes."""


def read(
    name: str, text: str, method: str = "nncf_qat", *, points: float | None = None, shipped: bool = False
) -> Translation:
    """OTX's `compression_config.json`, or NNCF's own JSON file, for a method of NNCF.

    `points` is OTX's parameter maximal_accuracy_degradation, in percentage points, where there is one; `shipped` says
    that it is the template's own file, which need not say how to prune. Raises BadConfig and BadOption.
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
    reader, prunes = Reader(name), OPTIONS[method] is NncfPruning
    by_accuracy = aware(points=points, shipped=shipped, prunes=prunes)
    if compression_parts.has_parts(data):
        chosen = _part(name, data, prunes=prunes, shipped=shipped)
        composed = compression_parts.compose(name, data, chosen)
        _other_parts(reader, data, chosen)
        inner = composed.get("nncf_config")
        compression_algorithms.require(name, inner if isinstance(inner, dict) else {})
        only_quantizes = prunes and chosen == QUANTIZATION
        rules = _otx(_nncf(method, by_accuracy, lenient=only_quantizes), method)
        walk(reader, "", composed, rules | (_UNPRUNED if only_quantizes else {}))
    else:
        compression_algorithms.require(name, data)
        walk(reader, "", data, {**_nncf(method, by_accuracy), **_BESIDE, OWN: _own(method)})
    if prunes:
        compression_pruning.fit(reader, without=OWN)
    return reader.done()


def _part(name: str, data: Mapping[str, JsonValue], *, prunes: bool, shipped: bool) -> str:
    """The part that does what the method does. Raises BadConfig when none does."""
    order = data.get(compression_parts.ORDER)
    named = order if isinstance(order, list) else []
    if not prunes:
        if QUANTIZATION not in named and PRUNING & set(map(str, named)):
            hint = "Choose the method NNCF Pruning for it."
            raise BadConfig(f"“{name}” has no part that quantizes without pruning.", hint=hint, where=name)
        return QUANTIZATION
    parts = [compression_parts.part(quantization=quantization, pruning=True) for quantization in (True, False)]
    if found := next((one for one in parts if one in named), None):
        return found
    if shipped:
        return QUANTIZATION
    if QUANTIZATION in named:
        hint = f"Choose the method NNCF Quantization for it, or add the part {parts[0]} and its name."
        raise BadConfig(f"“{name}” has no part that prunes.", hint=hint, where=name)
    return parts[0]


def _other_parts(reader: Reader, data: Mapping[str, JsonValue], chosen: str) -> None:
    order = data[compression_parts.ORDER]
    for key, value in data.items():
        if key in (compression_parts.BASE, chosen):
            continue
        if key == compression_parts.ORDER:
            reader.add(key, value, "kept", f"Of them {chosen} is merged into the base, as the method needs it.")
        elif isinstance(order, list) and key in order:
            reader.add(key, value, "refused", _for_another(key, chosen))
        else:
            raise reader.bad(
                key, f"is no part that {compression_parts.ORDER} names", "Add its name there, or remove it."
            )


def _for_another(key: str, chosen: str) -> str:
    if key in PRUNING and chosen in PRUNING:
        return f"{chosen} counts, since it quantizes, too. Take that out of {compression_parts.ORDER} to use this one."
    if key in PRUNING:
        return "This part is for the method NNCF Pruning."
    return (
        "This part is for the method NNCF Quantization." if key == QUANTIZATION else "No method here needs this part."
    )
