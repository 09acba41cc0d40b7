"""Configuration files translated into the parameters of a method, key by key.

Each key is kept, changed or refused, with the reason; an unknown one is an error that names it. A rule says what to do
with one key; tables of rules say what a file may hold.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Literal

from pydantic import JsonValue

from jobs import fields
from jobs.errors import BadConfig, BadOption
from jobs.fields import Parameter
from jobs.report import ConfigKey
from jobs.spec import NncfPruning, PotAccuracyAware

Fate = Literal["kept", "changed", "refused"]

_SHOWN = 200
_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Row:
    """A key and what became of it."""

    path: str
    value: JsonValue
    fate: Fate
    note: str = ""
    parameter: str = ""
    """The parameter that it sets; empty when it sets none."""
    used: Any = None
    """What it sets it to."""
    also: Mapping[str, Any] = field(default_factory=dict)
    """What else it sets, where nothing else in the file does."""

    def key(self, source: str) -> ConfigKey:
        """As reports show it."""
        text = json.dumps(self.value, ensure_ascii=False)
        short = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
        return ConfigKey(
            key=self.path, value=short, fate=self.fate, note=self.note, source=source, parameter=self.parameter
        )


@dataclass(frozen=True)
class Translation:
    """What a file comes to."""

    source: str
    rows: tuple[Row, ...]
    warnings: tuple[str, ...] = ()

    @property
    def values(self) -> dict[str, Any]:
        """By the parameter's name, ready for the options. Lists of names add up."""
        result: dict[str, Any] = {name: used for row in self.rows for name, used in row.also.items()}
        said = {row.parameter for row in self.rows}
        result = {name: used for name, used in result.items() if name not in said}
        for row in self.rows:
            if row.parameter:
                more = isinstance(row.used, tuple) and row.parameter in result
                result[row.parameter] = result[row.parameter] + row.used if more else row.used
        return result


@dataclass
class Reader:
    """Collects rows while the rules walk through a file."""

    source: str
    rows: list[Row] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    strict: bool = True
    """Whether an unknown key is an error. Of a recipe inside a model it is only refused: a person cannot edit it."""

    def done(self) -> Translation:
        """All of it. A parameter that two keys set has the value of the later one."""
        last = {row.parameter: row for row in self.rows if row.parameter}
        rows = tuple(row if _counts(row, last) else _outdone(row, last[row.parameter]) for row in self.rows)
        return Translation(self.source, rows, tuple(self.warnings))

    def add(self, path: str, value: JsonValue, fate: Fate, note: str = "") -> None:
        """Say what became of a key that sets nothing."""
        self.rows.append(Row(path, value, fate, note))

    def set(
        self,
        path: str,
        value: JsonValue,
        name: str,
        used: Any,
        fate: Fate = "kept",
        note: str = "",
        also: Mapping[str, Any] = _NOTHING,
    ) -> None:
        """Give a parameter a value. Raises BadOption when it cannot have it."""
        try:
            parsed = fields.parse(PARAMETERS[name], used)
        except BadOption as error:
            if self.strict:
                raise BadOption(f"In “{self.source}” {error.message}", hint=error.hint, where=name) from None
            self.add(path, value, "refused", error.message)
            return
        says = used is not None or PARAMETERS[name].optional
        self.rows.append(Row(path, value, fate, note, name if says else "", parsed, also))

    def bad(self, path: str, problem: str, hint: str = "") -> BadConfig:
        """What to raise for a key that cannot be read."""
        return BadConfig(f"{path} in “{self.source}” {problem}.", hint=hint, where=self.source)


def _counts(row: Row, last: Mapping[str, Row]) -> bool:
    return not row.parameter or isinstance(row.used, tuple) or last[row.parameter] is row


def _outdone(row: Row, later: Row) -> Row:
    return replace(row, fate="changed", note=f"{later.path} says otherwise.", parameter="", used=None, also={})


Rule = Callable[[Reader, str, JsonValue], None]
PARAMETERS: Mapping[str, Parameter] = {
    parameter.name: parameter for method in (NncfPruning, PotAccuracyAware) for parameter in fields.describe(method)
}
"""Of all methods that quantize: what values they can have. Each has some of them."""


# --- rules: what to do with a key


def keep(name: str) -> Rule:
    """The parameter has the value."""

    def rule(reader: Reader, path: str, value: JsonValue) -> None:
        reader.set(path, value, name, value)

    return rule


def change(note: str) -> Rule:
    """Something else is done instead."""
    return lambda reader, path, value: reader.add(path, value, "changed", note)


def refuse(note: str) -> Rule:
    """It cannot be done."""
    return lambda reader, path, value: reader.add(path, value, "refused", note)


def only(accepted: JsonValue, note: str) -> Rule:
    """For what can be done in one way only."""
    return lambda reader, path, value: reader.add(
        path, value, "kept" if value in (accepted, None) else "refused", "" if value in (accepted, None) else note
    )


def section(rules: Mapping[str, Rule]) -> Rule:
    """An object with rules for its keys."""

    def rule(reader: Reader, path: str, value: JsonValue) -> None:
        walk(reader, path, value, rules)

    return rule


def walk(reader: Reader, path: str, value: JsonValue, rules: Mapping[str, Rule]) -> None:
    """Use the rule of every key of an object."""
    if value is None:
        return
    if not isinstance(value, dict):
        if not reader.strict:
            reader.add(path, value, "refused", "This must be an object.")
            return
        raise reader.bad(path, f"is {fields.shown(value)}; it must be an object")
    for key, inner in value.items():
        here = f"{path}.{key}" if path else key
        if rule := rules.get(key):
            rule(reader, here, inner)
        elif reader.strict:
            near = get_close_matches(key, rules, 1)
            raise reader.bad(here, "is no setting known here", f"Did you mean {near[0]}?" if near else "Remove it.")
        else:
            reader.add(here, inner, "refused", "This setting is not known here.")


# --- rules for what POT and NNCF both have


CHANNELS = "Devices quantize activations with one scale for all channels, so that is done."


def preset(reader: Reader, path: str, value: JsonValue) -> None:
    """POT has other names for its presets."""
    text = value.lower() if isinstance(value, str) else value
    match text:
        case "symmetric":
            reader.set(path, value, "preset", "performance", "changed", "POT's other name for performance.")
        case "accuracy" | "asymmetric":
            note = "POT too turned this preset into mixed, on every device but GNA."
            reader.set(path, value, "preset", "mixed", "changed", note)
        case _:
            reader.set(path, value, "preset", value)


def device(reader: Reader, path: str, value: JsonValue) -> None:
    """Some devices are gone."""
    text = value.upper() if isinstance(value, str) else value
    if text in ("GNA", "GNA3", "GNA3.5", "VPU", "TRIAL"):
        reader.add(path, value, "refused", f"Today's OpenVINO has no {text}; the model is quantized for any device.")
        return
    reader.set(path, value, "target_device", text)


def model_type(reader: Reader, path: str, value: JsonValue) -> None:
    """POT writes None as a text."""
    none = value is None or (isinstance(value, str) and value.lower() == "none")
    reader.set(path, value, "model_type", None if none else value)


def bits(name: str) -> Rule:
    """POT could emulate fewer bits than 8, which no device runs faster."""

    def rule(reader: Reader, path: str, value: JsonValue) -> None:
        if value in range(2, 8):
            reader.add(path, value, "refused", "Devices compute in 8 bits, so 8 are used.")
            return
        reader.set(path, value, name, value)

    return rule
