"""Each test tries something in a process that was forked and shut in for it."""

import errno
import faulthandler
import json
import os
import pickle
import platform
import resource
import socket
import subprocess
import sys
import tempfile
import traceback
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from jobs import formats, sandbox
from jobs.errors import BrokenModel, CodeInFile

FACTS = sandbox.available()
needs_landlock = pytest.mark.skipif(not FACTS.landlock, reason="this kernel has no Landlock")
needs_seccomp = pytest.mark.skipif(not FACTS.seccomp, reason="this kernel has no seccomp")


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A job's folder, beside another's and an upload's."""
    for name in ("job", "other", "upload"):
        (tmp_path / name).mkdir()
    (tmp_path / "other" / "file").write_text("of another job")
    (tmp_path / "upload" / "file").write_text("of this job")
    return tmp_path / "job"


def inside(job: Path, act: Callable[[], object], **limits: int) -> Any:
    """What `act` gives in a confined process, or the name of the error that it raises."""
    answer, into = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # later Pythons warn that there are threads
        pid = os.fork()
    if pid == 0:
        try:
            os.environ.update(CI="true", HOME=str(job), TMPDIR=str(job))  # as in a worker
            tempfile.tempdir = None
            faulthandler.disable()
            warnings.simplefilter("ignore")
            if limits:
                sandbox.limit(**{"memory_bytes": 8 << 30, "cpu_seconds": 60, "file_bytes": 1 << 30, **limits})
            sandbox.confine([job.parent / "upload"], [job])
            os.write(into, json.dumps(_outcome(act)).encode())
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(into)
    with os.fdopen(answer) as file:
        text = file.read()
    status = os.waitpid(pid, 0)[1]
    return json.loads(text) if text else os.waitstatus_to_exitcode(status)


def _outcome(act: Callable[[], object]) -> object:
    try:
        return act()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "OSError")
    except Exception as error:
        return type(error).__name__


# --- files


@needs_landlock
def test_own_files_can_be_used(job: Path) -> None:
    def use() -> str:
        (job / "tmp").mkdir()
        (job / "tmp" / "part").write_text("x")
        (job / "tmp" / "part").rename(job / "whole")
        (job / "whole").unlink()
        (job / "tmp").rmdir()
        return (job.parent / "upload" / "file").read_text()

    assert inside(job, use) == "of this job"


@needs_landlock
@pytest.mark.parametrize(
    "path", ["other/file", "other", "/etc/passwd", "/root", str(Path(__file__)), str(Path(__file__).parents[2])]
)
def test_other_files_cannot_be_read(job: Path, path: str) -> None:
    def read() -> object:
        found = job.parent / path
        return [str(each) for each in found.iterdir()] if found.is_dir() else found.read_text()

    assert inside(job, read) == "EACCES"


@needs_landlock
@pytest.mark.parametrize("path", ["new", "upload/new", "upload/file", "other/file", "/tmp/otx-web-marker"])
def test_nothing_is_written_elsewhere(job: Path, path: str) -> None:
    assert inside(job, lambda: (job.parent / path).write_text("x")) == "EACCES"
    assert not Path("/tmp/otx-web-marker").exists()


@needs_landlock
def test_files_of_others_can_be_neither_moved_nor_linked_nor_deleted(job: Path) -> None:
    other = job.parent / "other" / "file"
    assert inside(job, lambda: str(other.rename(job / "stolen"))) in ("EACCES", "EXDEV")
    assert inside(job, lambda: (job / "stolen").hardlink_to(other)) in ("EACCES", "EXDEV")
    assert inside(job, other.unlink) == "EACCES"


@needs_landlock
def test_no_links_or_pipes_are_left_for_whoever_reads_the_folder(job: Path) -> None:
    assert inside(job, lambda: (job / "report.json").symlink_to("/etc/passwd")) == "EACCES"
    assert inside(job, lambda: os.mkfifo(job / "report.json")) == "EACCES"


@needs_landlock
def test_other_processes_cannot_be_read(job: Path) -> None:
    for file in ("environ", "maps", "mem", "cmdline"):
        assert inside(job, Path(f"/proc/{os.getppid()}/{file}").read_bytes) == "EACCES"


# --- system calls


@needs_seccomp
def test_there_is_no_network(job: Path) -> None:
    assert inside(job, lambda: str(socket.socket())) == "EPERM"
    assert inside(job, lambda: str(socket.socket(socket.AF_UNIX))) == "EPERM"


@needs_seccomp
def test_no_program_is_started(job: Path) -> None:
    assert inside(job, lambda: subprocess.run([sys.executable, "-V"], check=True).args) == "EPERM"
    assert inside(job, lambda: os.execv("/bin/true", ["true"])) == "EPERM"
    assert inside(job, os.fork) == "EPERM"
    assert inside(job, lambda: os.system("true") == 0) is False


@needs_seccomp
def test_other_processes_are_out_of_reach(job: Path) -> None:
    me = os.getpid()
    assert inside(job, lambda: os.kill(me, 0)) == "EPERM"
    assert inside(job, lambda: os.kill(-1, 0)) == "EPERM"
    assert inside(job, lambda: resource.prlimit(me, resource.RLIMIT_NOFILE)) == "EPERM"
    assert inside(job, lambda: os.setpriority(os.PRIO_PROCESS, me, 19)) == "EPERM"
    assert inside(job, os.setsid) == "EPERM"
    if hasattr(os, "pidfd_open"):
        assert inside(job, lambda: os.pidfd_open(me)) == "EPERM"


@needs_seccomp
def test_own_limits_can_be_asked_for_but_not_raised(job: Path) -> None:
    def raise_it() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    assert inside(job, lambda: resource.getrlimit(resource.RLIMIT_DATA)[0], memory_bytes=1 << 30) == 1 << 30
    assert inside(job, raise_it, memory_bytes=1 << 30) in ("ValueError", "EPERM")


@needs_seccomp
def test_abort_is_seen_as_one(job: Path) -> None:
    assert inside(job, os.abort) == -6


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_filter_is_whole_for_every_machine(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step leads to a later one, and every way ends."""
    monkeypatch.setattr(platform, "machine", lambda: machine)
    steps = sandbox._filter()
    assert steps[-1][0] == sandbox._RETURN
    for place, (code, if_so, if_not, _) in enumerate(steps):
        if code != sandbox._RETURN:
            assert place + 1 + max(if_so, if_not) < len(steps)


def test_filter_names_each_call_once() -> None:
    for which in (0, 1):
        numbers = [pair[which] for pair in sandbox._REFUSED.values() if pair[which] is not None]
        assert len(numbers) == len(set(numbers))


# --- limits


def test_memory_limit_is_an_error_inside(job: Path) -> None:
    assert inside(job, lambda: len(bytearray(2 << 30)), memory_bytes=1 << 30) == "MemoryError"


def test_limits_never_exceed_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[int, tuple[int, int]] = {}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (100, 100))
    monkeypatch.setattr(resource, "setrlimit", asked.__setitem__)
    monkeypatch.setattr(sandbox.signal, "signal", lambda *_: None)
    sandbox.limit(memory_bytes=1 << 40, cpu_seconds=50, file_bytes=1 << 40)
    assert asked[resource.RLIMIT_DATA] == (100, 100)
    assert asked[resource.RLIMIT_CPU] == (50, 55)


# --- what still works


def test_quantizing_works_inside(job: Path) -> None:
    import nncf

    ov.save_model(_model(), job.parent / "upload" / "model.xml")

    def quantize() -> bool:
        core = ov.Core()
        model = core.read_model(job.parent / "upload" / "model.xml")
        images = [np.ones((1, 3, 8, 8), np.float32) * number for number in range(4)]
        quantized = nncf.quantize(model, nncf.Dataset(images), subset_size=4)
        ov.save_model(quantized, job / "model.xml")
        compiled = core.compile_model(job / "model.xml", "CPU")
        return bool(np.isfinite(compiled(images[1])[0]).all())

    assert inside(job, quantize) is True


def _model() -> ov.Model:
    image = ops.parameter([1, 3, 8, 8], np.float32, name="image")
    weights = ops.constant(np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32))
    return ov.Model([ops.relu(ops.convolution(image, weights, [1, 1], [1, 1], [1, 1], [1, 1]))], [image])


# --- files that carry code


class _Evil:
    """Unpickled, it writes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return exec, (f"open({str(self.marker)!r}, 'w').write('x')",)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PyTorch exported program as it should be."""
    import torch

    path = tmp_path_factory.mktemp("exported") / "model.pt2"
    program = torch.export.export(torch.nn.Linear(4, 2).eval(), (torch.zeros(1, 4),))
    torch.export.save(program, path)
    return path


def _with_pickle(good: Path, evil: Path, marker: Path) -> None:
    """Its first weight as a pickle."""
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(evil, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("weights_config.json"):
                data = data.replace(b'"use_pickle": false', b'"use_pickle": true', 1)
            if name.endswith("weight_0"):
                data = pickle.dumps(_Evil(marker))
            target.writestr(name, data)


def _with_expression(good: Path, evil: Path, marker: Path) -> None:
    """A size as an expression, which sympy evaluates as Python."""
    code = f"open({str(marker)!r}, 'w').write('x')"
    expression = {"as_expr": {"expr_str": code, "hint": {"as_int": 1}}}
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(evil, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("models/model.json"):
                data = data.replace(b'{"as_int": 4}', json.dumps(expression).encode(), 1)
            target.writestr(name, data)


def _read(job: Path, **allowed: bool) -> str:
    (job / "scratch").mkdir()
    try:
        return formats.read(job.parent / "upload", scratch=job / "scratch", **allowed).format
    except (BrokenModel, CodeInFile) as error:
        return error.kind()


def _put(job: Path, path: Path) -> Path:
    (job.parent / "upload" / "file").unlink()
    return job.parent / "upload" / path.name


@pytest.mark.skipif(not FACTS.confined, reason="this kernel offers no sandbox")
@pytest.mark.parametrize("spoil", [_with_pickle, _with_expression])
def test_code_in_an_exported_program_reaches_nothing(
    job: Path, exported: Path, spoil: Callable[[Path, Path, Path], None]
) -> None:
    marker, own = job.parent / "other" / "marker", job / "marker"
    upload = _put(job, exported)
    spoil(exported, upload, own)
    inside(job, lambda: _read(job, allow_code=True))
    assert own.exists()  # the code does run
    (job / "scratch").rmdir()
    spoil(exported, upload, marker)
    assert inside(job, lambda: _read(job, allow_code=True)) == "broken_model"
    assert not marker.exists()


def test_exported_program_is_read_inside_where_it_is_allowed(job: Path, exported: Path) -> None:
    _put(job, exported).write_bytes(exported.read_bytes())
    assert inside(job, lambda: _read(job, allow_code=True)) == "PyTorch exported program"
    (job / "scratch").rmdir()
    assert inside(job, lambda: _read(job)) == "code_in_file"


# --- facts


def test_facts_are_printed_as_json() -> None:
    printed = subprocess.run([sys.executable, "-m", "jobs.sandbox"], capture_output=True, check=True).stdout
    facts = json.loads(printed)
    assert facts["confined"] is FACTS.confined
    assert facts["landlock"] == FACTS.landlock


def test_kernel_without_any_of_it_is_told_in_words(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        return -1

    sandbox.available.cache_clear()
    try:
        with monkeypatch.context() as patched:
            patched.setattr(sandbox, "_LIBC", type("Old", (), {"syscall": refuse, "prctl": refuse})())
            facts = sandbox.available()
    finally:
        sandbox.available.cache_clear()
    assert not facts.confined
    assert len(facts.notes) == 2
