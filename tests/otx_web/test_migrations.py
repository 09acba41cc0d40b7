"""The schema, brought up to date without losing anything."""

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlmodel import SQLModel

from otx_web import migrations
from otx_web.migrations import STEPS, DamagedHistory, SchemaTooNew
from otx_web.store import Store
from tests.otx_web.test_store import add


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "history.sqlite3"


def open_(path: Path) -> Store:
    return Store(f"sqlite:///{path}")


def query(path: Path, statement: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    with connection:
        found = connection.execute(statement).fetchall()
    connection.close()
    return found


def _colour(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE job ADD COLUMN colour VARCHAR")


def _broken(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE job ADD COLUMN colour VARCHAR")
    raise RuntimeError("power cut")


def test_new_history_has_all_columns_of_the_tables(path: Path) -> None:
    open_(path)
    assert query(path, "PRAGMA user_version") == [(len(STEPS),)]
    for name, table in SQLModel.metadata.tables.items():
        columns = {row[1] for row in query(path, f"PRAGMA table_info({name})")}
        assert columns == set(table.columns.keys()), name
    assert query(path, "PRAGMA journal_mode") == [("wal",)]


def test_large_columns_are_last(path: Path) -> None:
    """So that a listing does not read over them."""
    open_(path)
    assert [row[1] for row in query(path, "PRAGMA table_info(job)")][-2:] == ["spec", "report"]


def test_opening_again_changes_nothing(path: Path) -> None:
    add(open_(path), "kept")
    assert open_(path).list_jobs().rows[0].name == "kept"
    assert not list(path.parent.glob("*version*"))


def test_older_history_is_upgraded_with_a_copy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(open_(path), "kept")
    monkeypatch.setattr(migrations, "STEPS", (*STEPS, _colour))
    assert open_(path).list_jobs().rows[0].name == "kept"
    assert query(path, "SELECT colour FROM job") == [(None,)]
    assert query(path, "PRAGMA user_version") == [(len(STEPS) + 1,)]
    copy = path.with_name(f"{path.name}.version-{len(STEPS)}")
    assert query(copy, "SELECT name FROM job") == [("kept",)]
    assert sorted(file.name for file in path.parent.glob("*version*")) == [copy.name], "no half copy is left"


def test_upgrade_that_fails_leaves_the_old_history(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(open_(path), "kept")
    monkeypatch.setattr(migrations, "STEPS", (*STEPS, _broken))
    with pytest.raises(RuntimeError, match="power cut"):
        open_(path)
    monkeypatch.undo()
    assert open_(path).list_jobs().rows[0].name == "kept"
    assert query(path, "PRAGMA user_version") == [(len(STEPS),)]


def test_copy_that_fails_stops_the_upgrade(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(open_(path), "kept")

    def full(driver: sqlite3.Connection, path: Path, version: int) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(migrations, "STEPS", (*STEPS, _colour))
    monkeypatch.setattr(migrations, "_copy", full)
    with pytest.raises(DamagedHistory, match="disk is full"):
        open_(path)
    assert query(path, "PRAGMA user_version") == [(len(STEPS),)]


def test_newer_history_is_refused(path: Path) -> None:
    add(open_(path), "kept")
    query(path, f"PRAGMA user_version = {len(STEPS) + 1}")
    with pytest.raises(SchemaTooNew, match="newer version") as caught:
        open_(path)
    assert "OTX_WEB_DATA" in caught.value.hint and caught.value.where == str(path)
    assert query(path, "SELECT name FROM job") == [("kept",)]


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be looked at" * 20, b"SQLite format 3\x00" * 40]
)
def test_file_that_is_no_history_is_refused(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(DamagedHistory, match="cannot be opened") as caught:
        open_(path)
    assert caught.value.where == str(path) and path.read_bytes() == content


def test_several_may_start_at_once(path: Path) -> None:
    errors: list[Exception] = []

    def start() -> None:
        try:
            add(open_(path))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not errors and open_(path).list_jobs().total == 6
