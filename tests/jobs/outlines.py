"""The outlines of objects in the layouts people have them in, beside images in `images`."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from tests.jobs import scenes

Outline = tuple[str, str, list[float]]
"""Name of the image, label, and x, y, x, y… in pixels."""


def as_cvat(folder: Path, names: Sequence[str], outlines: Sequence[Outline]) -> None:
    images = []
    for number, name in enumerate(names):
        shapes = [
            f'<polygon label="{label}" points="{_pairs(line)}"/>' for image, label, line in outlines if image == name
        ]
        head = f'<image id="{number}" name="{name}" width="{scenes.SIDE}" height="{scenes.SIDE}">'
        images.append(head + "".join(shapes) + "</image>")
    labels = "".join(f"<label><name>{label}</name></label>" for label in scenes.LABELS)
    meta = f"<meta><task><labels>{labels}</labels></task></meta>"
    (folder / "annotations.xml").write_text(f"<annotations><version>1.1</version>{meta}{''.join(images)}</annotations>")


def _pairs(line: Sequence[float]) -> str:
    return ";".join(f"{x},{y}" for x, y in zip(line[::2], line[1::2], strict=True))


def as_yolo(folder: Path, names: Sequence[str], outlines: Sequence[Outline]) -> None:
    (folder / "data.yaml").write_text(f"train: images/train\nval: images/val\nnames: {list(scenes.LABELS)}\n")
    for name in names:
        path = folder / "labels" / Path(name).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            " ".join(map(str, (scenes.LABELS.index(label), *(end / scenes.SIDE for end in line))))
            for image, label, line in outlines
            if image == name
        ]
        path.write_text("\n".join(lines))


def as_datumaro(folder: Path, names: Sequence[str], outlines: Sequence[Outline]) -> None:
    items = [
        {
            "id": Path(name).stem,
            "annotations": [
                {"id": 0, "type": "polygon", "attributes": {}, "group": 0, "points": line, "z_order": 0}
                | {"label_id": scenes.LABELS.index(label)}
                for image, label, line in outlines
                if image == name
            ],
            "image": {"path": Path(name).name, "size": [scenes.SIDE, scenes.SIDE]},
        }
        for name in names
    ]
    labels = [{"name": name, "parent": "", "attributes": []} for name in scenes.LABELS]
    content = {"info": {}, "categories": {"label": {"labels": labels, "attributes": []}}, "items": items}
    (folder / "annotations").mkdir()
    (folder / "annotations" / "val.json").write_text(json.dumps(content))


def _voc_palette() -> list[int]:
    """Its colours spread the bits of a number over red, green and blue."""
    return [
        sum((number >> 3 * bit + channel & 1) << 7 - bit for bit in range(3))
        for number in range(256)
        for channel in range(3)
    ]


def as_voc(folder: Path, names: Sequence[str], outlines: Sequence[Outline]) -> None:
    """Two images of masks for each: of the objects, and of the colours of their classes."""
    lists = folder / "ImageSets" / "Segmentation"
    for place in (lists, folder / "SegmentationObject", folder / "SegmentationClass"):
        place.mkdir(parents=True)
    (folder / "images").rename(folder / "JPEGImages")
    colours = {label: (50 * place, 99, 0) for place, label in enumerate(scenes.LABELS, 1)}
    labels = [f"{label}:{','.join(map(str, colour))}::" for label, colour in colours.items()]
    (folder / "labelmap.txt").write_text("\n".join(["background:0,0,0::", *labels]))
    stems = []
    for name in names:
        objects, classes = Image.new("P", (scenes.SIDE, scenes.SIDE)), Image.new("RGB", (scenes.SIDE, scenes.SIDE))
        objects.putpalette(_voc_palette())
        found = [(label, line) for image, label, line in outlines if image == name]
        for number, (label, line) in enumerate(found, 1):
            box = line[0], line[1], line[4] - 1, line[5] - 1
            ImageDraw.Draw(objects).rectangle(box, fill=number)
            ImageDraw.Draw(classes).rectangle(box, fill=colours[label])
        stems.append(Path(name).stem)
        (folder / "JPEGImages" / name).rename(folder / "JPEGImages" / Path(name).name)
        objects.save(folder / "SegmentationObject" / f"{stems[-1]}.png")
        classes.save(folder / "SegmentationClass" / f"{stems[-1]}.png")
    (lists / "val.txt").write_text("\n".join(stems))


LAYOUTS: Mapping[str, Callable[[Path, Sequence[str], Sequence[Outline]], None]] = {
    "CVAT": as_cvat,
    "Pascal VOC": as_voc,
    "YOLO": as_yolo,
    "Datumaro": as_datumaro,
}
"""By what `jobs.layouts` calls them: (folder, names of images, outlines)."""
