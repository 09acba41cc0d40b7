"""Charts hold every point, say in words what they show, and escape what they are given."""

import re

import pytest

from jobs import charts
from jobs.charts import Point
from jobs.intervals import Interval
from tests.otx_web.made import EVIL


def point(fps: float, accuracy: float, word: str = "A", kind: charts.Kind = "after") -> Point:
    return Point(
        Interval(fps, fps * 0.99, fps * 1.01), Interval(accuracy, accuracy - 0.01, accuracy + 0.01), word, word, kind
    )


@pytest.mark.parametrize("values", [[3604, 5043], [0.8], [1.0, 1.0], [0, 0], [1e-6, 1e6], [0.001, 0.0011]])
def test_axis_holds_all_values_between_its_ends(values: list[float]) -> None:
    found = charts.axis(values)
    assert all(0 < found.place(value) < 100 for value in values)
    assert all(found.low <= tick <= found.high for tick in found.ticks)
    assert len(found.ticks) <= 8


def test_axis_shows_no_share_above_all() -> None:
    found = charts.axis([0.99, 1.0], least=0.01, most=1.0)
    assert max(found.ticks) <= 1.0
    assert found.place(1.0) <= 100


def test_small_differences_are_not_blown_up() -> None:
    found = charts.axis([0.8040, 0.8041], least=0.01)
    assert found.high - found.low > 0.01


def test_every_point_is_inside_with_its_intervals() -> None:
    chart = charts.accuracy_and_speed(
        [point(1000, 0.8, "original", "before"), point(2000, 0.79)],
        quality_name="Accuracy",
        alternative="In words.",
        limit=0.79,
        arrow=True,
    )
    places = [float(number) for number in re.findall(r"(?:left|top|bottom):([\d.-]+)%", chart)]
    assert places and all(0 <= place <= 100 for place in places)
    assert chart.count("ow-whisker") == 4
    assert chart.count('class="ow-limit"') == 1 and chart.count('class="ow-way"') == 1
    assert 'role="img" aria-label="In words."' in chart


def test_frontier_is_a_staircase_over_its_points() -> None:
    fast, good = point(2000, 0.7), point(1000, 0.8, "B")
    chart = charts.accuracy_and_speed([fast, good], quality_name="A", alternative="a", frontier=[fast, good])
    lines = re.findall(r'class="ow-frontier" x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)"', chart)
    assert len(lines) == 4
    assert all(x1 == x2 or y1 == y2 for x1, y1, x2, y2 in lines)


def test_words_are_text() -> None:
    chart = charts.accuracy_and_speed([point(1, 0.5, EVIL)], quality_name=EVIL, alternative=EVIL, caption=EVIL)
    assert "<img" not in chart + charts.shares([(EVIL, 1)], alternative=EVIL) + charts.legend([("after", EVIL)])


def test_shares_of_nothing() -> None:
    assert "ow-shares" in charts.shares([], alternative="none")


@pytest.mark.parametrize(("change", "side"), [(-0.02, "right:50%"), (0.02, "left:50%"), (0.0, "width:0.0%")])
def test_change_bar_leaves_the_middle(change: float, side: str) -> None:
    assert side in charts.change_bar(change, 0.02)
    assert "width:" in charts.change_bar(0, 0)
