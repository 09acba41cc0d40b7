"""Settings as forms, files and `--set` know them: flat dotted names, values as text, ranges described once."""

import json
import math
import types
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from jobs.errors import BadOption
from jobs.spec import IgnoredOperation

Kind = Literal["integer", "float", "boolean", "choice", "text", "names"]

_Number = TypeVar("_Number", int, float)

_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_ENDLESS = 1e15  # OTX writes the largest integer where there is no limit


@dataclass(frozen=True)
class Parameter:
    """A setting as forms and `--set` know it, with the value it has when nobody changes it."""

    name: str
    """Flat and dotted, e.g. `activations.range_estimator.max.type`."""
    kind: Kind
    header: str = ""
    description: str = ""
    default: str = ""
    value: str = ""
    """The effective one, as text the way `--set` takes it. Empty: left to the method."""
    minimum: float | None = None
    maximum: float | None = None
    options: tuple[str, ...] = ()
    """Of a choice; an empty one among them means that it may be left to the method."""
    optional: bool = False
    """Whether it may be empty, which then means something else than its default."""
    editable: bool = True
    visible: bool = True
    advanced: bool = False
    group: str = ""
    source: str = ""
    """The file that `value` comes from, e.g. configuration.yaml; POT where none says it."""
    warning: str = ""


# --- values


def parse(parameter: Parameter, given: object) -> Any:
    """A text, or a value of a JSON file, as the parameter's kind; None when it is empty. Raises BadOption."""
    value = given.strip() if isinstance(given, str) else given
    if value is None or value == "":
        return () if parameter.kind == "names" else None
    try:
        return _PARSERS[parameter.kind](parameter, value)
    except (ValueError, TypeError, OverflowError):
        raise refuse(parameter, given) from None


def refuse(parameter: Parameter, given: object) -> BadOption:
    """What to raise for a value that cannot be used."""
    return BadOption(
        f"{parameter.name} is {shown(given)}; it must be {allowed(parameter)}.",
        hint="" if not parameter.header else f"{parameter.header}: {parameter.description}",
        where=parameter.name,
    )


def allowed(parameter: Parameter) -> str:
    """Which values there are, in words."""
    match parameter.kind:
        case "boolean":
            return "true or false"
        case "choice":
            return "one of " + ", ".join(option for option in parameter.options if option)
        case "integer" | "float":
            return ("a whole number" if parameter.kind == "integer" else "a number") + _limits(parameter)
        case "names":
            return "a list of names, separated by commas or lines"
    return "a text"


def _limits(parameter: Parameter) -> str:
    low, high = parameter.minimum, parameter.maximum
    if high is not None and high > _ENDLESS:
        high = None
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}" if low != high else f", {low:g}"
    if low is not None:
        return f" of at least {low:g}"
    return f" of at most {high:g}" if high is not None else ""


def _integer(parameter: Parameter, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError
    number = int(value) if not isinstance(value, float) else value
    if number != int(number):
        raise ValueError
    return _within(parameter, int(number))


def _float(parameter: Parameter, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError
    return _within(parameter, float(value))


def _within(parameter: Parameter, number: _Number) -> _Number:
    low, high = parameter.minimum, parameter.maximum
    if not math.isfinite(number) or (low is not None and number < low) or (high is not None and number > high):
        raise ValueError
    return number


def _boolean(parameter: Parameter, value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = value.lower() if isinstance(value, str) else ""
    if text not in _YES + _NO:
        raise ValueError
    return text in _YES


def _choice(parameter: Parameter, value: object) -> str:
    if isinstance(value, str):
        for option in parameter.options:
            if option.lower() == value.lower():
                return option
    raise ValueError


def _text(parameter: Parameter, value: object) -> str:
    if not isinstance(value, str | int | float):
        raise TypeError
    return str(value)


def _names(parameter: Parameter, value: object) -> tuple[str | dict[str, Any], ...]:
    items = split_names(value) if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise TypeError
    return tuple(_name(item) for item in items)


def _name(item: object) -> str | dict[str, Any]:
    """A name, or an operation's type with attributes, as an object or its JSON."""
    if isinstance(item, str) and item.startswith("{") and not item.startswith("{re}"):
        item = json.loads(item)
    if isinstance(item, dict):
        IgnoredOperation.model_validate(item)  # a ValueError when it is no such thing
        return item
    if not isinstance(item, str) or not item.strip():
        raise TypeError
    return item.strip()


_PARSERS = {
    "integer": _integer,
    "float": _float,
    "boolean": _boolean,
    "choice": _choice,
    "text": _text,
    "names": _names,
}


def split_names(text: str) -> list[str]:
    """Names separated by lines or commas; a comma inside brackets, as in a pattern, separates nothing."""
    names, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "\n" or (letter == "," and depth <= 0):
            names.append(text[start:place])
            start, depth = place + 1, 0
    names.append(text[start:])
    return [name.strip() for name in names if name.strip()]


def text(value: object) -> str:
    """A value as `--set` takes it."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case StrEnum():
            return value.value
        case IgnoredOperation():
            return value.type if not value.attributes else value.model_dump_json()
        case dict():
            return text(IgnoredOperation.model_validate(value))
        case list() | tuple():
            return "\n".join(text(item) for item in value)
    return str(value)


def value(model: BaseModel, name: str) -> object:
    """A field by its flat dotted name."""
    found: object = model
    for part in name.split("."):
        found = getattr(found, part)
    return found


def names(model: BaseModel, name: str) -> tuple[str, ...]:
    """A field that is a list of names, by its flat dotted name."""
    found = value(model, name)
    return tuple(map(text, found)) if isinstance(found, tuple) else ()


def shown(value: object) -> str:
    """A value in a sentence."""
    if isinstance(value, str):
        return f"“{value if len(value) <= 60 else value[:59] + '…'}”"
    short = json.dumps(value, ensure_ascii=False, default=str)
    return short if len(short) <= 60 else short[:59] + "…"


# --- from the models of `jobs.spec`


def describe(
    model: type[BaseModel], *, only: Collection[str] | None = None, without: Collection[str] = ("method",)
) -> tuple[Parameter, ...]:
    """Every field of a model and of the models in it as a parameter: kind, default, range, words."""
    return tuple(_described(model, only, without))


def _described(model: type[BaseModel], only: Collection[str] | None, without: Collection[str]) -> Iterator[Parameter]:
    for name, field in model.model_fields.items():
        if name in without or (only is not None and name not in only):
            continue
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            for parameter in _described(inner, None, without):
                yield _inside(name, field, parameter)
        else:
            yield _parameter(name, field)


def _inside(name: str, outer: FieldInfo, parameter: Parameter) -> Parameter:
    title = outer.title or ""
    return Parameter(
        **{
            **vars(parameter),
            "name": f"{name}.{parameter.name}",
            "group": f"{title}, {parameter.group}" if parameter.group else title,
        }
    )


def _parameter(name: str, field: FieldInfo) -> Parameter:
    kind, options = _kind(field.annotation)
    default = None if field.default is PydanticUndefined else field.default
    may_be_none = type(None) in get_args(field.annotation)
    limits = {type(limit): limit for limit in field.metadata}
    low = getattr(limits.get(Ge), "ge", getattr(limits.get(Gt), "gt", None))
    high = getattr(limits.get(Le), "le", getattr(limits.get(Lt), "lt", None))
    return Parameter(
        name=name,
        kind=kind,
        header=field.title or "",
        description=field.description or "",
        default=text(default),
        value=text(default),
        minimum=low,
        maximum=high,
        options=options,
        optional=may_be_none and default is not None,
    )


def _kind(annotation: Any) -> tuple[Kind, tuple[str, ...]]:
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    optional = ("",) if type(None) in members else ()
    inner = next(member for member in members if member is not type(None))
    if get_origin(inner) is Literal:
        return "choice", optional + tuple(get_args(inner))
    if get_origin(inner) is tuple:
        return "names", ()
    if issubclass(inner, StrEnum):
        return "choice", optional + tuple(member.value for member in inner)
    kinds: dict[type, Kind] = {bool: "boolean", int: "integer", float: "float"}
    return kinds.get(inner, "text"), ()
