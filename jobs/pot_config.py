"""OTX's `pot_optimization_config.json` and POT's own JSON file, translated into the parameters of POT's two methods.

What POT did with each key was read off its code (openvino-dev 2023.3).
"""

from pydantic import JsonValue

from jobs import commented_json, config_kind, fields, translation
from jobs.errors import BadConfig
from jobs.translation import (
    CHANNELS,
    PARAMETERS,
    Reader,
    Rule,
    Translation,
    bits,
    change,
    keep,
    only,
    refuse,
    section,
    walk,
)

# --- POT's parameters


def _batch(reader: Reader, path: str, value: JsonValue) -> None:
    if value == 1:
        reader.add(path, value, "kept")
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise reader.bad(path, f"is {fields.shown(value)}; it must be a whole number of at least 1")
    note = "Images go through one by one. POT took the statistics of each image of a batch too, so they are the same."
    reader.add(path, value, "changed", note)


def _aggregator(name: str) -> Rule:
    def rule(reader: Reader, path: str, value: JsonValue) -> None:
        if value == "hl_estimator":
            note = "The engine has no Hodges-Lehmann estimator; the default is used. median is the nearest to it."
            reader.add(path, value, "refused", note)
            return
        reader.set(path, value, name, value)

    return rule


def _granularity(name: str, impossible: str, note: str) -> Rule:
    def rule(reader: Reader, path: str, value: JsonValue) -> None:
        if fields.parse(PARAMETERS[name], value) == impossible:
            reader.add(path, value, "refused", note)
            return
        reader.set(path, value, name, value)

    return rule


def _level(*accepted: int) -> Rule:
    """The end of the integers; those of 8 bits are the ones used."""

    def rule(reader: Reader, path: str, value: JsonValue) -> None:
        if value in accepted:
            reader.add(path, value, "kept", "The levels of 8 bits.")
            return
        reader.add(path, value, "refused", "The engine always uses the levels of 8 bits.")

    return rule


def _operations(reader: Reader, path: str, value: JsonValue) -> None:
    if not isinstance(value, list) or not all(isinstance(item, str | dict) for item in value):
        raise reader.bad(path, f"is {fields.shown(value)}; it must be a list of objects with a type")
    for item in value:
        if isinstance(item, dict):
            walk(reader, path, item, {"type": _nothing, "attributes": _nothing})
            if not isinstance(item.get("type"), str) or not isinstance(item.get("attributes", {}), dict | None):
                raise reader.bad(path, "must name the type of each operation, and its attributes as an object")
    reader.set(path, value, "ignored.operations", value)


def _nothing(reader: Reader, path: str, value: JsonValue) -> None:
    """A key that its parent looks at."""


def _range(prefix: str, *, aggregator: bool = True) -> Rule:
    """range_estimator, of everything or of weights or activations."""

    def end(side: str) -> Rule:
        name = f"{prefix}range_estimator.{side}"
        rules: dict[str, Rule] = {
            "type": keep(f"{name}.type"),
            "aggregator": _aggregator(f"{name}.aggregator"),
            "outlier_prob": keep(f"{name}.outlier_prob"),
            "clipping_value": keep(f"{name}.clipping_value"),
            "granularity": refuse("A range has the granularity of its quantizers."),
        }
        if not aggregator:
            rules["aggregator"] = refuse("Weights do not change from image to image, so nothing is aggregated.")
        return section(rules)

    return section({"preset": keep(f"{prefix}range_estimator.preset"), "min": end("min"), "max": end("max")})


_WEIGHTS: dict[str, Rule] = {
    "bits": bits("weights.bits"),
    "mode": keep("weights.mode"),
    "granularity": keep("weights.granularity"),
    "level_low": _level(-127),
    "level_high": _level(127),
    "range_estimator": _range("weights.", aggregator=False),
}
_ACTIVATIONS: dict[str, Rule] = {
    "bits": bits("activations.bits"),
    "mode": keep("activations.mode"),
    "granularity": _granularity("activations.granularity", "perchannel", CHANNELS),
    "level_low": _level(-128, 0),
    "level_high": _level(127, 255),
    "range_estimator": _range("activations."),
}
_IGNORED: dict[str, Rule] = {
    "scope": keep("ignored.scope"),
    "operations": _operations,
    "skip_model": only(False, "There is one model, which is what is to be quantized."),
}


def _ignored(reader: Reader, path: str, value: JsonValue) -> None:
    """For a cascade there is one such object a model, by the model's name."""
    rules = dict(_IGNORED)
    for key, inner in value.items() if isinstance(value, dict) else ():
        if key not in rules and isinstance(inner, dict) and inner.keys() <= rules.keys():
            rules[key] = refuse("This is for one model of a cascade; the uploaded model is on its own.")
    walk(reader, path, value, rules)


_TUNING = "Layerwise tuning went away with POT; training with NNCF is its successor."
_AWARE = "This belongs to AccuracyAwareQuantization: choose the method POT Accuracy-aware for it."

_COMMON: dict[str, Rule] = {
    "target_device": translation.device,
    "model_type": translation.model_type,
    "inplace_statistics": keep("inplace_statistics"),
    # The template that POT shipped spells it so, and POT therefore never read it.
    "inplase_statistics": lambda reader, path, value: reader.set(
        path,
        value,
        "inplace_statistics",
        value,
        "changed",
        "Read as inplace_statistics, which POT's template misspelt.",
    ),
    "dump_intermediate_model": only(False, "Intermediate models are not kept."),
}
_PARAMS: dict[str, Rule] = {
    **_COMMON,
    "preset": translation.preset,
    "stat_subset_size": keep("stat_subset_size"),
    "stat_batch_size": _batch,
    "shuffle_data": keep("shuffle_data"),
    "seed": keep("seed"),
    "use_fast_bias": keep("use_fast_bias"),
    "apply_for_all_nodes": keep("apply_for_all_nodes"),
    "threshold": keep("threshold"),
    "saturation_fix": keep("saturation_fix"),
    "channel_alignment": keep("channel_alignment"),
    "smooth_quant_alpha": keep("smooth_quant_alpha"),
    "range_estimator": _range(""),
    "weights": section(_WEIGHTS),
    "activations": section(_ACTIVATIONS),
    "ignored": _ignored,
    "use_layerwise_tuning": only(False, _TUNING),
    "exec_log_dir": refuse("The job has a log of its own."),
    **dict.fromkeys(
        (
            "num_samples_for_tuning",
            "batch_size",
            "optimizer",
            "loss",
            "tuning_iterations",
            "random_seed",
            "use_ranking_subset",
            "calibration_indices_pool",
            "calculate_grads_on_loss_increase_only",
            "weight_decay",
            "weights_lr",
            "bias_lr",
            "scale_lr",
            "min_lr",
        ),
        refuse(_TUNING),
    ),
}


def _most_steps(reader: Reader, path: str, value: JsonValue) -> None:
    """POT had no bound: its default is the largest integer there is."""
    most = PARAMETERS["max_iter_num"].maximum
    if isinstance(value, int | float) and most is not None and value > most:
        reader.set(path, value, "max_iter_num", int(most), "changed", "There is a bound here: a search ends.")
        return
    reader.set(path, value, "max_iter_num", value)


_SEARCH: dict[str, Rule] = {
    **{
        name: keep(name)
        for name in (
            "maximal_drop",
            "drop_type",
            "metric_subset_ratio",
            "ranking_subset_size",
            "use_prev_if_drop_increase",
            "annotation_free",
            "tune_hyperparams",
            "convert_to_mixed_preset",
        )
    },
    "max_iter_num": _most_steps,
    "metrics": change("The primary metric of the task counts, and what the original reaches is measured."),
    "base_algorithm": only("DefaultQuantization", "DefaultQuantization is what the search begins with."),
    "annotation_conf_threshold": refuse("All that the original answers is taken for the truth, however sure it is."),
}
_AWARE_PARAMS: dict[str, Rule] = {**_PARAMS, **_SEARCH}
_AWARE_REFUSED: dict[str, Rule] = {**_PARAMS, **dict.fromkeys(_SEARCH, refuse(_AWARE))}

_DATA = "The uploaded dataset is used."
_FILES = "The uploaded model is used."
_REQUESTS = "OpenVINO decides how many images are worked on at a time."
_ENGINE: dict[str, Rule] = {
    **dict.fromkeys(("config", "name", "launchers", "datasets", "type", "data_source"), change(_DATA)),
    **dict.fromkeys(("module", "module_config", "layout", "central_fraction"), change(_DATA)),
    **dict.fromkeys(("stat_requests_number", "eval_requests_number"), change(_REQUESTS)),
    "device": change("The device is a setting of the job."),
    "evaluate": change("Accuracy is always measured."),
}
_MODEL: dict[str, Rule] = {
    **dict.fromkeys(("model_name", "model", "weights", "output_dir", "direct_dump"), change(_FILES)),
    "keep_uncompressed_weights": only(False, "Weights are always stored in 8 bits."),
    "cascade": refuse("Several models in a row are not optimised together; the uploaded model is."),
}


# --- the file


def read(name: str, text: str, method: str = "pot_default") -> Translation:
    """OTX's `pot_optimization_config.json`, or POT's whole JSON file, for one of POT's methods.

    Raises BadConfig and BadOption.
    """
    data = commented_json.parse(name, text)
    if not isinstance(data, dict):
        raise BadConfig(f"“{name}” must hold an object, not {fields.shown(data)}.", where=name)
    if config_kind.is_nncf(data) and not config_kind.is_pot(data):
        raise BadConfig(
            f"“{name}” is an NNCF compression configuration, not POT's.",
            hint="Choose NNCF Quantization or NNCF Pruning for it, or upload a pot_optimization_config.json.",
            where=name,
        )
    reader = Reader(name)
    algorithms = _algorithms(aware=method == "pot_accuracy_aware")
    whole: dict[str, Rule] = {
        "model": section(_MODEL),
        "engine": section(_ENGINE),
        "compression": section({**_COMMON, "algorithms": algorithms}),
        "optimizer": refuse("Searching for the best settings went away with POT."),
        "algorithms": algorithms,
    }
    walk(reader, "", data, whole)
    compression = data.get("compression")
    if "algorithms" not in data and not (isinstance(compression, dict) and "algorithms" in compression):
        raise BadConfig(
            f"“{name}” names no algorithm.",
            hint='It needs "algorithms": [{"name": "DefaultQuantization", "params": {…}}].',
            where=name,
        )
    return reader.done()


_DEFAULT_NAME, _AWARE_NAME = "DefaultQuantization", "AccuracyAwareQuantization"


def _algorithms(*, aware: bool) -> Rule:
    """The list of algorithms, of which one runs: `aware` says whether it is the accuracy-aware one."""
    runs = _AWARE_NAME if aware else _DEFAULT_NAME

    def rule(reader: Reader, path: str, value: JsonValue) -> None:
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value) or not value:
            raise reader.bad(path, "must be a list of objects with name and params")
        entries = [(number, item) for number, item in enumerate(value) if isinstance(item, dict)]
        known = [number for number, item in entries if item.get("name") in (_DEFAULT_NAME, _AWARE_NAME)]
        if not known:
            names = ", ".join(str(item.get("name")) for _, item in entries)
            hint = f"{_DEFAULT_NAME} and {_AWARE_NAME} are what can run."
            raise reader.bad(path, f"asks for {names}, which cannot be done", hint)
        chosen = next((number for number in known if dict(entries)[number].get("name") == runs), known[0])
        for number, item in entries:
            here = f"{path}[{number}]"
            if number != chosen:
                reader.add(f"{here}.name", item.get("name"), "refused", f"Only one algorithm runs, {runs}.")
                continue
            of_search = item.get("name") == _AWARE_NAME
            params = (_AWARE_PARAMS if aware else _AWARE_REFUSED) if of_search else _PARAMS
            walk(reader, here, item, {"name": _algorithm(aware=aware), "params": section(params)})

    return rule


def _algorithm(*, aware: bool) -> Rule:
    """What a file asks for, beside what the chosen method is."""

    def rule(reader: Reader, path: str, value: JsonValue) -> None:
        if value == (_AWARE_NAME if aware else _DEFAULT_NAME):
            reader.add(path, value, "kept")
            return
        if aware:
            note = f"{_AWARE_NAME} begins with it, with these parameters; choose the method POT Default for it alone."
            reader.add(path, value, "kept", note)
            return
        note = (
            f"{_DEFAULT_NAME} runs, with the same parameters, and no layer is given back: choose the method POT"
            " Accuracy-aware for what the file asks for."
        )
        reader.add(path, value, "refused", note)
        reader.warnings.append(
            f"“{reader.source}” asks for {_AWARE_NAME}, which is the method POT Accuracy-aware; {_DEFAULT_NAME} runs"
            " instead."
        )

    return rule


def explain(name: str) -> str:
    """Why a parameter of POT is no setting here; empty for what is no parameter of POT."""
    rule = {**_ENGINE, **_AWARE_REFUSED}.get(name)
    if rule is None:
        return ""
    reader = Reader("", strict=False)
    rule(reader, name, 2)  # a value that nothing is kept with
    return reader.rows[0].note if reader.rows else ""
