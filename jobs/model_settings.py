"""What a person can say of a model, by Model API's names, and what the model or its template says itself."""

import json
from collections.abc import Mapping
from dataclasses import replace

from jobs import fields
from jobs.errors import BadOption
from jobs.fields import Parameter
from jobs.recipe import MODEL
from jobs.template_files import Template

_RESIZES = ("standard", "fit_to_window", "fit_to_window_letterbox", "crop")

MODEL_PARAMETERS = (
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
)
"""Model API's parameters that a person can give."""


def model_parameters(template: Template, model_info: Mapping[str, str]) -> tuple[Parameter, ...]:
    """The model's settings with their effective values: what it carries, or what the template says for one that
    carries nothing."""
    carried = {key: value for key, value in model_info.items() if value.strip()}
    if names := _label_names(carried.get("label_info", "")):
        carried["labels"] = ", ".join(names)
    known, source = (carried, MODEL) if carried else (template.model_settings, "template.yaml")
    return tuple(_with_value(one, known[one.name], source) if one.name in known else one for one in MODEL_PARAMETERS)


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
