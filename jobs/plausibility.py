"""Whether the original makes sense on a few labelled images, before anybody asks what quantizing costs it."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino as ov

from jobs import data, measure, stats, titles
from jobs.data import Decoded
from jobs.division import spread
from jobs.findings import Problem
from jobs.image_input import ImageInput
from jobs.numbers import percent
from jobs.pair import Pair
from jobs.tasks import Scores

_IMAGES = 64
_SECONDS = 6.0  # for a slow model there are fewer images
_FEWEST = 8
_SURE = 0.01  # p below which a difference is none of chance's
_WORTH_SAYING = 0.02  # gained on the primary metric


def is_guessing(pair: Pair, value: float) -> bool:
    """Whether so much on the primary metric is hardly more than guessing reaches."""
    chance = pair.task.chance(pair.bound)
    return value <= min(1.5 * chance, chance + 0.1 * (1 - chance))


def doubts(pair: Pair, device: str, scratch: Path) -> list[Problem]:
    """Warnings about how images are prepared: no better than guessing, or surely better with colours the other way.

    Models and those who feed them disagree on which colour comes first more often than on anything else; no file says
    it in a way that all tools mean alike, so it is tried.
    """
    if not pair.labelled:
        return []
    validation = pair.division.validation

    def ready(entry: ImageInput) -> ov.CompiledModel:
        return measure.compile_for(entry.embed(pair.imported.model), device, "throughput")

    def tried(compiled: ov.CompiledModel, decoded: Decoded) -> Scores:
        answers = measure.predictions(compiled, decoded, pair.bound, scratch)
        return pair.task.score(answers, pair.task.truth(decoded.samples, pair.bound), pair.bound)

    compiled = ready(pair.entry)
    two = data.decode(spread(validation, 2), pair.entry.resize, scratch)
    start = time.perf_counter()
    tried(compiled, two)
    affordable = _SECONDS / 2 / (time.perf_counter() - start) * len(two.samples)
    few = spread(validation, int(np.clip(affordable, _FEWEST, _IMAGES)))
    decoded = data.decode(few, pair.entry.resize, scratch)

    as_set = tried(compiled, decoded)
    if pair.entry.channels == 3:
        swapped = tried(ready(replace(pair.entry, reverse=not pair.entry.reverse)), decoded)
        if _better(swapped, as_set) and _value(pair, swapped) - _value(pair, as_set) >= _WORTH_SAYING:
            return [_swap(pair, as_set, swapped, len(few))]
    if is_guessing(pair, _value(pair, as_set)):
        return [_guessing(pair, as_set, len(few))]
    return []


def _value(pair: Pair, scores: Scores) -> float:
    """Of the primary metric."""
    return scores.metrics[pair.task.metrics[0].name]


def _better(one: Scores, other: Scores) -> bool:
    """Exact McNemar test on the images that one of them answers better, on their number alone."""
    difference = one.per_image - other.per_image
    gained, lost = int((difference > 0).sum()), int((difference < 0).sum())
    return gained > lost and stats.mcnemar(lost, gained) < _SURE


def _swap(pair: Pair, as_set: Scores, swapped: Scores, images: int) -> Problem:
    wish = "off" if pair.entry.reverse else "on"
    title = titles.metric(pair.task.metrics[0].name)
    return Problem(
        level="warning",
        where="settings",
        message=f"{title} of the original is {percent(_value(pair, as_set), 0)} on {images} images, and would be"
        f" {percent(_value(pair, swapped), 0)} with red and blue swapped.",
        hint=f"Turn “Blue first” (reverse_input_channels) {wish}, unless you know better.",
    )


def _guessing(pair: Pair, as_set: Scores, images: int) -> Problem:
    title = titles.metric(pair.task.metrics[0].name)
    return Problem(
        level="warning",
        where="settings",
        message=f"{title} of the original is only {percent(_value(pair, as_set), 0)} on {images} images, hardly more"
        " than guessing.",
        hint="Check the order of labels and of colours, mean and scale: then any number below would mean nothing.",
    )
