import numpy as np
import openvino as ov
import openvino.opset13 as ops
import pytest

from jobs import ignored
from jobs.errors import BadOption
from jobs.nncf_engine import ignored_scope, nncf
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


def traced(*names: str) -> ov.Model:
    """Operations one after the other, named as an exporter names them; the last part says the type."""
    node = ops.parameter([1, 3], np.float32)
    inputs = [node]
    for name in names:
        node = ops.multiply(node, np.float32(2)) if "Mul" in name else ops.add(node, np.float32(2))
        node.friendly_name = name
    return ov.Model([node], inputs)


@pytest.mark.parametrize(
    ("has", "wanted", "found"),
    [
        ("__module.model.neck.blocks.0/aten::mul/Multiply_1", "/neck/blocks/blocks.0/Mul_1", True),
        ("__module.model.head.sum/aten::add_/Add", "/sum/Add", True),
        ("__module.sum/aten::add_/Add", "/sum/Add", True),
        ("__module.map/aten::mul/Multiply_1", "/map/Mul", True),  # the only one of its type in its module
        ("/neck/Mul_1", "/neck/Mul_1", False),  # the same spelling
        ("__module.a.neck/aten::mul/Multiply", "/deck/neck/Mul", False),
        ("__module.checksum/aten::add/Add", "/sum/Add", False),
        ("__module.sum/aten::add/Add", "/sum/Mul", False),
        ("__module.sum/aten::add/Add", "Add_374", False),
        ("Multiply_374", "/sum/Mul", False),
        ("__module.sum/aten::add/Add", "/sum/", False),
        ("__module.sum/aten::add/Add", "/sum/Add_one", False),
    ],
)
def test_a_name_in_the_spelling_of_the_other_exporter(has: str, wanted: str, found: bool) -> None:
    assert ignored.spelled(traced(has), (wanted,)) == ({wanted: has} if found else {})


def test_what_could_be_two_operations_is_not_taken() -> None:
    two = traced("__module.a.sum/aten::add/Add", "__module.b.sum/aten::add/Add", "__module.a.sum/aten::mul/Multiply")
    assert ignored.spelled(two, ("/sum/Add", "/a/sum/Add", "/sum/Mul")) == {
        "/a/sum/Add": "__module.a.sum/aten::add/Add",
        "/sum/Mul": "__module.a.sum/aten::mul/Multiply",
    }


def test_the_report_says_what_is_spelled_otherwise_and_what_is_missing() -> None:
    model = traced("__module.map/aten::mul/Multiply", "__module.map/aten::add/Add", "mine")
    wanted = Ignored(scope=("/map/Mul", "/map/Add", "mine", "210"), operations=(IgnoredOperation(type="Sqrt"),))
    changed, refused = ignored.keys(model, wanted)
    assert (changed.key, changed.value, changed.fate) == ("ignored.scope", "/map/Mul, /map/Add", "changed")
    assert "/map/Mul is __module.map/aten::mul/Multiply" in changed.note
    assert (refused.value, refused.fate, refused.note) == (
        "210, Sqrt",
        "refused",
        "Nothing in this model is called so.",
    )
    assert ignored.unmatched(model, wanted) == ("210", "Sqrt")
    assert ignored.keys(model, Ignored(scope=("mine",))) == ()


def test_names_and_patterns_of_nncf_2_are_found_in_todays_graph() -> None:
    model = traced(
        "__module.net.map/aten::mul/Multiply",
        "__module.net.map/aten::mul/Multiply_1",
        "__module.net.map/aten::add/Add",
        "__module.net.head/aten::add/Add",
    )
    wanted = Ignored(scope=("Net/Map[map]/__add___0", "{re}.*map.*__mul__.*", "Net/Map[map]/sqrt_0"), strict=False)
    assert ignored.renamed(model, wanted.scope) == {
        "Net/Map[map]/__add___0": ("__module.net.map/aten::add/Add",),
        "{re}.*map.*__mul__.*": ("__module.net.map/aten::mul/Multiply", "__module.net.map/aten::mul/Multiply_1"),
    }
    *changed, refused = ignored.keys(model, wanted)
    assert [(key.value, key.fate) for key in changed] == [(name, "changed") for name in sorted(wanted.scope[:2])]
    assert all(own in key.note for key in changed for own in ignored.renamed(model, wanted.scope)[key.value])
    assert refused.value == "Net/Map[map]/sqrt_0"
    assert ignored.todays(model, (*wanted.scope, "__module.net.head/aten::add/Add")) == (
        "__module.net.map/aten::add/Add",
        "__module.net.map/aten::mul/Multiply",
        "__module.net.map/aten::mul/Multiply_1",
        "__module.net.head/aten::add/Add",
    )
    scope = ignored_scope(model, wanted)
    assert sorted(scope.names) == [
        "Net/Map[map]/sqrt_0",
        "__module.net.map/aten::add/Add",
        "__module.net.map/aten::mul/Multiply",
        "__module.net.map/aten::mul/Multiply_1",
    ]
    assert not scope.patterns


def test_a_pattern_that_the_model_has_is_not_looked_for_elsewhere() -> None:
    model = traced("__module.map/aten::mul/Multiply", "x__mul__y")
    assert ignored.renamed(model, ("{re}.*__mul__.*",)) == {}
