"""The command line, with a fake engine behind the workers."""

import functools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs import stopping
from jobs.report import Report
from jobs.spec import JobSpec
from otx_web import cli, forms, services, workers
from otx_web.settings import Settings
from otx_web.store import State
from tests.otx_web import made
from tests.otx_web.conftest import FAKE, wire

ROOT = Path(__file__).parents[2]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The app's folder, as the environment says."""
    for name, value in {"DATA": tmp_path / "data", "MEMORY_BYTES": 1 << 30, "FREE_BYTES": 0}.items():
        monkeypatch.setenv(f"OTX_WEB_{name}", str(value))
    monkeypatch.setattr(workers, "Workers", functools.partial(workers.Workers, module=FAKE))
    return tmp_path / "data"


@pytest.fixture
def built(data: Path) -> services.Services:
    """The same history, seen from here."""
    return wire(Settings())


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Arguments that name a model and a dataset."""
    (tmp_path / "net.onnx").write_bytes(b"onnx")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.png").write_bytes(b"png")
    return ["--model", str(tmp_path / "net.onnx"), "--dataset", str(tmp_path / "set")]


@pytest.fixture
def act(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Choose what the fake engine does with the job; see fake_engine."""
    real = forms.build_spec

    def choose(name: str) -> None:
        def build(*given: Any) -> JobSpec:
            return real(*given).model_copy(update={"given": {"act": name}})

        monkeypatch.setattr(forms, "build_spec", build)

    return choose


# --- samples, version


def test_samples_prints_a_model_and_a_dataset(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["samples", "classification"]) == 0
    model, dataset = capsys.readouterr().out.splitlines()
    assert Path(model).suffix == ".xml" and Path(model).is_file()
    assert Path(dataset).suffix == ".zip" and Path(dataset).is_file()


def test_samples_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["samples", "classification", "--json"]) == 0
    one = json.loads(capsys.readouterr().out)
    assert cli.main(["samples", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0] == one
    assert set(one) == {"task", "title", "model", "dataset"}


def test_samples_of_an_unknown_task_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["samples", "juggling"]) == 2
    told = capsys.readouterr()
    assert not told.out and "There is one for classification, detection" in told.err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0 and capsys.readouterr().out.startswith("otx-web ")


@pytest.mark.parametrize("arguments", [[], ["juggle"], ["optimize"], ["jobs"], ["serve", "--port", "many"]])
def test_arguments_that_make_no_sense_end_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2 and "usage: otx-web" in capsys.readouterr().err


# --- optimize


def test_optimize_prints_the_report_alone_as_json(
    built: services.Services, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["optimize", *files, "--task", "classification", "--method", "pot_default", "--json"]) == 0
    told = capsys.readouterr()
    assert Report.model_validate_json(told.out).status == "succeeded"
    assert "Reading" in told.err
    (job,) = built.store.list_jobs().rows
    assert job.state is State.SUCCEEDED and job.name == "net.onnx" and job.owner == "local"


def test_optimize_tells_a_person_what_came_of_it(
    built: services.Services, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["optimize", *files, "--name", "mine"]) == 0
    (job,) = built.store.list_jobs().rows
    told = capsys.readouterr().out
    assert "mine: POT Default" in told and "4.0× smaller" in told
    assert str(built.runner.directory(job.id)) in told


def test_optimize_keeps_the_settings_that_were_given(built: services.Services, files: list[str]) -> None:
    assert (
        cli.main(["optimize", *files, "--set", "stat_subset_size=7", "--set", "labels=a,b", "--template=generic"]) == 0
    )
    job = built.store.job(built.store.list_jobs().rows[0].id)
    assert job is not None
    assert job.spec.options.stat_subset_size == 7
    assert job.spec.model_settings["labels"].split(",")[0] == "a"


def test_optimize_reads_a_configuration_file(built: services.Services, files: list[str], tmp_path: Path) -> None:
    config = tmp_path / "pot.json"
    params = {"stat_subset_size": 9}
    config.write_text(json.dumps({"compression": {"algorithms": [{"name": "DefaultQuantization", "params": params}]}}))
    assert cli.main(["optimize", *files, "--config", str(config)]) == 0
    job = built.store.job(built.store.list_jobs().rows[0].id)
    assert job is not None
    assert "stat_subset_size" in {key.key.rpartition(".")[2] for key in job.spec.config_keys}


NNCF = {"compression": {"algorithm": "quantization", "ignored_scopes": ["Net/conv2d_0"], "quantize_outputs": True}}
OLD = ["--method", "nncf_qat", "--config"]


def test_optimize_tells_what_becomes_of_each_key_and_asks_before_it_guesses(
    built: services.Services, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "old.json"
    config.write_text(json.dumps(NNCF))
    assert cli.main(["optimize", *files, *OLD, str(config), "--json"]) == 2
    told = capsys.readouterr()
    assert not told.out and not built.store.list_jobs().rows
    assert "old.json:\n" in told.err and 'Kept      compression.algorithm: "quantization"\n' in told.err
    assert "Refused   compression.quantize_outputs: true. " in told.err
    assert "          Net/conv2d_0 → /here\n" in told.err and "--accept-scopes" in told.err
    assert cli.main(["optimize", *files, *OLD, str(config), "--accept-scopes"]) == 0
    assert built.store.list_jobs().total == 1


def test_optimize_tells_what_had_to_give_way(
    built: services.Services, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["optimize", *files, "--set", "weights.mode=asymmetric"]) == 0
    assert "Warning   The saturation fix is for symmetric weights only" in capsys.readouterr().err


def test_optimize_copies_what_was_made(data: Path, files: list[str], tmp_path: Path) -> None:
    assert cli.main(["optimize", *files, "--out", str(tmp_path / "out"), "--json"]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"model.xml", "report.json", "spec.json"}


def test_optimize_says_why_a_job_failed(
    data: Path, files: list[str], act: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    act("leave_nothing")
    assert cli.main(["optimize", *files]) == 1
    told = capsys.readouterr()
    assert "FAILED" in told.out and "ended with code 3" in told.out and "log.txt" in told.out
    assert "Traceback" not in told.out + told.err


def test_optimize_as_json_prints_the_report_of_a_failure_too(
    data: Path, files: list[str], act: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    act("leave_nothing")
    assert cli.main(["optimize", *files, "--json"]) == 1
    failure = Report.model_validate_json(capsys.readouterr().out).failure
    assert failure is not None and failure.kind == "crashed"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--set", "presett=mixed"], "Did you mean preset?"),
        (["--set", "stat_subset_size=-1"], "must be"),
        (["--set", "preset"], "NAME=VALUE"),
        (["--task", "juggling"], "There is classification"),
        (["--template", "efficientnet_b"], "Did you mean efficientnet_b0?"),
        (["--method", "pot_defaul"], "Did you mean pot_default?"),
        (["--config", "gone.json"], "gone.json is not there"),
        (["--model", "gone.onnx"], "gone.onnx is not there"),
    ],
)
def test_optimize_refuses_what_cannot_be_used(
    built: services.Services, files: list[str], more: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["optimize", *files, *more, "--json"]) == 2
    told = capsys.readouterr()
    assert not told.out and sentence in told.err and "Traceback" not in told.err
    assert not built.store.list_jobs().rows


HANGING = f"""
import functools, sys
from otx_web import cli, forms, workers
workers.Workers = functools.partial(workers.Workers, module={FAKE!r})
real = forms.build_spec
forms.build_spec = lambda *given: real(*given).model_copy(update={{"given": {{"act": "hang"}}}})
sys.exit(cli.main(sys.argv[1:]))
"""
"""The command line as a process of its own, with an engine that never ends."""


def test_optimize_stopped_by_ctrl_c_cancels_the_job(built: services.Services, files: list[str]) -> None:
    command = [sys.executable, "-c", HANGING, "optimize", *files, "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not built.store.in_state(State.RUNNING) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert not out and "was cancelled" in err and "Traceback" not in err
    assert [job.state for job in built.store.list_jobs().rows] == [State.CANCELLED]


# --- check


def test_check_tells_what_was_found(data: Path, files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--dataset", files[3]]) == 0
    told = capsys.readouterr().out
    assert "One folder a class" in told and "Nothing stands in the way" in told


def test_check_as_json(data: Path, files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", *files, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["dataset"]["labels"] == ["a", "b"] and found["problems"] == []


def test_check_tells_what_becomes_of_a_configuration_file(
    data: Path, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "old.json").write_text(json.dumps(NNCF))
    arguments = [*OLD, str(tmp_path / "old.json"), "--task", "classification"]
    assert cli.main(["check", *files, *arguments]) == 0
    assert "if that is what the names mean: --accept-scopes" in capsys.readouterr().out
    assert cli.main(["check", *files[:2], *arguments, "--json"]) == 0, "without a dataset, too"
    fates = {key["key"]: key["fate"] for key in json.loads(capsys.readouterr().out)["config_keys"]}
    assert fates["compression.ignored_scopes"] == "changed" and fates["compression.quantize_outputs"] == "refused"
    (tmp_path / "old.json").write_text('{"compression": {"algorithm": "hawq"}}')
    assert cli.main(["check", *files[:2], *arguments]) == 2


def test_check_of_nothing_is_refused(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check"]) == 2
    assert "Give --model, --dataset, or both." in capsys.readouterr().err


# --- jobs


def test_jobs_list_filters(built: services.Services, capsys: pytest.CaptureFixture[str]) -> None:
    done, waiting = made.job(built), made.job(built, State.QUEUED, name="other")
    assert cli.main(["jobs", "list", "--json"]) == 0
    assert {row["id"] for row in json.loads(capsys.readouterr().out)} == {done.id, waiting.id}
    assert cli.main(["jobs", "list", "--state", "queued"]) == 0
    told = capsys.readouterr().out
    assert waiting.id in told and done.id not in told
    assert cli.main(["jobs", "list", "--limit", "1"]) == 0
    assert "1 more" in capsys.readouterr().err
    assert cli.main(["jobs", "list", "--text", "nowhere"]) == 0
    assert "There are no such jobs." in capsys.readouterr().err
    assert cli.main(["jobs", "list", "--state", "lost"]) == 2


def test_jobs_show(built: services.Services, capsys: pytest.CaptureFixture[str]) -> None:
    job = made.job(built)
    assert cli.main(["jobs", "show", job.id]) == 0
    assert "ACCURACY HELD" in capsys.readouterr().out
    assert cli.main(["jobs", "show", job.id, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["report"]["verdict"]["accuracy"] == "held" and shown["spec"]["template"] == "generic"


def test_jobs_stop(built: services.Services) -> None:
    job = made.job(built, State.RUNNING)
    built.runner.directory(job.id).mkdir(parents=True, exist_ok=True)
    assert cli.main(["jobs", "stop", job.id]) == 0
    assert stopping.asked(built.runner.directory(job.id))


def test_jobs_cancel_and_delete(built: services.Services, capsys: pytest.CaptureFixture[str]) -> None:
    job = made.job(built, State.QUEUED)
    assert cli.main(["jobs", "delete", job.id]) == 1
    assert "cancel it first" in capsys.readouterr().err
    assert cli.main(["jobs", "cancel", job.id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {job.id: "cancelled"}
    assert cli.main(["jobs", "delete", job.id]) == 0
    assert built.store.job(job.id) is None


def test_jobs_cancel_of_one_that_is_done_fails(built: services.Services, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["jobs", "cancel", made.job(built).id]) == 1
    assert "done already" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["show", "cancel", "delete"])
def test_an_unknown_job_is_refused(data: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["jobs", command, "n\x1bne"]) == 2
    assert "There is no job n\ufffdne." in capsys.readouterr().err


# --- what goes wrong


def test_a_wrong_environment_is_told_by_its_name(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTX_WEB_PORT", "many")
    assert cli.main(["jobs", "list"]) == 2
    assert "OTX_WEB_PORT: " in capsys.readouterr().err


def test_a_bug_is_told_in_a_sentence_and_kept_in_a_file(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(services, "build", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cli.main(["jobs", "list"]) == 1
    told = capsys.readouterr().err
    assert "ZeroDivisionError" in told and "Traceback" not in told
    (kept,) = tmp_path.glob("otx-web-*.txt")
    assert "Traceback" in kept.read_text()


def test_a_port_that_is_taken_is_told(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert cli.main(["serve", "--port", str(taken.getsockname()[1])]) == 1
    assert "address already in use" in capsys.readouterr().err


def test_only_serving_imports_gradio(data: Path) -> None:
    code = (
        "import sys; from otx_web import cli; cli.main(['jobs', 'list'])\n"
        "print([name for name in ('gradio', 'torch', 'nncf', 'openvino', 'numpy') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert told == "[]\n"


def test_a_reader_that_has_enough_ends_it_quietly() -> None:
    command = f"{sys.executable} -m otx_web samples --json | true"
    told = subprocess.run(["bash", "-c", command], cwd=ROOT, check=True, capture_output=True, text=True)
    assert not told.stderr
