"""A check or a job without a page: what the command line does, with the same store, uploads, queue and workers."""

import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import anyio
from anyio import create_task_group, open_signal_receiver, to_thread

from jobs import consistency, fields, model_settings, torch_names
from jobs.errors import JobError
from jobs.findings import Findings, Problem
from jobs.report import FILE_NAME as REPORT_NAME
from jobs.spec import FILE_NAME as SPEC_NAME
from jobs.spec import JobSpec, TaskName
from otx_web import files, forms, terminal
from otx_web.errand import Errand, WrongArgument
from otx_web.forms import Form, FormError, Order
from otx_web.guard import LOCAL_OWNER
from otx_web.progress import Progress
from otx_web.services import Services
from otx_web.store import Job, Kind, Upload

LOOK_SECONDS = 0.1
NOT_COPIED = ".zip"
"""What lies in the folder as it is need not lie there packed."""


async def check(services: Services, errand: Errand) -> Findings:
    """Look into the model, the dataset, or both; both are then tried together on three images.

    A configuration file is read for what there is, and each of its keys told.

    Raises FormError when the settings cannot be used, UploadError when the files cannot be taken.
    """
    uploads = await _bring(services, errand)
    found: list[Findings] = []
    for upload in uploads.values():  # the model first: it may tell the task that the dataset is read for
        found.append(await _look(services, upload, errand, found))
    if len(uploads) == 2 and not any(one.blocked for one in found):
        found.append(await services.runner.preview(_spec(services, errand, uploads)))
    if errand.config or len(uploads) == 2:
        found.append(_of_settings(_form(services, errand, uploads), errand))
    return _together(found)


async def optimise(
    services: Services, errand: Errand, show: Callable[[Progress], None], say: Callable[[str], None]
) -> Job:
    """Put a job into the history, run it here, and give it back when it is done.

    `show` is called a few times a second, `say` with lines that stay: what became of the configuration file. Ctrl-C
    cancels the job; while it trains, the first one ends the training with the best so far. Raises as `check` does,
    before there is a job, and WrongArgument where a person must agree first.
    """
    uploads = await _bring(services, errand)
    await _look(services, uploads["model"], errand, ())  # for the recipe that OTX may have left in it
    spec = _spec(services, errand, uploads)
    for line in terminal.problems_and_keys(_of_settings(_form(services, errand, uploads), errand)):
        say(line)
    if _uses_old_names(spec, errand) and not errand.accept_scopes:
        await _ask(services, spec, say)
    job = await services.runner.submit(spec, LOCAL_OWNER, errand.name)
    async with create_task_group() as group:
        group.start_soon(_watch, services, job, show)
        group.start_soon(_cancel_on_signal, services, job)
        done = await services.runner.run(job.id)
        group.cancel_scope.cancel()
    if done is None:
        raise JobError(f"Job {job.id} was deleted while it ran.")
    show(services.runner.progress(done))
    return done


def copy(job_dir: Path, job: Job, folder: Path) -> None:
    """What a job made, into a folder of the person's: the model, the report, the settings."""
    made = [artifact.path for artifact in job.report.artifacts] if job.report else []
    for name in (*made, REPORT_NAME, SPEC_NAME):
        path = files.inside(job_dir, name)
        if path is not None and path.suffix != NOT_COPIED:
            shutil.copyfile(path, folder / path.name)


async def _bring(services: Services, errand: Errand) -> dict[Kind, Upload]:
    """What was given, in the store."""
    uploads: dict[Kind, Upload] = {}
    if errand.model:
        uploads["model"] = await services.uploads.add(errand.model, LOCAL_OWNER, "model")
    if errand.dataset:
        uploads["dataset"] = await services.uploads.add([errand.dataset], LOCAL_OWNER, "dataset")
    return uploads


async def _look(services: Services, upload: Upload, errand: Errand, before: Sequence[Findings]) -> Findings:
    settings = _of_model(errand.given) if upload.kind == "model" else None
    task = errand.task or next((TaskName(one.tasks[0]) for one in before if one.tasks), None)
    return await services.runner.check(upload, task=task, model_settings=settings)


def _of_model(given: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in given.items() if name in model_settings.NAMES}


def _known(services: Services, uploads: Mapping[Kind, Upload]) -> dict[Kind, Upload]:
    """With what the checks have found."""
    return {kind: services.store.upload(upload.digest, upload.owner) or upload for kind, upload in uploads.items()}


def _form(services: Services, errand: Errand, uploads: Mapping[Kind, Upload]) -> Form:
    """What the settings come to. Raises FormError with all that is wrong with them."""
    model = _known(services, uploads).get("model")
    task, template = forms.propose(model, errand.task or "")
    form = forms.look(
        task=task,
        template=errand.template or template,
        method=errand.method,
        given=errand.given,
        config=errand.config,
        model=model.findings.model if model and model.findings else None,
    )
    if form.messages:
        raise FormError(form.messages)
    return form


def _of_settings(form: Form, errand: Errand) -> Findings:
    """What a person should know of the settings before the start, and what became of their configuration file."""
    if form.resolved is None:
        return Findings()
    warnings = (Problem(level="warning", where="settings", message=text) for text in form.resolved.warnings)
    file = errand.config.name if errand.config else ""
    keys = tuple(key for key in form.resolved.config_keys if key.source == file)
    return Findings(problems=tuple(warnings), config_keys=keys)


def _uses_old_names(spec: JobSpec, errand: Errand) -> bool:
    """Whether a person calls operations by names that today's graph does not have; a template's are our own doing."""
    said = [
        name
        for one in consistency.scopes(spec.options)
        if errand.config or one.name in errand.given
        for name in fields.names(spec.options, one.name)
    ]
    return any(map(torch_names.is_old, said))


async def _ask(services: Services, spec: JobSpec, say: Callable[[str], None]) -> None:
    """Show what old names mean in the model. Raises WrongArgument, since nobody is there to agree."""
    say("Looking for the operations that are called by old names")
    found = await services.runner.preview(spec)
    guessed = [problem for problem in found.problems if problem.settings]
    shown = found.problems if found.blocked else (problem for problem in found.problems if problem.items)
    for line in terminal.problems_and_keys(Findings(problems=tuple(shown))):
        say(line)
    if found.blocked:
        raise JobError("The job would fail, as it did on three images.")
    if guessed:
        names = ", ".join(f"--set {name}=…" for problem in guessed for name in problem.settings)
        raise WrongArgument(
            "What these old names mean in the model is a guess, and you have not agreed to it.",
            hint=f"If it is right, say --accept-scopes; if not, name the model's own operations with {names}.",
        )


def _spec(services: Services, errand: Errand, uploads: Mapping[Kind, Upload]) -> JobSpec:
    """The job, from what the checks have found. Raises FormError with all that is wrong."""
    known = _known(services, uploads)
    task, template = forms.propose(known["model"], errand.task or "")
    order = Order(
        task=task,
        template=errand.template or template,
        method=errand.method,
        model=known["model"],
        dataset=known["dataset"],
        given=errand.given,
        config=errand.config,
    )
    return forms.build_spec(services, order)


def _together(found: Sequence[Findings]) -> Findings:
    """One of all, each problem once."""
    problems: dict[tuple[str, str], Problem] = {}
    for one in found:
        for problem in one.problems:
            problems.setdefault((problem.level, problem.message), problem)
    return Findings(
        model=next((one.model for one in found if one.model), None),
        dataset=next((one.dataset for one in found if one.dataset), None),
        tasks=next((one.tasks for one in found if one.tasks), ()),
        problems=tuple(problems.values()),
        config_keys=next((one.config_keys for one in found if one.config_keys), ()),
        seconds_estimate=next((one.seconds_estimate for one in found if one.seconds_estimate), None),
        memory_estimate_bytes=next((one.memory_estimate_bytes for one in found if one.memory_estimate_bytes), None),
    )


async def _watch(services: Services, job: Job, show: Callable[[Progress], None]) -> None:
    while True:
        show(await to_thread.run_sync(services.runner.progress, job))
        await anyio.sleep(LOOK_SECONDS)


async def _cancel_on_signal(services: Services, job: Job) -> None:
    """Without this, a job whose process is told to end would go back into the queue."""
    with open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for one in signals:
            progress = await to_thread.run_sync(services.runner.progress, job)
            if one == signal.SIGINT and progress.trains and not progress.stopping:
                await services.runner.stop(job.id)
            else:
                await services.runner.cancel(job.id)
