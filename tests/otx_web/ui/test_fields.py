"""A setting is shown with its value, where that comes from, its limits and its help; texts are never markup."""

from dataclasses import replace

import pytest

from jobs.fields import Parameter
from otx_web.ui import fields, parts

SUBSET = Parameter(
    "stat_subset_size",
    "integer",
    "Images used to calibrate",
    "the ranges are measured on them",
    value="300",
    minimum=1,
    maximum=1000,
    source="configuration.yaml",
)
LIMIT = Parameter("max_drop", "float", "Accepted loss", value="0.01", minimum=0, maximum=1)
EVIL = '"><img src=x onerror=alert(1)>'


def plain(markup: str) -> str:
    return markup.replace(parts.SPACE, " ")


def test_field_says_all_about_its_setting() -> None:
    field = fields.one(SUBSET, {})
    assert '<label for="ow-set-stat_subset_size">Images used to calibrate</label>' in field
    assert 'value="300"' in field
    assert "The ranges are measured on them." in field
    assert "from configuration.yaml" in field
    assert "from 1 to 1000" in field
    assert 'inputmode="numeric"' in field
    assert "aria-invalid" not in field


def test_mistake_stands_beside_its_field() -> None:
    field = fields.one(SUBSET, {"stat_subset_size": "Too small."})
    assert '<p class="ow-error" id="ow-set-stat_subset_size-error">Too small.</p>' in field
    assert 'aria-invalid="true"' in field
    assert 'aria-describedby="ow-set-stat_subset_size-error ow-set-stat_subset_size-help"' in field


@pytest.mark.parametrize(
    ("parameter", "control"),
    [
        (Parameter("a", "boolean", value="true"), 'type="checkbox" checked=""'),
        (Parameter("a", "choice", value="no", options=("no", "all")), '<option value="no" selected="">No</option>'),
        (Parameter("a", "choice", options=("", "all")), '<option value="" selected="">Automatic</option>'),
        (Parameter("a", "choice", value="odd", options=("all",)), '<option value="odd" selected="">Odd</option>'),
        (Parameter("a", "names", value="b\nc"), ">b\nc</textarea>"),
        (Parameter("a", "text", value="x" * 100), "<textarea"),
        (Parameter("a", "float", value="0.5"), 'inputmode="decimal"'),
        (Parameter("a", "text", editable=False), 'disabled=""'),
    ],
)
def test_every_kind_has_its_control(parameter: Parameter, control: str) -> None:
    assert control in fields.one(parameter, {})


def test_fraction_is_shown_as_points() -> None:
    field = fields.one(LIMIT, {})
    assert 'data-default="0.01"' in field
    assert 'data-scale="100"' in field
    assert 'value="1"' in field
    assert "from 0 to 100 points" in field
    wrong = fields.one(LIMIT, {"max_drop": "Accepted loss must be a number from 0 to 1, not “5”."})
    assert "Accepted loss must be from 0 to 100 points." in wrong


@pytest.mark.parametrize(
    ("parameter", "text", "said"),
    [
        (LIMIT, "0.01", "1 point"),
        (LIMIT, "0.025", "2.5 points"),
        (LIMIT, "0.1", "10 points"),
        (SUBSET, "5000", "5,000"),
        (SUBSET, "", "automatic"),
        (Parameter("a", "names"), "", "nothing"),
        (Parameter("a", "boolean"), "false", "off"),
        (Parameter("a", "choice"), "first_layer", "First layer"),
        (Parameter("a", "choice"), "CPU_SPR", "CPU_SPR"),
    ],
)
def test_values_in_words(parameter: Parameter, text: str, said: str) -> None:
    assert fields.said(parameter, text) == said


def test_groups_fold_and_name_their_parts() -> None:
    ends = [Parameter(f"w.{end}", "float", group=f"Weights, range, {end} end") for end in ("lower", "upper")]
    folded = fields.folds(
        [Parameter("w.bits", "integer", group="Weights"), *ends, Parameter("x", "text")], {}, rest="More"
    )
    assert folded.count("<details") == 2
    assert "<summary>Weights</summary>" in folded
    assert "<h4>Range, upper end</h4>" in folded
    assert 'id="ow-fold-more"' in folded


def test_texts_are_never_markup() -> None:
    evil = replace(SUBSET, header=EVIL, description=EVIL, value=EVIL, source=EVIL, warning=EVIL)
    assert "<img" not in fields.one(evil, {SUBSET.name: EVIL})
    assert "<img" not in fields.one(replace(evil, kind="names"), {})
    assert "<img" not in fields.one(replace(evil, kind="choice", options=(EVIL,)), {})
