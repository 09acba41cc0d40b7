"""OTX's `configuration.yaml`: groups of parameters, each with its type, default, range and words.

What a group or parameter may say is OTX 1.x's grammar; anything else is an error that names it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from jobs.errors import BadConfig
from jobs.fields import Kind, Parameter
from jobs.frozen import Frozen


class UiRules(Frozen):
    """When a form locks a parameter. No template of OTX has a rule in it."""

    action: Literal["DISABLE_EDITING", "SHOW", "HIDE"] = "DISABLE_EDITING"
    operator: Literal["AND", "OR", "XOR"] = "AND"
    rules: tuple[dict[str, Any], ...] = ()
    type: Literal["UI_RULES"] = "UI_RULES"


class _Node(Frozen):
    """What every parameter may say."""

    header: str = ""
    description: str = ""
    warning: str | None = None
    editable: bool = True
    visible_in_ui: bool = True
    affects_outcome_of: Literal["NONE", "TRAINING", "INFERENCE"] = "NONE"
    auto_hpo_state: Literal["NOT_POSSIBLE", "POSSIBLE", "OPTIMIZED", "OVERRIDDEN"] = "NOT_POSSIBLE"
    ui_rules: UiRules = UiRules()


class _Ranged(_Node):
    """A number within limits."""

    default_value: float
    value: float | None = None
    auto_hpo_value: float | None = None
    min_value: float | None = None
    max_value: float | None = None

    @model_validator(mode="after")
    def _fits(self) -> "_Ranged":
        for number in (self.default_value, self.value):
            if number is None:
                continue
            if (self.min_value is not None and number < self.min_value) or (
                self.max_value is not None and number > self.max_value
            ):
                raise ValueError(f"{number:g} is not from {self.min_value} to {self.max_value}")
        return self


class Integer(_Ranged):
    """A whole number."""

    type: Literal["INTEGER"]
    default_value: int
    value: int | None = None
    min_value: int | None = None
    max_value: int | None = None


class Float(_Ranged):
    """A number."""

    type: Literal["FLOAT"]


class Boolean(_Node):
    """Yes or no."""

    type: Literal["BOOLEAN"]
    default_value: bool
    value: bool | None = None
    auto_hpo_value: bool | None = None


class Selectable(_Node):
    """One of several, by the name a person reads."""

    type: Literal["SELECTABLE"]
    enum_name: str
    options: dict[str, str]
    default_value: str
    value: str | None = None
    auto_hpo_value: str | None = None

    @model_validator(mode="after")
    def _fits(self) -> "Selectable":
        for chosen in (self.default_value, self.value):
            if chosen is not None and chosen not in self.options.values():
                raise ValueError(f"“{chosen}” is none of {', '.join(self.options.values())}")
        return self


Node = Integer | Float | Boolean | Selectable
_node: TypeAdapter[Node] = TypeAdapter(Annotated[Node, Field(discriminator="type")])

_KINDS: dict[str, Kind] = {"INTEGER": "integer", "FLOAT": "float", "BOOLEAN": "boolean", "SELECTABLE": "choice"}
_TYPES = frozenset(_KINDS)
_GROUP_KEYS = ("type", "header", "description", "visible_in_ui", "id")


@dataclass(frozen=True)
class Group:
    """Parameters that belong together, and the groups inside."""

    header: str
    description: str
    visible: bool
    parameters: Mapping[str, Node]
    groups: Mapping[str, "Group"] = field(default_factory=dict)


def read(data: object, *, overrides: object, file: str, overriding: str) -> Group:
    """The root group of a parsed configuration.yaml with the template's overrides put in. Raises BadConfig."""
    if not isinstance(data, dict) or data.get("type") != "CONFIGURABLE_PARAMETERS":
        raise BadConfig(f"“{file}” does not begin with type CONFIGURABLE_PARAMETERS.", where=file)
    merged = _overridden(data, overrides or {}, (), overriding)
    return _group(merged, (), file)


def _overridden(node: dict[str, Any], overrides: object, path: tuple[str, ...], file: str) -> dict[str, Any]:
    """OTX lets a template set default_value, value, limits, state and header of parameters that exist."""
    if not isinstance(overrides, dict):
        raise BadConfig(f"{'.'.join(path) or 'parameter_overrides'} in “{file}” must be a mapping.", where=file)
    result = dict(node)
    for name, given in overrides.items():
        here = (*path, str(name))
        if not _is_part(node) and name in _GROUP_KEYS:
            raise BadConfig(f"{'.'.join(here)} in “{file}” cannot be overridden.", where=file)
        if name not in node and not _is_part(node):
            raise BadConfig(f"{'.'.join(here)} in “{file}” overrides what the configuration does not have.", where=file)
        inner = node.get(name)
        result[name] = _overridden(inner, given, here, file) if isinstance(inner, dict) else given
    # A new default is the value too, unless the override says otherwise.
    if _is_part(node) and "default_value" in overrides and "value" not in overrides:
        result.pop("value", None)
    return result


def _is_part(node: Mapping[str, Any]) -> bool:
    return node.get("type") in _TYPES


def _group(data: Mapping[str, Any], path: tuple[str, ...], file: str) -> Group:
    parameters, groups = {}, {}
    for name, child in data.items():
        if name in _GROUP_KEYS:
            continue
        here = (*path, str(name))
        if not isinstance(child, dict):
            raise BadConfig(f"{'.'.join(here)} in “{file}” is neither a parameter nor a group.", where=file)
        if child.get("type") == "PARAMETER_GROUP":
            groups[str(name)] = _group(child, here, file)
            continue
        try:
            parameters[str(name)] = _node.validate_python(child)
        except ValidationError as error:
            raise BadConfig(f"“{file}”: {'.'.join(here)} {_sentence(error)}.", where=file) from error
    return Group(
        header=str(data.get("header", "")),
        description=str(data.get("description", "")),
        visible=bool(data.get("visible_in_ui", True)),
        parameters=parameters,
        groups=groups,
    )


def _sentence(error: ValidationError) -> str:
    """The first thing wrong with a parameter, e.g. `min_value: Input should be a valid integer`."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part not in _TYPES)
    return f"{place}: {first['msg']}" if place else first["msg"]


def effective(node: Node) -> int | float | bool | str:
    """The value in force."""
    return node.default_value if node.value is None else node.value


def walk(group: Group, prefix: str = "") -> Iterator[tuple[str, Node]]:
    """Every parameter by its dotted name."""
    for name, node in group.parameters.items():
        yield f"{prefix}{name}", node
    for name, inner in group.groups.items():
        yield from walk(inner, f"{prefix}{name}.")


def retold(parameter: Parameter, node: Node, visible: bool) -> Parameter:
    """A method's parameter with what `configuration.yaml` says of it: words, limits, choices, what may be changed."""
    if isinstance(node, _Ranged):
        low, high = node.min_value, node.max_value
        parameter = replace(
            parameter,
            minimum=parameter.minimum if low is None else low,
            maximum=parameter.maximum if high is None else high,
        )
    if isinstance(node, Selectable):
        parameter = replace(parameter, options=tuple(option.lower() for option in node.options.values()))
    return replace(
        parameter,
        header=node.header or parameter.header,
        description=node.description or parameter.description,
        editable=node.editable,
        visible=node.visible_in_ui and visible,
        warning=node.warning or "",
    )
