"""What stands on the Optimise page at one moment: the draft with all that it comes to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from jobs import model_settings, templates
from jobs.errors import JobError
from jobs.findings import Problem
from jobs.spec import JobSpec, TaskName
from otx_web import forms
from otx_web.forms import Form, FormError, Order
from otx_web.services import Services
from otx_web.store import Kind, Upload
from otx_web.ui import settings_form
from otx_web.ui.draft import Draft

KINDS: tuple[Kind, ...] = get_args(Kind)
NAMES: Mapping[Kind, str] = {"model": "model", "dataset": "sample dataset"}


@dataclass(frozen=True)
class Look:
    """The draft, its uploads, the form they make, and what is wrong."""

    draft: Draft
    model: Upload | None
    dataset: Upload | None
    form: Form
    messages: Mapping[str, str]

    @property
    def uploads(self) -> Mapping[Kind, Upload | None]:
        """By their kind."""
        return {"model": self.model, "dataset": self.dataset}

    @property
    def task(self) -> TaskName:
        """That is chosen, or proposed."""
        return TaskName(self.form.template.task)

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the dataset, once it has been looked into."""
        findings = self.dataset.findings if self.dataset else None
        return findings.dataset.labels if findings and findings.dataset else ()

    @property
    def settings_of_model(self) -> dict[str, str]:
        """What the person says of the model."""
        return self.form.given_of(self.form.of_model)

    def is_seen(self, kind: Kind) -> bool:
        """Whether an upload has been looked into; a dataset is for one task what it is not for another."""
        upload = self.uploads[kind]
        if upload is None or upload.findings is None:
            return False
        return kind == "model" or upload.findings.task == self.task

    @property
    def blocking(self) -> tuple[Problem, ...]:
        """Problems of the uploads with which no job can start."""
        found = [upload.findings for kind, upload in self.uploads.items() if upload and self.is_seen(kind)]
        return tuple(problem for one in found if one for problem in one.problems if problem.level == "error")

    @property
    def ready(self) -> bool:
        """Whether a job could start."""
        return all(map(self.is_seen, KINDS)) and not self.messages and not self.blocking

    def spec(self, services: Services) -> JobSpec:
        """The job. Raises FormError."""
        assert self.model is not None and self.dataset is not None
        template = self.form.template
        return forms.build_spec(
            services,
            Order(
                template.task,
                template.name,
                self.form.method,
                self.model,
                self.dataset,
                _of_task(self.draft.given, template.task),
                self.draft.config,
            ),
        )


def look(services: Services, asked: Draft, owner: str) -> Look:
    """Look at all of it; what names nothing that exists is said, and what is proposed takes its place."""
    brought = {kind: upload(services, kind, getattr(asked, kind), owner) for kind in KINDS}
    model = brought["model"]
    findings = model.findings.model if model and model.findings else None
    task, template = forms.propose(model, asked.task)
    chosen = {"task": asked.task or task, "template": asked.template or template, "method": asked.method}
    messages: dict[str, str] = {}
    while True:
        method = chosen["method"] or _first_method(chosen["task"], chosen["template"])
        try:
            form = forms.look(
                task=chosen["task"],
                template=chosen["template"],
                method=method,
                given=_of_task(asked.given, chosen["task"]),
                config=asked.config,
                model=findings,
            )
            break
        except FormError as error:
            messages |= error.messages
            chosen |= {name: {"task": task, "template": template}.get(name, "") for name in error.messages}
    return Look(asked, model, brought["dataset"], form, {**messages, **form.messages})


def upload(services: Services, kind: Kind, digest: str, owner: str) -> Upload | None:
    """An upload of this owner, when it is of this kind."""
    found = services.store.upload(digest, owner) if digest else None
    return found if found is not None and found.kind == kind else None


def _of_task(given: Mapping[str, str], task: str) -> dict[str, str]:
    """Without what is said of models of other tasks: it counts again when the person goes back to one."""
    others = model_settings.NAMES - {one.name for one in model_settings.of_task(task)}
    return {name: text for name, text in given.items() if name not in others}


def _first_method(task: str, template: str) -> str:
    """The first method of the template that the page offers."""
    try:
        offered = templates.load(task, template).methods
    except JobError:
        return ""
    return next((name for name in settings_form.METHODS if name in offered), "")
