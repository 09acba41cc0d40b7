"""Layers that go back to float together."""

import numpy as np
import openvino as ov

from jobs import nncf_groups
from jobs.methods import pot_default
from jobs.methods.pot_default import Quantized
from jobs.nncf_groups import Groups
from jobs.spec import PotDefault
from tests.jobs.methods.nets import Images, attention, convolutions, prepared


def quantized(model: ov.Model, **options: object) -> Quantized:
    chosen = PotDefault.model_validate(options)
    return pot_default.quantize(prepared(model), chosen, lambda event: None, float_weights=True)


def answers(model: ov.Model, images: Images) -> np.ndarray:
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array([compiled(item)[0] for item in images])


def kinds(model: ov.Model) -> list[str]:
    return [op.get_type_name() for op in model.get_ops()]


def test_every_layer_given_back_is_the_original_again() -> None:
    """Also where channels were aligned, which changed its weights and biases, and where biases were corrected."""
    for net in (convolutions(), attention()):
        made = quantized(net)
        groups, model = Groups(made.model, made.aligned), made.model
        for group in groups:
            model = groups.give_back(model, group)
        images = Images(net)
        assert "FakeQuantize" not in kinds(model)
        np.testing.assert_allclose(answers(model, images), answers(net, images), rtol=1e-4, atol=1e-4)


def test_layers_that_share_a_quantizer_go_together() -> None:
    made = quantized(attention())
    assert ("k", "q", "v") in {group.layers for group in Groups(made.model, made.aligned)}


def test_giving_back_leaves_the_model_as_it_was() -> None:
    made = quantized(convolutions())
    groups = Groups(made.model, made.aligned)
    before = kinds(made.model).count("FakeQuantize")
    group = next(one for one in groups if one.layers == ("conv1",))
    assert kinds(groups.give_back(made.model, group)).count("FakeQuantize") == before - 2
    assert kinds(made.model).count("FakeQuantize") == before


def test_weights_are_stored_as_pot_default_stores_them() -> None:
    net, images = convolutions(), Images(convolutions())
    stored = quantized(net).model
    nncf_groups.store_weights(stored)
    plain = pot_default.apply(prepared(net), PotDefault(), lambda event: None).model
    assert sorted(kinds(stored)) == sorted(kinds(plain))
    np.testing.assert_allclose(answers(stored, images), answers(plain, images), rtol=1e-5, atol=1e-5)
