"""Colours of what is drawn over images: the same for a class in masks, boxes and legends, of every picture.

They are Okabe and Ito's ("Color Universal Design", 2008), which people with any kind of colour blindness tell apart;
beyond seven classes lighter and darker ones follow. A class always has its name beside it as well.
"""

from collections.abc import Iterable, Sequence

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""

COLOURS: tuple[Colour, ...] = (
    (213, 94, 0),
    (86, 180, 233),
    (240, 228, 66),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (0, 114, 178),
)
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_HOT: tuple[Colour, ...] = ((255, 236, 140), (250, 160, 30), (214, 60, 20), (110, 0, 30))


def colour(number: int) -> Colour:
    """Of the label with this place among the dataset's."""
    turn, place = divmod(number, len(COLOURS))
    plain = COLOURS[place]
    match turn % 3:
        case 0:
            return plain
        case 1:
            return _between(plain, _WHITE, 0.5)
    return _between(plain, _BLACK, 0.45)


def turn(number: int) -> int:
    """How often the plain colours are used up before this label: 0, 1, 2; lines are solid, dashed, dotted."""
    return number // len(COLOURS) % 3


def hexadecimal(colour: Colour) -> str:
    """As `#d55e00`."""
    return "#" + "".join(f"{one:02x}" for one in colour)


def numbers(labels: Sequence[str], others: Iterable[str] = ()) -> dict[str, int]:
    """The number of each label: its place among the dataset's, then those it does not have, by their names."""
    known = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    rest = sorted(set(others) - known.keys())
    return known | {label: len(known) + number for number, label in enumerate(rest)}


def heat() -> list[tuple[int, int, int, int]]:
    """256 steps from nothing to hot as red, green, blue and opacity: clear, then yellow, then dark red.

    What is hotter is darker, too, so that it is seen without any colour. With NumPy, `np.array(heat(), np.uint8)[map]`.
    """
    steps = []
    for level in range(256):
        at = level / 255 * (len(_HOT) - 1)
        place = min(int(at), len(_HOT) - 2)
        steps.append((*_between(_HOT[place], _HOT[place + 1], at - place), min(255, level * 2)))
    return steps


def _between(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
