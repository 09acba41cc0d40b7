"""The real forkserver behind the web's own `Workers`."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest

from jobs import events, keeper, report, sandbox
from jobs.report import Report
from jobs.spec import Limits
from otx_web.settings import Settings
from otx_web.workers import Exit, Workers
from tests.jobs import tiny

ROOT = Path(__file__).parents[2]
ACTS = "tests.jobs.acts"
UNCONFINED = "tests.jobs.acts_unconfined"
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("SPACE_ID", raising=False)
    return Settings(data=tmp_path / "data")


@asynccontextmanager
async def serving(settings: Settings, module: str = ACTS, *, ready: bool = True) -> AsyncIterator[Workers]:
    workers = Workers(settings, module=module)
    async with anyio.create_task_group() as group:
        await group.start(workers.serve)
        if ready:
            await until(lambda: workers.ready)
        yield workers
        group.cancel_scope.cancel()


async def run(workers: Workers, directory: Path, act: str, *, memory_bytes: int = 1 << 30, **limits: float) -> Exit:
    put(directory, act)
    allowed = Limits.model_validate({"memory_bytes": memory_bytes, **limits})
    return await workers.run("run", directory, readable=[], writable=[directory], limits=allowed)


def put(directory: Path, act: str) -> None:
    directory.mkdir(exist_ok=True)
    (directory / "act").write_text(act)


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    with anyio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is another process's
            await anyio.sleep(0.002)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def parent(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def descendants(pid: int) -> set[int]:
    """Of a process, at any depth."""
    processes = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    parents = {other: parent(other) for other in processes}
    found: set[int] = set()
    added = {pid}
    while added:
        found |= added
        added = {child for child, its in parents.items() if its in added} - found
    return found - {pid}


def forkserver_processes() -> set[int]:
    """The forkserver of this test, and all that came from it."""
    return {pid for pid in descendants(os.getpid()) if alive(pid)}


async def be_an_app(data: Path, directory: Path) -> None:
    """What the test that kills an app kills."""
    async with serving(Settings(data=data), UNCONFINED) as workers:
        await run(workers, directory, "grandchildren_and_hang")


async def test_worker_runs_in_its_own_directory_with_a_clean_environment(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    directory = tmp_path / "job"
    async with serving(settings) as workers:
        end = await run(workers, directory, "look")
    assert end == Exit(code=0, signal=None, seconds=end.seconds)
    found = json.loads((directory / "found.json").read_text())
    assert found["folder"] == str(directory)
    assert {found["environment"].pop(name) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")} == {str(directory / "tmp")}
    assert set(found["environment"]) <= {
        *keeper.KEPT_VARIABLES,
        *("LC_CTYPE", "USER", "CI", "NNCF_CI", "HF_HUB_OFFLINE", "DO_NOT_TRACK", "MPLBACKEND", "PYTHONNOUSERSITE"),
        "JOBLIB_MULTIPROCESSING",
    }
    assert [name.partition(":")[0] for name in found["standard files"]] == ["/dev/null", "pipe", "pipe"]
    assert len(found["other files"]) <= 1  # its own folder in /proc, which the sandbox holds open
    assert found["temporary"] == str(directory / "tmp")
    assert found["session"]
    assert found["nice"] == keeper.NICE
    assert not (directory / "tmp").exists()


async def test_every_ending_is_told_and_ends_nothing_else(settings: Settings, tmp_path: Path) -> None:
    endings = {
        "succeed": (0, None),
        "leave_code": (3, None),
        "leave": (4, None),
        "fail": (1, None),
        "crash": (None, signal.SIGSEGV),
        "abort": (None, signal.SIGABRT),
        "out_of_memory": (1, None),
        "write_too_much": (None, signal.SIGXFSZ),
        "spin": (None, signal.SIGXCPU),
    }
    async with serving(settings) as workers:
        for act, expected in endings.items():
            limits = {"memory_bytes": 256 << 20, "file_bytes": 1 << 20, "cpu_seconds": 1}
            end = await run(workers, tmp_path / act, act, **limits)
            assert (end.code, end.signal) == expected, act
            assert not end.out_of_time
    assert "the reason of the failure" in (tmp_path / "fail" / "log.txt").read_text()
    assert "MemoryError" in (tmp_path / "out_of_memory" / "log.txt").read_text()


async def test_worker_past_its_time_is_killed(settings: Settings, tmp_path: Path) -> None:
    async with serving(settings) as workers:
        end = await run(workers, tmp_path / "job", "hang", wall_seconds=0.1)
    assert (end.out_of_time, end.signal) == (True, signal.SIGKILL)


async def test_first_event_comes_within_a_quarter_of_a_second(settings: Settings, tmp_path: Path) -> None:
    seconds = []
    async with serving(settings) as workers:
        for number in range(3):
            directory = tmp_path / str(number)
            async with anyio.create_task_group() as group:
                begun = time.monotonic()
                group.start_soon(run, workers, directory, "hang")
                await until(lambda directory=directory: events.read(directory)[0])  # type: ignore[misc]
                seconds.append(time.monotonic() - begun)
                group.cancel_scope.cancel()
    assert min(seconds) < 0.25  # the fastest, since the machine may be busy


async def test_cancelled_worker_is_gone_before_the_call_returns(settings: Settings, tmp_path: Path) -> None:
    async with serving(settings, UNCONFINED) as workers:
        resting = forkserver_processes()
        async with anyio.create_task_group() as group:
            group.start_soon(run, workers, tmp_path / "job", "grandchildren_and_hang")
            await until(lambda: events.read(tmp_path / "job")[0])
            # keeper, worker, three grandchildren
            await until(lambda: len(forkserver_processes() - resting) == 5)
            group.cancel_scope.cancel()
        await until(lambda: forkserver_processes() == resting)


async def test_what_a_worker_leaves_behind_is_gone_when_its_end_is_told(settings: Settings, tmp_path: Path) -> None:
    directory = tmp_path / "job"
    async with serving(settings, UNCONFINED) as workers:
        end = await run(workers, directory, "grandchildren")
        left = [int((directory / f"grandchild{number}").read_text()) for number in range(3)]
        assert not [pid for pid in left if alive(pid)]
    assert end.code == 0


async def test_log_keeps_its_beginning_and_its_end(settings: Settings, tmp_path: Path) -> None:
    async with serving(settings) as workers:
        end = await run(workers, tmp_path / "job", "shout")
        assert (await run(workers, tmp_path / "next", "succeed")).code == 0
    assert end.code == 0
    log = (tmp_path / "job" / "log.txt").read_bytes()
    assert len(log) < keeper.LOG_HEAD + keeper.LOG_TAIL + 200
    assert b"bytes of the log were left out here" in log
    assert log.endswith(b"the last line")


@pytest.mark.skipif(not sandbox.available().confined, reason="this kernel offers no sandbox")
async def test_worker_cannot_leave_its_directory(settings: Settings, tmp_path: Path) -> None:
    other, directory = tmp_path / "other", tmp_path / "job"
    for path in (other, directory):
        path.mkdir()
    (other / "spec.json").write_text("secret")
    (directory / "other").write_text(str(other / "spec.json"))
    async with serving(settings) as workers:
        assert (await run(workers, directory, "break_out")).code == 0
    assert json.loads((directory / "done.json").read_text()) == []


async def test_all_processes_end_with_the_app(settings: Settings, tmp_path: Path) -> None:
    async with serving(settings, UNCONFINED) as workers, anyio.create_task_group() as group:
        group.start_soon(run, workers, tmp_path / "job", "grandchildren_and_hang")
        await until(lambda: events.read(tmp_path / "job")[0])
        running = forkserver_processes()
        group.cancel_scope.cancel()
        workers._process.kill()  # type: ignore[union-attr] - as when it runs out of memory
        await until(lambda: not any(map(alive, running)))


def start_app(settings: Settings, directory: Path) -> subprocess.Popen[bytes]:
    """An app as a process of its own, which runs a job."""
    return subprocess.Popen([sys.executable, "-m", __name__, str(settings.data), str(directory)], cwd=ROOT)


async def test_app_killed_leaves_no_process(settings: Settings, tmp_path: Path) -> None:
    directory = tmp_path / "job"
    app = start_app(settings, directory)
    try:
        await until(lambda: directory.exists() and events.read(directory)[0])
        # forkserver, keeper, worker, three grandchildren
        await until(lambda: len(list(filter(alive, descendants(app.pid)))) == 6)
        running = descendants(app.pid)
    finally:
        app.kill()
        app.wait()
    await until(lambda: not any(map(alive, running)))


async def test_keeper_killed_ends_its_worker_only(settings: Settings, tmp_path: Path) -> None:
    ends = {}

    async def note(act: str) -> None:
        ends[act] = await run(workers, tmp_path / act, act)

    async with serving(settings, UNCONFINED) as workers:
        server = workers._process.pid  # type: ignore[union-attr]
        async with anyio.create_task_group() as group:
            group.start_soon(note, "grandchildren_and_hang")
            await until(lambda: events.read(tmp_path / "grandchildren_and_hang")[0])
            killed = descendants(server)
            (keeper_pid,) = [pid for pid in killed if parent(pid) == server]
            group.start_soon(note, "hang")
            await until(lambda: (tmp_path / "hang").exists() and events.read(tmp_path / "hang")[0])
            os.kill(keeper_pid, signal.SIGKILL)
            await until(lambda: "grandchildren_and_hang" in ends)
            assert not any(map(alive, killed))
            assert "hang" not in ends
            group.cancel_scope.cancel()
    assert ends["grandchildren_and_hang"].signal == signal.SIGKILL


async def test_early_worker_does_not_wait_for_the_imports(settings: Settings, tmp_path: Path) -> None:
    """And the imports wait for it, so that they do not disturb what it measures."""
    async with serving(settings, ready=False) as workers:
        async with anyio.create_task_group() as group:
            group.start_soon(run, workers, tmp_path / "job", "hang")
            await until(lambda: (tmp_path / "job").exists() and events.read(tmp_path / "job")[0])
            assert not workers.ready
            group.cancel_scope.cancel()
        await until(lambda: workers.ready)


async def test_start_that_fails_is_told(settings: Settings, tmp_path: Path) -> None:
    async with serving(settings) as workers:
        end = await workers.run("run", tmp_path / "absent", readable=[], writable=[], limits=Limits())
    assert (end.code, end.signal) == (1, None)
    assert "absent" in (settings.data / "forkserver.log").read_text()


async def test_engines_work_on_all_cores_after_every_fork(settings: Settings, tmp_path: Path) -> None:
    ends = []

    async def note(number: int) -> None:
        ends.append((await run(workers, tmp_path / str(number), "", memory_bytes=4 << 30)).code)

    async with serving(settings, "tests.jobs.acts_real") as workers:
        for pair in range(3):  # two at once
            async with anyio.create_task_group() as group:
                group.start_soon(note, 2 * pair)
                group.start_soon(note, 2 * pair + 1)
    logs = [(tmp_path / str(number) / "log.txt").read_text() for number in range(6)]
    assert ends == [0] * 6, logs


async def test_real_job_runs_shut_in_before_and_after_all_is_imported(settings: Settings, tmp_path: Path) -> None:
    async with serving(settings, "jobs.forkserver", ready=False) as workers:
        early = await run_real(workers, tmp_path, "early")
        assert not workers.ready
        await until(lambda: workers.ready, 60)
        late = await run_real(workers, tmp_path, "late")
    for made in (early, late):
        assert made.failure is None and made.after is not None and made.verdict is not None
    assert early.after and late.after and early.after.metrics == late.after.metrics
    weights = {(tmp_path / name / "artifacts" / "model.bin").read_bytes() for name in ("early", "late")}
    assert len(weights) == 1  # to the bit, with PyTorch or without


async def run_real(workers: Workers, tmp_path: Path, name: str) -> Report:
    job_dir = tiny.job(tmp_path, name=name)
    readable = [tmp_path / f"{name}-{kind}" for kind in ("model", "pictures")]
    end = await workers.run("run", job_dir, readable=readable, writable=[job_dir], limits=Limits())
    made = report.read(job_dir)
    assert made is not None, (end, (job_dir / "log.txt").read_text())
    return made


if __name__ == "__main__":
    anyio.run(be_an_app, Path(sys.argv[1]), Path(sys.argv[2]))
