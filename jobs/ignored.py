"""Operations that are left in float: which of a model's operations the names, patterns and types mean."""

import re
from collections.abc import Iterator

import openvino as ov

from jobs.errors import BadOption
from jobs.spec import Ignored, IgnoredOperation

PATTERN = "{re}"
"""Before a name that is a pattern, as in NNCF's files."""


def unmatched(model: ov.Model, ignored: Ignored) -> tuple[str, ...]:
    """Ignored names, patterns and types that nothing in the model has; none when they need not exist.

    Raises BadOption for a pattern that is none.
    """
    if not ignored.strict:
        return ()
    found = list(operations(model))
    names = {op.friendly_name for op in found}
    lost = [name for name in ignored.scope if not _is_named(name, names)]
    return (*lost, *(_shown(one) for one in ignored.operations if not any(fits(op, one) for op in found)))


def operations(model: ov.Model) -> Iterator[ov.Node]:
    """Every operation, those inside the branches of an If too."""
    for op in model.get_ops():
        yield op
        if op.get_type_name() == "If":
            yield from operations(op.get_function(0))
            yield from operations(op.get_function(1))


def _is_named(name: str, names: set[str]) -> bool:
    if not name.startswith(PATTERN):
        return name in names
    try:
        pattern = re.compile(name.removeprefix(PATTERN))
    except re.error as error:
        raise BadOption(f"“{name}” is no pattern: {error}.", where="ignored.scope") from error
    return any(pattern.match(one) for one in names)


def fits(op: ov.Node, wanted: IgnoredOperation) -> bool:
    """POT compares attributes as they stand in the IR, where all are text."""
    if op.get_type_name() != wanted.type:
        return False
    has = op.get_attributes() if wanted.attributes else {}
    return all(name in has and _text(has[name]) == _text(value) for name, value in (wanted.attributes or {}).items())


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(_text, value)) if isinstance(value, list | tuple) else str(value).replace(", ", ",")


def _shown(operation: IgnoredOperation) -> str:
    attributes = ", ".join(f"{name} {value}" for name, value in (operation.attributes or {}).items())
    return f"{operation.type} with {attributes}" if attributes else operation.type
