"""Scenes of numbered pebbles: of any size, shape and colour, on any ground, with a digit painted on each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from otx_web.samples.build.digits import Floats, Pixels, patch, written

SIDE = 176  # pixels, of a scene
RADII = (20.0, 38.0)  # pixels
MOST = 7  # pebbles
CORNERS = 36  # of an outline: enough to look round
QUALITY = 70  # of JPEG
FINER = 4  # outlines are drawn that much larger, then made smaller, to have soft edges


@dataclass(frozen=True)
class Pebble:
    """One of a scene, with the digit on it."""

    label: int
    outline: Floats
    """[corners, 2] x and y in pixels, to a tenth."""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1."""
        return (*self.outline.min(0).tolist(), *self.outline.max(0).tolist())

    @property
    def area(self) -> float:
        """Of the outline, in square pixels: the shoelace formula."""
        x, y = self.outline.T
        return float(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)


@dataclass(frozen=True)
class Scene:
    """A picture and what is on it."""

    pixels: Floats
    """[SIDE, SIDE, 3] of 0 to 255, give or take."""
    pebbles: tuple[Pebble, ...]
    parts: Pixels
    """[SIDE, SIDE]: 0 is the ground, 1 a pebble, 2 the paint on it."""

    def mask(self) -> Pixels:
        """[SIDE, SIDE]: 0 is the ground, 1 the pebbles of the first label, 2 those of the second, and so on."""
        mask = Image.new("L", (SIDE, SIDE))
        for pebble in self.pebbles:
            ImageDraw.Draw(mask).polygon((pebble.outline - 0.5).ravel().tolist(), fill=pebble.label + 1)
        return np.asarray(mask)


def draw(rng: np.random.Generator, split: str, digits: Sequence[int] = range(10)) -> Scene:
    """A scene with digits of a split, each of one of these; a pebble's label is its place among them."""
    pixels = _ground(rng)
    parts = np.zeros((SIDE, SIDE), np.uint8)
    pebbles = []
    for x, y, radius in _places(rng):
        label = int(rng.integers(len(digits)))
        written_so = written(split)[digits[label]]
        pebble = Pebble(label, _outline(rng, x, y, radius))
        _lay(pixels, parts, pebble, written_so[int(rng.integers(len(written_so)))], radius, rng)
        pebbles.append(pebble)
    down, right = rng.uniform(-0.25, 0.25, 2)
    across = np.linspace(-1, 1, SIDE, dtype=np.float32)
    light = 1 + down * across[:, None] + right * across[None, :]
    grain = rng.normal(0, rng.uniform(0.5, 2), (SIDE, SIDE))
    return Scene(pixels * light[..., None] + grain[..., None].astype(np.float32), tuple(pebbles), parts)


def _ground(rng: np.random.Generator) -> Floats:
    """Sand, moss or water: a colour with large and small spots of light and shade."""
    colour = rng.uniform(40, 170, 3)
    shade = 25 * patch(rng, (SIDE, SIDE), 5) + rng.uniform(3, 12) * patch(rng, (SIDE, SIDE), 30)
    tint = 10 * patch(rng, (SIDE, SIDE), 4)
    return (colour + shade[..., None] + tint[..., None] * rng.uniform(-1, 1, 3)).astype(np.float32)


def _places(rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """x, y and radius of pebbles that may touch, and do not lie on each other."""
    places: list[tuple[float, float, float]] = []
    for _ in range(int(rng.integers(6, 40))):  # tries
        radius = float(np.exp(rng.uniform(*np.log(RADII))))
        x, y = rng.uniform(radius + 1, SIDE - radius - 1, 2).tolist()
        if len(places) < MOST and all(np.hypot(x - a, y - b) > radius + other for a, b, other in places):
            places.append((x, y, radius))
    return places


def _outline(rng: np.random.Generator, x: float, y: float, radius: float) -> Floats:
    """[CORNERS, 2]: a turned ellipse with a few low waves, nowhere further from its centre than the radius."""
    angles = np.arange(CORNERS) / CORNERS * 2 * np.pi
    distance = 1 / np.hypot(np.cos(angles), np.sin(angles) / rng.uniform(0.75, 1))
    for waves in (2, 3, 4):
        distance = distance * (1 + rng.normal(0, 0.1) / waves * np.cos(waves * angles + rng.uniform(0, 6.3)))
    distance *= radius / distance.max()
    turned = angles + rng.uniform(0, 6.3)
    return np.round(np.stack([x + distance * np.cos(turned), y + distance * np.sin(turned)], 1), 1)


def _lay(pixels: Floats, parts: Pixels, pebble: Pebble, digit: Floats, radius: float, rng: np.random.Generator) -> None:
    """Draw a pebble into a picture, round and lit from one side, with its shadow and its digit."""
    corner = np.floor(pebble.outline.min(0)).astype(int) - 3
    size = int(2 * radius) + 10
    cover = _cover(pebble.outline - corner, size)
    shadow = np.roll(cover, (2, 1), (0, 1))
    across = (np.arange(size) - size / 2) / radius
    bulge = 1 - 0.22 * (across[:, None] ** 2 + across[None, :] ** 2) - rng.uniform(0, 0.12) * across[:, None]
    stone, paint = rng.uniform(140, 245, 3), rng.uniform(0, 80, 3)
    ink = _ink(digit, size, radius * rng.uniform(1.3, 1.5), rng.uniform(-20, 20))
    speckled = stone + 10 * patch(rng, (size, size), 6)[..., None]
    colours = (speckled * (1 - ink) + paint * ink) * bulge[..., None]

    top, left = max(-corner[1], 0), max(-corner[0], 0)
    window = np.s_[max(corner[1], 0) : corner[1] + size, max(corner[0], 0) : corner[0] + size]
    below = pixels[window]
    inside = np.s_[top : top + below.shape[0], left : left + below.shape[1]]
    below *= 1 - 0.35 * shadow[inside][..., None]
    below += (colours[inside] - below) * cover[inside][..., None]
    covered = cover[inside] > 0.5
    parts[window][covered] = 1 + (ink[inside][..., 0] > 0.5)[covered]


def _cover(outline: Floats, size: int) -> Floats:
    """[size, size]: how much of each pixel is inside an outline, 0 to 1."""
    sheet = Image.new("L", (size * FINER, size * FINER))
    ImageDraw.Draw(sheet).polygon((outline * FINER - 0.5).ravel().tolist(), fill=255)
    return np.asarray(sheet.reduce(FINER), dtype=np.float32) / 255


def _ink(digit: Floats, size: int, height: float, turn: float) -> Floats:
    """[size, size, 1]: a digit in the middle, turned by degrees, 0 to 1."""
    side = round(height)
    small = Image.fromarray((digit * 255 / 16).astype(np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    sheet = Image.new("L", (size, size))
    sheet.paste(small, ((size - side) // 2, (size - side) // 2))
    turned = np.asarray(sheet.rotate(turn, Image.Resampling.BICUBIC), dtype=np.float32)
    return np.clip(turned[..., None] / 127 - 0.5, 0, 1)
