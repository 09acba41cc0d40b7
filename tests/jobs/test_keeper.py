import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import keeper
from jobs.keeper import Log


def written(path: Path, *pieces: bytes, head: int, tail: int) -> bytes:
    log = Log(path, head=head, tail=tail)
    for piece in pieces:
        log.write(piece)
    log.close()
    return path.read_bytes()


def test_short_log_is_kept_whole(tmp_path: Path) -> None:
    assert written(tmp_path / "log", b"one", b"two", head=6, tail=3) == b"onetwo"
    assert written(tmp_path / "next", b"one", b"two", b"end", head=6, tail=3) == b"onetwoend"


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_long_log_keeps_its_ends_and_says_how_much_is_missing(tmp_path: Path, piece: int) -> None:
    whole = b"a" * 100 + b"b" * 1900 + b"c" * 50
    pieces = [whole[start : start + piece] for start in range(0, len(whole), piece)]
    log = written(tmp_path / "log", *pieces, head=100, tail=50).decode()
    assert log.startswith("a" * 100 + "\n")
    assert log.endswith("\n" + "c" * 50)
    assert "… 1,900 bytes of the log were left out here …" in log


def test_log_goes_on_where_it_ended(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"before ")
    assert written(tmp_path / "log", b"after", head=10, tail=10) == b"before after"


def test_log_is_never_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        Log(tmp_path / "log")
    assert not (tmp_path / "elsewhere").exists()


def test_full_disk_does_not_stop_a_log() -> None:
    log = Log(Path("/dev/full"))
    log.write(b"x")
    log.close()


def test_children_are_seen_and_ended_but_for_those_spared() -> None:
    spared, ended = (subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) for _ in range(2))
    try:
        others = keeper.children() - {ended.pid}
        assert {spared.pid, ended.pid} <= keeper.children()
        keeper.end_children(frozenset(others))
        assert ended.pid not in keeper.children()
        assert spared.poll() is None
    finally:
        spared.kill()
        spared.wait()
        ended.returncode = -9  # it was waited for elsewhere


@pytest.mark.parametrize(
    ("code", "expected"), [("3", {"code": 3, "signal": None}), ("kill", {"code": None, "signal": 9})]
)
def test_ending_is_a_code_or_a_signal(code: str, expected: dict[str, int | None]) -> None:
    how = f"import os; os.kill(os.getpid(), 9) if {code!r} == 'kill' else os._exit({code if code != 'kill' else 0})"
    pid = os.spawnl(os.P_NOWAIT, sys.executable, sys.executable, "-c", how)
    assert keeper.ending(os.waitpid(pid, 0)[1]) == expected
