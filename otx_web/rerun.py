"""A job once more: as it was, or with a few settings changed."""

from jobs.errors import JobError
from jobs.report import NextStep
from jobs.spec import JobSpec, Source
from otx_web import forms
from otx_web.services import Services
from otx_web.store import Job, Upload
from otx_web.uploads import UploadError


class NoSuchStep(JobError):
    """This job does not recommend such a step."""

    hint = "Reload the page."


def again(services: Services, job: Job) -> JobSpec:
    """The same work, within what the operator allows today."""
    settings = services.settings
    return job.spec.model_copy(update={"limits": settings.limits, "allow_code": settings.code_allowed})


def step(services: Services, job: Job, number: int) -> tuple[JobSpec, NextStep]:
    """The work with what the report's recommendation of this number changes. Raises `JobError`."""
    steps = job.report.verdict.next if job.report and job.report.verdict else ()
    if not 0 <= number < len(steps):
        raise NoSuchStep
    chosen, spec = steps[number], job.spec
    model = _upload(services, job, spec.model)
    found = model.findings.model if model.findings else None
    form = forms.look(task=spec.task, template=spec.template, method=chosen.method, given={}, model=found)
    order = forms.Order(
        task=spec.task,
        template=spec.template,
        method=chosen.method,
        model=model,
        dataset=_upload(services, job, spec.dataset),
        given={**forms.given_by(spec, form), **chosen.set},
    )
    return forms.build_spec(services, order), chosen


def _upload(services: Services, job: Job, source: Source) -> Upload:
    found = services.store.upload(source.digest, job.owner)
    if found is None:
        raise UploadError(f"{source.name} has been deleted.", hint="Upload it again.")
    return found
