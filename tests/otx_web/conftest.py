"""A whole app's parts in a temporary folder, with a fake engine behind the workers."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from jobs.spec import JobSpec, Limits, PotDefault
from otx_web import services
from otx_web.runner import Runner
from otx_web.services import Services
from otx_web.settings import Settings
from otx_web.store import Job, State, Store, Upload
from otx_web.uploads import Uploads
from otx_web.workers import Workers

FAKE = "tests.otx_web.fake_engine"
OWNER = "local"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("SPACE_ID", raising=False)
    return Settings(data=tmp_path / "data", memory_bytes=1 << 30, free_bytes=0)


def wire(settings: Settings) -> Services:
    """As `services.build`, with the fake engine."""
    store = Store(settings.database_url)
    uploads, workers = Uploads(settings, store), Workers(settings, module=FAKE)
    return Services(settings, store, uploads, workers, Runner(settings, store, uploads, workers))


@pytest.fixture
def parts(settings: Settings) -> services.Services:
    return wire(settings)


def put_upload(parts: Services, digest: str, kind: str, owner: str = OWNER) -> Upload:
    """An upload as if it had come, with one byte in it."""
    folder = parts.uploads.folder(digest)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{digest}.bin").write_bytes(b"x")
    return parts.store.add_upload(Upload(digest=digest, owner=owner, kind=kind, name=f"{digest}.onnx", size_bytes=1))


@pytest.fixture
def make_spec(parts: Services) -> Callable[..., JobSpec]:
    """A spec whose worker does `act`; see fake_engine."""
    model, dataset = put_upload(parts, "aa", "model"), put_upload(parts, "bb", "dataset")

    def make(act: str = "succeed", *, wall_seconds: float = 60, cpu_seconds: int = 60, **given: str) -> JobSpec:
        return JobSpec(
            task="classification",
            template="generic",
            options=PotDefault(),
            model=parts.uploads.source(model),
            dataset=parts.uploads.source(dataset),
            given={"act": act, **given},
            limits=Limits(memory_bytes=1 << 30, wall_seconds=wall_seconds, cpu_seconds=cpu_seconds),
        )

    return make


@asynccontextmanager
async def serving(parts: Services) -> AsyncIterator[None]:
    """Workers and queue run inside; at the end they stop as on SIGTERM."""
    async with anyio.create_task_group() as group:
        await group.start(parts.workers.serve)
        await group.start(parts.runner.serve)
        yield
        group.cancel_scope.cancel()


@pytest.fixture
def served(parts: Services) -> Callable[[], AbstractAsyncContextManager[None]]:
    return lambda: serving(parts)


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for it, and fail when it does not come."""
    with anyio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is another process's
            await anyio.sleep(0.005)


async def ended(parts: Services, job_id: str, seconds: float = 10.0) -> Job:
    """The job once it is done."""
    await until(lambda: state(parts, job_id).done, seconds)
    job = parts.store.job(job_id)
    assert job is not None
    return job


def state(parts: Services, job_id: str) -> State:
    job = parts.store.summary(job_id)
    assert job is not None
    return job.state


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
