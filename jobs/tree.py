"""The files of a dataset, without what file managers add, and images by the names that annotations use."""

import itertools
import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePath, PurePosixPath

from jobs import images
from jobs.samples import split_above, split_named

_JUNK = (".", "__MACOSX")
_SAYING = (".json", ".xml", ".csv", ".txt", ".yaml", ".yml", ".pkl", ".mat", ".npy")
_ABOUT = (".", "readme", "license", "licence", "source", "requirements", "classes", "labels")


def entries(folder: Path) -> list[Path]:
    """What lies in it, sorted."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(_JUNK))


def folders(folder: Path) -> list[Path]:
    """Those in it, sorted."""
    return [path for path in entries(folder) if path.is_dir()]


def inner(root: Path, *, whatever_else: bool = False) -> Path:
    """The folder inside folders around everything, unless its name is a split's.

    `whatever_else` looks through files that are no images, such as a README, as well.
    """
    while True:
        found = entries(root)
        inside = [path for path in found if path.is_dir()]
        others = [path for path in found if path not in inside and (_is_image(path.name) or not whatever_else)]
        if len(inside) != 1 or others or split_named(inside[0].name):
            return root
        root = inside[0]


def _is_image(name: str) -> bool:
    return name.lower().endswith(images.ENDINGS) and not name.startswith(".")


def files_under(folder: Path, *endings: str) -> list[Path]:
    """All with one of these endings in lower case, or all, sorted. Hidden files and folders do not count."""
    found: list[Path] = []
    for parent, inside, names in os.walk(folder):
        inside[:] = [name for name in inside if not name.startswith(_JUNK)]
        found += [Path(parent, name) for name in names if not name.startswith(_JUNK)]
    return sorted(path for path in found if not endings or path.name.lower().endswith(endings))


def images_under(folder: Path) -> list[Path]:
    """All of them, sorted."""
    return files_under(folder, *images.ENDINGS)


def saying_files(folder: Path) -> list[Path]:
    """Those that may say something of the images."""
    return [path for path in files_under(folder, *_SAYING) if not path.name.lower().startswith(_ABOUT)]


def relative(path: Path, root: Path) -> str:
    """How a person knows it."""
    return path.relative_to(root).as_posix()


class Places:
    """The images under a folder, found by what annotations call them.

    That may be a path on another machine, in other letters (`IMG.PNG`, or an accent written in another way), or a
    name without its ending.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.images = images_under(root)
        self._by_name: dict[str, list[PurePosixPath]] = {}
        self._by_stem: dict[str, list[PurePosixPath]] = {}
        for path in self.images:
            place = PurePosixPath(path.relative_to(root).as_posix())
            self._by_name.setdefault(_plain(place.name), []).append(place)
            self._by_stem.setdefault(_plain(place.stem), []).append(place)

    def find(self, name: str, *, split: str = "", beside: Path | None = None) -> Path | None:
        """The image of this name whose folders agree most, then in the split's folder, then beside that file."""
        wanted = PurePosixPath(name.replace("\\", "/"))
        near = PurePosixPath(relative(beside.parent, self.root)) if beside else None

        def likeness(place: PurePosixPath) -> tuple[int, bool, bool]:
            return _common(place, wanted), _in_split(place, split), place.parent == near

        places = self._by_name.get(_plain(wanted.name)) or self._by_stem.get(_plain(wanted.name), [])
        best = max(places, key=likeness, default=None)
        return self.root / best if best else None

    def split_of(self, path: Path) -> str:
        """By the folders it lies in."""
        return split_above(path.relative_to(self.root))


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _in_split(path: PurePath, split: str) -> bool:
    return bool(split) and any(split_named(part) == split for part in path.parts[:-1])


def _common(path: PurePosixPath, other: PurePosixPath) -> int:
    """How many of their last parts are the same, the name itself aside."""
    pairs = zip(reversed(path.parts[:-1]), reversed(other.parts[:-1]), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: _plain(pair[0]) == _plain(pair[1]), pairs))


def first_bytes(paths: Iterable[Path], count: int) -> Iterable[bytes]:
    """The beginning of each."""
    for path in paths:
        with path.open("rb") as file:
            yield file.read(count)
