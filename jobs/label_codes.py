"""What the pixels of a dataset's masks mean: names, grey values and colours of its classes, as files say them."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.errors import BadDataset

VOID = 255
"""In place of a class's number: nobody says what the pixel shows, so it does not count."""
MOST = 255  # classes
BACKGROUND = "background"
_VOID_NAMES = {"void", "ignore", "ignored", "unlabeled", "unlabelled", "dontcare"}
LISTS = ("classes.txt", "labels.txt", "codes.txt", "class_names.txt", "classes.csv", "class_dict.csv", "labels.csv")
"""Files with a class a line."""


@dataclass(frozen=True)
class Codes:
    """The classes of a dataset, and how masks tell them apart."""

    names: tuple[str, ...]
    values: Mapping[int, int]
    """Grey value, or place in a palette, to the number of the class."""
    colours: Mapping[int, int]
    """Colour 0xRRGGBB to the number of the class; empty where none has a colour."""


@dataclass(frozen=True)
class _Entry:
    """A class as a file says it."""

    name: str
    value: int | None = None
    colour: int | None = None


_Reader = Callable[[str], list[_Entry]]


def find(folders: Iterable[Path]) -> Codes | None:
    """By the files in these folders; None where there are none. Raises BadDataset."""
    found = [(path, _read(path, _READERS[path.name])) for folder in folders if (path := _file_in(folder))]
    for path, codes in found[1:]:
        first, expected = found[0]
        if codes != expected:
            raise BadDataset(
                f"“{first.parent.name}/{first.name}” and “{path.parent.name}/{path.name}” name other classes.",
                hint="Give all parts of the dataset the same classes in the same order.",
                where=path.name,
            )
    return found[0][1] if found else None


def _file_in(folder: Path) -> Path | None:
    """The most specific one."""
    return next((folder / name for name in _READERS if (folder / name).is_file()), None)


def _read(path: Path, reader: _Reader) -> Codes:
    try:
        entries = reader(path.read_text(encoding="utf-8-sig"))
        found = of(entries)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise BadDataset(
            f"“{path.name}” cannot be read: {str(error) or type(error).__name__}.",
            hint="Write one class a line, in the order of the values in the masks.",
            where=path.name,
        ) from error
    if not found.names or len(found.names) > MOST:
        raise BadDataset(f"“{path.name}” names {len(found.names)} classes; there can be 1 to {MOST}.", where=path.name)
    return found


def of(entries: Sequence[_Entry]) -> Codes:
    """Numbered in their order, but for those that are void by their name."""
    numbers: dict[str, int] = {}
    for entry in entries:
        if not is_void(entry.name):
            numbers.setdefault(entry.name, len(numbers))
    number = {entry.name: numbers.get(entry.name, VOID) for entry in entries}
    values = {place if entry.value is None else entry.value: number[entry.name] for place, entry in enumerate(entries)}
    colours: dict[int, int] = {}
    for entry in entries:
        if entry.colour is not None:
            colours.setdefault(entry.colour, number[entry.name])
    return Codes(tuple(numbers), values, colours)


def is_void(name: str) -> bool:
    """Whether a class of this name is none."""
    return re.sub(r"[^a-z]", "", name.lower()) in _VOID_NAMES


def rgb(red: int, green: int, blue: int) -> int:
    """As 0xRRGGBB. Raises ValueError."""
    if not all(0 <= one <= 255 for one in (red, green, blue)):
        raise ValueError(f"{red}, {green}, {blue} is no colour")
    return red << 16 | green << 8 | blue


def _with_background(entries: list[_Entry]) -> list[_Entry]:
    """Where value 0 has no name while others have, it is what is none of them."""
    if any(entry.value == 0 or entry.name.lower() == BACKGROUND for entry in entries):
        return entries
    coloured = any(entry.colour is not None for entry in entries)
    black_is_free = coloured and all(entry.colour != 0 for entry in entries)
    return [_Entry(BACKGROUND, 0, 0 if black_is_free else None), *entries]


def _dataset_meta(text: str) -> list[_Entry]:
    """Datumaro's and OTX's `dataset_meta.json`."""
    content = json.loads(text)
    colours = content.get("segmentation_colors") or []
    by_value = {int(value): str(name) for value, name in (content.get("label_map") or {}).items()}
    by_value = by_value or {place: str(name) for place, name in enumerate(content.get("labels") or [])}

    def colour(value: int) -> int | None:
        return rgb(*colours[value]) if value < len(colours) and colours[value] is not None else None

    return _with_background([_Entry(by_value[value], value, colour(value)) for value in sorted(by_value)])


def _labelmap(text: str) -> list[_Entry]:
    """Datumaro's and CVAT's `labelmap.txt`: name:r,g,b:parts:actions."""
    entries = []
    for line in _lines(text):
        name, _, rest = line.partition(":")
        colour = rest.partition(":")[0].strip()
        entries.append(_Entry(name.strip(), None, rgb(*map(int, colour.split(","))) if colour else None))
    return entries


_COLOUR_FIRST = re.compile(r"(\d+)[\s,;]+(\d+)[\s,;]+(\d+)[\s,;]+(\D.*)")
_COLOUR_LAST = re.compile(r"(.*?\D)[\s,;:]+\(?(\d+)[\s,;]+(\d+)[\s,;]+(\d+)\)?")
_NUMBERED = re.compile(r"(\d+)\s*[\s:;,]\s*(\D.*)")
_HEADINGS = {"name", "class", "classname", "label", "id", "r", "g", "b", "red", "green", "blue", "pixelvalue", "value"}


def _list(text: str) -> list[_Entry]:
    """A class a line: its name, which may have a number before it, or a colour before or after it."""
    lines = _lines(text)
    headings = {re.sub(r"[^a-z]", "", word) for word in re.split(r"[,;\t]", lines[0].lower())} if lines else set()
    if headings and headings <= _HEADINGS and len(headings) > 1:
        lines = lines[1:]
    if len(lines) == 1 and "," in lines[0] and not any(letter.isdigit() for letter in lines[0]):
        lines = lines[0].split(",")
    if lines and all(found := [_COLOUR_FIRST.fullmatch(line) for line in lines]):
        return [_Entry(one[4].strip(), None, rgb(*(int(one[place]) for place in (1, 2, 3)))) for one in found if one]
    if lines and all(found := [_COLOUR_LAST.fullmatch(line) for line in lines]):
        return [
            _Entry(one[1].strip(" ,;:"), None, rgb(*(int(one[place]) for place in (2, 3, 4)))) for one in found if one
        ]
    if lines and all(found := [_NUMBERED.fullmatch(line) for line in lines]):
        return [_Entry(one[2].strip(), int(one[1])) for one in found if one]
    return [_Entry(line.strip().strip('"')) for line in lines]


def _roboflow(text: str) -> list[_Entry]:
    """Roboflow's `_classes.csv`, whose value 0 is what was not drawn."""
    entries = [
        _Entry(BACKGROUND if is_void(one.name) and one.value == 0 else one.name, one.value) for one in _list(text)
    ]
    return _with_background(entries)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


_READERS: Mapping[str, _Reader] = {
    "dataset_meta.json": _dataset_meta,
    "labelmap.txt": _labelmap,
    "label_colors.txt": _list,
    "_classes.csv": _roboflow,
    **dict.fromkeys(LISTS, _list),
}
"""The more specific ones first."""


# --- codes that everybody knows


def _voc_colour(number: int) -> int:
    """Each bit of the number becomes one of a colour: the lowest three the highest of red, green and blue."""
    red = green = blue = 0
    for place in range(7, 4, -1):
        red |= (number & 1) << place
        green |= (number >> 1 & 1) << place
        blue |= (number >> 2 & 1) << place
        number >>= 3
    return rgb(red, green, blue)


_VOC_NAMES = (
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person"
    " pottedplant sheep sofa train tvmonitor"
).split()
VOC = of(
    [
        *(_Entry(name, number, _voc_colour(number)) for number, name in enumerate(_VOC_NAMES)),
        _Entry("void", 255, rgb(224, 224, 192)),
    ]
)
"""Of Pascal VOC, whose palette says the same as its values."""

_CITY = {
    "road": (7, 0x804080),
    "sidewalk": (8, 0xF423E8),
    "building": (11, 0x464646),
    "wall": (12, 0x66669C),
    "fence": (13, 0xBE9999),
    "pole": (17, 0x999999),
    "traffic light": (19, 0xFAAA1E),
    "traffic sign": (20, 0xDCDC00),
    "vegetation": (21, 0x6B8E23),
    "terrain": (22, 0x98FB98),
    "sky": (23, 0x4682B4),
    "person": (24, 0xDC143C),
    "rider": (25, 0xFF0000),
    "car": (26, 0x00008E),
    "truck": (27, 0x000046),
    "bus": (28, 0x003C64),
    "train": (31, 0x005064),
    "motorcycle": (32, 0x0000E6),
    "bicycle": (33, 0x770B20),
}
_CITY_VOID_VALUES = [value for value in range(34) if value not in {number for number, _ in _CITY.values()}]
_CITY_VOID_COLOURS = (
    0x000000,
    0x6F4A00,
    0x510051,
    0xFAAAA0,
    0xE6968C,
    0xB4A5B4,
    0x966464,
    0x96785A,
    0x00005A,
    0x00006E,
)
_city_colours = {colour: number for number, (_, colour) in enumerate(_CITY.values())}
_city_colours |= dict.fromkeys(_CITY_VOID_COLOURS, VOID)
CITYSCAPES = Codes(
    tuple(_CITY),
    {value: number for number, (value, _) in enumerate(_CITY.values())} | dict.fromkeys(_CITY_VOID_VALUES, VOID),
    _city_colours,
)
"""The 19 classes of Cityscapes that count, by its label ids and colours; the others are void."""
CITYSCAPES_TRAIN = Codes(tuple(_CITY), {number: number for number in range(len(_CITY))}, _city_colours)
"""The same by train ids."""

CAMVID = of(
    [
        _Entry(name, None, colour)
        for name, colour in {
            "Void": 0x000000,
            "Animal": 0x408040,
            "Archway": 0xC00080,
            "Bicyclist": 0x0080C0,
            "Bridge": 0x008040,
            "Building": 0x800000,
            "Car": 0x400080,
            "CartLuggagePram": 0x4000C0,
            "Child": 0xC08040,
            "Column_Pole": 0xC0C080,
            "Fence": 0x404080,
            "LaneMkgsDriv": 0x8000C0,
            "LaneMkgsNonDriv": 0xC00040,
            "Misc_Text": 0x808040,
            "MotorcycleScooter": 0xC000C0,
            "OtherMoving": 0x804040,
            "ParkingBlock": 0x40C080,
            "Pedestrian": 0x404000,
            "Road": 0x804080,
            "RoadShoulder": 0x8080C0,
            "Sidewalk": 0x0000C0,
            "SignSymbol": 0xC08080,
            "Sky": 0x808080,
            "SUVPickupTruck": 0x4080C0,
            "TrafficCone": 0x000040,
            "TrafficLight": 0x004040,
            "Train": 0xC04080,
            "Tree": 0x808000,
            "Truck_Bus": 0xC080C0,
            "Tunnel": 0x400040,
            "VegetationMisc": 0xC0C000,
            "Wall": 0x40C000,
        }.items()
    ]
)
"""The 31 classes of CamVid by their colours."""
KNOWN = (VOC, CAMVID, CITYSCAPES)
