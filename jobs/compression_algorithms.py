"""The algorithms of NNCF's configuration files: which of them a method does, and what becomes of the others."""

from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches

from pydantic import JsonValue

from jobs import compression_pruning, compression_quantization
from jobs.errors import BadConfig
from jobs.translation import Reader, Rule, change, only, walk

_PRUNES = (
    "The method NNCF Pruning does that, and quantizes too. This one leaves every filter and weight in place, and only"
    " quantizes."
)
_SMALLER = (
    "The network stays as it is; no other is searched for. Train a smaller one where it is too slow, or prune its"
    " filters."
)
NAS = "bootstrapNAS"
"""The section of a search for another network, beside the algorithms."""
_NEVER: Mapping[str, str] = {
    "const_sparsity": compression_pruning.CONST,
    "movement_sparsity": "No part of a transformer is removed. What there is for one is magnitude_sparsity, of the"
    " method NNCF Pruning, and quantization.",
    "binarization": "No device of OpenVINO runs single bits faster; 8 are used.",
    **dict.fromkeys((NAS, "bootstrap_nas", "progressive_shrinking"), _SMALLER),
    **dict.fromkeys(("hawq", "autoq"), compression_quantization.PRECISION),
}
"""Algorithms that do not run, and what can be done instead."""
_REFUSED: Mapping[bool, Mapping[str, str]] = {
    False: {**dict.fromkeys(compression_pruning.NAMES, _PRUNES), **_NEVER},
    True: _NEVER,
}
"""The same, by whether the method prunes."""
_DISTILLATION: dict[str, Rule] = {
    "algorithm": lambda reader, path, value: reader.add(path, value, "kept", "The original is the teacher anyway."),
    "type": change("How far an answer is off is measured by what the output is: divergence of scores, else distance."),
    "scale": change("The distance to the original is all that is learned from, so nothing weighs it."),
    "temperature": only(1, "Scores are compared as they are."),
}


def algorithms(*, prunes: bool, lenient: bool = False) -> Rule:
    """One algorithm or a list of them, at most one of a kind, for the method that prunes or for the one that does not.

    `lenient` lets the former do with quantization alone: the template says nothing of pruning.
    """

    def rule(reader: Reader, path: str, value: JsonValue) -> None:
        entries = value if isinstance(value, list) else [value]
        named = [one for one in entries if isinstance(one, dict) and isinstance(one.get("algorithm"), str)]
        if len(named) != len(entries):
            raise reader.bad(path, "must be an object with algorithm, or a list of such objects")
        kinds = [_kind(one) for one in named]
        _require_one_of_each(reader, path, kinds)
        if not lenient:
            _require_its_own(reader, path, kinds, prunes=prunes)
        for number, one in enumerate(named):
            here = f"{path}[{number}]" if isinstance(value, list) else path
            _algorithm(reader, here, one, prunes=prunes, quantized="quantization" in kinds)

    return rule


def search(reader: Reader, path: str, value: JsonValue) -> None:
    """The section `NAS`, which is refused."""
    reader.add(path, value, "refused", _SMALLER)
    reader.warnings.append(f"“{reader.source}” asks for {NAS}. {_SMALLER}")


def require(name: str, data: Mapping[str, JsonValue]) -> None:
    """Raises BadConfig where a file, by its name and root, asks for no algorithm."""
    if data.get("compression") not in (None, [], {}):
        return
    if NAS in data:
        raise BadConfig(f"“{name}” asks for {NAS} alone.", hint=_SMALLER, where=name)
    hint = 'It needs "compression": {"algorithm": "quantization"}.'
    raise BadConfig(f"“{name}” names no algorithm.", hint=hint, where=name)


def _kind(algorithm: Mapping[str, JsonValue]) -> str:
    name = str(algorithm["algorithm"])
    return "quantization" if name in compression_quantization.NAMES else name


def _require_one_of_each(reader: Reader, path: str, kinds: list[str]) -> None:
    if twice := [kind for kind, count in Counter(kinds).items() if count > 1]:
        raise reader.bad(path, f"asks for {twice[0]} twice", "Keep one of the two.")
    removing = [kind for kind in kinds if kind in compression_pruning.NAMES]
    if len(removing) > 1:
        hint = (
            "Keep filter_pruning for a model that is smaller and faster."
            if "filter_pruning" in removing
            else "Keep magnitude_sparsity: it needs less training for the same zeros."
        )
        raise reader.bad(path, f"asks for {' and '.join(removing)}, of which one can run", hint)


def _require_its_own(reader: Reader, path: str, kinds: list[str], *, prunes: bool) -> None:
    """What the method is there for must be among them."""
    own = compression_pruning.NAMES if prunes else ("quantization",)
    if any(kind in own for kind in kinds):
        return
    names = ", ".join(kinds) or "nothing"
    refused = _REFUSED[prunes]
    notes = [refused[kind] for kind in kinds if kind in refused]
    if prunes:
        if "quantization" in kinds:
            notes.insert(0, "Choose the method NNCF Quantization for it, or add filter_pruning to it.")
        hint = " ".join(dict.fromkeys(notes)) or f"What it can do: {', '.join(own)}."
        raise reader.bad(path, f"asks for {names}, so nothing is to be removed, which is what this method does", hint)
    hint = " ".join(dict.fromkeys(notes)) or 'It needs {"algorithm": "quantization"}.'
    raise reader.bad(path, f"asks for {names}, and not for quantization, which this method does", hint)


def _algorithm(reader: Reader, path: str, value: dict[str, JsonValue], *, prunes: bool, quantized: bool) -> None:
    name, refused = str(value["algorithm"]), _REFUSED[prunes]
    if name in refused:
        reader.add(f"{path}.algorithm", name, "refused", refused[name])
        reader.warnings.append(f"“{reader.source}” asks for {name}. {refused[name]}")
        return
    if name == "knowledge_distillation":
        walk(reader, path, value, _DISTILLATION)
        return
    if name in compression_pruning.NAMES:
        compression_pruning.algorithm(reader, path, value, quantized=quantized)
        return
    if name not in compression_quantization.NAMES:
        known = [*compression_quantization.NAMES, *compression_pruning.NAMES, "knowledge_distillation", *refused]
        near = get_close_matches(name, known, 1)
        hint = f"Did you mean {near[0]}?" if near else f"{', '.join(_own(prunes=prunes))} is what can run."
        raise reader.bad(f"{path}.algorithm", f"is “{name}”, which NNCF did not have", hint)
    compression_quantization.algorithm(reader, path, value)


def _own(*, prunes: bool) -> tuple[str, ...]:
    return (*compression_pruning.NAMES, "quantization") if prunes else ("quantization",)
