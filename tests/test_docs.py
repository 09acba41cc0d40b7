"""The reference pages name every setting and key there is, with the values that the code has."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from jobs import pot_config, templates
from jobs.templates import Parameter
from otx_web.settings import Settings

ROOT = Path(__file__).parents[1]
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
DEPLOYMENT = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
GENERIC = templates.load("classification", "generic")


def row(parameter: Parameter) -> str:
    """A line of the table."""
    values = ", ".join(one for one in parameter.options if one) or parameter.kind
    default = f"`{parameter.value or parameter.default}`" if parameter.value or parameter.default else ""
    return f"| `{parameter.name}` | {values} | {default} | {parameter.description} |"


def parameters() -> Iterable[Parameter]:
    for method in GENERIC.methods:
        yield from templates.parameters(GENERIC, method)
    yield from templates.model_parameters(GENERIC, {})
    yield from templates.JOB_PARAMETERS


@pytest.mark.parametrize("parameter", list(parameters()), ids=lambda one: f"{one.source}-{one.name}")
def test_every_setting_is_described_as_it_is(parameter: Parameter) -> None:
    assert row(parameter) in CONFIGURATION


def keys() -> Iterator[str]:
    for table in (pot_config._MODEL, pot_config._ENGINE, pot_config._AWARE_PARAMS, pot_config._WEIGHTS):
        yield from table
    yield from pot_config._IGNORED


@pytest.mark.parametrize("key", sorted(set(keys())))
def test_the_fate_of_every_key_of_pot_is_told(key: str) -> None:
    assert f"`{key}`" in CONFIGURATION


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_of_the_operator_is_told(name: str) -> None:
    assert f"`OTX_WEB_{name.upper()}`" in DEPLOYMENT
