"""Keypads as they come off a line, all printed with the same ten digits; and some with a fault."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from otx_web.samples.build.digits import Floats, Pixels, patch, written

SIDE = 128  # pixels
FINER = 4  # keys are drawn that much larger, then made smaller, to have soft edges
KEY = (30, 23)  # pixels: width and height of a key
PRINT = 20  # pixels: height of a digit
PLACES = tuple((x, y) for y in (20.0, 49.0, 78.0, 107.0) for x in (29.0, 64.0, 99.0))
"""Middles of the keys in pixels, row by row."""
DIGITS: tuple[int | None, ...] = (1, 2, 3, 4, 5, 6, 7, 8, 9, None, 0, None)
"""What is printed on each key."""
COLOURS = {9: (190, 60, 50), 11: (60, 150, 75)}
"""Keys that are not light grey."""
FAULTS = ("missing", "swapped", "scratch", "stain")
SEEN = 6  # of 255: a fault that changes a pixel by less is not visible there


def draw(rng: np.random.Generator, fault: str = "") -> tuple[Floats, Pixels]:
    """A keypad [SIDE, SIDE, 3] of 0 to 255, give or take, and where its fault is [SIDE, SIDE], 0 or 255."""
    shift = tuple(rng.normal(0, 0.4, 2).tolist())
    good = _keypad(DIGITS, shift)
    faulty = _with_fault(good, shift, fault, rng) if fault else good
    changed = (np.abs(faulty - good).max(2) > SEEN).astype(np.uint8) * 255
    mask = Image.fromarray(changed).filter(ImageFilter.MaxFilter(5)).filter(ImageFilter.MinFilter(3))
    down, right = rng.uniform(-0.08, 0.08, 2)
    across = np.linspace(-1, 1, SIDE)
    light = rng.normal(1, 0.03) * (1 + down * across[:, None] + right * across[None, :])
    grain = rng.normal(0, 1.5, (SIDE, SIDE)) + 2.5 * patch(rng, (SIDE, SIDE), 24)
    return (faulty * light[..., None] + grain[..., None]).astype(np.float32), np.asarray(mask)


def _keypad(digits: tuple[int | None, ...], shift: tuple[float, float]) -> Floats:
    """[SIDE, SIDE, 3]: dark, with twelve keys, moved by x and y."""
    sheet = Image.new("RGB", (SIDE * FINER, SIDE * FINER), (52, 56, 64))
    pen = ImageDraw.Draw(sheet)
    for number, (x, y) in enumerate(PLACES):
        left, top = (x + shift[0] - KEY[0] / 2) * FINER, (y + shift[1] - KEY[1] / 2) * FINER
        right, bottom = left + KEY[0] * FINER, top + KEY[1] * FINER
        pen.rounded_rectangle((left + 4, top + 6, right + 4, bottom + 6), 5 * FINER, (28, 30, 36))  # a shadow
        pen.rounded_rectangle((left, top, right, bottom), 5 * FINER, COLOURS.get(number, (214, 212, 204)))
        digit = digits[number]
        if digit is not None:
            half = PRINT * FINER / 2
            place = (int((left + right) / 2 - half), int((top + bottom) / 2 - half))
            sheet.paste((36, 38, 46), place, _print(digit))
    return np.asarray(sheet.reduce(FINER), dtype=np.float32)


def _print(digit: int) -> Image.Image:
    """Always the same one of the digits that people wrote."""
    grey = Image.fromarray((written("train")[digit][1] * 255 / 16).astype(np.uint8))
    large = np.asarray(grey.resize((PRINT * FINER,) * 2, Image.Resampling.BICUBIC), dtype=np.float32)
    return Image.fromarray((np.clip(large / 127 - 0.5, 0, 1) * 255).astype(np.uint8))


def _with_fault(good: Floats, shift: tuple[float, float], fault: str, rng: np.random.Generator) -> Floats:
    """The same keypad [SIDE, SIDE, 3] with a fault somewhere."""
    if fault in ("missing", "swapped"):
        digits = list(DIGITS)
        key = int(rng.choice([number for number, digit in enumerate(digits) if digit is not None]))
        others = [digit for digit in range(10) if digit != digits[key]]
        digits[key] = None if fault == "missing" else int(rng.choice(others))
        return _keypad(tuple(digits), shift)
    cover = _scratch(rng) if fault == "scratch" else _stain(rng)
    colour = rng.uniform(90, 150, 3) if fault == "scratch" else rng.uniform(0.5, 1, 3) * (150, 110, 60)
    return (good + (colour - good) * cover[..., None]).astype(np.float32)


def _scratch(rng: np.random.Generator) -> Floats:
    """[SIDE, SIDE] of 0 to 1: a thin line that bends a little."""
    sheet = Image.new("L", (SIDE * FINER, SIDE * FINER))
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(25, 60)
    along = np.linspace(-0.5, 0.5, 12)[:, None] * length * np.array([np.cos(angle), np.sin(angle)])
    bend = (np.linspace(-1, 1, 12)[:, None] ** 2) * rng.uniform(-6, 6) * np.array([-np.sin(angle), np.cos(angle)])
    points = (rng.uniform(30, SIDE - 30, 2) + along + bend) * FINER
    ImageDraw.Draw(sheet).line([tuple(point) for point in points.tolist()], 255, int(rng.integers(5, 9)), "curve")
    return np.asarray(sheet.reduce(FINER)) / 255 * rng.uniform(0.7, 1)


def _stain(rng: np.random.Generator) -> Floats:
    """[SIDE, SIDE] of 0 to 1: a spot without a clear shape."""
    y, x = np.mgrid[:SIDE, :SIDE] - rng.uniform(20, SIDE - 20, 2)[:, None, None]
    away = np.hypot(x, y) / rng.uniform(6, 13) + 0.4 * patch(rng, (SIDE, SIDE), 14)
    return np.clip(1.5 * (1 - away), 0, 1) * rng.uniform(0.4, 0.75)
