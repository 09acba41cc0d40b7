"""Archives as strangers make them: what is unsafe is refused before a byte of it is written."""

import io
import random
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from jobs.archive import ArchiveLimits, is_zip, unpack
from jobs.errors import BadArchive

FEW = ArchiveLimits(entries=100, total_bytes=1 << 20, free_bytes=1 << 10)


def make(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def refused(archive: Path, into: Path, match: str, limits: ArchiveLimits | None = None) -> None:
    """It is, with these words, and before anything is written."""
    with pytest.raises(BadArchive, match=match) as caught:
        unpack(archive, into, limits)
    assert caught.value.hint
    assert not into.exists()


def test_files_come_out_in_their_folders(tmp_path: Path) -> None:
    archive = make(
        tmp_path / "a.zip",
        ("data/кошка/1 один.txt", b"1"),
        ("data/empty/", b""),
        ("data/b.zip", b"PK\x03\x04 inner"),
        ("__MACOSX/data/._b.zip", b"junk"),
        ("data/.DS_Store", b"junk"),
    )
    found = unpack(archive, tmp_path / "out")
    assert [path.relative_to(tmp_path / "out").as_posix() for path in found] == ["data/кошка/1 один.txt", "data/b.zip"]
    assert found[0].read_bytes() == b"1" and found[1].read_bytes() == b"PK\x03\x04 inner"


def test_empty_archive_is_no_error(tmp_path: Path) -> None:
    assert unpack(make(tmp_path / "a.zip"), tmp_path / "out") == []


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("../evil.txt", "points outside"),
        ("a/../../evil.txt", "points outside"),
        ("/etc/evil.txt", "points outside"),
        ("C:/evil.txt", "points outside"),
        ("a/" * 40 + "x", "too long a name or too many folders"),
        ("x" * 300, "too long a name"),
        ("/".join(["y" * 200] * 10), "too long a name"),
    ],
)
def test_name_that_leads_away_is_refused(tmp_path: Path, name: str, match: str) -> None:
    refused(make(tmp_path / "a.zip", ("fine.txt", b"x"), (name, b"x")), tmp_path / "out", match)


@pytest.mark.parametrize("name", ["..\\..\\evil.txt", "cats\\1.png", "a\x00b.txt"])
def test_backslash_and_zero_byte_are_refused(tmp_path: Path, name: str) -> None:
    entry = zipfile.ZipInfo("placeholder")
    entry.filename = name  # as written by old .NET; ZipInfo itself would cut a zero byte
    refused(make(tmp_path / "a.zip", (entry, b"x")), tmp_path / "out", "backslash or a zero byte")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_link_or_device_is_refused(tmp_path: Path, kind: int) -> None:
    entry = zipfile.ZipInfo("link")
    entry.create_system, entry.external_attr = 3, (kind | 0o777) << 16
    refused(make(tmp_path / "a.zip", (entry, b"/etc/passwd")), tmp_path / "out", "link or a device")


def test_same_name_twice_is_refused(tmp_path: Path) -> None:
    refused(make(tmp_path / "a.zip", ("a/Model.onnx", b"1"), ("a/model.onnx", b"2")), tmp_path / "out", "same name")


@pytest.mark.parametrize("order", [("a", "a/b"), ("a/b", "a")])
def test_file_that_is_also_a_folder_is_refused(tmp_path: Path, order: tuple[str, str]) -> None:
    with pytest.raises(BadArchive, match="both a file and a folder"):
        unpack(make(tmp_path / "a.zip", *((name, b"x") for name in order)), tmp_path / "out")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_packing_is_refused(tmp_path: Path, method: int) -> None:
    refused(make(tmp_path / "a.zip", ("a", b"x" * 100), method=method), tmp_path / "out", "method other than")


def test_encrypted_archive_is_refused(tmp_path: Path) -> None:
    archive = make(tmp_path / "a.zip", ("a", b"x"), method=zipfile.ZIP_STORED)
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    refused(archive, tmp_path / "out", "encrypted")


def test_bomb_is_refused(tmp_path: Path) -> None:
    bomb = make(tmp_path / "a.zip", ("zeros", bytes(1 << 20)))
    refused(bomb, tmp_path / "out", "zip bomb", ArchiveLimits(free_bytes=1 << 10))
    assert unpack(bomb, tmp_path / "small")  # one that small hurts nobody


def test_too_large_is_refused(tmp_path: Path) -> None:
    archive = make(tmp_path / "a.zip", ("a", random.Random(0).randbytes(3 << 20)))
    refused(archive, tmp_path / "out", r"unpacks to 3 MB; at most 1 MB", FEW)


def test_many_entries_are_refused(tmp_path: Path) -> None:
    archive = make(tmp_path / "a.zip", *((f"{n}.png", b"") for n in range(101)))
    refused(archive, tmp_path / "out", "has 101 entries; at most 100", FEW)


@pytest.mark.parametrize("zip64", [False, True])
def test_many_entries_are_counted_without_opening_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zip64: bool
) -> None:
    """The end record says one; a library that opens the list makes an object of every one."""
    entry = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    listed = entry * 20_000
    length = len(listed)
    far = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, length, 0)
    far += struct.pack("<4sIQI", b"PK\x06\x07", 0, length, 1)
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, 47 if zip64 else length, 0, 0)
    (tmp_path / "a.zip").write_bytes(listed + (far if zip64 else b"") + end)
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("the list was opened"))
    refused(tmp_path / "a.zip", tmp_path / "out", "has 20,000 entries", FEW)


def test_text_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"Rar!\x1a\x07 no zip")
    refused(tmp_path / "a.zip", tmp_path / "out", "“a.zip” is no zip archive")


def test_truncated_archive_is_refused(tmp_path: Path) -> None:
    archive = make(tmp_path / "a.zip", ("a", random.Random(0).randbytes(9000)))
    archive.write_bytes(archive.read_bytes()[:5000])
    refused(archive, tmp_path / "out", "its end is missing")


def test_size_that_lies_is_found(tmp_path: Path) -> None:
    archive = make(tmp_path / "a.zip", ("a", b"x" * 1000))
    data = bytearray(archive.read_bytes())
    place = data.index(b"PK\x01\x02")
    for size in (10, 100_000):
        data[place + 24 : place + 28] = size.to_bytes(4, "little")
        archive.write_bytes(data)
        with pytest.raises(BadArchive):
            unpack(archive, tmp_path / f"out{size}")


def test_damage_anywhere_is_a_message(tmp_path: Path) -> None:
    """Every mutant is unpacked or refused; nothing else is raised."""
    rng = random.Random(1)
    whole = make(tmp_path / "a.zip", *((f"c{n % 2}/{n}.txt", rng.randbytes(60) + bytes(50)) for n in range(4)))
    data = whole.read_bytes()
    refusals = 0
    for number in range(400):
        mutant = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 4])):
            mutant[rng.randrange(len(mutant))] = rng.choice([0, 255, 128, rng.randrange(256)])
        (tmp_path / "m.zip").write_bytes(mutant[: rng.randrange(len(mutant))] if number % 10 == 0 else mutant)
        try:
            unpack(tmp_path / "m.zip", tmp_path / f"out{number}")
        except BadArchive:
            refusals += 1
    assert refusals > 200


def test_zip_is_known_by_its_beginning(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_bytes(b"PK, he said")
    assert is_zip(make(tmp_path / "a.onnx", ("a", b"")))
    assert not is_zip(tmp_path / "empty") and not is_zip(tmp_path / "text")


def test_name_in_a_national_code_page_is_readable(tmp_path: Path) -> None:
    """Names without the UTF-8 flag, as Windows wrote them: odd letters perhaps, but a file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("aaa.txt", b"x")
    (tmp_path / "a.zip").write_bytes(buffer.getvalue().replace(b"aaa.txt", b"\x84\x94\x81.txt"))
    assert [path.name for path in unpack(tmp_path / "a.zip", tmp_path / "out")] == ["äöü.txt"]
