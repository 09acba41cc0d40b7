"""Settings as a form: each with its value, where that comes from, its limits and its help.

The page's script (optimise.js) reads what is typed, marks what differs from the effective value, and sends it; the
server says what is wrong, beside the field.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import groupby

from markupsafe import Markup

from jobs.fields import Parameter, allowed
from otx_web.ui import parts

POINTS = ("max_drop", "maximal_drop", "maximal_absolute_accuracy_degradation")
"""Fractions that a person reads and writes as percentage points."""
SHARES = ("filter_pruning.pruning_flops_target", "filter_pruning.pruning_target", "sparsity.sparsity_target")
"""Fractions that a sentence names as percentages."""
UNSET = "automatic"
"""What a setting is that nobody has set."""
LONG = 60
"""Texts beyond this many characters get a box of several lines."""


def fields(parameters: Iterable[Parameter], messages: Mapping[str, str]) -> Markup:
    """Fields side by side, as many as fit."""
    return parts.element("div", *(one(parameter, messages) for parameter in parameters), classes="ow-fields")


def folds(parameters: Iterable[Parameter], messages: Mapping[str, str], *, rest: str) -> Markup:
    """Settings that few people need, a click for each group. Those without a group come under `rest`."""
    groups: dict[str, list[Parameter]] = {}
    for parameter in parameters:
        groups.setdefault(parameter.group.partition(", ")[0] or rest, []).append(parameter)
    return parts.join(_group(title, members, messages) for title, members in groups.items())


def _group(title: str, members: Sequence[Parameter], messages: Mapping[str, str]) -> Markup:
    """One group; what it is divided into, such as the ends of a range, has its own heading."""
    body: list[Markup] = []
    for inner, some in groupby(members, key=lambda one: one.group.partition(", ")[2]):
        body += [parts.element("h4", inner.capitalize())] if inner else []
        body.append(fields(some, messages))
    return folded(title.lower().replace(" ", "-"), title, *body)


def folded(name: str, title: parts.Text, *body: parts.Text, open_: bool = False) -> Markup:
    """What opens on a click; the script keeps it open, by its name, when the form is written anew."""
    summary = parts.element("summary", title)
    return parts.element("details", summary, *body, classes="ow-fold", id=f"ow-fold-{name}", open="" if open_ else None)


def one(parameter: Parameter, messages: Mapping[str, str]) -> Markup:
    """A label, a control, what is wrong, and the help."""
    name = control_id(parameter.name)
    label = parts.element("label", parameter.header or parameter.name, for_=name)
    control = _control(parameter, name, parameter.name in messages)
    first = parts.element("div", control, label) if parameter.kind == "boolean" else parts.join([label, control])
    return parts.element(
        "div",
        first,
        parts.element("p", message(parameter, messages), classes="ow-error", id=f"{name}-error"),
        _help(parameter, name),
        classes="ow-field ow-switch" if parameter.kind == "boolean" else "ow-field",
    )


def control_id(name: str) -> str:
    """Id of the control of a setting."""
    return "ow-set-" + name.replace(".", "-")


def message(parameter: Parameter, messages: Mapping[str, str]) -> str:
    """What is wrong, in the unit that the field has."""
    text = messages.get(parameter.name, "")
    if text and parameter.name in POINTS:
        return f"{parameter.header or parameter.name} must be from 0 to 100 points."
    return text


def shown(parameter: Parameter, text: str) -> str:
    """A value as the field shows it."""
    if parameter.name not in POINTS:
        return text
    try:
        return f"{(Decimal(text) * 100).normalize():f}"
    except InvalidOperation:
        return text


def said(parameter: Parameter, text: str) -> str:
    """A value in a sentence: "300", "1 point", "on"."""
    if parameter.kind == "boolean":
        return "on" if text == "true" else "off"
    if not text:
        return UNSET if parameter.kind in ("choice", "integer", "float") else "nothing"
    if parameter.name in POINTS:
        points = shown(parameter, text)
        return f"{points} point" if points == "1" else f"{points} points"
    if parameter.name in SHARES:
        return parts.percent(float(text), 0)
    if parameter.kind == "choice":
        return _words(text)
    if parameter.kind == "integer" and text.isdecimal():
        return parts.count(int(text))
    return text if len(text) <= LONG else text[:LONG] + "…"


# --- controls


def _control(parameter: Parameter, name: str, wrong: bool) -> Markup:
    given: dict[str, str | None] = {
        "id": name,
        "data_name": parameter.name,
        "data_default": parameter.value,
        "data_scale": "100" if parameter.name in POINTS else None,
        "aria_describedby": f"{name}-error {name}-help",
        "aria_invalid": "true" if wrong else None,
        "disabled": None if parameter.editable else "",
    }
    if parameter.kind == "boolean":
        return Markup("<input{}>").format(
            _attributes(given | {"type": "checkbox", "checked": "" if parameter.value == "true" else None})
        )
    if parameter.kind == "choice":
        options = parameter.options if parameter.value in parameter.options else (parameter.value, *parameter.options)
        return parts.element("select", *(_option(one, parameter.value) for one in options), **given)
    if parameter.kind == "names" or len(parameter.value) > LONG:
        return parts.element("textarea", parameter.value, **given, rows="3", spellcheck="false")
    mode = {"integer": "numeric", "float": "decimal"}.get(parameter.kind)
    more = {"type": "text", "inputmode": mode, "autocomplete": "off", "spellcheck": "false"}
    return Markup("<input{}>").format(_attributes(given | more | {"value": shown(parameter, parameter.value)}))


def _attributes(given: Mapping[str, str | None]) -> Markup:
    return parts.join(
        Markup(' {}="{}"').format(name.replace("_", "-"), value) for name, value in given.items() if value is not None
    )


def _option(text: str, value: str) -> Markup:
    words = _words(text) or UNSET.capitalize()
    return parts.element("option", words, value=text, selected="" if text == value else None)


def _words(text: str) -> str:
    """ "first_layer" as "First layer", "int8_sym" as "INT8 sym", "rb_sparsity" as "RB sparsity"; capitals stay."""
    if text.isupper() or not text.islower():
        return text
    words = text.replace("_", " ").capitalize()
    return re.sub(r"^(Int(?=\d)|Rb )", lambda found: found[0].upper(), words)


def _help(parameter: Parameter, name: str) -> Markup:
    sentence = parameter.description.strip()
    if sentence:
        sentence = sentence[0].upper() + sentence[1:] + ("" if sentence.endswith((".", "…")) else ".")
    warning = (
        [parts.element("span", parameter.warning, classes="ow-origin ow-text-unsure")] if parameter.warning else []
    )
    about = [text for text in (parameter.source and f"from {parameter.source}", _limits(parameter)) if text]
    origin = parts.element(
        "span", parts.join([*about, parts.element("code", parameter.name)], " · "), classes="ow-origin"
    )
    before = f"Changed by you; it was {said(parameter, parameter.value)}. "
    undo = parts.element("button", "Undo", type="button", classes="ow-quiet", data_undo=parameter.name)
    changed = parts.element("span", before, undo, classes="ow-origin ow-changed")
    return parts.element("p", sentence, *warning, origin, changed, classes="ow-help", id=f"{name}-help")


def _limits(parameter: Parameter) -> str:
    if parameter.name in POINTS:
        return "from 0 to 100 points"
    if parameter.kind not in ("integer", "float") or parameter.minimum == parameter.maximum:
        return ""
    return allowed(parameter).removeprefix("a whole number").removeprefix("a number").removeprefix(" of").lstrip(" ,")
