"""Files that a stranger made: opened only when they are plain, and only where they should be."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from otx_web import files
from otx_web.files import NotPlain, alone, inside, open_plain, read_plain


@pytest.mark.parametrize(
    "make",
    [os.mkfifo, lambda path: path.symlink_to("/etc/passwd"), lambda path: path.mkdir()],
    ids=["pipe", "link", "folder"],
)
def test_what_is_no_plain_file_is_not_opened(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "x")
    with pytest.raises(OSError):  # NotPlain, or what the system says of a link
        open_plain(tmp_path / "x")


def test_plain_file_is_read_up_to_a_size(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert read_plain(tmp_path / "x", 5) == b"12345"
    with pytest.raises(NotPlain, match="larger than 4"):
        read_plain(tmp_path / "x", 4)


@pytest.mark.parametrize("name", ["a.txt", "in/a.txt", "in//a.txt", "./in/a.txt"])
def test_file_in_the_folder_is_found(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    for path in (tmp_path / "a.txt", tmp_path / "in" / "a.txt"):
        path.write_text("x")
    assert inside(tmp_path, name) is not None


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "in",
        "missing",
        "../secret",
        "in/../../secret",
        "/etc/passwd",
        "link",
        "way/secret",
        "pipe",
        "a\0b",
        "x" * 5000,
    ],
)
def test_what_is_not_in_the_folder_is_not(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "folder"
    (folder / "in").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "way").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    assert inside(folder, name) is None


def test_folder_that_is_a_link_itself_is_fine(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.txt").write_text("x")
    (tmp_path / "data").symlink_to(tmp_path / "real")
    assert inside(tmp_path / "data", "a.txt") is not None


def test_one_at_a_time(tmp_path: Path) -> None:
    order: list[str] = []

    def wait() -> None:
        with alone(tmp_path):
            order.append("second")

    with alone(tmp_path):
        thread = threading.Thread(target=wait)
        thread.start()
        deadline = time.monotonic() + 5
        while not thread.is_alive() and time.monotonic() < deadline:
            pass
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_lock_is_no_link(tmp_path: Path) -> None:
    (tmp_path / ".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError), files.alone(tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()
