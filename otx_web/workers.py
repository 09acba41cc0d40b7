"""The worker processes: one forkserver that has the engines imported, and a fresh fork of it for every job.

The forkserver reads requests from its standard input and answers on its standard output, one JSON object a line:

    {"do": "start", "id": 1, "command": "run", "directory": …, "readable": […], "writable": […], "limits": {…}}
    {"do": "kill", "id": 1}

    {"event": "ready"}                                   the engines are imported
    {"event": "started", "id": 1, "pid": 4711}
    {"event": "exit", "id": 1, "code": 0, "signal": null}  after its whole process group is gone

It ends with all its workers when its standard input closes. Nothing a job writes is ever unpickled.
"""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import anyio
from anyio import TASK_STATUS_IGNORED, BrokenResourceError, CancelScope, ClosedResourceError, move_on_after
from anyio.abc import Process, TaskStatus
from anyio.streams.buffered import BufferedByteReceiveStream
from pydantic import Field, TypeAdapter, ValidationError

import jobs
from jobs.frozen import Frozen
from jobs.spec import Limits
from otx_web.settings import Settings

Command = Literal["run", "check"]
MAX_LINE = 64 << 10  # bytes
KILL_SECONDS = 5.0
"""How long a kill may take before the worker is given up as lost."""
RESTART_SECONDS = 1.0
"""Pause before a forkserver that died is started again, so that a broken one does not spin."""
OOM_COUNTER = Path("/proc/vmstat")
START = "import runpy, sys; sys.path.append(sys.argv[2]); runpy.run_module(sys.argv[1], None, '__main__', True)"
"""`python -I -m module`, also where the package is not installed: -I finds nothing in the current folder."""
PASSED_ON = ("PATH", "LANG", "LC_ALL", "OTX_WEB_CONFIGS")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Exit:
    """How a worker ended: by an exit code or by a signal. Neither is known when the forkserver died with it."""

    code: int | None
    signal: int | None
    seconds: float
    out_of_time: bool = False
    out_of_memory: bool = False

    @property
    def died(self) -> bool:
        """Whether it did not end by itself."""
        return self.code is None


class _Ready(Frozen):
    event: Literal["ready"]


class _Started(Frozen):
    event: Literal["started"]
    id: int
    pid: int


class _Ended(Frozen):
    event: Literal["exit"]
    id: int
    code: int | None = None
    signal: int | None = None


_reply: TypeAdapter[_Ready | _Started | _Ended] = TypeAdapter(
    Annotated[_Ready | _Started | _Ended, Field(discriminator="event")]
)


@dataclass
class _Worker:
    """A request on its way."""

    started: anyio.Event = field(default_factory=anyio.Event)
    ended: anyio.Event = field(default_factory=anyio.Event)
    how: _Ended | None = None


class Workers:
    """Owns the forkserver; `serve` keeps one running until it is cancelled."""

    def __init__(self, settings: Settings, *, module: str = "jobs.forkserver") -> None:
        """`module` is what the forkserver runs; tests put a small one of their own in its place."""
        self._settings = settings
        self._module = module
        self._process: Process | None = None
        self._alive = anyio.Event()
        self._ready = anyio.Event()
        self._workers: dict[int, _Worker] = {}
        self._last_id = 0

    @property
    def ready(self) -> bool:
        """Whether the engines are imported, so that a worker starts at once."""
        return self._ready.is_set()

    async def serve(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Start the forkserver, and again when it dies. It is gone, with all its workers, when this ends."""
        task_status.started()
        while True:
            await self._one_forkserver()
            logger.error("The forkserver ended; its log is %s. It is started again.", self._log)
            await anyio.sleep(RESTART_SECONDS)

    async def run(
        self, command: Command, directory: Path, *, readable: Sequence[Path], writable: Sequence[Path], limits: Limits
    ) -> Exit:
        """Run a command in a fresh process, and wait. Cancellation kills its whole group before it goes on."""
        await self._alive.wait()
        self._last_id += 1
        number, worker = self._last_id, _Worker()
        self._workers[number] = worker
        request = {
            "do": "start",
            "id": number,
            "command": command,
            "directory": str(directory),
            "readable": [str(path) for path in readable],
            "writable": [str(path) for path in writable],
            "limits": limits.model_dump(),
        }
        try:
            return await self._wait(number, worker, request, limits.wall_seconds)
        finally:
            del self._workers[number]

    async def _wait(self, number: int, worker: _Worker, request: dict[str, object], wall_seconds: float) -> Exit:
        kills = _memory_kills()
        begun = time.monotonic()
        in_time = False
        try:
            await self._send(request)
            await worker.started.wait()
            begun = time.monotonic()
            with move_on_after(wall_seconds):
                await worker.ended.wait()
                in_time = True
        finally:  # on time, late or cancelled: nothing of it is left running
            if not worker.ended.is_set():
                with CancelScope(shield=True), move_on_after(KILL_SECONDS):
                    await self._send({"do": "kill", "id": number})
                    await worker.ended.wait()
        how = worker.how
        return Exit(
            code=how.code if how else None,
            signal=how.signal if how else None,
            seconds=time.monotonic() - begun,
            out_of_time=not in_time,
            out_of_memory=in_time and how is not None and how.signal == 9 and _memory_kills() > kills,
        )

    # the forkserver

    async def _one_forkserver(self) -> None:
        """From its start to its end."""
        self._settings.data.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            process = await anyio.open_process(
                [sys.executable, "-I", "-c", START, self._module, str(Path(jobs.__file__).parents[1])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._environment(),
                start_new_session=True,  # Ctrl-C in the terminal is for the app, which stops it in order
            )
        self._process = process
        self._alive.set()
        try:
            await self._read(process)
        finally:
            self._process, self._alive, self._ready = None, anyio.Event(), anyio.Event()
            for worker in self._workers.values():
                worker.started.set()
                worker.ended.set()
            with CancelScope(shield=True):
                await self._end(process)

    async def _read(self, process: Process) -> None:
        """Take in replies until there are no more."""
        assert process.stdout is not None
        lines = BufferedByteReceiveStream(process.stdout)
        while True:
            try:
                line = await lines.receive_until(b"\n", MAX_LINE)
            except (anyio.IncompleteRead, anyio.DelimiterNotFound, BrokenResourceError, ClosedResourceError):
                return
            try:
                self._take(_reply.validate_python(json.loads(line)))
            except (ValidationError, ValueError):
                logger.warning("The forkserver said something unknown: %r", line[:200])

    def _take(self, reply: _Ready | _Started | _Ended) -> None:
        if isinstance(reply, _Ready):
            self._ready.set()
            return
        worker = self._workers.get(reply.id)
        if worker is None:
            return
        worker.started.set()
        if isinstance(reply, _Ended):
            worker.how = reply
            worker.ended.set()

    async def _send(self, request: dict[str, object]) -> None:
        """One line. When the forkserver has just died, its end is noticed by the reader."""
        process = self._process
        if process is None or process.stdin is None:
            return
        try:
            await process.stdin.send(json.dumps(request).encode() + b"\n")
        except (BrokenResourceError, ClosedResourceError):
            logger.warning("The forkserver does not listen any more.")

    async def _end(self, process: Process) -> None:
        """Close its input, on which it ends its workers and itself; kill it when it does not."""
        if process.stdin is not None:
            await process.stdin.aclose()
        with move_on_after(KILL_SECONDS):
            await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
        if process.stdout is not None:
            await process.stdout.aclose()

    @property
    def _log(self) -> Path:
        return self._settings.data / "forkserver.log"

    def _environment(self) -> dict[str, str]:
        """Nothing of ours but what a program needs to run: no tokens, no secrets, and nobody is called home."""
        clean = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        home = str(self._settings.temporary)
        return clean | {
            "HOME": home,
            "TMPDIR": home,
            "XDG_CACHE_HOME": str(self._settings.cache),
            "PYTHONNOUSERSITE": "1",
            "CI": "true",  # NNCF sends no telemetry from CI
            "NNCF_CI": "1",
            "HF_HUB_OFFLINE": "1",
            "DO_NOT_TRACK": "1",
            "MPLBACKEND": "Agg",
            # Threads of PyTorch that wait leave the processor to others, after some 10 µs. Layers of small networks
            # take no longer, and to sleep and be woken between them made a training last up to 1.4 times as long.
            "OMP_WAIT_POLICY": "PASSIVE",
            "GOMP_SPINCOUNT": "10000",
        }


def _memory_kills() -> int:
    """How many processes this machine has killed for want of memory."""
    try:
        lines = OOM_COUNTER.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
