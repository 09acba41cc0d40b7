"""Masks that give every pixel its class: where each is and how to read it, never all of their pixels at once."""

import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jobs import images
from jobs.images import Head
from jobs.label_codes import VOID, Codes

Map = NDArray[np.uint8]
"""[height, width] numbers of classes; VOID where a pixel does not count."""

# How Pillow turns an image whose EXIF orientation is this one.
_TURNS = {
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Kind(StrEnum):
    """What a mask file holds for each pixel."""

    GREY = "grey"
    """A value."""
    PALETTE = "palette"
    """A place in a palette."""
    COLOUR = "colour"
    """A colour."""


@dataclass(frozen=True, eq=False)
class Stored:
    """A mask as its file holds it."""

    kind: Kind
    codes: NDArray[Any]
    """[height, width] values, places, or colours as 0xRRGGBB."""
    palette: NDArray[np.int32] | None = None
    """[256] colours as 0xRRGGBB."""

    def counts(self) -> Counter[int]:
        """Pixels of each code. Masks are made of runs, of which there are far fewer than pixels."""
        codes = self.codes.ravel()
        starts = np.flatnonzero(np.diff(codes, prepend=codes[:1] ^ 1))
        lengths = np.diff(starts, append=len(codes))
        found, place = np.unique(codes[starts], return_inverse=True)
        sums = np.bincount(place, weights=lengths)
        return Counter({int(code): int(pixels) for code, pixels in zip(found, sums, strict=True)})


def stored(path: Path, *, coloured: bool, orientation: int = 1) -> Stored:
    """Read a mask. Where classes have no colours (`coloured`), three equal channels are one. Raises NoImage."""
    image = images.raw(path)
    if orientation in _TURNS:
        image = image.transpose(_TURNS[orientation])
    if image.mode == "P":
        colours = np.zeros((256, 3), np.int32)
        known = np.array(image.getpalette("RGB") or [], np.int32).reshape(-1, 3)
        colours[: len(known)] = known
        return Stored(Kind.PALETTE, np.asarray(image), _packed(colours))
    if image.mode in ("1", "L", "LA", "La") or image.mode.startswith(("I", "F")):
        values = np.asarray(image.convert("L") if image.mode.startswith("L") else image)
        return Stored(Kind.GREY, _whole(values))
    pixels = np.asarray(image.convert("RGB"))
    if not coloured and (pixels == pixels[..., :1]).all():
        return Stored(Kind.GREY, np.ascontiguousarray(pixels[..., 0]))
    return Stored(Kind.COLOUR, _packed(pixels.astype(np.int32)))


def _whole(values: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers of at most 16 bits."""
    if values.dtype == np.bool_:
        return values.astype(np.uint8)
    if values.dtype.kind == "f":
        values = np.rint(np.nan_to_num(values))
    return values if values.dtype == np.uint8 else np.clip(values, 0, 65535).astype(np.uint16)


def _packed(colours: NDArray[np.int32]) -> NDArray[np.int32]:
    """[…, 3] of 0 to 255 to […] 0xRRGGBB."""
    packed: NDArray[np.int32] = colours[..., 0] << 16 | colours[..., 1] << 8 | colours[..., 2]
    return packed


class Coding:
    """Codes as tables, so that a whole mask is read at once. One for all masks of a dataset."""

    def __init__(self, codes: Codes, *, by_palette: bool) -> None:
        """`by_palette`: a palette's colours tell the class, not its places."""
        self.names = codes.names
        self.coloured = bool(codes.colours)
        self._by_palette = by_palette
        self._values = _table(codes.values, 1 << 16)
        self._colours = _table(codes.colours, 1 << 24) if codes.colours else None

    def read(self, mask: Stored) -> Map:
        """Numbers of its pixels' classes."""
        if mask.kind == Kind.COLOUR:
            return _looked_up(self._colours, mask.codes)
        if self._by_palette and mask.palette is not None:
            return _looked_up(_looked_up(self._colours, mask.palette), mask.codes)
        return _looked_up(self._values, mask.codes)

    def number(self, kind: Kind, code: int, colour: int | None = None) -> int:
        """Of the class that a code means; `colour` is what a palette has at this place."""
        if kind == Kind.COLOUR or (kind == Kind.PALETTE and self._by_palette and colour is not None):
            return VOID if self._colours is None else int(self._colours[code if colour is None else colour])
        return int(self._values[code])


def _looked_up(table: Map | None, codes: NDArray[Any]) -> Map:
    return np.full(codes.shape, VOID, np.uint8) if table is None else np.asarray(table[codes])


def _table(numbers: Mapping[int, int], size: int) -> Map:
    table = np.full(size, VOID, np.uint8)
    for code, number in numbers.items():
        if 0 <= code < size:
            table[code] = number
    return table


@dataclass(frozen=True, slots=True)
class LabelMap:
    """The annotation of an image: every pixel's class."""

    path: Path
    name: str
    """How a person knows the file."""
    coding: Coding = field(repr=False)
    orientation: int = 1
    """How it has to be turned with its image, as EXIF counts."""
    pixels: tuple[tuple[int, int], ...] = ()
    """(number of a class, so many pixels), void aside; empty for a mask that was not looked into."""

    @property
    def classes(self) -> tuple[int, ...]:
        """Numbers of those in it."""
        return tuple(number for number, _ in self.pixels)

    def read(self) -> Map:
        """Of its own size. Raises NoImage."""
        return self.coding.read(stored(self.path, coloured=self.coding.coloured, orientation=self.orientation))


def turn(image: Head, mask: Head) -> int | None:
    """How a mask has to be turned to lie as its image; None where it cannot: its sides are in another ratio.

    Most masks are drawn on what is seen, so one that fits the upright image stays.
    """
    if _alike(mask.stored, image.size):
        return 1
    if image.orientation in _TURNS and _alike(mask.stored, image.stored):
        return image.orientation
    return None


def _alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether one is the other in another scale, which rounds both sides to whole pixels."""
    small, large = sorted((one, other))
    lowest = max(length / (side + 0.5) for side, length in zip(small, large, strict=True))
    highest = min(length / (side - 0.5) for side, length in zip(small, large, strict=True))
    return lowest <= highest


# --- kept small


def pack(numbers: Map) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """A map as some thousand bytes, and its height and width."""
    packed = zlib.compress(np.ascontiguousarray(numbers).data, 1)
    return np.frombuffer(packed, np.uint8), np.array(numbers.shape, np.int32)


def unpack(packed: NDArray[np.uint8], shape: NDArray[np.int32]) -> Map:
    """The map again."""
    return np.frombuffer(zlib.decompress(packed.data), np.uint8).reshape(tuple(shape))


def resized(numbers: Map, size: tuple[int, int]) -> Map:
    """To another height and width: every pixel that of the nearest place, as Model API does."""
    if numbers.shape == size:
        return numbers
    return np.asarray(cv2.resize(numbers, size[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
