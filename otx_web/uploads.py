"""Uploaded models and datasets: put into the app's own store by what is in them, and never opened here."""

import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from anyio import to_thread

from jobs.errors import JobError
from jobs.spec import Source
from otx_web import files
from otx_web.settings import Settings
from otx_web.store import Kind, Store, Summary, Upload, WrongStep

CHUNK = 1 << 20
MAX_FILES = 20_000
MAX_NAME = 200  # bytes; file systems take 255
FILES = "files"
CHECK = "check"
ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the same folder packs to the same bytes at any time

Item = tuple[str, Path]
"""A name inside the upload, with / between folders, and where its bytes are now."""


class UploadError(JobError):
    """The upload was refused."""


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...


class Uploads:
    """The folder of uploads: `<digest>/files/` as they came, `<digest>/check/` written by a check."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        settings.uploads.mkdir(parents=True, exist_ok=True)
        settings.temporary.mkdir(parents=True, exist_ok=True)

    # in

    async def add(self, paths: Sequence[Path], owner: str, kind: Kind, name: str = "") -> Upload:
        """Take files, or a folder of this machine, into the store. What is there already is not kept twice.

        A dataset becomes one zip, unless it is one. Raises `UploadError`.
        """
        return await to_thread.run_sync(self._add, [Path(path) for path in paths], owner, kind, name)

    def _add(self, paths: Sequence[Path], owner: str, kind: Kind, name: str) -> Upload:
        items = _items(paths)
        size = self._measure(items, owner)
        name = name.strip() or _title(paths)
        staging = Path(tempfile.mkdtemp(prefix="upload-", dir=self._settings.temporary))
        try:
            folder = staging / FILES
            folder.mkdir()
            if kind == "dataset" and not (len(items) == 1 and _is_zip(items[0][1])):
                packed = _pack(items, staging / "packed.zip", size)
                items, size = [(f"{_safe(name)}.zip", packed)], packed.stat().st_size
            digest = hashlib.sha256(kind.encode())
            size_bytes = sum(self._take(item, folder, digest, size) for item in items)
            self._keep(folder, digest.hexdigest())
        except OSError as error:
            raise UploadError(f"The upload could not be stored: {error.strerror or error}.") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        upload = Upload(digest=digest.hexdigest(), owner=owner, kind=kind, name=name, size_bytes=size_bytes)
        return self._store.add_upload(upload)

    def _measure(self, items: Sequence[Item], owner: str) -> int:
        """Bytes to come, when there is room for them."""
        size = sum(path.stat(follow_symlinks=False).st_size for _, path in items)
        limit = self._settings.max_upload_bytes
        if size > limit:
            raise UploadError(f"The upload is {_size(size)}; at most {_size(limit)} is taken.")
        if shutil.disk_usage(self._settings.uploads).free - size < self._settings.free_bytes:
            raise UploadError("There is not enough disk space left.", hint="Delete old jobs or uploads first.")
        if self._settings.public and self._store.bytes_of(owner) + size > self._settings.owner_bytes:
            raise UploadError(
                f"Your uploads together would be more than {_size(self._settings.owner_bytes)}.",
                hint="Delete one that you no longer need in the library.",
            )
        return size

    def _take(self, item: Item, folder: Path, digest: _Hash, limit: int) -> int:
        """Copy one file, reading its bytes once. A file of our own temporary folder is linked: no bytes move."""
        name, path = item
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        digest.update(f"\0{name}\0{path.stat(follow_symlinks=False).st_size}\0".encode())
        ours = path.resolve().is_relative_to(self._settings.temporary.resolve())
        with closing(_open(path, name)) as source:
            if ours:
                os.link(path, target, follow_symlinks=False)
                return _digest(source, digest, None, limit)
            with target.open("xb") as copy:
                return _digest(source, digest, copy, limit)

    def _keep(self, folder: Path, digest: str) -> None:
        """Rename into place: the folder is whole or absent."""
        home = self._settings.uploads / digest
        home.mkdir(exist_ok=True)
        if not (home / FILES).exists():
            folder.rename(home / FILES)

    # there

    def folder(self, digest: str) -> Path:
        """The files of an upload."""
        return self._settings.uploads / digest / FILES

    def check_folder(self, digest: str) -> Path:
        """What a check wrote about it: findings, thumbnails, log."""
        return self._settings.uploads / digest / CHECK

    def source(self, upload: Upload, directory: Path | None = None) -> Source:
        """How a spec names it. `directory` is the job's; the path is the same from any of `settings.jobs`."""
        start = directory or self._settings.jobs / "any"
        path = os.path.relpath(self.folder(upload.digest), start)
        return Source(name=upload.name, digest=upload.digest, path=PurePosixPath(path).as_posix())

    def require(self, source: Source) -> None:
        """Raise `UploadError` when the files of a spec are gone."""
        if not self.folder(source.digest).is_dir():
            raise UploadError(f"{source.name} has been deleted.", hint="Upload it again.")

    def uses(self, upload: Upload) -> tuple[Summary, ...]:
        """The owner's jobs with it, the newest first."""
        return tuple(job for job in self._store.using(upload.digest) if job.owner == upload.owner)

    # out

    def delete(self, digest: str, owner: str) -> None:
        """Forget it, with its files when nobody else has it. Raises `UploadError` while a job needs it."""
        try:
            unneeded = self._store.delete_upload(digest, owner)
        except WrongStep as error:
            raise UploadError(str(error), hint="Cancel the job first, or wait until it is done.") from error
        if unneeded:
            shutil.rmtree(self._settings.uploads / digest, ignore_errors=True)


# --- what comes in


def _items(paths: Sequence[Path]) -> list[Item]:
    """All files, by the name they will have, sorted. Raises `UploadError`."""
    if not paths:
        raise UploadError("There is no file.")
    missing = next((path for path in paths if not path.exists()), None)
    if missing is not None:
        raise UploadError(f"{missing.name} is not there.", hint="Upload it again.")
    items = list(_walk(paths[0])) if len(paths) == 1 and paths[0].is_dir() else [(_safe(p.name), p) for p in paths]
    if not items:
        raise UploadError(f"The folder {paths[0].name} is empty.")
    if len(items) > MAX_FILES and len(paths) > 1:
        raise UploadError(f"These are {len(items):,} files.", hint="Put them into one zip.")
    if len({name for name, _ in items}) < len(items):
        raise UploadError("Two files have the same name.", hint="Put them into one zip, in folders.")
    return sorted(items)


def _walk(folder: Path) -> Iterable[Item]:
    """The files of a person's own folder. Links are followed to files here, since datasets are often made of them."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if not name.startswith("."):
                yield path.relative_to(folder).as_posix(), path.resolve()


def _safe(name: str) -> str:
    """A file name without anything a file system, a terminal or a header would trip over. Its suffix stays."""
    kept = "".join(sign for sign in name if sign.isprintable() and sign not in '/\\:*?"<>|').strip(" .")
    stem, suffix = Path(kept).stem or "file", Path(kept).suffix
    room = MAX_NAME - len(suffix.encode())
    return stem.encode()[:room].decode(errors="ignore") + suffix


def _title(paths: Sequence[Path]) -> str:
    """What to call it: the graph of a pair, not its weights."""
    return min(paths, key=lambda path: (path.suffix == ".bin", path.name)).name


def _open(path: Path, name: str) -> BinaryIO:
    try:
        return files.open_plain(path)
    except OSError as error:
        raise UploadError(f"{name} cannot be read.", hint="Upload a plain file, not a link.") from error


def _is_zip(path: Path) -> bool:
    with closing(_open(path, path.name)) as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def _digest(source: BinaryIO, digest: _Hash, copy: BinaryIO | None, limit: int) -> int:
    """Read to the end, in pieces. A file that grows while it is read is not followed beyond the limit."""
    size = 0
    while piece := source.read(CHUNK):
        size += len(piece)
        if size > limit:
            raise UploadError("The file changed while it was read.", hint="Upload it again.")
        digest.update(piece)
        if copy is not None:
            copy.write(piece)
    return size


def _pack(items: Iterable[Item], archive: Path, limit: int) -> Path:
    """Files as a zip, not compressed again: images already are."""
    with zipfile.ZipFile(archive, "x", zipfile.ZIP_STORED) as packed:
        for name, path in items:
            entry = zipfile.ZipInfo(name, ZIP_DATE)
            with closing(_open(path, name)) as source, packed.open(entry, "w", force_zip64=limit > CHUNK * 1024) as out:
                shutil.copyfileobj(source, out, CHUNK)
    return archive


def _size(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 30):.1f} GB" if size_bytes >= 1 << 30 else f"{size_bytes / (1 << 20):.1f} MB"
