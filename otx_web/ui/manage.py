"""Renaming and deleting jobs: one dialog, for the Job page and for the rows of the Jobs page."""

from collections.abc import Sequence
from pathlib import Path

import gradio as gr
from markupsafe import Markup

from jobs.errors import JobError
from otx_web.services import Services
from otx_web.store import State, Summary
from otx_web.ui import parts
from otx_web.ui.parts import Text, element

SCRIPT = Path(__file__).with_name("manage.js")
MOST_AT_ONCE = 200
LONGEST_NAME = 120


def dialog() -> gr.HTML:
    """The dialog, closed. Its `submit` event carries `act` (rename or delete), `ids` and `name`."""
    return gr.HTML(_dialog(), js_on_load=SCRIPT.read_text(encoding="utf-8"))


def _dialog() -> Markup:
    field = Markup('<input id="ow-new-name" type="text" required maxlength="{}" autocomplete="off">').format(
        LONGEST_NAME
    )
    rename = element(
        "form",
        element("label", "Name", for_="ow-new-name"),
        element("div", field, _button("Rename", "rename", type_="submit"), classes="ow-actions"),
        classes="ow-field",
        data_if="one",
    )
    delete = element(
        "div",
        element("p", "Deleting takes away the numbers, the optimised model, the pictures and the log, for good."),
        _button("Delete for good", "delete", classes="ow-button ow-danger"),
        classes="ow-stack",
        data_if="done",
    )
    active = element(
        "p", "A job that waits or runs cannot be deleted: cancel it first.", classes="ow-muted", data_if="active"
    )
    close = _button("Close", "close")
    return element("dialog", element("h2", ""), rename, delete, active, close, classes="ow-dialog")


def _button(word: str, value: str, *, classes: str = "ow-button", type_: str = "button") -> Markup:
    return element("button", word, type=type_, value=value, classes=classes)


def button(jobs: Sequence[Summary], word: Text = "⋯", name: str = "") -> Markup:
    """Opens the dialog for these jobs."""
    shown = name or jobs[0].name
    return element(
        "button",
        word,
        type="button",
        classes="ow-button ow-flat",
        aria_label=f"Rename or delete {shown}",
        data_manage="",
        data_ids=",".join(job.id for job in jobs),
        data_name=shown,
        data_done="yes" if all(State(job.state).done for job in jobs) else "no",
    )


async def act(services: Services, event: gr.EventData, owner: str) -> tuple[str, Markup]:
    """Do what the dialog says. Gives back what was done (`rename`, `delete`, or nothing) and a sentence about it."""
    chosen = ids(getattr(event, "ids", ()))
    match getattr(event, "act", ""):
        case "rename" if len(chosen) == 1:
            name = str(getattr(event, "name", ""))[:LONGEST_NAME]
            await services.runner.rename(chosen[0], name, owner)
            return "rename", Markup()
        case "delete" if chosen:
            return "delete", await _delete(services, chosen, owner)
    return "", Markup()


def ids(sent: object) -> tuple[str, ...]:
    """Ids as a page sends them: each once, and no more than a page can have shown."""
    if not isinstance(sent, list | tuple):
        return ()
    return tuple(dict.fromkeys(str(one) for one in sent[:MOST_AT_ONCE]))


async def _delete(services: Services, chosen: Sequence[str], owner: str) -> Markup:
    """Those that can be deleted are; the others are named, with the reason."""
    gone, refused = 0, []
    for job_id in chosen:
        try:
            await services.runner.delete(job_id, owner)
            gone += 1
        except JobError as error:
            refused.append(f"{error.message} {error.hint}".strip())
    if not refused:
        return parts.notice(f"{parts.count(gone, 'job')} deleted.", "good")
    done = f"{parts.count(gone, 'job')} deleted, {len(refused)} not." if gone else "Nothing was deleted."
    return parts.notice(done, "unsure", " ".join(dict.fromkeys(refused)))
