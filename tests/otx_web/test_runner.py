"""The queue against a fake engine that does everything wrong that a worker can."""

import json
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from jobs import stopping
from jobs.errors import JobError
from jobs.spec import JobSpec
from otx_web.runner import NotYours, TooManyJobs
from otx_web.services import Services
from otx_web.settings import Settings
from otx_web.store import HistoryUnavailable, Job, State
from otx_web.uploads import UploadError
from tests.otx_web.conftest import OWNER, alive, ended, put_upload, serving, state, until, wire

pytestmark = pytest.mark.anyio
MakeSpec = Callable[..., JobSpec]
Served = Callable[[], AbstractAsyncContextManager[None]]


async def test_job_succeeds(parts: Services, make_spec: MakeSpec, served: Served) -> None:
    async with served():
        job = await parts.runner.submit(make_spec(), OWNER, "first")
        job = await ended(parts, job.id)
    assert job.state == State.SUCCEEDED
    assert (job.before, job.after, job.size_ratio, job.attempt) == (0.9, 0.89, 4.0, 1)
    assert job.report is not None and job.seconds is not None and job.seconds < 5
    assert not list(parts.settings.jobs.glob(f"{job.id}.lock"))


async def test_first_event_comes_within_a_quarter_second(parts: Services, make_spec: MakeSpec, served: Served) -> None:
    async with served():
        await until(lambda: parts.workers.ready)
        begun = time.monotonic()
        job = await parts.runner.submit(make_spec(), OWNER)
        await until(lambda: parts.runner.progress(job).steps, 5)
        assert time.monotonic() - begun < 0.25
        await ended(parts, job.id)


@pytest.mark.parametrize(
    ("act", "given", "kind", "words"),
    [
        ("die", {"signal": "SIGSEGV"}, "crashed", "segmentation fault (SIGSEGV)"),
        ("die", {"signal": "SIGFPE"}, "crashed", "SIGFPE"),
        ("die", {"signal": "SIGKILL"}, "crashed", "killed (SIGKILL)"),
        ("die", {"signal": "SIGXCPU"}, "out_of_time", "processor time"),
        ("out_of_memory", {}, "out_of_memory", "1.0 GB"),
        ("leave_nothing", {}, "crashed", "code 3"),
        ("junk_report", {"text": "{}"}, "invalid_result", "cannot be read"),
        ("junk_report", {"text": "[" * 100_000}, "invalid_result", "cannot be read"),
        ("junk_report", {"text": '{"status": "succeeded", "task": NaN}'}, "invalid_result", "cannot be read"),
        ("link_report", {}, "invalid_result", "cannot be read"),
        ("pipe_report", {}, "invalid_result", "cannot be read"),
        ("huge_report", {}, "invalid_result", "cannot be read"),
        ("end_server", {}, "crashed", "started again"),
    ],
)
async def test_fault_ends_its_own_job_only(
    parts: Services,
    make_spec: MakeSpec,
    served: Served,
    act: str,
    given: dict[str, str],
    kind: str,
    words: str,
) -> None:
    async with served():
        bad = await parts.runner.submit(make_spec(act, **given), OWNER)
        good = await parts.runner.submit(make_spec(), OWNER)
        bad, good = await ended(parts, bad.id), await ended(parts, good.id)
    assert bad.report is not None and bad.report.failure is not None
    assert bad.state == State.FAILED and good.state == State.SUCCEEDED
    assert bad.report.failure.kind == kind and words in bad.report.failure.message
    assert bad.failure == bad.report.failure.message


async def test_crash_names_the_stage(parts: Services, make_spec: MakeSpec, served: Served) -> None:
    async with served():
        job = await parts.runner.submit(make_spec("die", signal="SIGSEGV"), OWNER)
        job = await ended(parts, job.id)
    assert job.report is not None and job.report.failure is not None
    assert job.report.failure.stage == "Quantizing"


async def test_hang_ends_at_its_limit(parts: Services, make_spec: MakeSpec, served: Served) -> None:
    async with served():
        job = await parts.runner.submit(make_spec("grandchild", wall_seconds=0.3), OWNER)
        job = await ended(parts, job.id)
        pid = int((parts.runner.directory(job.id) / "grandchild").read_text())
        await until(lambda: not alive(pid), 2)
    assert job.report is not None and job.report.failure is not None
    assert job.report.failure.kind == "out_of_time"


@pytest.mark.parametrize("act", ["junk_events", "shout"])
async def test_noise_does_not_matter(parts: Services, make_spec: MakeSpec, served: Served, act: str) -> None:
    async with served():
        job = await parts.runner.submit(make_spec(act), OWNER)
        job = await ended(parts, job.id)
    assert job.state == State.SUCCEEDED
    assert [step.name for step in parts.runner.progress(job).steps] == ["read", "quantize", "measure"]


async def test_worker_sees_no_secrets(
    parts: Services, make_spec: MakeSpec, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    async with served():
        job = await parts.runner.submit(make_spec("environment"), OWNER)
        await ended(parts, job.id)
    seen = json.loads((parts.runner.directory(job.id) / "environment.json").read_text())
    assert not {"HF_TOKEN", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"} & seen.keys()
    assert seen["NNCF_CI"] == "1"


# --- cancel


async def test_cancel_running_job_kills_all_of_it(parts: Services, make_spec: MakeSpec, served: Served) -> None:
    async with served():
        job = await parts.runner.submit(make_spec("grandchild"), OWNER)
        file = parts.runner.directory(job.id) / "grandchild"
        await until(lambda: file.exists() and file.read_text())
        pid = int(file.read_text())
        assert alive(pid)
        assert await parts.runner.cancel(job.id, OWNER) == State.CANCELLED
        await until(lambda: not alive(pid), 2)
        assert await parts.runner.cancel(job.id, OWNER) == State.CANCELLED  # again changes nothing
        after = await parts.runner.submit(make_spec(), OWNER)
        assert (await ended(parts, after.id)).state == State.SUCCEEDED
    job_dir = parts.runner.directory(job.id)
    assert (job_dir / "log.txt").exists() and not (job_dir / "artifacts").exists()


async def test_cancel_queued_job_never_starts(parts: Services, make_spec: MakeSpec, served: Served) -> None:
    job = await parts.runner.submit(make_spec(), OWNER)
    assert await parts.runner.cancel(job.id) == State.CANCELLED
    async with served():
        after = await parts.runner.submit(make_spec("succeed", x="1"), OWNER)
        await ended(parts, after.id)
    assert state(parts, job.id) == State.CANCELLED
    assert not (parts.runner.directory(job.id) / "events.jsonl").exists()


async def test_stop_is_for_what_runs_and_is_forgotten_with_the_run(
    parts: Services, make_spec: MakeSpec, served: Served
) -> None:
    job = await parts.runner.submit(make_spec("hang"), OWNER)
    await parts.runner.stop(job.id, OWNER)
    assert not stopping.asked(parts.runner.directory(job.id)), "it has not begun"
    async with served():
        await until(lambda: parts.runner.progress(job).steps)
        await parts.runner.stop(job.id, OWNER)
        assert parts.runner.progress(job).stopping
    async with served():  # the app went down, and the job runs again
        await until(lambda: not parts.runner.progress(job).stopping)
        await parts.runner.cancel(job.id, OWNER)


async def test_cancel_finished_job_leaves_it(parts: Services, make_spec: MakeSpec, served: Served) -> None:
    async with served():
        job = await parts.runner.submit(make_spec(), OWNER)
        await ended(parts, job.id)
        assert await parts.runner.cancel(job.id, OWNER) == State.SUCCEEDED
    assert (parts.runner.directory(job.id) / "artifacts" / "model.xml").exists()


async def test_job_cancelled_by_another_process_stops(parts: Services, make_spec: MakeSpec, served: Served) -> None:
    async with served():
        job = await parts.runner.submit(make_spec("hang"), OWNER)
        await until(lambda: parts.runner.progress(job).steps)
        parts.store.change_state(job.id, State.CANCELLED)  # what `otx-web jobs cancel` does
        after = await parts.runner.submit(make_spec(), OWNER)
        assert (await ended(parts, after.id)).state == State.SUCCEEDED


async def test_strangers_change_nothing(parts: Services, make_spec: MakeSpec) -> None:
    job = await parts.runner.submit(make_spec(), OWNER)
    for act in (parts.runner.cancel, parts.runner.stop, parts.runner.delete):
        with pytest.raises(NotYours):
            await act(job.id, "stranger")
    with pytest.raises(NotYours):
        await parts.runner.rename(job.id, "mine", "stranger")
    assert state(parts, job.id) == State.QUEUED


# --- the queue


async def test_same_job_sent_twice_is_one(parts: Services, make_spec: MakeSpec) -> None:
    first, second = await parts.runner.submit(make_spec(), OWNER), await parts.runner.submit(make_spec(), OWNER)
    assert first.id == second.id


async def test_submit_without_its_files_is_refused(parts: Services, make_spec: MakeSpec) -> None:
    spec = make_spec()
    parts.uploads.delete("aa", OWNER)
    with pytest.raises(UploadError, match=r"aa\.onnx has been deleted"):
        await parts.runner.submit(spec, OWNER)


async def test_public_owner_has_a_limit(settings: Settings, make_spec: MakeSpec) -> None:
    crowded = wire(settings.model_copy(update={"public": True, "owner_jobs": 1}))
    await crowded.runner.submit(make_spec(), OWNER)
    with pytest.raises(TooManyJobs):
        await crowded.runner.submit(make_spec("hang"), OWNER)


async def test_delete_takes_the_files(parts: Services, make_spec: MakeSpec, served: Served) -> None:
    async with served():
        job = await parts.runner.submit(make_spec(), OWNER)
        with pytest.raises(JobError, match="cancel it first"):
            await parts.runner.delete(job.id, OWNER)
        await ended(parts, job.id)
    await parts.runner.delete(job.id, OWNER)
    assert parts.store.job(job.id) is None and not parts.runner.directory(job.id).exists()


async def test_history_that_cannot_be_written_does_not_end_the_queue(
    parts: Services, make_spec: MakeSpec, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, full = parts.store.change_state, iter((True, True))

    def once_full(job_id: str, to: State, **more: Any) -> Job:
        if next(full, False):
            raise HistoryUnavailable
        return change(job_id, to, **more)

    monkeypatch.setattr(parts.store, "change_state", once_full)
    async with served():
        lost = await parts.runner.submit(make_spec(), OWNER)
        good = await parts.runner.submit(make_spec(x="1"), OWNER)
        assert (await ended(parts, good.id)).state == State.SUCCEEDED
    async with serving(wire(parts.settings)):
        assert (await ended(parts, lost.id)).attempt == 2


async def test_two_workers_run_two_jobs(settings: Settings, make_spec: MakeSpec) -> None:
    parts = wire(settings.model_copy(update={"workers": 2}))
    async with serving(parts):
        jobs = [await parts.runner.submit(make_spec("wait", x=str(n)), OWNER) for n in range(3)]
        await until(lambda: parts.store.count_active() == (2, 1))
        for job in jobs:
            (parts.runner.directory(job.id) / "go").touch()
        for job in jobs:
            assert (await ended(parts, job.id)).state == State.SUCCEEDED


async def test_stop_in_order_puts_the_job_back(parts: Services, make_spec: MakeSpec) -> None:
    async with serving(parts):
        job = await parts.runner.submit(make_spec("wait_first_time"), OWNER)
        await until(lambda: parts.runner.progress(job).steps)
        begun = time.monotonic()
    assert time.monotonic() - begun < 5
    stopped = parts.store.summary(job.id)
    assert stopped is not None and (stopped.state, stopped.attempt) == (State.QUEUED, 0)
    again = wire(parts.settings)
    async with serving(again):
        done = await ended(again, job.id)
    assert (done.state, done.attempt) == (State.SUCCEEDED, 1)


async def test_run_here_and_now(parts: Services, make_spec: MakeSpec) -> None:
    async with anyio.create_task_group() as group:
        await group.start(parts.workers.serve)
        job = await parts.runner.submit(make_spec(), OWNER)
        done = await parts.runner.run(job.id)
        group.cancel_scope.cancel()
    assert done is not None and done.state == State.SUCCEEDED


async def test_job_of_a_living_process_is_not_recovered(parts: Services, make_spec: MakeSpec) -> None:
    """The command line runs a job while a server starts on the same folder."""
    other = wire(parts.settings)
    async with anyio.create_task_group() as group:
        await group.start(parts.workers.serve)
        job = await parts.runner.submit(make_spec("wait"), OWNER)
        group.start_soon(parts.runner.run, job.id)
        await until(lambda: state(parts, job.id) == State.RUNNING)
        async with serving(other):
            assert state(parts, job.id) == State.RUNNING
            (parts.runner.directory(job.id) / "go").touch()
            assert (await ended(parts, job.id)).attempt == 1
        group.cancel_scope.cancel()


async def test_job_of_a_dead_process_runs_again_once(parts: Services, make_spec: MakeSpec) -> None:
    once, twice = [await parts.runner.submit(make_spec(x=name), OWNER) for name in ("once", "twice")]
    parts.store.claim(once.id)
    parts.store.claim(twice.id)
    parts.store.change_state(twice.id, State.QUEUED)
    parts.store.claim(twice.id)
    async with serving(parts):
        first, second = await ended(parts, once.id), await ended(parts, twice.id)
    assert (first.state, first.attempt) == (State.SUCCEEDED, 2)
    assert second.state == State.FAILED and second.failure is not None and "stopped twice" in second.failure


# --- checks


async def test_check_is_done_once(parts: Services, served: Served) -> None:
    upload = put_upload(parts, "cc", "dataset")
    async with served():
        found = []
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(_check, parts, upload, found)
    assert [item.dataset.name for item in found] == ["cc.onnx"] * 3
    assert (parts.settings.uploads / "cc" / "checks").read_text() == "1"
    stored = parts.store.upload("cc", OWNER)
    assert stored is not None and stored.findings == found[0]


async def test_check_that_crashes_is_a_problem(parts: Services, served: Served) -> None:
    upload = put_upload(parts, "cc", "dataset")
    async with served():
        found = await parts.runner.check(upload, model_settings={"act": "die"})
    assert found.blocked and "SIGSEGV" in found.problems[0].message and found.problems[0].where == "dataset"


async def test_check_goes_ahead_of_jobs(parts: Services, make_spec: MakeSpec, served: Served) -> None:
    upload = put_upload(parts, "cc", "dataset")
    async with served():
        job = await parts.runner.submit(make_spec("hang"), OWNER)
        await until(lambda: parts.runner.progress(job).steps)
        with anyio.fail_after(5):
            assert not (await parts.runner.check(upload)).blocked


async def _check(parts: Services, upload: object, into: list[object]) -> None:
    into.append(await parts.runner.check(upload))  # type: ignore[arg-type]


async def test_files_older_than_kept_are_taken_away(settings: Settings, make_spec: MakeSpec) -> None:
    parts = wire(settings.model_copy(update={"keep_days": 1e-9}))
    job = await parts.runner.submit(make_spec(), OWNER)
    parts.store.claim(job.id)
    parts.store.change_state(job.id, State.CANCELLED)
    await until(lambda: datetime.now(UTC).timestamp() > time.time() - 1)
    async with serving(parts):
        await until(lambda: not parts.runner.directory(job.id).exists())
        await until(lambda: not parts.uploads.folder("aa").exists())
    row = parts.store.summary(job.id)
    assert row is not None and row.files_deleted


async def test_first_job_of_its_kind_says_how_long_by_its_rehearsal(
    parts: Services, make_spec: MakeSpec, served: Served
) -> None:
    async with served():
        spec = make_spec("wait")
        await parts.runner.preview(spec)
        given = {"given": {"max_drop": "0.03"}, "max_drop": 0.03}  # which change nothing in it
        job = await parts.runner.submit(spec.model_copy(update=given), OWNER)
        await until(lambda: parts.runner.progress(job).steps)
        left = parts.runner.progress(job).seconds_left
        assert left is not None and 29 < left <= 31
        await parts.runner.cancel(job.id)


async def test_job_never_rehearsed_does_not_say_how_long(parts: Services, make_spec: MakeSpec, served: Served) -> None:
    async with served():
        job = await parts.runner.submit(make_spec("wait"), OWNER)
        await until(lambda: parts.runner.progress(job).steps)
        assert parts.runner.progress(job).seconds_left is None
        await parts.runner.cancel(job.id)
