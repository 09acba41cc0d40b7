"""What the operator can set, and what it is when nobody does."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from jobs import sandbox
from jobs.sandbox import Facts
from otx_web import settings as module
from otx_web.settings import GIB, Settings

SHUT_IN, OPEN = Facts(landlock=7, seccomp=True), Facts(landlock=0, seccomp=True)


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SPACE_ID", "XDG_DATA_HOME", "OTX_WEB_DATA", "OTX_WEB_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_defaults_are_for_one_local_user(tmp_path: Path) -> None:
    found = Settings()
    assert found.data == tmp_path / ".local" / "share" / "otx-web"
    assert (found.host, found.port, found.public, found.workers) == ("127.0.0.1", 7860, False, 1)
    assert found.code_allowed and found.database_url == f"sqlite:///{found.data}/otx-web.sqlite3"
    assert found.memory_bytes >= GIB and found.keep_days is None
    assert {found.jobs.parent, found.uploads.parent, found.cache.parent, found.temporary.parent} == {found.data}
    with pytest.raises(ValidationError):
        found.port = 1  # type: ignore[misc]


def test_variables_of_the_environment_win(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "DATA": "~/my data",
        "PORT": "8000",
        "PUBLIC": "true",
        "ALLOWED_HOSTS": " otx.example.org ,, *.lab.example.org,",
        "KEEP_DAYS": "",
        "UNKNOWN": "x",
    }.items():
        monkeypatch.setenv(f"OTX_WEB_{name}", value)
    found = Settings()
    assert found.data == tmp_path / "my data" and found.port == 8000 and found.public
    assert found.allowed_hosts == ("otx.example.org", "*.lab.example.org")
    assert found.keep_days is None, "empty is not set"
    assert not found.code_allowed, "strangers' code is not opened"


def test_hosts_may_be_given_as_addresses() -> None:
    assert Settings(allowed_hosts="https://otx.example.org/, lab.example.org:7860").allowed_hosts == (
        "otx.example.org",
        "lab.example.org",
    )


@pytest.mark.parametrize(
    ("given", "facts", "allowed"),
    [
        ({"public": False}, OPEN, True),
        ({"public": False, "allow_code": False}, SHUT_IN, False),
        ({"public": True}, SHUT_IN, False),
        ({"public": True, "allow_code": True}, SHUT_IN, True),
        ({"public": True, "allow_code": True}, OPEN, False),
    ],
)
def test_code_is_opened_for_strangers_only_where_it_is_shut_in(
    given: dict[str, Any], facts: Facts, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "available", lambda: facts)
    assert Settings(**given).code_allowed is allowed


def test_space_is_public_and_keeps_data_where_it_lasts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPACE_ID", "me/otx")
    monkeypatch.setattr(module, "SPACE_DATA", tmp_path)
    assert Settings().public and Settings().data == tmp_path
    monkeypatch.setattr(module, "SPACE_DATA", tmp_path / "missing")
    assert Settings().data == tmp_path / ".local" / "share" / "otx-web"


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 70000},
        {"workers": 0},
        {"memory_bytes": 1},
        {"wall_seconds": 0},
        {"keep_days": -1},
        {"database": "postgresql://x"},
        {"data": ""},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, object]) -> None:
    if wrong == {"data": ""}:
        assert Settings(**wrong).data == Path.cwd()  # type: ignore[arg-type]
        return
    with pytest.raises(ValidationError):
        Settings(**wrong)  # type: ignore[arg-type]


def test_limits_are_those_of_a_job() -> None:
    limits = Settings(memory_bytes=GIB, wall_seconds=60).limits
    assert (limits.memory_bytes, limits.wall_seconds) == (GIB, 60) and limits.cpu_seconds > 60


@pytest.mark.parametrize(("text", "most"), [("4294967296", 3 * GIB), ("max", None), ("1000", GIB)])
def test_memory_of_a_container_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, most: int | None
) -> None:
    (tmp_path / "memory.max").write_text(text + "\n")
    monkeypatch.setattr(module, "CONTAINER_MEMORY", tmp_path / "memory.max")
    assert Settings().memory_bytes == most if most else Settings().memory_bytes >= GIB
