"""Measured numbers with their 95 % intervals, and no more digits than those justify."""

import math
from dataclasses import dataclass

from jobs import numbers
from jobs.numbers import SPACE
from jobs.report import Rate, Report, Verdict

Z = 1.959964
SHARES = ("accuracy", "top5")
"""Metrics that are a share of images, so that the number of images tells their interval."""


@dataclass(frozen=True)
class Interval:
    """A value with the ends of its interval."""

    value: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the distance between the ends."""
        return (self.high - self.low) / 2


def throughput(rate: Rate) -> Interval:
    """Images a second."""
    return Interval(rate.throughput_fps, rate.throughput_low, rate.throughput_high)


def latency(rate: Rate) -> Interval:
    """Milliseconds."""
    return Interval(rate.latency_ms, rate.latency_low, rate.latency_high)


def change(verdict: Verdict) -> Interval:
    """After minus before on the primary metric: below 0 is a loss, as people read it."""
    return Interval(-verdict.drop, -verdict.drop_high, -verdict.drop_low)


def share(report: Report, metric: str, value: float) -> Interval | None:
    """A share of images with Wilson's interval (1927); None for other metrics, whose interval nobody measured."""
    n = report.images.validation if report.images else 0
    if metric not in SHARES or not n:
        return None
    middle = (value + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(value * (1 - value) / n + Z * Z / (4 * n * n))
    return Interval(value, min(value, max(0.0, middle - half)), max(value, min(1.0, middle + half)))


def decimals(half_width: float) -> int:
    """Where a number with this interval ends: at the interval's first figure, at its second when the first is a 1.

    Below 0 before the point: −1 is at the tens.
    """
    return math.ceil(-math.log10(half_width / 2))


def points_digits(half_width: float) -> int:
    """Decimals of a percentage whose interval has this half width, a fraction.

    One at least: without it two numbers and their difference do not add up on the page.
    """
    return min(2, max(1, decimals(half_width * 100))) if half_width else 1


def verdict_digits(verdict: Verdict) -> int:
    """Decimals of the change and its interval: one more where an end would look like the limit, and is not."""
    drop = change(verdict)
    digits = points_digits(drop.half_width)
    looks_equal = any(
        abs(end + verdict.limit) > 1e-9 and round(end * 100, digits) == round(-verdict.limit * 100, digits)
        for end in (drop.low, drop.high)
    )
    return digits + 1 if looks_equal else digits


def rounded(value: float, half_width: float) -> str:
    """As many digits as the interval justifies, also before the point: 3,604 within 40 is "3,600"."""
    if not half_width or not math.isfinite(half_width):
        return numbers.significant(value)
    # One figure is the least that says anything.
    least = -math.floor(math.log10(abs(value))) if value else 0
    digits = min(4, max(decimals(half_width), least))
    return numbers.number(round(value, digits), max(0, digits))


def ends(interval: Interval, unit: str = "") -> str:
    """ "3,560 to 3,650 images/s" """
    low, high = (rounded(end, interval.half_width) for end in (interval.low, interval.high))
    return f"{low} to {high}{SPACE}{unit}" if unit else f"{low} to {high}"


def times(interval: Interval) -> str:
    """ "1.40×" """
    return numbers.times(interval.value, _ratio_digits(interval))


def times_ends(interval: Interval) -> str:
    """ "1.37 to 1.43" """
    digits = _ratio_digits(interval)
    return f"{numbers.number(interval.low, digits)} to {numbers.number(interval.high, digits)}"


def _ratio_digits(interval: Interval) -> int:
    return min(2, max(1, decimals(interval.half_width))) if interval.half_width else 2


def points_ends(interval: Interval, digits: int | None = None) -> str:
    """ "−0.6 to +0.4" """
    digits = points_digits(interval.half_width) if digits is None else digits
    low, high = (numbers.number(end * 100, digits, sign=True) for end in (interval.low, interval.high))
    return f"{low} to {high}"


def percent_ends(interval: Interval) -> str:
    """ "78.7 to 82.2" """
    digits = points_digits(interval.half_width)
    return f"{numbers.number(interval.low * 100, digits)} to {numbers.number(interval.high * 100, digits)}"
