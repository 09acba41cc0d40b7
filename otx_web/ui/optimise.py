"""The first page: a model and a dataset come in, are looked into, and become a job."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args
from urllib.parse import parse_qs

import gradio as gr
from anyio import to_thread
from markupsafe import Markup

from jobs import templates, titles
from jobs.errors import JobError
from jobs.findings import Findings, Problem
from jobs.spec import JobSpec
from otx_web import forms, samples
from otx_web.forms import Form, FormError, Order
from otx_web.guard import owner_of
from otx_web.services import Services
from otx_web.settings import Settings
from otx_web.store import Kind, Upload
from otx_web.ui import cards, draft, fields, parts, settings_form
from otx_web.ui.draft import Draft
from otx_web.ui.parts import handler, whole

SOON_SECONDS = 0.15
"""An answer that comes within it needs no word about waiting."""
BEAT_SECONDS = 1.0
"""How often what takes long says that it is still at work."""
PATIENCE_SECONDS = 3.0
"""After so long, it says for how long already."""
KINDS: tuple[Kind, ...] = get_args(Kind)
NAMES: Mapping[Kind, str] = {"model": "model", "dataset": "sample dataset"}
ESTIMATE = "estimated from three images"

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

Trials = dict[str | None, asyncio.Future[Findings]]
"""What each open page is trying on three images, by its session."""


def build(services: Services) -> None:
    """Lay the page out and connect it."""
    with gr.Row(elem_classes="ow-intro"):
        gr.HTML(_intro())
        with gr.Row(elem_classes="ow-actions"):
            tries = {task: gr.Button(f"Try it with the sample: {_task_title(task)}") for task in samples.tasks()}
    remark = gr.HTML()
    drops: dict[Kind, gr.File] = {}
    found: dict[Kind, gr.HTML] = {}
    with gr.Row(elem_classes="ow-pair", equal_height=True):
        for number, kind in enumerate(KINDS, 1):
            with gr.Column(elem_classes="ow-card", min_width=320):
                gr.HTML(_heading(number, kind, services.settings))
                drops[kind] = gr.File(file_count="multiple", show_label=False, height=112, elem_classes="ow-drop")
                gr.HTML(_folder(kind), js_on_load=_script("folder.js"))
                found[kind] = gr.HTML(elem_id=f"ow-{kind}", js_on_load=ON_PICK)
    look = _look(services, Draft(), "")
    form = gr.HTML(_form(look), elem_id="ow-form", js_on_load=_script("optimise.js"))
    with gr.Row(elem_classes="ow-start"):
        button = gr.Button("Start", variant="primary", interactive=False, scale=0, min_width=140)
        note = gr.HTML(_note(services, look), elem_id="ow-note")
    # What the script and the handlers pass on: the draft as an address, its configuration file, the uploads, the job.
    address, config, model, dataset, started = (gr.Textbox(visible="hidden") for _ in range(5))
    # What the browser brings when it opens the page. No other event writes them: a change would open it again.
    arrival = [gr.Textbox(visible="hidden") for _ in range(2)]
    digests: dict[Kind, gr.Textbox] = {"model": model, "dataset": dataset}
    asked = [address, config, model, dataset]
    settled = [form, note, button, address, config]

    # One way for all: whatever changes, the script says so; the form is settled, remembered, and the job rehearsed.
    lately = {**parts.LIGHT, "trigger_mode": "always_last"}
    settling = form.edit(handler(settle, services), asked, settled, js=COLLECTED, **lately)
    settling.then(None, address, None, js=REMEMBERED, **parts.LIGHT)
    shown = [found["model"], note, button]
    trials: Trials = {}
    settling.then(handler(whole(rehearse), services, trials), [address, config], shown, **lately)
    form.stop(handler(stop, trials), None, None, **parts.LIGHT)

    def settle_after(event: Any) -> None:
        event.then(None, None, None, js=CHANGED, **parts.LIGHT)

    opened = [remark, *found.values(), model, dataset, *settled]
    opening = gr.on(fn=handler(open_page, services), inputs=arrival, outputs=opened, js=OPENED, **parts.LIGHT)
    settle_after(opening.then(handler(whole(seen), services), [model, dataset], list(found.values()), **parts.LIGHT))
    for kind in KINDS:
        drop, digest, card = drops[kind], digests[kind], found[kind]
        coming = drop.upload(handler(busy, 1), None, [card], **parts.LIGHT)
        settle_after(coming.then(handler(whole(take), services, kind), drop, [drop, digest, card], **parts.LIGHT))
        settle_after(card.pick(handler(whole(pick), services, kind), None, [digest, card], **parts.LIGHT))
    for task, sample in tries.items():
        brought = [model, dataset, *found.values()]
        coming = sample.click(handler(busy, len(KINDS)), None, list(found.values()), **parts.LIGHT)
        settle_after(coming.then(handler(whole(take_sample), services, task), None, brought, **parts.LIGHT))
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


def _heading(number: int, kind: Kind, settings: Settings) -> Markup:
    sign = parts.element("span", str(number), classes="ow-number", aria_hidden="true")
    code = ", PyTorch exported programs (.pt2)" if settings.code_allowed else ""
    taken: Mapping[Kind, str] = {
        "model": f"OpenVINO IR (.xml with .bin), ONNX, TensorFlow, TensorFlow Lite, PaddlePaddle{code}; also as a zip.",
        "dataset": "Images in a zip or a folder: one folder a class, ImageNet, COCO, Datumaro, Roboflow; or no labels.",
    }
    heading = parts.element("h2", sign, NAMES[kind].capitalize())
    return parts.join([heading, parts.element("p", taken[kind], classes="ow-help")])


def _folder(kind: Kind) -> Markup:
    button = parts.element("button", "Choose a folder instead", type="button", classes="ow-quiet")
    chooser = Markup('<input type="file" webkitdirectory hidden aria-label="Folder with the {}">').format(NAMES[kind])
    return parts.element("p", button, chooser, parts.element("span", role="status"), classes="ow-folder ow-small")


def _task_title(task: str) -> str:
    return titles.task(task).lower()


# --- handlers: uploads come in


def busy(cards_: int) -> Any:
    """A sign of life on so many cards, until their uploads have been looked into."""
    signs = tuple(parts.working("Looking into it…") for _ in range(cards_))
    return signs if cards_ > 1 else signs[0]


async def open_page(services: Services, address: str, config: str, request: gr.Request) -> tuple[Any, ...]:
    """Everything as the address says; `seen` brings what has not been looked into yet."""
    owner = owner_of(request)
    wanted = parse_qs(address.lstrip("?"))
    begun, remark = draft.read(address, config), Markup()
    if job_id := wanted.get("from", [""])[0]:
        begun, remark = _from_job(services, job_id, owner)
    if (task := wanted.get("sample", [""])[0]) in samples.tasks():
        model, dataset = (upload.digest for upload in (await _sample(services, task, owner)).values())
        begun = replace(begun, model=model, dataset=dataset)
    brought = {kind: _upload(services, kind, getattr(begun, kind), owner) for kind in KINDS}
    gone = [NAMES[kind] for kind, upload in brought.items() if upload is None and getattr(begun, kind)]
    if gone:
        remark = parts.notice(f"The {' and the '.join(gone)} of this address is not among your uploads.", "unsure")
    unseen = _unseen(brought)
    signs = {kind: parts.working(f"Looking into {upload.name}…") for kind, upload in unseen.items()}
    shown = (_found(services, owner, kind, upload, busy=signs.get(kind)) for kind, upload in brought.items())
    digests = [upload.digest if upload else "" for upload in brought.values()]
    return remark, *shown, *digests, *_settled(services, _look(services, begun, owner), adopt=True)


async def seen(services: Services, model: str, dataset: str, request: gr.Request) -> AsyncIterator[Any]:
    """The cards of what the page was opened with, where it had not been looked into yet."""
    owner = owner_of(request)
    brought = {
        kind: _upload(services, kind, digest, owner) for kind, digest in zip(KINDS, (model, dataset), strict=True)
    }
    unseen = _unseen(brought)
    if not unseen:
        yield gr.skip(), gr.skip()
        return
    async for news in _looking(services, owner, unseen):
        yield tuple(news.get(kind, gr.skip()) for kind in KINDS)


def _unseen(brought: Mapping[Kind, Upload | None]) -> dict[Kind, Upload]:
    return {kind: upload for kind, upload in brought.items() if upload and upload.findings is None}


async def take(services: Services, kind: Kind, files: list[str] | None, request: gr.Request) -> AsyncIterator[Any]:
    """Move what was uploaded into the app's own store at once, and look into it."""
    owner, paths = owner_of(request), [Path(file) for file in files or []]
    name = paths[0].name if len(paths) == 1 else f"{len(paths)} images" if kind == "dataset" else ""
    yield gr.skip(), gr.skip(), parts.working(f"Storing {name or 'the model'}…")
    try:
        upload = await services.uploads.add(paths, owner, kind, name)
    except JobError as refusal:
        yield None, "", _found(services, owner, kind, None, refusal=refusal)
        return
    finally:
        await to_thread.run_sync(_unlink, paths)
    async for news in _looking(services, owner, {kind: upload}):
        yield None, upload.digest, news[kind]


async def pick(services: Services, kind: Kind, request: gr.Request, event: gr.EventData) -> AsyncIterator[Any]:
    """Take something uploaded earlier."""
    owner = owner_of(request)
    upload = _upload(services, kind, str(getattr(event, "digest", "")), owner)
    if upload is None:
        refusal = JobError("This upload is not there any more.", hint="Upload it again.")
        yield "", _found(services, owner, kind, None, refusal=refusal)
        return
    async for news in _looking(services, owner, {kind: upload}):
        yield upload.digest, news[kind]


async def take_sample(services: Services, task: str, request: gr.Request) -> AsyncIterator[Any]:
    """Take model and dataset of a sample, as if they had been uploaded."""
    owner = owner_of(request)
    brought = await _sample(services, task, owner)
    async for news in _looking(services, owner, brought):
        yield *(upload.digest for upload in brought.values()), *news.values()


async def _sample(services: Services, task: str, owner: str) -> dict[Kind, Upload]:
    sample = samples.paths(task)
    return {
        "model": await services.uploads.add(sample.model, owner, "model"),
        "dataset": await services.uploads.add([sample.dataset], owner, "dataset"),
    }


def _upload(services: Services, kind: Kind, digest: str, owner: str) -> Upload | None:
    """An upload of this owner, when it is of this kind."""
    upload = services.store.upload(digest, owner) if digest else None
    return upload if upload is not None and upload.kind == kind else None


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
    model = _upload(services, "model", spec.model.digest, owner)
    dataset = _upload(services, "dataset", spec.dataset.digest, owner)
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


# --- looking into uploads


async def _looking(services: Services, owner: str, uploads: Mapping[Kind, Upload]) -> AsyncIterator[dict[Kind, Markup]]:
    """The cards of these uploads, again and again: that they are looked into, for how long, and what was found."""
    checks = {kind: asyncio.ensure_future(services.runner.check(upload)) for kind, upload in uploads.items()}
    async for seconds in _waiting(checks.values()):
        yield {kind: _card(services, owner, kind, uploads[kind], check, seconds) for kind, check in checks.items()}


def _card(
    services: Services, owner: str, kind: Kind, upload: Upload, check: asyncio.Future[Findings], seconds: float
) -> Markup:
    if not check.done():
        what = "Starting the engine, once" if not services.workers.ready else f"Looking into {upload.name}"
        return _found(services, owner, kind, upload, busy=_for_long(what, seconds))
    error = check.exception()
    if isinstance(error, JobError):
        return _found(services, owner, kind, upload, refusal=error)
    seen = upload.model_copy(update={"findings": check.result()})
    return _found(services, owner, kind, seen)


async def _waiting(work: Collection[asyncio.Future[Any]]) -> AsyncIterator[float]:
    """Seconds since it began, now and then, until all of it is done. It is cancelled when nobody waits any more."""
    begun = time.monotonic()
    try:
        await asyncio.wait(work, timeout=SOON_SECONDS)
        yield time.monotonic() - begun
        while left := [one for one in work if not one.done()]:
            await asyncio.wait(left, timeout=BEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            yield time.monotonic() - begun
    finally:
        for one in work:
            one.cancel()


def _for_long(what: str, seconds: float) -> Markup:
    """A line with a moving bar; after a while it says how long it has taken."""
    return parts.working(f"{what}… {parts.duration(seconds)}" if seconds >= PATIENCE_SECONDS else f"{what}…")


def _found(
    services: Services,
    owner: str,
    kind: Kind,
    upload: Upload | None,
    *,
    busy: Markup | None = None,
    refusal: JobError | None = None,
) -> Markup:
    """What is chosen, what a check found in it, and what else could be chosen."""
    body: list[Markup] = []
    if upload is not None:
        name = parts.element("b", upload.name)
        body.append(parts.element("p", _mark(upload), name, f" · {parts.size(upload.size_bytes)}", classes="ow-chosen"))
    if busy is not None:
        body.append(busy)
    if refusal is not None:
        body.append(parts.notice(refusal.message, "bad", refusal.hint))
    if upload is not None and upload.findings is not None and busy is None:
        body += _findings(upload, upload.findings)
    earlier = _earlier(services, owner, kind, upload)
    found = parts.element("div", *body, classes="ow-found") if body else Markup()
    return parts.join([found, earlier])


def _mark(upload: Upload) -> Markup:
    if upload.findings is None:
        return Markup()
    if upload.findings.blocked:
        return parts.join([parts.badge("Cannot be used", "bad"), " "])
    return parts.element("span", "✓ ", classes="ow-text-good", title="Read and understood")


def _findings(upload: Upload, found: Findings) -> list[Markup]:
    body = [parts.problems(found.problems)]
    if found.model:
        body.append(cards.model(found.model, ", ".join(_task_title(task) for task in found.tasks)))
    if found.dataset:
        body.append(cards.dataset(found.dataset, cards.thumbnails(upload.digest)))
    return body


def _earlier(services: Services, owner: str, kind: Kind, upload: Upload | None) -> Markup:
    """A list of what was uploaded earlier and can be used; nothing when there is nothing else."""
    usable = [one for one in services.store.uploads(owner, kind) if not (one.findings and one.findings.blocked)]
    others = [one for one in usable if upload is None or one.digest != upload.digest]
    if not others:
        return Markup()
    options = (
        parts.element("option", f"{one.name} · {parts.size(one.size_bytes)}", value=one.digest) for one in others
    )
    label = "Or take one you uploaded earlier" if upload is None else "Or take another you uploaded earlier"
    return parts.element(
        "div",
        parts.element("label", label, for_=f"ow-pick-{kind}"),
        parts.element(
            "select", parts.element("option", "Choose…", value=""), *options, id=f"ow-pick-{kind}", data_pick=kind
        ),
        classes="ow-field ow-earlier",
    )


# --- handlers: settings and the start


@dataclass(frozen=True)
class _Look:
    """The draft with all that it comes to."""

    draft: Draft
    model: Upload | None
    dataset: Upload | None
    form: Form
    messages: Mapping[str, str]

    @property
    def uploads(self) -> Mapping[Kind, Upload | None]:
        return {"model": self.model, "dataset": self.dataset}

    @property
    def settings_of_model(self) -> dict[str, str]:
        """What the person says of the model."""
        return self.form.given_of(self.form.of_model)

    @property
    def blocking(self) -> tuple[Problem, ...]:
        """Problems of the uploads with which no job can start."""
        found = [upload.findings for upload in self.uploads.values() if upload and upload.findings]
        return tuple(problem for one in found for problem in one.problems if problem.level == "error")

    @property
    def ready(self) -> bool:
        """Whether a job could start."""
        seen = all(upload is not None and upload.findings is not None for upload in self.uploads.values())
        return seen and not self.messages and not self.blocking


def settle(
    services: Services, address: str, config: str, model: str, dataset: str, request: gr.Request
) -> tuple[Any, ...]:
    """What the settings come to now: the form anew, with what is wrong beside its field."""
    asked = replace(draft.read(address, config), model=model, dataset=dataset)
    return _settled(services, _look(services, asked, owner_of(request)))


async def rehearse(
    services: Services, trials: Trials, address: str, config: str, request: gr.Request
) -> AsyncIterator[Any]:
    """The model looked into again where its settings changed; then what a trial on three images told, beside Start."""
    owner = owner_of(request)
    look = _look(services, draft.read(address, config), owner)
    try:
        if (model := look.model) and model.findings:
            check = asyncio.ensure_future(services.runner.check(model, model_settings=look.settings_of_model))
            async for seconds in _waiting([check]):
                if not check.done():
                    yield gr.skip(), _for_long(f"Looking into {model.name} again", seconds), gr.skip()
            if check.result() != model.findings:
                look = _look(services, look.draft, owner)
                yield (
                    _found(services, owner, "model", look.model),
                    _note(services, look),
                    gr.update(interactive=look.ready),
                )
        if not look.ready:
            yield gr.skip(), _note(services, look), gr.update(interactive=False)
            return
        trial = asyncio.ensure_future(services.runner.preview(_rehearsed(forms.build_spec(services, _order(look)))))
        stop(trials, request)
        trials[request.session_hash] = trial
        async for seconds in _waiting([trial]):
            if not trial.done():
                yield gr.skip(), _for_long("Trying it on three images", seconds), gr.update(interactive=True)
        if trial.cancelled():  # by `stop`
            yield gr.skip(), gr.skip(), gr.skip()
            return
        found = trial.result()
    except JobError as error:
        yield gr.skip(), parts.notice(error.message, "bad", error.hint), gr.update(interactive=False)
        return
    finally:
        if (latest := trials.get(request.session_hash)) is not None and latest.done():
            del trials[request.session_hash]
    yield gr.skip(), _tried(services, found), gr.update(interactive=not found.blocked)


def stop(trials: Trials, request: gr.Request) -> None:
    """End what this page is trying: its settings change, or the job itself needs the machine now."""
    if (trial := trials.pop(request.session_hash, None)) is not None:
        trial.cancel()


async def start(
    services: Services, address: str, config: str, model: str, dataset: str, request: gr.Request
) -> tuple[Any, ...]:
    """Put the job into the queue. Gives back its id, on which the script goes to its page."""
    owner = owner_of(request)
    look = _look(services, replace(draft.read(address, config), model=model, dataset=dataset), owner)
    if not look.ready:
        return "", _form(look), _note(services, look), gr.update(interactive=False)
    try:
        job = await services.runner.submit(forms.build_spec(services, _order(look)), owner)
    except JobError as refusal:
        return "", gr.skip(), parts.notice(refusal.message, "bad", refusal.hint), gr.update(interactive=True)
    return job.id, gr.skip(), parts.working("Opening the job…"), gr.update(interactive=True)


def _look(services: Services, asked: Draft, owner: str) -> _Look:
    """Look at all of it; what names nothing that exists is said, and what is proposed takes its place."""
    brought = {kind: _upload(services, kind, getattr(asked, kind), owner) for kind in KINDS}
    model = brought["model"]
    findings = model.findings.model if model and model.findings else None
    task, template = forms.propose(model)
    chosen = {"task": asked.task or task, "template": asked.template or template, "method": asked.method}
    messages: dict[str, str] = {}
    while True:
        method = chosen["method"] or _methods(chosen["task"], chosen["template"])
        try:
            form = forms.look(
                task=chosen["task"],
                template=chosen["template"],
                method=method,
                given=asked.given,
                config=asked.config,
                model=findings,
            )
            break
        except FormError as error:
            messages |= error.messages
            chosen |= {name: {"task": task, "template": template}.get(name, "") for name in error.messages}
    return _Look(asked, model, brought["dataset"], form, {**messages, **form.messages})


def _methods(task: str, template: str) -> str:
    """The first method of the template that the page offers."""
    try:
        offered = templates.load(task, template).methods
    except JobError:
        return ""
    return next((name for name in settings_form.METHODS if name in offered), "")


def _order(look: _Look) -> Order:
    assert look.model is not None and look.dataset is not None
    template = look.form.template
    given = look.draft.given
    return Order(template.task, template.name, look.form.method, look.model, look.dataset, given, look.draft.config)


def _rehearsed(spec: JobSpec) -> JobSpec:
    """The spec without what changes nothing in a rehearsal, so that it is tried once."""
    return spec.model_copy(update={"given": {}, "config_keys": (), "max_drop": 0.01})


def _settled(services: Services, look: _Look, *, adopt: bool = False) -> tuple[Any, ...]:
    """Values of the form, the note, the button, the address and the configuration file."""
    config = look.draft.config
    kept = json.dumps({"name": config.name, "text": config.text}) if config else ""
    return (
        _form(look, adopt=adopt),
        _note(services, look),
        gr.update(interactive=look.ready),
        look.draft.address(),
        kept,
    )


def _form(look: _Look, *, adopt: bool = False) -> Markup:
    findings = look.model.findings if look.model else None
    return settings_form.render(
        look.form,
        look.draft,
        look.messages,
        model=findings.model if findings else None,
        model_name=look.model.name if look.model else "",
        fits=findings.tasks if findings else (),
        adopt=adopt,
    )


# --- beside Start


def _note(services: Services, look: _Look) -> Markup:
    """What is missing or stops it; while nothing does, that it is about to be tried."""
    missing = [NAMES[kind] for kind, upload in look.uploads.items() if upload is None]
    if missing:
        return parts.element("p", f"Choose a {' and a '.join(missing)} first.", classes="ow-muted")
    if look.blocking:
        named = [parts.element("li", problem.message) for problem in look.blocking]
        return parts.notice("It cannot start like this; above stands what to do.", "bad", parts.element("ul", *named))
    if look.messages:
        said = parts.element("ul", *(_mistake(name, look) for name in look.messages))
        return parts.notice("Change this first:", "bad", said)
    if not look.ready:
        return parts.element("p", "Wait until both have been looked into.", classes="ow-muted")
    return parts.working("Trying it on three images…")


def _mistake(name: str, look: _Look) -> Markup:
    """What is wrong with a setting, as a way to it."""
    known = (*look.form.of_method, *look.form.of_model, *look.form.of_job)
    one = next((one for one in known if one.name == name), None)
    text = fields.message(one, look.messages) if one else look.messages[name]
    button = parts.element("button", text, type="button", classes="ow-quiet", data_field=fields.control_id(name))
    return parts.element("li", button)


def _tried(services: Services, found: Findings) -> Markup:
    if found.blocked:
        return parts.join(
            [parts.element("p", "It would fail, as it did on three images:"), parts.problems(found.problems)]
        )
    costs = []
    if found.seconds_estimate is not None:
        costs.append(f"About {_roughly(found.seconds_estimate)}")
    if found.memory_estimate_bytes is not None:
        costs.append(f"{parts.size(float(f'{found.memory_estimate_bytes:.1e}'))} of memory")
    line = parts.element("p", ", ".join([*costs, ESTIMATE]) + "." + _queue(services))
    notes = [problem for problem in found.problems if problem.level == "info"]
    folded = [parts.more(f"{parts.count(len(notes), 'note')} on it", parts.problems(notes))] if notes else []
    warnings = parts.problems(problem for problem in found.problems if problem.level == "warning")
    return parts.join([line, warnings, *folded])


def _roughly(seconds: float) -> str:
    """As exact as an estimate is: "7 s", "45 s", "2 min 10 s"."""
    step = 1 if seconds < 20 else 5 if seconds < 60 else 10 if seconds < 600 else 60
    whole = max(1, round(seconds / step) * step)
    return parts.duration(whole) if whole >= 10 else f"{whole}{parts.SPACE}s"


def _queue(services: Services) -> str:
    running, queued = services.store.count_active()
    ahead = running + queued
    return f" {parts.count(ahead, 'job')} before it." if ahead >= services.settings.workers else ""
