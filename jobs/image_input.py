"""The input of a model that takes an image, and how an image becomes it.

The parameters and their names are Model API's; settings given by the person win over `rt_info/model_info`. Images are
RGB, 0 to 255; `reverse_input_channels` turns them into BGR for a model that was trained so.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import openvino as ov
from model_api.adapters.utils import RESIZE_TYPES
from numpy.typing import NDArray
from openvino.preprocess import PrePostProcessor

from jobs.errors import BadOption, UnsupportedModel

Pixels = NDArray[np.uint8]

_DEFAULT_SIDE = 224
_MAX_SIDE = 16384
_CHANNELS = (1, 3)
_TYPES = {"f32": np.float32, "f16": np.float16, "f64": np.float64, "u8": np.uint8}
_YES = ("true", "yes", "1", "on")
_NO = ("", "false", "no", "0", "off", "none")


@dataclass(frozen=True)
class ImageInput:
    """What is known of the one image input of a model."""

    name: str
    index: int
    layout: str
    """NCHW or NHWC."""
    height: int
    width: int
    channels: int
    type: str
    """Element type as OpenVINO names it, e.g. f32."""
    mean: tuple[float, ...] = ()
    """One value a channel, in the order the model sees; empty for none."""
    scale: tuple[float, ...] = ()
    """What to divide by, likewise."""
    reverse: bool = False
    resize_type: str = "standard"
    pad_value: int = 0
    guessed: tuple[str, ...] = ()
    """What nobody said and was assumed, in words."""

    @property
    def shape(self) -> list[int]:
        """Shape of one image, batch of one."""
        order = {"N": 1, "C": self.channels, "H": self.height, "W": self.width}
        return [order[axis] for axis in self.layout]

    def resize(self, image: Pixels) -> Pixels:
        """An RGB image [h, w, 3] as the model's size asks: [height, width, channels], still 0 to 255.

        Raises ValueError on an image so narrow that nothing of it would be left.
        """
        if image.shape[:2] != (self.height, self.width):
            more = {"pad_value": self.pad_value} if self.resize_type == "fit_to_window_letterbox" else {}
            try:
                image = self._fit(RESIZE_TYPES[self.resize_type](image, (self.width, self.height), **more))
            except cv2.error as error:
                raise ValueError(f"{image.shape[1]} × {image.shape[0]} pixels cannot be resized") from error
        if self.channels == 1:
            # ITU-R 601, as Pillow and OpenCV turn colours to grey.
            grey = image @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
            return np.rint(grey).astype(np.uint8)[..., None]
        return np.ascontiguousarray(image, dtype=np.uint8)

    def resize_map(self, numbers: Pixels, blank: int) -> Pixels:
        """Numbers of an image's pixels [h, w] to those of the model's input, as `resize` lays it out.

        Each is that of the nearest place, and `blank` where the image was padded.
        """
        inside, kind = np.dstack([numbers, np.ones_like(numbers)]), self.resize_type
        if kind == "crop":  # Model API's own has no choice of how to resize
            top, left = ((have - min(numbers.shape)) // 2 for have in numbers.shape)
            inside, kind = inside[top : top + min(numbers.shape), left : left + min(numbers.shape)], "standard"
        laid = self._fit(RESIZE_TYPES[kind](inside, (self.width, self.height), interpolation=cv2.INTER_NEAREST))
        return np.where(laid[..., 1] > 0, laid[..., 0], np.uint8(blank))

    def _fit(self, image: Pixels) -> Pixels:
        """Model API's resizing that keeps the aspect can be a pixel off, by rounding."""
        image = image[: self.height, : self.width]
        down, right = self.height - image.shape[0], self.width - image.shape[1]
        if not down and not right:
            return image
        return np.pad(image, ((0, down), (0, right), (0, 0)))

    def tensor(self, pixels: Pixels) -> NDArray[Any]:
        """What the untouched model takes, [1, …] in its layout and type, from [height, width, channels] uint8."""
        values: NDArray[Any] = pixels[..., ::-1] if self.reverse else pixels
        if self.mean or self.scale:
            values = values.astype(np.float32)
            if self.mean:
                values = values - np.asarray(self.mean, dtype=np.float32)
            if self.scale:
                values = values / np.asarray(self.scale, dtype=np.float32)
        if self.layout == "NCHW":
            values = values.transpose(2, 0, 1)
        return np.ascontiguousarray(values[None], dtype=_TYPES[self.type])

    def embed(self, model: ov.Model) -> ov.Model:
        """A copy of `model` that takes [1, height, width, channels] uint8 and prepares it as `tensor` does."""
        copy = self.fix_shape(model)
        steps = PrePostProcessor(copy)
        entry = steps.input(self.index)
        entry.tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
        entry.model().set_layout(ov.Layout(self.layout))
        if self.mean or self.scale:
            entry.preprocess().convert_element_type(ov.Type.f32)
        if self.reverse:
            entry.preprocess().reverse_channels()
        if self.mean:
            entry.preprocess().mean(list(self.mean))
        if self.scale:
            entry.preprocess().scale(list(self.scale))
        return steps.build()

    def fix_shape(self, model: ov.Model) -> ov.Model:
        """A copy of `model` for one image of the given size at a time."""
        copy = model.clone()
        if list(copy.inputs[self.index].partial_shape) != [ov.Dimension(side) for side in self.shape]:
            copy.reshape({copy.inputs[self.index]: self.shape})
        return copy


def of(model: ov.Model, settings: Mapping[str, str]) -> ImageInput:
    """The image input of `model`.

    `settings` are Model API's parameters as text, already merged: what the person gave over what the model carries.
    Raises UnsupportedModel when the inputs are not one image, BadOption when a setting does not fit.
    """
    entry = _bare(model, settings)
    entry = replace(
        entry,
        mean=_per_channel(settings, "mean_values", entry.channels),
        scale=_per_channel(settings, "scale_values", entry.channels),
        reverse=entry.channels == 3 and _flag(settings, "reverse_input_channels"),
        resize_type=_choice(settings, "resize_type", "standard", tuple(RESIZE_TYPES)),
        pad_value=_integer(settings, "pad_value", 0, most=255),
    )
    if entry.type == "u8" and (entry.mean or entry.scale):
        left_out = "no mean and scale, since the model takes whole numbers from 0 to 255"
        entry = replace(entry, mean=(), scale=(), guessed=(*entry.guessed, left_out))
    if any(value == 0 for value in entry.scale):
        raise BadOption("A scale of 0 cannot be divided by.", where="scale_values")
    if entry.resize_type == "crop" and entry.height != entry.width:
        raise BadOption(
            f"resize_type crop needs a square input; this one is {entry.width} × {entry.height}.", where="resize_type"
        )
    return entry


def _bare(model: ov.Model, settings: Mapping[str, str]) -> ImageInput:
    """Name, layout, size and type."""
    if len(model.inputs) != 1:
        names = ", ".join(_name(port) for port in model.inputs) or "none"
        raise UnsupportedModel(
            f"The model has {len(model.inputs)} inputs ({names}); a model with one image input is needed.",
            hint="Export the model with its other inputs fixed to constants.",
        )
    port = model.inputs[0]
    if port.partial_shape.rank.is_dynamic or port.partial_shape.rank.get_length() != 4:
        raise UnsupportedModel(
            f"The input {_name(port)} has shape {port.partial_shape}; an image input has four dimensions.",
            hint="Export the model with an input of batch, channels, height and width.",
        )
    dimensions = [-1 if side.is_dynamic else side.get_length() for side in port.partial_shape]
    guessed: list[str] = []
    layout = _layout(model, dimensions, settings, guessed)
    sides = dict(zip(layout, dimensions, strict=True))
    height, width = _size(sides, settings, guessed)
    channels = sides["C"] if sides["C"] > 0 else 3
    if channels not in _CHANNELS:
        raise UnsupportedModel(
            f"The input {_name(port)} has {channels} channels; images have 1 or 3.",
            hint="Set the layout if height, width and channels are in another order.",
        )
    if sides["N"] > 1:
        guessed.append(f"batch of {sides['N']} reshaped to 1")
    type_name = port.element_type.get_type_name()
    if type_name not in _TYPES:
        raise UnsupportedModel(f"The input {_name(port)} takes {type_name}, which is no type for pixels.")
    return ImageInput(_name(port), 0, layout, height, width, channels, type_name, guessed=tuple(guessed))


def _name(port: ov.Output) -> str:
    return str(port.any_name) if port.names else str(port.node.friendly_name)


def _layout(model: ov.Model, dimensions: list[int], settings: Mapping[str, str], guessed: list[str]) -> str:
    said = settings.get("layout", "").upper().rpartition(":")[2].strip(" []")
    said = said.replace(",", "").replace(" ", "")
    if said and said not in ("NCHW", "NHWC"):
        raise BadOption(f"layout is “{said}”; it must be NCHW or NHWC.", where="layout")
    declared = model.get_parameters()[0].layout
    if not said and not declared.empty:
        said = "".join(letter for letter in str(declared) if letter.isalpha())
    if said in ("NCHW", "NHWC"):
        return said
    if dimensions[1] in _CHANNELS and dimensions[3] not in _CHANNELS:
        return "NCHW"
    if dimensions[3] in _CHANNELS and dimensions[1] not in _CHANNELS:
        return "NHWC"
    guessed.append("layout NCHW")
    return "NCHW"


def _size(sides: Mapping[str, int], settings: Mapping[str, str], guessed: list[str]) -> tuple[int, int]:
    sizes = []
    for axis, names in (("H", ("orig_height", "input_frame_height")), ("W", ("orig_width", "input_frame_width"))):
        said = next((_integer(settings, name, 0, most=_MAX_SIDE) for name in names if settings.get(name)), 0)
        if sides[axis] > 0:
            sizes.append(sides[axis])
        elif said > 0:
            sizes.append(said)
        else:
            guessed.append(f"{'height' if axis == 'H' else 'width'} {_DEFAULT_SIDE}, since the model takes any")
            sizes.append(_DEFAULT_SIDE)
    return sizes[0], sizes[1]


def numbers(settings: Mapping[str, str], name: str) -> tuple[float, ...]:
    """A list of numbers, separated by commas or spaces as Model API and OTX write them."""
    text = settings.get(name, "").strip().strip("[]")
    try:
        values = tuple(float(part) for part in text.replace(",", " ").split())
    except ValueError:
        values = (float("nan"),)
    if not all(math.isfinite(value) for value in values):
        raise BadOption(f"{name} must be numbers such as 123.7, 116.3, 103.5; it is “{text}”.", where=name)
    return values


def fraction(settings: Mapping[str, str], name: str, default: float) -> float:
    """A number from 0 to 1, or the default where nothing is said."""
    text = settings.get(name, "").strip()
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise BadOption(f"{name} must be a number from 0 to 1; it is “{text}”.", where=name)
    return value


def _per_channel(settings: Mapping[str, str], name: str, channels: int) -> tuple[float, ...]:
    values = numbers(settings, name)
    if len(values) == 1:
        values *= channels
    if values and len(values) != channels:
        raise BadOption(f"{name} has {len(values)} values for {channels} channels.", where=name)
    neutral = 0.0 if name == "mean_values" else 1.0
    return () if all(value == neutral for value in values) else values


def _flag(settings: Mapping[str, str], name: str) -> bool:
    text = settings.get(name, "").strip()
    if text.lower() not in (*_YES, *_NO):
        raise BadOption(f"{name} must be true or false; it is “{text}”.", where=name)
    return text.lower() in _YES


def _integer(settings: Mapping[str, str], name: str, default: int, *, most: int) -> int:
    """A whole number from 0 on; 114.0 is one too."""
    text = settings.get(name, "").strip()
    try:
        value = float(text) if text else float(default)
    except ValueError:
        value = -1
    if not (value.is_integer() and 0 <= value <= most):
        raise BadOption(f"{name} must be a whole number from 0 to {most}; it is “{text}”.", where=name)
    return int(value)


def _choice(settings: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    text = settings.get(name, "").strip().lower() or default
    if text not in choices:
        raise BadOption(f"{name} is “{text}”; it must be one of {', '.join(choices)}.", where=name)
    return text
