"""The models and datasets of this owner: what they are, which jobs used them, and a way to delete them."""

from collections.abc import Sequence
from datetime import timedelta

import gradio as gr
from markupsafe import Markup

from jobs.errors import JobError
from otx_web.guard import owner_of
from otx_web.services import Services
from otx_web.store import Kind, Summary, Upload
from otx_web.ui import cards, parts
from otx_web.ui.parts import handler

TITLES: dict[Kind, str] = {"model": "Models", "dataset": "Datasets"}
JOBS_SHOWN = 5

ON_CLICK = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-digest]');
  if (button) { button.disabled = true; trigger('submit', {digest: button.dataset.digest}); }
});
"""


def build(services: Services) -> None:
    """Lay the page out and connect it."""
    gr.HTML(parts.element("h1", "Library"))
    message = gr.HTML()
    shelves = gr.HTML(elem_id="ow-library", js_on_load=ON_CLICK)
    gr.on(fn=handler(open_page, services), inputs=None, outputs=shelves, **parts.LIGHT)
    shelves.submit(handler(delete, services), None, [message, shelves], **parts.LIGHT)


def open_page(services: Services, request: gr.Request) -> Markup:
    """Everything this owner has uploaded."""
    return _shelves(services, owner_of(request))


def delete(services: Services, request: gr.Request, event: gr.EventData) -> tuple[Markup, Markup]:
    """Delete one upload, unless a job needs it. Gives back what happened, and what is left."""
    owner = owner_of(request)
    upload = services.store.upload(str(getattr(event, "digest", "")), owner)
    if upload is None:
        return parts.notice("This upload is not there any more."), _shelves(services, owner)
    try:
        services.uploads.delete(upload.digest, owner)
    except JobError as refusal:
        text = f"{upload.name} was not deleted. {refusal.message}"
        return parts.notice(text, "unsure", refusal.hint), _shelves(services, owner)
    return parts.notice(f"{upload.name} and its files are deleted.", "good"), _shelves(services, owner)


def _shelves(services: Services, owner: str) -> Markup:
    uploads = services.store.uploads(owner)
    if not uploads:
        return parts.empty(
            "Models and datasets that you upload are kept here, so that you can use them again.",
            parts.button_link("./", "Optimise a first model", primary=True),
        )
    kept = parts.element("p", _how_long(services, uploads), classes="ow-muted")
    return parts.join([kept, *(_shelf(services, kind, uploads) for kind in TITLES)])


def _how_long(services: Services, uploads: Sequence[Upload]) -> str:
    total = parts.size(sum(upload.size_bytes for upload in uploads))
    if services.settings.keep_days is None:
        return f"{total} in all. Kept until you delete it."
    return f"{total} in all. Each is deleted {services.settings.keep_days:g} days after it was last used."


def _shelf(services: Services, kind: Kind, uploads: Sequence[Upload]) -> Markup:
    items = [_item(services, upload) for upload in uploads if upload.kind == kind]
    nothing = parts.element("p", f"No {TITLES[kind].lower()} yet.", classes="ow-muted")
    heading = parts.element("h2", TITLES[kind])
    return parts.element("section", heading, *(items or [nothing]), classes="ow-shelf")


def _item(services: Services, upload: Upload) -> Markup:
    jobs = services.uploads.uses(upload)
    heading = parts.element("h3", upload.name, " ", _mark(upload))
    line = parts.join(
        [
            parts.join([f"{parts.size(upload.size_bytes)} · added ", parts.ago(upload.created_at)]),
            *_expires(upload, jobs, services.settings.keep_days),
        ],
        " · ",
    )
    use = parts.button_link(f"./?{upload.kind}={upload.digest}", "Use it")
    return parts.element(
        "article",
        parts.element("div", heading, parts.element("p", line, classes="ow-muted"), _used_by(jobs)),
        parts.element("div", use, classes="ow-actions"),
        parts.element("div", _preview(upload), _delete(upload, jobs), classes="ow-folds"),
        classes="ow-card ow-item",
    )


def _expires(upload: Upload, jobs: Sequence[Summary], keep_days: float | None) -> list[Markup]:
    """When it goes by itself; nothing when it stays, or a job still needs it."""
    if keep_days is None or any(not job.state.done for job in jobs):
        return []
    last = max([upload.created_at, *(job.finished_at for job in jobs if job.finished_at)])
    return [parts.join(["deleted ", parts.ago(last + timedelta(days=keep_days))])]


def _mark(upload: Upload) -> Markup:
    if upload.findings is None:
        return parts.badge("Not checked yet")
    return parts.badge("Cannot be used", "bad") if upload.findings.blocked else Markup()


def _used_by(jobs: Sequence[Summary]) -> Markup:
    if not jobs:
        return parts.element("p", "No job has used it yet.", classes="ow-muted")
    links = [parts.link(f"job?id={job.id}", job.name) for job in jobs[:JOBS_SHOWN]]
    rest = [f"{len(jobs) - JOBS_SHOWN} more"] if len(jobs) > JOBS_SHOWN else []
    return parts.element("p", f"Used by {parts.count(len(jobs), 'job')}: ", parts.join([*links, *rest], ", "))


def _preview(upload: Upload) -> Markup:
    found = upload.findings
    if found is None:
        return Markup()
    body = [parts.problems(found.problems)]
    if found.model:
        body.append(cards.model(found.model))
    if found.dataset:
        body.append(cards.dataset(found.dataset, cards.thumbnails(upload)))
    return parts.more("What is in it", parts.element("div", *body, classes="ow-found"))


def _delete(upload: Upload, jobs: Sequence[Summary]) -> Markup:
    active = [job for job in jobs if not job.state.done]
    if active:
        link = parts.link(f"job?id={active[0].id}", active[0].name)
        return parts.element("p", "Cannot be deleted now: ", link, " needs it.", classes="ow-muted ow-small")
    button = parts.element(
        "button", "Delete for good", type="button", classes="ow-button ow-danger", data_digest=upload.digest
    )
    later = "Jobs that used it keep their results, but cannot be run again." if jobs else ""
    return parts.more("Delete", parts.element("p", f"This deletes {upload.name}. {later}"), button)
