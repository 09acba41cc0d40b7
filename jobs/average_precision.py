"""Average precision of objects as COCO defines it, of a dataset and of single images, and how far a drop is known."""

import numpy as np
from numpy.typing import NDArray

from jobs.intervals import Interval
from jobs.matching import THRESHOLDS, Bools, Floats, Ints, Matches

Singles = NDArray[np.float32]

_RECALLS = np.linspace(0, 1, 101)
"""At which precision is read."""
_RESAMPLES = 250
_BLOCK = 1 << 22  # numbers in an array while resampling


def per_class(matches: Matches) -> Floats:
    """[classes, 10] average precision at each threshold; NaN for a class without objects."""
    objects = np.bincount(matches.object_label, minlength=matches.classes)
    areas = _areas(matches.found, ~matches.ignored, matches.label, objects)
    areas[objects == 0] = np.nan
    return areas


def per_image(matches: Matches) -> Floats:
    """[images] average precision over the classes and thresholds of each image alone.

    An image without objects is worth 1 where nothing is predicted, and the less the surer a prediction is.
    """
    pairs, objects = np.unique(matches.object_image * matches.classes + matches.object_label, return_counts=True)
    pair = matches.image * matches.classes + matches.label
    known = np.isin(pair, pairs)
    group = np.searchsorted(pairs, pair[known])
    areas = _areas(matches.found[:, known], ~matches.ignored[:, known], group, objects).mean(1)
    image = pairs // matches.classes
    sums, counts = (np.bincount(image, weights, minlength=matches.images) for weights in (areas, None))
    surest = np.zeros(matches.images)
    np.maximum.at(surest, matches.image, np.where(matches.ignored[0], 0, matches.score))
    return np.where(counts > 0, sums / np.maximum(counts, 1), 1 - surest)


def _areas(found: Bools, counted: Bools, group: Ints, objects: Ints) -> Floats:
    """[groups, 10] average precision of each group of predictions [10, p], the surest first, and its objects."""
    order = np.argsort(group, kind="stable")
    group = group[order]
    starts = np.searchsorted(group, np.arange(len(objects)))
    result = np.zeros((len(objects), len(THRESHOLDS)))
    for threshold in range(len(THRESHOLDS)):
        right, judged = found[threshold][order], counted[threshold][order]
        hits, total = _within(right, group, starts), _within(judged, group, starts)
        rows = np.flatnonzero(right)
        owner = group[rows]
        precision = hits[rows] / total[rows]
        # Of each and all that follow in its group: later groups lie higher when walked backwards.
        envelope = np.maximum.accumulate((precision - owner)[::-1])[::-1] + owner
        reached = np.searchsorted(_RECALLS, hits[rows] / objects[owner], side="right")
        first = np.diff(owner, prepend=-1) > 0
        steps = reached - np.where(first, 0, np.roll(reached, 1))
        result[:, threshold] = np.bincount(owner, envelope * steps, minlength=len(objects)) / len(_RECALLS)
    return result


def _within(flags: Bools, group: Ints, starts: Ints) -> Ints:
    """Running count inside each group."""
    running = np.concatenate([[0], np.cumsum(flags)])
    inside: Ints = running[1:] - running[starts][group]
    return inside


def drop(before: Matches, after: Matches) -> Interval:
    """How much the mean average precision fell, with a 95 % interval: paired bootstrap over images.

    There must be an object.
    """
    n = before.images
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES).T.astype(np.float32)
    draws = _means(before, drawn) - _means(after, drawn)
    value = float(np.nanmean(per_class(before)) - np.nanmean(per_class(after)))
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(value, min(value, float(low)), max(value, float(high)))


def _means(matches: Matches, drawn: Singles) -> Floats:
    """[resamples] mean average precision when each image counts as often as `drawn` [images, resamples] says."""
    objects = matches.objects.T.astype(np.float32) @ drawn
    areas = np.zeros_like(objects)
    for label in np.flatnonzero(matches.objects.sum(0)):
        areas[label] = _weighted_areas(matches, matches.label == label, objects[label], drawn)
    there = objects > 0
    means: Floats = np.where(there, areas, 0).sum(0, dtype=np.float64) / np.maximum(there.sum(0), 1)
    return means


def _weighted_areas(matches: Matches, chosen: Bools, objects: Singles, drawn: Singles) -> Singles:
    """[resamples] average precision of the chosen predictions, over the thresholds.

    Precision matters only where an object was found, so what lies between is summed up to there at once.
    """
    found, ignored, image = matches.found[:, chosen], matches.ignored[:, chosen], matches.image[chosen]
    stops = np.flatnonzero(found.any(0))
    result = np.zeros(drawn.shape[1], np.float32)
    if not len(stops):
        return result
    width = max(1, _BLOCK // len(stops))
    for columns in (slice(start, start + width) for start in range(0, drawn.shape[1], width)):
        weights = np.ascontiguousarray(drawn[:, columns])
        counted = _down_to(stops, image, weights)
        for at in range(len(THRESHOLDS)):
            here = found[at, stops]
            hits = weights[image[stops[here]]].cumsum(0)
            total = counted[here]
            if ignored[at].any():
                total -= _down_to(stops, image[ignored[at]], weights, np.flatnonzero(ignored[at]))[here]
            result[columns] += _area(hits, total, objects[columns])
    return result / np.float32(len(THRESHOLDS))


def _down_to(stops: Ints, image: Ints, weights: Singles, places: Ints | None = None) -> Singles:
    """[stops, resamples] weight of the predictions down to each stop; they are at `places`, all of them by default."""
    from scipy.sparse import csr_array

    stop = np.searchsorted(stops, np.arange(len(image)) if places is None else places)
    before = stop < len(stops)
    ones = np.ones(int(before.sum()), np.float32)
    between = csr_array((ones, (stop[before], image[before])), shape=(len(stops), len(weights)))
    weight: Singles = (between @ weights).cumsum(0)
    return weight


def _area(hits: Singles, total: Singles, objects: Singles) -> Singles:
    """[resamples] area under precision over recall, from running weights [hits, resamples]."""
    if not len(hits):
        return np.zeros_like(objects)
    precision = hits / np.maximum(total, 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    reached = np.floor(hits * (100 / np.maximum(objects, 1)) + np.float32(1e-5))
    reached[1:] -= reached[:-1].copy()
    reached[0] += 1  # a recall of 0
    area: Singles = np.einsum("ij,ij->j", envelope, reached) / np.float32(len(_RECALLS))
    return area
