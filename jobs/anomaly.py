"""What the three anomaly tasks share: outputs as a score and a map, thresholds, the truth, words and pictures.

A model gives an image a score and, as a rule, a map with one for each pixel; the higher, the stranger. Scores stay as
they come. A person sees them normalised as in Model API: 0.5 at the threshold, 0 and 1 half a range below and above.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import cv2
import numpy as np
import openvino as ov
from numpy.typing import NDArray

from jobs import image_input, images, masks, palette, roc
from jobs.anomaly_dataset import NORMAL, Defect
from jobs.errors import BadDataset, BadOption, WrongTask
from jobs.findings import ModelFindings
from jobs.image_input import ImageInput
from jobs.predictions import Array, Prediction
from jobs.report import Shape
from jobs.samples import Dataset, Sample
from jobs.tasks import Bound, Marks, Size

ANOMALY = "Anomaly"
ANOMALIB = frozenset(("pred_score", "pred_label", "anomaly_map", "pred_mask"))
"""Outputs of anomalib's own exports, whose thresholds are in the graph."""
_SMALL = 64
"""Pixels of a side of a map that is only looked at."""
_HALF_LOW, _HALF_HIGH = 2.0**-8, 6e4
"""Between these a map's largest score must lie for half precision to hold the map well."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Threshold:
    """From which score on something is anomalous."""

    value: float
    scale: float
    """Range of scores: what makes the difference between 0 and 1."""

    def reached(self, scores: Array) -> Bools:
        """Which of some are as high."""
        found: Bools = scores >= np.float32(self.value)  # a half-precision array would round a plain float
        return found

    def normalised(self, score: Any) -> Any:
        """0 to 1, with 0.5 at the threshold, as Model API has it."""
        return np.clip((score - self.value) / self.scale + 0.5, 0, 1)


@dataclass(frozen=True)
class AnomalyBound(Bound):
    """A Bound with thresholds, for `labels` normal first and then the kinds of defects."""

    image: Threshold | None = None
    """None while it is not known: see jobs.anomaly_thresholds."""
    pixel: Threshold | None = None
    has_map: bool = True
    sealed: bool = False
    """Whether the thresholds are in the graph, so that others would change nothing."""
    low: float | None = None
    """The lowest score, where the model says that and the highest (OTX 1.x) instead of the range."""
    original: "AnomalyBound | None" = None
    """Of an optimised model with thresholds of its own: the model that it is made of."""


# --- a model


def fits(model: ModelFindings, task: str) -> float:
    """`task` is classification, detection or segmentation: exports of OTX differ in that word only."""
    info = model.model_info
    said = " ".join(info.get(key, "") for key in ("model_type", "task_type")).lower()
    ports = [(port.name, port.shape, port.type) for port in model.outputs]
    found = _choose(ports)
    if "anomal" in said:
        meant = info.get("task", "classification").strip().lower()
        able = found.map is not None or (task == "classification" and found.score is not None)
        return (1.0 if meant == task else 0.6) if able else 0.0
    if said.strip():
        return 0.0
    named = {name for name, _, _ in ports}
    if found.map is not None and (named & ANOMALIB or any("anomaly" in name for name in named)):
        return 0.9 if task == "segmentation" else 0.8
    return 0.3 if found.map is not None else 0.0


@dataclass(frozen=True)
class _Outputs:
    """Places of what is read."""

    map: int | None = None
    score: int | None = None


_Port = tuple[str, Sequence[int], str]
"""Name, shape with -1 for what is open, and type."""


def _choose(ports: Sequence[_Port]) -> _Outputs:
    """A map [n, 1, h, w], [n, h, w, 1] or [n, h, w], and a score [n] or [n, 1]; what anomalib calls so comes first."""

    def first(fit: Callable[[Sequence[int]], bool], wanted: str, unwanted: str) -> int | None:
        fitting = [
            (wanted not in name.lower(), place)
            for place, (name, shape, kind) in enumerate(ports)
            if fit(shape) and kind.startswith(("f", "bf")) and unwanted not in name.lower()
        ]
        return min(fitting)[1] if fitting else None

    return _Outputs(first(_is_map, "map", "mask"), first(_is_score, "score", "label"))


def _is_map(shape: Sequence[int]) -> bool:
    sides = list(shape[1:])
    if len(sides) == 3 and 1 in (sides[0], sides[2]):
        sides.remove(1)
    return len(sides) == 2 and all(side == -1 or side > 1 for side in sides)


def _is_score(shape: Sequence[int]) -> bool:
    return len(shape) <= 4 and all(side == 1 for side in shape[1:]) and (not shape or shape[0] in (-1, 1))


def prepared(model: ov.Model, settings: Mapping[str, str]) -> Mapping[str, str]:
    """Exports of anomalib take pixels of 0 to 1, and say nothing of it."""
    names = {name for port in model.outputs for name in port.names}
    told = any(settings.get(name, "").strip() for name in ("mean_values", "scale_values"))
    floats = model.inputs[0].element_type.get_type_name().startswith("f") if len(model.inputs) == 1 else False
    return settings if told or not floats or not names >= ANOMALIB else {**settings, "scale_values": "255"}


def bind(model: ov.Model, settings: Mapping[str, str], dataset: Dataset, *, localises: bool) -> AnomalyBound:
    """A model that gives only a map has its highest value as the score. Raises WrongTask, BadOption."""
    ports = [
        (
            port.any_name if port.names else "",
            [-1 if side.is_dynamic else side.get_length() for side in port.partial_shape],
            port.element_type.get_type_name(),
        )
        for port in model.outputs
        if not port.partial_shape.rank.is_dynamic
    ]
    found = _choose(ports)
    if found.map is None and (localises or found.score is None):
        shapes = ", ".join(str(port.partial_shape) for port in model.outputs)
        raise WrongTask(
            f"The model's output {shapes} has no map of anomaly scores (1 × 1 × height × width), so it cannot say where"
            " an anomaly is.",
            hint="Choose anomaly classification for a model that gives a score only, or export it with its map.",
        )
    names = {name for name, _, _ in ports}
    sealed = names >= ANOMALIB
    entry = image_input.of(model, settings)
    outputs = tuple(place for place in (found.map, found.score) if place is not None)
    read = partial(
        _read, entry=entry, mapped=found.map is not None, scored=found.score is not None, small=not localises
    )
    labels = dataset.labels or (NORMAL,)
    return AnomalyBound(
        outputs=outputs,
        labels=labels,
        from_dataset=tuple(range(len(dataset.labels))),
        read=read,
        image=_threshold(settings, "image_threshold", sealed=sealed),
        pixel=_threshold(settings, "pixel_threshold", sealed=sealed) if found.map is not None else None,
        has_map=found.map is not None,
        sealed=sealed,
        low=_number(settings, "min"),
    )


def _threshold(settings: Mapping[str, str], name: str, *, sealed: bool) -> Threshold | None:
    value = _number(settings, name)
    scale = _number(settings, "normalization_scale")
    low, high = _number(settings, "min"), _number(settings, "max")  # OTX 1.x
    if scale is None and low is not None and high is not None:
        scale = high - low
    if value is None:
        return Threshold(0.5, 1.0) if sealed else None
    if scale is not None and scale <= 0:
        raise BadOption(f"normalization_scale is {scale:g}; it must be above 0.", where="normalization_scale")
    return Threshold(value, scale or 2 * abs(value) or 1.0)


def _number(settings: Mapping[str, str], name: str) -> float | None:
    text = settings.get(name, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadOption(f"{name} must be a number; it is “{text}”.", where=name)
    return value


def _read(
    outputs: Sequence[Array], size: Size, *, entry: ImageInput, mapped: bool, scored: bool, small: bool
) -> Prediction:
    """Score [1] and map [h, w] of the whole image, as half precision where that holds it well."""
    if not mapped:
        return outputs[0].reshape(-1)[:1].astype(np.float32), np.zeros((0, 0), np.float16)
    whole = outputs[0].reshape([side for side in outputs[0].shape if side != 1] or [1, 1]).astype(np.float32)
    whole = _of_image(np.atleast_2d(whole), size, entry)
    score = outputs[1].reshape(-1)[:1].astype(np.float32) if scored else whole.max().reshape(1)
    if small and max(whole.shape) > _SMALL:
        height, width = (max(1, round(side * _SMALL / max(whole.shape))) for side in whole.shape)
        whole = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    return score, _packed(whole)


def _packed(whole: NDArray[np.float32]) -> NDArray[np.float16] | NDArray[np.float32]:
    if _HALF_LOW <= np.abs(whole).max() <= _HALF_HIGH:
        return whole.astype(np.float16)
    return roc.rounded(whole)


def _of_image(whole: NDArray[np.float32], size: Size, entry: ImageInput) -> NDArray[np.float32]:
    """The map without what was padded; what was cut off around it is as normal as the most normal of it."""
    if entry.resize_type == "standard":
        return whole
    height, width = whole.shape
    if entry.resize_type == "crop":
        longer = max(size) / min(size)
        target = (round(height * longer), width) if size[0] > size[1] else (height, round(width * longer))
        down, right = target[0] - height, target[1] - width
        around = ((down // 2, down - down // 2), (right // 2, right - right // 2))
        return np.pad(whole, around, constant_values=whole.min())
    scale = min(height / size[0], width / size[1])
    kept = max(1, min(height, round(size[0] * scale))), max(1, min(width, round(size[1] * scale)))
    letterbox = entry.resize_type == "fit_to_window_letterbox"
    top, left = ((height - kept[0]) // 2, (width - kept[1]) // 2) if letterbox else (0, 0)
    return np.ascontiguousarray(whole[top : top + kept[0], left : left + kept[1]])


# --- the truth


@dataclass(frozen=True)
class Mask:
    """Where an image is anomalous, a bit a pixel."""

    bits: NDArray[np.uint8]
    size: Size

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """[h, w] of 0 and 1"""
        height, width = self.size
        return np.unpackbits(self.bits, count=height * width).reshape(height, width)

    def sized(self, size: Size) -> Bools:
        """The pixels of another size."""
        if self.size == size:
            return self.pixels.astype(np.bool_)
        found: Bools = cv2.resize(self.pixels, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT).astype(np.bool_)
        return found


def packed(pixels: Array) -> Mask:
    """What is not 0 is anomalous."""
    return Mask(np.packbits(pixels != 0), (pixels.shape[0], pixels.shape[1]))


@dataclass(frozen=True)
class Truth:
    """What is wrong with each image, and where."""

    kinds: NDArray[np.int64]
    """[n] number of the label; 0 is normal"""
    masks: tuple[Mask | None, ...]
    """None for a normal image, and for an anomalous one that nobody drew one for."""

    @property
    def anomalous(self) -> Bools:
        """[n]"""
        return self.kinds > 0

    def known(self, place: int) -> bool:
        """Whether it is known of each pixel of this image."""
        return self.kinds[place] == 0 or self.masks[place] is not None


def truth(samples: Sequence[Sample], bound: Bound, *, localises: bool) -> Truth:
    """Masks are read where the task asks for them. Raises BadDataset on one that is damaged."""
    found: list[Defect] = [sample.target for sample in samples]
    drawn = tuple(_mask(one) if localises else None for one in found)
    return Truth(np.array([one.kind for one in found], np.int64), drawn)


_MASK_SIDE = 512
"""Pixels of the longer side of a mask that is kept; models look at less as a rule."""


def _mask(defect: Defect) -> Mask | None:
    """All its files together."""
    whole: NDArray[np.uint8] | None = None
    for path in defect.masks:
        try:
            pixels = (images.load(path).max(2) > 0).astype(np.uint8)
        except images.NoImage as error:
            raise BadDataset(
                f"The mask {path.name} cannot be read: {error}", hint="Replace the file, or remove it.", where=path.name
            ) from error
        if max(pixels.shape) > _MASK_SIDE:
            scale = _MASK_SIDE / max(pixels.shape)
            sides = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
            pixels = cv2.resize(pixels, sides, interpolation=cv2.INTER_NEAREST_EXACT)
        if whole is not None:
            pixels = np.maximum(whole, cv2.resize(pixels, whole.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT))
        whole = pixels
    return None if whole is None else packed(whole)


def agreement(predictions: Sequence[Prediction], bound: Bound, *, how: str) -> Truth:
    """What the original calls anomalous; where that is all or nothing, the upper half of the images, and the highest
    hundredth of the pixels: then the two models agree when they rank alike."""
    assert isinstance(bound, AnomalyBound)
    anomalous = _above(image_scores(predictions), bound.image, 0.5)
    drawn: tuple[Mask | None, ...] = (None,) * len(anomalous)
    if how != "image":
        boxes = how == "boxes" and bound.pixel is not None  # no box anywhere is an answer, too
        cut = bound.pixel.value if boxes and bound.pixel else _pixel_cut(predictions, bound.pixel)
        drawn = tuple(packed(whole >= np.float32(cut)) for _, whole in predictions)
    return Truth(anomalous.astype(np.int64), drawn)


def _above(scores: NDArray[np.float64], threshold: Threshold | None, share: float) -> Bools:
    if threshold is not None:
        found: Bools = scores > threshold.value
        if 0 < found.sum() < len(found):
            return found
    ranks = scores.argsort(kind="stable").argsort(kind="stable")
    upper: Bools = ranks >= len(scores) * share
    return upper


def _pixel_cut(predictions: Sequence[Prediction], threshold: Threshold | None) -> float:
    counts = roc.count((whole, None) for _, whole in predictions).negative
    below = counts.cumsum() / counts.sum()
    if threshold is not None and 0 < below[roc.codes(np.array([threshold.value]))[0]] < 1:
        return threshold.value
    return float(roc.values(np.searchsorted(below, [0.99]))[0])


def image_scores(predictions: Sequence[Prediction]) -> NDArray[np.float64]:
    """[n]"""
    return np.array([score[0] for score, _ in predictions], np.float64)


# --- words and pictures


def describe(prediction: Prediction, bound: Bound) -> tuple[str, float]:
    """Normal or Anomaly, and the normalised score."""
    assert isinstance(bound, AnomalyBound)
    score = float(prediction[0][0])
    if bound.image is None:
        return f"score {score:.4g}", 0.5
    return ANOMALY if score > bound.image.value else NORMAL, float(bound.image.normalised(score))


def describe_truth(real: Truth, i: int, bound: Bound) -> str:
    return ANOMALY if real.kinds[i] else NORMAL


_HEAT = np.array(palette.heat(), np.uint8)


def marks(prediction: Prediction, bound: Bound, size: Size, *, how: str) -> Marks:
    """The map as heat, and what is above the threshold as outlines or boxes; `how` is image, boxes or pixels."""
    assert isinstance(bound, AnomalyBound)
    _, whole = prediction
    if bound.pixel is None or not whole.size:
        return Marks()
    heat = bound.pixel.normalised(_small(whole.astype(np.float32)))
    found = components(bound.pixel.reached(whole), whole)
    shapes: tuple[Shape, ...] = ()
    if how == "boxes":
        sure = [round(float(bound.pixel.normalised(one.score)), 4) for one in found]
        boxes = [one.relative(whole.shape) for one in found]
        shapes = tuple(Shape(label=ANOMALY, score=s, box=box) for s, box in zip(sure, boxes, strict=True))
    if how == "pixels" and (lines := masks.outlines((bound.pixel.reached(whole)).astype(np.uint8))):
        shapes = (Shape(label=ANOMALY, outline=_inside(lines)),)
    return Marks(shapes, _coloured(heat))


def truth_marks(real: Truth, i: int, bound: Bound, size: Size, *, how: str) -> Marks:
    return _drawn(
        real.masks[i], bound.labels[int(real.kinds[i])] if len(bound.labels) > real.kinds[i] else ANOMALY, how
    )


def target_marks(found: Defect, names: Sequence[str], size: Size, *, how: str) -> Marks:
    return _drawn(_mask(found) if how != "image" else None, names[found.kind], how)


def _drawn(mask: Mask | None, label: str, how: str) -> Marks:
    if mask is None:
        return Marks()
    if how == "boxes":
        boxes = components(mask.pixels.astype(np.bool_))
        return Marks(tuple(Shape(label=label, box=one.relative(mask.size)) for one in boxes))
    lines = masks.outlines(mask.pixels)
    return Marks((Shape(label=label, outline=_inside(lines)),) if lines else ())


def _inside(lines: Sequence[tuple[float, ...]]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(min(1.0, max(0.0, number)) for number in line) for line in lines)


_LOOKED_AT = 128
"""Pixels of a side of what a page lays over an image."""
_COLOURS = 32
"""Steps of heat: files are small when neighbours are equal."""


def _small(whole: NDArray[np.float32]) -> NDArray[np.float32]:
    if max(whole.shape) <= _LOOKED_AT:
        return whole
    height, width = (max(1, round(side * _LOOKED_AT / max(whole.shape))) for side in whole.shape)
    small: NDArray[np.float32] = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    return small


def _coloured(heat: Array) -> NDArray[np.uint8]:
    """Normalised scores [h, w] as RGBA: clear well below the threshold, where most of a picture is."""
    steps = np.rint(np.clip((heat - 0.25) / 0.75, 0, 1) * _COLOURS)
    colours: NDArray[np.uint8] = _HEAT[np.minimum(steps * (256 / _COLOURS), 255).astype(np.int64)]
    return colours


@dataclass(frozen=True)
class Component:
    """Pixels that touch each other, at their corners too."""

    box: tuple[int, int, int, int]
    """x0, y0, x1, y1 in pixels of the map"""
    score: float
    """The highest inside."""

    def relative(self, size: Sequence[int]) -> tuple[float, float, float, float]:
        """The box as shares of the image."""
        x0, y0, x1, y1 = self.box
        return x0 / size[1], y0 / size[0], x1 / size[1], y1 / size[0]


def components(above: Bools, scores: Array | None = None) -> list[Component]:
    """Each with the box around it, as OTX makes boxes of a map."""
    count, places, stats, _ = cv2.connectedComponentsWithStats(above.astype(np.uint8))
    highest = np.zeros(count)
    if scores is not None and count > 1:
        np.maximum.at(highest, places[above], scores[above].astype(np.float64))
    return [
        Component((int(x), int(y), int(x + width), int(y + height)), float(highest[number]))
        for number, (x, y, width, height, _) in enumerate(stats)
        if number > 0
    ]


def difference(before: Sequence[Prediction], after: Sequence[Prediction], bound: Bound) -> NDArray[np.float64]:
    """1 plus the shift where the answer changed, else the shift of the normalised score. `bound` is the optimised
    model's, which knows the original's."""
    assert isinstance(bound, AnomalyBound)
    one, other = bound.original or bound, bound
    first, second = image_scores(before), image_scores(after)
    if one.image is None or other.image is None:
        return np.abs(first - second)
    changed = (first > one.image.value) != (second > other.image.value)
    shift = np.abs(one.image.normalised(first) - other.image.normalised(second))
    result: NDArray[np.float64] = np.minimum(shift, 0.999) + changed
    return result


def made_of(bound: AnomalyBound, image: Threshold | None, pixel: Threshold | None) -> AnomalyBound:
    """The bound of an optimised model with thresholds of its own."""
    return replace(bound, image=image, pixel=pixel, original=bound)
