"""Whether the original makes sense on a few labelled images, before anybody asks what quantizing costs it."""

from dataclasses import replace
from pathlib import Path

from jobs import data, measure, stats
from jobs.division import spread
from jobs.findings import Problem
from jobs.image_input import ImageInput
from jobs.pair import Pair
from jobs.tasks import Scores

_IMAGES = 64
_SURE = 0.01  # p below which a difference is none of chance's


def is_guessing(pair: Pair, value: float) -> bool:
    """Whether so much on the primary metric is hardly more than guessing reaches."""
    return value <= 1.5 * pair.task.chance(pair.bound)


def doubts(pair: Pair, device: str, scratch: Path) -> list[Problem]:
    """Warnings about how images are prepared: no better than guessing, or surely better with colours the other way.

    Models and those who feed them disagree on which colour comes first more often than on anything else; no file says
    it in a way that all tools mean alike, so it is tried.
    """
    if not pair.labelled:
        return []
    few = spread(pair.division.validation, _IMAGES)
    decoded = data.decode(few, pair.entry.resize, scratch)
    real = pair.task.truth(decoded.samples, pair.bound)

    def tried(entry: ImageInput) -> Scores:
        compiled = measure.compile_for(entry.embed(pair.imported.model), device, "throughput")
        predictions = measure.predictions(compiled, decoded, pair.bound, scratch)
        return pair.task.score(predictions, real, pair.bound)

    as_set = tried(pair.entry)
    if pair.entry.channels == 3:
        swapped = tried(replace(pair.entry, reverse=not pair.entry.reverse))
        if _better(swapped, as_set):
            return [_swap(pair.entry, as_set, swapped, len(few))]
    if is_guessing(pair, _right(as_set)):
        return [_guessing(as_set, len(few))]
    return []


def _right(scores: Scores) -> float:
    """Share of images answered right."""
    return float(scores.per_image.mean())


def _better(one: Scores, other: Scores) -> bool:
    """Exact McNemar test on the images that only one of them answers right."""
    difference = one.per_image - other.per_image
    gained, lost = int((difference > 0).sum()), int((difference < 0).sum())
    return gained > lost and stats.mcnemar(lost, gained) < _SURE


def _swap(entry: ImageInput, as_set: Scores, swapped: Scores, images: int) -> Problem:
    wish = "off" if entry.reverse else "on"
    return Problem(
        level="warning",
        where="settings",
        message=f"With red and blue swapped, the original is right on {_right(swapped):.0%} of {images} images"
        f" instead of {_right(as_set):.0%}.",
        hint=f"Turn “Blue first” (reverse_input_channels) {wish}, unless you know better.",
    )


def _guessing(as_set: Scores, images: int) -> Problem:
    return Problem(
        level="warning",
        where="settings",
        message=f"The original is right on only {_right(as_set):.0%} of {images} images, hardly more than guessing.",
        hint="Check the order of labels and of colours, mean and scale: then any number below would mean nothing.",
    )
