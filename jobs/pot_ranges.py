"""The ends of quantization ranges as POT estimates them, in NNCF's terms.

POT's defaults are from its `algorithms/quantization/range_estimator.py` and `statistics/functions/aggregation.py`.
"""

from dataclasses import dataclass

from jobs import fields
from jobs.nncf_engine import Clip, range_estimator
from jobs.spec import Aggregator, Quantizers, RangeEnd, RangeEstimator, RangeType

_NO_OUTLIERS = (Aggregator.MEAN_NO_OUTLIERS, Aggregator.MEDIAN_NO_OUTLIERS)
_QUANTILES = (RangeType.QUANTILE, RangeType.ABS_QUANTILE)
_ALPHA = 0.01  # the share that estimators without outliers leave out on each side, whatever outlier_prob is


@dataclass(frozen=True)
class Range:
    """A range estimator with POT's defaults filled in. An aggregator left open depends on the quantizer's channels."""

    min: RangeEnd
    max: RangeEnd

    @property
    def clip(self) -> Clip | None:
        """What its ends may not go beyond."""
        low, high = self.min.clipping_value, self.max.clipping_value
        return None if low is None and high is None else Clip(low, high)


# (preset, mode) to the statistics of both ends
_POT_RANGES = {
    ("default", "symmetric"): (RangeType.MIN, RangeType.ABS_MAX),
    ("default", "asymmetric"): (RangeType.MIN, RangeType.MAX),
    ("quantile", "symmetric"): (RangeType.MIN, RangeType.ABS_QUANTILE),
    ("quantile", "asymmetric"): (RangeType.QUANTILE, RangeType.QUANTILE),
}


def estimate(own: Quantizers, common: RangeEstimator, group: str, mode: str) -> Range:
    """As in POT, an estimator of weights or activations replaces the common one as a whole."""
    estimator = own.range_estimator if own.range_estimator != RangeEstimator() else common
    low, high = _POT_RANGES[estimator.preset or "default", mode]
    # Whether a symmetric range needs a sign is told by the smallest value of all images, not by their mean.
    sign = Aggregator.MIN if group == "activations" and mode == "symmetric" else None
    if group == "weights":
        return Range(_end(estimator.min, low, None), _end(estimator.max, high, None))
    return Range(
        _end(estimator.min, low, estimator.min.aggregator or sign), _end(estimator.max, high, estimator.max.aggregator)
    )


def _end(given: RangeEnd, type_: RangeType, aggregator: Aggregator | None) -> RangeEnd:
    """Weights do not change from image to image, so they have no aggregator."""
    return given.model_copy(update={"type": given.type or type_, "aggregator": aggregator})


def parameters(range_: Range) -> range_estimator.RangeEstimatorParameters:
    """What NNCF takes."""
    return range_estimator.RangeEstimatorParameters(min=_collector(range_.min), max=_collector(range_.max))


def _collector(end: RangeEnd) -> range_estimator.StatisticsCollectorParameters:
    """NNCF has one number for the quantile and for the outliers; where both count, the quantile's does."""
    only_outliers = end.aggregator in _NO_OUTLIERS and end.type not in _QUANTILES
    return range_estimator.StatisticsCollectorParameters(
        statistics_type=range_estimator.StatisticsType(end.type.value) if end.type else None,
        aggregator_type=range_estimator.AggregatorType(end.aggregator.value) if end.aggregator else None,
        quantile_outlier_prob=_ALPHA if only_outliers else end.outlier_prob,
    )


def applied(range_: Range, prefix: str, aggregators: tuple[str, str]) -> dict[str, str]:
    """As reports show it; `aggregators` are those of an end that leaves its own open."""
    result: dict[str, str] = {}
    for side, end, aggregator in (("min", range_.min, aggregators[0]), ("max", range_.max, aggregators[1])):
        name = f"{prefix}.range_estimator.{side}"
        result[f"{name}.type"] = fields.text(end.type)
        if aggregator:
            result[f"{name}.aggregator"] = fields.text(end.aggregator or aggregator)
        if end.type in _QUANTILES:
            result[f"{name}.outlier_prob"] = f"{end.outlier_prob:g}"
        if end.clipping_value is not None:
            result[f"{name}.clipping_value"] = f"{end.clipping_value:g}"
    return result
