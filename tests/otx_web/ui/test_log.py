"""The end of a log is text, bounded, and without what only a terminal understands."""

import os
from pathlib import Path

from otx_web.ui import log
from tests.otx_web.made import EVIL


def written(folder: Path, data: bytes) -> str:
    (folder / log.FILE_NAME).write_bytes(data)
    return log.tail(folder)


def test_colours_and_progress_bars_are_left_out(tmp_path: Path) -> None:
    text = written(tmp_path, b"\x1b[32mgreen\x1b[0m\r\n10 %\r50 %\r100 %\nlast\x07\n")
    assert text == "green\n100 %\nlast"


def test_titles_of_terminals_are_left_out(tmp_path: Path) -> None:
    assert written(tmp_path, b"\x1b]0;title\x07plain") == "plain"


def test_only_the_end_is_read(tmp_path: Path) -> None:
    text = written(tmp_path, b"".join(b"line %d\n" % i for i in range(100_000)))
    lines = text.splitlines()
    assert lines[-1] == "line 99999"
    assert len(lines) <= log.TAIL_LINES and all(line.startswith("line ") for line in lines)


def test_endless_line_is_cut(tmp_path: Path) -> None:
    assert len(written(tmp_path, b"x" * 1_000_000)) <= log.LONGEST_LINE
    assert len(written(tmp_path, b"a\n" + b"x" * 5000)) <= log.LONGEST_LINE + 2


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    assert "�" in written(tmp_path, b"\xff\xfe\n")


def test_no_log_or_a_link_or_a_pipe_is_empty(tmp_path: Path) -> None:
    assert log.tail(tmp_path) == ""
    (tmp_path / log.FILE_NAME).symlink_to("/etc/passwd")
    assert log.tail(tmp_path) == ""
    (tmp_path / log.FILE_NAME).unlink()
    os.mkfifo(tmp_path / log.FILE_NAME)
    assert log.tail(tmp_path) == ""


def test_box_escapes() -> None:
    assert "<img" not in log.box(EVIL, "abc")
    assert "Nothing has been printed." in log.box("", "abc")
