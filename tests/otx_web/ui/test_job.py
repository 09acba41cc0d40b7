"""One job: what is shown at each moment, to whom, and what its buttons do."""

from collections.abc import AsyncIterator
from typing import Any

import gradio as gr
import pytest

from jobs import events, stopping
from jobs.errors import JobError
from jobs.report import Failure, Report
from jobs.spec import Preset
from otx_web.services import Services
from otx_web.store import Job, State
from otx_web.ui import job as page
from otx_web.ui import parts
from otx_web.ui.job import Shown
from tests.otx_web import made
from tests.otx_web.conftest import put_upload
from tests.otx_web.made import EVIL
from tests.otx_web.ui.conftest import Visit

PLAN = (("read", "Reading"), ("quantize", "Calibrating"), ("save", "Saving"))


def plain(markup: Any) -> str:
    return str(markup).replace(parts.SPACE, " ").replace(parts.MINUS, "-")


def said(**data: Any) -> gr.EventData:
    return gr.EventData(None, data)


def screen(house: Services, job: Job, owner: str = made.OWNER) -> page.Screen:
    return page.screen(house, job.id, owner)


def begun(house: Services, job: Job, *more: events.Event) -> None:
    directory = house.runner.directory(job.id)
    for event in (events.Plan(stages=PLAN), events.Stage(name="read"), events.Stage(name="quantize"), *more):
        events.append(directory, event)


@pytest.fixture
async def ready(house: Services) -> AsyncIterator[Services]:
    """With the uploads that `made.job` names."""
    put_upload(house, "aa", "model")
    put_upload(house, "bb", "dataset")
    yield house


# --- what is shown


@pytest.mark.parametrize("job_id", ["", "nothing", EVIL])
def test_no_such_job_is_a_sentence(house: Services, visit: Visit, job_id: str) -> None:
    head, body, *_ = page.look(house, Shown(), visit(id=job_id))
    assert "There is no job at this address." in body and "<img" not in str(body) and not head.get("value")


def test_queued_job_says_its_place(house: Services) -> None:
    made.job(house, State.QUEUED)
    second = screen(house, made.job(house, State.QUEUED))
    assert "1 job is ahead of this one." in plain(second.body)
    assert 'data-act="cancel"' in second.body and second.wait == page.QUEUED_SECONDS


def test_running_job_shows_stages_numbers_notes_and_log(house: Services) -> None:
    job = made.job(house, State.RUNNING)
    begun(
        house,
        job,
        events.Progress(done=120, total=300),
        events.Metric(which="before", name="accuracy", value=0.805),
        events.Metric(which="after", name="throughput", value=5043, unit="images/s"),
        events.Note(level="warning", message="12 images cannot be read.", hint="They are left out."),
    )
    (house.runner.directory(job.id) / "log.txt").write_text("\x1b[1mloaded\x1b[0m <b>model</b>\n")
    shown = screen(house, job)
    body = plain(shown.body)
    for text in (
        "Reading",
        "Calibrating",
        "Saving",
        "120 of 300 images",
        "80.5 %",
        "5,043 images/s",
        "12 images cannot",
    ):
        assert text in body
    stages = body[body.index("<ol") :]
    assert stages.index("Reading") < stages.index("Calibrating") < stages.index("Saving")
    assert "loaded &lt;b&gt;model&lt;/b&gt;" in shown.log
    assert shown.wait == page.RUNNING_SECONDS


def test_finished_job_shows_all_and_waits_for_nothing(house: Services) -> None:
    shown = screen(house, made.job(house))
    body = plain(shown.body)
    for text in (
        "Accuracy held",
        "80.5 %",
        "80.4 %",
        "-0.1 points",
        "-0.6 to +0.4",
        "1.40×",
        "3.8×",
        "1.07 MB → 283 kB",
    ):
        assert text in body
    assert shown.wait is None


def test_failed_job_says_what_where_why_and_what_to_do(house: Services) -> None:
    failure = Failure(kind="bad_outputs", message="Not numbers.", hint="Check it.", stage="Calibrating", where="a.onnx")
    report = Report(status="failed", task="classification", template="generic", method="pot_default", failure=failure)
    body = screen(house, made.job(house, State.FAILED, made=report)).body
    for text in ("Failed while calibrating", "Not numbers.", "Check it.", "a.onnx", "Change and run", 'data-tab="log"'):
        assert text in body


def test_cancelled_job_says_what_it_kept(house: Services) -> None:
    job = made.job(house, State.RUNNING)
    begun(house, job, events.Metric(which="before", name="accuracy", value=0.805))
    house.store.change_state(job.id, State.CANCELLED)
    body = plain(screen(house, job).body)
    assert "Cancelled while calibrating" in body and page.KEPT in body and "80.5 %" in body


def test_job_cancelled_in_the_queue_did_nothing(house: Services) -> None:
    assert "Nothing had been done yet." in screen(house, made.job(house, State.CANCELLED)).body


def test_deleted_files_are_not_offered(house: Services) -> None:
    job = made.job(house)
    house.store.mark_files_deleted(job.id)
    body = screen(house, job).body
    assert "files of this job have been deleted" in body and "files/jobs/" not in body


def test_everything_from_files_is_text(house: Services) -> None:
    report = made.report(
        applied={EVIL: EVIL},
        notes=(EVIL,),
        packages={EVIL: EVIL},
        pictures=(made.report().pictures[0].model_copy(update={"name": EVIL, "truth": EVIL, "file": f'"{EVIL}'}),),
        layers=(made.report().layers[0].model_copy(update={"name": EVIL}),),
        verdict=made.verdict("lost", 0.1, message=EVIL, next=(made.STEP.model_copy(update={"title": EVIL}),)),
    )
    shown = screen(house, made.job(house, name=f'"{EVIL}', made=report, given={EVIL: EVIL}))
    body = str(shown.head) + str(shown.body)
    assert body.count("<img") == 1  # the picture itself
    assert "onerror=alert(1)>" not in body.replace("&lt;img src=x onerror=alert(1)&gt;", "")


def test_only_the_owner_sees_what_changes_a_job(house: Services) -> None:
    lost = made.report(after=0.75, verdict=made.verdict("lost", 0.055, next=(made.STEP,)))
    for state, report in ((State.QUEUED, None), (State.RUNNING, None), (State.SUCCEEDED, lost)):
        job = made.job(house, state, owner="alice", made=report)
        hers, his = screen(house, job, "alice"), screen(house, job, "bob")
        assert "data-act" in hers.head + hers.body and "data-manage" in hers.head
        assert "data-act" not in his.head + his.body and "data-manage" not in his.head
        assert "resnet20" in his.head


# --- only what changed is sent


def test_a_second_look_sends_nothing(house: Services, visit: Visit) -> None:
    job = made.job(house)
    *_, shown, timer = page.look(house, Shown(), visit(id=job.id))
    assert page.look(house, shown, visit(id=job.id)) == tuple(gr.skip() for _ in range(5))
    assert timer == gr.skip()


def test_only_the_part_that_moved_is_sent(house: Services, visit: Visit) -> None:
    job = made.job(house, State.RUNNING)
    begun(house, job)
    head, _, log, shown, timer = page.look(house, Shown(), visit(id=job.id))
    assert "resnet20" in head and log == gr.skip() and timer.active
    (house.runner.directory(job.id) / "log.txt").write_text("hello\n")
    events.append(house.runner.directory(job.id), events.Stage(name="save"))
    head, body, log, _, timer = page.look(house, shown, visit(id=job.id))
    assert (head, timer) == (gr.skip(), gr.skip())
    assert "Saving" in body and "hello" in log


def test_the_timer_stops_at_the_end(house: Services, visit: Visit) -> None:
    job = made.job(house, State.RUNNING)
    *_, shown, _ = page.look(house, Shown(), visit(id=job.id))
    house.store.change_state(job.id, State.SUCCEEDED, report=made.report())
    *_, timer = page.look(house, shown, visit(id=job.id))
    assert timer.active is False


# --- what buttons do


@pytest.mark.anyio
async def test_cancel(house: Services, visit: Visit) -> None:
    job = made.job(house, State.QUEUED)
    message, go, _, body, *_ = await page.act(house, Shown(), visit(id=job.id), said(act="cancel"))
    assert "Cancelled before it began" in body and (message, go) == ("", "")


@pytest.mark.anyio
async def test_cancel_of_a_job_that_has_ended_says_so(house: Services, visit: Visit) -> None:
    message, *_ = await page.act(house, Shown(), visit(id=made.job(house).id), said(act="cancel"))
    assert "had ended before it could be cancelled" in message


@pytest.mark.anyio
async def test_stop_of_a_training_is_asked_for(house: Services, visit: Visit) -> None:
    job = made.job(house, State.RUNNING)
    directory = house.runner.directory(job.id)
    directory.mkdir(parents=True, exist_ok=True)
    message, go, *_ = await page.act(house, Shown(), visit(id=job.id), said(act="stop"))
    assert stopping.asked(directory) and (message, go) == ("", "")


@pytest.mark.anyio
async def test_run_again_goes_to_the_new_job(ready: Services, visit: Visit) -> None:
    job = made.job(ready, name="mine")
    _, go, *_ = await page.act(ready, Shown(), visit(id=job.id), said(act="again"))
    [new] = ready.store.in_state(State.QUEUED)
    assert f"job?id={new.id}" in go and new.name == "mine" and new.id != job.id


@pytest.mark.anyio
async def test_step_starts_the_recommended_run(ready: Services, visit: Visit) -> None:
    lost = made.report(after=0.75, verdict=made.verdict("lost", 0.055, next=(made.STEP,)))
    job = made.job(ready, made=lost)
    _, go, *_ = await page.act(ready, Shown(), visit(id=job.id), said(act="step", number=0))
    [new] = ready.store.in_state(State.QUEUED)
    whole = ready.store.job(new.id)
    assert whole is not None and whole.spec.options.preset is Preset.MIXED
    assert f"job?id={new.id}" in go and new.name == "resnet20 · Use the mixed preset"


@pytest.mark.anyio
@pytest.mark.parametrize("number", [7, -1, None, "0", "x"])
async def test_step_that_is_not_there_is_refused(ready: Services, visit: Visit, number: object) -> None:
    job = made.job(ready)
    with pytest.raises(JobError):
        await page.act(ready, Shown(), visit(id=job.id), said(act="step", number=number))
    assert not ready.store.in_state(State.QUEUED)


@pytest.mark.anyio
@pytest.mark.parametrize("act", ["cancel", "stop", "again", "step"])
async def test_others_can_only_read(ready: Services, visit: Visit, act: str) -> None:
    job = made.job(ready, State.RUNNING, owner="alice")
    _, go, *_ = await page.act(ready, Shown(), visit(id=job.id, visitor="bob"), said(act=act, number=0))
    assert go == "" and not ready.store.in_state(State.QUEUED)
    assert [one.id for one in ready.store.in_state(State.RUNNING)] == [job.id]
    assert not stopping.asked(ready.runner.directory(job.id))


@pytest.mark.anyio
async def test_rename_shows_the_new_name(house: Services, visit: Visit) -> None:
    job = made.job(house)
    _, _, head, *_ = await page.change(
        house, Shown(), visit(id=job.id), said(act="rename", ids=[job.id], name="x" * 500)
    )
    assert "x" * 120 in head and "x" * 121 not in head


@pytest.mark.anyio
async def test_delete_goes_to_the_history(house: Services, visit: Visit) -> None:
    job = made.job(house)
    _, go, *_ = await page.change(house, Shown(), visit(id=job.id), said(act="delete", ids=[job.id]))
    assert 'href="jobs"' in go and house.store.summary(job.id) is None
