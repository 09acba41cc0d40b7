"""Images with masks beside them, in whatever folders and under whatever names people have them, as a dataset."""

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from jobs import images, label_codes, label_maps, tree
from jobs.errors import BadDataset
from jobs.findings import Problem
from jobs.images import Head, NoImage
from jobs.label_codes import VOID, Codes
from jobs.label_maps import Coding, Kind, LabelMap
from jobs.numbers import percent
from jobs.samples import Dataset, Sample, are, count, left_out, split_named
from jobs.tasks import Task

T = TypeVar("T")
R = TypeVar("R")

_LOOKED_PIXELS = 400 << 20
"""Of more masks only some are looked into, evenly spread, before a job: seconds instead of minutes."""
_LISTED = 100
_AT_ONCE = 256  # files on their way through the threads
_LOSSLESS = (".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")

_MASKS = re.compile(
    r"(segmentation|semantic|pixel|colou?r|index|png)?"
    r"(masks?|labels?|lbl|annot|annots|annotations?|gt|gts|groundtruths?|segs?|segmentations?|segmentationclass(aug|raw)?"
    r"|gtfine|gtcoarse|trimaps?|labelmaps?|labeledapprovedfull)"
)
_IMAGES = re.compile(r"(images?|imgs?|jpegimages|leftimgbit|inputs?|photos?|pictures?|frames)")
_CITY = re.compile(r"gt(?:fine|coarse)[_\-](instanceids|labelids|labeltrainids|color)$")
_OTHERS = ("segmentationobject", "instances", "instance", "depth", "disparity")
_SPLITS = r"(train|training|val|valid|validation|test|testing)?"
_MASK_ENDINGS = re.compile(
    r"[_\-.](gt(fine|coarse)[_\-](labelids|labeltrainids|color)|masks?|labels?|gt|seg|segmentation|annotation|label_?map)$"
)
"""Of a file's name: what makes it a mask beside images."""
_ENDINGS = re.compile(rf"{_MASK_ENDINGS.pattern[:-1]}$|[_\-.](l|p|color|image|img|sat|leftimg8bit)$")
"""What does not matter in the name of a mask or an image."""


@dataclass(frozen=True)
class _Pair:
    """An image and its mask; either may be missing until both are found."""

    image: Path
    mask: Path
    heads: tuple[Head, Head] | None = None


@dataclass
class _Seen:
    """What is in one mask."""

    kind: Kind
    pixels: Counter[int]
    palette: dict[int, int] = field(default_factory=dict)
    """Its colour of each place that is used."""


def read(root: Path, task: Task, *, title: str, codes: Codes | None = None, whole_pictures: bool = False) -> Dataset:
    """The dataset in `root`. Raises BadDataset.

    `codes` are the classes where no file says them; with `whole_pictures`, images without masks belong to other tasks.
    Every image and mask is opened as far as its head. Masks are read in threads to see which classes are in them; of a
    large dataset only some, evenly spread.
    """
    pictures, masks = _roles(root)
    said = label_codes.find([root]) or label_codes.find(_around(masks, root))
    masks = _one_kind(masks, trained=said is not None)
    pairs, unused = _paired(pictures, masks, root)
    if not pairs:
        raise _nothing_fits(pictures, masks, root)
    _refuse_lossy(pairs, root)
    fitting, problems = _fitting(pairs, root)
    seen = _seen(fitting)
    names = [tree.relative(pair.mask, root) for pair in fitting]
    broken = [names[place] for place, found in seen.items() if found is None]
    whole = {place: found for place, found in seen.items() if found is not None}
    if not whole:
        raise BadDataset(f"None of the {count(len(broken), 'mask')} can be read.", where=broken[0])
    known, more = _settled(said or _by_file_name(masks, codes), whole.values(), len(seen), len(fitting))
    coding = Coding(known, by_palette=_by_palette(known, whole.values()))
    targets = {
        pair.image: _target(pair, name, coding, whole.get(place))
        for place, (pair, name) in enumerate(zip(fitting, names, strict=True))
        if place not in seen or place in whole
    }
    paired = {pair.image for pair in pairs}
    bare = [] if whole_pictures else [path for path in pictures if path not in paired]
    splits = _splits(root)
    samples = [
        Sample(tree.relative(path, root), path, _split(path, root, splits), targets.get(path))
        for path in sorted([*targets, *bare])
    ]
    problems += [*_remarks(root, unused=unused, broken=broken, bare=bare), *more]
    return Dataset(title, known.names, tuple(samples), tuple(problems))


def has_masks(root: Path) -> bool:
    """Whether there are some, by their folders or their names."""
    return any(
        (role := _role(folder.relative_to(root).parts)) == "mask"
        or (role != "other" and any(_MASK_ENDINGS.search(_plain(Path(name).stem)) for name in names))
        for folder, names in _image_names(root)
    )


def has_file(root: Path, name: str) -> bool:
    """Whether there are masks, and a file of this name at the top or in the folder of a split."""
    return any(any(root.glob(place)) for place in (name, f"*/{name}")) and has_masks(root)


def is_cityscapes(root: Path) -> bool:
    """Its masks have long names."""
    return any(_CITY.search(Path(name).stem.lower()) for _, names in _image_names(root) for name in names)


def is_voc(root: Path) -> bool:
    """Its masks have a folder of their own."""
    return any(_letters(folder.name).startswith("segmentationclass") for folder, _ in _image_names(root))


def is_camvid(root: Path) -> bool:
    """By its list of colours, or by folders such as trainannot."""
    annotated = any(_letters(folder.name).endswith("annot") for folder, _ in _image_names(root))
    return annotated or has_file(root, "label_colors.txt")


def _image_names(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Folders with images, and their names."""
    for folder, _, names in os.walk(root):
        found = [name for name in names if name.lower().endswith(images.ENDINGS) and not name.startswith(".")]
        if found and not any(part.startswith((".", "__MACOSX")) for part in Path(folder).relative_to(root).parts):
            yield Path(folder), found


def _nothing_fits(pictures: Sequence[Path], masks: Sequence[Path], root: Path) -> BadDataset:
    picture = f", “{tree.relative(pictures[0], root)}” has no mask" if pictures else ""
    return BadDataset(
        f"No mask belongs to an image: “{tree.relative(masks[0], root)}” has none of its name{picture}.",
        hint="Name every mask like its image, e.g. images/0001.jpg and masks/0001.png.",
        where=tree.relative(masks[0], root),
    )


# --- which files are images and which are masks


def _roles(root: Path) -> tuple[list[Path], list[Path]]:
    """Images and masks, by the folders they lie in, else by their names."""
    files = tree.images_under(root)
    stems = {(path.parent, _plain(path.stem)) for path in files}
    roles = {folder: _role(folder.relative_to(root).parts) for folder in {path.parent for path in files}}
    pictures: list[Path] = []
    masks: list[Path] = []
    for path in files:
        role = roles[path.parent]
        stem = _plain(path.stem)
        beside = role != "mask" and (path.parent, _MASK_ENDINGS.sub("", stem)) in stems and _MASK_ENDINGS.search(stem)
        if role == "mask" or beside:
            masks.append(path)
        elif role != "other":
            pictures.append(path)
    return pictures, masks


def _role(folders: Sequence[str]) -> str:
    """`mask`, `image`, `other`, or nothing; the innermost folder that says it decides."""
    for name in reversed(folders):
        letters = _letters(name)
        if letters in _OTHERS:
            return "other"
        if re.fullmatch(_SPLITS + _MASKS.pattern + _SPLITS, letters):
            return "mask"
        if re.fullmatch(_SPLITS + _IMAGES.pattern + _SPLITS, letters):
            return "image"
    return ""


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _one_kind(masks: list[Path], *, trained: bool) -> list[Path]:
    """Cityscapes has four files an image; instances say nothing of stuff."""
    by_kind: dict[str, list[Path]] = defaultdict(list)
    for path in masks:
        found = _CITY.search(path.stem.lower())
        by_kind[found[1] if found else ""].append(path)
    order = ("labeltrainids", "labelids", "color") if trained else ("labelids", "labeltrainids", "color")
    return next((by_kind[kind] for kind in order if by_kind[kind]), by_kind[""])


def _by_file_name(masks: Sequence[Path], codes: Codes | None) -> Codes | None:
    """Cityscapes says by the name of a mask which numbers are in it."""
    return label_codes.CITYSCAPES_TRAIN if "trainids" in masks[0].stem.lower() else codes


def _around(masks: Sequence[Path], root: Path) -> Iterator[Path]:
    """Folders that may say what masks mean: those of the masks, and those around them."""
    folders = {folder for path in masks for folder in path.parents if folder.is_relative_to(root)} - {root}
    return iter(sorted(folders))


# --- pairs


def _paired(pictures: Sequence[Path], masks: Sequence[Path], root: Path) -> tuple[list[_Pair], list[Path]]:
    """Each image with the mask of its name whose folders agree most; and masks that belong to none."""
    by_name: dict[str, list[Path]] = defaultdict(list)
    for path in pictures:
        for name in {_plain(path.stem), _bare(path)}:
            by_name[name].append(path)
    chosen: dict[Path, Path] = {}
    unused = []
    # A mask that is there to be looked at comes after one that is there to be read.
    for mask in sorted(masks, key=lambda path: ("color" in _plain(str(path.relative_to(root))), path)):
        candidates = by_name.get(_plain(mask.stem)) or by_name.get(_bare(mask), [])
        around = _context(mask, root)
        image = max(candidates, key=lambda path: _common(_context(path, root), around), default=None)
        if image is None or (len(candidates) > 1 and not _common(_context(image, root), around)):
            unused.append(mask)
        else:
            chosen.setdefault(image, mask)
    return [_Pair(image, mask) for image, mask in sorted(chosen.items())], unused


def _bare(path: Path) -> str:
    return _ENDINGS.sub("", _plain(path.stem))


def _context(path: Path, root: Path) -> tuple[str, ...]:
    """The folders of a file without what they say of masks and images."""
    parts = [_plain(part) for part in path.relative_to(root).parts[:-1]]
    kept = [re.sub(rf"[_\-]?({_MASKS.pattern}|{_IMAGES.pattern})$", "", part) for part in parts]
    return tuple(part for part in kept if part and _letters(part) not in ("leftimgbit", "gtfine", "gtcoarse"))


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """More for more of the same folders, most for the same ones."""
    return 100 if one == other else len(set(one) & set(other))


def _refuse_lossy(pairs: Sequence[_Pair], root: Path) -> None:
    lossy = [pair.mask for pair in pairs if pair.mask.suffix.lower() not in _LOSSLESS]
    if lossy:
        raise BadDataset(
            f"{count(len(lossy), 'mask')} {are(len(lossy))} JPEG, which blurs the values that tell classes apart.",
            hint="Save the masks as PNG.",
            where=tree.relative(lossy[0], root),
        )


def _fitting(pairs: Sequence[_Pair], root: Path) -> tuple[list[_Pair], list[Problem]]:
    """Pairs whose mask lies on its image, with their heads; and what is left out."""
    fitting, unreadable, other_size = [], [], []
    for pair, heads in zip(pairs, _in_threads(_heads, pairs), strict=True):
        if isinstance(heads, str):
            unreadable.append(f"{tree.relative(pair.mask, root)} ({heads})")
        elif label_maps.turn(*heads) is None:
            sizes = [f"{head.size[1]} × {head.size[0]}" for head in reversed(heads)]
            other_size.append(f"{tree.relative(pair.mask, root)} ({sizes[0]}, the image {sizes[1]})")
        else:
            fitting.append(_Pair(pair.image, pair.mask, heads))
    problems = []
    if unreadable:
        problems.append(left_out(unreadable, "they or their masks cannot be read"))
    if other_size:
        problems.append(left_out(other_size, "their masks are of another shape"))
    if not fitting:
        raise BadDataset(
            "None of the masks fits its image: " + (other_size or unreadable)[0],
            hint="A mask must have the size of its image, or one in the same ratio.",
            where=tree.relative(pairs[0].mask, root),
        )
    return fitting, problems


def _heads(pair: _Pair) -> tuple[Head, Head] | str:
    try:
        return images.head(pair.image), images.head(pair.mask)
    except NoImage as error:
        return str(error)


# --- what is in the masks


def _seen(pairs: Sequence[_Pair]) -> dict[int, _Seen | None]:
    """What is in those looked into, by their place; None for one that cannot be read."""
    total = sum(pair.heads[1].size[0] * pair.heads[1].size[1] for pair in pairs if pair.heads)
    places = range(0, len(pairs), max(1, round(total / _LOOKED_PIXELS)))
    return dict(zip(places, _in_threads(_look, [pairs[place] for place in places]), strict=True))


def _look(pair: _Pair) -> _Seen | None:
    try:
        mask = label_maps.stored(pair.mask, coloured=True)
    except NoImage:
        return None
    pixels = mask.counts()
    palette = {} if mask.palette is None else {place: int(mask.palette[place]) for place in pixels}
    return _Seen(mask.kind, pixels, palette)


def _target(pair: _Pair, name: str, coding: Coding, seen: _Seen | None) -> LabelMap:
    assert pair.heads is not None
    pixels: Counter[int] = Counter()
    if seen is not None and seen.kind == Kind.COLOUR and not coding.coloured:  # one value in three channels
        seen = _Seen(Kind.GREY, Counter({colour & 255: found for colour, found in seen.pixels.items()}))
    if seen is not None:
        for code, found in seen.pixels.items():
            pixels[coding.number(seen.kind, code, seen.palette.get(code))] += found
    known = tuple(sorted((number, found) for number, found in pixels.items() if number != VOID))
    return LabelMap(pair.mask, name, coding, label_maps.turn(*pair.heads) or 1, known)


def _in_threads(function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """Results in order: Pillow lets go of the interpreter while it unpacks."""
    with ThreadPoolExecutor(min(8, len(os.sched_getaffinity(0)) + 1)) as threads:
        for start in range(0, len(items), _AT_ONCE):
            yield from threads.map(function, items[start : start + _AT_ONCE])


# --- what they mean


def _settled(codes: Codes | None, seen: Iterable[_Seen], looked: int, masks: int) -> tuple[Codes, list[Problem]]:
    """The classes, as far as files say them, made to fit what is in the masks. Raises BadDataset."""
    totals: dict[Kind, Counter[int]] = {kind: Counter() for kind in Kind}
    for one in seen:
        totals[one.kind].update(one.pixels)
    grey = totals[Kind.GREY] + totals[Kind.PALETTE]
    colours = totals[Kind.COLOUR]
    if colours and (codes is None or not codes.colours):
        if all(_is_grey(colour) for colour in colours):  # values in three channels
            grey, colours = grey + Counter({colour & 255: found for colour, found in colours.items()}), Counter()
        else:
            codes = _known(colours, codes)
    codes = codes or _by_values(grey)
    codes = _with_white(codes, grey)
    problems = _unnamed(codes, grey, colours)
    if looked < masks:
        message = f"{looked:,} of {masks:,} masks, evenly spread, were looked into; counts of classes are of these."
        problems.append(Problem(level="info", where="dataset", message=message))
    return codes, problems


def _is_grey(colour: int) -> bool:
    return colour >> 16 == colour >> 8 & 255 == colour & 255


def _known(colours: Counter[int], codes: Codes | None) -> Codes:
    """The classes that everybody gives these colours. Raises BadDataset."""
    for known in label_codes.KNOWN:
        named = sum(found for colour, found in colours.items() if colour in known.colours)
        if named >= 0.98 * colours.total() and codes is None:
            return known
    shown = ", ".join(f"#{colour:06x}" for colour, _ in colours.most_common(5))
    raise BadDataset(
        f"The masks are coloured ({shown}), but nothing says which colour is which class.",
        hint="Add a file classes.txt with a line such as “128 64 128 road” for each class.",
    )


def _by_values(grey: Counter[int]) -> Codes:
    """Classes called by their values: 0 and 255 are two classes where there is nothing else."""
    if set(grey) <= {0, 255} and 255 in grey:
        return Codes(("0", "1"), {0: 0, 255: 1}, {})
    values = sorted(set(grey) - {255})
    if len(values) > label_codes.MOST:
        raise BadDataset(
            f"The masks hold {len(values)} values; there can be at most {label_codes.MOST} classes.",
            hint="A mask holds a class's number at each pixel, not a shade of grey.",
        )
    return Codes(tuple(map(str, values)), {value: number for number, value in enumerate(values)}, {})


def _with_white(codes: Codes, grey: Counter[int]) -> Codes:
    """Grey masks that show two classes as black and white, or classes in the grey they have as colours."""
    if set(grey) <= {0, 255} and len(codes.names) == 2 and 255 not in codes.values:
        return Codes(codes.names, {0: 0, 255: 1}, codes.colours)
    shades = {colour & 255: number for colour, number in codes.colours.items() if _is_grey(colour)}
    if set(grey) - {*codes.values, VOID} and set(grey) <= set(shades):
        return Codes(codes.names, shades, codes.colours)
    return codes


def _unnamed(codes: Codes, grey: Counter[int], colours: Counter[int]) -> list[Problem]:
    """What has no name does not count. Raises BadDataset when nothing has one."""
    strange = {f"value {value}": found for value, found in grey.items() if value not in {*codes.values, VOID}}
    strange |= {f"colour #{one:06x}": found for one, found in colours.items() if one not in codes.colours}
    total = grey.total() + colours.total()
    if not strange:
        return []
    ordered = sorted(strange.items(), key=lambda item: -item[1])
    items = [f"{name}: {percent(found / total)} of the pixels" for name, found in ordered]
    if sum(strange.values()) == total:
        raise BadDataset(
            f"No pixel of the masks has a class: {', '.join(items[:3])}.",
            hint="Check the file that names the classes.",
        )
    after_the_last = set(strange) == {f"value {len(codes.names)}"}  # as SegNet's CamVid marks void
    return [
        Problem(
            level="info" if after_the_last else "warning",
            where="dataset",
            message=f"Pixels without a class do not count: {percent(sum(strange.values()) / total)} of all.",
            hint="If that is not what you want, give each of their values a name in classes.txt, in order.",
            items=tuple(items[:_LISTED]),
        )
    ]


def _by_palette(codes: Codes, seen: Iterable[_Seen]) -> bool:
    """Whether palettes use the classes' colours, so that these tell the class whatever the places."""
    used = {colour for one in seen for colour in one.palette.values()}
    return bool(used) and used <= set(codes.colours)


# --- splits and remarks


def _split(path: Path, root: Path, listed: Mapping[str, str]) -> str:
    """By its folders, else by the list that names it."""
    for part in _context(path, root):
        if found := split_named(part):
            return found
    return listed.get(_plain(path.stem), "")


def _splits(root: Path) -> dict[str, str]:
    """The split of each file named in lists such as `train.txt`."""
    found: dict[str, str] = {}
    for folder in (root, root / "ImageSets" / "Segmentation", root / "ImageSets", root / "splits"):
        for path in sorted(folder.glob("*.txt")):
            if split := split_named(path.stem):
                for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                    name = re.split(r"[\s,]", line.strip().strip('"'))[0].replace("\\", "/").rpartition("/")[2]
                    found.setdefault(_plain(Path(name).stem if "." in name else name), split)
    return found


def _remarks(root: Path, *, unused: list[Path], broken: list[str], bare: list[Path]) -> list[Problem]:
    problems = []
    if broken:
        problems.append(left_out(broken, "their masks cannot be read"))
    if unused:
        problems.append(
            Problem(
                level="warning",
                where="dataset",
                message=f"{count(len(unused), 'mask')} {are(len(unused))} left out: no image has this name.",
                items=tuple(tree.relative(path, root) for path in unused[:_LISTED]),
            )
        )
    if bare:
        problems.append(
            Problem(
                level="info",
                where="dataset",
                message=f"{count(len(bare), 'image')} {'has' if len(bare) == 1 else 'have'} no mask, so"
                f" {'it' if len(bare) == 1 else 'they'} can only calibrate.",
                items=tuple(tree.relative(path, root) for path in bare[:_LISTED]),
            )
        )
    return problems
