"""Events as a worker writes them, and as one that is not trusted might."""

import json
import os
from pathlib import Path

import pytest

from jobs import events
from jobs.events import Metric, Note, Plan, Progress, Stage

ALL = [
    Plan(stages=(("read", "Reading"), ("save", "Saving"))),
    Stage(name="read"),
    Progress(done=3, total=9),
    Metric(which="before", name="accuracy", value=0.963),
    Note(level="warning", message="Кот\n<b>", hint="x"),
]


def test_events_come_back_as_they_were(tmp_path: Path) -> None:
    for event in ALL:
        events.append(tmp_path, event)
    found, offset = events.read(tmp_path)
    assert found == ALL and offset == (tmp_path / events.FILE_NAME).stat().st_size


def test_reading_goes_on_from_an_offset(tmp_path: Path) -> None:
    events.append(tmp_path, ALL[0])
    _, offset = events.read(tmp_path)
    assert events.read(tmp_path, offset) == ([], offset)
    events.append(tmp_path, ALL[1])
    found, _ = events.read(tmp_path, offset)
    assert found == [ALL[1]]


def test_line_still_being_written_waits(tmp_path: Path) -> None:
    events.append(tmp_path, ALL[0])
    path = tmp_path / events.FILE_NAME
    with path.open("ab") as file:
        file.write(b'{"type": "stage", "na')
    found, offset = events.read(tmp_path)
    assert found == [ALL[0]]
    with path.open("ab") as file:
        file.write(b'me": "read"}\n')
    found, _ = events.read(tmp_path, offset)
    assert [event.name for event in found if isinstance(event, Stage)] == ["read"]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"no json",
        b"[]",
        b"null",
        b'{"type": "unknown"}',
        b'{"type": "stage"}',
        b'{"type": "stage", "name": "a", "more": 1}',
        b'{"type": "progress", "done": -1, "total": 2}',
        b'{"type": "progress", "done": 1e999, "total": 2}',
        b'{"type": "progress", "done": 1' + b"0" * 400 + b', "total": 1}',
        b'{"type": "metric", "which": "before", "name": "a", "value": NaN}',
        b'{"type": "metric", "which": "other", "name": "a", "value": 1}',
        b'{"type": "stage", "name": "a", "at": Infinity}',
        b'{"type": "stage", "name": "\xff\xfe"}',
        b"[" * 60_000,
        b'{"type": "note", "message": "' + b"x" * 70_000 + b'"}',
        b'{"type": "stage", "name": ' + b"1" * 9000 + b"}",
    ],
)
def test_line_that_is_none_of_ours_is_dropped(tmp_path: Path, line: bytes) -> None:
    with (tmp_path / events.FILE_NAME).open("wb") as file:
        file.write(line + b"\n")
    events.append(tmp_path, ALL[1])
    found, _ = events.read(tmp_path)
    assert found == [ALL[1]]


def test_endless_line_does_not_stop_the_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One longer than is read at once would otherwise be read again for ever."""
    monkeypatch.setattr(events, "MAX_READ", 1000)
    (tmp_path / events.FILE_NAME).write_bytes(b"x" * 2500 + b"\n")
    events.append(tmp_path, ALL[1])
    found, offset = [], 0
    for _ in range(5):
        more, offset = events.read(tmp_path, offset)
        found += more
    assert found == [ALL[1]]


def test_many_events_are_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_READ", 300)
    for number in range(20):
        events.append(tmp_path, Progress(done=number, total=20))
    first, offset = events.read(tmp_path)
    assert 0 < len(first) < 20 and offset <= 300
    assert [event.done for event in events.read_all(tmp_path) if isinstance(event, Progress)] == list(range(20))


def test_no_end_of_events_is_read_no_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_READ", 300)
    monkeypatch.setattr(events, "MAX_ALL", 900)
    for number in range(50):
        events.append(tmp_path, Progress(done=number, total=50))
    assert 5 < len(events.read_all(tmp_path)) < 20


def test_no_events_yet(tmp_path: Path) -> None:
    assert events.read(tmp_path) == ([], 0) and events.read_all(tmp_path) == []
    assert events.read(tmp_path / "nowhere") == ([], 0)


def test_link_pipe_and_folder_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(json.dumps({"type": "stage", "name": "secret"}) + "\n")
    for number, make in enumerate((lambda path: path.symlink_to(secret), os.mkfifo, lambda path: path.mkdir())):
        job_dir = tmp_path / str(number)
        job_dir.mkdir()
        make(job_dir / events.FILE_NAME)
        assert events.read(job_dir) == ([], 0)
