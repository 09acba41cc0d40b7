"""Verdicts, and what they advise."""

import pytest

from jobs import verdict
from jobs.intervals import Interval
from jobs.report import Verdict
from jobs.spec import (
    JobSpec,
    NncfPruning,
    NncfQat,
    Options,
    PotAccuracyAware,
    PotDefault,
    Preset,
    Source,
    Weights,
    WeightsMode,
)
from jobs.verdict import Circumstances

SOURCE = Source(name="a", digest="aa", path="a")
SECONDS = {"read": 1.0, "before": 5.0, "quantize": 10.0, "total": 16.0}


def spec_of(chosen: Options | None = None, *, max_drop: float = 0.01, **options: object) -> JobSpec:
    chosen = chosen or PotDefault.model_validate(options)
    return JobSpec.model_validate(
        {
            "task": "classification",
            "template": "generic",
            "options": chosen,
            "model": SOURCE,
            "dataset": SOURCE,
            "max_drop": max_drop,
        }
    )


def job(**more: object) -> Circumstances:
    known = {
        "seconds": SECONDS,
        "types": frozenset(),
        "quantizers": 20,
        "calibrated": 300,
        "spare": 0,
        "measured": 100,
        "unmeasured": 0,
    }
    return Circumstances(**{**known, **more})  # type: ignore[arg-type]


def advise(judged: Verdict, spec: JobSpec, **more: object) -> list[str]:
    return [step.title for step in verdict.advise(judged, spec, job(**more))]


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
    steps = verdict.advise(judged, spec_of(), job(spare=1000, measured=500))
    assert steps[0].set == {"preset": "mixed"}
    *others, last = steps
    assert [step.seconds for step in others] == sorted(step.seconds or 0 for step in others)
    assert last.method == "weights", "the last resort"
    assert {"use_fast_bias": "false", "preset": "mixed"} in [step.set for step in steps]
    assert any("stat_subset_size" in step.set for step in steps)


def test_what_was_tried_is_not_advised_again() -> None:
    judged = verdict.judge(Interval(0.05, 0.04, 0.06), 0.01, 500)
    tried = spec_of(preset="mixed", use_fast_bias=False, range_estimator={"preset": "quantile"})
    assert advise(judged, tried) == [
        "Give the most sensitive layers back to float",
        "Train it with NNCF",
        "Compress the weights only",
    ]


def test_attention_is_advised_the_transformer_mode() -> None:
    judged = verdict.judge(Interval(0.05, 0.04, 0.06), 0.01, 500)
    titles = advise(judged, spec_of(), types=frozenset({"MatMul", "Softmax"}))
    assert titles[0] == "Treat it as a transformer"


def test_unmeasured_images_are_offered_where_it_cannot_be_told() -> None:
    judged = verdict.judge(Interval(0.02, 0.0, 0.04), 0.01, 100)
    assert advise(judged, spec_of(), unmeasured=400) == ["Measure on all images"]
    assert advise(judged, spec_of()) == []


LOST = verdict.judge(Interval(0.05, 0.04, 0.06), 0.01, 500)


def test_loss_is_answered_with_a_search_whose_time_is_known() -> None:
    found = verdict.advise(LOST, spec_of(max_drop=0.02), job(seconds={**SECONDS, "after": 10.0}, measured=600))
    step = next(one for one in found if one.method == "pot_accuracy_aware")
    assert step.set == {"preset": "mixed", "maximal_drop": "0.01"}, "half of what is accepted"
    assert step.seconds == pytest.approx(1 + 10 + 10 + 0.5 * 10 * (20 + 20)), "again, then steps and rankings on a half"


def test_search_that_was_not_enough_may_go_further() -> None:
    tried = spec_of(PotAccuracyAware(preset=Preset.MIXED, use_fast_bias=False, maximal_drop=0.01, max_iter_num=20))
    found = {step.title: step for step in verdict.advise(LOST, tried, job())}
    assert found["Give more layers back"].set == {"maximal_drop": "0.005", "max_iter_num": "40"}
    assert "Give the most sensitive layers back to float" not in found
    unsure = verdict.judge(Interval(0.02, 0.0, 0.04), 0.01, 500)
    assert advise(unsure, tried) == ["Give more layers back"]
    assert advise(unsure, spec_of(PotAccuracyAware(maximal_drop=0))) == [], "it wanted no loss at all already"


def test_weights_of_four_bits_have_a_way_back() -> None:
    four = spec_of(Weights(mode=WeightsMode.INT4_SYM))
    assert advise(LOST, four) == ["Use 8 bits", "Estimate better scales"]
    assert advise(LOST, spec_of(Weights(mode=WeightsMode.INT4_SYM, scale_estimation=True))) == ["Use 8 bits"]
    assert advise(LOST, spec_of(Weights())) == []


def test_loss_is_answered_with_training_whose_time_is_known() -> None:
    known = {"calibrated": 300, "spare": 700, "measured": 100, "seconds": {"after": 1.0, "read": 1.0}}
    step = next(one for one in verdict.advise(LOST, spec_of(), job(**known)) if one.method == "nncf_qat")
    assert step.seconds == pytest.approx(2 + 20 * 0.01 * 1000 * NncfQat().epochs)
    assert not step.set and "no labels" in step.reason


def test_training_that_was_not_enough_may_go_on() -> None:
    tried = spec_of(NncfQat(preset=Preset.MIXED, epochs=4))
    found = {step.title: step for step in verdict.advise(LOST, tried, job())}
    assert found["Train longer"].set == {"epochs": "8"} and "Train it with NNCF" not in found


@pytest.mark.parametrize(
    ("options", "title", "change"),
    [
        ({}, "Remove fewer FLOPs", {"filter_pruning.pruning_flops_target": "0.15"}),
        (
            {"filter_pruning": {"pruning_flops_target": None, "pruning_target": 0.5}},
            "Remove fewer filters",
            {"filter_pruning.pruning_target": "0.25"},
        ),
        ({"algorithm": "rb_sparsity"}, "Make fewer zeros", {"sparsity.sparsity_target": "0.25"}),
    ],
)
def test_pruning_that_lost_is_advised_less_of_it(
    options: dict[str, object], title: str, change: dict[str, str]
) -> None:
    tried = spec_of(NncfPruning.model_validate({"epochs": 4, **options}))
    found = {step.title: step for step in verdict.advise(LOST, tried, job())}
    adaptive = [] if "algorithm" in options else ["Find out how much can go"]
    assert list(found) == [title, "Train longer", *adaptive, "Quantize it without pruning", "Compress the weights only"]
    assert found[title].set == change and found[title].method == "nncf_pruning"
    assert found["Train longer"].set == {"epochs": "8"}
    assert (found["Quantize it without pruning"].method, found["Quantize it without pruning"].set) == ("nncf_qat", {})


def test_pruning_by_steps_or_as_far_as_accuracy_allows_is_advised_what_is_left() -> None:
    steps = {"schedule": "multistep", "multistep_steps": (1,), "multistep_sparsity_levels": (0.1, 0.5)}
    tried = spec_of(NncfPruning.model_validate({"algorithm": "rb_sparsity", "sparsity": steps}))
    assert "Make fewer zeros" not in advise(LOST, tried)
    tried = spec_of(NncfPruning.model_validate({"adaptive_compression_level": {"enabled": True}}))
    assert "Find out how much can go" not in advise(LOST, tried)


def test_pruning_alone_is_not_advised_to_quantize() -> None:
    tried = spec_of(NncfPruning.model_validate({"enable_quantization": False}))
    assert "Quantize it without pruning" not in advise(LOST, tried)
