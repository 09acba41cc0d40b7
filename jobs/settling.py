"""Thresholds of a job's models, found on images that measure nothing."""

from functools import partial
from pathlib import Path

import openvino as ov

from jobs import data, measure
from jobs.data import Decoded
from jobs.division import spread
from jobs.image_input import Pixels
from jobs.pair import Pair
from jobs.predictions import Predictions
from jobs.samples import Sample
from jobs.spec import CalibrateOn, Options, Quantization
from jobs.tasks import Ask, Settled

_MOST = 64
"""Images that are asked about, each with copies: more change nothing."""


def original(pair: Pair, device: str, scratch: Path, *, most: int = _MOST) -> Settled:
    """The bound with whatever threshold the model does not say, found on at most so many images."""
    if pair.task.thresholds is None:
        return Settled(pair.bound, {})
    images = partial(_images, pair, scratch, most)
    return pair.task.thresholds.settle(pair.bound, images, _asking(pair, pair.imported.model, device, scratch))


def optimised(pair: Pair, model: ov.Model, device: str, scratch: Path) -> Settled:
    """The bound of the optimised model, from that of the original."""
    if pair.task.thresholds is None:
        return Settled(pair.bound, {})
    before, after = (_asking(pair, one, device, scratch) for one in (pair.imported.model, model))
    return pair.task.thresholds.refit(pair.bound, partial(_images, pair, scratch, _MOST), before, after)


def left_in_float(pair: Pair, options: Options, calibrate_on: CalibrateOn, model: ov.Model) -> tuple[str, ...]:
    """Operations besides the options' own, where calibration images do not tell what range they need."""
    told = calibrate_on is CalibrateOn.ANOMALOUS or not isinstance(options, Quantization)
    return () if pair.task.thresholds is None or told else pair.task.thresholds.head(model)


def _images(pair: Pair, scratch: Path, most: int) -> Pixels:
    """Normal ones that calibrate; where anomalous ones do, those that could."""
    measured = {sample.name for sample in pair.division.validation}
    usable = [one for one in pair.division.calibration if _normal(pair, one)]
    if not usable:
        usable = [one for one in pair.dataset.samples if _normal(pair, one) and one.name not in measured]
    few = spread(usable or pair.division.calibration or pair.division.validation, most)
    return data.decode(few, pair.entry.resize, scratch).pixels


def _normal(pair: Pair, sample: Sample) -> bool:
    may = pair.task.may_calibrate
    return may is None or may(sample.target, CalibrateOn.NORMAL)


def _asking(pair: Pair, model: ov.Model, device: str, scratch: Path) -> Ask:
    exact = {"INFERENCE_PRECISION_HINT": "f32"} if model is pair.imported.model else {}

    def ask(pixels: Pixels) -> Predictions:
        compiled = measure.compile_for(pair.entry.embed(model), device, "throughput", **exact)
        sizes = ((pair.entry.height, pair.entry.width),) * len(pixels)
        return measure.predictions(compiled, Decoded(pixels, (), sizes), pair.bound, scratch)

    return ask
