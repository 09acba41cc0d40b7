import pytest

from jobs import fields
from jobs.errors import BadOption
from jobs.fields import Parameter
from jobs.spec import IgnoredOperation, PotDefault, Preset

COUNT = Parameter("count", "integer", minimum=1, maximum=1000)
SHARE = Parameter("share", "float", minimum=0, maximum=0.5)
KIND = Parameter("kind", "choice", options=("", "mean", "max"))
NAMES = Parameter("names", "names")


def test_every_field_of_the_method_is_described() -> None:
    found = {one.name: one for one in fields.describe(PotDefault)}
    subset = found["stat_subset_size"]
    assert (subset.kind, subset.default, subset.minimum, subset.header) == (
        "integer",
        "300",
        1,
        "Images used to calibrate",
    )
    assert found["activations.range_estimator.max.type"].options == ("", *(f for f in _range_types()))
    assert found["activations.range_estimator.max.type"].group == "Activations, range, upper end"
    assert found["weights.bits"].maximum == 8
    assert found["use_fast_bias"].kind == "boolean"
    assert found["ignored.scope"].kind == "names"
    assert found["threshold"].default == ""
    assert all(one.header and one.description for one in found.values())
    assert "method" not in found


def _range_types() -> list[str]:
    return ["min", "max", "abs_max", "quantile", "abs_quantile"]


@pytest.mark.parametrize(
    ("parameter", "given", "expected"),
    [
        (COUNT, "300", 300),
        (COUNT, 300.0, 300),
        (SHARE, " 1e-4 ", 1e-4),
        (Parameter("on", "boolean"), "Yes", True),
        (Parameter("on", "boolean"), False, False),
        (KIND, "Mean", "mean"),
        (KIND, "", None),
        (Parameter("device", "text"), "CPU", "CPU"),
        (NAMES, "a, b\nc", ("a", "b", "c")),
        (NAMES, "{re}conv{1,3}, last", ("{re}conv{1,3}", "last")),
        (NAMES, ["x,y"], ("x,y",)),
        (NAMES, '{"type": "Add"}', ({"type": "Add"},)),
        (NAMES, "", ()),
    ],
)
def test_parse(parameter: Parameter, given: object, expected: object) -> None:
    assert fields.parse(parameter, given) == expected


@pytest.mark.parametrize(
    ("parameter", "given", "must_be"),
    [
        (COUNT, "0", "a whole number from 1 to 1000"),
        (COUNT, "1.5", "a whole number from 1 to 1000"),
        (COUNT, True, "a whole number"),
        (COUNT, "many", "a whole number"),
        (SHARE, "0.7", "a number from 0 to 0.5"),
        (SHARE, "nan", "a number"),
        (SHARE, "inf", "a number"),
        (Parameter("big", "integer", minimum=1, maximum=2**63 - 1), "-1", "a whole number of at least 1"),
        (Parameter("on", "boolean"), "perhaps", "true or false"),
        (KIND, "median", "one of mean, max"),
        (NAMES, 5, "a list of names"),
        (NAMES, '{"typ": "Add"}', "a list of names"),
        (Parameter("device", "text"), ["CPU"], "a text"),
    ],
)
def test_parse_refuses_with_what_is_allowed(parameter: Parameter, given: object, must_be: str) -> None:
    with pytest.raises(BadOption, match=must_be) as caught:
        fields.parse(parameter, given)
    assert caught.value.where == parameter.name


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (True, "true"),
        (0.0001, "0.0001"),
        (Preset.MIXED, "mixed"),
        (("a", "b"), "a\nb"),
        (IgnoredOperation(type="Add"), "Add"),
        ({"type": "Add", "attributes": {"axis": 1}}, '{"type":"Add","attributes":{"axis":1}}'),
    ],
)
def test_text_is_what_parse_takes(value: object, expected: str) -> None:
    assert fields.text(value) == expected


def test_long_values_are_cut_in_sentences() -> None:
    assert len(fields.shown("x" * 500)) < 70
    assert len(fields.shown(["x" * 500])) < 70
