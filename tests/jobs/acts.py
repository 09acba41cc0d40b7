"""The real forkserver, whose workers do what a file `act` in their directory says: one of the functions below."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jobs import events, forkserver
from jobs.keeper import Command

ENGINES = ("jobs.events",)


def succeed(directory: Path) -> int:
    events.append(directory, events.Plan(stages=(("read", "Reading"),)))
    return 0


def leave_code(directory: Path) -> int:
    return 3


def leave(directory: Path) -> int:
    sys.exit(4)


def fail(directory: Path) -> int:
    raise ValueError("the reason of the failure")


def hang(directory: Path) -> int:
    events.append(directory, events.Plan(stages=(("read", "Reading"),)))
    time.sleep(600)
    return 0


def spin(directory: Path) -> int:
    while True:
        pass


def crash(directory: Path) -> int:
    ctypes.string_at(0)
    return 0


def abort(directory: Path) -> int:
    os.abort()


def out_of_memory(directory: Path) -> int:
    taken = [bytearray(64 << 20) for _ in range(1000)]
    return len(taken)


def write_too_much(directory: Path) -> int:
    with (directory / "large").open("wb") as file:
        for _ in range(100):
            file.write(bytes(1 << 20))
    return 0


def shout(directory: Path) -> int:
    """More than a log takes, on both outputs and from C too."""
    for _ in range(1200):
        os.write(1, b"x" * 9_999 + b"\n")
        sys.stdout.write("ö" + "y" * 999 + "\n")
        sys.stderr.write('{"event": "exit", "id": 1, "code": 7}\n')
    sys.stdout.write("the last line")
    return 0


def grandchildren(directory: Path) -> int:
    """Leave processes: one in the group, one that has left it, one whose parent has ended."""
    for number in range(3):
        child = os.fork()
        if child == 0:
            if number == 1:
                os.setsid()
            if number == 2 and os.fork():
                os._exit(0)
            (directory / f"part{number}").write_text(str(os.getpid()))
            (directory / f"part{number}").rename(directory / f"grandchild{number}")
            time.sleep(600)
        if number == 2:
            os.waitpid(child, 0)
    while len(list(directory.glob("grandchild*"))) < 3:
        time.sleep(0.001)
    return 0


def grandchildren_and_hang(directory: Path) -> int:
    grandchildren(directory)
    return hang(directory)


def look(directory: Path) -> int:
    """Write down the surroundings."""
    files = {int(path.name): opened(path) for path in Path("/proc/self/fd").iterdir()}
    found = {
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
        "standard files": [files.pop(file) for file in range(3)],
        "other files": sorted(filter(None, files.values())),
        "session": os.getsid(0) == os.getpid(),
        "temporary": tempfile.gettempdir(),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
    }
    (directory / "tmp" / "scratch").write_text("x")
    (directory / "found.json").write_text(json.dumps(found))
    return 0


def opened(path: Path) -> str:
    """What a file of this process is; nothing when it was the listing of the files, and is closed again."""
    try:
        return str(path.readlink())
    except OSError:
        return ""


def break_out(directory: Path) -> int:
    """Try what a worker must not be able to; write down what could be done all the same."""
    other = Path((directory / "other").read_text())
    tries = {
        "read another job": other.read_bytes,
        "list the jobs": lambda: list(directory.parent.iterdir()),
        "write beside": lambda: (directory.parent / "marker").write_text("x"),
        "connect": lambda: socket.create_connection(("127.0.0.1", 80), timeout=1),
        "run a program": lambda: subprocess.run(["/bin/true"], check=True),
        "fork": os.fork,
        "signal the keeper": lambda: os.kill(os.getppid(), signal.SIGKILL),
        "read the keeper's environment": Path(f"/proc/{os.getppid()}/environ").read_bytes,
    }
    done = []
    for name, do in tries.items():
        try:
            do()
            done.append(name)
        except OSError:
            continue
    (directory / "done.json").write_text(json.dumps(done))
    return 0


def act(command: Command, directory: Path) -> int:
    if command == "check":
        return succeed(directory)
    return int(globals()[(directory / "act").read_text()](directory))


if __name__ == "__main__":
    tempfile.gettempdir()  # as some libraries do when they are imported
    forkserver.main(act, engines=ENGINES)
