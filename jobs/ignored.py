"""Operations that are left in float: which of a model's operations the names, patterns and types mean."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

import openvino as ov

from jobs import torch_names
from jobs.errors import BadOption
from jobs.recipe import MODEL
from jobs.report import ConfigKey
from jobs.spec import Ignored, IgnoredOperation

PATTERN = torch_names.PATTERN
"""Before a name that is a pattern, as in NNCF's files."""

_ONNX = {"Mul": "Multiply", "Div": "Divide", "Sub": "Subtract", "Pow": "Power", "Conv": "Convolution"}
"""Operations that OpenVINO calls otherwise than ONNX."""


def unmatched(model: ov.Model, ignored: Ignored) -> tuple[str, ...]:
    """Ignored names, patterns and types that nothing in the model has; none when they need not exist.

    Raises BadOption for a pattern that is none.
    """
    return lost(model, ignored) if ignored.strict else ()


def lost(model: ov.Model, ignored: Ignored) -> tuple[str, ...]:
    """The same, whether or not they need exist."""
    found = list(operations(model))
    names = {op.friendly_name for op in found}
    elsewhere = renamed(model, ignored.scope)
    gone = [name for name in ignored.scope if name not in elsewhere and not _is_named(name, names)]
    return (*gone, *(_shown(one) for one in ignored.operations if not any(fits(op, one) for op in found)))


def keys(model: ov.Model, ignored: Ignored) -> tuple[ConfigKey, ...]:
    """What became of names, patterns and types that nothing in the model has just so."""
    found = []
    if here := spelled(model, ignored.scope):
        note = "The model spells these operations otherwise: " + _few(f"{name} is {own}" for name, own in here.items())
        found.append(ConfigKey(key="ignored.scope", value=_few(here), fate="changed", note=note, source=MODEL))
    for name, own in by_old_names(model, ignored.scope).items():
        note = f"By modules, functions and order, in this model: {_few(own)}"
        found.append(ConfigKey(key="ignored.scope", value=name, fate="changed", note=note, source=MODEL))
    if gone := lost(model, ignored):
        note = "Nothing in this model is called so."
        found.append(ConfigKey(key="ignored", value=_few(gone), fate="refused", note=note, source=MODEL))
    return tuple(found)


def _few(items: Iterable[str]) -> str:
    first, *rest = items
    return f"{first} and {len(rest)} more" if len(rest) > 1 else ", ".join((first, *rest))


def renamed(model: ov.Model, scope: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Names and patterns in another spelling than the model's, each with the names of what they mean in it."""
    wanted = tuple(scope)
    here = [(op.friendly_name, op.get_type_name()) for op in operations(model)]
    names = {name for name, _ in here}
    old = torch_names.found(here, (name for name in wanted if torch_names.is_old(name) and not _is_named(name, names)))
    return old | {name: (own,) for name, own in spelled(model, wanted).items()}


def by_old_names(model: ov.Model, scope: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Names and patterns of NNCF 2, each with the names of what it should mean: a guess, which a person should see."""
    return {name: own for name, own in renamed(model, scope).items() if torch_names.is_old(name)}


def todays(model: ov.Model, scope: Iterable[str]) -> tuple[str, ...]:
    """The scope with the names of the model in place of such old ones, and without what means nothing in it."""
    wanted = tuple(scope)
    old, gone = by_old_names(model, wanted), set(lost(model, Ignored(scope=wanted)))
    return tuple(dict.fromkeys(one for name in wanted if name not in gone for one in old.get(name, (name,))))


def spelled(model: ov.Model, scope: Iterable[str]) -> dict[str, str]:
    """The names of operations that the model has in another spelling, each with the name that it has there.

    PyTorch's two exporters call the same operation `/neck/blocks/blocks.0/Mul_1`, as in the files of OTX 1.x, and
    `__module.model.neck.blocks.0/aten::mul/Multiply_1`, as in the models of OTX 2.x. The numbers agree but for what an
    exporter left out, so that an operation which is the only one of its type in its module is taken whatever its
    number. What could be two operations is not taken.
    """
    places: dict[str, list[tuple[str, int, str]]] = defaultdict(list)
    names = {op.friendly_name for op in operations(model)}
    for name in names:
        if place := _place(name):
            module, kind, number = place
            places[kind].append((module, number, name))
    found = {}
    for name in scope:
        if name in names or not (place := _place(name)):
            continue
        module, kind, number = place
        inside = [one for one in places[kind] if one[0].endswith(module)]
        same = [one for one in inside if one[1] == number] or inside
        if len(same) == 1:
            found[name] = same[0][2]
    return found


def _place(name: str) -> tuple[str, str, int] | None:
    """Module, type and number of an operation by its name; None where the name does not tell."""
    *modules, last = ("", *(part for part in name.split("/") if part and "::" not in part))
    kind, _, number = last.partition("_")
    if len(modules) < 2 or not (number or "0").isdecimal():
        return None
    # A module in a list comes after the list: /blocks/blocks.0
    path = [one for one, after in zip(modules, (*modules[1:], ""), strict=True) if not after.startswith(f"{one}.")]
    return ".".join(path).replace("__module.", "", 1), _ONNX.get(kind, kind), int(number or 0)


def require(model: ov.Model, ignored: Ignored) -> None:
    """Raises BadOption where something is to be left in float that the model does not have."""
    if missing := unmatched(model, ignored):
        raise BadOption(
            f"Nothing in the model is called {', '.join(missing[:5])}, so it cannot be left in float.",
            hint="Take the names from the list of the model's operations.",
            where="ignored.scope",
        )


def operations(model: ov.Model) -> Iterator[ov.Node]:
    """Every operation, those inside the branches of an If too."""
    for op in model.get_ops():
        yield op
        if op.get_type_name() == "If":
            yield from operations(op.get_function(0))
            yield from operations(op.get_function(1))


def named(model: ov.Model, scope: Iterable[str]) -> frozenset[str]:
    """Names of the model's operations that names and patterns mean, in whatever spelling."""
    wanted = tuple(scope)
    elsewhere = renamed(model, wanted)
    means = [*wanted, *(own for found in elsewhere.values() for own in found)]
    names = {op.friendly_name for op in operations(model)}
    return frozenset(name for name in names if any(_is_named(one, {name}) for one in means))


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
