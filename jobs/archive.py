"""Safe unpacking: what a zip says of itself is checked before the first byte is written."""

import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from jobs.errors import BadArchive

_JUNK = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # bzip2 packs 256 MB into 336 bytes
_END_SIGNATURE = b"PK\x05\x06"
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
    _check_count(archive, limits)
    try:
        with zipfile.ZipFile(archive) as opened:
            wanted = _checked(opened.infolist(), archive.stat().st_size, limits)
            return [_write(opened, entry, into / name) for entry, name in wanted]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError, struct.error) as error:
        raise BadArchive(f"The archive is damaged: {error}.", where=archive.name) from error


def _check_count(archive: Path, limits: ArchiveLimits) -> None:
    """Read the number of entries from the end of the file: opening a list of millions takes a hundred megabytes."""
    size = archive.stat().st_size
    with archive.open("rb") as file:
        file.seek(max(0, size - 65_557))  # the end record and the longest comment
        tail = file.read()
    place = tail.rfind(_END_SIGNATURE)
    if place < 0 or len(tail) < place + 22:
        raise BadArchive("This is no zip archive, or its end is missing.", where=archive.name)
    count, list_bytes = struct.unpack_from("<HI", tail, place + 10)
    # 65,535 and 2^32 − 1 mean that the real numbers stand elsewhere (zip64), so the length of the list decides.
    if count == 0xFFFF:
        count = min(list_bytes, size) // 46
    if count > limits.entries:
        raise BadArchive(f"The archive has about {count:,} entries; at most {limits.entries:,} are taken.")


def _checked(entries: list[zipfile.ZipInfo], packed: int, limits: ArchiveLimits) -> list[tuple[zipfile.ZipInfo, str]]:
    if len(entries) > limits.entries:
        raise BadArchive(f"The archive has {len(entries):,} entries; at most {limits.entries:,} are taken.")
    total = sum(entry.file_size for entry in entries)
    if total > limits.total_bytes:
        raise BadArchive(
            f"The archive unpacks to {total >> 20:,} MB; at most {limits.total_bytes >> 20:,} MB are taken."
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
    if len(path.parts) > limits.depth or any(len(part.encode()) > limits.name_bytes for part in path.parts):
        raise BadArchive(f"The entry “{name[:80]}…” has too long a name or too many folders.", where=name[:200])
    if any(part in _JUNK or part.startswith("._") for part in path.parts):
        return ""
    return str(path) if path.parts else ""


def _write(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    left = entry.file_size
    try:
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
