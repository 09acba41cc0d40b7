"""The first page: a model and a dataset come in, are looked into, and become a job."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import gradio as gr
from anyio import to_thread
from markupsafe import Markup

from jobs import titles
from jobs.errors import JobError
from jobs.findings import Findings
from jobs.spec import TaskName
from otx_web import forms, samples
from otx_web.forms import FormError
from otx_web.guard import owner_of
from otx_web.services import Services
from otx_web.store import Kind, Upload
from otx_web.ui import brought, draft, look, parts, settings_form, trial
from otx_web.ui.draft import Draft
from otx_web.ui.look import KINDS, NAMES, Look
from otx_web.ui.parts import handler

SCRIPTS = Path(__file__).parent
OPENED = """() => {
  const named = new URLSearchParams(location.search).has('config');
  return [location.search, named ? sessionStorage.getItem('otx-web-config') || '' : ''];
}"""
COLLECTED = "async (address, config, ...rest) => [...(await window.owOptimise.collect()), ...rest]"
STARTED = "async (address, config, ...rest) => [...(await window.owOptimise.collect(true)), ...rest]"
CHANGED = "() => window.owOptimise.changed()"
REMEMBERED = """(address) => {
  const kept = location.search.slice(1).split('&').filter((pair) => pair.startsWith('__'));
  const query = [...kept, address].filter(Boolean).join('&');
  history.replaceState(history.state, '', query ? '?' + query : location.pathname);
}"""
LEFT = "(id) => { if (id) location.assign('job?id=' + id); }"
ON_PICK = """
element.addEventListener('change', (event) => {
  if (event.target.dataset.pick && event.target.value) trigger('pick', {digest: event.target.value});
});
"""
ON_SAMPLE = """
element.addEventListener('click', (event) => {
  if (!event.target.closest('button')) return;
  const task = element.querySelector('select')?.value ?? element.querySelector('button').value;
  window.owOptimise.begin(task);
  trigger('sample', {task});
});
"""

Trials = dict[str | None, asyncio.Future[Findings]]
"""What each open page is trying on three images, by its session."""


def build(services: Services) -> None:
    """Lay the page out and connect it."""
    empty = look.look(services, Draft(), "")
    with gr.Row(elem_classes="ow-intro"):
        gr.HTML(_intro())
        sample = gr.HTML(_samples(), elem_classes="ow-actions", js_on_load=ON_SAMPLE)
    remark = gr.HTML()
    drops: dict[Kind, gr.File] = {}
    found: dict[Kind, gr.HTML] = {}
    hints: dict[Kind, gr.HTML] = {}
    with gr.Row(elem_classes="ow-pair", equal_height=True):
        for number, kind in enumerate(KINDS, 1):
            with gr.Column(elem_classes="ow-card", min_width=320):
                gr.HTML(brought.heading(number, kind))
                hints[kind] = gr.HTML(brought.taken(kind, empty.task, services.settings))
                drops[kind] = gr.File(file_count="multiple", show_label=False, height=112, elem_classes="ow-drop")
                gr.HTML(brought.folder(kind), js_on_load=_script("folder.js"))
                found[kind] = gr.HTML(elem_id=f"ow-{kind}", js_on_load=ON_PICK)
    form = gr.HTML(_form(empty), elem_id="ow-form", js_on_load=_script("optimise.js"))
    tried = gr.HTML(elem_id="ow-tried")
    with gr.Row(elem_classes="ow-start"):
        button = gr.Button("Start", variant="primary", interactive=False, scale=0, min_width=140)
        note = gr.HTML(trial.note(empty), elem_id="ow-note")
    # What the script and the handlers pass on: the draft as an address, its configuration file, the uploads, the job.
    address, config, model, dataset, started = (gr.Textbox(visible="hidden") for _ in range(5))
    # What the browser brings when it opens the page. No other event writes them: a change would open it again.
    arrival = [gr.Textbox(visible="hidden") for _ in range(2)]
    digests: dict[Kind, gr.Textbox] = {"model": model, "dataset": dataset}
    asked = [address, config, model, dataset]
    settled = [*found.values(), hints["dataset"], form, note, button]

    # One way for all: whatever changes, the script says so. The form is settled and remembered, what has not been
    # looked into is, and the job is rehearsed. Each step answers at once with what the next one will do.
    lately = {**parts.LIGHT, "trigger_mode": "always_last"}
    settling = form.edit(handler(settle, services), asked, [*settled, address, config], js=COLLECTED, **lately)
    settling.then(None, address, None, js=REMEMBERED, **parts.LIGHT)
    trials: Trials = {}
    examining = settling.then(handler(examine, services), [address, config], settled, **lately)
    examining.then(handler(rehearse, services, trials), [address, config], [tried, note, button], **lately)
    form.stop(handler(stop, trials), None, None, **parts.LIGHT)

    def settle_after(event: Any) -> None:
        event.then(None, None, None, js=CHANGED, **parts.LIGHT)

    opened = [remark, model, dataset, *settled, address, config]
    settle_after(gr.on(fn=handler(open_page, services), inputs=arrival, outputs=opened, js=OPENED, **parts.LIGHT))
    for kind in KINDS:
        drop, digest, card = drops[kind], digests[kind], found[kind]
        coming = drop.upload(handler(storing, services), None, [card], **parts.LIGHT)
        settle_after(coming.then(handler(take, services, kind), drop, [drop, digest, card], **parts.LIGHT))
        settle_after(card.pick(handler(pick, services, kind), None, [digest, card], **parts.LIGHT))
    settle_after(
        sample.sample(handler(take_sample, services), None, [*digests.values(), *found.values()], **parts.LIGHT)
    )
    sent = [started, form, note, button]
    sending = button.click(handler(start, services), asked, sent, js=STARTED, **parts.LIGHT)
    sending.then(None, started, None, js=LEFT, **parts.LIGHT)


def _script(name: str) -> str:
    return (SCRIPTS / name).read_text(encoding="utf-8")


def _intro() -> Markup:
    return parts.join(
        [
            parts.element("h1", "Make a vision model smaller and faster, and see what it costs."),
            parts.element(
                "p",
                "Bring a model and some images it should work on. You get an INT8 model for OpenVINO, and an honest"
                " before and after: accuracy, speed, size.",
                classes="ow-muted",
            ),
        ]
    )


def _samples() -> Markup:
    """One button, with a choice of task where there is one."""
    known = samples.tasks()
    options = (parts.element("option", titles.task(task), value=task) for task in known)
    choice = parts.element("select", *options, aria_label="Task of the sample")
    button = parts.element("button", "Try it with the sample", type="button", value=known[0], classes="ow-button")
    return parts.element("div", button, *([choice] if len(known) > 1 else []), classes="ow-sample")


# --- handlers: uploads come in


def storing(services: Services) -> Markup:
    """A sign of life while an upload is moved into the store."""
    return brought.working(services, "Storing it")


async def open_page(services: Services, address: str, config: str, request: gr.Request) -> tuple[Any, ...]:
    """Everything as the address says."""
    owner = owner_of(request)
    wanted = parse_qs(address.lstrip("?"))
    begun, remark = draft.read(address, config), Markup()
    if job_id := wanted.get("from", [""])[0]:
        begun, remark = _from_job(services, job_id, owner)
    if (task := wanted.get("sample", [""])[0]) in samples.tasks():
        model, dataset = (upload.digest for upload in (await _sample(services, task, owner)).values())
        begun = replace(begun, model=model, dataset=dataset, task=task)
    now = look.look(services, begun, owner)
    gone = [NAMES[kind] for kind, upload in now.uploads.items() if upload is None and getattr(begun, kind)]
    if gone:
        remark = parts.notice(f"The {' and the '.join(gone)} of this address is not among your uploads.", "unsure")
    digests = [upload.digest if upload else "" for upload in now.uploads.values()]
    cards = [brought.of_look(services, now, kind, owner) for kind in KINDS]
    return remark, *digests, *cards, *_settled(services, now, adopt=True), *_kept(now)


async def take(services: Services, kind: Kind, files: list[str] | None, request: gr.Request) -> tuple[Any, ...]:
    """Move what was uploaded into the app's own store at once."""
    owner, paths = owner_of(request), [Path(file) for file in files or []]
    name = paths[0].name if len(paths) == 1 else f"{len(paths)} images" if kind == "dataset" else ""
    try:
        upload = await services.uploads.add(paths, owner, kind, name)
    except JobError as refusal:
        return None, "", brought.card(services, owner, kind, None, refusal=refusal)
    finally:
        await to_thread.run_sync(_unlink, paths)
    return None, upload.digest, _coming(services, owner, kind, upload)


def pick(services: Services, kind: Kind, request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
    """Take something uploaded earlier."""
    owner = owner_of(request)
    upload = look.upload(services, kind, str(getattr(event, "digest", "")), owner)
    if upload is None:
        refusal = JobError("This upload is not there any more.", hint="Upload it again.")
        return "", brought.card(services, owner, kind, None, refusal=refusal)
    return upload.digest, _coming(services, owner, kind, upload)


async def take_sample(services: Services, request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
    """Take model and dataset of a sample, as if they had been uploaded."""
    owner = owner_of(request)
    uploads = await _sample(services, str(getattr(event, "task", "")), owner)
    digests = [upload.digest for upload in uploads.values()]
    return *digests, *(_coming(services, owner, kind, upload) for kind, upload in uploads.items())


def _coming(services: Services, owner: str, kind: Kind, upload: Upload) -> Markup:
    """The card of an upload at which `settle` will look next."""
    busy = None if upload.findings else brought.working(services, "Looking into it")
    return brought.card(services, owner, kind, upload, busy=busy)


async def _sample(services: Services, task: str, owner: str) -> dict[Kind, Upload]:
    sample = samples.paths(task)
    return {
        "model": await services.uploads.add(sample.model, owner, "model"),
        "dataset": await services.uploads.add([sample.dataset], owner, "dataset"),
    }


def _unlink(paths: Sequence[Path]) -> None:
    """What Gradio received is in the store now."""
    for path in paths:
        path.unlink(missing_ok=True)


def _from_job(services: Services, job_id: str, owner: str) -> tuple[Draft, Markup]:
    """A job's settings to change, with those of its uploads that this owner has; and what is missing, in words."""
    job = services.store.job(job_id)
    if job is None:
        return Draft(), parts.notice("The job to start from is not there any more.", "unsure")
    spec = job.spec
    model = look.upload(services, "model", spec.model.digest, owner)
    dataset = look.upload(services, "dataset", spec.dataset.digest, owner)
    begun = Draft(
        model=model.digest if model else "",
        dataset=dataset.digest if dataset else "",
        task=spec.task,
        template=spec.template,
        method=spec.method,
    )
    try:
        findings = model.findings.model if model and model.findings else None
        form = forms.look(task=spec.task, template=spec.template, method=spec.method, given={}, model=findings)
    except FormError as error:
        return begun, parts.notice(f"Not everything of {job.name} can be set again. {error.message}", "unsure")
    begun = replace(begun, given=forms.given_by(spec, form))
    link = parts.link(f"job?id={job.id}", job.name)
    text = parts.join(["Everything is as in ", link, ". Change what you like, and start."])
    missing = [name for name, one in ((spec.model.name, model), (spec.dataset.name, dataset)) if one is None]
    if not missing:
        return begun, parts.notice(text, "accent")
    return begun, parts.notice(text, "unsure", f"You have no {' and no '.join(missing)} here: bring it first.")


# --- handlers: settings and the start


def settle(
    services: Services, address: str, config: str, model: str, dataset: str, request: gr.Request
) -> tuple[Any, ...]:
    """What the settings come to now: the form anew, with what is wrong beside its field."""
    owner = owner_of(request)
    now = look.look(services, replace(draft.read(address, config), model=model, dataset=dataset), owner)
    cards = [
        gr.skip() if upload is None or now.is_seen(kind) else brought.of_look(services, now, kind, owner)
        for kind, upload in now.uploads.items()
    ]
    return *cards, *_settled(services, now), *_kept(now)


async def examine(services: Services, address: str, config: str, request: gr.Request) -> tuple[Any, ...]:
    """Look into what has not been looked into with these settings, for this task; then all of it anew."""
    owner, asked = owner_of(request), draft.read(address, config)
    before = look.look(services, asked, owner)
    refusals = await _look_into(services, before, asked, owner)
    now = look.look(services, asked, owner)
    if now == before and not refusals:
        return tuple(gr.skip() for _ in range(6))
    cards = [
        brought.card(services, owner, kind, upload, refusal=refusals.get(kind)) for kind, upload in now.uploads.items()
    ]
    return *cards, *_settled(services, now)


async def _look_into(services: Services, now: Look, asked: Draft, owner: str) -> Mapping[Kind, JobError]:
    """Both at once when the task is chosen; else the model first, since it tells what the dataset is read for."""
    check = services.runner.check
    refusals: dict[Kind, JobError] = {}

    async def model(upload: Upload, settings: dict[str, str]) -> None:
        try:
            await check(upload, model_settings=settings)
        except JobError as error:
            refusals["model"] = error

    async def dataset(upload: Upload, task: TaskName) -> None:
        try:
            await check(upload, task=task)
        except JobError as error:
            refusals["dataset"] = error

    first = [model(now.model, now.settings_of_model)] if now.model else []
    if asked.task or now.is_seen("model"):
        await asyncio.gather(*first, *([dataset(now.dataset, now.task)] if now.dataset else []))
        return refusals
    await asyncio.gather(*first)
    if now.dataset:
        await dataset(now.dataset, look.look(services, asked, owner).task)
    return refusals


async def rehearse(
    services: Services, trials: Trials, address: str, config: str, request: gr.Request
) -> tuple[Any, ...]:
    """What a trial of the job on three images tells: pictures, and beside Start what it costs."""
    now = look.look(services, draft.read(address, config), owner_of(request))
    if not now.ready:
        return Markup(), trial.note(now), gr.update(interactive=False)
    stop(trials, request)
    try:
        spec = now.spec(services)
        found = await _try(services.runner.preview(spec), trials, request)
    except JobError as error:
        return Markup(), parts.notice(error.message, "bad", error.hint), gr.update(interactive=False)
    if found is None:
        return gr.skip(), gr.skip(), gr.skip()
    folder = f"files/previews/{services.runner.rehearsal(spec).name}"
    pictures = trial.pictures(found.pictures, now, folder)
    return pictures, trial.tried(services, found), gr.update(interactive=not found.blocked)


async def _try(work: Any, trials: Trials, request: gr.Request) -> Findings | None:
    """Wait for a trial; None when `stop` has ended it. It ends, too, when nobody waits for it any more."""
    running = trials[request.session_hash] = asyncio.ensure_future(work)
    try:
        await asyncio.wait([running])
        return None if running.cancelled() else running.result()
    finally:
        running.cancel()
        if trials.get(request.session_hash) is running:
            del trials[request.session_hash]


def stop(trials: Trials, request: gr.Request) -> None:
    """End what this page is trying: its settings change, or the job itself needs the machine now."""
    if (running := trials.pop(request.session_hash, None)) is not None:
        running.cancel()


async def start(
    services: Services, address: str, config: str, model: str, dataset: str, request: gr.Request
) -> tuple[Any, ...]:
    """Put the job into the queue. Gives back its id, on which the script goes to its page."""
    owner = owner_of(request)
    now = look.look(services, replace(draft.read(address, config), model=model, dataset=dataset), owner)
    if not now.ready:
        return "", _form(now), trial.note(now), gr.update(interactive=False)
    try:
        job = await services.runner.submit(now.spec(services), owner)
    except JobError as refusal:
        return "", gr.skip(), parts.notice(refusal.message, "bad", refusal.hint), gr.update(interactive=True)
    return job.id, gr.skip(), parts.working("Opening the job…"), gr.update(interactive=True)


def _settled(services: Services, now: Look, *, adopt: bool = False) -> tuple[Any, ...]:
    """Values of the hint, the form, the note and the button."""
    hint = brought.taken("dataset", now.task, services.settings)
    return hint, _form(now, adopt=adopt), trial.note(now), gr.update(interactive=now.ready)


def _kept(now: Look) -> tuple[str, str]:
    """The address and the configuration file, for the browser to keep."""
    config = now.draft.config
    return now.draft.address(), json.dumps({"name": config.name, "text": config.text}) if config else ""


def _form(now: Look, *, adopt: bool = False) -> Markup:
    findings = now.model.findings if now.model else None
    return settings_form.render(
        now.form,
        now.draft,
        now.messages,
        model=findings.model if findings else None,
        model_name=now.model.name if now.model else "",
        fits=findings.tasks if findings else (),
        adopt=adopt,
    )
