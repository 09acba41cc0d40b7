"""One job: how far it is while it runs, what came of it at the end, and what can be done with it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gradio as gr
from anyio import to_thread
from markupsafe import Markup

from jobs import titles
from jobs.report import Failure
from otx_web import progress as progresses
from otx_web import rerun
from otx_web.guard import owner_of
from otx_web.progress import Progress
from otx_web.services import Services
from otx_web.store import Job, State, Summary
from otx_web.ui import details, log, manage, parts, result, running
from otx_web.ui.parts import Text, element, handler, join
from otx_web.ui.result import Seen

HERE = Path(__file__).parent
RUNNING_SECONDS = 1.0
QUEUED_SECONDS = 2.5
KEPT = "Its log and what had been measured are kept; there is no optimised model."
GO = "watch('value', () => { const link = element.querySelector('a'); if (link) window.location.assign(link.href); });"


@dataclass(frozen=True)
class Screen:
    """What the page shows of a job at one moment."""

    head: Markup
    body: Markup
    log: Markup
    wait: float | None
    """Seconds until the next look; None when nothing more will happen."""


@dataclass(frozen=True)
class Shown:
    """Fingerprints of what is on the screen, so that only what changed is sent."""

    head: int = 0
    body: int = 0
    log: int = 0
    wait: float | None = None


def build(services: Services) -> None:
    """Lay the page out and connect it."""
    head, message = gr.HTML(), gr.HTML(elem_classes="ow-message")
    body = gr.HTML(parts.working("Reading the job"), js_on_load=(HERE / "job.js").read_text(encoding="utf-8"))
    tail = gr.HTML(js_on_load=(HERE / "follow.js").read_text(encoding="utf-8"))
    go = gr.HTML(js_on_load=GO)
    dialog = manage.dialog()
    shown, timer = gr.State(Shown()), gr.Timer(RUNNING_SECONDS, active=False)
    screen = [head, body, tail, shown, timer]
    gr.on(fn=handler(look, services), inputs=shown, outputs=screen, **parts.LIGHT)
    timer.tick(handler(look, services), shown, screen, **parts.LIGHT)
    body.submit(handler(act, services), shown, [message, go, *screen], **parts.LIGHT)
    dialog.submit(handler(change, services), shown, [message, go, *screen], **parts.LIGHT)


def look(services: Services, shown: Shown, request: gr.Request) -> tuple[Any, ...]:
    """How it is now: what changed since it was last shown."""
    return _updates(screen(services, _id(request), owner_of(request)), shown)


async def act(services: Services, shown: Shown, request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
    """Cancel the job, end its training with the best so far, run it again, or take a step its report recommends."""
    owner = owner_of(request)
    job = await to_thread.run_sync(services.store.job, _id(request))
    message, go = Markup(), Markup()
    if job is not None and job.owner == owner:
        match getattr(event, "act", ""):
            case "cancel":
                message = _cancelled(await services.runner.cancel(job.id, owner))
            case "stop":
                await services.runner.stop(job.id, owner)
            case "again":
                go = _to(await services.runner.submit(rerun.again(services, job), owner, job.name))
            case "step":
                spec, chosen = rerun.step(services, job, _number(event))
                go = _to(await services.runner.submit(spec, owner, _step_name(job.name, chosen.title)))
    now = await to_thread.run_sync(screen, services, _id(request), owner)
    return message, go, *_updates(now, shown)


async def change(services: Services, shown: Shown, request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
    """Rename the job, or delete it and go to the history."""
    owner = owner_of(request)
    done, message = await manage.act(services, event, owner)
    gone = done == "delete" and await to_thread.run_sync(services.store.summary, _id(request)) is None
    go = element("a", href="jobs", hidden="") if gone else Markup()
    now = await to_thread.run_sync(screen, services, _id(request), owner)
    return message, go, *_updates(now, shown)


def _id(request: gr.Request) -> str:
    return str(dict(request.query_params).get("id", ""))


def _number(event: gr.EventData) -> int:
    number = getattr(event, "number", -1)
    return number if isinstance(number, int) else -1


def _to(job: Job) -> Markup:
    """A link that the page follows by itself."""
    return element("a", href=f"job?id={job.id}", hidden="")


def _step_name(name: str, title: str) -> str:
    """The first job's name with the last step taken."""
    return f"{name.partition(' · ')[0]} · {title}"[: manage.LONGEST_NAME]


def _cancelled(state: State) -> Markup:
    if state is State.CANCELLED:
        return Markup()  # the body says it
    return parts.notice("The job had ended before it could be cancelled.")


def _updates(now: Screen, shown: Shown) -> tuple[Any, ...]:
    """For head, body, log, state and timer: only what changed."""
    after = Shown(hash(now.head), hash(now.body), hash(now.log), now.wait)
    if after == shown:
        return tuple(gr.skip() for _ in range(5))
    pieces = ((now.head, after.head, shown.head), (now.body, after.body, shown.body), (now.log, after.log, shown.log))
    sent = [gr.skip() if new == old else piece for piece, new, old in pieces]
    timer = gr.skip() if now.wait == shown.wait else gr.Timer(now.wait or RUNNING_SECONDS, active=now.wait is not None)
    return *sent, after, timer


# --- what is shown


def screen(services: Services, job_id: str, owner: str) -> Screen:
    """The job as `owner` may see it. A job that is not done needs neither its spec nor a report."""
    row = services.store.summary(job_id)
    if row is None:
        nothing = parts.empty(
            "There is no job at this address. It may have been deleted.",
            parts.link("jobs", "All jobs", classes="ow-button"),
        )
        return Screen(Markup(), nothing, Markup(), None)
    seen = Seen(row.id, owns=row.owner == owner, files=not row.files_deleted)
    if not State(row.state).done:
        return _active(services, row, seen)
    job = services.store.job(job_id)
    if job is None:  # deleted in this very moment
        return screen(services, "", owner)
    return _done(services, job, seen)


def _active(services: Services, row: Summary, seen: Seen) -> Screen:
    if row.state == State.QUEUED:
        body = running.queued(services.store.ahead(row), services.workers.ready, seen.owns)
        return Screen(_head(row, seen), _titled(f"{row.name}, waiting", body), Markup(), QUEUED_SECONDS)
    progress = services.runner.progress(row)
    body = running.running(progress, seen.owns)
    text = log.tail(services.runner.directory(row.id))
    tail = element("section", element("h2", "Log"), log.box(text, row.id), classes="ow-stack")
    title = f"{progress.percent} % {row.name}"
    return Screen(_head(row, seen), _titled(title, body), tail if text else Markup(), RUNNING_SECONDS)


def _done(services: Services, job: Job, seen: Seen) -> Screen:
    directory = services.runner.directory(job.id)
    text = log.tail(directory) if seen.files else ""
    if job.state is State.SUCCEEDED and job.report is not None:
        body = join([result.summary(job.report, seen), details.tabs(job.report, job.spec, seen, text)])
        return Screen(_head(job, seen), _titled(job.name, body), Markup(), None)
    end = job.finished_at or datetime.now(UTC)
    progress = progresses.read(directory, now=end.timestamp())
    failure = job.report.failure if job.report else None
    told = _failure(failure, job, seen) if job.state is State.FAILED else _stopped(job, progress)
    pieces: list[Text] = [told, running.ended(progress, job.state.value)]
    if job.report is not None:
        pieces.append(result.notes(job.report))
        pieces.append(details.tabs(job.report, job.spec, seen, text, first="log"))
    elif seen.files:
        pieces.append(element("section", element("h2", "Log"), log.box(text, job.id), classes="ow-stack"))
    return Screen(_head(job, seen), _titled(job.name, join(pieces)), Markup(), None)


def _titled(title: str, body: Markup) -> Markup:
    """The script puts the title on the browser's tab."""
    return element("div", body, classes="ow-stack", data_title=f"{title} · OTX Web")


def _head(job: Summary, seen: Seen) -> Markup:
    facts = [
        titles.method(job.method),
        titles.task(job.task),
        f"{job.model_name} with {job.dataset_name}",
        parts.ago(job.finished_at or job.created_at),
        *(["started again after the app was stopped"] if job.attempt > 1 else []),
    ]
    return element(
        "header",
        element(
            "div",
            element("h1", job.name),
            element("p", join([join([parts.state(job.state), f" {_took(job)}"]), *facts], " · "), classes="ow-muted"),
        ),
        element("div", *_actions(job, seen), classes="ow-actions"),
        classes="ow-job-head",
    )


def _took(job: Summary) -> str:
    return f"in {parts.duration(job.seconds)}" if job.seconds is not None else ""


def _actions(job: Summary, seen: Seen) -> list[Markup]:
    """What the owner may do; others read."""
    if not seen.owns:
        return []
    again = [_button("Run again", "again")] if State(job.state).done else []
    return [*again, parts.button_link(f"./?from={job.id}", "Change and run"), manage.button([job])]


def _button(word: str, what: str, classes: str = "ow-button") -> Markup:
    return element("button", word, type="button", classes=classes, data_act=what)


def _failure(failure: Failure | None, job: Job, seen: Seen) -> Markup:
    """What failed, where, why, and what to do."""
    if failure is None:
        return parts.notice("The job failed, and left no reason.", "bad")
    stage = f" while {failure.stage[:1].lower()}{failure.stage[1:]}" if failure.stage else ""
    where = (
        [element("p", failure.where, classes="ow-muted")] if failure.where not in ("", *failure.message.split()) else []
    )
    hint = [element("p", failure.hint)] if failure.hint else []
    change = [parts.button_link(f"./?from={job.id}", "Change and run", primary=True)] if seen.owns else []
    return element(
        "section",
        element("h2", element("i", "✕", aria_hidden="true"), f"Failed{stage}"),
        element("p", failure.message, classes="ow-said"),
        *where,
        *hint,
        *change,
        classes="ow-figure ow-verdict ow-bad ow-wide",
    )


def _stopped(job: Job, progress: Progress) -> Markup:
    """A cancelled job says when, and what it kept."""
    during = f" while {progress.title[:1].lower()}{progress.title[1:]}" if progress.title else " before it began"
    return element(
        "section",
        element("h2", f"Cancelled{during}"),
        element("p", KEPT if progress.steps else "Nothing had been done yet."),
        classes="ow-figure ow-verdict ow-wide",
    )
