"""What a person can say of a model, by Model API's names, and what the model or its template says itself."""

import json
from collections.abc import Mapping
from dataclasses import replace

from jobs import fields
from jobs.errors import BadOption
from jobs.fields import Parameter
from jobs.recipe import MODEL
from jobs.spec import TaskName
from jobs.template_files import Template

_RESIZES = ("standard", "fit_to_window", "fit_to_window_letterbox", "crop")
_OBJECTS = (TaskName.DETECTION, TaskName.INSTANCE_SEGMENTATION)
_ANOMALY = (TaskName.ANOMALY_CLASSIFICATION, TaskName.ANOMALY_DETECTION, TaskName.ANOMALY_SEGMENTATION)
MODEL_TYPES: Mapping[str, tuple[str, ...]] = {
    TaskName.DETECTION: (
        *("SSD", "YOLOX", "YOLOv5", "YOLOv7", "YOLOv8", "YOLOv10", "YOLO11", "YOLOv4", "YOLO", "YOLOF"),
        *("FastestDet", "YuNet"),
    ),
    TaskName.INSTANCE_SEGMENTATION: ("MaskRCNN", "YOLO-seg", "YOLO26-seg", "DETRInstSeg"),
}
"""How outputs are to be read, by the names of Model API and of `jobs.detector_kinds`; where there is but one way, it
need not be said."""

_PARAMETERS = (
    Parameter(
        "labels",
        "text",
        "Class names",
        "in the order of the model's outputs, separated by commas",
    ),
    Parameter("mean_values", "text", "Mean", "subtracted from each channel of 0 to 255, e.g. 123.675, 116.28, 103.53"),
    Parameter("scale_values", "text", "Scale", "what each channel is divided by, e.g. 58.395, 57.12, 57.375"),
    Parameter(
        "reverse_input_channels",
        "boolean",
        "Blue first",
        "for a model that was trained on BGR images, as OpenCV reads them; others see RGB",
        default="false",
        value="false",
    ),
    Parameter(
        "resize_type",
        "choice",
        "Resizing",
        "standard stretches the image; fit_to_window keeps its shape and pads; crop takes the middle square",
        default="standard",
        value="standard",
        options=_RESIZES,
    ),
    Parameter(
        "layout", "choice", "Layout", "where the channels are, if that cannot be told", options=("", "NCHW", "NHWC")
    ),
    Parameter(
        "pad_value", "integer", "Padding", "grey of what is padded", "0", "0", minimum=0, maximum=255, advanced=True
    ),
    Parameter(
        "orig_height",
        "integer",
        "Height",
        "of images for a model that takes any size",
        minimum=1,
        maximum=16384,
        advanced=True,
    ),
    Parameter(
        "orig_width",
        "integer",
        "Width",
        "of images for a model that takes any size",
        minimum=1,
        maximum=16384,
        advanced=True,
    ),
    Parameter(
        "multilabel",
        "boolean",
        "Several classes an image",
        "for a model that gives each class a yes or no",
        default="false",
        value="false",
        advanced=True,
    ),
    Parameter(
        "confidence_threshold",
        "float",
        "Confidence threshold",
        "from which on a class counts, where there can be several",
        default="0.5",
        value="0.5",
        minimum=0,
        maximum=1,
        advanced=True,
    ),
    Parameter(
        "iou_threshold",
        "float",
        "Overlap threshold",
        "of two boxes of a class that overlap more, only the surer one counts",
        default="0.5",
        value="0.5",
        minimum=0,
        maximum=1,
        advanced=True,
    ),
    Parameter(
        "unknown_classes",
        "choice",
        "Unknown classes",
        "what becomes of the dataset's classes that the model has no name for: void does not count their pixels,"
        " background takes them for that class of the model",
        default="error",
        value="error",
        options=("error", "void", "background"),
    ),
    Parameter(
        "soft_threshold",
        "float",
        "Pixel threshold",
        "where no class is so sure of a pixel, it gets the first one; only together with smoothing",
        minimum=0,
        maximum=1,
        advanced=True,
    ),
    Parameter(
        "blur_strength",
        "integer",
        "Smoothing",
        "pixels a side over which a map is averaged before the pixel threshold; −1 for neither",
        default="-1",
        value="-1",
        minimum=-1,
        maximum=255,
        advanced=True,
    ),
    Parameter(
        "image_threshold", "float", "Image threshold", "score from which on an image is anomalous", advanced=True
    ),
    Parameter("pixel_threshold", "float", "Pixel threshold", "score from which on a pixel is anomalous", advanced=True),
    Parameter(
        "normalization_scale",
        "float",
        "Score range",
        "largest score less smallest, with which scores become 0 to 1",
        minimum=0,
        advanced=True,
    ),
)
_ONLY: Mapping[str, tuple[TaskName, ...]] = {
    "multilabel": (TaskName.CLASSIFICATION,),
    "confidence_threshold": (TaskName.CLASSIFICATION, *_OBJECTS),
    "iou_threshold": _OBJECTS,
    "unknown_classes": (TaskName.SEGMENTATION,),
    "soft_threshold": (TaskName.SEGMENTATION,),
    "blur_strength": (TaskName.SEGMENTATION,),
    "image_threshold": _ANOMALY,
    "pixel_threshold": _ANOMALY,
    "normalization_scale": _ANOMALY,
}
"""Tasks that a parameter is for, where it is not for all."""
NAMES = frozenset(("model_type", *(one.name for one in _PARAMETERS)))
"""Of all that can be said of a model, whatever its task."""


def of_task(task: str) -> tuple[Parameter, ...]:
    """Model API's parameters that a person can give for a model of this task."""
    types = Parameter(
        "model_type",
        "choice",
        "Kind of model",
        "how its outputs are to be read, if it does not say so itself",
        options=("", *MODEL_TYPES.get(task, ())),
    )
    kinds = (types,) if task in MODEL_TYPES else ()
    return (*kinds, *(one for one in _PARAMETERS if task in _ONLY.get(one.name, (task,))))


_LOOKS = "its outputs"
"""Where a value comes from that nobody said."""


def model_parameters(
    template: Template, model_info: Mapping[str, str], supposed: Mapping[str, str] | None = None
) -> tuple[Parameter, ...]:
    """The model's settings with their effective values: what it carries, or what the template says for one that
    carries nothing; where neither says anything, what is supposed of it."""
    carried = {key: value for key, value in model_info.items() if value.strip()}
    if names := _label_names(carried.get("label_info", "")):
        carried["labels"] = ", ".join(names)
    known, source = (carried, MODEL) if carried else (template.model_settings, "template.yaml")
    sources = {**dict.fromkeys(supposed or {}, _LOOKS), **dict.fromkeys(known, source)}
    values = {**(supposed or {}), **known}
    parameters = of_task(template.task)
    return tuple(
        _with_value(one, values[one.name], sources[one.name]) if one.name in values else one for one in parameters
    )


def _with_value(parameter: Parameter, text: str, source: str) -> Parameter:
    try:
        text = fields.text(fields.parse(parameter, text))
    except BadOption:
        pass  # shown as it is: the check of the model says what is wrong with it
    return replace(parameter, value=text, source=source)


def _label_names(text: str) -> list[str]:
    try:
        return [str(name) for name in json.loads(text)["label_names"]]
    except (ValueError, KeyError, TypeError):
        return []
