import pytest

from jobs import ignored
from jobs.errors import BadOption
from jobs.nncf_engine import nncf
from jobs.spec import Ignored, IgnoredOperation
from tests.jobs.methods.nets import branches, convolutions


@pytest.mark.parametrize(
    ("wanted", "lost"),
    [
        (Ignored(), ()),
        (Ignored(scope=("conv0", "{re}conv[01]", "{re}bias")), ()),
        (Ignored(scope=("conv", "{re}.*attention.*", "conv0")), ("conv", "{re}.*attention.*")),
        (Ignored(operations=(IgnoredOperation(type="Add"), IgnoredOperation(type="add"))), ("add",)),
        (Ignored(operations=(IgnoredOperation(type="Convolution", attributes={"pads_begin": [0, 0]}),)), ()),
        (Ignored(operations=(IgnoredOperation(type="Convolution", attributes={"auto_pad": "explicit"}),)), ()),
        (
            Ignored(operations=(IgnoredOperation(type="Convolution", attributes={"auto_pad": "valid", "x": True}),)),
            ("Convolution with auto_pad valid, x True",),
        ),
        (Ignored(scope=("nothing",), strict=False), ()),
    ],
)
def test_what_nothing_in_the_model_has(wanted: Ignored, lost: tuple[str, ...]) -> None:
    assert ignored.unmatched(convolutions(), wanted) == lost


def test_branches_are_looked_into() -> None:
    assert ignored.unmatched(branches(), Ignored(scope=("then_conv", "else_conv", "before"))) == ()


def test_a_pattern_that_is_none() -> None:
    with pytest.raises(BadOption, match="is no pattern") as caught:
        ignored.unmatched(convolutions(), Ignored(scope=("{re}conv(",)))
    assert caught.value.where == "ignored.scope"


def test_names_and_types_are_those_of_nncf() -> None:
    model = convolutions()
    ours = {(op.friendly_name, op.get_type_name()) for op in ignored.operations(model)}
    theirs = {(node.node_name, node.node_type) for node in nncf.build_graph(model).get_all_nodes()}
    assert ours == theirs
