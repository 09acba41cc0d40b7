"""Names of operations in NNCF's configuration files: those that an algorithm leaves out, and those it is meant for."""

import re

from pydantic import JsonValue

from jobs import fields, torch_names
from jobs.translation import Reader, Rule


def scopes(parameter: str, also: str = "") -> Rule:
    """Operations to leave out, as a list of names. `also` is the parameter that says whether all must exist.

    Old names of operations need not all exist: what is found of them is shown, and what is not.
    """

    def rule(reader: Reader, path: str, value: JsonValue) -> None:
        found = names(reader, path, value)
        old = [name for name in found if torch_names.is_old(name)]
        note = "Names of PyTorch's modules and functions; what they are called in this model is in the report."
        reader.set(
            path,
            value,
            parameter,
            found,
            fate="changed" if old else "kept",
            note=note if old else "",
            also={also: False} if old and also else {},
        )

    return rule


def targets(parameter: str, note: str, also: str = "") -> Rule:
    """Operations that it is meant for, as a pattern of all that is to be left out."""

    def rule(reader: Reader, path: str, value: JsonValue) -> None:
        found = names(reader, path, value)
        if not found:
            reader.add(path, value, "kept")
            return
        if any(torch_names.is_old(name) for name in found):
            old = "These are names of PyTorch, so what is not called so cannot be told. Say ignored_scopes instead."
            reader.add(path, value, "refused", old)
            return
        patterns = [name.removeprefix(torch_names.PATTERN) for name in found if name.startswith(torch_names.PATTERN)]
        whole = [f"{re.escape(name)}$" for name in found if not name.startswith(torch_names.PATTERN)]
        rest = f"{torch_names.PATTERN}(?!{'|'.join([*patterns, *whole])})"
        reader.set(path, value, parameter, [rest], "changed", note, also={also: False} if also else {})

    return rule


def names(reader: Reader, path: str, value: JsonValue) -> list[str]:
    """A name or a list of names, the way NNCF has them. Raises BadConfig for anything else."""
    found = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise reader.bad(path, f"is {fields.shown(value)}; it must be a name or a list of names")
    return [one for one in found if isinstance(one, str)]
