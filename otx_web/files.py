"""Files that a stranger or a worker made: opened only when they are plain files, read only up to a size."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class NotPlain(OSError):
    """A link, pipe, device or folder stands where a file should be, or the file is too large."""


def open_plain(path: Path) -> BinaryIO:
    """A regular file for reading; never a link, nor a pipe, on which a reader would wait for ever."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise NotPlain(f"{path.name} is not a plain file")
    return os.fdopen(handle, "rb")


def read_plain(path: Path, limit: int) -> bytes:
    """The whole of it. Raises `NotPlain` beyond `limit` bytes."""
    with open_plain(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise NotPlain(f"{path.name} is larger than {limit} bytes")
    return data


def inside(folder: Path, name: str) -> Path | None:
    """The plain file of this relative name, when it lies in the folder and no link is on the way to it."""
    path = folder / name
    if ".." in Path(name).parts or Path(name).is_absolute():
        return None
    try:
        return path if path.is_file() and path.resolve() == folder.resolve() / name else None
    except (OSError, ValueError):  # too long a name, or a zero byte in it
        return None


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else who asks for it works on this folder meanwhile, in no process. It ends with the process."""
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
