"""The history: jobs and uploads in one SQLite file, which is also the queue."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from sqlalchemy import ColumnElement, Engine, Float, String, TypeDecorator, event, func, type_coerce
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import aliased
from sqlmodel import Field, Session, SQLModel, col, create_engine, delete, or_, select, update

from jobs.errors import DiskFull, JobError
from jobs.findings import Findings
from jobs.report import Report
from jobs.spec import JobSpec
from otx_web import migrations

MAX_ATTEMPTS = 2
"""A job that was running when the app was killed runs again once."""
BUSY_SECONDS = 10.0
"""How long a writer waits for another one."""


class State(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def done(self) -> bool:
        """Whether nothing more will happen."""
        return self not in (State.QUEUED, State.RUNNING)


STEPS: dict[State, tuple[State, ...]] = {
    State.QUEUED: (State.RUNNING, State.CANCELLED),
    State.RUNNING: (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.QUEUED),
    State.SUCCEEDED: (),
    State.FAILED: (),
    State.CANCELLED: (),
}
"""The steps a job can make. Back from running to queued only when the app went down under it."""


class WrongStep(Exception):
    """The job is not in a state from which this step can be made."""


class HistoryUnavailable(JobError):
    """The history cannot be read or written now."""

    hint = "Look at the free space and the rights of the data folder."


class OtherVersion(JobError):
    """This job was written by another version of OTX Web and cannot be read."""

    hint = "Its numbers in the history are kept. Set the job up anew."


# --- column types


class Json(TypeDecorator[BaseModel]):
    """A pydantic model as JSON text.

    What another version wrote may not be one any more: then it is nothing, or `OtherVersion` where it is needed.
    """

    impl = String
    cache_ok = True

    def __init__(self, model: type[BaseModel], *, needed: bool = False) -> None:
        self.model, self.needed = model, needed
        super().__init__()

    def process_bind_param(self, value: BaseModel | None, dialect: Any) -> str | None:
        return None if value is None else value.model_dump_json()

    def process_result_value(self, value: str | None, dialect: Any) -> BaseModel | None:
        if value is None:
            return None
        try:
            return self.model.model_validate_json(value)
        except ValidationError as error:
            if self.needed:
                raise OtherVersion from error
            return None


class Moment(TypeDecorator[datetime]):
    """A time as seconds since the epoch, so that it sorts and keeps its zone (SQLite has no type for it)."""

    impl = Float
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> float | None:
        return None if value is None else value.timestamp()

    def process_result_value(self, value: float | None, dialect: Any) -> datetime | None:
        return None if value is None else datetime.fromtimestamp(value, UTC)


class Word(TypeDecorator[State]):
    """A state by its value."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: State | None, dialect: Any) -> str | None:
        return None if value is None else value.value

    def process_result_value(self, value: str | None, dialect: Any) -> State | None:
        return None if value is None else State(value)


def _now() -> datetime:
    return datetime.now(UTC)


def new_id() -> str:
    """An id nobody can guess: who has it may read the job."""
    return secrets.token_hex(10)


# --- tables


class Summary(SQLModel):
    """A row of the history page: everything but the spec and the report, whose numbers it repeats."""

    id: str = Field(default_factory=new_id, primary_key=True)
    owner: str
    name: str
    state: State = Field(default=State.QUEUED, sa_type=Word)
    task: str
    template: str
    method: str
    model_name: str
    model_digest: str
    dataset_name: str
    dataset_digest: str
    created_at: datetime = Field(default_factory=_now, sa_type=Moment)
    started_at: datetime | None = Field(default=None, sa_type=Moment)
    finished_at: datetime | None = Field(default=None, sa_type=Moment)
    seconds: float | None = Field(default=None, description="from start to finish")
    attempt: int = 0
    metric: str | None = None
    before: float | None = Field(default=None, description="primary metric, a fraction")
    after: float | None = None
    verdict: str | None = Field(default=None, description="held, lost or cannot_tell")
    speed_ratio: float | None = Field(default=None, description="above 1 is faster")
    throughput_before: float | None = None
    throughput_after: float | None = None
    size_ratio: float | None = Field(default=None, description="above 1 is smaller")
    size_after: int | None = None
    failure: str | None = Field(default=None, description="why it failed, for a person")
    files_deleted: bool = Field(default=False, description="whether only the row is left")


class Job(Summary, table=True):
    """A job: what it is to do, how it stands, and what came of it."""

    spec: JobSpec = Field(sa_type=Json(JobSpec, needed=True))
    report: Report | None = Field(default=None, sa_type=Json(Report))


class Upload(SQLModel, table=True):
    """A model or dataset that an owner brought; the files are in the folder of its digest."""

    digest: str = Field(primary_key=True)
    owner: str = Field(primary_key=True)
    kind: str = Field(description="model or dataset")
    name: str
    size_bytes: int
    created_at: datetime = Field(default_factory=_now, sa_type=Moment)
    findings: Findings | None = Field(default=None, sa_type=Json(Findings))


Kind = Literal["model", "dataset"]


# --- queries


@dataclass(frozen=True)
class Filter:
    """Which jobs to list, in what order, and which page of them. Empty fields do not filter."""

    owner: str | None = None
    task: str | None = None
    method: str | None = None
    states: Sequence[State] = ()
    verdict: str | None = None
    text: str = ""
    """Found in the job's, the model's or the dataset's name, or equal to the id."""
    model_digest: str | None = None
    dataset_digest: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    sort: str = "created_at"
    """Name of a column of `Summary`."""
    descending: bool = True
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True)
class Page:
    """A part of a list, and how long the whole list is."""

    rows: tuple[Summary, ...]
    total: int


class Store:
    """The one door to the database. Every method is one transaction; threads may share it."""

    def __init__(self, url: str) -> None:
        """Open or create it, and bring its schema up to date. Raises `migrations.SchemaTooNew`."""
        self.url = url
        self._engine = _open(url)
        migrations.migrate(self._engine)

    # jobs

    def add_job(self, spec: JobSpec, *, owner: str, name: str, job_id: str | None = None) -> Job:
        """A new job, queued."""
        job = Job(
            id=job_id or new_id(),
            owner=owner,
            name=name,
            task=spec.task,
            template=spec.template,
            method=spec.method,
            model_name=spec.model.name,
            model_digest=spec.model.digest,
            dataset_name=spec.dataset.name,
            dataset_digest=spec.dataset.digest,
            spec=spec,
        )
        with self._write() as session:
            session.add(job)
        return job

    def job(self, job_id: str) -> Job | None:
        """The whole of one job."""
        with self._read() as session:
            return session.get(Job, job_id)

    def summary(self, job_id: str) -> Summary | None:
        """One job without its spec and report."""
        with self._read() as session:
            row = session.execute(select(*_COLUMNS.values()).where(col(Job.id) == job_id)).mappings().first()
        return None if row is None else _summary(row)

    def jobs(self, ids: Sequence[str]) -> tuple[Job, ...]:
        """Those that exist, in the order asked for."""
        with self._read() as session:
            found = {job.id: job for job in session.exec(select(Job).where(col(Job.id).in_(ids)))}
        return tuple(found[job_id] for job_id in ids if job_id in found)

    def list_jobs(self, wanted: Filter = Filter()) -> Page:
        """A page of the history, without specs and reports."""
        where = _where(wanted)
        column = _COLUMNS.get(wanted.sort, col(Job.created_at))
        order = func.lower(column) if wanted.sort in _WORDS else column
        ordered = order.desc() if wanted.descending else order.asc()
        query = select(*_COLUMNS.values()).where(*where).order_by(ordered.nulls_last(), col(Job.id))
        with self._read() as session:
            total = session.exec(select(func.count()).select_from(Job).where(*where)).one()
            rows = session.execute(query.offset(wanted.offset).limit(wanted.limit)).mappings().all()
        return Page(tuple(_summary(row) for row in rows), total)

    def count_active(self, owner: str | None = None) -> tuple[int, int]:
        """How many jobs run and how many wait."""
        query = select(Job.state, func.count()).where(col(Job.state).in_(_ACTIVE)).group_by(Job.state)
        if owner is not None:
            query = query.where(Job.owner == owner)
        with self._read() as session:
            counts = dict(session.exec(query).all())
        return counts.get(State.RUNNING, 0), counts.get(State.QUEUED, 0)

    def ahead(self, job: Summary) -> int:
        """How many jobs wait that were created before this one."""
        with self._read() as session:
            earlier = (Job.state == State.QUEUED, Job.created_at < job.created_at)
            return session.exec(select(func.count()).select_from(Job).where(*earlier)).one()

    def rename(self, job_id: str, name: str) -> None:
        """Call a job something else."""
        with self._write() as session:
            session.execute(update(Job).where(col(Job.id) == job_id).values(name=name))

    def delete_job(self, job_id: str) -> None:
        """Forget a job that is done. Raises `WrongStep` while it is queued or running."""
        with self._write() as session:
            gone = session.execute(
                delete(Job).where(col(Job.id) == job_id, col(Job.state).not_in(_ACTIVE)).returning(col(Job.id))
            ).all()
            if not gone and session.get(Job, job_id) is not None:
                raise WrongStep("A job that is queued or running cannot be deleted: cancel it first.")

    def claim(self, job_id: str | None = None) -> Job | None:
        """Take the next job, or this one, and set it running. None when it is not there to take.

        The next one is of the owner served longest ago, and of theirs the oldest.
        """
        other = aliased(Job)
        theirs = other.owner == Job.owner
        running = select(func.count()).where(theirs, other.state == State.RUNNING).correlate(Job).scalar_subquery()
        served = select(func.max(other.started_at)).where(theirs).correlate(Job).scalar_subquery()
        waiting = (
            select(Job.id)
            .where(Job.state == State.QUEUED)
            .order_by(running, func.coalesce(served, 0), col(Job.created_at), col(Job.id))
            .limit(1)
            .scalar_subquery()
        )
        with self._write() as session:
            values = {"started_at": _now(), "attempt": Job.attempt + 1}
            taken = self._step(session, job_id or waiting, State.RUNNING, values)
            if taken is None:
                return None
            try:
                return session.get(Job, taken)
            except OtherVersion as error:  # it would be the next one for ever
                values = {"failure": error.message, "finished_at": _now()}
                self._step(session, taken, State.FAILED, values)
                return None

    def change_state(self, job_id: str, to: State, *, report: Report | None = None, counted: bool = True) -> Job:
        """Make a step, with the report when there is one. Raises `WrongStep` for any other than those of `STEPS`.

        Back to queued is refused after the last attempt; `counted=False` gives the attempt back, for a stop in order.
        """
        values: dict[str, Any] = _results(report) if report else {}
        if to is State.QUEUED:
            values |= {"started_at": None, "attempt": Job.attempt if counted else Job.attempt - 1}
        elif to.done:
            now = _now()
            values |= {"finished_at": now, "seconds": now.timestamp() - type_coerce(col(Job.started_at), Float)}
        with self._write() as session:
            if self._step(session, job_id, to, values, last=counted and to is State.QUEUED) is None:
                raise WrongStep(f"Job {job_id} cannot become {to}.")
            job = session.get(Job, job_id)
        assert job is not None
        return job

    @staticmethod
    def _step(session: Session, job_id: Any, to: State, values: dict[str, Any], *, last: bool = False) -> str | None:
        """The only statement that changes a state: one UPDATE, which finds the job only where the step is allowed.

        Gives its id, when there was one.
        """
        sources = [state for state, targets in STEPS.items() if to in targets]
        query = update(Job).where(col(Job.id) == job_id, col(Job.state).in_(sources))
        if last:
            query = query.where(col(Job.attempt) < MAX_ATTEMPTS)
        query = query.values(state=to, **values).execution_options(synchronize_session=False)
        return session.scalars(query.returning(col(Job.id))).first()

    def same(self, spec: JobSpec, owner: str, since: datetime) -> Job | None:
        """A job of this owner with the same spec, added since then and not done."""
        like = (Job.owner == owner, Job.created_at >= since, Job.spec == spec, col(Job.state).in_(_ACTIVE))
        with self._read() as session:
            return session.exec(select(Job).where(*like)).first()

    def in_state(self, *states: State) -> tuple[Summary, ...]:
        """All jobs in these states, the oldest first."""
        query = select(*_COLUMNS.values()).where(col(Job.state).in_(states)).order_by(col(Job.created_at))
        with self._read() as session:
            return tuple(_summary(row) for row in session.execute(query).mappings())

    def stage_seconds(self, task: str, method: str, limit: int = 3) -> tuple[dict[str, float], ...]:
        """How long each stage took in the last jobs of this kind that succeeded."""
        like = (Job.task == task, Job.method == method, Job.state == State.SUCCEEDED)
        query = select(Job).where(*like).order_by(col(Job.finished_at).desc()).limit(limit)
        with self._read() as session:
            return tuple(job.report.seconds for job in session.exec(query) if job.report)

    def finished_before(self, moment: datetime) -> tuple[Summary, ...]:
        """Jobs done before then that still have their files."""
        old = (col(Job.finished_at) < moment, col(Job.files_deleted).is_(False))
        with self._read() as session:
            query = select(*_COLUMNS.values()).where(*old)
            return tuple(_summary(row) for row in session.execute(query).mappings())

    def mark_files_deleted(self, job_id: str) -> None:
        """Remember that only the row is left."""
        with self._write() as session:
            session.execute(update(Job).where(col(Job.id) == job_id).values(files_deleted=True))

    # uploads

    def add_upload(self, upload: Upload) -> Upload:
        """Add it; when this owner already has the same content, that one is given back under its new name."""
        with self._write() as session:
            known = session.get(Upload, (upload.digest, upload.owner))
            if known is None:
                session.add(upload)
                return upload
            known.name, known.created_at = upload.name, _now()
            return known

    def upload(self, digest: str, owner: str) -> Upload | None:
        """One upload of this owner."""
        with self._read() as session:
            return session.get(Upload, (digest, owner))

    def uploads(self, owner: str | None = None, kind: Kind | None = None) -> tuple[Upload, ...]:
        """All of them, the newest first."""
        query = select(Upload).order_by(col(Upload.created_at).desc())
        if owner is not None:
            query = query.where(Upload.owner == owner)
        if kind is not None:
            query = query.where(Upload.kind == kind)
        with self._read() as session:
            return tuple(session.exec(query).all())

    def set_findings(self, digest: str, findings: Findings | None) -> None:
        """What a check found, for all who own this content."""
        with self._write() as session:
            session.execute(update(Upload).where(col(Upload.digest) == digest).values(findings=findings))

    def bytes_of(self, owner: str) -> int:
        """Size of all uploads of this owner."""
        with self._read() as session:
            return session.exec(
                select(func.coalesce(func.sum(Upload.size_bytes), 0)).where(Upload.owner == owner)
            ).one()

    def using(self, digest: str) -> tuple[Summary, ...]:
        """The jobs of this model or dataset, the newest first."""
        uses = or_(Job.model_digest == digest, Job.dataset_digest == digest)
        query = select(*_COLUMNS.values()).where(uses).order_by(col(Job.created_at).desc())
        with self._read() as session:
            return tuple(_summary(row) for row in session.execute(query).mappings())

    def delete_upload(self, digest: str, owner: str) -> bool:
        """Forget it for this owner, and say whether nobody has it any more. Raises `WrongStep` while a job needs it."""
        uses = or_(Job.model_digest == digest, Job.dataset_digest == digest)
        with self._write() as session:
            if session.exec(select(Job.id).where(uses, Job.owner == owner, col(Job.state).in_(_ACTIVE))).first():
                raise WrongStep("A job that is queued or running needs this upload.")
            session.execute(delete(Upload).where(col(Upload.digest) == digest, col(Upload.owner) == owner))
            owners = session.exec(select(func.count()).select_from(Upload).where(Upload.digest == digest)).one()
            waiting = session.exec(select(Job.id).where(uses, col(Job.state).in_(_ACTIVE))).first()
        return owners == 0 and waiting is None

    # transactions

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _write(self) -> Iterator[Session]:
        """BEGIN IMMEDIATE: a lock taken later would fail at once when another writer was faster."""
        engine = self._engine.execution_options(write=True)
        with _in_words(), Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def _read(self) -> Iterator[Session]:
        with _in_words(), Session(self._engine, expire_on_commit=False) as session:
            yield session


@contextmanager
def _in_words() -> Iterator[None]:
    """What SQLite says of a full disk, a lock or a damaged file, as an error for a person."""
    try:
        yield
    except DatabaseError as error:
        said = str(error.orig)
        if "disk is full" in said:
            raise DiskFull from error
        if "locked" in said:
            raise HistoryUnavailable("The history is busy.", hint="Try it again.") from error
        raise HistoryUnavailable(f"The history cannot be read or written now: {said}.") from error


_ACTIVE = (State.QUEUED, State.RUNNING)
_COLUMNS = {name: col(getattr(Job, name)) for name in Summary.model_fields}
_WORDS = ("name", "model_name", "dataset_name", "task", "template", "method")


def _summary(row: Any) -> Summary:
    return Summary.model_construct(**row)


def _where(wanted: Filter) -> list[ColumnElement[bool]]:
    """The filter as conditions."""
    exact = {
        "owner": wanted.owner,
        "task": wanted.task,
        "method": wanted.method,
        "verdict": wanted.verdict,
        "model_digest": wanted.model_digest,
        "dataset_digest": wanted.dataset_digest,
    }
    where = [_COLUMNS[name] == value for name, value in exact.items() if value is not None]
    if wanted.states:
        where.append(col(Job.state).in_(wanted.states))
    if wanted.since is not None:
        where.append(col(Job.created_at) >= wanted.since)
    if wanted.until is not None:
        where.append(col(Job.created_at) < wanted.until)
    if text := wanted.text.strip():
        names = (col(Job.name), col(Job.model_name), col(Job.dataset_name))
        where.append(or_(col(Job.id) == text, *(name.icontains(text, autoescape=True) for name in names)))
    return where


def _results(report: Report) -> dict[str, Any]:
    """The report, and the numbers of it that the history shows."""
    before, after, speed = report.before, report.after, report.speed
    return {
        "report": report,
        "metric": report.metric or None,
        "before": before.metrics.get(report.metric) if before else None,
        "after": after.metrics.get(report.metric) if after else None,
        "verdict": report.verdict.accuracy if report.verdict else None,
        "speed_ratio": speed.ratio if speed else None,
        "throughput_before": speed.before.throughput_fps if speed else None,
        "throughput_after": speed.after.throughput_fps if speed else None,
        "size_ratio": report.size_ratio,
        "size_after": after.size_bytes if after else None,
        "failure": report.failure.message if report.failure else None,
    }


def _lower(text: object) -> object:
    return text.casefold() if isinstance(text, str) else text


def _open(url: str) -> Engine:
    """SQLite in WAL, where readers never wait for a writer. sqlite3 must not begin transactions by itself."""
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        # SQLite's own knows the letters of English only.
        connection.create_function("lower", 1, _lower, deterministic=True)

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        write = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
