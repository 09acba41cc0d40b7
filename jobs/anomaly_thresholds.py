"""Thresholds of anomaly models: found for a model that has none, and found anew for the one that it became.

OTX copies the thresholds of the float model onto the INT8 model, whose scores are others. Fitting them on the labelled
images that measure would flatter the result, and holding some of those out would leave fewer; both would also move the
point at which the model works, which somebody chose. So both models are asked about images that measure nothing: normal
ones of the training split, as they are and with patches drawn over them, so that scores reach as high as defects do.
The optimised model's threshold is the score that has the same rank among its answers as the original's threshold has
among the original's; so it flags as much as the original flagged. Measured on test images of three PaDiMs, calibrated
either way: with copied thresholds one of them flagged every image where the original flagged 63 %, and with its own
61 %, agreeing with the original on 84 % of the images, where no threshold could do better than 87 %; the two others
agreed on all images. A line through the pairs of scores near the threshold did as well, one through those of normal
images alone did not, since they end below it. Where scores hardly move, so does the threshold.

A model without any thresholds gets those at which it best tells the images from their patched copies (Youden's index,
since there may be more of the one kind) and patched pixels from others (F1), as anomalib does with made-up anomalies.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from jobs.anomaly import AnomalyBound, Threshold, image_scores, made_of
from jobs.predictions import Prediction
from jobs.roc import Bools, Floats
from jobs.tasks import Ask, Bound, Images, Scores, Settled

Pixels = NDArray[np.uint8]

_COPIES = 3
"""Patched copies of each image, at most."""
_ASKED = 128
"""Images and copies that models are asked about, as a rule."""
_PIXELS = 1 << 21
"""Pixels whose scores are sorted at most."""


# --- images


def patched(pixels: Pixels, *, seed: int = 0) -> tuple[Pixels, Bools]:
    """Images [n, h, w, c] with one to three patches of other images laid over each, more or less clear, upside down or
    in the colours of a negative; and where they are [n, h, w]."""
    rng = np.random.default_rng(seed)
    n, height, width, _ = pixels.shape
    made, where = pixels.copy(), np.zeros((n, height, width), np.bool_)
    for image, mask in zip(made, where, strict=True):
        for _ in range(rng.integers(1, 4)):
            tall, wide = (int(rng.integers(max(1, side // 32), max(2, side // 4))) for side in (height, width))
            top, left, y, x = (int(rng.integers(side)) for side in (height - tall + 1, width - wide + 1) * 2)
            patch = pixels[rng.integers(n), top : top + tall, left : left + wide].astype(np.float32)
            patch = 255 - patch if rng.random() < 0.5 else patch[::-1, :, ::-1]
            clear = rng.uniform(0.2, 1)
            spot = slice(y, y + tall), slice(x, x + wide)
            image[spot] = clear * patch + (1 - clear) * image[spot]
            mask[spot] = True
    return made, where


def _all(pixels: Pixels) -> tuple[Pixels, Bools]:
    """The images and patched copies of them, and where those are patched."""
    count = min(_COPIES, max(1, _ASKED // len(pixels) - 1))
    copies = [patched(pixels, seed=seed) for seed in range(count)]
    masks = [np.zeros(pixels.shape[:3], np.bool_), *(mask for _, mask in copies)]
    return np.concatenate([pixels, *(copy for copy, _ in copies)]), np.concatenate(masks)


# --- for a model that has none


def settle(bound: Bound, normal: Images, ask: Ask) -> Settled:
    """Thresholds that the bound lacks, from normal images."""
    assert isinstance(bound, AnomalyBound)
    if bound.image is not None and (bound.pixel is not None or not bound.has_map):
        return Settled(bound, {})
    pixels = normal()
    images, masks = _all(pixels)
    said = ask(images)
    scores = image_scores(said)
    cut = bound.image.value if bound.image else best_cut(scores, np.asarray(masks.any((1, 2))), youden)
    scale = (
        bound.image.scale if bound.image else 2 * max(float(np.ptp(scores)) / 2, abs(cut - float(scores.min())), 1e-12)
    )
    image = Threshold(cut, scale)
    pixel = bound.pixel
    if pixel is None and bound.has_map:
        pixel = Threshold(best_cut(*_few_pixels(said, masks), f1), scale)
    note = (
        f"The model says no {_missing(bound)}, so {'it was' if bound.image else 'they were'} fitted on"
        f" {len(pixels)} normal images and copies with patches over them: {_words(image, pixel)}."
        " AUROC does not hang on them, F1 does."
    )
    return Settled(replace(bound, image=image, pixel=pixel), model_info(image, pixel), (note,))


def _missing(bound: AnomalyBound) -> str:
    return "threshold of pixels" if bound.image else "thresholds"


def _words(image: Threshold, pixel: Threshold | None) -> str:
    return f"image {image.value:.4g}" + (f", pixel {pixel.value:.4g}" if pixel else "")


_Worth = Callable[[Floats, Floats, int, int], Floats]
"""How good it is to say yes, from how many are right and wrong and how many there are of both kinds."""


def youden(right: Floats, wrong: Floats, positives: int, negatives: int) -> Floats:
    """Share of the positives found less share of the negatives taken for some (Youden 1950)."""
    return right / max(positives, 1) - wrong / max(negatives, 1)


def f1(right: Floats, wrong: Floats, positives: int, negatives: int) -> Floats:
    """The harmonic mean of precision and recall."""
    return 2 * right / (right + wrong + max(positives, 1))


def best_cut(scores: Floats, positive: Bools, worth: _Worth) -> float:
    """The score from which on to say yes, in the middle of the gap that it may lie in."""
    order = np.argsort(-scores, kind="stable")
    falling, real = scores[order], positive[order].astype(np.float64)
    right = np.cumsum(real)
    wrong = np.arange(1, len(real) + 1) - right
    positives = int(real.sum())
    ends = np.append(falling[1:] != falling[:-1], True)  # equal scores are cut together
    place = int(np.where(ends, worth(right, wrong, positives, len(real) - positives), -1).argmax())
    return float(falling[place] if place + 1 == len(falling) else (falling[place] + falling[place + 1]) / 2)


def _few_pixels(said: Sequence[Prediction], masks: Bools) -> tuple[Floats, Bools]:
    """Scores of so many pixels that they can be sorted, and whether each was patched."""
    step = _step(said)
    scores, real = [], []
    for (_, whole), mask in zip(said, masks, strict=True):
        rows = np.arange(whole.shape[0]) * mask.shape[0] // whole.shape[0]
        columns = np.arange(whole.shape[1]) * mask.shape[1] // whole.shape[1]
        scores.append(whole.ravel()[::step].astype(np.float64))
        real.append(mask[np.ix_(rows, columns)].ravel()[::step])
    return np.concatenate(scores), np.concatenate(real)


def _step(said: Sequence[Prediction]) -> int:
    """Every so manieth pixel is taken; odd, so that it does not stay in a column."""
    return max(1, sum(whole.size for _, whole in said) // _PIXELS) | 1


# --- for a model that was made of another


def refit(bound: Bound, normal: Images, before: Ask, after: Ask) -> Settled:
    """Thresholds of the optimised model, from what both say of normal images and of patched copies."""
    assert isinstance(bound, AnomalyBound)
    if bound.image is None:
        return Settled(made_of(bound, None, bound.pixel), {})
    if bound.sealed:
        note = "The thresholds are inside the model's graph, so they are those of the original, and stay."
        return Settled(made_of(bound, bound.image, bound.pixel), {}, (note,))
    pixels = normal()
    images, _ = _all(pixels)
    said, says = before(images), after(images)
    image, pixel = _ranked(bound, bound.image, said, says)
    info = model_info(image, pixel)
    if bound.low is not None:
        low = same_rank(bound.low, *(np.sort(image_scores(each)) for each in (said, says)))
        info |= {"min": _text(low), "max": _text(low + image.scale)}
    note = (
        f"Thresholds were fitted anew for the optimised model, on {len(pixels)} normal images that measure nothing and"
        f" copies with patches over them: {_words(bound.image, bound.pixel)} became {_words(image, pixel)}."
    )
    return Settled(made_of(bound, image, pixel), info, (note,))


def matched(bound: Bound, before: Sequence[Prediction], after: Sequence[Prediction]) -> Bound:
    """The same from what both said of any images, for a model that is only tried: neither is asked anything."""
    assert isinstance(bound, AnomalyBound)
    if bound.image is None or bound.sealed:
        return made_of(bound, bound.image, bound.pixel)
    return made_of(bound, *_ranked(bound, bound.image, before, after))


def _ranked(
    bound: AnomalyBound, image: Threshold, said: Sequence[Prediction], says: Sequence[Prediction]
) -> tuple[Threshold, Threshold | None]:
    """Of images, which the original has as `image`, and of pixels: those of the same rank among the answers."""
    one, other = np.sort(image_scores(said)), np.sort(image_scores(says))
    stretch = _spread(other) / _spread(one) if _spread(one) > 0 and _spread(other) > 0 else 1.0
    scale = image.scale * stretch
    pixel = bound.pixel
    if pixel is not None:
        step = _step(said)
        flat = [np.sort(np.concatenate([whole.ravel()[::step] for _, whole in each])) for each in (said, says)]
        pixel = Threshold(same_rank(pixel.value, *(each.astype(np.float64) for each in flat)), scale)
    return Threshold(same_rank(image.value, one, other), scale), pixel


def same_rank(value: float, one: Floats, other: Floats) -> float:
    """The value that stands among `other` [n] where `value` stands among `one` [n], both rising; beyond their ends as
    far off as their spreads tell."""
    low, high = float(one[0]), float(one[-1])
    if low < value < high:
        return float(np.interp(value, one, other))
    stretch = _spread(other) / _spread(one) if _spread(one) > 0 else 1.0
    end, mapped = (low, float(other[0])) if value <= low else (high, float(other[-1]))
    return mapped + (value - end) * stretch


def _spread(rising: Floats) -> float:
    """Distance between the ends of the middle four fifths."""
    low, high = np.quantile(rising, [0.1, 0.9])
    return float(high - low)


def model_info(image: Threshold, pixel: Threshold | None) -> dict[str, str]:
    """As Model API reads it."""
    found = {"image_threshold": _text(image.value), "normalization_scale": _text(image.scale)}
    return found | ({"pixel_threshold": _text(pixel.value)} if pixel else {})


def _text(value: float) -> str:
    return f"{value:.7g}"


def compared(copied: Scores, fitted: Scores) -> tuple[str, ...]:
    """What copying the original's thresholds, as OTX does, would have cost or won."""
    names = {"image_f1": "image F1", "pixel_f1": "pixel F1", "box_f1": "box F1"}
    known = [name for name in names if name in copied.metrics and name in fitted.metrics]
    told = [(names[name], f"{copied.metrics[name]:.3f}", f"{fitted.metrics[name]:.3f}") for name in known]
    differing = [f"{words} {one} instead of {other}" for words, one, other in told if one != other]
    if differing:
        return (f"With the original's thresholds copied, as OTX does, it would have {', '.join(differing)}.",)
    return ("With the original's thresholds copied, as OTX does, F1 would be the same here.",) if told else ()
