"""What a check found."""

import pytest
from pydantic import ValidationError

from jobs.findings import CheckRequest, Findings, Problem
from jobs.spec import Source

SOURCE = Source(name="a", digest="a", path="a")


@pytest.mark.parametrize(("levels", "blocked"), [((), False), (("info", "warning"), False), (("info", "error"), True)])
def test_only_errors_block(levels: tuple[str, ...], blocked: bool) -> None:
    problems = [{"level": level, "where": "model", "message": "x"} for level in levels]
    assert Findings.model_validate({"problems": problems}).blocked is blocked


def test_request_is_the_same_when_all_of_it_is() -> None:
    """A check is asked once for each of them."""
    first, same = (CheckRequest(kind="model", source=SOURCE) for _ in range(2))
    assert first == same != CheckRequest(kind="model", source=SOURCE, model_settings={"labels": "a"})
    assert CheckRequest.model_validate_json(first.model_dump_json()) == first


@pytest.mark.parametrize("change", [{"level": "fatal"}, {"where": "moon"}, {"more": 1}])
def test_what_is_no_problem_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Problem.model_validate({"level": "info", "where": "model", "message": "x", **change})
