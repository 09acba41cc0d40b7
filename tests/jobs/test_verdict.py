"""Verdicts, and what they advise."""

import pytest

from jobs import verdict
from jobs.intervals import Interval
from jobs.report import Verdict
from jobs.spec import JobSpec, PotDefault, Source

SOURCE = Source(name="a", digest="aa", path="a")
SECONDS = {"read": 1.0, "before": 5.0, "quantize": 10.0, "total": 16.0}


def spec_of(**options: object) -> JobSpec:
    chosen = PotDefault.model_validate(options)
    return JobSpec(task="classification", template="generic", options=chosen, model=SOURCE, dataset=SOURCE)


def advise(judged: Verdict, spec: JobSpec, types: frozenset[str] = frozenset(), unmeasured: int = 0) -> list[str]:
    steps = verdict.advise(judged, spec, seconds=SECONDS, types=types, spare=0, measured=100, unmeasured=unmeasured)
    return [step.title for step in steps]


@pytest.mark.parametrize(
    ("low", "value", "high", "accuracy"),
    [(-0.01, 0.0, 0.005, "held"), (0.02, 0.03, 0.04, "lost"), (0.0, 0.02, 0.04, "cannot_tell")],
)
def test_verdict_is_the_interval_against_the_limit(low: float, value: float, high: float, accuracy: str) -> None:
    judged = verdict.judge(Interval(value, low, high), 0.01, 500)
    assert judged.accuracy == accuracy
    assert (judged.drop, judged.drop_low, judged.drop_high, judged.limit) == (value, low, high, 0.01)


def test_cannot_tell_says_how_many_images_would() -> None:
    judged = verdict.judge(Interval(0.02, 0.0, 0.04), 0.01, 500)
    assert judged.more_images == 1500 and "1,500 more images" in judged.message


def test_nothing_is_advised_where_accuracy_held() -> None:
    assert advise(verdict.judge(Interval(0, -0.001, 0.001), 0.01, 500), spec_of()) == []


def test_loss_is_answered_with_the_cheapest_step_first() -> None:
    judged = verdict.judge(Interval(0.05, 0.04, 0.06), 0.01, 500)
    steps = verdict.advise(
        judged, spec_of(), seconds=SECONDS, types=frozenset(), spare=1000, measured=500, unmeasured=0
    )
    assert steps[0].set == {"preset": "mixed"}
    assert [step.seconds for step in steps] == sorted(step.seconds or 0 for step in steps)
    assert {"use_fast_bias": "false", "preset": "mixed"} in [step.set for step in steps]
    assert any("stat_subset_size" in step.set for step in steps)


def test_what_was_tried_is_not_advised_again() -> None:
    judged = verdict.judge(Interval(0.05, 0.04, 0.06), 0.01, 500)
    tried = spec_of(preset="mixed", use_fast_bias=False, range_estimator={"preset": "quantile"})
    assert advise(judged, tried) == []


def test_attention_is_advised_the_transformer_mode() -> None:
    judged = verdict.judge(Interval(0.05, 0.04, 0.06), 0.01, 500)
    titles = advise(judged, spec_of(), frozenset({"MatMul", "Softmax"}))
    assert titles[0] == "Treat it as a transformer"


def test_unmeasured_images_are_offered_where_it_cannot_be_told() -> None:
    judged = verdict.judge(Interval(0.02, 0.0, 0.04), 0.01, 100)
    assert advise(judged, spec_of(), unmeasured=400) == ["Measure on all images"]
    assert advise(judged, spec_of()) == []
