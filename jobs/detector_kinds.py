"""Kinds of detectors: which one a model is of, by what it says or by how its outputs look."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import openvino as ov

from jobs import explaining, formats, image_input
from jobs.detector_wrappers import STRIDES
from jobs.errors import BadOption, UnsupportedModel, WrongTask

Output = tuple[str, tuple[int, ...]]
"""Name and shape, where -1 is a side that is not fixed."""
Outputs = Sequence[Output]
Size = tuple[int, int]

QUERIES = 300
"""Boxes that a model may give without suppression inside before they are taken for all its candidates."""


@dataclass(frozen=True)
class Kind:
    """A way in which detectors say what they see."""

    name: str
    """Model API's name for it, or ours."""
    looks: str
    """Its outputs in words."""
    fits: Callable[[Outputs, Size], bool]
    """Whether outputs look so, for an input of this height and width (-1 where it is not fixed)."""
    classes: Callable[[Outputs], int | None]
    """How many classes there are; None where the outputs do not tell."""
    prepared: Mapping[str, str] = field(default_factory=dict)
    """How images are prepared for it where nobody says."""
    reader: str = ""
    """The wrapper, where it is not the one of that name."""


# --- what outputs look like


def _names(outputs: Outputs) -> str:
    return " ".join(name for name, _ in outputs)


def _is_ssd(outputs: Outputs, size: Size) -> bool:
    if any(len(shape) == 4 and shape[1:2] != (1,) for _, shape in outputs):  # masks, or raw maps
        return False
    if len(outputs) == 1:
        shape = outputs[0][1]
        return len(shape) == 4 and shape[-1] == 7
    boxes = [name for name, shape in outputs if len(shape) in (2, 3) and shape[-1] == 5]
    if len(outputs) == 2:
        return len(boxes) == 1 and "labels" in _names(outputs)
    return all(word in _names(outputs) for word in ("bboxes", "scores", "labels"))


def _rows(outputs: Outputs) -> tuple[int, int]:
    """The two sides of a single output [1, a, b]; zeros when it is none."""
    (_, shape), *more = outputs
    return (shape[1], shape[2]) if not more and len(shape) == 3 else (0, 0)


def _cells(size: Size) -> int:
    return sum((size[0] // stride) * (size[1] // stride) for stride in STRIDES)


def _is_yolox(outputs: Outputs, size: Size) -> bool:
    rows, values = _rows(outputs)
    return values >= 6 and rows == _cells(size)


def _is_yolov7(outputs: Outputs, size: Size) -> bool:
    rows, values = _rows(outputs)
    return values >= 6 and rows > max(values, 1000)


def _is_yolov10(outputs: Outputs, size: Size) -> bool:
    rows, values = _rows(outputs)
    return values == 6 and rows <= 1000


def _is_yolov8(outputs: Outputs, size: Size) -> bool:
    values, rows = _rows(outputs)
    return values >= 5 and (rows > values or rows < 0)


def _is_yolov4(outputs: Outputs, size: Size) -> bool:
    shapes = [shape for _, shape in outputs]
    if len(shapes) not in (2, 3) or any(len(shape) != 4 for shape in shapes):
        return False
    same = [place for place in (1, 3) if len({shape[place] for shape in shapes}) == 1]  # the channels, first or last
    return len(same) == 1 and shapes[0][same[0]] % 3 == 0 and shapes[0][same[0]] >= 18


def _is_fastestdet(outputs: Outputs, size: Size) -> bool:
    (_, shape), *more = outputs
    if more or len(shape) != 4 or shape[1] < 6:
        return False
    return all(side > 0 and side == 16 * cells for side, cells in zip(size, shape[2:], strict=True))


def _is_yunet(outputs: Outputs, size: Size) -> bool:
    names = {name for name, _ in outputs}
    return {f"{what}_{stride}" for what in ("cls", "obj", "bbox") for stride in STRIDES} <= names


def _never(outputs: Outputs, size: Size) -> bool:
    return False


def _unknown(outputs: Outputs) -> None:
    return None


ULTRALYTICS = {"resize_type": "fit_to_window_letterbox", "pad_value": "114", "scale_values": "255"}
_BLUE_FIRST = {"reverse_input_channels": "true"}
_ANY_SIZE = {"orig_height": "640", "orig_width": "640"}
"""Of images for a model that takes any: what most detectors are trained with."""

KINDS = (
    Kind(
        "YuNet",
        "cls, obj and bbox for strides of 8, 16 and 32",
        _is_yunet,
        lambda outputs: 1,
        {"labels": "face,", **_BLUE_FIRST},
    ),
    Kind("SSD", "boxes with scores, and labels", _is_ssd, _unknown),
    Kind(
        "YOLOX",
        "1 × cells × (box, object, classes)",
        _is_yolox,
        lambda outputs: _rows(outputs)[1] - 5,
        {"resize_type": "fit_to_window", **_BLUE_FIRST},
    ),
    Kind("YOLOv10", "1 × boxes × (box, score, class)", _is_yolov10, _unknown, ULTRALYTICS),
    Kind(
        "YOLOv7",
        "1 × boxes × (box, object, classes)",
        _is_yolov7,
        lambda outputs: _rows(outputs)[1] - 5,
        ULTRALYTICS,
    ),
    *(
        Kind(name, "1 × (box, classes) × boxes", fits, lambda outputs: _rows(outputs)[0] - 4, ULTRALYTICS)
        for name, fits in (("YOLOv8", _is_yolov8), ("YOLOv5", _never), ("YOLO11", _never))
    ),
    Kind(
        "YOLOv4",
        "maps of 3 × (box, object, classes) in two or three sizes",
        _is_yolov4,
        lambda outputs: outputs[0][1][1 if len({shape[1] for _, shape in outputs}) == 1 else 3] // 3 - 5,
        {"resize_type": "fit_to_window_letterbox"},
        reader="YOLOv4 in maps",
    ),
    Kind("YOLO", "outputs of RegionYolo", _never, _unknown, {"resize_type": "fit_to_window_letterbox"}),
    Kind("YOLOF", "a map of 6 × (box, classes)", _never, lambda outputs: outputs[0][1][1] // 6 - 4),
    Kind(
        "FastestDet",
        "a map of (object, box, classes) for every 16 pixels",
        _is_fastestdet,
        lambda outputs: outputs[0][1][1] - 5,
        {"scale_values": "255", **_BLUE_FIRST},
    ),
)
"""The first whose outputs look so is meant by a model that does not say what it is."""
_VAGUE = ("", "yolo")
"""Model types that leave open how outputs are to be read; Ultralytics calls all its models YOLO."""


def outputs_of(model: ov.Model) -> Outputs:
    """Those that matter."""
    found = []
    for port in model.outputs:
        shape = port.partial_shape
        sides = () if shape.rank.is_dynamic else tuple(-1 if s.is_dynamic else s.get_length() for s in shape)
        found.append((name_of(port), sides))
    return without_extra(found)


def name_of(port: ov.Output) -> str:
    return str(port.any_name) if port.names else str(port.node.friendly_name)


def without_extra(outputs: Outputs) -> Outputs:
    """Without what is there for explanations."""
    return [output for output in outputs if not explaining.is_one(output[0])]


def guess(outputs: Outputs, size: Size) -> Kind | None:
    """What outputs look like."""
    return next((kind for kind in KINDS if outputs and kind.fits(outputs, size)), None)


def named(name: str) -> Kind | None:
    """The kind of this name, however it is written."""
    return next((kind for kind in KINDS if kind.name.lower() == name.strip().lower()), None)


def kind_of(model: ov.Model, settings: Mapping[str, str]) -> tuple[Kind, str]:
    """Which kind a model is of, and a note where it does not say so itself.

    Raises WrongTask, UnsupportedModel, BadOption.
    """
    said = settings.get("model_type", "").strip()
    chosen = named(said)
    if chosen is None and said.lower() not in _VAGUE:
        names = ", ".join(kind.name for kind in KINDS)
        raise UnsupportedModel(
            f"The model says that it is of the type {said}, which is no detector that can be read here.",
            hint=f"Choose the kind of model in its settings: {names}.",
            where="model_type",
        )
    entry = image_input.of(model, {**_ANY_SIZE, **settings})
    outputs = outputs_of(model if not model.is_dynamic() else entry.fix_shape(model))
    shown = ", ".join("×".join(map(str, shape)) for _, shape in outputs[:4]) + (", …" if len(outputs) > 4 else "")
    looks = guess(outputs, (entry.height, entry.width))
    found = chosen if said.lower() not in _VAGUE else _with_regions(model) if said else None
    found = found or looks
    if found is None:
        raise WrongTask(
            f"The model's outputs ({shown}) are not those of a detector that is known here.",
            hint="Choose the kind of model in its settings, or export it with its post-processing inside: boxes"
            " [1, n, 5] and labels [1, n].",
            where="model_type",
        )
    silent = found is looks and not formats.model_info(model).get("model_type", "").strip()
    note = f"The model does not say what it is; its outputs ({shown}) look like {found.name}: {found.looks}."
    return found, note if silent else ""


def _with_regions(model: ov.Model) -> Kind | None:
    """YOLO in the old sense, where the boxes come out of an operation of its own."""
    return named("YOLO") if any(op.get_type_name() == "RegionYolo" for op in model.get_ops()) else None


def prepared(model: ov.Model, settings: Mapping[str, str]) -> dict[str, str]:
    """Settings with what a model of this kind is used to where they say nothing, and the kind itself."""
    try:
        kind, _ = kind_of(model, settings)
    except (UnsupportedModel, WrongTask, BadOption):  # told when the model is bound
        return dict(settings)
    said = {key: value for key, value in settings.items() if value.strip() or key in _NONE}
    return {"model_type": kind.name, **(_ANY_SIZE if _takes_any_size(model) else {}), **kind.prepared, **said}


_NONE = ("mean_values", "scale_values")
"""Settings that say something by being empty."""


def _takes_any_size(model: ov.Model) -> bool:
    shape = model.inputs[0].partial_shape
    return not shape.rank.is_dynamic and any(side.is_dynamic for side in list(shape)[2:])
