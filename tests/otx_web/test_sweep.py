"""What nobody needs goes, and nothing else."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from otx_web import services, sweep
from otx_web.services import Services
from otx_web.settings import Settings
from otx_web.store import Job, State
from tests.otx_web.conftest import put_upload
from tests.otx_web.test_store import spec

LATER = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
def house(settings: Settings) -> Services:
    return services.build(settings)


def touch(path: Path, at: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    os.utime(path, (at, at))
    return path


def done(house: Services, model: str = "aa") -> Job:
    job = house.store.add_job(spec(model), owner="local", name="job")
    house.store.claim(job.id)
    (house.runner.directory(job.id) / "artifacts").mkdir(parents=True)
    return house.store.change_state(job.id, State.SUCCEEDED)


# --- files on their way in


def test_old_temporary_files_go_with_the_folders_they_leave_empty(tmp_path: Path) -> None:
    """What an aborted upload leaves behind is found by nobody else."""
    old, new = touch(tmp_path / "received/1/part", 100), touch(tmp_path / "received/2/part", 300)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(new)
    for path in (tmp_path / "pipe", tmp_path / "link"):
        os.utime(path, (100, 100), follow_symlinks=False)
    for folder in (old.parent, new.parent, tmp_path / "received"):
        os.utime(folder, (100, 100))
    sweep.temporary(tmp_path, 200)
    assert new.exists() and not old.exists() and not os.path.lexists(tmp_path / "link")
    assert not (tmp_path / "pipe").exists() and old.parent.exists(), "it changed just now"
    os.utime(old.parent, (100, 100))
    sweep.temporary(tmp_path, 200)
    assert new.exists() and not old.parent.exists()


def test_folder_that_is_not_there_is_fine(tmp_path: Path) -> None:
    sweep.temporary(tmp_path / "nowhere", 200)


# --- jobs and uploads


def test_everything_is_kept_unless_asked_otherwise(house: Services) -> None:
    put_upload(house, "aa", "model")
    job = done(house)
    sweep.sweep(house.settings, house.store)
    assert house.runner.directory(job.id).exists() and house.uploads.folder("aa").exists()


def test_folders_of_uploads_that_no_row_tells_of_go(house: Services) -> None:
    put_upload(house, "aa", "model")
    folders = [house.uploads.folder(digest) for digest in ("aa", "bb", "cc")]
    for folder, at in zip(folders, (100, 100, 300), strict=True):
        touch(folder / "model.onnx", at)
        os.utime(folder.parent, (at, at))
    sweep.orphans(house.settings, house.store, 200)
    assert [folder.exists() for folder in folders] == [True, False, True]


def test_files_of_old_jobs_go_and_their_rows_stay(house: Services) -> None:
    job = done(house)
    waiting = house.store.add_job(spec(), owner="local", name="waiting")
    house.runner.directory(waiting.id).mkdir()
    sweep.jobs(house.settings, house.store, LATER)
    row = house.store.summary(job.id)
    assert row is not None and row.files_deleted and not house.runner.directory(job.id).exists()
    assert house.runner.directory(waiting.id).exists()


def test_old_uploads_go_unless_something_needs_them(house: Services) -> None:
    for digest in ("aa", "cc", "dd"):
        put_upload(house, digest, "model")
    done(house, "aa")
    house.store.add_job(spec("cc"), owner="local", name="waiting")
    sweep.uploads(house.settings, house.store, LATER)
    assert [upload.digest for upload in house.store.uploads()] == ["cc"]
    assert house.uploads.folder("cc").exists() and not house.uploads.folder("aa").exists()


def test_upload_used_lately_stays(house: Services) -> None:
    put_upload(house, "aa", "model")
    between = datetime.now(UTC) + timedelta(milliseconds=1)
    while datetime.now(UTC) <= between:
        pass
    done(house, "aa")
    sweep.uploads(house.settings, house.store, between)
    assert house.uploads.folder("aa").exists()
