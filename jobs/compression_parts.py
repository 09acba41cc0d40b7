"""OTX's `compression_config.json` put together: a base, the part that was chosen, and OTX's rule of merging.

Objects are merged key by key, lists are added to each other, and any other value of the part counts.
"""

import copy
from collections.abc import Mapping

from pydantic import JsonValue

from jobs import fields
from jobs.errors import BadConfig

BASE, ORDER = "base", "order_of_parts"
QUANTIZATION = "nncf_quantization"
PRUNING = frozenset({"nncf_quantization_pruning", "nncf_pruning"})
"""Parts of the method that prunes."""


def has_parts(data: Mapping[str, JsonValue]) -> bool:
    """Whether it is OTX's file, and not NNCF's own."""
    return BASE in data or ORDER in data or any(key.startswith("nncf_") for key in data)


def part(*, quantization: bool, pruning: bool) -> str:
    """The name of the part that does what is wanted. Raises BadConfig when nothing is."""
    match quantization, pruning:
        case True, True:
            return "nncf_quantization_pruning"
        case True, False:
            return QUANTIZATION
        case False, True:
            return "nncf_pruning"
    raise BadConfig("Neither quantization nor pruning is turned on, so there is nothing to do.")


def compose(name: str, data: Mapping[str, JsonValue], chosen: str) -> dict[str, JsonValue]:
    """The base with the chosen part merged into it. Raises BadConfig, as OTX does where it cannot be merged."""
    base, order = data.get(BASE), data.get(ORDER)
    if not isinstance(base, dict):
        raise BadConfig(f"“{name}” has no object “{BASE}”, which the parts are merged into.", where=name)
    if not isinstance(order, list) or not all(isinstance(one, str) for one in order):
        raise BadConfig(f"{ORDER} in “{name}” must be a list of names.", where=name)
    if chosen not in order:
        names = ", ".join(map(str, order)) or "nothing"
        raise BadConfig(
            f"{ORDER} in “{name}” lacks {chosen}, which is what the method does; it names {names}.",
            hint=f"Add the part {chosen} and its name, or use another file.",
            where=name,
        )
    added = data.get(chosen)
    if not isinstance(added, dict):
        raise BadConfig(f"“{name}” has no part “{chosen}”, although {ORDER} names it.", where=name)
    return _merged(name, base, added, "")


def _merged(
    name: str, base: Mapping[str, JsonValue], added: Mapping[str, JsonValue], path: str
) -> dict[str, JsonValue]:
    result = copy.deepcopy(dict(base))
    for key, value in added.items():
        here, before = f"{path}.{key}" if path else key, result.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            result[key] = _merged(name, before, value, here)
        elif isinstance(before, list) and isinstance(value, list):
            result[key] = [*before, *copy.deepcopy(value)]
        elif _clash(before, value):
            raise BadConfig(
                f"{here} in “{name}” is {fields.shown(before)} in the base and {fields.shown(value)} in the part, which"
                " cannot be merged.",
                where=name,
            )
        else:
            result[key] = copy.deepcopy(value)
    return result


def _clash(before: JsonValue, value: JsonValue) -> bool:
    """Null gives way to anything, and a number is a number."""
    if before is None or value is None:
        return False
    return _type(before) is not _type(value)


def _type(value: JsonValue) -> type:
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)
