from typing import Any

import pytest

from jobs import configuration
from jobs.configuration import Group
from jobs.errors import BadConfig
from jobs.fields import Parameter


def tree(**parameters: Any) -> dict[str, Any]:
    group = {"type": "PARAMETER_GROUP", "header": "POT", "visible_in_ui": True, **parameters}
    return {"type": "CONFIGURABLE_PARAMETERS", "id": "", "header": "All", "pot_parameters": group}


def size(**more: Any) -> dict[str, Any]:
    return {"type": "INTEGER", "default_value": 300, "min_value": 1, "max_value": 1000, **more}


def read(data: object, overrides: object = None) -> Group:
    return configuration.read(data, overrides=overrides, file="configuration.yaml", overriding="template.yaml")


def test_every_type_is_read() -> None:
    group = read(
        tree(
            stat_subset_size=size(header="Images", affects_outcome_of="NONE", auto_hpo_state="NOT_POSSIBLE"),
            share={"type": "FLOAT", "default_value": 1, "max_value": 100.0},
            on={"type": "BOOLEAN", "default_value": True, "value": False, "warning": None},
            preset={
                "type": "SELECTABLE",
                "enum_name": "POTQuantizationPreset",
                "options": {"MIXED": "Mixed", "PERFORMANCE": "Performance"},
                "default_value": "Performance",
                "ui_rules": {"action": "DISABLE_EDITING", "operator": "AND", "rules": [], "type": "UI_RULES"},
            },
        )
    )
    found = {name: configuration.effective(node) for name, node in configuration.walk(group)}
    assert found == {
        "pot_parameters.stat_subset_size": 300,
        "pot_parameters.share": 1.0,
        "pot_parameters.on": False,
        "pot_parameters.preset": "Performance",
    }


def test_a_group_in_a_group() -> None:
    inner = {"type": "PARAMETER_GROUP", "header": "Tiles", "tile_size": size()}
    assert [name for name, _ in configuration.walk(read(tree(tiles=inner)))] == ["pot_parameters.tiles.tile_size"]


def test_an_override_becomes_the_value() -> None:
    group = read(
        tree(stat_subset_size=size(value=200)),
        {"pot_parameters": {"stat_subset_size": {"default_value": 500, "auto_hpo_state": "POSSIBLE"}}},
    )
    assert configuration.effective(group.groups["pot_parameters"].parameters["stat_subset_size"]) == 500


def test_words_and_limits_reach_the_parameter() -> None:
    node = read(tree(one=size(header="Images", editable=False, warning="Slow"))).groups["pot_parameters"].parameters
    told = configuration.retold(Parameter("one", "integer", description="as it was"), node["one"], visible=False)
    assert (told.header, told.description, told.warning) == ("Images", "as it was", "Slow")
    assert (told.minimum, told.maximum, told.editable, told.visible) == (1, 1000, False, False)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("text", "does not begin with"),
        ({"type": "PARAMETER_GROUP"}, "does not begin with"),
        (tree(one=5), "pot_parameters.one in “configuration.yaml” is neither"),
        (tree(one={"type": "COLOUR", "default_value": 1}), "pot_parameters.one"),
        (tree(one=size(default_value=0)), "pot_parameters.one.*0 is not from 1 to 1000"),
        (tree(one=size(default_value="many")), "pot_parameters.one default_value"),
        (tree(one=size(colour="red")), "pot_parameters.one colour"),
        (
            tree(one={"type": "SELECTABLE", "enum_name": "E", "options": {"A": "a"}, "default_value": "b"}),
            "“b” is none of a",
        ),
    ],
)
def test_what_is_not_the_grammar_is_named(data: object, problem: str) -> None:
    with pytest.raises(BadConfig, match=problem) as caught:
        read(data)
    assert caught.value.where == "configuration.yaml"


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (
            {"pot_parameters": {"colour": {"default_value": 1}}},
            "pot_parameters.colour in “template.yaml” overrides what",
        ),
        ({"nncf_optimization": {}}, "nncf_optimization"),
        ({"pot_parameters": {"type": "X"}}, "cannot be overridden"),
        ({"pot_parameters": 5}, "pot_parameters in “template.yaml” must be a mapping"),
    ],
)
def test_an_override_of_nothing_is_named(overrides: object, problem: str) -> None:
    with pytest.raises(BadConfig, match=problem) as caught:
        read(tree(one=size()), overrides)
    assert caught.value.where == "template.yaml"
