"""Weights alone in 8 and 4 bits."""

from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from jobs import events, formats, methods, run
from jobs.errors import BadOption, UnsupportedModel
from jobs.methods import Optimised, Prepared, weights
from jobs.spec import Weights, WeightsMode
from tests.jobs import tiny
from tests.jobs.methods.nets import Images, attention, branches, convolutions, prepared


def apply(model: ov.Model, **options: object) -> Optimised:
    """Without images where none are looked at, as in a job."""
    chosen = Weights.model_validate(options)
    ready = prepared(model) if chosen.calibrates else Prepared(model, (), 0)
    return weights.apply(ready, chosen, lambda event: None)


def answers(model: ov.Model, images: Images) -> np.ndarray:
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array([compiled(item)[0] for item in images])


@pytest.mark.parametrize("mode", list(WeightsMode))
def test_weights_get_the_bits_that_were_asked_for(mode: WeightsMode) -> None:
    """The last layer never has 4 bits, so of attention most have."""
    optimised = apply(wide_attention(), mode=mode)
    precision = formats.precision(optimised.model)
    assert precision == "INT8" if mode.bits == 8 else "INT4" in precision
    assert optimised.applied["mode"] == mode.value
    assert not any(op.get_type_name() == "FakeQuantize" for op in optimised.model.get_ops())


def wide_attention() -> ov.Model:
    """Nine products of 64 by 64, and a small one at the end."""
    from openvino import opset13 as op

    rng = np.random.default_rng(0)
    entry = op.parameter([1, 4, 64], np.float32, name="x")
    entry.output(0).get_tensor().set_names({"x"})
    node: ov.Node = entry
    for number in range(9):
        matrix = op.constant(rng.normal(0, 0.1, (64, 64)).astype(np.float32))
        node = op.relu(op.matmul(node, matrix, False, True, name=f"product{number}"))
    last = op.matmul(node, op.constant(rng.normal(0, 0.1, (8, 64)).astype(np.float32)), False, True, name="last")
    return ov.Model([op.result(last)], [entry], "wide")


def test_what_flows_between_layers_stays_exact() -> None:
    net, images = convolutions(), Images(convolutions())
    before, after = answers(net, images), answers(apply(net).model, images)
    assert np.abs(after - before).max() < 0.05 * np.abs(before).max()


def test_convolutions_never_have_four_bits_and_that_is_said() -> None:
    optimised = apply(convolutions(), mode="int4_sym")
    assert formats.precision(optimised.model) != "INT4"
    assert any("No layer could have 4 bits" in note for note in optimised.notes)
    assert "weights_in_4_bits" not in optimised.applied


def test_share_in_four_bits() -> None:
    whole, half = (apply(wide_attention(), mode="int4_sym", ratio=ratio).applied for ratio in (1.0, 0.5))
    bits = [int(one["weights_in_4_bits"].replace(",", "")) for one in (whole, half)]
    assert 0 < bits[1] < 0.7 * bits[0]


@pytest.mark.parametrize("option", ["awq", "scale_estimation"])
def test_images_help_four_bits(option: str) -> None:
    optimised = apply(wide_attention(), mode="int4_sym", **{option: True})
    assert optimised.applied[option] == "true" and optimised.applied["stat_subset_size"] == "8"
    assert "INT4" in formats.precision(optimised.model)


def test_only_settings_that_did_something_are_told() -> None:
    assert not {"ratio", "group_size", "awq", "seed", "stat_subset_size"} & apply(convolutions()).applied.keys()


def test_what_is_to_be_left_in_float_is() -> None:
    optimised = apply(convolutions(), ignored={"scope": ["conv1"]})
    kinds = {op.friendly_name: op.input_value(1).get_node().get_type_name() for op in convs(optimised.model)}
    assert kinds["conv1"] == "Constant" and kinds["conv2"] != "Constant"
    with pytest.raises(BadOption, match="conv9"):
        apply(convolutions(), ignored={"scope": ["conv9"]})


def convs(model: ov.Model) -> list[ov.Node]:
    return [op for op in model.get_ops() if op.get_type_name() == "Convolution"]


def test_nothing_to_compress() -> None:
    with pytest.raises(UnsupportedModel, match="No weights"):
        apply(convolutions(), ignored={"scope": ["{re}.*"]})


def test_branches_are_left_and_that_is_said() -> None:
    assert any("branches" in note for note in apply(branches()).notes)


def test_progress_and_nothing_printed(capfd: pytest.CaptureFixture[str]) -> None:
    told: list[events.Event] = []
    weights.apply(Prepared(attention(), (), 0), Weights(), told.append)
    assert any(isinstance(event, events.Progress) and event.unit == "layers" for event in told)
    assert capfd.readouterr() == ("", "")


def test_job_uses_no_image_but_to_measure(tmp_path: Path) -> None:
    """The same images measure as of a job that calibrates, so that the two can be compared."""
    made = run.run(tiny.job(tmp_path, options=Weights()))
    other = run.run(tiny.job(tmp_path, name="other", dataset=tmp_path / "job-pictures"))
    assert made.failure is None and made.images and other.images and made.after and made.speed and made.before
    assert (made.images.calibration, made.images.calibration_names) == (0, ())
    assert made.images.validation_names == other.images.validation_names
    assert made.after.precision == "INT8" and made.speed.after.precision == made.speed.before.precision
    assert any("No image calibrates" in note for note in made.notes)
    assert not (tmp_path / "job/artifacts/pot_optimization_config.json").exists()


def test_cost_is_what_the_rehearsal_took() -> None:
    method = methods.by_name("weights")
    optimised = apply(convolutions())
    assert method.cost(optimised, Weights(), calibration=0, validation=100) == methods.Cost()


def test_matrices_of_single_places_stay_in_float() -> None:
    from openvino import opset13 as op

    rng = np.random.default_rng(0)
    entry = op.parameter([1, 4, 64], np.float32, name="x")
    entry.output(0).get_tensor().set_names({"x"})
    node = op.matmul(entry, op.constant(rng.normal(0, 0.1, (64, 64)).astype(np.float32)), False, True, name="layer")
    node = op.matmul(node, op.constant(rng.normal(0, 0.1, (4, 64, 64)).astype(np.float32)), False, True, name="places")
    model = apply(ov.Model([op.result(node)], [entry], "places")).model
    kinds = {
        one.friendly_name: one.input_value(1).get_node().get_type_name()
        for one in model.get_ops()
        if "MatMul" in one.get_type_name()
    }
    assert kinds["places"] == "Constant" and kinds["layer"] != "Constant"
