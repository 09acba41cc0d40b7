"""The queue: takes jobs from the history in turn, runs each in a worker, and writes down what came of it."""

import errno
import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
from anyio import TASK_STATUS_IGNORED, CancelScope, CapacityLimiter, move_on_after, to_thread
from anyio.abc import TaskStatus
from pydantic import ValidationError

from jobs import consistency, stopping
from jobs import report as reports
from jobs import spec as specs
from jobs.errors import Crashed, DiskFull, JobError
from jobs.findings import FILE_NAME as FINDINGS_NAME
from jobs.findings import REQUEST_NAME, CheckRequest, Findings
from jobs.report import Report
from jobs.spec import JobSpec, Source, TaskName
from otx_web import files, outcome, progress, sweep
from otx_web.progress import Progress
from otx_web.settings import Settings
from otx_web.store import Job, State, Store, Summary, Upload, WrongStep, new_id
from otx_web.uploads import Uploads
from otx_web.workers import Exit, Workers

LOOK_SECONDS = 1.0
"""How often another process's doings are looked for: a job the command line added, or cancelled."""
SWEEP_SECONDS = 600.0
CHECKS = 2
"""Checks at once. They go ahead of jobs: a person waits for them."""
PREVIEW_SECONDS = 120.0
"""How long a rehearsal may take."""
TWICE_SECONDS = 3.0
"""The same job sent again within this time is a double click."""
LEFT_BY_A_RUN = ("events.jsonl", "log.txt", "report.json", "artifacts", stopping.FILE_NAME)

logger = logging.getLogger(__name__)


class TooManyJobs(JobError):
    """You have as many jobs waiting as one person may."""

    hint = "Wait until one is done, or cancel one."


class NotYours(JobError):
    """There is no such job of yours."""


class Runner:
    """Runs jobs while `serve` runs; the rest can be called at any time, also from another process."""

    def __init__(self, settings: Settings, store: Store, uploads: Uploads, workers: Workers) -> None:
        self._settings = settings
        self._store = store
        self._uploads = uploads
        self._workers = workers
        self._wake = anyio.Event()
        self._adding = anyio.Lock()
        self._running: dict[str, CancelScope] = {}
        self._checks = CapacityLimiter(CHECKS)
        self._checking: dict[str, anyio.Lock] = {}
        self._expected: dict[str, tuple[dict[str, float], ...]] = {}
        settings.jobs.mkdir(parents=True, exist_ok=True)
        settings.cache.mkdir(parents=True, exist_ok=True)

    # what pages and the command line ask for

    def directory(self, job_id: str) -> Path:
        """Where a job is: spec, events, log, artifacts, report."""
        return self._settings.jobs / job_id

    def rehearsal(self, spec: JobSpec) -> Path:
        """Where a job was, or will be, rehearsed."""
        return self._settings.previews / hashlib.sha256(_rehearsed(spec).model_dump_json().encode()).hexdigest()[:32]

    def progress(self, job: Summary) -> Progress:
        """How far it is."""
        if job.id not in self._expected:
            self._expected[job.id] = self._timings(job)
        return progress.read(self.directory(job.id), earlier=self._expected[job.id])

    async def submit(self, spec: JobSpec, owner: str, name: str = "") -> Job:
        """Put a job into the queue. Raises `JobError` when its files are gone, or there are too many."""
        async with self._adding:  # a double click is seen only when its first half is in the history
            job = await to_thread.run_sync(self._add, spec, owner, name)
        self._wake.set()
        return job

    async def cancel(self, job_id: str, owner: str | None = None) -> State:
        """Stop a job, and say how it stands now. One that is done stays as it is. `owner` None is the operator."""
        await to_thread.run_sync(self._own, job_id, owner)
        with suppress(WrongStep):
            await to_thread.run_sync(self._store.change_state, job_id, State.CANCELLED)
        if scope := self._running.get(job_id):
            scope.cancel()
        return State((await to_thread.run_sync(self._own, job_id, owner)).state)

    async def stop(self, job_id: str, owner: str | None = None) -> None:
        """Have a training end with the best it has; the job goes on with that. Nothing else listens."""
        job = await to_thread.run_sync(self._own, job_id, owner)
        if job.state == State.RUNNING:
            await to_thread.run_sync(stopping.ask, self.directory(job_id))

    async def rename(self, job_id: str, name: str, owner: str | None = None) -> None:
        """Call a job something else."""
        await to_thread.run_sync(self._own, job_id, owner)
        await to_thread.run_sync(self._store.rename, job_id, name.strip() or job_id)

    async def delete(self, job_id: str, owner: str | None = None) -> None:
        """Forget a job and its files. Raises `JobError` while it is queued or running."""
        await to_thread.run_sync(self._own, job_id, owner)
        try:
            await to_thread.run_sync(self._store.delete_job, job_id)
        except WrongStep as error:
            raise JobError(str(error)) from error
        await to_thread.run_sync(shutil.rmtree, self.directory(job_id), True)

    async def check(
        self,
        upload: Upload,
        *,
        task: TaskName | None = None,
        model_settings: dict[str, str] | None = None,
        seed: int = 0,
    ) -> Findings:
        """Look into an upload in a worker. The same question is answered once."""
        lock = self._checking.setdefault(upload.digest, anyio.Lock())
        async with lock:
            return await self._check(upload, task, model_settings or {}, seed)

    async def preview(self, spec: JobSpec) -> Findings:
        """Rehearse a job on three images: what would stop it, and about how long and how much memory it takes."""
        await to_thread.run_sync(self._require, spec)
        directory = self.rehearsal(spec)
        limits = spec.limits.model_copy(update={"wall_seconds": min(PREVIEW_SECONDS, spec.limits.wall_seconds)})
        request = CheckRequest(kind="job", source=spec.model, job=_rehearsed(spec), limits=limits)
        async with self._checking.setdefault(directory.name, anyio.Lock()):
            return await self._answer(directory, request, [spec.model, spec.dataset])

    async def run(self, job_id: str) -> Job | None:
        """Run one job of the queue here and now, or wait for whoever has taken it already. For the command line.

        None when it was deleted meanwhile.
        """
        job = await to_thread.run_sync(self._claim, job_id)
        if job is not None:
            await self._work(*job)
        while True:
            found = await to_thread.run_sync(self._store.job, job_id)
            if found is None or found.state.done:
                return found
            await anyio.sleep(LOOK_SECONDS / 4)

    # the loop

    async def serve(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Run jobs until cancelled; those running then go back into the queue."""
        await to_thread.run_sync(self._recover)
        async with anyio.create_task_group() as group:
            for _ in range(self._settings.workers):
                group.start_soon(self._loop)
            group.start_soon(self._look)
            group.start_soon(self._tidy)
            task_status.started()

    async def _loop(self) -> None:
        """One place for a job: wait for one, run it, and again."""
        while True:
            wake = self._wake
            try:
                taken = await to_thread.run_sync(self._claim)
            except Exception:  # the disk may be full, or the history locked: better later than never
                logger.exception("No job could be taken from the queue.")
                taken = None
            if taken is not None:
                with _logged("What came of a job could not be written down; it runs again."):
                    await self._work(*taken)
                continue
            with move_on_after(LOOK_SECONDS):
                await wake.wait()
            if wake.is_set() and self._wake is wake:
                self._wake = anyio.Event()

    async def _work(self, job: Job, lock: int) -> None:
        """Run a job to its end, whichever that is."""
        scope = self._running[job.id] = CancelScope()
        try:
            with scope:
                await self._try(job)
            if scope.cancelled_caught:
                await to_thread.run_sync(self._discard, job.id)
        except anyio.get_cancelled_exc_class():  # the app goes down
            with CancelScope(shield=True):
                await to_thread.run_sync(self._put_back, job.id)
            raise
        finally:
            del self._running[job.id]
            self._unlock(job.id, lock)

    async def _try(self, job: Job) -> None:
        """The edge: whatever goes wrong with a job ends in its report, and the queue goes on."""
        try:
            job_dir = await to_thread.run_sync(self._prepare, job)
            end = await self._workers.run(
                "run",
                job_dir,
                readable=[*(self._uploads.folder(source.digest) for source in (job.spec.model, job.spec.dataset))],
                writable=[job_dir, self._baselines(job.spec)],
                limits=job.spec.limits,
            )
            await to_thread.run_sync(self._conclude, job, end)
        except Exception as error:
            if not isinstance(error, JobError):
                logger.exception("Job %s could not be run.", job.id)
            await to_thread.run_sync(self._fail, job, _sentence(error))

    async def _look(self) -> None:
        """Stop what another process has cancelled."""
        while True:
            await anyio.sleep(LOOK_SECONDS)
            if not self._running:
                continue
            with _logged("The running jobs could not be looked at."):
                still = {job.id for job in await to_thread.run_sync(self._store.in_state, State.RUNNING)}
                for job_id in [job_id for job_id in self._running if job_id not in still]:
                    self._running[job_id].cancel()

    async def _tidy(self) -> None:
        """Old files, and jobs whose process was killed."""
        while True:
            with _logged("Old files could not be taken away."):
                await to_thread.run_sync(sweep.sweep, self._settings, self._store)
                await to_thread.run_sync(self._recover)
            await anyio.sleep(SWEEP_SECONDS)

    # in threads

    def _own(self, job_id: str, owner: str | None) -> Summary:
        job = self._store.summary(job_id)
        if job is None or owner not in (None, job.owner):
            raise NotYours(where=job_id)
        return job

    def _add(self, spec: JobSpec, owner: str, name: str) -> Job:
        self._require(spec)
        if twin := self._store.same(spec, owner, datetime.now(UTC) - timedelta(seconds=TWICE_SECONDS)):
            return twin
        if self._settings.public and sum(self._store.count_active(owner)) >= self._settings.owner_jobs:
            raise TooManyJobs
        job_id = new_id()
        try:
            self.directory(job_id).mkdir()
            specs.write(self.directory(job_id), spec)
        except OSError as error:
            raise _sentence(error) from error
        return self._store.add_job(spec, owner=owner, name=name.strip() or spec.model.name, job_id=job_id)

    def _claim(self, job_id: str | None = None) -> tuple[Job, int] | None:
        """Take a job, and a lock that says a living process has it."""
        if job_id is None and not self._store.count_active()[1]:
            return None
        with self._queue_lock():
            job = self._store.claim(job_id)
            if job is None:
                return None
            lock = self._lock(job.id)
            assert lock is not None  # only who claims locks, and nobody else could claim
            return job, lock

    def _recover(self) -> None:
        """Jobs whose process was killed run again, once."""
        with self._queue_lock():
            for job in self._store.in_state(State.RUNNING):
                lock = self._lock(job.id)
                if lock is None:
                    continue
                try:
                    self._again(job)
                finally:
                    self._unlock(job.id, lock)

    def _again(self, job: Summary) -> None:
        try:
            self._store.change_state(job.id, State.QUEUED)
        except WrongStep:
            whole = self._store.job(job.id)
            assert whole is not None
            self._fail(whole, Crashed("The app was stopped twice while this job ran, so it is not tried again."))

    def _prepare(self, job: Job) -> Path:
        """An empty directory with the spec in it, also when an earlier attempt left things."""
        self._require(job.spec)
        job_dir = self.directory(job.id)
        job_dir.mkdir(exist_ok=True)
        _clear(job_dir, LEFT_BY_A_RUN)
        baselines = self._baselines(job.spec)
        baselines.mkdir(parents=True, exist_ok=True)
        specs.write(job_dir, job.spec.model_copy(update={"baselines": os.path.relpath(baselines, job_dir)}))
        return job_dir

    def _timings(self, job: Summary) -> tuple[dict[str, float], ...]:
        """Seconds a stage: as this very job was rehearsed, else as other jobs of its kind took."""
        whole = self._store.job(job.id)
        try:
            told = files.read_plain(self.rehearsal(whole.spec) / FINDINGS_NAME, outcome.MAX_REPORT) if whole else b""
            rehearsed = Findings.model_validate_json(told).stage_seconds
        except (OSError, ValidationError):
            rehearsed = {}
        return (rehearsed,) if rehearsed else self._store.stage_seconds(job.task, job.method)

    def _require(self, spec: JobSpec) -> None:
        for source in (spec.model, spec.dataset):
            self._uploads.require(source)

    def _baselines(self, spec: JobSpec) -> Path:
        """One folder for each pair of model and dataset: what a job leaves there is read by none with other files."""
        pair = f"{spec.model.digest}-{spec.dataset.digest}"
        return self._settings.cache / "baselines" / hashlib.sha256(pair.encode()).hexdigest()[:32]

    def _conclude(self, job: Job, end: Exit) -> None:
        job_dir = self.directory(job.id)
        self._record(job, outcome.report(job_dir, job.spec, end))
        self._expected.pop(job.id, None)

    def _fail(self, job: Job, error: JobError) -> None:
        self._record(job, outcome.failed(self.directory(job.id), job.spec, error))

    def _record(self, job: Job, report: Report) -> None:
        """Into the directory, where the worker left none, and into the history, unless it was cancelled meanwhile."""
        with suppress(OSError):
            reports.write(self.directory(job.id), report)
        with suppress(WrongStep):
            self._store.change_state(job.id, State(report.status), report=report)

    def _discard(self, job_id: str) -> None:
        """A cancelled job keeps its log and events."""
        _clear(self.directory(job_id), ("artifacts", "tmp", "report.json"))

    def _put_back(self, job_id: str) -> None:
        with suppress(WrongStep):
            self._store.change_state(job_id, State.QUEUED, counted=False)

    async def _check(
        self, upload: Upload, task: TaskName | None, model_settings: dict[str, str], seed: int
    ) -> Findings:
        directory = self._uploads.check_folder(upload.digest)
        request = CheckRequest(
            kind="model" if upload.kind == "model" else "dataset",
            source=self._uploads.source(upload, directory),
            task=task,
            model_settings=model_settings,
            seed=seed,
            allow_code=self._settings.code_allowed,
        )
        answer = await self._answer(directory, request, [request.source])
        found = answer.model_copy(update={"task": task or ""})
        await to_thread.run_sync(self._store.set_findings, upload.digest, found)
        return found

    async def _answer(self, directory: Path, request: CheckRequest, sources: Sequence[Source]) -> Findings:
        """From an earlier worker, or a new one."""
        found = await to_thread.run_sync(_known, directory, request)
        if found is not None:
            return found
        async with self._checks:
            await to_thread.run_sync(_ask, directory, request)
            readable = [self._uploads.folder(source.digest) for source in sources]
            end = await self._workers.run(
                "check", directory, readable=readable, writable=[directory], limits=request.limits
            )
        return await to_thread.run_sync(outcome.findings, directory, request, end)

    # locks, which end with the process that holds them

    @contextmanager
    def _queue_lock(self) -> Iterator[None]:
        handle = os.open(self._settings.jobs / "queue.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _lock(self, job_id: str) -> int | None:
        """Say that this process has the job; None when another one has it."""
        handle = os.open(self._settings.jobs / f"{job_id}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return handle

    def _unlock(self, job_id: str, handle: int) -> None:
        (self._settings.jobs / f"{job_id}.lock").unlink(missing_ok=True)
        os.close(handle)


# --- files


def _rehearsed(spec: JobSpec) -> JobSpec:
    """The spec without what changes nothing in a rehearsal, so that it is tried once, and known for the job itself."""
    keys = tuple(key for key in spec.config_keys if key.parameter in consistency.SCOPES)  # problems name their file
    return spec.model_copy(update={"given": {}, "config_keys": keys, "max_drop": 0.01})


def _clear(directory: Path, names: Iterable[str]) -> None:
    for name in names:
        path = directory / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _known(directory: Path, request: CheckRequest) -> Findings | None:
    """What an earlier check answered to the same request."""
    try:
        if CheckRequest.model_validate_json((directory / REQUEST_NAME).read_bytes()) == request:
            return Findings.model_validate_json(files.read_plain(directory / FINDINGS_NAME, outcome.MAX_REPORT))
    except (OSError, ValidationError):
        return None
    return None


def _ask(directory: Path, request: CheckRequest) -> None:
    """A fresh directory with the request in it."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    (directory / REQUEST_NAME).write_text(request.model_dump_json(indent=1), encoding="utf-8")


def _sentence(error: Exception) -> JobError:
    """An error of any kind as one for a person."""
    if isinstance(error, JobError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull()
    return JobError("The app itself failed on this job.", hint="The app's log says more. Run the job again.")


@contextmanager
def _logged(message: str) -> Iterator[None]:
    """Work around the jobs must not end the queue."""
    try:
        yield
    except Exception:
        logger.exception(message)
