"""What a model said of every image: in memory while that is little, else in a file."""

import math
import threading
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Prediction = tuple[Array, ...]
"""What a model says of one image, as small arrays. Their meaning is the task's."""

_IN_MEMORY = 64 << 20  # bytes; what comes after lies in a file


class Predictions(Sequence[Prediction]):
    """Predictions in the order of their images, each a tuple of arrays. Those in the file are read when asked for."""

    def __init__(self, scratch: Path, in_memory: int = _IN_MEMORY) -> None:
        """A file is made under `scratch` once the arrays take more than `in_memory` bytes."""
        self._scratch = scratch
        self._in_memory = in_memory
        self._kept: list[Prediction | _Filed] = []
        self._file: _File | None = None
        self.nbytes = 0
        """Of all arrays."""

    def append(self, prediction: Prediction) -> None:
        """Keep one more."""
        self.nbytes += sum(array.nbytes for array in prediction)
        if self.nbytes <= self._in_memory:
            self._kept.append(prediction)
            return
        if self._file is None:
            self._file = _File(self._scratch)
        self._kept.append(_Filed([self._file.write(array) for array in prediction]))

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, place: int) -> Prediction: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Prediction]: ...
    def __getitem__(self, place: int | slice) -> Prediction | Sequence[Prediction]:
        if isinstance(place, slice):
            return [self._read(kept) for kept in self._kept[place]]
        return self._read(self._kept[place])

    def __iter__(self) -> Iterator[Prediction]:
        return map(self._read, self._kept)

    def _read(self, kept: "Prediction | _Filed") -> Prediction:
        if not isinstance(kept, _Filed):
            return kept
        assert self._file is not None
        return tuple(self._file.read(place) for place in kept)


class Chosen(Sequence[Prediction]):
    """Some predictions, in the order of their places; read when asked for, as those are."""

    def __init__(self, whole: Sequence[Prediction], places: Sequence[int]) -> None:
        self._whole, self._places = whole, places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Prediction: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Prediction]: ...
    def __getitem__(self, place: int | slice) -> Prediction | Sequence[Prediction]:
        if isinstance(place, slice):
            return Chosen(self._whole, self._places[place])
        return self._whole[self._places[place]]

    def __iter__(self) -> Iterator[Prediction]:
        return (self._whole[place] for place in self._places)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the file an array is."""

    offset: int
    shape: tuple[int, ...]
    type: np.dtype[Any]


class _Filed(tuple[_Place, ...]):
    """A prediction in the file."""


class _File:
    """Arrays one after the other."""

    def __init__(self, scratch: Path) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        self._handle = TemporaryFile(dir=scratch)  # without a name: gone from the disk as soon as it is closed
        weakref.finalize(self, self._handle.close)
        self._end = 0
        self._at = threading.Lock()  # of where in the file one is; answers are compared in threads

    def write(self, array: Array) -> _Place:
        place = _Place(self._end, array.shape, array.dtype)
        self._handle.seek(self._end)
        self._end += self._handle.write(np.ascontiguousarray(array).data)
        return place

    def read(self, place: _Place) -> Array:
        size = math.prod(place.shape) * place.type.itemsize
        with self._at:
            self._handle.seek(place.offset)
            data = self._handle.read(size)
        return np.frombuffer(data, place.type).reshape(place.shape)
