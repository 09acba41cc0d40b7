"""Images of every mode, and files that only pretend to be some."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobs import images
from jobs.images import NoImage

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
RED = (255, 0, 0)


def save(path: Path, picture: Image.Image, **more: object) -> Path:
    picture.save(path, **more)  # type: ignore[arg-type]
    return path


def plain(mode: str, colour: object) -> Image.Image:
    return Image.new(mode, (4, 3), colour)  # type: ignore[arg-type]


def palette(*, transparent: bytes = b"") -> Image.Image:
    picture = plain("P", 1)
    picture.putpalette([0, 0, 0, *RED])
    if transparent:
        picture.info["transparency"] = transparent
    return picture


@pytest.mark.parametrize(
    ("picture", "name", "expected"),
    [
        (plain("RGB", RED), "a.png", RED),
        (plain("RGB", RED), "a.bmp", RED),
        (plain("RGB", RED), "a.tiff", RED),
        (plain("RGBA", (*RED, 0)), "a.png", RED),
        (plain("LA", (200, 9)), "a.png", (200, 200, 200)),
        (plain("L", 200), "a.png", (200, 200, 200)),
        (plain("1", 1), "a.png", (255, 255, 255)),
        (plain("CMYK", (0, 255, 255, 0)), "a.tiff", RED),
        (palette(), "a.png", RED),
        (palette(transparent=b"\x00\x80"), "a.png", RED),
    ],
)
def test_every_mode_becomes_rgb(tmp_path: Path, picture: Image.Image, name: str, expected: tuple[int, ...]) -> None:
    pixels = images.load(save(tmp_path / name, picture))
    assert pixels.shape == (3, 4, 3) and pixels.dtype == np.uint8
    assert tuple(pixels[0, 0]) == expected


def test_jpeg_of_printers_colours_becomes_rgb(tmp_path: Path) -> None:
    pixels = images.load(save(tmp_path / "a.jpg", plain("CMYK", (0, 255, 255, 0))))
    assert pixels[0, 0, 0] > 200 and pixels[0, 0, 1] < 60


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (200, 1), (257 * 200, 200), (65535, 255)])
def test_sixteen_bits_keep_their_scale(tmp_path: Path, value: int, expected: int) -> None:
    """A dark image stays dark, whatever its brightest pixel is."""
    grey = Image.fromarray(np.full((3, 4), value, np.uint16))
    assert (images.load(save(tmp_path / "a.png", grey)) == expected).all()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 100, 255], [0, 100, 255]),
        ([0, 65535], [0, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([5e6, 5e6], [255] * 2),
    ],
)
def test_floats_are_brought_to_bytes(tmp_path: Path, values: list[float], expected: list[int]) -> None:
    picture = Image.fromarray(np.array([values], np.float32))
    assert images.load(save(tmp_path / "a.tiff", picture))[0, :, 0].tolist() == expected


def test_floats_that_are_no_numbers_do_no_harm(tmp_path: Path) -> None:
    picture = Image.fromarray(np.array([[np.nan, 100, np.inf]], np.float32))
    assert images.load(save(tmp_path / "a.tiff", picture)).shape == (1, 3, 3)


def test_photo_is_turned_upright(tmp_path: Path) -> None:
    picture = Image.new("RGB", (4, 2), RED)
    exif = picture.getexif()
    exif[0x0112] = 6  # taken with the camera on its side
    assert images.load(save(tmp_path / "a.jpg", picture, exif=exif)).shape == (4, 2, 3)


def bomb(width: int, height: int) -> bytes:
    """A PNG's head that promises so many pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>404</html>",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0\x00\x10JFIF",
        b"GIF89a" + bytes(20),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) print",
        b"II*\x00\x08\x00\x00\x00\xff\xff" + bytes(50),
        bomb(6000, 6000),
        bomb(100_000, 100_000),
        bomb(0, 5),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(data)
    assert not images.opens(tmp_path / "a.jpg")
    with pytest.raises(NoImage):
        images.load(tmp_path / "a.jpg")


def test_missing_file_is_no_image(tmp_path: Path) -> None:
    assert not images.opens(tmp_path / "a.jpg") and not images.opens(tmp_path)


def test_cut_off_image_opens_but_does_not_load(tmp_path: Path) -> None:
    """Only the head is read at first; the rest is found to be missing when it is decoded."""
    rng = np.random.default_rng(0)
    whole = save(tmp_path / "a.png", Image.fromarray(rng.integers(0, 256, (50, 50, 3), dtype=np.uint8))).read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    assert images.opens(tmp_path / "a.png")
    with pytest.raises(NoImage):
        images.load(tmp_path / "a.png")


def test_damage_anywhere_is_one_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    path = tmp_path / "mutant"
    for ending, kind in ((".png", "PNG"), (".jpg", "JPEG"), (".bmp", "BMP"), (".tif", "TIFF"), (".webp", "WEBP")):
        data = save(tmp_path / f"a{ending}", picture, format=kind).read_bytes()
        for _ in range(40):
            mutant = bytearray(data)
            for place in rng.integers(0, min(len(data), 120), 3):
                mutant[place] = rng.integers(0, 256)
            path.write_bytes(mutant)
            try:
                images.load(path)
            except NoImage:
                continue


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_head_knows_how_the_image_is_held(tmp_path: Path, ending: str, orientation: int) -> None:
    path = tmp_path / f"a.{ending}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (40, 30)).save(path, exif=exif)
    head = images.head(path)
    assert head.size == images.load(path).shape[:2]
    assert head.stored == (30, 40)


def test_head_without_exif(tmp_path: Path) -> None:
    Image.new("L", (4, 3)).save(tmp_path / "a.png")
    assert images.head(tmp_path / "a.png") == images.Head((3, 4), 1)
    with pytest.raises(images.NoImage):
        images.head(tmp_path / "none.png")
