"""What all pages are made of: numbers with their units, badges, cards, lists. Everything put in is escaped.

Each function returns `Markup`, which is what goes into `gr.HTML`; plain `str` given to any of them is text, never
markup, wherever it came from.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import wraps
from inspect import iscoroutinefunction, signature
from typing import Any

import gradio as gr
from markupsafe import Markup, escape

from jobs.errors import JobError
from jobs.findings import Problem
from jobs.markup import NOTHING as NOTHING
from jobs.markup import Text as Text
from jobs.markup import Tone as Tone
from jobs.markup import badge as badge
from jobs.markup import element as element
from jobs.markup import facts as facts
from jobs.markup import join as join
from jobs.markup import more as more
from jobs.markup import table as table
from jobs.numbers import MINUS as MINUS
from jobs.numbers import SPACE as SPACE
from jobs.numbers import count as count
from jobs.numbers import digits_for as digits_for
from jobs.numbers import duration as duration
from jobs.numbers import millions as millions
from jobs.numbers import milliseconds as milliseconds
from jobs.numbers import number as number
from jobs.numbers import percent as percent
from jobs.numbers import points as points
from jobs.numbers import significant as significant
from jobs.numbers import size as size
from jobs.numbers import throughput as throughput
from jobs.numbers import times as times

logger = logging.getLogger(__name__)


# --- times


def ago(moment: datetime, now: datetime | None = None) -> Markup:
    """ "3 min ago", with the full date and time (UTC) on hover. A moment without a zone is UTC."""
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        moment.isoformat(timespec="seconds"), f"{moment:%Y-%m-%d %H:%M:%S} UTC", _distance(moment, seconds)
    )


def _distance(moment: datetime, seconds: float) -> str:
    if abs(seconds) < 45:
        return "just now" if seconds >= 0 else "in a moment"
    units = (("min", 60.0, 90 * 60.0), ("h", 3600.0, 36 * 3600.0), ("days", 86400.0, 14 * 86400.0))
    for unit, length, until in units:
        if abs(seconds) < until:
            amount = f"{round(abs(seconds) / length)}{SPACE}{unit}"
            return f"{amount} ago" if seconds > 0 else f"in {amount}"
    return f"{moment:%Y-%m-%d}"


# --- pieces of a page


STATES: Mapping[str, tuple[str, Tone]] = {
    "queued": ("Queued", "plain"),
    "running": ("Running", "accent"),
    "succeeded": ("Finished", "good"),
    "failed": ("Failed", "bad"),
    "cancelled": ("Cancelled", "plain"),
}


def state(name: str) -> Markup:
    """The state of a job as a badge."""
    word, tone = STATES.get(name, (name, "plain"))
    return element("span", word, classes=f"ow-badge ow-{tone} ow-state ow-state-{escape(name)}")


VERDICTS: Mapping[str, tuple[str, Tone]] = {
    "held": ("Accuracy held", "good"),
    "lost": ("Accuracy lost", "bad"),
    "cannot_tell": ("Cannot tell yet", "unsure"),
}


def verdict(name: str) -> Markup:
    """The verdict on accuracy as a badge."""
    word, tone = VERDICTS.get(name, (name, "plain"))
    return badge(word, tone)


def card(title: Text, *body: Text, classes: str = "") -> Markup:
    """A box with a heading. An empty title leaves the heading out."""
    heading = [element("h3", title)] if title else []
    return element("section", *heading, *body, classes=f"ow-card {classes}".strip())


def link(href: str, text: Text, *, classes: str = "", **attributes: str | None) -> Markup:
    """A link. Addresses of our own are relative ("jobs", "job?id=…"), so that they hold behind any proxy."""
    return element("a", text, href=href, classes=classes, **attributes)


def button_link(href: str, text: Text, *, primary: bool = False, **attributes: str | None) -> Markup:
    """A link that looks like a button."""
    return link(href, text, classes="ow-button ow-primary" if primary else "ow-button", **attributes)


def notice(text: Text, tone: Tone = "plain", hint: Text = "") -> Markup:
    """A sentence that stands out, with what to do about it."""
    what = [element("p", hint, classes="ow-hint")] if hint else []
    return element("div", element("p", text), *what, classes=f"ow-notice ow-{tone}")


LEVELS: Mapping[str, tuple[str, Tone]] = {
    "error": ("Blocks the start", "bad"),
    "warning": ("Warning", "unsure"),
    "info": ("Note", "plain"),
}


def problems(found: Iterable[Problem]) -> Markup:
    """Every problem with what to do; blocking ones first. Empty when there is none."""
    order = list(LEVELS)
    lines = [_problem(problem) for problem in sorted(found, key=lambda problem: order.index(problem.level))]
    return element("ul", *lines, classes="ow-problems") if lines else Markup()


def _problem(problem: Problem) -> Markup:
    word, tone = LEVELS[problem.level]
    hint = [element("p", problem.hint, classes="ow-hint")] if problem.hint else []
    items = [_names(problem.items)] if problem.items else []
    agree = [_agree(problem)] if problem.settings else []
    if items and not agree:  # what a person agrees to stands open
        items = [more(count(len(problem.items), "entry", "entries"), *items)]
    return element("li", badge(word, tone), element("p", problem.message), *hint, *items, *agree, classes=f"ow-{tone}")


def _agree(problem: Problem) -> Markup:
    """A button that sets what it says; the script of the form knows how."""
    settings = json.dumps(problem.settings)
    return element("button", problem.action, type="button", classes="ow-button", data_settings=settings)


def _names(names: Sequence[str]) -> Markup:
    return element("ul", *(element("li", name) for name in names), classes="ow-names")


def empty(sentence: Text, action: Text = "") -> Markup:
    """What an empty page says: one sentence, and what to do."""
    return element("div", element("p", sentence), action, classes="ow-empty")


def working(text: Text, done: float | None = None, *, counts: bool = False) -> Markup:
    """A line which says what is being done, with a bar; `done` is a fraction, None while it cannot be known.

    `counts` lets the page's script say after a while for how many seconds already.
    """
    if done is None:
        bar = element("span", classes="ow-bar ow-moving", aria_hidden="true")
    else:
        share = f"width:{100 * min(1.0, max(0.0, done)):.1f}%"
        bar = element("span", element("span", style=share), classes="ow-bar", aria_hidden="true")
    seconds = [element("span", data_seconds="", aria_hidden="true")] if counts else []
    return element("div", element("p", text, *seconds), bar, classes="ow-working", role="status")


# --- handlers


def handler(function: Callable[..., Any], *bound: Any) -> Callable[..., Any]:
    """For every function behind a button: what goes wrong becomes a sentence, never a traceback.

    A `JobError` says itself what is wrong and what to do. Anything else is a bug: its details go to the log.
    `bound` are the first arguments (the services), given here since Gradio looks for `gr.Request` in the signature and
    does not see through `functools.partial`.
    """
    if iscoroutinefunction(function):

        @wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            try:
                return await function(*bound, *args, **kwargs)
            except Exception as error:
                raise _sentence(error, function) from None

    else:

        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*bound, *args, **kwargs)
            except Exception as error:
                raise _sentence(error, function) from None

    return _without_bound(wrapper, function, len(bound))


def _without_bound(wrapper: Callable[..., Any], function: Callable[..., Any], bound: int) -> Callable[..., Any]:
    whole = signature(function)
    wrapper.__signature__ = whole.replace(parameters=list(whole.parameters.values())[bound:])  # type: ignore[attr-defined]
    return wrapper


def _sentence(error: Exception, function: Callable[..., Any]) -> Exception:
    if isinstance(error, gr.Error):
        return error
    if isinstance(error, JobError):
        return gr.Error(str(escape(f"{error.message} {error.hint}".strip())), title="", print_exception=False)
    logger.error("the handler %s failed", function.__qualname__, exc_info=error)
    return gr.Error(
        "Something went wrong on this page. Reload it and try again; the server's log says more.",
        title="",
        print_exception=False,
    )


LIGHT: Mapping[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""For events whose handler takes milliseconds: not behind the queue, no spinner, not in any API."""
