"""Histograms of anomaly scores: both models on one axis, in lines and in words."""

import re
from typing import Any

import pytest

from jobs import score_chart
from jobs.report import ScoreCounts, ScoreHistogram
from tests.otx_web import made
from tests.otx_web.made import EVIL


def histogram(**changed: Any) -> ScoreHistogram:
    known: dict[str, Any] = {
        "title": "Image scores",
        "edges": (0.0, 0.25, 0.5, 0.75, 1.0),
        "before": ScoreCounts(normal=(8, 3, 1, 0), anomalous=(0, 1, 4, 5), threshold=0.5),
        "after": ScoreCounts(normal=(6, 4, 2, 0), anomalous=(0, 0, 3, 7), threshold=0.6),
    }
    return ScoreHistogram.model_validate(known | changed)


def drawn(*histograms: ScoreHistogram) -> str:
    return score_chart.histograms(made.report(histograms=histograms)).replace("\u00a0", " ")


def test_original_stands_above_optimised_with_both_thresholds() -> None:
    page = drawn(histogram())
    assert page.index(">Original<") < page.index(">Optimised<")
    assert page.index("threshold 0.500") < page.index("threshold 0.600")
    assert page.count('class="ow-area-normal" d=') == page.count('class="ow-area-anomalous" d=') == 2
    assert 'x1="50.00"' in page and 'x1="60.00"' in page


def test_words_say_what_each_threshold_does() -> None:
    page = drawn(histogram())
    alternative = re.search(r'aria-label="([^"]*)"', page)
    assert alternative
    assert "about 1 of 12 normal are called anomalous, and about 1 of 10 anomalous are missed" in alternative[1]
    assert "about 2 of 12 normal" in alternative[1], "the step which the threshold divides counts by its middle"


def test_threshold_beyond_all_scores_widens_the_axis() -> None:
    page = drawn(histogram(after=ScoreCounts(normal=(1, 1, 1, 1), anomalous=(1, 1, 1, 1), threshold=2.0)))
    assert 'x1="100.00"' in page and 'x1="25.00"' in page


def test_one_class_alone_is_drawn() -> None:
    none = ScoreCounts(normal=(1, 2, 0, 0), anomalous=(0, 0, 0, 0), threshold=0.5)
    assert drawn(histogram(before=none, after=none)).count("<path") == 2


@pytest.mark.parametrize("edges", [(), (0.0,), (0.0, 0.0, 0.0, 0.0, 0.0), (0.0, 1.0)])
def test_histogram_that_makes_no_sense_is_left_out(edges: tuple[float, ...]) -> None:
    assert not drawn(histogram(edges=edges))


def test_title_is_text() -> None:
    assert "<img" not in drawn(histogram(title=EVIL))
