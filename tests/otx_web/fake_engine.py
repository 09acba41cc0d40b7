"""A forkserver as `otx_web.workers` speaks to one, whose workers do what a job's `given` says instead of the work.

`given["act"]` names one of the functions below. Ends with all its workers when its input closes, as the real one does.
"""

import ctypes
import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from jobs import events, report
from jobs.findings import CheckRequest, DatasetFindings, Findings, ModelFindings, Port, Problem
from jobs.spec import JobSpec, read

PR_SET_PDEATHSIG = 1


def succeed(directory: Path, spec: JobSpec) -> int:
    """A job of three stages, at once."""
    plan(directory)
    events.append(directory, events.Stage(name="quantize"))
    artifacts = directory / "artifacts"
    artifacts.mkdir()
    (artifacts / "model.xml").write_text("<net/>")
    done = report.Report(
        status="succeeded",
        task=spec.task,
        template=spec.template,
        method=spec.method,
        metric="accuracy",
        before=report.Measure(metrics={"accuracy": 0.9}, size_bytes=400, parameters=100, precision="FP32"),
        after=report.Measure(metrics={"accuracy": 0.89}, size_bytes=100, parameters=100, precision="INT8"),
        artifacts=(report.Artifact(name="Model", path="artifacts/model.xml", size_bytes=6, sha256="0" * 64),),
        seconds={"read": 0.5, "quantize": 1.5, "total": 2.0},
    )
    report.write(directory, done)
    return 0


def wait(directory: Path, spec: JobSpec) -> int:
    """Until a file `go` stands in the directory."""
    plan(directory)
    while not (directory / "go").exists():
        time.sleep(0.01)
    return succeed(directory, spec)


def wait_first_time(directory: Path, spec: JobSpec) -> int:
    """Hang in the first attempt, succeed in the second. What stays between them is outside the job's files."""
    mark = directory.with_name(f"{directory.name}.attempted")
    if mark.exists():
        return succeed(directory, spec)
    mark.touch()
    return hang(directory, spec)


def hang(directory: Path, spec: JobSpec) -> int:
    plan(directory)
    time.sleep(600)
    return 0


def spin(directory: Path, spec: JobSpec) -> int:
    plan(directory)
    while True:
        pass


def grandchild(directory: Path, spec: JobSpec) -> int:
    """Start a process that outlives its parent unless the whole group is killed."""
    child = os.fork()
    if child == 0:
        time.sleep(600)
    (directory / "grandchild").write_text(str(child))
    return hang(directory, spec)


def die(directory: Path, spec: JobSpec) -> int:
    plan(directory)
    events.append(directory, events.Stage(name="quantize"))
    os.kill(os.getpid(), signal.Signals[spec.given["signal"]])
    time.sleep(600)
    return 0


def out_of_memory(directory: Path, spec: JobSpec) -> int:
    """As C++ does when an allocation fails."""
    os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
    os.abort()


def leave_nothing(directory: Path, spec: JobSpec) -> int:
    return 3


def junk_events(directory: Path, spec: JobSpec) -> int:
    """Forged, broken, huge and binary lines among good ones."""
    plan(directory)
    lines = [
        b"{",
        b'{"type": "stage"}',
        b"\x00\xff\xfe",
        b"[" * 5000,
        b"x" * 200_000,
        b'{"type": "progress", "done": -1}',
    ]
    with (directory / events.FILE_NAME).open("ab") as file:
        file.write(b"\n".join(lines) + b"\n")
    return succeed(directory, spec)


def junk_report(directory: Path, spec: JobSpec) -> int:
    (directory / report.FILE_NAME).write_text(spec.given["text"])
    return 0


def link_report(directory: Path, spec: JobSpec) -> int:
    (directory / report.FILE_NAME).symlink_to("/etc/passwd")
    return 0


def pipe_report(directory: Path, spec: JobSpec) -> int:
    os.mkfifo(directory / report.FILE_NAME)
    return 0


def huge_report(directory: Path, spec: JobSpec) -> int:
    with (directory / report.FILE_NAME).open("wb") as file:
        file.truncate(1 << 30)
    return 0


def shout(directory: Path, spec: JobSpec) -> int:
    """10 MB on both outputs, where a careless protocol would read answers."""
    for _ in range(160):
        os.write(1, b'{"event": "exit", "id": 1, "code": 7}\n' * 1700)
        os.write(2, b"noise " * 1000)
    return succeed(directory, spec)


def end_server(directory: Path, spec: JobSpec) -> int:
    """Take the forkserver away from under everything."""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)
    return 0


def environment(directory: Path, spec: JobSpec) -> int:
    """Write down what a worker can see of the app's environment."""
    (directory / "environment.json").write_text(json.dumps(dict(os.environ)))
    return succeed(directory, spec)


def plan(directory: Path) -> None:
    stages = (("read", "Reading"), ("quantize", "Quantizing"), ("measure", "Measuring"))
    events.append(directory, events.Plan(stages=stages))
    events.append(directory, events.Stage(name="read"))


def check(directory: Path) -> int:
    """Count the checks; a setting `act` makes one fail."""
    request = CheckRequest.model_validate_json((directory / "check.json").read_bytes())
    if request.model_settings.get("act") == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    counter = directory.parent / "checks"
    counter.write_text(str(int(counter.read_text() if counter.exists() else 0) + 1))
    (directory / "findings.json").write_text(found(request).model_dump_json())
    return 0


def found(request: CheckRequest) -> Findings:
    """A model of two classes, two images, or a job of half a minute."""
    if request.kind == "job":
        stages = {"read": 1.0, "quantize": 28.0, "measure": 2.0}
        picture = report.Picture(
            file="pictures/00.png", name="<img src=x>", truth="", before="2 dogs", after="", score_before=1,
            score_after=1, differs=False,
        )  # fmt: skip
        return Findings(
            seconds_estimate=31.0,
            stage_seconds=stages,
            memory_estimate_bytes=600_000_000,
            pictures=(picture,),
            problems=old_names(request.job),
        )
    if request.kind == "model":
        model = ModelFindings(
            format="ONNX",
            name=request.source.name,
            size_bytes=1,
            inputs=(Port(name="x", shape=(1, 3, 8, 8), type="f32"),),
            outputs=(Port(name="y", shape=(1, 2), type="f32"),),
            precision="FP32",
            parameters=20,
            gflops=0.1,
        )
        return Findings(model=model, tasks=("detection" if request.source.name == "ssd.onnx" else "classification",))
    dataset = DatasetFindings(
        format="One folder a class",
        name=request.source.name,
        size_bytes=1,
        labels=("a", "b"),
        images=2,
        splits=(),
        calibration=1,
        validation=1,
    )
    return Findings(dataset=dataset)


def old_names(job: JobSpec | None) -> tuple[Problem, ...]:
    """What would have to be agreed to, where anything is left in float by an old name."""
    names = [name for name in job.options.ignored.scope if name.startswith("Net/")] if job else []
    items = tuple(f"{name} → /here" for name in names)
    here = {"ignored.scope": "/here"}
    asked = Problem(level="warning", where="settings", message="Old.", items=items, settings=here, action="Yes")
    return (asked,) if names else ()


# --- the forkserver


def work(command: str, directory: Path) -> int:
    if command == "check":
        return check(directory)
    spec = read(directory)
    return int(globals()[spec.given.get("act", "succeed")](directory, spec))


def child(request: dict[str, object]) -> None:
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    directory = Path(str(request["directory"]))
    log = os.open(directory / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(0)
    code = 1
    try:
        code = work(str(request["command"]), directory)
    finally:
        os._exit(code)


def answer(**fields: object) -> None:
    os.write(1, json.dumps(fields).encode() + b"\n")


def main() -> None:
    """Requests come on fd 0; the end of a child is noticed between them."""
    running: dict[int, int] = {}  # pid to id
    waiting = b""
    answer(event="ready")
    while True:
        if select.select([0], [], [], 0.01)[0]:
            data = os.read(0, 1 << 16)
            if not data:
                break
            *lines, waiting = (waiting + data).split(b"\n")
            for line in lines:
                take(json.loads(line), running)
        reap(running)
    for pid in running:
        end(pid)


def end(pid: int) -> None:
    """The whole group, or, before it has one, the child alone."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(pid, signal.SIGKILL)


def take(request: dict[str, object], running: dict[int, int]) -> None:
    number = int(str(request["id"]))
    if request["do"] == "kill":
        for pid in [pid for pid, other in running.items() if other == number]:
            end(pid)
        return
    pid = os.fork()
    if pid == 0:
        child(request)
    running[pid] = number
    answer(event="started", id=number, pid=pid)


def reap(running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(status)
        ended = {"code": code, "signal": None} if code >= 0 else {"code": None, "signal": -code}
        answer(event="exit", id=running.pop(pid), **ended)


if __name__ == "__main__":
    sys.setrecursionlimit(10_000)
    main()
