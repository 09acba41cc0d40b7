"""The walls between the two sides: what each may bring into its process, looked at in a fresh interpreter."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENGINES = {"torch", "torchao", "nncf", "openvino", "openvino_telemetry", "model_api", "datumaro", "faster_coco_eval"}
SLOW = {"sklearn", "scipy", "cv2", "onnx"}
WEB = {"gradio", "gradio_client", "sqlmodel", "sqlalchemy", "fastapi", "starlette", "uvicorn", "anyio", "otx_web"}
CONTRACT = {
    *("errors", "events", "findings", "frozen", "report", "spec", "stopping"),
    # a result in words, the same on its page, in its report and in the terminal
    *("amounts", "charts", "figures", "gallery", "intervals", "markup", "numbers", "overlay", "palette", "score_chart"),
    *("tables", "titles", "training_chart"),
    # configs/ and the forms made of it
    *("commented_json", "compression_algorithms", "compression_config", "compression_parts", "compression_pruning"),
    *("compression_quantization", "compression_scopes", "compression_training"),
    *("config_kind", "configuration", "consistency", "fields"),
    *("model_settings", "pot_config", "recipe", "template_files", "templates", "torch_names", "translation"),
    "sandbox",  # whether there is one
}
"""Modules of jobs/ that the web imports: standard library, pydantic, yaml and markupsafe only."""
PLAIN = {"annotated_types", "cython_runtime", "jobs", "markupsafe", "pydantic", "pydantic_core", "typing_extensions"}
PLAIN |= {"typing_inspection", "yaml", "_yaml"}
BY_HAND = "otx_web.samples.build"
"""A script that no side imports."""
LOOK = """
import importlib, json, sys
before = set(sys.modules)
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def modules(package: str) -> list[str]:
    """Every module below a folder, by its full name."""
    paths = sorted((ROOT / package).rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]
    return [name for name in names if not name.startswith(BY_HAND)]


def brought_by(*names: str) -> set[str]:
    """Everything that importing these brings, as full names."""
    command = [sys.executable, "-c", LOOK, *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def packages(names: set[str]) -> set[str]:
    """The top names of those that are not Python's own."""
    return {top for name in names if (top := name.partition(".")[0]) not in sys.stdlib_module_names}


@pytest.fixture(scope="module")
def web() -> set[str]:
    return brought_by("app", *modules("otx_web"))


def test_web_brings_no_engine(web: set[str]) -> None:
    assert not packages(web) & (ENGINES | SLOW)


def test_web_brings_nothing_of_the_work_but_the_contract(web: set[str]) -> None:
    assert {name for name in web if name.startswith("jobs.")} <= {f"jobs.{name}" for name in CONTRACT}


def test_work_brings_nothing_of_the_web() -> None:
    assert not packages(brought_by(*modules("jobs"))) & WEB


def test_work_brings_the_slow_engines_only_when_it_uses_them() -> None:
    """A job that comes before the forkserver has imported all starts without waiting for them."""
    assert not packages(brought_by("jobs.check", "jobs.run")) & {"torch", "nncf", "datumaro", "scipy", "sklearn"}


def test_contract_brings_only_what_is_small() -> None:
    brought = packages(brought_by(*(f"jobs.{name}" for name in sorted(CONTRACT))))
    assert {name for name in brought if not name.startswith("_")} <= PLAIN


def test_forkserver_brings_no_engine_before_it_listens() -> None:
    assert not packages(brought_by("jobs.forkserver")) & (ENGINES | SLOW)


def test_command_line_says_its_version_without_the_pages() -> None:
    assert not packages(brought_by("otx_web.cli")) & {"gradio", "pandas", "numpy", *ENGINES, *SLOW}


def forbidden(side: str) -> set[str]:
    settings = tomllib.loads((ROOT / side / "ruff.toml").read_text(encoding="utf-8"))
    return set(settings["lint"]["flake8-tidy-imports"]["banned-api"])


def test_linter_knows_the_wall() -> None:
    """What is not of the contract is forbidden to the web by name, and the web to the work."""
    banned = {side: forbidden(side) for side in ("jobs", "otx_web")}
    work = {".".join(name.split(".")[:2]) for name in modules("jobs")} - {"jobs"}
    assert banned["otx_web"] >= work - {f"jobs.{name}" for name in CONTRACT}
    assert not banned["otx_web"] & {f"jobs.{name}" for name in CONTRACT}
    assert banned["otx_web"] >= ENGINES - {"openvino_telemetry"} | SLOW
    assert banned["jobs"] >= {"gradio", "sqlmodel", "fastapi", "starlette", "uvicorn", "anyio", "otx_web"}
