"""The outlines of objects in the layouts people have them in, beside images in `images`."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

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


LAYOUTS: Mapping[str, Callable[[Path, Sequence[str], Sequence[Outline]], None]] = {
    "CVAT": as_cvat,
    "YOLO": as_yolo,
    "Datumaro": as_datumaro,
}
"""By what `jobs.layouts` calls them: (folder, names of images, outlines)."""
