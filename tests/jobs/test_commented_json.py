import pytest

from jobs import commented_json
from jobs.errors import BadConfig


def test_comments_and_last_commas_are_no_matter() -> None:
    text = """\ufeff/* POT's own
    template */ {
      "a": 1, // one
      "b": ["x // y", "/* z */", ",}",],
    }"""
    assert commented_json.parse("pot.json", text) == {"a": 1, "b": ["x // y", "/* z */", ",}"]}


def test_the_line_of_a_mistake_is_that_of_the_file() -> None:
    with pytest.raises(BadConfig, match=r"“pot.json” is damaged: line 4, column 3") as caught:
        commented_json.parse("pot.json", '{ /* a\n comment */\n "a": 1 // one\n  "b": 2}')
    assert caught.value.where == "pot.json"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "damaged: line 1"),
        ("<html>", "damaged: line 1"),
        ('{"a": 1', "damaged"),
        ('{"a": 1, "a": 2}', "the key a twice"),
        ("[" * 100_000, "cannot be read"),
        (" " * 2_000_000, "too large"),
    ],
)
def test_what_is_no_json_is_said(text: str, problem: str) -> None:
    with pytest.raises(BadConfig, match=problem):
        commented_json.parse("pot.json", text)
