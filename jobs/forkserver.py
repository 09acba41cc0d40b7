"""Imports the engines once, and forks a fresh worker for every job. `otx_web.workers` says how to speak to it.

Nothing may start a thread or open a device before a fork: a forked process has only the thread that forked. (OpenBLAS
does start threads, but ends them at a fork, and starts them again on both sides when they are needed.) `keeper` is what
runs in the new process.
"""

import gc
import importlib
import json
import os
import select
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NoReturn

from pydantic import Field, TypeAdapter

from jobs import keeper, optional_torch
from jobs.frozen import Frozen
from jobs.keeper import Command, Start, Work

ENGINES = (
    "jobs.check",
    "jobs.run",
    "jobs.tasks.classification",
    "jobs.tasks.detection",
    "jobs.tasks.instance_segmentation",
    "jobs.tasks.segmentation",
    "jobs.tasks.anomaly_classification",
    "jobs.tasks.anomaly_detection",
    "jobs.tasks.anomaly_segmentation",
    "scipy.special",
    "jobs.methods.pot_default",  # before nncf: it says that nothing is to be reported
    "nncf",
    # NNCF imports these only when it quantizes, and then every job would.
    "nncf.openvino.engine",
    "nncf.openvino.hardware.fused_patterns",
    "nncf.openvino.quantization.ignored_patterns",
    "nncf.openvino.quantization.quantize_model",
    "nncf.quantization.algorithms.bias_correction.openvino_backend",
    "nncf.quantization.algorithms.channel_alignment.openvino_backend",
    "nncf.quantization.algorithms.fast_bias_correction.openvino_backend",
    "nncf.quantization.algorithms.min_max.openvino_backend",
    "jobs.methods.pot_accuracy_aware",
    "jobs.methods.weights",
    "datumaro.components.dataset",  # only for datasets with annotations
)
"""In the order in which a job needs them. The first are all that a job must have."""
THREADLESS = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Libraries that would start a thread as soon as they are loaded."""
EARLY = 4
"""So many workers may start before all is imported, each of which imports the rest itself."""
PAUSE_SECONDS = 1.0
"""After an early worker another often follows, or the end of all: neither should wait for the next import."""
END_SECONDS = 4.0
"""How long the keepers may take to end their workers before they are killed."""


class _Kill(Frozen):
    do: Literal["kill"]
    id: int


_request: TypeAdapter[Start | _Kill] = TypeAdapter(Annotated[Start | _Kill, Field(discriminator="do")])


@dataclass
class _Keeper:
    """A keeper as the forkserver sees it."""

    id: int
    pid: int
    leash: int
    said: bytes = b""
    ended: bool = False
    """Whether it has said that its worker has."""

    def release(self) -> None:
        """Have it end its worker."""
        if self.leash >= 0:
            os.close(self.leash)
            self.leash = -1


class _Closed(Exception):
    """Nobody asks any more."""


class Forkserver:
    """Takes requests from one file and answers in another."""

    def __init__(self, requests: int, answers: int, *, work: Work, confined: bool) -> None:
        self._requests = requests
        self._answers = answers
        self._work = work
        self._confined = confined
        self._asked = b""
        self._keepers: dict[int, _Keeper] = {}  # by the file on which each speaks
        self._started = 0
        self._poll = select.poll()
        self._poll.register(requests, select.POLLIN)

    def serve(self, engines: Sequence[str]) -> None:
        """Until nobody asks any more; then all workers end."""
        keeper.adopt()
        try:
            self._import(engines)
            self._answer(event="ready")
            while True:
                self._turn()
        except _Closed:
            self._end()

    def _import(self, engines: Sequence[str]) -> None:
        """Between two imports a job that waits is started, and then it has the machine for itself."""
        for name in engines:
            importlib.import_module(name)
            self._turn(0)
            while self._keepers and self._started <= EARLY:
                self._turn()
                if not self._keepers:
                    self._turn(PAUSE_SECONDS)
        gc.collect()
        gc.freeze()  # a worker's collector then leaves these pages shared

    def _end(self) -> None:
        self._poll.unregister(self._requests)
        for kept in self._keepers.values():
            kept.release()
        deadline = time.monotonic() + END_SECONDS
        while self._keepers and (left := deadline - time.monotonic()) > 0:
            with suppress(_Closed):
                self._turn(left)
        keeper.end_children()

    def _turn(self, seconds: float | None = None) -> None:
        """Take in what has come, after waiting for it at most so long."""
        for source, _ in self._poll.poll(None if seconds is None else seconds * 1000):
            if source == self._requests:
                self._take_requests()
            else:
                self._take_events(source)

    # requests

    def _take_requests(self) -> None:
        data = os.read(self._requests, keeper.CHUNK)
        if not data:
            raise _Closed
        *lines, self._asked = (self._asked + data).split(b"\n")
        for line in lines:
            request = _request.validate_json(line)
            if isinstance(request, Start):
                self._start(request)
            else:
                self._kill(request.id)

    def _start(self, start: Start) -> None:
        held, leash = os.pipe()
        line, into = os.pipe()
        try:
            pid = os.fork()
        except OSError:  # no memory, or too many processes
            traceback.print_exc()
            self._answer(event="exit", id=start.id, code=1, signal=None)
            for end in (held, leash, line, into):
                os.close(end)
            return
        if pid == 0:
            keeper.keep(start, leash=held, line=into, work=self._work, confined=self._confined)
        os.close(held)
        os.close(into)
        self._started += 1
        self._keepers[line] = _Keeper(id=start.id, pid=pid, leash=leash)
        self._poll.register(line, select.POLLIN)

    def _kill(self, number: int) -> None:
        for kept in self._keepers.values():
            if kept.id == number:
                kept.release()

    # events

    def _take_events(self, line: int) -> None:
        """Pass on what a keeper says."""
        kept = self._keepers[line]
        data = os.read(line, keeper.CHUNK)
        if not data:
            self._part(line)
            return
        *events, kept.said = (kept.said + data).split(b"\n")
        for event in events:
            kept.ended = kept.ended or json.loads(event)["event"] == "exit"
            self._write(event)

    def _part(self, line: int) -> None:
        """A keeper is gone. One that has not said that its worker ended was killed, and its worker died with it."""
        kept = self._keepers.pop(line)
        self._poll.unregister(line)
        os.close(line)
        kept.release()
        status = os.waitpid(kept.pid, 0)[1]
        if not kept.ended:
            keeper.end_children(frozenset(other.pid for other in self._keepers.values()))
            self._answer(event="exit", id=kept.id, **keeper.ending(status))

    def _answer(self, **fields: object) -> None:
        self._write(json.dumps(fields).encode())

    def _write(self, line: bytes) -> None:
        try:
            os.write(self._answers, line + b"\n")
        except BrokenPipeError:
            raise _Closed from None


def main(work: Work | None = None, *, engines: Sequence[str] = ENGINES, confined: bool = True) -> NoReturn:
    """Serve on standard input and output. Nothing else is written there: what a library prints goes to the log."""
    requests, answers = os.dup(0), os.dup(1)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a device
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    os.environ.update(THREADLESS)
    optional_torch.hide()  # 150 MB that POT's methods do without; a worker that wants it imports it itself
    code = 1
    try:
        Forkserver(requests, answers, work=work or _work, confined=confined).serve(engines)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)  # the engines' own ends are slow, and nothing of them is worth waiting for


def _work(command: Command, directory: Path) -> int:
    from jobs.__main__ import work  # it writes to a log of its worker, which there is only in one

    return work(command, directory)


if __name__ == "__main__":
    main()
