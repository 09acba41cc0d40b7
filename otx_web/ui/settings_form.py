"""The part of the Optimise page that says what is to be done: task, template, method and all their settings."""

import json
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from jobs import templates, titles
from jobs.findings import ModelFindings
from jobs.report import ConfigKey
from jobs.spec import OPTIONS, TaskName, Trained
from otx_web.forms import Form
from otx_web.ui import fields, parts
from otx_web.ui.draft import Draft

METHODS: Mapping[str, tuple[str, str, str]] = {
    "pot_default": (
        "POT",
        "Default",
        "No labels, no training, about a minute. Start here: most models keep their accuracy.",
    ),
    "pot_accuracy_aware": (
        "POT",
        "Accuracy-aware",
        "The layers that cost most accuracy are given back to float, until little is lost. Minutes; you watch it.",
    ),
    "nncf_qat": (
        "NNCF",
        "Quantization",
        (
            "When POT loses too much. It is trained to answer as the original does: no labels are needed, though they"
            " help. Minutes; you watch it."
        ),
    ),
    "nncf_pruning": (
        "NNCF",
        "Pruning",
        (
            "When speed matters more than a point of accuracy. Filters are removed for good, and what is left is"
            " trained, then quantized. Minutes; you watch it."
        ),
    ),
    "weights": (
        "Weights only",
        "INT8 or INT4 weights",
        "Half of an FP16 model or a quarter of an FP32 one, with hardly any loss, but no faster. No images calibrate.",
    ),
}
"""Family, name and advice of each method, in the order in which they are offered."""
TASKS: Mapping[TaskName, str] = {
    TaskName.CLASSIFICATION: "Which class an image is of, or which classes.",
    TaskName.DETECTION: "Where objects are: a box each.",
    TaskName.SEGMENTATION: "Which class each pixel is of.",
    TaskName.INSTANCE_SEGMENTATION: "Where objects are: an outline each.",
    TaskName.ANOMALY_CLASSIFICATION: "Whether an image is out of the ordinary.",
    TaskName.ANOMALY_DETECTION: "Where it is out of the ordinary: boxes.",
    TaskName.ANOMALY_SEGMENTATION: "Where it is out of the ordinary: pixels.",
}
"""What a model of each answers."""
FIRST = (
    *("algorithm", "filter_pruning.pruning_flops_target", "sparsity.sparsity_target", "enable_quantization"),
    *("maximal_drop", "mode", "epochs", "train_images", "batch_size", "learning_rate", "early_stop_patience"),
    *("preset", "stat_subset_size", "max_drop", "validation_images", "max_iter_num"),
)
"""Settings that most people look at."""
FATES: Mapping[str, parts.Tone] = {"kept": "good", "changed": "unsure", "refused": "bad"}


def render(
    form: Form,
    draft: Draft,
    messages: Mapping[str, str],
    *,
    model: ModelFindings | None = None,
    model_name: str = "",
    fits: Sequence[str] = (),
    adopt: bool = False,
) -> Markup:
    """All of it. `adopt` tells the script to take over the draft's settings: the page has just been opened."""
    chosen = {name: getattr(draft, name) for name in ("task", "template", "method") if getattr(draft, name)}
    return parts.element(
        "form",
        _card(
            "3",
            "Task and template",
            _task(form, fits, messages),
            parts.element("div", _template(form, messages), classes="ow-fields"),
            fields.folded("template", "What the template sets", _sets(form, draft.config_name)),
            _preparation(form, model, model_name, messages),
        ),
        _card("4", "Method", _methods(form, messages), _settings(form, draft, messages)),
        data_given=json.dumps({**draft.given, **chosen}) if adopt else None,
        data_config=draft.config.name if draft.config else "",
    )


def _card(number: str, title: str, *body: parts.Text) -> Markup:
    heading = parts.element("h2", parts.element("span", number, classes="ow-number", aria_hidden="true"), title)
    return parts.element("section", heading, *body, classes="ow-card ow-step")


# --- task and template


def _task(form: Form, fits: Sequence[str], messages: Mapping[str, str]) -> Markup:
    """All of them; those that fit the model first, the best of them leading."""
    fitting = [TaskName(task) for task in fits if task in list(TaskName)]
    groups = [("Fit the model", fitting), ("Others", [task for task in TaskName if task not in fitting])]
    shown = [(name, tasks) for name, tasks in groups if tasks] if fitting else [("", list(TaskName))]
    boxes = (
        parts.element(
            "div",
            *([parts.element("h3", name, id=f"ow-tasks-{number}")] if name else []),
            parts.element("div", *(_one_task(form, task) for task in tasks), classes="ow-radios"),
            role="group" if name else None,
            aria_labelledby=f"ow-tasks-{number}" if name else None,
        )
        for number, (name, tasks) in enumerate(shown)
    )
    return parts.element(
        "fieldset", parts.element("legend", "Task"), *boxes, _error("task", messages), classes="ow-field ow-tasks"
    )


def _one_task(form: Form, task: TaskName) -> Markup:
    return _radio("task", task, titles.task(task), TASKS[task], checked=task == form.template.task)


def _template(form: Form, messages: Mapping[str, str]) -> Markup:
    task, name = form.template.task, form.template.name
    known = [templates.load(task, other) for other in templates.names(task)]
    options = [
        parts.element("option", other.title, value=other.name, selected="" if other.name == name else None)
        for other in known
    ]
    control = parts.element(
        "select", *options, id="ow-set-template", data_name="template", data_default=name, aria_describedby="ow-about"
    )
    about = parts.element("p", form.template.summary, classes="ow-help", id="ow-about")
    label = parts.element("label", "Template", for_="ow-set-template")
    return parts.element("div", label, control, _error("template", messages), about, classes="ow-field")


def _sets(form: Form, uploaded: str) -> Markup:
    """What the template brings, beyond the defaults of the method."""
    template = form.template
    facts: list[tuple[parts.Text, parts.Text]] = [("OTX's name", template.id)]
    if template.gflops and template.size_mb:
        size = f"{parts.significant(template.gflops)} GFLOPs an image, {parts.significant(template.size_mb)} MB"
        facts.append(("Its network", size))
    files = [one for one in (*form.of_method, *form.of_model) if one.source.endswith((".yaml", ".json", "OTX"))]
    of_files = [one for one in files if one.source != uploaded]
    rows = [(one.header or one.name, fields.said(one, one.value), one.source) for one in of_files]
    if not rows:
        return parts.join([parts.facts(facts), parts.element("p", "Every setting has the default of the method.")])
    return parts.join([parts.facts(facts), parts.table(["Setting", "Value", "From"], rows, classes="ow-compact")])


# --- how images reach the model


def _preparation(form: Form, model: ModelFindings | None, name: str, messages: Mapping[str, str]) -> Markup:
    """Model API's settings: asked for where the model does not say them, else one click away."""
    visible = [one for one in form.of_model if one.visible]
    asked = model is not None and not model.model_info
    if asked:
        opening = parts.notice(_unsaid(form, name), "unsure")
    elif model is not None:
        opening = parts.element("p", f"{name} says this itself. What you change here wins.", classes="ow-help")
    else:
        text = "What a model does not say itself is taken from the template. What you change here wins."
        opening = parts.element("p", text, classes="ow-help")
    plain = [one for one in visible if not one.advanced]
    rare = [one for one in visible if one.advanced]
    return fields.folded(
        "model",
        "How images are prepared for the model",
        opening,
        fields.fields(plain, messages),
        fields.folds(rare, messages, rest="Rarely needed"),
        open_=asked,
    )


def _unsaid(form: Form, name: str) -> str:
    """What a model does not say of itself, and where the values come from instead."""
    kind = next((one for one in form.of_model if one.name == "model_type"), None)
    prepared = "how images must be prepared for it"
    compare = "compare that with how the model was trained, since a mistake costs accuracy, before and after alike."
    if kind is not None and kind.value:
        looks = f"By its outputs it looks like {kind.value}, and is read and fed as such"
        return f"{name} does not say what kind of model it is, nor {prepared}. {looks}: {compare}"
    unsaid = prepared if kind is None else f"what kind of model it is, nor {prepared}"
    known = (
        "These values come from the template"
        if form.template.model_settings
        else "The template for any model does not either, so images go in as RGB, 0 to 255, stretched to size"
    )
    return f"{name} does not say {unsaid}. {known}: {compare}"


# --- method and settings


def _methods(form: Form, messages: Mapping[str, str]) -> Markup:
    families: dict[str, list[Markup]] = {}
    for name, (family, title, advice) in METHODS.items():
        if name in form.template.methods:
            option = _radio("method", name, title, advice, checked=name == form.method)
            families.setdefault(family, []).append(option)
    boxes = (
        parts.element("fieldset", parts.element("legend", family), *options, classes="ow-method")
        for family, options in families.items()
    )
    return parts.join([parts.element("div", *boxes, classes="ow-methods"), _error("method", messages)])


def _radio(name: str, value: str, title: str, help_: str = "", *, checked: bool) -> Markup:
    control = Markup('<input type="radio" name="{0}" data-name="{0}" value="{1}" data-default="{2}"{3}>').format(
        name, value, value if checked else "", Markup(" checked") if checked else ""
    )
    words = [parts.element("span", title, classes="ow-choice-title")]
    if help_:
        words.append(parts.element("span", help_, classes="ow-help"))
    return parts.element("label", control, parts.element("span", *words), classes="ow-radio")


def _settings(form: Form, draft: Draft, messages: Mapping[str, str]) -> Markup:
    offered = [one for one in (*form.of_method, *form.of_job) if one.visible]
    plain = [one for one in offered if not one.advanced]
    first = sorted(plain, key=lambda one: FIRST.index(one.name) if one.name in FIRST else len(FIRST))
    return fields.folded(
        "settings",
        parts.join(["Settings", parts.element("span", _summary(form), classes="ow-summary")], " "),
        fields.fields(first, messages),
        *(parts.notice(warning, "unsure") for warning in (form.resolved.warnings if form.resolved else ())),
        fields.folds([one for one in offered if one.advanced], messages, rest="Measuring"),
        _config(form, draft, messages),
    )


def _summary(form: Form) -> str:
    words = {
        "filter_pruning.pruning_flops_target": "{} fewer FLOPs",
        "filter_pruning.pruning_target": "{} fewer filters",
        "sparsity.sparsity_target": "{} zeros",
        "mode": "{}",
        "epochs": "{} epochs",
        "preset": "preset {}",
        "stat_subset_size": "{} images",
        "max_drop": "limit {}",
    }
    if form.resolved and not form.resolved.options.calibrates:
        del words["stat_subset_size"]
    values = {one: form.given.get(one.name, one.value) for one in (*form.of_method, *form.of_job) if one.visible}
    said = {one.name: fields.said(one, value) for one, value in values.items() if one.name in words and value}
    if any(one.name == "adaptive_compression_level.enabled" and value == "true" for one, value in values.items()):
        words |= {name: f"at most {words[name]}" for name in words if name.startswith("filter_pruning.")}
    if "filter_pruning.pruning_flops_target" in said:  # it wins
        said.pop("filter_pruning.pruning_target", None)
    return " · ".join(words[name].format(said[name]) for name in words if name in said)


# --- a configuration file


def _config(form: Form, draft: Draft, messages: Mapping[str, str]) -> Markup:
    choose = parts.element(
        "div",
        parts.element("label", "Configuration file", for_="ow-set-config"),
        Markup('<input type="file" id="ow-set-config" accept=".json" aria-describedby="ow-config-help">'),
        _error("config", messages),
        parts.element(
            "p",
            f"{_takes(form.method)} Every key is kept, changed or refused, and you see which.",
            classes="ow-help",
            id="ow-config-help",
        ),
        classes="ow-field",
    )
    body: list[parts.Text] = [choose]
    if draft.config:
        remove = parts.element("button", "Remove it", type="button", classes="ow-quiet", data_remove="config")
        body.append(parts.element("p", "In use: ", parts.element("b", draft.config.name), " ", remove))
    elif draft.config_name:
        text = f"{draft.config_name} is not with this browser any more."
        body.append(parts.notice(text, "unsure", "Choose the file again."))
    if draft.config and form.resolved and form.resolved.config_keys:
        body.append(keys(form.resolved.config_keys))
    open_ = bool(draft.config or draft.config_name or "config" in messages)
    return fields.folded("config", "Use a configuration file", *body, open_=open_)


def _takes(method: str) -> str:
    """Which files the method takes."""
    if method == "weights":
        return "Files are about quantization: choose a method of POT or NNCF for one."
    trains = issubclass(OPTIONS[method], Trained)
    file = "compression_config.json" if trains else "pot_optimization_config.json"
    own = "NNCF" if trains else "POT"
    return f"A {file} as OTX ships it, or {own}'s own JSON. It takes the place of the template's."


def keys(found: Sequence[ConfigKey]) -> Markup:
    """What became of each key of the configuration files."""
    rows = [
        (parts.element("code", key.key), key.value, parts.badge(key.fate.capitalize(), FATES[key.fate]), key.note)
        for key in found
    ]
    return parts.table(["Key", "Value", "Fate", "Why"], rows, classes="ow-compact ow-keys")


def _error(name: str, messages: Mapping[str, str]) -> Markup:
    return parts.element("p", messages.get(name, ""), classes="ow-error", id=f"ow-set-{name}-error")
