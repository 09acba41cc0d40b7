"""The history: every job of this owner, filtered, sorted and selected; those that run move by themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import gradio as gr
from markupsafe import Markup

from jobs import figures, titles
from otx_web import samples
from otx_web.guard import owner_of
from otx_web.services import Services
from otx_web.store import Filter, State, Summary
from otx_web.ui import manage, parts
from otx_web.ui.parts import Text, element, handler

SCRIPT = Path(__file__).with_name("jobs.js")
ROWS = 50
FAST_SECONDS = 1.5
"""Between two looks while a job moves."""
SLOW_SECONDS = 8.0
"""Between two looks at whether there are new ones."""

WHEN: Mapping[str, tuple[str, timedelta | None]] = {
    "": ("Any time", None),
    "1d": ("Last 24 hours", timedelta(days=1)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}
STATES: Mapping[str, tuple[str, tuple[State, ...], str | None]] = {
    "": ("Any state", (), None),
    "active": ("Waiting or running", (State.QUEUED, State.RUNNING), None),
    "succeeded": ("Finished", (State.SUCCEEDED,), None),
    "held": ("Finished: accuracy held", (State.SUCCEEDED,), "held"),
    "lost": ("Finished: accuracy lost", (State.SUCCEEDED,), "lost"),
    "cannot_tell": ("Finished: cannot tell yet", (State.SUCCEEDED,), "cannot_tell"),
    "failed": ("Failed", (State.FAILED,), None),
    "cancelled": ("Cancelled", (State.CANCELLED,), None),
}
"""By their word in the address: what the filter calls them, and the states and the verdict they stand for."""

COLUMNS: tuple[tuple[str, str, bool], ...] = (
    ("state", "State", False),
    ("name", "Job", False),
    ("method", "Method", False),
    ("after", "Accuracy", True),
    ("speed_ratio", "Speed", True),
    ("created_at", "When", True),
    ("seconds", "Took", True),
)
"""What the table sorts by: a column of `Summary`, its heading, and whether the largest comes first."""


@dataclass(frozen=True)
class View:
    """What an address asks for. Whatever it says that is not known is as if it were not there."""

    text: str = ""
    task: str = ""
    method: str = ""
    state: str = ""
    when: str = ""
    sort: str = "created_at"
    descending: bool = True
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "View":
        """Read the address."""
        sort = query.get("sort", "")
        first = {name: largest for name, _, largest in COLUMNS}
        sort = sort if sort in first else "created_at"
        page = query.get("page", "1")
        return cls(
            text=query.get("text", "").strip()[:200],
            task=query.get("task", "") if query.get("task") in titles.TASKS else "",
            method=query.get("method", "") if query.get("method") in titles.METHODS else "",
            state=query.get("state", "") if query.get("state") in STATES else "",
            when=query.get("when", "") if query.get("when") in WHEN else "",
            sort=sort,
            descending={"up": False, "down": True}.get(query.get("order", ""), first[sort]),
            page=int(page) if page.isdecimal() and 0 < len(page) < 7 else 1,
        )

    @property
    def address(self) -> str:
        """The address of this view; what is as usual is not in it."""
        usual = {name: largest for name, _, largest in COLUMNS}[self.sort]
        said = {
            "text": self.text,
            "task": self.task,
            "method": self.method,
            "state": self.state,
            "when": self.when,
            "sort": "" if self.sort == "created_at" else self.sort,
            "order": "" if self.descending == usual else ("down" if self.descending else "up"),
            "page": "" if self.page < 2 else str(self.page),
        }
        query = urlencode({name: value for name, value in said.items() if value})
        return f"jobs?{query}" if query else "jobs"

    @property
    def filtered(self) -> bool:
        """Whether it shows less than everything."""
        return any((self.text, self.task, self.method, self.state, self.when))

    def filter(self, owner: str, now: datetime) -> Filter:
        """As the store takes it."""
        _, states, verdict = STATES[self.state]
        _, back = WHEN[self.when]
        return Filter(
            owner=owner,
            task=self.task or None,
            method=self.method or None,
            states=states,
            verdict=verdict,
            text=self.text,
            since=now - back if back else None,
            sort=self.sort,
            descending=self.descending,
            offset=(self.page - 1) * ROWS,
            limit=ROWS,
        )

    def sorted_by(self, column: str) -> "View":
        """By this column; the other way round when it is already."""
        usual = {name: largest for name, _, largest in COLUMNS}[column]
        return replace(self, sort=column, descending=not self.descending if self.sort == column else usual, page=1)


@dataclass(frozen=True)
class Shown:
    """What the table shows, so that a tick can tell what changed without moving a row."""

    view: View = View()
    rows: tuple[Summary, ...] = ()
    total: int = 0
    board: str = ""

    @property
    def moving(self) -> bool:
        """Whether a row is of a job that is not done."""
        return any(not State(row.state).done for row in self.rows)


def build(services: Services) -> None:
    """Lay the page out and connect it."""
    gr.HTML(element("h1", "Jobs"))
    filters = gr.HTML()
    message = gr.HTML()
    gr.HTML(_selection(), elem_classes="ow-selection-box")
    board = gr.HTML(
        parts.working("Reading the history"), elem_id="ow-jobs", js_on_load=SCRIPT.read_text(encoding="utf-8")
    )
    dialog = manage.dialog()
    shown, timer = gr.State(Shown()), gr.Timer(SLOW_SECONDS)
    table = [board, shown, timer]
    gr.on(fn=handler(open_page, services), inputs=None, outputs=[filters, *table], **parts.LIGHT)
    board.submit(handler(look, services), None, table, **parts.LIGHT)
    timer.tick(handler(tick, services), shown, table, **parts.LIGHT)
    dialog.submit(handler(change, services), shown, [message, *table], **parts.LIGHT)


def open_page(services: Services, request: gr.Request) -> tuple[Markup, Markup, Shown, gr.Timer]:
    """What the address asks for."""
    view = View.of(dict(request.query_params))
    return _filters(view), *_table(services, view, owner_of(request))


def look(services: Services, request: gr.Request, event: gr.EventData) -> tuple[Markup, Shown, gr.Timer]:
    """What the address asks for now; it changed without the page being loaded again."""
    query = dict(parse_qsl(str(getattr(event, "query", ""))[:2000].removeprefix("?")))
    return _table(services, View.of(query), owner_of(request))


def tick(services: Services, shown: Shown, request: gr.Request) -> Any:
    """Rows of jobs that are not done move, in place; what came or went in the meantime is only announced."""
    rows = tuple(_again(services, row) for row in shown.rows)
    page = services.store.list_jobs(replace(shown.view.filter(owner_of(request), _now()), limit=1, offset=0))
    board = _board(services, shown.view, rows, shown.total, page.total - shown.total)
    if board == shown.board:
        return gr.skip(), gr.skip(), gr.skip()
    after = replace(shown, rows=rows, board=board)
    return board, after, _timer(after)


async def change(services: Services, shown: Shown, request: gr.Request, event: gr.EventData) -> Any:
    """Rename or delete, and show what is left."""
    _, message = await manage.act(services, event, owner_of(request))
    return message, *_table(services, shown.view, owner_of(request))


def _now() -> datetime:
    return datetime.now(UTC)


def _again(services: Services, row: Summary) -> Summary:
    return row if State(row.state).done else services.store.summary(row.id) or row


def _timer(shown: Shown) -> gr.Timer:
    return gr.Timer(FAST_SECONDS if shown.moving else SLOW_SECONDS)


def _table(services: Services, view: View, owner: str) -> tuple[Markup, Shown, gr.Timer]:
    page = services.store.list_jobs(view.filter(owner, _now()))
    if not page.rows and page.total:  # past the end: deleted, or an old address
        view = replace(view, page=1)
        page = services.store.list_jobs(view.filter(owner, _now()))
    board = _board(services, view, page.rows, page.total)
    shown = Shown(view, page.rows, page.total, board)
    return board, shown, _timer(shown)


# --- filters


def _filters(view: View) -> Markup:
    text = Markup(
        '<input id="ow-f-text" name="text" type="search" maxlength="200" placeholder="Name of job or file" value="{}">'
    ).format(view.text)
    fields = [
        _field("text", "Find", text),
        *([_select("task", "Task", {"": "Any task", **titles.TASKS}, view.task)] if len(titles.TASKS) > 1 else []),
        _select("method", "Method", {"": "Any method", **titles.METHODS}, view.method),
        _select("state", "State", {word: title for word, (title, _, _) in STATES.items()}, view.state),
        _select("when", "Time", {word: title for word, (title, _) in WHEN.items()}, view.when),
    ]
    return element("form", *fields, classes="ow-filters", action="jobs", method="get", role="search")


def _field(name: str, title: str, control: Markup) -> Markup:
    return element("div", element("label", title, for_=f"ow-f-{name}"), control, classes="ow-field")


def _select(name: str, title: str, options: Mapping[str, str], chosen: str) -> Markup:
    choices = (
        element("option", text, value=value, selected="" if value == chosen else None)
        for value, text in options.items()
    )
    return _field(name, title, element("select", *choices, id=f"ow-f-{name}", name=name))


def _selection() -> Markup:
    """What can be done with the rows that are selected; the script fills it in."""
    change = element(
        "button",
        "Delete",
        type="button",
        classes="ow-button",
        data_manage="",
        data_ids="",
        data_name="",
        data_done="yes",
    )
    return element(
        "div",
        element("b", ""),
        parts.button_link("compare", "Compare", primary=True),
        element("span", "Select another one to compare.", classes="ow-hint"),
        change,
        element("button", "Clear the selection", type="button", classes="ow-button ow-flat", data_unselect=""),
        classes="ow-selection",
        role="region",
        aria_label="Selected jobs",
        hidden="",
    )


# --- the table


def _board(services: Services, view: View, rows: Sequence[Summary], total: int, more: int = 0) -> Markup:
    if not rows:
        return element("div", _empty(view), classes="ow-board")
    news = [_news(view, more)] if more else []
    lines = (_row(services, row) for row in rows)
    head = element("tr", _head_box(), *(_heading(view, *column) for column in COLUMNS), element("td"))
    table = element("table", element("thead", head), element("tbody", *lines), classes="ow-table ow-history")
    return element("div", *news, table, _pages(view, len(rows), total), classes="ow-board")


def _empty(view: View) -> Markup:
    if view.filtered:
        return parts.empty("No job fits these filters.", parts.link("jobs", "Show all jobs", classes="ow-button"))
    first, *others = samples.tasks()
    links = (parts.link(f"./?sample={task}", titles.task(task)) for task in others)
    also = [parts.element("p", "Or that of another task: ", parts.join(links, ", "), classes="ow-muted")]
    button = parts.button_link(f"./?sample={first}", "Try it with the sample", primary=True)
    return parts.empty(
        "Every job you start is kept here, with its numbers and its files.",
        parts.join([button, *(also if others else [])]),
    )


def _news(view: View, more: int) -> Markup:
    what = f"{parts.count(more, 'new job')}." if more > 0 else "Some of these jobs are no longer here."
    return element("p", what, " ", _look(view, "Show them" if more > 0 else "Show the list again"), classes="ow-news")


def _look(view: View, text: Text, classes: str = "") -> Markup:
    """A link that the script follows without loading the page again."""
    return parts.link(view.address, text, classes=classes, data_look="")


def _head_box() -> Markup:
    box = Markup('<input type="checkbox" data-select="all" aria-label="Select all jobs on this page">')
    return element("td", box, classes="ow-select")


def _heading(view: View, name: str, title: str, largest: bool) -> Markup:
    here = view.sort == name
    arrow = [element("span", " ↓" if view.descending else " ↑", aria_hidden="true")] if here else []
    link = _look(view.sorted_by(name), parts.join([title, *arrow]))
    direction = ("descending" if view.descending else "ascending") if here else None
    return element("th", link, scope="col", aria_sort=direction, classes=f"ow-c-{name}")


def _row(services: Services, job: Summary) -> Markup:
    done = State(job.state).done
    box = Markup('<input type="checkbox" data-select="{}" data-done="{}" data-name="{}" aria-label="{}">').format(
        job.id, "yes" if done else "no", job.name, f"Select {job.name}"
    )
    model = [] if job.name == job.model_name else [f"{job.model_name} · "]
    name = parts.join(
        [
            parts.link(f"job?id={job.id}", job.name, classes="ow-name"),
            element("span", *model, job.dataset_name, classes="ow-muted ow-small"),
        ]
    )
    method = parts.join(
        [titles.method(job.method), element("span", titles.task(job.task), classes="ow-muted ow-small")]
    )
    cells: tuple[tuple[str, str, Text], ...] = (
        ("state", "State", _state(services, job)),
        ("name", "Job", name),
        ("method", "Method", method),
        ("after", "Accuracy", _accuracy(job)),
        ("speed_ratio", "Speed", _speed(job)),
        ("created_at", "When", parts.ago(job.created_at)),
        ("seconds", "Took", parts.duration(job.seconds) if job.seconds is not None else parts.NOTHING),
    )
    return element(
        "tr",
        element("td", box, classes="ow-select"),
        *(_cell(key, title, value) for key, title, value in cells),
        element("td", manage.button([job]), classes="ow-manage"),
        data_id=job.id,
    )


def _cell(key: str, title: str, value: Text) -> Markup:
    nothing = " ow-nothing" if value == parts.NOTHING else ""
    return element("td", element("div", value), data_name=title, classes=f"ow-c-{key}{nothing}")


def _state(services: Services, job: Summary) -> Markup:
    badge = parts.state(job.state)
    if job.state == State.RUNNING:
        progress = services.runner.progress(job)
        bar = element("span", element("span", style=f"width:{progress.percent}%"), classes="ow-bar")
        what = progress.title or "Starting"
        return parts.join(
            [badge, f" {progress.percent}{parts.SPACE}%", bar, element("span", what, classes="ow-muted ow-small")]
        )
    if job.state == State.QUEUED:
        ahead = services.store.ahead(job)
        where = "next in the queue" if not ahead else f"{parts.count(ahead, 'job')} ahead"
        return parts.join([badge, element("span", where, classes="ow-muted ow-small")])
    if job.failure:
        return parts.join([badge, element("span", job.failure, classes="ow-muted ow-small ow-why")])
    return badge


def _accuracy(job: Summary) -> Text:
    if job.before is None or job.after is None:
        return parts.NOTHING
    named = titles.metric(job.metric) if job.metric not in (None, "accuracy") else ""
    numbers = parts.join(
        [
            element("span", f"{named} ", classes="ow-muted ow-small") if named else "",
            element("span", parts.percent(job.before), classes="ow-before"),
            " → ",
            element("b", parts.percent(job.after)),
        ]
    )
    return parts.join([element("span", numbers, classes="ow-line"), parts.verdict(job.verdict) if job.verdict else ""])


def _speed(job: Summary) -> Text:
    if job.speed_ratio is None:
        return parts.NOTHING
    smaller = " ".join(figures.smaller(job.size_ratio)) if job.size_ratio is not None else ""
    word = "faster" if job.speed_ratio >= 1.005 else "slower" if job.speed_ratio < 0.995 else "as fast"
    return parts.join(
        [
            element("span", element("b", parts.times(job.speed_ratio)), f" {word}", classes="ow-line"),
            element("span", smaller, classes="ow-muted ow-small"),
        ]
    )


def _pages(view: View, rows: int, total: int) -> Markup:
    first = (view.page - 1) * ROWS + 1
    last = first + rows - 1
    where = f"{parts.number(first)} to {parts.number(last)} of {parts.count(total, 'job')}"
    links = []
    if view.page > 1:
        links.append(_look(replace(view, page=view.page - 1), "Previous", "ow-button"))
    if last < total:
        links.append(_look(replace(view, page=view.page + 1), "Next", "ow-button"))
    return element("nav", element("span", where, classes="ow-muted"), *links, classes="ow-actions", aria_label="Pages")
