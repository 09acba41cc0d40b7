"""No more digits than the interval justifies."""

import pytest

from jobs import intervals
from jobs.intervals import Interval
from jobs.report import Images
from otx_web.ui import parts
from tests.otx_web import made


def plain(text: str) -> str:
    return text.replace(parts.SPACE, " ").replace(parts.MINUS, "-")


@pytest.mark.parametrize(
    ("value", "half_width", "wanted"),
    [
        (3604.2, 43, "3,600"),
        (3604.2, 12, "3,604"),
        (3604.2, 0.6, "3,604.2"),
        (0.5534, 0.0066, "0.553"),
        (61.23, 1.8, "61.2"),
        (7.0, 900, "7"),
        (0.0, 0.5, "0.0"),
        (123456, 0.0, "123,456"),
        (12.5, float("inf"), "12.5"),
    ],
)
def test_rounded(value: float, half_width: float, wanted: str) -> None:
    assert intervals.rounded(value, half_width) == wanted


@pytest.mark.parametrize(("half_width", "digits"), [(0.05, 1), (0.005, 1), (0.0021, 1), (0.0019, 2), (0.0, 1)])
def test_points_keep_one_decimal_and_two_at_most(half_width: float, digits: int) -> None:
    assert intervals.points_digits(half_width) == digits


def test_change_is_after_minus_before() -> None:
    change = intervals.change(made.verdict(drop=0.001, within=0.005))
    assert (change.value, change.low, change.high) == pytest.approx((-0.001, -0.006, 0.004))
    assert plain(intervals.points_ends(change)) == "-0.6 to +0.4"


def test_ratio_with_its_ends() -> None:
    ratio = Interval(1.4, 1.37, 1.43)
    assert (intervals.times(ratio), intervals.times_ends(ratio)) == ("1.40×", "1.37 to 1.43")


def test_share_of_images_has_wilsons_interval() -> None:
    found = intervals.share(made.report(images=Images(calibration=1, validation=100)), "accuracy", 0.5)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.4038, 0.5962), abs=1e-4)


def test_share_of_everything_stays_within_bounds() -> None:
    found = intervals.share(made.report(), "accuracy", 1.0)
    assert found is not None and found.high == 1.0 and 0.99 < found.low < 1.0


def test_other_metrics_claim_no_interval() -> None:
    assert intervals.share(made.report(), "auroc", 0.9) is None
    assert intervals.share(made.report(images=None), "accuracy", 0.9) is None


def test_end_that_would_look_like_the_limit_gets_one_more_digit() -> None:
    near = made.verdict(drop=0.0204, within=0.0106)  # from 0.98 to 3.10 points, and the limit is 1
    assert intervals.verdict_digits(near) == 2
    assert plain(intervals.points_ends(intervals.change(near), 2)) == "-3.10 to -0.98"
    assert intervals.verdict_digits(made.verdict(drop=0.001)) == 1
