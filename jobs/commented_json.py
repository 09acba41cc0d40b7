"""JSON as POT reads it: with comments, and with commas too many."""

import json
import re

from pydantic import JsonValue

from jobs.errors import BadConfig

_MOST_CHARACTERS = 1 << 20


def parse(name: str, text: str) -> JsonValue:
    """Parsed JSON. Raises BadConfig with the line that is wrong."""
    if len(text) > _MOST_CHARACTERS:
        raise BadConfig(f"“{name}” is too large for a configuration file.", where=name)
    try:
        parsed: JsonValue = json.loads(_plain(text.lstrip("\ufeff")), object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise BadConfig(
            f"“{name}” is damaged: line {error.lineno}, column {error.colno}: {error.msg}.",
            hint="Correct that line and upload the file again.",
            where=name,
        ) from error
    except _Twice as error:
        raise BadConfig(f"“{name}” has the key {error} twice.", where=name) from error
    except (RecursionError, ValueError) as error:
        raise BadConfig(
            f"“{name}” cannot be read: it is nested too deeply, or a number is too long.", where=name
        ) from error
    return parsed


class _Twice(Exception):
    """A key that is there twice: which of the two counts?"""


def _once(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    result: dict[str, JsonValue] = {}
    for key, value in pairs:
        if key in result:
            raise _Twice(key)
        result[key] = value
    return result


_COMMENTED = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_COMMA = re.compile(r'"(?:\\.|[^"\\\n])*"|,(?=\s*[}\]])', re.DOTALL)


def _plain(text: str) -> str:
    """The same with blanks in place of comments and of last commas, so that lines and columns stay."""

    def blank(match: re.Match[str]) -> str:
        found = match[0]
        return found if found.startswith('"') else re.sub(r"[^\n]", " ", found)

    return _COMMA.sub(blank, _COMMENTED.sub(blank, text))
