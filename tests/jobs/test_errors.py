"""Errors a person can act on."""

import inspect

import pytest

from jobs import errors
from jobs.errors import BrokenModel, JobError

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, JobError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_says_something_by_itself(kind: type[JobError]) -> None:
    error = kind()
    assert error.message.endswith(".") and str(error) == error.message and error.where == ""
    assert error.kind().replace("_", "") == kind.__name__.lower() and error.kind() == error.kind().lower()


def test_words_and_hint_can_be_given() -> None:
    error = BrokenModel("“a” is cut off.", hint="Upload it again.", where="a")
    assert (error.message, error.hint, error.where) == ("“a” is cut off.", "Upload it again.", "a")
    assert BrokenModel().hint and BrokenModel(hint="").hint == ""
