"""What a person asks for, as a job: every setting is looked at, and all that is wrong is said at once."""

import dataclasses
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel

from jobs import consistency, fields, templates
from jobs.errors import BadConfig, BadOption, JobError
from jobs.findings import ModelFindings
from jobs.spec import JobSpec, TaskName
from jobs.templates import ConfigFile, Parameter, Resolved, Template
from otx_web.services import Services
from otx_web.store import Upload

FEW = 8
"""So many names can be read out."""


class FormError(JobError):
    """Some settings cannot be used."""

    def __init__(self, messages: Mapping[str, str]) -> None:
        """`messages` are sentences by the name of the parameter, or task, template, method, config, model, dataset."""
        self.messages = dict(messages)
        super().__init__(" ".join(self.messages.values()) or None, where=", ".join(self.messages))


@dataclass(frozen=True)
class Order:
    """What a person asks for. `given` are settings as `--set` takes them, whatever they belong to."""

    task: str
    template: str
    method: str
    model: Upload
    dataset: Upload
    given: Mapping[str, str] = dataclasses.field(default_factory=dict)
    config: ConfigFile | None = None


@dataclass(frozen=True)
class Form:
    """All that can be set for a template and a method, what was given, and what is wrong with it."""

    template: Template
    method: str
    of_model: tuple[Parameter, ...]
    of_method: tuple[Parameter, ...]
    of_job: tuple[Parameter, ...]
    given: Mapping[str, str]
    """What can be used of it, written the one way the work reads it."""
    resolved: Resolved | None
    """None when the method's settings cannot be used together."""
    messages: Mapping[str, str]

    def given_of(self, parameters: Iterable[Parameter]) -> dict[str, str]:
        """What was given for these."""
        return {one.name: self.given[one.name] for one in parameters if one.name in self.given}


def build_spec(services: Services, order: Order) -> JobSpec:
    """The job. Raises FormError with all that is wrong."""
    form = look(
        task=order.task,
        template=order.template,
        method=order.method,
        given=order.given,
        config=order.config,
        model=order.model.findings.model if order.model.findings else None,
    )
    messages = dict(form.messages)
    for kind, upload in (("model", order.model), ("dataset", order.dataset)):
        if upload.kind != kind:
            messages[kind] = f"{upload.name} is a {upload.kind}, not a {kind}."
    if messages or form.resolved is None:
        raise FormError(messages)
    return JobSpec(
        task=TaskName(order.task),
        template=order.template,
        options=form.resolved.options,
        model=services.uploads.source(order.model),
        dataset=services.uploads.source(order.dataset),
        model_settings=form.given_of(form.of_model),
        config_keys=form.resolved.config_keys,
        given=dict(form.given),
        allow_code=services.settings.code_allowed,
        limits=services.settings.limits,
        **_of_job(form),
    )


def look(
    *,
    task: str,
    template: str,
    method: str,
    given: Mapping[str, str],
    config: ConfigFile | None = None,
    model: ModelFindings | None = None,
) -> Form:
    """Every setting with its effective value, and what is wrong with what was given.

    Raises FormError when task, template or method do not exist: there is nothing to set then.
    """
    found = _template(task, template, method)
    recipe, info = (model.recipe, model.model_info) if model else ({}, {})
    messages: dict[str, str] = {}
    try:
        of_method = templates.parameters(found, method, config=config, recipe=recipe)
    except (BadConfig, BadOption) as error:
        messages["config"] = _sentence(error)
        config = None
        of_method = templates.parameters(found, method, recipe=recipe)
    supposed = model.supposed.get(task, {}) if model else {}
    of_model, of_job = templates.model_parameters(found, info, supposed), templates.job_parameters(found)
    names = [one.name for one in (*of_method, *of_model, *of_job)]
    messages |= {
        name: f"There is no setting “{name}” here. {templates.ELSEWHERE[name]}"
        if name in templates.ELSEWHERE
        else unknown("setting", name, names)
        for name in given
        if name not in names
    }
    resolved, wrong = _resolve(found, method, of_method, given, config, recipe)
    messages |= wrong
    usable = {name: text.strip() for name, text in given.items()}
    for one in (*of_model, *of_job):
        try:
            usable |= {one.name: fields.text(fields.parse(one, given[one.name]))} if one.name in given else {}
        except BadOption:
            messages[one.name] = refusal(one, given[one.name])
    usable = {name: text for name, text in usable.items() if name not in messages}
    idle = consistency.meaningless(resolved.options) if resolved else ()
    of_method = tuple(dataclasses.replace(one, visible=one.visible and one.name not in idle) for one in of_method)
    return Form(found, method, of_model, of_method, of_job, usable, resolved, messages)


def refusal(parameter: Parameter, text: str) -> str:
    """Why a value cannot be used."""
    return f"{parameter.header or parameter.name} must be {fields.allowed(parameter)}, not {fields.shown(text)}."


def unknown(kind: str, name: str, names: Collection[str]) -> str:
    """A sentence about a name that does not exist, with the nearest that does, or all of a few."""
    no = f"There is no {kind} “{name}”."
    if near := get_close_matches(name, names, 1, 0.5):
        return f"{no} Did you mean {near[0]}?"
    return f"{no} There is {', '.join(names)}." if len(names) <= FEW else no


def given_by(spec: JobSpec, form: Form) -> dict[str, str]:
    """What to give to get the same job again without the configuration file it may have had.

    `form` is that of the same template with nothing given. Of another method than the job's, it takes over what both
    have.
    """
    names = {one.name for one in fields.describe(type(spec.options))}
    options = {one.name: text_of(spec.options, one.name) for one in form.of_method if one.name in names}
    changed = {one.name: text for one in form.of_method if (text := options.get(one.name, one.value)) != one.value}
    return {
        **changed,
        **spec.model_settings,
        **{name: text for name, text in spec.given.items() if name not in names},
    }


def text_of(options: BaseModel, name: str) -> str:
    """A setting of a method by its dotted name, as `--set` takes it."""
    return fields.text(fields.value(options, name))


def propose(model: Upload | None, task: str = "") -> tuple[str, str]:
    """Task and template: what the model is for, unless a task is chosen; and the network its name tells, else any."""
    fits = model.findings.tasks if model and model.findings else ()
    if task not in list(TaskName):
        task = fits[0] if fits else TaskName.CLASSIFICATION
    names = templates.names(task)
    told = _letters(model.name) if model else ""
    known = [name for name in names if _letters(name) in told]
    return task, max(known, key=len, default=names[-1])


def _letters(name: str) -> str:
    """ "EfficientNet-B0" as "efficientnetb0"."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


# --- together


def _sentence(error: JobError) -> str:
    return f"{error.message} {error.hint}".strip()


def _template(task: str, template: str, method: str) -> Template:
    if task not in list(TaskName):
        raise FormError({"task": unknown("task", task, list(TaskName))})
    names = templates.names(task)
    if template not in names:
        raise FormError({"template": unknown("template", template, names)})
    found = templates.load(task, template)
    if method not in found.methods:
        raise FormError({"method": unknown("method", method, found.methods)})
    return found


def _resolve(
    template: Template,
    method: str,
    known: Sequence[Parameter],
    given: Mapping[str, str],
    config: ConfigFile | None,
    recipe: Mapping[str, str],
) -> tuple[Resolved | None, dict[str, str]]:
    """The options; each setting that is refused is said, and left out for the next attempt to find the others."""
    asked = {one.name: given[one.name] for one in known if one.name in given}
    messages: dict[str, str] = {}
    while True:
        try:
            return templates.resolve(template, method, given=asked, config=config, recipe=recipe), messages
        except (BadOption, BadConfig) as error:
            wrong = error.where
            if wrong not in asked:
                return None, messages | {"config" if config else "method": _sentence(error)}
            one = next(one for one in known if one.name == wrong)
            messages[wrong] = refusal(one, asked[wrong]) if _refused(one, asked[wrong]) else _sentence(error)
            asked = {name: text for name, text in asked.items() if name != wrong}


def _refused(parameter: Parameter, text: str) -> bool:
    try:
        fields.parse(parameter, text)
    except BadOption:
        return True
    return False


def _of_job(form: Form) -> dict[str, Any]:
    """Fields of the spec; pydantic reads their texts."""
    return {name: text for name, text in form.given_of(form.of_job).items() if text}
