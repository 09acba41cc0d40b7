"""What is removed from a model is said, and only that."""

from typing import Any

import pytest

from jobs import amounts, numbers
from jobs.report import Report
from tests.otx_web import made


def report(before: dict[str, Any], after: dict[str, Any]) -> Report:
    known = made.report(method="nncf_pruning")
    assert known.before and known.after
    return known.model_copy(
        update={"before": known.before.model_copy(update=before), "after": known.after.model_copy(update=after)}
    )


def said(found: Report) -> list[str]:
    return [f"{one.name}: {one.said} {one.change}".replace(numbers.SPACE, " ") for one in amounts.changed(found)]


def test_removed_filters_are_fewer_parameters_and_flops() -> None:
    known = {"parameters": 2_000_000, "flops": 1_180_000_000, "zeros": 0.0}
    pruned = {"parameters": 1_500_000, "flops": 826_000_000, "zeros": 0.03}
    assert said(report(known, pruned)) == [
        "Parameters: 2.00 M → 1.50 M 1.33× fewer",
        "FLOPs an image: 1.18 G → 826 M 1.43× fewer",
    ]


def test_zeros_are_said_where_they_were_made() -> None:
    assert said(report({"zeros": 0.001}, {"zeros": 0.503})) == ["Weights that are 0: 0 % → 50 % +50 points"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"parameters": 1000, "flops": 500, "zeros": 0.38}, {"parameters": 1010, "flops": 500, "zeros": 0.42}),
        ({"flops": 500}, {}),
        ({}, {"flops": 500, "zeros": 0.9}),
    ],
)
def test_nothing_is_said_where_nothing_was_removed_or_is_not_known(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert said(report(before, after)) == []


def test_what_another_method_saves_by_writing_otherwise_is_not_removed() -> None:
    pruned = made.pruned()
    assert amounts.changed(pruned) and amounts.changed(pruned.model_copy(update={"method": "pot_default"})) == ()


def test_a_failed_job_has_none() -> None:
    failed = made.report().model_copy(update={"before": None, "after": None})
    assert amounts.changed(failed) == ()


@pytest.mark.parametrize(("value", "text"), [(90, "90"), (40_500_000, "40.5 M"), (1.18e9, "1.18 G"), (2e12, "2,000 G")])
def test_flops_are_read_easily(value: float, text: str) -> None:
    assert numbers.flops(value).replace(numbers.SPACE, " ") == text
