"""A job once more: as it was, or with a few settings changed."""

from jobs.errors import JobError
from jobs.report import NextStep
from jobs.spec import JobSpec
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
    chosen = steps[number]
    spec = job.spec
    form = forms.look(task=spec.task, template=spec.template, method=chosen.method, given={})
    order = forms.Order(
        task=spec.task,
        template=spec.template,
        method=chosen.method,
        model=_upload(services, job, spec.model.digest, spec.model.name),
        dataset=_upload(services, job, spec.dataset.digest, spec.dataset.name),
        given={**forms.given_by(spec, form), **chosen.set},
    )
    return forms.build_spec(services, order), chosen


def _upload(services: Services, job: Job, digest: str, name: str) -> Upload:
    found = services.store.upload(digest, job.owner)
    if found is None:
        raise UploadError(f"{name} has been deleted.", hint="Upload it again.")
    return found
