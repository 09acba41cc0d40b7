"""`configs/` as typed models: OTX's own files, the parameters they offer, and the options they come to.

A value comes from the last that says it: the method's own default, the template's `pot_optimization_config.json` (for
NNCF its `compression_config.json`) or the file uploaded in its place, OTX's parameters (`configuration.yaml`,
overridden by `template.yaml`), the person. That is OTX's order; the preset in a file of OTX for POT is therefore
without effect unless a template or a person says the same.

A recipe that the model carries says how to quantize instead of the template's file, and wins over OTX's parameters too:
OTX 2.x, which wrote it, has no others. It knows nothing of training, of which the template's file still has its say.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from jobs import compression_config, configuration, consistency, fields, pot_config
from jobs import recipe as recipes
from jobs.errors import BadConfig, BadOption
from jobs.fields import Kind as Kind
from jobs.fields import Parameter as Parameter
from jobs.model_settings import model_parameters as model_parameters
from jobs.report import ConfigKey
from jobs.spec import OPTIONS, JobSpec, Options, Quantization, Trained
from jobs.template_files import GENERIC as GENERIC
from jobs.template_files import ConfigFile as ConfigFile
from jobs.template_files import Template as Template
from jobs.template_files import load as load
from jobs.template_files import names as names
from jobs.template_files import root as root
from jobs.translation import PARAMETERS, Row, Translation


@dataclass(frozen=True)
class Resolved:
    """What files and given settings come to."""

    options: Options
    config_keys: tuple[ConfigKey, ...] = ()
    warnings: tuple[str, ...] = ()


# --- the method's parameters

_PLAIN_OF_TRAINING = (
    *("epochs", "train_images", "batch_size", "learning_rate", "early_stop_patience"),
    *("preset", "ignored.scope", "ignored.operations"),
)
_PLAIN: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("pot_default", "pot_accuracy_aware"),
        (
            "maximal_drop",
            "max_iter_num",
            "preset",
            "stat_subset_size",
            "use_fast_bias",
            "model_type",
            "ignored.scope",
            "ignored.operations",
        ),
    ),
    "weights": ("mode", "ignored.scope", "ignored.operations"),
    "nncf_qat": _PLAIN_OF_TRAINING,
    "nncf_pruning": (
        "algorithm",
        "filter_pruning.pruning_flops_target",
        "sparsity.sparsity_target",
        "enable_quantization",
        *_PLAIN_OF_TRAINING,
    ),
}
"""What most people look at, by the method, in this order."""
_GROUPS = {
    **dict.fromkeys(("drop_type", "convert_to_mixed_preset", "tune_hyperparams"), "Search"),
    **dict.fromkeys(("metric_subset_ratio", "ranking_subset_size", "annotation_free"), "Search"),
    "use_prev_if_drop_increase": "Search",
    **dict.fromkeys(("quantized_epochs", "learning_rate_warmup_iters", "weight_decay", "augmentation"), "Training"),
    **dict.fromkeys(("optimizer", "label_loss"), "Training"),
    "maximal_absolute_accuracy_degradation": "Training",
    "maximal_relative_accuracy_degradation": "Training",
    **dict.fromkeys(("ratio", "group_size", "awq", "scale_estimation"), "4-bit weights"),
    "stat_subset_size": "Calibration images",
    "shuffle_data": "Calibration images",
    "seed": "Calibration images",
    "use_fast_bias": "Bias correction",
    "apply_for_all_nodes": "Bias correction",
    "threshold": "Bias correction",
    "channel_alignment": "Before quantizing",
    "model_type": "Before quantizing",
    "smooth_quant_alpha": "Before quantizing",
    "saturation_fix": "Device",
    "target_device": "Device",
    "inplace_statistics": "Device",
    "ignored.strict": "Left in float",
}
_ORDER = (
    "Search",
    "Filters",
    "Zeros",
    "Training",
    "4-bit weights",
    "Calibration images",
    "Bias correction",
    "Before quantizing",
    "Device",
    "Left in float",
)
# Weights do not change from image to image, so there is nothing to aggregate.
_MEANINGLESS = ("weights.range_estimator.min.aggregator", "weights.range_estimator.max.aggregator")
LABELS_TRAIN = ("classification", "segmentation")
"""Tasks whose labels can be learned from whatever the network: elsewhere the loss belongs to the network's own code."""
ELSEWHERE: Mapping[str, str] = {
    "label_loss": "Labels can train classifiers and semantic segmentation, with the methods of NNCF."
}
"""Settings that most tasks do not have, and which do."""
_OTX = "OTX"
_DEFAULTS = {"pot_default": "POT", "pot_accuracy_aware": "POT", "weights": "NNCF"}
"""Whose defaults a method has; those of methods that train are our own."""
_OURS = "OTX Web"
_PERSON = "you"
_NNCF = "nncf_optimization"
"""OTX's parameters of NNCF."""
_PRESETS = {"accuracy": "mixed", "asymmetric": "mixed", "symmetric": "performance"}
"""POT's other names, and what it turned them into."""
_NAMES = {"ignored.scope", "ignored.operations"}
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True)
class _Value:
    """A parameter's value and who says it."""

    value: Any
    source: str


def _parameters(template: Template, method: str) -> tuple[Parameter, ...]:
    """What can be set, in the order of a form; `configuration.yaml` has the last word on words and limits."""
    told = template.configuration.groups.get("pot_parameters") if _is_pot(method) else None
    plain = _PLAIN[method]
    found = []
    for parameter in fields.describe(OPTIONS[method]):
        if parameter.name in _MEANINGLESS or (parameter.name == "label_loss" and template.task not in LABELS_TRAIN):
            continue
        node = told.parameters.get(parameter.name) if told else None
        if node and told:
            parameter = configuration.retold(parameter, node, told.visible)
        if parameter.name == "preset":
            parameter = replace(parameter, options=tuple(one for one in parameter.options if one != "accuracy"))
        if parameter.name == "activations.granularity":
            parameter = replace(parameter, options=("", "pertensor"), description="devices have one scale for all")
        if parameter.minimum is not None and parameter.minimum == parameter.maximum:
            parameter = replace(parameter, editable=False)
        advanced = parameter.name not in plain
        group = _GROUPS.get(parameter.name, parameter.group) if advanced else ""
        found.append(replace(parameter, advanced=advanced, group=group, source=_DEFAULTS.get(method, _OURS)))
    return tuple(sorted(found, key=lambda one: _place(one, plain)))


def _is_pot(method: str) -> bool:
    return issubclass(OPTIONS[method], Quantization) and not _trains(method)


def _trains(method: str) -> bool:
    return issubclass(OPTIONS[method], Trained)


def _place(parameter: Parameter, plain: Sequence[str]) -> tuple[bool, int]:
    if not parameter.advanced:
        return False, plain.index(parameter.name)
    return True, _ORDER.index(parameter.group) if parameter.group in _ORDER else len(_ORDER)


_ANOMALY = {"learning_rate": 5e-4, "epochs": 30, "batch_size": 8}
_TRAINING: Mapping[str, Mapping[str, float]] = {
    "instance_segmentation": {"epochs": 30},
    **dict.fromkeys(("anomaly_classification", "anomaly_detection", "anomaly_segmentation"), _ANOMALY),
}
"""By the task, what its samples needed. Masks take longer to learn than classes; where features are compared, every
difference counts, and normal images are few: larger steps, and more of them. A template's own batch was for a network
that does not learn, or for another loss."""


def _said_by_otx(template: Template, method: str) -> dict[str, _Value]:
    """Parameters of a template that win over its files, as OTX's code lets them.

    Of how OTX trained a network only the batch is of use here, which says how large the network is: its rates and
    epochs are for learning from labels, with another optimizer.
    """
    if _trains(method):
        batch = _parameter(template, "learning_parameters", "batch_size", "train_batch_size")
        quantizes = _parameter(template, _NNCF, "enable_quantization") if method == "nncf_pruning" else None
        found = {"batch_size": batch, "enable_quantization": quantizes}
        said = {name: _Value(value, "configuration.yaml") for name, value in found.items() if value is not None}
        ours = {**(_TRAINING.get(template.task, {}) if method == "nncf_qat" else {}), **_labels(template)}
        return {**said, **{name: _Value(value, _OURS) for name, value in ours.items()}}
    told = template.configuration.groups.get("pot_parameters")
    if told is None or not _is_pot(method):
        return {}
    said = {name: _Value(configuration.effective(node), "configuration.yaml") for name, node in told.parameters.items()}
    return {**said, "shuffle_data": _Value(True, _OTX)}


def _labels(template: Template) -> Mapping[str, float]:
    """Labels count as much as the original's answers where they can be learned from."""
    return {"label_loss": 1.0} if template.task in LABELS_TRAIN else {}


def _layers(
    template: Template,
    method: str,
    known: Mapping[str, Parameter],
    translations: Sequence[Translation],
    *,
    uploaded: bool,
) -> dict[str, _Value]:
    """Every value in force before the person says anything."""
    *before, said = (_said_by_file(one, uploaded=uploaded) for one in translations)
    otx = {
        name: replace(value, value=fields.parse(known[name], value.value))
        for name, value in _said_by_otx(template, method).items()
        if name in known
    }
    # A batch in an uploaded file of NNCF was meant for it; what OTX has is a guess by the size of the network.
    otx_first = translations[-1].source == recipes.MODEL or (uploaded and _trains(method))
    last = (otx, said) if otx_first else (said, otx)
    return {name: value for layer in (*before, *last) for name, value in layer.items()}


def _said_by_file(translation: Translation, *, uploaded: bool) -> dict[str, _Value]:
    said = {name: _Value(value, translation.source) for name, value in translation.values.items()}
    if said.keys() & _NAMES and not uploaded:
        # Made for the exports of one version of OTX, and no person here can correct them.
        said.setdefault("ignored.strict", _Value(False, translation.source))
    return said


def _without_counterpart(template: Template, method: str) -> Iterator[ConfigKey]:
    """Parameters that the template sets for POT's own engine, or for learning from labels."""
    if method == "nncf_pruning":
        yield from _of_pruning(template)
    if _trains(method):
        rate = _parameter(template, "learning_parameters", "learning_rate", "lr")
        if rate is not None:
            yield ConfigKey(
                key="learning_parameters.learning_rate",
                value=fields.text(rate),
                fate="changed",
                note="It is for learning from labels with another optimizer; training here has its own.",
                source="template.yaml",
            )
        return
    told = template.configuration.groups.get("pot_parameters")
    for name, node in told.parameters.items() if told and _is_pot(method) else ():
        value = configuration.effective(node)
        if name not in PARAMETERS and value:
            note = pot_config.explain(name)
            yield ConfigKey(key=name, value=fields.text(value), fate="changed", note=note, source="template.yaml")


def _of_pruning(template: Template) -> Iterator[ConfigKey]:
    """OTX's parameters that chose a part of its file."""
    notes = {
        "enable_pruning": (True, "The method that was chosen prunes."),
        "pruning_supported": (True, "OTX could not prune this network's source; here its graph is pruned."),
    }
    for name, (wanted, note) in notes.items():
        value = _parameter(template, _NNCF, name)
        if value is not None:
            kept = value == wanted
            yield ConfigKey(
                key=f"{_NNCF}.{name}",
                value=fields.text(value),
                fate="kept" if kept else "changed",
                note="" if kept else note,
                source="configuration.yaml",
            )


def _parameter(template: Template, group: str, *named: str) -> int | float | bool | str | None:
    """The value of the first of these that `configuration.yaml` has."""
    told = template.configuration.groups.get(group)
    nodes = (told.parameters.get(name) for name in named) if told else ()
    return next((configuration.effective(node) for node in nodes if node is not None), None)


def _translations(
    template: Template, method: str, config: ConfigFile | None, recipe: Mapping[str, str]
) -> tuple[Translation, ...]:
    """Of all files that have their say, the later ones winning. Raises BadConfig and BadOption."""
    if recipe and config is None and method != "weights":
        of_training = _trains(method) and template.nncf
        first = (_without_quantization(_translation(template, method, None)),) if of_training else ()
        return (*first, recipes.read(recipe))
    return (_translation(template, method, config),)


def _without_quantization(translation: Translation) -> Translation:
    """What a file says of training alone, where the model itself says how to quantize."""
    note = "The model has a recipe of its own, which says how to quantize."
    other = {one.name for one in fields.describe(Quantization)}
    rows = (
        replace(row, fate="changed", note=note, parameter="", used=None, also={}) if row.parameter in other else row
        for row in translation.rows
    )
    return replace(translation, rows=tuple(rows))


def _translation(template: Template, method: str, config: ConfigFile | None) -> Translation:
    """All files are about quantization; what compresses weights alone takes none of them."""
    if method == "weights":
        if config is not None:
            raise BadConfig(
                f"“{config.name}” is about quantization, and weights alone are not quantized that way.",
                hint="Choose a method of POT or NNCF for it, or remove the file.",
                where=config.name,
            )
        return Translation("", ())
    if _trains(method) and (file := config or template.nncf):
        points = _parameter(template, _NNCF, "maximal_accuracy_degradation")
        return compression_config.read(
            file.name, file.text, method, points=None if points is None else float(points), shipped=config is None
        )
    # A network that OTX did not train with NNCF is quantized as for POT before it is trained.
    file = config or template.pot
    return pot_config.read(file.name, file.text, method) if file else Translation("", ())


def parameters(
    template: Template, method: str, *, config: ConfigFile | None = None, recipe: Mapping[str, str] = _NOTHING
) -> tuple[Parameter, ...]:
    """Every parameter of the method with its effective value and where that comes from. Raises BadConfig, BadOption."""
    _require(template, method)
    found = _parameters(template, method)
    translations = _translations(template, method, config, recipe)
    values = _layers(template, method, {one.name: one for one in found}, translations, uploaded=config is not None)
    return tuple(
        replace(one, value=fields.text(values[one.name].value), source=values[one.name].source)
        if one.name in values
        else one
        for one in found
    )


def resolve(
    template: Template,
    method: str,
    *,
    given: Mapping[str, str] = _NOTHING,
    config: ConfigFile | None = None,
    recipe: Mapping[str, str] = _NOTHING,
) -> Resolved:
    """The options that files and given settings come to.

    `given` are texts by flat dotted name, as `--set` takes them. Raises BadOption, its `where` being the parameter, and
    BadConfig.
    """
    _require(template, method)
    known = {one.name: one for one in _parameters(template, method)}
    translations = _translations(template, method, config, recipe)
    values = _layers(template, method, known, translations, uploaded=config is not None)
    warnings = [text for translation in translations for text in translation.warnings]
    if given.keys() & _NAMES:
        values["ignored.strict"] = _Value(True, _PERSON)
    for name, text in given.items():
        values.pop(name, None)  # what is said last stands last
        values[name] = _Value(_given(known, name, text, warnings), _PERSON)
    options = consistency.settled(_options(method, values), warnings)
    warnings += consistency.idle(options, given)
    keys = (_key(row, one.source, values, options) for one in translations for row in one.rows)
    return Resolved(options, (*keys, *_without_counterpart(template, method)), tuple(warnings))


def _require(template: Template, method: str) -> None:
    if method not in template.methods:
        raise BadOption(
            f"The template {template.title} does not offer the method “{method}”.",
            hint=f"It offers {', '.join(template.methods)}.",
            where="method",
        )


def _given(known: Mapping[str, Parameter], name: str, text: str, warnings: list[str]) -> Any:
    parameter = known.get(name)
    if parameter is None:
        near = get_close_matches(name, known, 1, 0.5)
        hint = ELSEWHERE.get(name) or pot_config.explain(name) or (f"Did you mean {near[0]}?" if near else "")
        raise BadOption(f"There is no setting “{name}”.", hint=hint, where=name)
    if name == "preset" and text.strip().lower() in _PRESETS:
        preset = _PRESETS[text.strip().lower()]
        warnings.append(f"The preset {text.strip()} is what POT turned into {preset}, so {preset} is used.")
        return preset
    return fields.parse(parameter, text)


def _options(method: str, values: Mapping[str, _Value]) -> Options:
    nested: dict[str, Any] = {}
    optional = {one.name for one in fields.describe(OPTIONS[method]) if one.optional}
    for name, said in values.items():
        if said.value is None and name not in optional:
            continue  # left to the method
        *path, last = name.split(".")
        inner = nested
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = [_operation(one) for one in said.value] if name == "ignored.operations" else said.value
    try:
        return OPTIONS[method].model_validate(nested)
    except ValidationError as error:
        first = error.errors()[0]
        name = next((known for known in values if _names_it(known, first["loc"])), "")
        if not name:  # several together: the last that was said of them
            group = ".".join(map(str, first["loc"]))
            last = next((known for known in reversed(list(values)) if known.startswith(f"{group}.")), "")
            raise BadOption(f"{first['msg'].removeprefix('Value error, ')}.", where=last) from error
        text = fields.shown(first["input"])
        raise BadOption(f"{name} is {text}: {_lower(first['msg'])}.", where=name) from error


def _operation(item: object) -> object:
    return item if isinstance(item, dict) else {"type": item}


def _names_it(name: str, place: tuple[int | str, ...]) -> bool:
    return name.split(".") == [str(part) for part in place][: name.count(".") + 1]


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _key(row: Row, source: str, values: Mapping[str, _Value], options: Options) -> ConfigKey:
    """What became of a key in the end: something said later may have won."""
    said = values.get(row.parameter)
    if said is None:
        return row.key(source)
    text = fields.text(fields.value(options, row.parameter))
    if text == fields.text(said.value) and said.source == source:
        return row.key(source)
    if text == fields.text(row.used):
        return row.key(source)
    return replace(row, fate="changed", note=_won(said.source, text), parameter="").key(source)


def _won(source: str, text: str) -> str:
    text = text.replace("\n", ", ") or "nothing"
    match source:
        case _ if source == _PERSON:
            return f"You set it to {text}."
        case _ if source == _OTX:
            return "OTX always draws the images at random."
        case "configuration.yaml":
            return f"OTX's own parameter wins, as in OTX: {text}, from {source}."
    return f"{source[:1].upper()}{source[1:]} says {text}."


# --- the job's parameters

JOB_PARAMETERS = tuple(
    replace(one, advanced=one.name in ("speed_seconds", "device"))
    for one in sorted(
        fields.describe(
            JobSpec,
            only=("max_drop", "validation_images", "calibrate_on", "hint", "speed_seconds", "device"),
            without=(),
        ),
        key=lambda one: one.name not in ("max_drop", "validation_images"),
    )
)
"""What belongs to a job whatever its method."""
_ANOMALY_ONLY = ("calibrate_on",)


def job_parameters(template: Template) -> tuple[Parameter, ...]:
    """The job's settings that matter for the template's task."""
    anomaly = template.task.startswith("anomaly")
    return tuple(one for one in JOB_PARAMETERS if anomaly or one.name not in _ANOMALY_ONLY)
