"""What stands between the forkserver and one worker: it starts the worker, keeps its log short, and tidies up after it.

A process of its own for each worker, so that it can take in whatever its worker leaves behind: when a process ends, its
children become children of the nearest ancestor that asked for them (PR_SET_CHILD_SUBREAPER).
"""

import ctypes
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, NoReturn

from jobs import sandbox
from jobs.frozen import Frozen
from jobs.spec import Limits

LOG_NAME = "log.txt"
LOG_HEAD = 8 << 20  # bytes
LOG_TAIL = 64 << 10  # bytes; the end of a log is where it says why it ended
TEMPORARY = "tmp"
NICE = 5
"""The page stays quick while a job takes all cores."""
OOM_SCORE = 500
"""When the machine runs out of memory, the worker goes, and not the app."""
CHUNK = 64 << 10  # bytes
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "OTX_WEB_CONFIGS")

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LIBC = ctypes.CDLL(None)

Command = Literal["run", "check"]
Work = Callable[[Command, Path], int]


class Start(Frozen):
    """A worker that is asked for."""

    do: Literal["start"]
    id: int
    command: Command
    directory: Path
    readable: tuple[Path, ...]
    writable: tuple[Path, ...]
    limits: Limits


def keep(start: Start, *, leash: int, line: int, work: Work, confined: bool) -> NoReturn:
    """Be the keeper of a new worker, in a process forked for it.

    `leash` is a pipe whose other end the forkserver holds: once that is closed, by it or by its death, the worker is
    killed. `line` takes events for the forkserver. The last, `exit`, is sent when nothing of the worker runs any more.
    """
    code = 1
    try:
        _close_all_but(leash, line)
        os.setsid()
        adopt()
        log = Log(start.directory / LOG_NAME)
        status = _run(start, leash, line, log, work, confined)
        log.close()
        _remove(start.directory / TEMPORARY)
        _say(line, event="exit", id=start.id, **ending(status))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def ending(status: int) -> dict[str, int | None]:
    """How a process ended, from its wait status: by a code or by a signal."""
    code = os.waitstatus_to_exitcode(status)
    return {"code": code, "signal": None} if code >= 0 else {"code": None, "signal": -code}


def adopt() -> None:
    """From now on, what this process's descendants leave behind become its children."""
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_children(spared: frozenset[int] = frozenset()) -> None:
    """Kill every child but those, and every process that becomes a child by that."""
    while ended := children() - spared:
        for pid in ended:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in ended:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def children() -> frozenset[int]:
    """This process's children, those that wait to be reaped among them."""
    mine = os.getpid()
    processes = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return frozenset(pid for pid in processes if _parent(pid) == mine)


def _parent(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[1])


# --- the keeper


def _run(start: Start, leash: int, line: int, log: "Log", work: Work, confined: bool) -> int:
    """The wait status of the worker, when all of it has ended and its output is in the log."""
    wake = _wake_on_child()
    output, into = os.pipe()
    keeper = os.getpid()
    worker = os.fork()
    if worker == 0:
        _become(start, keeper, into, work, confined)
    os.close(into)
    _say(line, event="started", id=start.id, pid=worker)
    _watch(worker, leash, output, wake, log)
    _kill(worker)  # its group, of which it is still a member, ended or not
    status = os.waitpid(worker, 0)[1]
    end_children()
    while data := os.read(output, CHUNK):
        log.write(data)
    return status


def _wake_on_child() -> int:
    """A pipe that can be read when a child ends."""
    wake, bell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return wake


def _watch(worker: int, leash: int, output: int, wake: int, log: "Log") -> None:
    """Until the worker ends, or is to end."""
    poll = select.poll()
    for source in (leash, output, wake):
        poll.register(source, select.POLLIN)
    while os.waitid(os.P_PID, worker, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        ready = dict(poll.poll())
        if leash in ready:
            return
        if wake in ready:
            os.read(wake, CHUNK)
        if output in ready:
            data = os.read(output, CHUNK)
            log.write(data)
            if not data:  # it has closed its output
                poll.unregister(output)


def _kill(worker: int) -> None:
    """Its group; or it alone, when it has not come so far as to have one."""
    try:
        os.killpg(worker, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(worker, signal.SIGKILL)


def _say(line: int, **event: object) -> None:
    with suppress(BrokenPipeError):
        os.write(line, json.dumps(event).encode() + b"\n")


def _close_all_but(*kept: int) -> None:
    """All files but the standard three and these."""
    for file in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        if file > 2 and file not in kept:
            with suppress(OSError):  # the listing itself was one
                os.close(file)


def _remove(path: Path) -> None:
    """A folder, or whatever stands in its place."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


class Log:
    """A file that takes the beginning and the end of what is written to it, at most so much of each."""

    def __init__(self, path: Path, *, head: int = LOG_HEAD, tail: int = LOG_TAIL) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o644)
        self._head = head
        self._tail = tail
        self._late: deque[bytes] = deque()
        self._left_out = 0

    def write(self, data: bytes) -> None:
        """Take it in."""
        now, later = data[: self._head], data[self._head :]
        self._head -= len(now)
        self._put(now)
        if not later:
            return
        self._late.append(later)
        held = sum(map(len, self._late))
        while held - len(self._late[0]) >= self._tail:
            held -= len(self._late[0])
            self._left_out += len(self._late.popleft())

    def close(self) -> None:
        """Add the end, and how much is missing before it."""
        last = b"".join(self._late)
        left_out = self._left_out + max(0, len(last) - self._tail)
        if left_out:
            self._put(f"\n… {left_out:,} bytes of the log were left out here …\n".encode())
        self._put(last[-self._tail :])
        os.close(self._file)

    def _put(self, data: bytes) -> None:
        """A log that the disk has no room for is no reason to stop."""
        with suppress(OSError):
            os.write(self._file, data)


# --- the worker


def _become(start: Start, keeper: int, output: int, work: Work, confined: bool) -> NoReturn:
    """Be the worker, to its end."""
    code = 1
    try:
        os.setsid()
        _die_with(keeper)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(output, 1)
        os.dup2(output, 2)
        _close_all_but()
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
        _settle(start.directory)
        _restrict(start, confined)
        code = work(start.command, start.directory)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        os._exit(code)


def _die_with(keeper: int) -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != keeper:  # it died before that
        os._exit(1)


def _settle(directory: Path) -> None:
    """In its own folder, with an environment that says so and little else."""
    temporary = directory / TEMPORARY
    _remove(temporary)
    temporary.mkdir()
    os.chdir(directory)
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    os.environ.clear()
    os.environ.update(kept)
    os.environ.update(dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(temporary)))
    os.environ.update(
        USER="worker",  # else it is looked up in /etc/passwd, which is out of reach
        PYTHONNOUSERSITE="1",
        CI="true",  # NNCF sends no telemetry from CI
        NNCF_CI="1",
        JOBLIB_MULTIPROCESSING="0",  # it would try, and warn that it may not
        HF_HUB_OFFLINE="1",
        DO_NOT_TRACK="1",
        MPLBACKEND="Agg",
    )
    tempfile.tempdir = None  # if a library has asked for it before the fork


def _restrict(start: Start, confined: bool) -> None:
    os.nice(NICE)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), encoding="ascii")
    limits = start.limits
    sandbox.limit(memory_bytes=limits.memory_bytes, cpu_seconds=limits.cpu_seconds, file_bytes=limits.file_bytes)
    if confined:
        facts = sandbox.confine(start.readable, start.writable)
        sys.stderr.writelines(f"{note}\n" for note in facts.notes)
