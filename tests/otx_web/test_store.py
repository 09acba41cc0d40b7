"""The history: one file, many writers, and states that change by the rules only."""

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from jobs.errors import DiskFull, JobError
from jobs.findings import Findings, Problem
from jobs.report import Failure, Measure, Rate, Report, Speed, Verdict
from jobs.spec import JobSpec, PotDefault, Source
from otx_web.store import (
    MAX_ATTEMPTS,
    STEPS,
    Filter,
    HistoryUnavailable,
    Job,
    OtherVersion,
    State,
    Store,
    Upload,
    WrongStep,
)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'history.sqlite3'}"


@pytest.fixture
def store(url: str) -> Store:
    return Store(url)


def spec(model: str = "aa", dataset: str = "bb", **more: object) -> JobSpec:
    return JobSpec(
        task="classification",
        template="generic",
        options=PotDefault(),
        model=Source(name=f"{model}.onnx", digest=model, path=model),
        dataset=Source(name=f"{dataset}.zip", digest=dataset, path=dataset),
        **more,  # type: ignore[arg-type]
    )


def add(store: Store, name: str = "job", *, owner: str = "me", **more: object) -> Job:
    return store.add_job(spec(**more), owner=owner, name=name)  # type: ignore[arg-type]


def measure(accuracy: float, size: int) -> Measure:
    return Measure(metrics={"accuracy": accuracy}, size_bytes=size, parameters=1, precision="FP32")


def report(after: float = 0.8, ratio: float = 1.5, verdict: str = "held") -> Report:
    rate = Rate(
        throughput_fps=10,
        throughput_low=9,
        throughput_high=11,
        latency_ms=1,
        latency_low=1,
        latency_high=1,
        precision="FP32",
    )
    speed = Speed(
        before=rate,
        after=rate.model_copy(update={"throughput_fps": 10 * ratio}),
        ratio=ratio,
        ratio_low=ratio,
        ratio_high=ratio,
        latency_ratio=1,
        latency_ratio_low=1,
        latency_ratio_high=1,
        reference="",
    )
    return Report(
        status="succeeded",
        task="classification",
        template="generic",
        method="pot_default",
        metric="accuracy",
        before=measure(0.9, 400),
        after=measure(after, 100),
        speed=speed,
        verdict=Verdict.model_validate(
            {"accuracy": verdict, "drop": 0, "drop_low": 0, "drop_high": 0, "limit": 0.01, "message": ""}
        ),
        seconds={"read": 1.0, "total": 9.0},
    )


def finish(store: Store, job: Job, state: State = State.SUCCEEDED, made: Report | None = None) -> Job:
    store.claim(job.id)
    return store.change_state(job.id, state, report=made)


# --- jobs


def test_job_comes_back_as_it_was(store: Store) -> None:
    job = add(store, "Кот <b>")
    found = store.job(job.id)
    assert found is not None and found.spec == spec() and found.report is None
    assert (found.name, found.owner, found.state, found.attempt) == ("Кот <b>", "me", State.QUEUED, 0)
    assert found.created_at.tzinfo is not None and found.created_at == job.created_at
    assert store.job("nothing") is None and store.summary("nothing") is None


def test_ids_cannot_be_guessed(store: Store) -> None:
    ids = {add(store).id for _ in range(20)}
    assert len(ids) == 20 and all(len(job_id) == 20 for job_id in ids)


def test_summary_has_the_numbers_of_the_report(store: Store) -> None:
    finish(store, job := add(store), made=report())
    found = store.summary(job.id)
    assert found is not None and not hasattr(found, "report")
    assert (found.metric, found.before, found.after, found.verdict) == ("accuracy", 0.9, 0.8, "held")
    assert (found.speed_ratio, found.throughput_before, found.throughput_after) == (1.5, 10, 15)
    assert (found.size_ratio, found.size_after, found.failure) == (4, 100, None)
    assert found.seconds is not None and found.seconds >= 0


def test_jobs_come_in_the_order_asked_for(store: Store) -> None:
    first, second = add(store, "1"), add(store, "2")
    assert [job.id for job in store.jobs([second.id, "gone", first.id, "'; DROP TABLE job; --"])] == [
        second.id,
        first.id,
    ]


def test_rename_and_delete(store: Store) -> None:
    job = add(store)
    store.rename(job.id, "better")
    found = store.summary(job.id)
    assert found is not None and found.name == "better"
    with pytest.raises(WrongStep, match="cancel it first"):
        store.delete_job(job.id)
    store.change_state(job.id, State.CANCELLED)
    store.delete_job(job.id)
    store.delete_job(job.id)
    assert store.job(job.id) is None


# --- states


@pytest.mark.parametrize(("start", "to"), list(itertools.product(State, State)))
def test_only_the_steps_of_the_table_can_be_made(store: Store, start: State, to: State) -> None:
    job = add(store)
    if start is not State.QUEUED:
        store.claim(job.id)
    if start.done:
        store.change_state(job.id, start)
    if to in STEPS[start]:
        assert store.change_state(job.id, to).state == to
        return
    with pytest.raises(WrongStep):
        store.change_state(job.id, to)
    unchanged = store.summary(job.id)
    assert unchanged is not None and unchanged.state == start


def test_job_runs_again_once_after_a_crash(store: Store) -> None:
    job = add(store)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        claimed = store.claim()
        assert claimed is not None and claimed.attempt == attempt
        if attempt < MAX_ATTEMPTS:
            assert store.change_state(job.id, State.QUEUED).started_at is None
    with pytest.raises(WrongStep):
        store.change_state(job.id, State.QUEUED)


def test_stop_in_order_gives_the_attempt_back(store: Store) -> None:
    job = add(store)
    for _ in range(MAX_ATTEMPTS + 1):
        assert store.claim() is not None
        assert store.change_state(job.id, State.QUEUED, counted=False).attempt == 0


def test_late_result_of_a_cancelled_job_is_refused(store: Store) -> None:
    job = add(store)
    store.claim()
    store.change_state(job.id, State.CANCELLED)
    with pytest.raises(WrongStep):
        store.change_state(job.id, State.SUCCEEDED, report=report())
    found = store.job(job.id)
    assert found is not None and found.report is None


def test_failure_is_told_in_the_row(store: Store) -> None:
    failed = Report(
        status="failed", task="t", template="t", method="m", failure=Failure(kind="crashed", message="It crashed.")
    )
    assert finish(store, add(store), State.FAILED, failed).failure == "It crashed."


# --- the queue


def test_queue_is_served_in_turn(store: Store) -> None:
    """One who sends a hundred jobs does not keep others waiting."""
    for owner, count in (("busy", 4), ("calm", 2), ("late", 1)):
        for number in range(count):
            add(store, f"{owner} {number}", owner=owner)
    order = []
    while job := store.claim():
        order.append(job.name)
        store.change_state(job.id, State.SUCCEEDED)
    assert order == ["busy 0", "calm 0", "late 0", "busy 1", "calm 1", "busy 2", "busy 3"]


def test_owner_with_a_running_job_waits_for_others(store: Store) -> None:
    for owner in ("busy", "busy", "calm"):
        add(store, owner, owner=owner)
    names = [job.name for job in (store.claim(), store.claim(), store.claim()) if job]
    assert names == ["busy", "calm", "busy"] and store.claim() is None


def test_one_job_can_be_claimed_by_its_id(store: Store) -> None:
    first, second = add(store), add(store)
    claimed = store.claim(second.id)
    assert claimed is not None and claimed.id == second.id
    assert store.claim(second.id) is None and store.claim("nothing") is None
    assert store.ahead(second) == 1 and store.count_active() == (1, 1)
    assert store.ahead(first) == 0 and store.count_active("stranger") == (0, 0)


def test_every_job_is_claimed_once_by_many(url: str, store: Store) -> None:
    ids = {add(store, owner=f"owner {number % 3}").id for number in range(60)}
    claimed: list[str] = []

    def work() -> None:
        mine = Store(url)
        while job := mine.claim():
            claimed.append(job.id)
            mine.change_state(job.id, State.SUCCEEDED)
        mine.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(claimed) == 60 and set(claimed) == ids


def test_same_job_is_found_while_it_is_not_done(store: Store) -> None:
    long_ago, now = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1)
    job = add(store)
    twin = store.same(spec(), "me", long_ago)
    assert twin is not None and twin.id == job.id
    assert store.same(spec(seed_ := "cc"), "me", long_ago) is None, seed_
    assert store.same(spec(), "stranger", long_ago) is None and store.same(spec(), "me", now) is None
    finish(store, job)
    assert store.same(spec(), "me", long_ago) is None


def test_stage_seconds_of_the_last_jobs_like_it(store: Store) -> None:
    finish(store, add(store), made=report())
    finish(store, add(store), State.FAILED)
    assert store.stage_seconds("classification", "pot_default") == ({"read": 1.0, "total": 9.0},)
    assert store.stage_seconds("classification", "other") == ()


# --- lists


@pytest.fixture
def many(store: Store) -> Store:
    """Four jobs of two owners, each unlike the others."""
    finish(store, add(store, "Ёжик one", model="resnet"), made=report(after=0.5, verdict="lost"))
    finish(store, add(store, "two", model="squeeze"), made=report(after=0.7))
    add(store, "Three 100%", model="resnet", dataset="digits")
    add(store, "four", owner="other")
    return store


def names(store: Store, **wanted: object) -> list[str]:
    return [job.name for job in store.list_jobs(Filter(descending=False, **wanted)).rows]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["Ёжик one", "two", "Three 100%", "four"]),
        ({"owner": "me"}, ["Ёжик one", "two", "Three 100%"]),
        ({"states": [State.QUEUED, State.RUNNING]}, ["Three 100%", "four"]),
        ({"verdict": "lost"}, ["Ёжик one"]),
        ({"task": "classification", "method": "pot_default"}, ["Ёжик one", "two", "Three 100%", "four"]),
        ({"method": "other"}, []),
        ({"model_digest": "resnet"}, ["Ёжик one", "Three 100%"]),
        ({"dataset_digest": "digits"}, ["Three 100%"]),
        ({"text": "ёЖИК"}, ["Ёжик one"]),
        ({"text": "RESNET"}, ["Ёжик one", "Three 100%"]),
        ({"text": "digits.zip"}, ["Three 100%"]),
        ({"text": "100%"}, ["Three 100%"]),
        ({"text": "%"}, ["Three 100%"]),
        ({"text": "_"}, []),
        ({"text": "' OR 1=1 --"}, []),
        ({"sort": "name"}, ["four", "Three 100%", "two", "Ёжик one"]),
        ({"sort": "after"}, ["Ёжик one", "two", "Three 100%", "four"]),
        ({"sort": "no such column; --"}, ["Ёжик one", "two", "Three 100%", "four"]),
        ({"offset": 1, "limit": 2}, ["two", "Three 100%"]),
    ],
)
def test_list_is_filtered_and_sorted(many: Store, wanted: dict[str, object], expected: list[str]) -> None:
    found = names(many, **wanted)
    assert sorted(found) == sorted(expected) if wanted.get("sort") == "after" else found == expected


def test_jobs_without_the_number_come_last_either_way(many: Store) -> None:
    for descending in (True, False):
        rows = many.list_jobs(Filter(sort="after", descending=descending)).rows
        assert [row.after is None for row in rows] == [False, False, True, True]


def test_list_says_how_long_the_whole_is(many: Store) -> None:
    page = many.list_jobs(Filter(limit=2))
    assert len(page.rows) == 2 and page.total == 4
    assert [row.name for row in page.rows] == ["four", "Three 100%"], "the newest first"


def test_list_by_time(many: Store) -> None:
    rows = many.list_jobs(Filter(descending=False)).rows
    assert names(many, since=rows[1].created_at, until=rows[3].created_at) == ["two", "Three 100%"]


def test_job_is_found_by_its_id(many: Store) -> None:
    job = many.list_jobs().rows[2]
    assert names(many, text=job.id) == [job.name] and names(many, text=job.id[:-1]) == []


def test_old_jobs_are_found_by_when_they_ended(many: Store) -> None:
    later = datetime.now(UTC) + timedelta(seconds=1)
    old = many.finished_before(later)
    assert {job.name for job in old} == {"Ёжик one", "two"} and many.finished_before(old[0].created_at) == ()
    many.mark_files_deleted(old[0].id)
    assert len(many.finished_before(later)) == 1


# --- uploads


def upload(digest: str = "aa", owner: str = "me", **more: object) -> Upload:
    return Upload.model_validate(
        {"digest": digest, "owner": owner, "kind": "model", "name": "a.onnx", "size_bytes": 10, **more}
    )


def test_same_content_again_only_gets_its_new_name(store: Store) -> None:
    first = store.add_upload(upload())
    again = store.add_upload(upload(name="b.onnx"))
    assert again.name == "b.onnx" and again.created_at > first.created_at
    assert [one.name for one in store.uploads("me")] == ["b.onnx"] and store.bytes_of("me") == 10


def test_uploads_belong_to_their_owners(store: Store) -> None:
    store.add_upload(upload())
    store.add_upload(upload(owner="other"))
    store.add_upload(upload("bb", kind="dataset"))
    assert store.upload("aa", "stranger") is None
    assert [one.digest for one in store.uploads("me")] == ["bb", "aa"]
    assert [one.digest for one in store.uploads("me", "model")] == ["aa"] and len(store.uploads()) == 3
    assert store.bytes_of("me") == 20 and store.bytes_of("stranger") == 0


def test_findings_are_for_all_who_have_the_content(store: Store) -> None:
    for owner in ("me", "other"):
        store.add_upload(upload(owner=owner))
    found = Findings(problems=(Problem(level="error", where="model", message="It is broken."),))
    store.set_findings("aa", found)
    assert [one.findings for one in store.uploads()] == [found, found]
    store.set_findings("aa", None)
    assert {one.findings for one in store.uploads()} == {None}


def test_upload_is_deleted_when_nobody_needs_it(store: Store) -> None:
    for owner in ("me", "other"):
        store.add_upload(upload(owner=owner))
    job = add(store)
    with pytest.raises(WrongStep, match="needs this upload"):
        store.delete_upload("aa", "me")
    assert [one.id for one in store.using("aa")] == [job.id] == [one.id for one in store.using("bb")]
    assert not store.delete_upload("aa", "other"), "me has it still"
    finish(store, job)
    assert store.delete_upload("aa", "me") and store.uploads() == ()
    assert store.delete_upload("aa", "me"), "again does no harm"


def test_files_stay_while_another_ones_job_needs_them(store: Store) -> None:
    store.add_upload(upload(owner="other"))
    add(store, owner="me")
    assert not store.delete_upload("aa", "other")


# --- what another version wrote


@pytest.fixture
def change(url: str, store: Store) -> Callable[[str], None]:
    """Write into the file behind the store's back."""

    def execute(statement: str) -> None:
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            connection.execute(statement)
        connection.close()

    return execute


def test_job_nobody_can_read_does_not_block_the_queue(store: Store, change: Callable[[str], None]) -> None:
    old, good = add(store, "old"), add(store, "good")
    change(f"UPDATE job SET spec = '{{\"version\": 0}}' WHERE id = '{old.id}'")
    assert store.claim() is None, "it is put aside"
    claimed = store.claim()
    assert claimed is not None and claimed.id == good.id
    row = store.summary(old.id)
    assert row is not None and row.state == State.FAILED and row.failure and "another version" in row.failure
    with pytest.raises(OtherVersion) as caught:
        store.job(old.id)
    assert caught.value.hint
    store.delete_job(old.id)


def test_report_and_findings_nobody_can_read_are_none(store: Store, change: Callable[[str], None]) -> None:
    finish(store, job := add(store), made=report())
    store.add_upload(upload())
    store.set_findings("aa", Findings())
    change("UPDATE job SET report = '{}'")
    change("UPDATE upload SET findings = 'no json'")
    found = store.job(job.id)
    assert found is not None and found.report is None and found.after == 0.8
    assert store.uploads()[0].findings is None


# --- faults


WRITER = """
import sys
from tests.otx_web.test_store import Store, add
store = Store(sys.argv[1])
while True:
    print(add(store).id, flush=True)
"""


def test_killed_writer_loses_nothing_that_it_had_written(url: str, store: Store) -> None:
    root = Path(__file__).parents[2]
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True, cwd=root)
        for _ in range(2)
    ]
    said: list[str] = []
    for writer in writers:
        assert writer.stdout is not None
        said += [writer.stdout.readline().strip() for _ in range(15)]
        os.kill(writer.pid, signal.SIGKILL)
    for writer in writers:
        assert writer.stdout is not None
        with writer, writer.stdout as rest:
            said += [line.strip() for line in rest if line.endswith("\n")]  # the last one may be cut off
    assert len(store.jobs(said)) == len(said) >= 30
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_reader_sees_the_old_state_while_another_writes(url: str, store: Store) -> None:
    job = add(store)
    other = Store(url)
    with other._write() as session:
        session.delete(session.get(Job, job.id))
        session.flush()
        assert store.job(job.id) is not None
    assert store.job(job.id) is None


@pytest.mark.parametrize(
    ("said", "kind", "match"),
    [
        ("database or disk is full", DiskFull, "disk is full"),
        ("attempt to write a readonly database", HistoryUnavailable, "readonly"),
        ("database is locked", HistoryUnavailable, "busy"),
        ("database disk image is malformed", HistoryUnavailable, "malformed"),
    ],
)
def test_trouble_with_the_file_is_told(
    store: Store, monkeypatch: pytest.MonkeyPatch, said: str, kind: type[JobError], match: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("COMMIT", {}, sqlite3.OperationalError(said))

    monkeypatch.setattr("sqlalchemy.orm.Session.commit", fail)
    monkeypatch.setattr("sqlalchemy.orm.session.SessionTransaction.commit", fail)
    with pytest.raises(kind, match=match) as caught:
        add(store)
    assert caught.value.hint


def test_history_that_may_not_be_written_is_told(tmp_path: Path, url: str, store: Store) -> None:
    add(store)
    store.close()
    path = Path(url.removeprefix("sqlite:///"))
    read_only = Store(f"sqlite:///file:{path}?mode=ro&uri=true")
    assert read_only.list_jobs().total == 1
    with pytest.raises(HistoryUnavailable, match="readonly"):
        add(read_only)
