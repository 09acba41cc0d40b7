"""Uploaded models and datasets: put into the app's own store by what is in them, and never opened here."""

import errno
import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
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
MAX_SUFFIX = 16  # bytes; a longer one is no suffix
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

        A dataset of several files becomes one zip. Raises `UploadError`.
        """
        return await to_thread.run_sync(self._add, [Path(path) for path in paths], owner, kind, name)

    def _add(self, paths: Sequence[Path], owner: str, kind: Kind, name: str) -> Upload:
        try:
            items = _items(paths, self._settings.temporary)
            size = self._measure(items, owner)
            with tempfile.TemporaryDirectory(
                prefix="upload-", dir=self._settings.temporary, ignore_cleanup_errors=True
            ) as staging:
                return self._store_items(items, size, Path(staging), owner, kind, _one_line(name) or _title(paths))
        except OSError as error:
            hint = "Delete old jobs or uploads first." if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
            raise UploadError(f"The upload could not be stored: {error.strerror or error}.", hint=hint) from error

    def _store_items(
        self, items: Sequence[Item], size: int, staging: Path, owner: str, kind: Kind, name: str
    ) -> Upload:
        folder = staging / FILES
        folder.mkdir()
        if kind == "dataset" and len(items) > 1:
            packed = _pack(items, staging / "packed.zip", size)
            items, size = [(f"{_safe(name)}.zip", packed)], packed.stat().st_size
        hashed = hashlib.sha256(kind.encode())
        size_bytes = sum(self._take(item, folder, hashed, size) for item in items)
        upload = Upload(digest=hashed.hexdigest(), owner=owner, kind=kind, name=name, size_bytes=size_bytes)
        with files.alone(self._settings.uploads):  # or a deletion could take the files that are found there already
            self._keep(folder, upload.digest)
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
        digest.update(f"\0{name}\0{path.stat(follow_symlinks=False).st_size}\0".encode("utf-8", "surrogateescape"))
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
        with files.alone(self._settings.uploads):
            try:
                unneeded = self._store.delete_upload(digest, owner)
            except WrongStep as error:
                raise UploadError(str(error), hint="Cancel the job first, or wait until it is done.") from error
            if unneeded:
                shutil.rmtree(self._settings.uploads / digest, ignore_errors=True)


# --- what comes in


def _items(paths: Sequence[Path], received: Path) -> list[Item]:
    """All files, by the name they will have, sorted. Raises `UploadError`.

    Links are followed to files outside of `received`: there they are a person's own, and datasets often made of them.
    """
    if not paths:
        raise UploadError("There is no file.")
    missing = next((path for path in paths if not path.exists()), None)
    if missing is not None:
        raise UploadError(f"{missing.name} is not there.", hint="Upload it again.")
    if len(paths) == 1 and paths[0].is_dir():
        items = [(path.relative_to(paths[0]).as_posix(), path.resolve()) for path in _walk(paths[0])]
    else:
        ours = received.resolve()
        items = [(_safe(path.name), path if _lies_in(path, ours) else path.resolve()) for path in paths]
    if not items:
        raise UploadError(f"The folder {paths[0].name} is empty.")
    if len(items) > MAX_FILES and len(paths) > 1:
        raise UploadError(f"These are {len(items):,} files.", hint="Put them into one zip.")
    if len({name for name, _ in items}) < len(items):
        raise UploadError("Two files have the same name.", hint="Put them into one zip, in folders.")
    gone = next((name for name, path in items if not path.exists()), None)
    if gone is not None:
        raise UploadError(f"{gone} is a link to nothing.", hint="Remove it, or put the file in its place.")
    return sorted(items)


def _lies_in(path: Path, folder: Path) -> bool:
    return (path.parent.resolve() / path.name).is_relative_to(folder)


def _walk(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Files of a folder and of those in it, but for hidden ones. A link back to a folder above is not followed."""
    here = folder.resolve()
    if here in above:
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _walk(path, (*above, here))
        else:
            yield path


def _one_line(name: str) -> str:
    """A name as it is shown: without signs that are none, and not endless."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in name).split())[:MAX_NAME]


def _safe(name: str) -> str:
    """A file name without anything a file system, a terminal or a header would trip over. Its suffix stays."""
    kept = "".join(sign for sign in name if sign.isprintable() and sign not in '/\\:*?"<>|').strip(" .")
    stem, suffix = Path(kept).stem or "file", Path(kept).suffix
    if len(suffix.encode()) > MAX_SUFFIX:
        stem, suffix = kept, ""
    room = MAX_NAME - len(suffix.encode())
    return stem.encode()[:room].decode(errors="ignore") + suffix


def _title(paths: Sequence[Path]) -> str:
    """What to call it: the graph of a pair, not its weights."""
    return _one_line(min(paths, key=lambda path: (path.suffix == ".bin", path.name)).name) or "upload"


def _open(path: Path, name: str) -> BinaryIO:
    try:
        return files.open_plain(path)
    except OSError as error:
        raise UploadError(f"{name} cannot be read.", hint="Upload a plain file, not a link.") from error


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
            entry = zipfile.ZipInfo(name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"), ZIP_DATE)
            with closing(_open(path, name)) as source, packed.open(entry, "w", force_zip64=limit > CHUNK * 1024) as out:
                shutil.copyfileobj(source, out, CHUNK)
    return archive


def _size(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 30):.1f} GB" if size_bytes >= 1 << 30 else f"{size_bytes / (1 << 20):.1f} MB"
