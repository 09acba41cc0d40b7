"""Datasets opened from what was uploaded, and images decoded."""

import errno
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobs import data, tasks
from jobs.data import Calibration, decode
from jobs.errors import BadArchive, NotEnoughImages, UnknownDataset
from jobs.images import Pixels
from jobs.samples import Dataset, Sample
from tests.jobs import datasets

TASK = tasks.by_name("classification")


def open_(folder: Path, tmp_path: Path) -> Dataset:
    return data.open_dataset(folder, tmp_path / "scratch", TASK)


def zipped(folder: Path, archive: Path) -> Path:
    """The folder of an upload: one archive."""
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(folder.rglob("*.*")):
            packed.write(path, path.relative_to(folder))
    return archive.parent


# --- opening


@pytest.mark.parametrize("name", ["pets.zip", "no ending", "pets.rar"])
def test_zip_is_opened_whatever_its_name(tmp_path: Path, name: str) -> None:
    root = datasets.folders(tmp_path / "root", {"pets/cat": 2, "pets/dog": 2})
    found = open_(zipped(root, tmp_path / "upload" / name), tmp_path)
    assert found.labels == ("cat", "dog") and found.samples[0].name == "cat/0.png"


def test_files_as_they_are_are_opened(tmp_path: Path) -> None:
    assert len(open_(datasets.folders(tmp_path / "root", {"cat": 2, "dog": 2}), tmp_path).samples) == 4


def test_single_image_is_no_archive(tmp_path: Path) -> None:
    datasets.image(tmp_path / "root" / "a.png")
    assert len(open_(tmp_path / "root", tmp_path).samples) == 1


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    datasets.text(tmp_path / "upload" / "pets.rar", "Rar!")
    with pytest.raises(BadArchive, match=r"“pets\.rar” is no zip archive") as caught:
        open_(tmp_path / "upload", tmp_path)
    assert "plain zip" in caught.value.hint


def test_empty_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with pytest.raises(UnknownDataset, match="it is empty"):
        open_(zipped(tmp_path / "root", tmp_path / "upload" / "a.zip"), tmp_path)


def test_broken_images_are_left_out_and_named(tmp_path: Path) -> None:
    root = datasets.folders(tmp_path / "root", {"cat": 20, "dog": 20})
    for name in ("cat/3.png", "dog/7.png"):
        (root / name).write_bytes(b"no image")
    found = open_(root, tmp_path)
    assert len(found.samples) == 38
    assert found.problems[0].items == ("cat/3.png", "dog/7.png") and "25 million pixels" in found.problems[0].message


def test_only_broken_images_are_refused(tmp_path: Path) -> None:
    for name in ("cat/0.png", "dog/1.png"):
        datasets.text(tmp_path / "root" / name, "no image")
    with pytest.raises(NotEnoughImages, match="None of the 2 images can be read") as caught:
        open_(tmp_path / "root", tmp_path)
    assert caught.value.where == "cat/0.png" and "PNG" in caught.value.hint


# --- decoding


def samples(folder: Path, count: int) -> list[Sample]:
    """Images of one colour each: their number."""
    folder.mkdir()
    made = []
    for number in range(count):
        path = folder / f"{number}.png"
        Image.new("RGB", (3, 2), (number, number, number)).save(path)
        made.append(Sample(path.name, path, ""))
    return made


def same(pixels: Pixels) -> Pixels:
    return pixels


def test_every_image_is_decoded_in_its_place(tmp_path: Path) -> None:
    wanted = samples(tmp_path / "images", 100)
    seen: list[int] = []
    decoded = decode(wanted, same, tmp_path, seen.append)
    assert decoded.pixels.shape == (100, 2, 3, 3) and decoded.samples == tuple(wanted)
    assert decoded.pixels[:, 0, 0, 0].tolist() == list(range(100))
    assert seen == list(range(1, 101))


def test_damaged_images_leave_no_gap(tmp_path: Path) -> None:
    wanted = samples(tmp_path / "images", 40)
    for number in (0, 17, 39):
        path = wanted[number].path
        path.write_bytes(path.read_bytes()[:45])
    decoded = decode(wanted, same, tmp_path)
    assert decoded.broken == ("0.png", "17.png", "39.png")
    assert decoded.pixels[:, 0, 0, 0].tolist() == [int(Path(sample.name).stem) for sample in decoded.samples]
    assert len(decoded.samples) == 37


def test_image_that_cannot_be_resized_is_left_out(tmp_path: Path) -> None:
    def refuse(pixels: Pixels) -> Pixels:
        if pixels[0, 0, 0] == 1:
            raise ValueError("9000 × 1 pixels cannot be resized")
        return pixels

    assert decode(samples(tmp_path / "images", 3), refuse, tmp_path).broken == ("1.png",)


def test_nothing_decoded_is_refused(tmp_path: Path) -> None:
    wanted = samples(tmp_path / "images", 2)
    for sample in wanted:
        sample.path.unlink()
    with pytest.raises(NotEnoughImages, match="None of the 2 images can be decoded"):
        decode(wanted, same, tmp_path)


def test_bug_is_no_broken_image(tmp_path: Path) -> None:
    def fail(pixels: Pixels) -> Pixels:
        raise RuntimeError("bug")

    with pytest.raises(RuntimeError, match="bug"):
        decode(samples(tmp_path / "images", 2), fail, tmp_path)


def test_large_cache_lies_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.data._MEMORY_CACHE", 100)
    wanted = samples(tmp_path / "images", 20)
    first, second = (decode(wanted, same, tmp_path / "scratch") for _ in range(2))
    assert isinstance(first.pixels, np.memmap) and np.array_equal(first.pixels, second.pixels)
    assert sorted(path.name for path in (tmp_path / "scratch").iterdir()) == ["pixels-0.u8", "pixels-1.u8"]


def test_full_disk_is_an_error_and_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mapped memory without room behind it ends the process with SIGBUS."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("jobs.data._MEMORY_CACHE", 100)
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        decode(samples(tmp_path / "images", 20), same, tmp_path / "scratch")


def test_calibration_can_be_gone_through_again(tmp_path: Path) -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    calibration = Calibration(pixels, "image", lambda one: one[None].astype(np.float32))
    assert len(calibration) == 2
    for _ in range(2):
        assert [next(iter(entry.values())).shape for entry in calibration] == [(1, 2, 2, 3)] * 2
        assert all(set(entry) == {"image"} for entry in calibration)
