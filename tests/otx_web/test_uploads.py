"""Uploads put into the store: by content, within limits, whatever they are called."""

import errno
import os
import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from otx_web import services, uploads
from otx_web.services import Services
from otx_web.settings import Settings
from otx_web.store import State, Upload
from otx_web.uploads import UploadError
from tests.otx_web.test_store import spec

pytestmark = pytest.mark.anyio


@pytest.fixture
def house(settings: Settings) -> Services:
    return services.build(settings)


@pytest.fixture
def received(house: Services) -> Path:
    """Where Gradio puts what a browser sends."""
    folder = house.settings.temporary / "received" / "0a1b"
    folder.mkdir(parents=True)
    return folder


def put(folder: Path, *names: str) -> list[Path]:
    """Files, each with its name in it."""
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(path.name))
    return paths


def stored(house: Services, upload: Upload) -> dict[str, str]:
    folder = house.uploads.folder(upload.digest)
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def left(house: Services) -> list[Path]:
    """What is neither whole nor gone."""
    return list(house.settings.temporary.glob("upload-*"))


# --- in


async def test_files_are_kept_under_their_content(house: Services, received: Path) -> None:
    pair = put(received, "net.xml", "net.bin")
    upload = await house.uploads.add(pair, "me", "model")
    assert (upload.name, upload.size_bytes, upload.kind) == ("net.xml", 14, "model")
    assert stored(house, upload) == {"net.xml": "net.xml", "net.bin": "net.bin"}
    again = await house.uploads.add(list(reversed(pair)), "other", "model")
    assert again.digest == upload.digest, "the order does not matter"
    other = await house.uploads.add(put(received, "net.xml"), "me", "model")
    assert other.digest != upload.digest
    assert not left(house)


async def test_name_and_kind_belong_to_the_content(house: Services, tmp_path: Path) -> None:
    """The same bytes under another name, or as a dataset, may mean something else."""
    (tmp_path / "a.zip").write_text("x")
    (tmp_path / "b.zip").write_text("x")
    digests = {
        (await house.uploads.add([tmp_path / name], "me", kind)).digest  # type: ignore[arg-type]
        for name, kind in (("a.zip", "model"), ("b.zip", "model"), ("a.zip", "dataset"))
    }
    assert len(digests) == 3


async def test_received_files_are_not_copied(house: Services, received: Path) -> None:
    (path,) = put(received, "a.onnx")
    upload = await house.uploads.add([path], "me", "model")
    kept = house.uploads.folder(upload.digest) / "a.onnx"
    assert kept.stat().st_ino == path.stat().st_ino
    shutil.rmtree(received)  # as the sweep does
    assert kept.read_text() == "a.onnx"


async def test_ones_own_files_are_copied(house: Services, tmp_path: Path) -> None:
    (path,) = put(tmp_path, "a.onnx")
    upload = await house.uploads.add([path], "me", "model")
    path.write_text("changed")
    assert stored(house, upload) == {"a.onnx": "a.onnx"}


async def test_many_images_become_one_zip(house: Services, received: Path) -> None:
    upload = await house.uploads.add(put(received, "b.png", "a.png"), "me", "dataset", "my <b>photos</b>")
    (archive,) = house.uploads.folder(upload.digest).iterdir()
    assert archive.name == "my bphotosb.zip" and upload.name == "my <b>photos</b>"
    with zipfile.ZipFile(archive) as packed:
        assert packed.namelist() == ["a.png", "b.png"] and packed.read("b.png") == b"b.png"


async def test_folder_of_a_dataset_is_packed_to_the_same_bytes(house: Services, tmp_path: Path) -> None:
    put(tmp_path, "pets/dog/1.png", "pets/cat/1.png", "pets/cat/.DS_Store", "pets/.git/config")
    first = await house.uploads.add([tmp_path / "pets"], "me", "dataset")
    os.utime(tmp_path / "pets" / "cat" / "1.png", (1, 1))
    again = await house.uploads.add([tmp_path / "pets"], "me", "dataset")
    assert first.digest == again.digest and first.name == "pets"
    with zipfile.ZipFile(next(house.uploads.folder(first.digest).iterdir())) as packed:
        assert packed.namelist() == ["cat/1.png", "dog/1.png"]


@pytest.mark.parametrize("name", ["pets.zip", "pets.rar", "one.png"])
async def test_single_file_of_a_dataset_stays_as_it_is(house: Services, received: Path, name: str) -> None:
    """Whether it is an archive is for the worker to see, who says what to do."""
    upload = await house.uploads.add(put(received, name), "me", "dataset")
    assert stored(house, upload) == {name: name}


async def test_folder_of_a_model_keeps_its_folders(house: Services, tmp_path: Path) -> None:
    put(tmp_path, "kws/saved_model.pb", "kws/variables/variables.index")
    upload = await house.uploads.add([tmp_path / "kws"], "me", "model")
    assert set(stored(house, upload)) == {"saved_model.pb", "variables/variables.index"}


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("модель 模型 (1).onnx", "модель 模型 (1).onnx"),
        ("..\\..\\x.onnx", "x.onnx"),
        ("a\nb\x1b[31m.onnx", "ab[31m.onnx"),
        ("-rf.onnx", "-rf.onnx"),
        ("$(id);a|b.onnx", "$(id);ab.onnx"),
        ("abc\u202egnp.onnx", "abcgnp.onnx"),
        ("x" * 250 + ".onnx", "x" * 195 + ".onnx"),
        ("я" * 120 + ".onnx", "я" * 97 + ".onnx"),
        ("a." + "b" * 240, ("a." + "b" * 240)[:200]),
        (".onnx", "onnx"),
        ("...", "file"),
        (" .. ", "file"),
    ],
)
async def test_names_are_made_harmless(house: Services, received: Path, name: str, kept: str) -> None:
    path = received / name
    path.write_text("x")
    upload = await house.uploads.add([path], "me", "model")
    assert list(stored(house, upload)) == [kept]
    assert upload.name and upload.name.isprintable() and len(upload.name) <= 200


async def test_name_given_is_one_line(house: Services, received: Path) -> None:
    (path,) = put(received, "a.onnx")
    for given, name in (("  my\tmodel\n", "my model"), ("x" * 1000, "x" * 200), (" \n ", "a.onnx")):
        assert (await house.uploads.add([path], "me", "model", given)).name == name


# --- refused


async def refused(house: Services, paths: list[Path], match: str, kind: Any = "model") -> UploadError:
    before = house.store.uploads()
    with pytest.raises(UploadError, match=match) as caught:
        await house.uploads.add(paths, "me", kind)
    assert house.store.uploads() == before and not left(house)
    return caught.value


async def test_nothing_is_refused(house: Services, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    await refused(house, [], "There is no file")
    await refused(house, [tmp_path / "gone.onnx"], "gone.onnx is not there")
    await refused(house, [tmp_path / "empty"], "The folder empty is empty")


async def test_two_files_of_one_name_are_refused(house: Services, received: Path) -> None:
    error = await refused(house, put(received, "1/a.png", "2/a.png"), "same name", "dataset")
    assert "one zip" in error.hint


async def test_too_many_files_are_refused(house: Services, received: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_FILES", 2)
    await refused(house, put(received, "a", "b", "c"), "These are 3 files")


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/etc/passwd")])
async def test_link_or_pipe_that_was_received_is_refused(house: Services, received: Path, make: Any) -> None:
    make(received / "a.onnx")
    await refused(house, [received / "a.onnx"], "cannot be read")
    put(received, "b.onnx")
    await refused(house, [received / "a.onnx", received / "b.onnx"], "cannot be read", "dataset")


async def test_ones_own_links_are_followed(house: Services, tmp_path: Path) -> None:
    """Datasets are often made of them, and so is the cache of a model hub."""
    put(tmp_path, "blobs/1", "photos/cat/1.png")
    (tmp_path / "model.onnx").symlink_to(tmp_path / "blobs" / "1")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "cat").symlink_to(tmp_path / "photos" / "cat")
    (tmp_path / "set" / "tac").symlink_to(tmp_path / "photos" / "cat")
    (tmp_path / "photos" / "cat" / "again").symlink_to(tmp_path / "set")
    model = await house.uploads.add([tmp_path / "model.onnx"], "me", "model")
    assert stored(house, model) == {"model.onnx": "1"} and model.name == "model.onnx"
    dataset = await house.uploads.add([tmp_path / "set"], "me", "dataset")
    with zipfile.ZipFile(next(house.uploads.folder(dataset.digest).iterdir())) as packed:
        assert {"cat/1.png", "tac/1.png"} <= set(packed.namelist()), "and a circle comes to an end"


async def test_link_to_nothing_is_named(house: Services, tmp_path: Path) -> None:
    put(tmp_path, "set/a.png")
    (tmp_path / "set" / "b.png").symlink_to(tmp_path / "gone")
    await refused(house, [tmp_path / "set"], "b.png is a link to nothing", "dataset")


async def test_name_that_is_no_text_is_taken(house: Services, tmp_path: Path) -> None:
    odd, _ = put(tmp_path / "set", os.fsdecode(b"caf\xe9.png"), "dog.png")
    folder = odd.parent
    for kind in ("dataset", "model"):
        assert (await house.uploads.add([folder], "me", kind)).size_bytes > 0  # type: ignore[arg-type]
    assert (await house.uploads.add([odd], "me", "model")).name == "caf .png"


# --- limits


async def test_upload_too_large_is_refused(settings: Settings, tmp_path: Path) -> None:
    house = services.build(settings.model_copy(update={"max_upload_bytes": 5}))
    await refused(house, put(tmp_path, "a.onnx"), r"at most 0\.0 MB is taken")


async def test_disk_keeps_its_reserve(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = services.build(settings.model_copy(update={"free_bytes": 1000}))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1003))
    error = await refused(house, put(tmp_path, "a.onnx"), "not enough disk space")
    assert "Delete" in error.hint


async def test_owner_has_a_share_in_public(settings: Settings, tmp_path: Path) -> None:
    house = services.build(settings.model_copy(update={"public": True, "owner_bytes": 10}))
    first, second = put(tmp_path, "a.onnx", "b.onnx")
    upload = await house.uploads.add([first], "me", "model")
    error = await refused(house, [second], "Your uploads together")
    assert "library" in error.hint
    await house.uploads.add([second], "other", "model")
    house.uploads.delete(upload.digest, "me")
    await house.uploads.add([second], "me", "model")


@pytest.mark.parametrize(("number", "hint"), [(errno.ENOSPC, "Delete old jobs"), (errno.EIO, "")])
async def test_disk_that_fails_leaves_nothing_behind(
    house: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, hint: str
) -> None:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(uploads, "_digest", fail)
    error = await refused(house, put(tmp_path, "a.onnx"), os.strerror(number))
    assert hint in error.hint and str(tmp_path) not in error.message
    assert [path.name for path in house.settings.uploads.iterdir() if path.is_dir()] == []


async def test_file_that_grows_while_it_is_read_is_refused(
    house: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = put(tmp_path, "a.onnx")
    opened = uploads._open

    def grow(path: Path, name: str) -> Any:
        with path.open("a") as file:
            file.write("more")
        return opened(path, name)

    monkeypatch.setattr(uploads, "_open", grow)
    await refused(house, [path], "changed while it was read")


# --- there and out


async def test_spec_finds_the_files_from_the_job(house: Services, tmp_path: Path) -> None:
    upload = await house.uploads.add(put(tmp_path, "a.onnx"), "me", "model")
    source = house.uploads.source(upload)
    assert not source.path.startswith("/"), "the data folder may be moved"
    assert source.folder(house.settings.jobs / "123") == house.uploads.folder(upload.digest).resolve()
    check = house.uploads.check_folder(upload.digest)
    assert house.uploads.source(upload, check).folder(check) == house.uploads.folder(upload.digest).resolve()
    house.uploads.require(source)


async def test_files_go_when_nobody_has_them_any_more(house: Services, tmp_path: Path) -> None:
    paths = put(tmp_path, "a.onnx")
    upload = await house.uploads.add(paths, "me", "model")
    await house.uploads.add(paths, "other", "model")
    house.uploads.delete(upload.digest, "me")
    assert house.uploads.folder(upload.digest).is_dir()
    house.uploads.delete(upload.digest, "other")
    assert not (house.settings.uploads / upload.digest).exists()
    with pytest.raises(UploadError, match="has been deleted"):
        house.uploads.require(house.uploads.source(upload))


async def test_upload_a_job_needs_stays(house: Services, tmp_path: Path) -> None:
    upload = await house.uploads.add(put(tmp_path, "a.onnx"), "me", "model")
    job = house.store.add_job(spec(upload.digest), owner="me", name="job")
    house.store.add_job(spec(upload.digest), owner="other", name="theirs")
    with pytest.raises(UploadError, match="needs this upload") as caught:
        house.uploads.delete(upload.digest, "me")
    assert "Cancel" in caught.value.hint
    assert [one.name for one in house.uploads.uses(upload)] == ["job"], "others' jobs are not shown"
    house.store.change_state(job.id, State.CANCELLED)
    house.uploads.delete(upload.digest, "me")
    assert house.uploads.folder(upload.digest).is_dir(), "another one's job needs it"


async def test_same_upload_many_times_at_once(house: Services, tmp_path: Path) -> None:
    """A double click, or two visitors."""
    paths = put(tmp_path, "a.onnx")
    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(house.uploads.add, paths, f"owner {number % 2}", "model")
    assert len(house.store.uploads()) == 2 and not left(house)
    assert stored(house, house.store.uploads()[0]) == {"a.onnx": "a.onnx"}
