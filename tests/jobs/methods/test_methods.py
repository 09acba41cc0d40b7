"""What every method must do, whatever it is."""

from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from jobs import events, methods, templates, titles
from jobs.spec import TaskName
from tests.jobs.methods.nets import Images, convolutions, prepared

OFFERED = sorted(
    {method for task in TaskName for name in templates.names(task) for method in templates.load(task, name).methods}
)


def test_there_are_methods() -> None:
    assert OFFERED


@pytest.mark.parametrize("name", OFFERED)
def test_a_method_keeps_its_word(name: str, tmp_path: Path) -> None:
    method = methods.by_name(name)
    assert method.name == name and method.title and method.family and titles.METHODS[name] and titles.WORK[name]

    generic = templates.load(TaskName.CLASSIFICATION, "generic")
    options = templates.resolve(generic, name).options
    model = convolutions()
    assert method.unmatched(model, options) == ()
    told: list[events.Event] = []
    ov.serialize(model, tmp_path / "before.xml")
    optimised = method.apply(prepared(model), options, told.append)
    ov.serialize(model, tmp_path / "after.xml")
    assert (tmp_path / "before.bin").read_bytes() == (tmp_path / "after.bin").read_bytes()
    assert (tmp_path / "before.xml").read_bytes() == (tmp_path / "after.xml").read_bytes()

    assert [port.names for port in optimised.model.inputs] == [port.names for port in model.inputs]
    assert [port.partial_shape for port in optimised.model.outputs] == [port.partial_shape for port in model.outputs]
    assert optimised.model.has_rt_info(["model_info", "model_type"])
    before, after = (answers(one) for one in (model, optimised.model))
    assert np.isfinite(after).all()
    alike = 0.8 if name == "nncf_pruning" else 0.9  # its filters are gone, and nothing has been trained yet
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > alike

    assert all(isinstance(key, str) and isinstance(value, str) for key, value in optimised.applied.items())
    progress = [event for event in told if isinstance(event, events.Progress)]
    assert progress[-1].done == progress[-1].total
    assert {one.name for one in templates.parameters(generic, name)} & optimised.applied.keys()
    cost = method.cost(optimised, options, calibration=100, validation=200)
    assert min(cost.calibrated, cost.compiled, cost.evaluated) >= 0


def answers(model: ov.Model) -> np.ndarray:
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array([compiled(item)[0] for item in Images(model)])


def test_a_method_that_is_none() -> None:
    with pytest.raises(KeyError):
        methods.by_name("nncf_telepathy")
