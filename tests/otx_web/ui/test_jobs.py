"""The history: its address, its filters, its rows, and what can be done with them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr
import pytest

from jobs import events
from jobs.report import Failure, Report
from otx_web.services import Services
from otx_web.store import State
from otx_web.ui import jobs, parts
from otx_web.ui.jobs import View
from tests.otx_web import made
from tests.otx_web.made import EVIL
from tests.otx_web.ui.conftest import Visit

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


def plain(markup: Any) -> str:
    return str(markup).replace(parts.SPACE, " ").replace(parts.MINUS, "-")


def said(**data: Any) -> gr.EventData:
    return gr.EventData(None, data)


def board(house: Services, visit: Visit, **query: str) -> str:
    return plain(jobs.open_page(house, visit(**query))[1])


# --- the address


@pytest.mark.parametrize(
    "view",
    [
        View(),
        View(text="a & b=c", state="held", when="7d", sort="speed_ratio", descending=False, page=3),
        View(method="pot_default", task="classification", sort="name", descending=False),
        View(sort="name", descending=True),
    ],
)
def test_address_brings_the_view_back(view: View) -> None:
    assert View.of(dict(parse_qsl(view.address.partition("?")[2]))) == view


def test_address_of_everything_is_plain() -> None:
    assert View().address == "jobs"


@pytest.mark.parametrize(
    "query",
    [
        {"sort": "spec; DROP TABLE job", "order": "sideways"},
        {"state": "dancing", "when": "1 OR 1=1", "method": "magic", "task": "golf"},
        {"page": "-1"},
        {"page": "1e9"},
        {"page": "99999999999999999999"},
    ],
)
def test_nonsense_in_the_address_is_as_if_it_were_not_there(query: dict[str, str]) -> None:
    assert View.of(query) == View()


def test_filter_asks_the_store_for_what_the_words_say() -> None:
    found = View(state="lost", when="7d", page=2).filter("me", NOW)
    assert (found.states, found.verdict, found.owner) == ((State.SUCCEEDED,), "lost", "me")
    assert (found.since, found.offset) == (NOW - timedelta(days=7), jobs.ROWS)


def test_sorting_by_the_same_column_turns_round() -> None:
    once = View().sorted_by("speed_ratio")
    assert (once.sort, once.descending) == ("speed_ratio", True)
    assert once.sorted_by("speed_ratio").descending is False


# --- rows


def test_empty_history_offers_the_sample(house: Services, visit: Visit) -> None:
    page = board(house, visit)
    assert "./?sample=classification" in page
    assert "<table" not in page


def test_filters_that_fit_nothing_say_so(house: Services, visit: Visit) -> None:
    made.job(house)
    assert "No job fits these filters." in board(house, visit, text="zzz")


def test_row_says_all(house: Services, visit: Visit) -> None:
    job = made.job(house, name="first try")
    page = board(house, visit)
    assert f'href="job?id={job.id}"' in page
    for text in ("Finished", "first try", "resnet20.onnx · ", "digits.zip", "POT Default", "Classification", "80.4 %",
                 "Accuracy held", "1.40×", "faster", "3.8× smaller", "just now", "1 to 1 of 1 job"):  # fmt: skip
        assert text in page


def test_row_names_its_metric_where_it_is_not_accuracy(house: Services, visit: Visit) -> None:
    measure = made.report().before
    assert measure is not None
    found = measure.model_copy(update={"metrics": {"map": 0.412}})
    made.job(
        house,
        task="detection",
        made=made.report().model_copy(update={"metric": "map", "before": found, "after": found}),
    )
    assert "mAP " in (page := board(house, visit)) and "41.2" in page


def test_failed_row_says_why(house: Services, visit: Visit) -> None:
    failure = Failure(kind="bad_outputs", message="The outputs are NaN.")
    report = Report(status="failed", task="classification", template="generic", method="pot_default", failure=failure)
    made.job(house, State.FAILED, made=report)
    assert "The outputs are NaN." in board(house, visit)


def test_only_ones_own_jobs_are_listed(house: Services, visit: Visit) -> None:
    made.job(house, name="mine", owner="me")
    assert "mine" in board(house, visit, visitor="me")
    assert "mine" not in board(house, visit, visitor="you")


def test_names_are_text(house: Services, visit: Visit) -> None:
    made.job(house, name=EVIL)
    filters, page, *_ = jobs.open_page(house, visit(text=f'"{EVIL}'))
    assert "<img" not in board(house, visit) + page + filters


def test_filters_keep_what_was_asked(house: Services, visit: Visit) -> None:
    filters = jobs.open_page(house, visit(text="res", state="lost"))[0]
    assert 'value="res"' in filters
    assert '<option value="lost" selected="">' in filters


def test_long_history_has_pages(house: Services, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "ROWS", 2)
    for number in range(5):
        made.job(house, name=f"job {number}")
    page = board(house, visit, page="2")
    assert "3 to 4 of 5 jobs" in page
    assert 'href="jobs"' in page and 'href="jobs?page=3"' in page
    assert "1 to 2 of 5 jobs" in board(house, visit, page="77")


def test_sorted_column_is_marked(house: Services, visit: Visit) -> None:
    made.job(house)
    page = board(house, visit, sort="seconds")
    assert page.count("aria-sort") == 1
    assert 'aria-sort="descending" class="ow-c-seconds"' in page or 'class="ow-c-seconds"' in page


def test_look_reads_the_address_the_browser_sends(house: Services, visit: Visit) -> None:
    made.job(house, name="one")
    found, shown, _ = jobs.look(house, visit(), said(query="?text=one&sort=name"))
    assert "one" in found and shown.view == View(text="one", sort="name", descending=False)


# --- moving


def test_running_row_moves_in_place(house: Services, visit: Visit) -> None:
    job = made.job(house, State.RUNNING)
    _, before, shown, timer = jobs.open_page(house, visit())
    assert "Starting" in before and timer.value == jobs.FAST_SECONDS
    directory = house.runner.directory(job.id)
    events.append(directory, events.Plan(stages=(("read", "Reading"), ("quantize", "Calibrating"))))
    events.append(directory, events.Stage(name="quantize"))
    after, shown, _ = jobs.tick(house, shown, visit())
    assert "Calibrating" in after and "50" in after
    house.store.change_state(job.id, State.SUCCEEDED, report=made.report())
    after, shown, timer = jobs.tick(house, shown, visit())
    assert "Accuracy held" in after and timer.value == jobs.SLOW_SECONDS


def test_nothing_is_sent_when_nothing_moved(house: Services, visit: Visit) -> None:
    made.job(house)
    shown = jobs.open_page(house, visit())[2]
    assert jobs.tick(house, shown, visit()) == (gr.skip(), gr.skip(), gr.skip())


def test_new_jobs_are_announced_and_do_not_push_rows(house: Services, visit: Visit) -> None:
    made.job(house, name="old")
    shown = jobs.open_page(house, visit())[2]
    made.job(house, name="new")
    page, after, _ = jobs.tick(house, shown, visit())
    assert "1 new job." in plain(page) and ">new<" not in page
    assert after.rows == shown.rows


def test_queued_row_says_its_place(house: Services, visit: Visit) -> None:
    made.job(house, State.QUEUED, name="one")
    made.job(house, State.QUEUED, name="two")
    page = board(house, visit)
    assert "next in the queue" in page and "1 job ahead" in page


# --- rename and delete


@pytest.mark.anyio
async def test_rename(house: Services, visit: Visit) -> None:
    job = made.job(house)
    _, page, *_ = await jobs.change(house, jobs.Shown(), visit(), said(act="rename", ids=[job.id], name="better"))
    assert "better" in page


@pytest.mark.anyio
async def test_delete_several(house: Services, visit: Visit) -> None:
    chosen = [made.job(house).id, made.job(house).id]
    kept = made.job(house, name="kept")
    message, page, *_ = await jobs.change(house, jobs.Shown(), visit(), said(act="delete", ids=chosen))
    assert "2 jobs deleted." in plain(message)
    assert "kept" in page and chosen[0] not in page
    assert not house.runner.directory(chosen[0]).exists() and house.runner.directory(kept.id).exists()


@pytest.mark.anyio
async def test_running_job_is_not_deleted_and_says_why(house: Services, visit: Visit) -> None:
    job, done = made.job(house, State.RUNNING), made.job(house)
    message, *_ = await jobs.change(house, jobs.Shown(), visit(), said(act="delete", ids=[job.id, done.id]))
    assert "1 job deleted, 1 not." in plain(message) and "cancel it first" in message
    assert house.store.summary(job.id) is not None


@pytest.mark.anyio
async def test_others_jobs_cannot_be_changed(house: Services, visit: Visit) -> None:
    job = made.job(house, owner="alice")
    message, *_ = await jobs.change(house, jobs.Shown(), visit(visitor="bob"), said(act="delete", ids=[job.id]))
    assert "Nothing was deleted." in message
    assert house.store.summary(job.id) is not None


@pytest.mark.anyio
@pytest.mark.parametrize("data", [{}, {"act": "delete"}, {"act": "delete", "ids": "x"}, {"act": "rename", "ids": []}])
async def test_nonsense_does_nothing(house: Services, visit: Visit, data: dict[str, Any]) -> None:
    made.job(house)
    message, *_ = await jobs.change(house, jobs.Shown(), visit(), said(**data))
    assert message == ""
    assert house.store.list_jobs(View().filter("local", NOW)).total == 1
