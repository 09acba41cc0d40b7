"""Operations by the names that NNCF 2 gave them in PyTorch, found among those of today's graph.

NNCF named an operation by the classes and names of the modules around it and by its function in PyTorch, as in
`PadimModel/AnomalyMapGenerator[anomaly_map_generator]/sqrt_0`. Exporters keep the names of modules but not their
classes, and the order within a module; so an operation is found by module, function and number.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

PATTERN = "{re}"
"""Before a name that is a pattern."""

_FUNCTIONS: Mapping[str, str] = {
    "Add": "add",
    "Sub": "sub",
    "Subtract": "sub",
    "Mul": "mul",
    "Multiply": "mul",
    "Div": "truediv",
    "Divide": "truediv",
    "Pow": "pow",
    "Power": "pow",
    "Sqrt": "sqrt",
    "Exp": "exp",
    "MatMul": "matmul",
    "Gemm": "matmul",
    "Conv": "conv",
    "Convolution": "conv",
    "GroupConvolution": "conv",
    "ConvTranspose": "conv_transpose",
    "ConvolutionBackpropData": "conv_transpose",
    "GroupConvolutionBackpropData": "conv_transpose",
    "Resize": "interpolate",
    "Interpolate": "interpolate",
    "Concat": "cat",
    "Softmax": "softmax",
    "SoftMax": "softmax",
    "Sigmoid": "sigmoid",
    "Relu": "relu",
    "AveragePool": "avg_pool",
    "AvgPool": "avg_pool",
    "ReduceMean": "mean",
    "MaxPool": "max_pool",
}
"""What PyTorch calls an operation of ONNX or OpenVINO."""
_SYNONYMS = {
    "div": "truediv",
    "linear": "matmul",
    "addmm": "matmul",
    "bmm": "matmul",
    "_convolution": "conv",
    "convolution": "conv",
    "adaptive_avg_pool": "avg_pool",
}
_WITH_WEIGHTS = frozenset({"conv", "conv_transpose", "matmul"})
_PYTHON = frozenset({"add", "sub", "mul", "truediv", "pow", "matmul"})
"""Functions that are operators in Python: `__mul__`, `__rmul__`, `__imul__`."""
_FUNCTION = re.compile(r"(?:__[a-z]+__|[a-z][a-z0-9_]*?)_\d+")
_MODULE = re.compile(r"\w+\[(\w+)\]")
_IN_PATTERN = re.compile(r"\w+\\\[(\w+)\\\]")
_OPERATOR = re.compile(r"__[a-z]+__")


@dataclass(frozen=True)
class _Place:
    module: str
    """Names of modules with a dot before each."""
    function: str
    number: int


def is_old(name: str) -> bool:
    """Whether a name or pattern is one of NNCF 2 in PyTorch."""
    if name.startswith(PATTERN):
        return bool(_OPERATOR.search(name) or _IN_PATTERN.search(name.removeprefix(PATTERN)))
    return _wanted(name) is not None


def found(operations: Iterable[tuple[str, str]], wanted: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Of old names and patterns those that are clear, each with the names that it has today.

    `operations` are names and types. A name must mean a single operation; a pattern may mean several. A pattern that
    is none is not found.
    """
    places = [(name, place) for name, type_ in operations if (place := _here(name, type_))]
    result = {}
    for name in wanted:
        if not is_old(name):
            continue
        meant = _by_pattern(name, places) if name.startswith(PATTERN) else _by_name(name, places)
        if meant:
            result[name] = meant
    return result


def _by_name(name: str, places: Iterable[tuple[str, _Place]]) -> tuple[str, ...]:
    """The one of that number in its module, or the only one, whatever its number: exporters leave some out."""
    if (place := _wanted(name)) is None:
        return ()
    inside = [
        (own, one)
        for own, one in places
        if one.function == place.function and one.module.endswith(place.module or one.module)
    ]
    same = [(own, one) for own, one in inside if one.number == place.number and place.module] or inside
    return (same[0][0],) if len(same) == 1 else ()


def _by_pattern(name: str, places: Iterable[tuple[str, _Place]]) -> tuple[str, ...]:
    text = _IN_PATTERN.sub(r"\1", re.sub(r"^\w+/", "(?:.*/)?", name.removeprefix(PATTERN)))
    try:
        pattern = re.compile(text)
    except re.error:
        return ()
    return tuple(sorted(own for own, place in places if any(pattern.match(old) for old in _spelled(place))))


def _wanted(name: str) -> _Place | None:
    """Where an old name says that an operation is; None for another kind of name."""
    root, *parts = name.split("/")
    if not parts or not re.fullmatch(r"\w+", root) or not _FUNCTION.fullmatch(parts[-1]):
        return None
    modules = [_MODULE.fullmatch(part) for part in parts[:-1]]
    function, _, number = parts[-1].rpartition("_")
    if not all(modules) or (not modules and _function(function) not in _FUNCTIONS.values()):
        return None
    return _Place("".join(f".{one[1]}" for one in modules if one), _function(function), int(number))


def _here(name: str, type_: str) -> _Place | None:
    """Where an operation of today is; None for one that PyTorch has no function for."""
    *parts, last = name.removesuffix("/WithoutBiases").strip("/").split("/")
    kind, _, number = last.partition("_")
    told = [part.partition("::")[2] for part in parts if "::" in part]
    function = _function(told[-1]) if told else _FUNCTIONS.get(kind) or _FUNCTIONS.get(type_, "")
    by_type = _FUNCTIONS.get(type_, "")
    if by_type in _WITH_WEIGHTS:
        function = by_type  # whatever was merged into it
    if function not in _FUNCTIONS.values() or function in _WITH_WEIGHTS - {by_type}:
        return None  # no function, or the bias of one
    modules = [part for part in parts if "::" not in part]
    # A module in a list comes after the list: /blocks/blocks.0
    path = [one for one, after in zip(modules, (*modules[1:], ""), strict=False) if not after.startswith(f"{one}.")]
    module = ".".join(path).removeprefix("__module.")
    return _Place(f".{module}" if module else "", function, int(number) if number.isdecimal() else 0)


def _function(name: str) -> str:
    """One name for a function however it is written: `__rmul__`, `mul_` and `mul` are one."""
    if operator := re.fullmatch(r"__[ri]?([a-z]+)__", name):
        short = operator[1]
        return short if short in _PYTHON else name.strip("_")
    name = name.rstrip("_") if not name.startswith("__") else name
    if name.startswith("upsample_"):
        return "interpolate"
    plain = re.sub(r"[123]d$", "", name)
    return _SYNONYMS.get(plain, plain)


def _spelled(place: _Place) -> Iterator[str]:
    """An operation of today as NNCF would have called it, but for classes."""
    path = place.module.replace(".", "/")
    names = [place.function, *(f"{place.function}{size}" for size in ("1d", "2d", "3d"))]
    if place.function in _PYTHON:
        names += [f"__{kind}{place.function}__" for kind in ("", "r", "i")]
    return (f"{path}/{one}_{place.number}" for one in names)
