"""Safe unpacking: what a zip says of itself is checked before the first byte is written."""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from jobs.errors import BadArchive

_JUNK = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # bzip2 packs 256 MB into 336 bytes
_ENTRY_SIGNATURE = b"PK\x01\x02"
_ENTRY = 46  # bytes of an entry in the list, without its name
_END_SIGNATURE = b"PK\x05\x06"
_END = 22  # bytes of the end record, without a comment
_END64 = 76  # bytes that zip64 puts before it
_COMMENT = 65_535  # bytes of the longest comment
_CHUNK = 1 << 20


@dataclass(frozen=True)
class ArchiveLimits:
    """How much an archive may hold."""

    entries: int = 200_000
    total_bytes: int = 20 << 30
    ratio: int = 200
    """Unpacked over packed of a whole archive; honest images hardly shrink at all."""
    free_bytes: int = 16 << 20
    """A small archive may unpack to this whatever its ratio."""
    depth: int = 32
    name_bytes: int = 255
    """Of one file or folder; a whole path may have four times as many."""


def is_zip(path: Path) -> bool:
    """Whether the file begins as a zip does."""
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def unpack(archive: Path, into: Path, limits: ArchiveLimits | None = None) -> list[Path]:
    """Unpack `archive` into the new folder `into`; files only, in their folders. Zips inside stay zips.

    Raises BadArchive, naming the entry, before anything is written; a file that lies about its size or is damaged is
    found while it is written, and then all that was written is left to the caller's scratch folder.
    """
    limits = limits or ArchiveLimits()
    with _opened(archive, limits) as opened:
        wanted = _checked(opened.infolist(), archive.stat().st_size, limits)
        return [_write(opened, entry, into / name) for entry, name in wanted]


def names(archive: Path, limits: ArchiveLimits | None = None) -> list[str]:
    """Of all entries, as the archive gives them, safe or not. Raises BadArchive."""
    with _opened(archive, limits or ArchiveLimits()) as opened:
        return opened.namelist()


def check(archive: Path, limits: ArchiveLimits | None = None) -> None:
    """Raise BadArchive when `unpack` would, as far as it can be told without unpacking."""
    limits = limits or ArchiveLimits()
    with _opened(archive, limits) as opened:
        _checked(opened.infolist(), archive.stat().st_size, limits)


@contextmanager
def _opened(archive: Path, limits: ArchiveLimits) -> Iterator[zipfile.ZipFile]:
    """Open it, when its list can be held in memory."""
    _check_count(archive, limits)
    try:
        with zipfile.ZipFile(archive) as opened:
            yield opened
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError, struct.error) as error:
        raise BadArchive(f"The archive is damaged: {error}.", where=archive.name) from error


def _check_count(archive: Path, limits: ArchiveLimits) -> None:
    """Count the entries before the list of them is opened: one of millions takes a gigabyte.

    The number given in the end record may lie, and nothing goes by it; the length of the list cannot.
    """
    size = archive.stat().st_size
    with archive.open("rb") as file:
        tail = _read_at(file, size - _END - _COMMENT - _END64, size)
        place = len(tail) - _END if tail[-_END:].startswith(_END_SIGNATURE) else tail.rfind(_END_SIGNATURE)
        if not 0 <= place <= len(tail) - _END:
            raise BadArchive(f"“{archive.name}” is no zip archive, or its end is missing.", where=archive.name)
        (length,) = struct.unpack_from("<I", tail, place + 12)
        if tail[max(0, place - _END64) : place].startswith(b"PK\x06\x06"):
            (length,) = struct.unpack_from("<Q", tail, place - _END64 + 40)
        if length > limits.entries * _ENTRY and (count := _entries(file, size - length - len(tail))) > limits.entries:
            raise _too_many(count, limits)


def _entries(file: BinaryIO, start: int) -> int:
    """How often an entry of the list can begin, from `start` to the end of the file."""
    file.seek(max(0, start))
    count, last = 0, b""
    while data := file.read(_CHUNK):
        count += (last + data).count(_ENTRY_SIGNATURE)
        last = data[-len(_ENTRY_SIGNATURE) + 1 :]
    return count


def _read_at(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(max(0, start))
    return file.read(end - max(0, start))


def _too_many(count: int, limits: ArchiveLimits) -> BadArchive:
    return BadArchive(
        f"The archive has {count:,} entries; at most {limits.entries:,} are taken.",
        hint="Upload a sample: a few thousand images are enough.",
    )


def _checked(entries: list[zipfile.ZipInfo], packed: int, limits: ArchiveLimits) -> list[tuple[zipfile.ZipInfo, str]]:
    if len(entries) > limits.entries:
        raise _too_many(len(entries), limits)
    total = sum(entry.file_size for entry in entries)
    if total > limits.total_bytes:
        raise BadArchive(
            f"The archive unpacks to {total >> 20:,} MB; at most {limits.total_bytes >> 20:,} MB are taken.",
            hint="Upload a sample: a few thousand images are enough.",
        )
    if total > limits.free_bytes and total > packed * limits.ratio:
        raise BadArchive(
            f"The archive unpacks to {total // max(packed, 1):,} times its size, as only a zip bomb does.",
            hint="Zip the image files as they are.",
        )
    wanted, seen = [], set[str]()
    for entry in entries:
        name = _safe_name(entry, limits)
        if not name or entry.is_dir():
            continue
        if not 0 <= entry.header_offset < packed:
            raise BadArchive(f"The archive is damaged: “{name}” is not where it should be.", where=name)
        if name.casefold() in seen:
            raise BadArchive(
                f"Two entries of the archive have the same name, “{name}”, but for upper and lower case.", where=name
            )
        seen.add(name.casefold())
        wanted.append((entry, name))
    return wanted


def _safe_name(entry: zipfile.ZipInfo, limits: ArchiveLimits) -> str:
    """The entry's path inside the folder, empty for what file managers leave behind. Raises BadArchive."""
    name = entry.filename
    if "\\" in getattr(entry, "orig_filename", name) or "\x00" in getattr(entry, "orig_filename", name):
        raise BadArchive(f"The entry “{name}” has a backslash or a zero byte in its name.", where=name)
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or (path.parts and ":" in path.parts[0]):
        raise BadArchive(f"The entry “{name}” points outside the archive.", where=name)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadArchive(f"The entry “{name}” is a link or a device, not a file.", where=name)
    if entry.flag_bits & 0x1:
        raise BadArchive("The archive is encrypted.", hint="Make a zip without a password.", where=name)
    if entry.compress_type not in _METHODS:
        raise BadArchive(
            f"The entry “{name}” is packed by a method other than the usual two.",
            hint="Make the zip with “store” or “deflate”.",
            where=name,
        )
    too_long = len(name.encode()) > 4 * limits.name_bytes or any(
        len(part.encode()) > limits.name_bytes for part in path.parts
    )
    if too_long or len(path.parts) > limits.depth:
        raise BadArchive(f"The entry “{name[:80]}…” has too long a name or too many folders.", where=name[:200])
    if any(part in _JUNK or part.startswith("._") for part in path.parts):
        return ""
    return str(path) if path.parts else ""


def _write(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> Path:
    left = entry.file_size
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(entry) as source, path.open("xb") as target:
            while chunk := source.read(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise BadArchive(f"The entry “{entry.filename}” is longer than it says.", where=entry.filename)
                target.write(chunk)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        name = entry.filename
        raise BadArchive(f"The entry “{name}” is both a file and a folder.", where=name) from error
    if left:
        raise BadArchive(f"The entry “{entry.filename}” is shorter than it says.", where=entry.filename)
    return path
