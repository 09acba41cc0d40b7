"""The wheel holds what runs: code, templates, samples, style and scripts."""

import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from otx_web import samples

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of its files."""
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"])
    with zipfile.ZipFile(path) as packed:
        return set(packed.namelist())


def test_the_wheel_holds_the_code_of_both_sides(wheel: set[str]) -> None:
    code = {str(path.relative_to(ROOT)) for side in ("jobs", "otx_web") for path in (ROOT / side).rglob("*.py")}
    assert code <= wheel


def test_the_wheel_holds_all_templates(wheel: set[str]) -> None:
    templates = {f"jobs/{path.relative_to(ROOT)}" for path in (ROOT / "configs").rglob("*") if path.is_file()}
    assert templates and templates <= wheel


def test_the_wheel_holds_the_samples(wheel: set[str]) -> None:
    for task in samples.tasks():
        sample = samples.paths(task)
        assert {str(path.relative_to(ROOT)) for path in (*sample.model, sample.dataset)} <= wheel


def test_the_wheel_holds_styles_and_scripts(wheel: set[str]) -> None:
    kinds = [(folder, kind) for folder in ("jobs", "otx_web") for kind in ("*.css", "*.js")]
    kept = {str(path.relative_to(ROOT)) for folder, kind in kinds for path in (ROOT / folder).rglob(kind)}
    assert {"otx_web/ui/style.css", "jobs/figures.css"} <= kept <= wheel


def test_the_wheel_has_the_command_and_nothing_that_is_not_run(wheel: set[str]) -> None:
    (info,) = {name.partition("/")[0] for name in wheel if ".dist-info/" in name}
    assert f"{info}/entry_points.txt" in wheel
    assert {name.partition("/")[0] for name in wheel} == {"jobs", "otx_web", info}


def test_the_image_copies_what_is_there() -> None:
    """No engine for images is at hand in the tests, so at least its file is true."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = {name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]}
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"
    }
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)
