"""Image files: which are some, and how they are read."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    ExifTags,
    Image,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

# Larger pictures are bombs or mistakes; a 10 KB file can hold 80 million pixels.
MAX_PIXELS = 25_000_000
ENDINGS = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
KINDS = "PNG, JPEG, BMP, WebP or TIFF"
# Imported, so that they are registered: asked for one that is not, Pillow loads all of its forty.
_PLUGINS = (PngImagePlugin, JpegImagePlugin, BmpImagePlugin, WebPImagePlugin, TiffImagePlugin, PpmImagePlugin)
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM")

Pixels = NDArray[np.uint8]


class NoImage(ValueError):
    """The file is no image that can be read here."""


def load(path: Path) -> Pixels:
    """An image as RGB [h, w, 3], upright, whatever its mode; what is transparent keeps its colour. Raises NoImage."""
    with _opened(path) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I;16"):
            return _grey(np.asarray(upright).astype(np.float32) / 257)
        if upright.mode in ("I", "F"):
            return _grey(_to_bytes(np.asarray(upright)))
        if upright.mode == "P":
            upright = upright.convert("RGBA")  # a palette may hold transparency, which makes Pillow warn
        return np.asarray(upright.convert("RGB"))


def raw(path: Path) -> Image.Image:
    """An image as its file holds it: with its palette or its 16 bits, and not turned upright. Raises NoImage."""
    with _opened(path) as image:
        image.load()
        return image


@dataclass(frozen=True)
class Head:
    """What the beginning of an image file says."""

    size: tuple[int, int]
    """Height and width of the upright image."""
    orientation: int
    """How the stored one lies, as EXIF counts: 1 is upright, from 5 on it is turned by a quarter."""

    @property
    def stored(self) -> tuple[int, int]:
        """Height and width in the file."""
        return self.size[::-1] if self.orientation >= 5 else self.size


@lru_cache(maxsize=1 << 16)
def head(path: Path) -> Head:
    """Without reading the rest; kept, since many ask. Raises NoImage."""
    with _opened(path) as image:
        # Asked for EXIF that is not there, Pillow decodes a PNG to look behind its pixels.
        exif = image.getexif() if image.format != "PNG" or "exif" in image.info else {}
        orientation = exif.get(ExifTags.Base.Orientation, 1)
        size, turned = (image.height, image.width), orientation in (5, 6, 7, 8)
        if turned and image.format != "TIFF":  # of which Pillow tells the upright size
            size = size[::-1]
        return Head(size, orientation if turned else 1)


def opens(path: Path) -> bool:
    """Whether the head of the file is an image's, of a sane size; the rest is not read."""
    try:
        head(path)
    except NoImage:
        return False
    return True


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The image with its head read; whatever Pillow raises on it is one error."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if not 0 < image.width * image.height <= MAX_PIXELS:
                raise NoImage(f"{image.width} × {image.height} pixels are more than {MAX_PIXELS // 10**6} million")
            yield image
    except (OSError, ValueError, SyntaxError, EOFError, KeyError, TypeError, IndexError, ArithmeticError) as error:
        raise NoImage(str(error) or type(error).__name__) from error
    except Image.DecompressionBombError as error:
        raise NoImage(str(error)) from error


def _grey(values: NDArray[Any]) -> Pixels:
    return np.repeat(np.rint(values).astype(np.uint8)[..., None], 3, axis=2)


def _to_bytes(values: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers and floats [h, w] of unknown range to 0 to 255: bytes and 16 bits as such, others stretched."""
    values = np.nan_to_num(values.astype(np.float64))
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    if low >= 0 and high <= 255:
        return values
    if low >= 0 and high <= 65535:
        return values / 257
    return (values - low) / ((high - low) or 1.0) * 255
