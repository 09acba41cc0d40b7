"""The output of a segmentation model that holds its map, and how it is read.

A map is [1, classes, height, width] of scores, also with the classes last, [1, 1, height, width] of one class's scores,
or [1, height, width] of classes' numbers. As with Model API, the best class of each pixel is taken on the map as it is,
and what follows goes to the image's size by the nearest pixel. Model API itself reads no map whose classes are last or
which holds numbers, and forgets what was padded; apart from that, both agree pixel by pixel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
import openvino as ov
from numpy.typing import NDArray

from jobs import explaining, label_maps
from jobs.errors import UnsupportedModel, WrongTask
from jobs.image_input import ImageInput
from jobs.label_codes import VOID
from jobs.label_maps import Map
from jobs.predictions import Array, Prediction

"""What OTX's models give besides, for explanations."""
_COARSEST = 8.5  # pixels a side of the image to one of the map; detectors give coarser ones
_MOST_CLASSES = 255
_SAMPLED = 64  # pixels a side that tell how sure a model is


class Holds(StrEnum):
    """What a map holds for each pixel."""

    SCORES = "scores"
    """One a class."""
    ONE = "one"
    """The score of a single class."""
    NUMBERS = "numbers"
    """The number of a class."""


@dataclass(frozen=True)
class MapOutput:
    """Where the map is and what it holds."""

    place: int
    """Among the outputs."""
    holds: Holds
    classes: int
    """How many it can tell apart; 0 where it holds numbers, which do not say."""
    last: bool = False
    """Whether classes are the last dimension."""
    squash: bool = False
    """Whether the score of a single class still has to become a probability."""


def looks_like_one(shape: Sequence[int], type_name: str, entry: Sequence[int]) -> MapOutput | None:
    """What an output [1, …] holds if it is a map; `entry` is height and width of the input, -1 where any."""
    shape = tuple(shape)
    numbers = type_name.startswith(("i", "u", "boolean"))
    if len(shape) == 3 and _covers(shape[1:], entry):
        return MapOutput(0, Holds.NUMBERS, 0) if numbers else MapOutput(0, Holds.ONE, 2)
    if len(shape) != 4:
        return None
    first, last = _covers(shape[2:], entry), _covers(shape[1:3], entry)
    if not first and not last:
        return None
    channels = shape[1] if first else shape[3]
    if not 0 < channels <= _MOST_CLASSES:
        return None
    if channels == 1:
        return MapOutput(0, Holds.NUMBERS if numbers else Holds.ONE, 0 if numbers else 2, not first)
    return None if numbers else MapOutput(0, Holds.SCORES, channels, not first)


def _covers(sides: Sequence[int], entry: Sequence[int]) -> bool:
    """Whether these are height and width of a map of the whole input."""
    if 1 in sides:
        return False
    known = [(side, whole) for side, whole in zip(sides, entry, strict=True) if side > 0 and whole > 0]
    scale = max((side / whole for side, whole in known), default=1.0)
    return scale * _COARSEST >= 1 and all(abs(side - scale * whole) <= 1 for side, whole in known)


def find(model: ov.Model, entry: ImageInput) -> MapOutput:
    """The largest map among the outputs; of equal ones the first. Raises WrongTask, UnsupportedModel."""
    fixed = entry.fix_shape(model)
    found: list[tuple[int, MapOutput]] = []
    for place, port in enumerate(fixed.outputs):
        if port.partial_shape.rank.is_dynamic or explaining.is_one(_name(port)):
            continue
        shape = [-1 if side.is_dynamic else side.get_length() for side in port.partial_shape]
        one = looks_like_one(shape, port.element_type.get_type_name(), (entry.height, entry.width))
        if one is not None:
            found.append((shape[1 if one.last or len(shape) == 3 else 2], _with_graph(one, place, port)))
    if found:
        return max(found, key=lambda pair: pair[0])[1]
    shapes = ", ".join(str(port.partial_shape) for port in model.outputs)
    if any(port.partial_shape.is_dynamic for port in fixed.outputs):
        raise UnsupportedModel(
            f"The model's output {shapes} has no fixed shape, so it cannot be told whether it is a map.",
            hint="Export the model with a fixed input size.",
        )
    raise WrongTask(
        f"The model's output {shapes} is no map of classes over the image, so this is no semantic segmentation.",
        hint="Choose the task the model was trained for, or export it with one output of shape"
        " [1, classes, height, width].",
    )


def _name(port: ov.Output) -> str:
    return str(port.any_name) if port.names else ""


_PASSING = ("Result", "Convert", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "FakeQuantize")
_PICKING = ("TopK", "ArgMax")
_LINEAR = ("MatMul", "Add", "Convolution", "GroupConvolution", "ConvolutionBackpropData", "Interpolate", "Multiply")


def _with_graph(output: MapOutput, place: int, port: ov.Output) -> MapOutput:
    """What only the graph says: floats may be numbers of classes, and scores no probabilities yet."""
    source = port
    while source.get_node().get_type_name() in _PASSING:
        source = source.get_node().input_value(0)
    node = source.get_node().get_type_name()
    holds, classes = output.holds, output.classes
    if (holds == Holds.ONE and node in _PICKING and source.get_index() == 1) or node == "ArgMax":
        holds, classes = Holds.NUMBERS, 0
    squash = holds == Holds.ONE and node in _LINEAR
    return MapOutput(place, holds, classes, output.last, squash)


@dataclass(frozen=True)
class Reader:
    """Reads the map of one image."""

    output: MapOutput
    entry: ImageInput
    places: Map
    """[256] label of each class of the map."""
    soft_threshold: float = -np.inf
    """Scores below are 0, so that the first class gets what no class is sure of."""
    blur_strength: int = -1
    """Pixels over which scores are averaged before; -1 for neither."""

    def __call__(self, outputs: Sequence[Array], size: tuple[int, int]) -> Prediction:
        """The output for a batch of one to the packed map of the image, its shape, and how sure it is [1]."""
        numbers, sure = self._numbers(outputs[0][0])
        whole = unpadded(self.places[numbers], self.entry, size)
        return (*label_maps.pack(whole), np.array([sure], np.float32))

    def _numbers(self, values: Array) -> tuple[Map, float]:
        """The class of each pixel of the map."""
        if self.output.holds == Holds.NUMBERS:
            numbers = np.rint(values.reshape(_sides(values, self.output)))
            return np.where((numbers < 0) | (numbers >= VOID), VOID, numbers).astype(np.uint8), 1.0
        if self.output.holds == Holds.ONE:
            score = values.reshape(_sides(values, self.output)).astype(np.float32)
            likely = 1 / (1 + np.exp(-np.clip(score, -80, 80))) if self.output.squash else score
            return (likely >= 0.5).astype(np.uint8), float(np.clip(np.maximum(likely, 1 - likely), 0, 1).mean())
        scores = np.moveaxis(values, -1, 0) if self.output.last else values
        if self.blur_strength > 0 and np.isfinite(self.soft_threshold):
            side = (self.blur_strength, self.blur_strength)
            scores = np.stack([cv2.blur(np.ascontiguousarray(one, np.float32), side) for one in scores])
            scores[scores < self.soft_threshold] = 0
        return _best(scores), _sureness(scores)


def _best(scores: Array) -> Map:
    """The place of the highest score of each pixel, of equal ones the first; five times as fast as NumPy's argmax."""
    best = scores[0].copy()
    numbers: Map = np.zeros(best.shape, np.uint8)
    for place, score in enumerate(scores[1:], start=1):
        higher = score > best
        np.maximum(best, score, out=best)
        np.maximum(numbers, higher.view(np.uint8) * np.uint8(place), out=numbers)
    return numbers


def _sides(values: Array, output: MapOutput) -> tuple[int, ...]:
    """Height and width of a map of one channel."""
    if values.ndim == 2:
        return values.shape
    return values.shape[:2] if output.last else values.shape[1:]


def _sureness(scores: Array) -> float:
    """Mean probability of the best class, on some of the pixels."""
    step = max(1, min(scores.shape[1:]) // _SAMPLED)
    some = scores[:, ::step, ::step].astype(np.float64)
    if some.min() >= -1e-6 and abs(some.sum(0) - 1).max() <= 1e-2:
        return float(np.clip(some.max(0).mean(), 0, 1))
    powers = np.exp(some - some.max(0))
    return float((1 / powers.sum(0)).mean())


def unpadded(numbers: Map, entry: ImageInput, size: tuple[int, int]) -> Map:
    """The map [h, w] of the model's input as one of the image alone, whose height and width are `size`.

    What was padded is cut off; what was cut off is VOID: nobody asked the model about it.
    """
    if entry.resize_type == "standard":
        return numbers
    height, width = size
    if entry.resize_type == "crop":
        return _with_void(numbers, height, width)
    scale = min(entry.height / height, entry.width / width)
    inside = min(entry.height, round(height * scale)), min(entry.width, round(width * scale))
    centred = entry.resize_type == "fit_to_window_letterbox"
    rows, columns = (
        _part(have, whole, part, centred)
        for have, whole, part in zip(numbers.shape, (entry.height, entry.width), inside, strict=True)
    )
    return numbers[rows, columns]


def _part(have: int, whole: int, part: int, centred: bool) -> slice:
    """Where `part` of `whole` pixels lie in a map of `have`."""
    start = (whole - part) // 2 if centred else 0
    first, end = (int(edge * have / whole + 0.5) for edge in (start, start + part))
    return slice(first, max(first + 1, end))


def _with_void(numbers: Map, height: int, width: int) -> Map:
    """A map of the middle square as one of the whole image."""
    scale = len(numbers) / min(height, width)
    whole: NDArray[np.uint8] = np.full((round(height * scale), round(width * scale)), VOID, np.uint8)
    top, left = ((have - side) // 2 for have, side in zip(whole.shape, numbers.shape, strict=True))
    whole[top : top + numbers.shape[0], left : left + numbers.shape[1]] = numbers
    return whole
