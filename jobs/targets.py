"""What images that train are labelled with, for a loss on labels."""

from collections.abc import Callable
from dataclasses import dataclass

from jobs.predictions import Array

UNKNOWN = -1
"""In a target where nobody says what is right."""


@dataclass(frozen=True)
class Targets:
    """What one of a model's outputs should say of each image."""

    output: int
    """Which of them."""
    labels: tuple[int, ...]
    """The label of each of its channels; several channels may share one."""
    of: Callable[[int], Array]
    """Place of an image to its target, int64: its label [], or the labels of its pixels [h, w] in the model's input.

    Where labels do not exclude each other, 0 or 1 for each channel: [channels], or [channels, h, w].
    """
    known: int
    """How many images have one."""
    axis: int = 1
    """Of the channels in the output; 0 is that of images."""
    exclusive: bool = True
    """Whether one label is right and all others wrong."""
    probabilities: bool | None = None
    """Whether the output gives probabilities rather than logits; None where only its values tell."""
