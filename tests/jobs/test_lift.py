"""A model goes to PyTorch and comes back, with nothing changed but what was learned."""

import numpy as np
import openvino as ov
import pytest
import torch
from openvino import opset13 as ops

from jobs import lift
from jobs.errors import UnsupportedModel
from jobs.lift import Learned
from tests.jobs import scenes, tiny


def answers(model: ov.Model, image: np.ndarray) -> list[np.ndarray]:
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [np.array(value) for value in compiled(image).values()]


def quantized(model: ov.Model) -> ov.Model:
    """With a quantizer before each convolution and one for its weights, each with ends of its own."""
    copy = model.clone()
    for op in copy.get_ops():
        if op.get_type_name() == "Convolution":
            weights = np.abs(op.input_value(1).get_node().get_data()).max(axis=(1, 2, 3), keepdims=True)
            for place, (low, high) in ((0, (np.float32(0), np.float32(255))), (1, (-weights, weights))):
                ends = [ops.constant(end) for end in (low, high, low, high)]
                levels = 256 if place == 0 else 255
                made = ops.fake_quantize(op.input_value(place), *ends, levels)
                made.set_friendly_name(f"{op.get_friendly_name()}/fq{place}")
                op.input(place).replace_source_output(made.output(0))
    return copy


def image(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)


def test_whole_model_is_lifted() -> None:
    model = tiny.classifier()
    lifted = lift.lift(lift.folded(model))
    entry = image(1, 3, 16, 16)
    (found,) = lifted.module(torch.from_numpy(entry))
    np.testing.assert_allclose(found.detach().numpy(), answers(model, entry)[0], rtol=1e-5)
    assert len(lifted.ends) == 1 and not lifted.left
    assert len(lifted.parameters) == 2, "the kernel and the matrix"


def test_many_images_at_once_are_each_of_them() -> None:
    lifted = lift.lift(lift.folded(tiny.classifier()))
    entry = torch.from_numpy(image(5, 3, 16, 16))
    (together,) = lifted.module(entry)
    for place in range(5):
        torch.testing.assert_close(together[place], lifted.module(entry[place : place + 1])[0][0])


def test_quantizers_learn_their_step() -> None:
    model = quantized(lift.folded(tiny.classifier()))
    lifted = lift.lift(model)
    assert set(lifted.steps) == {"mix/fq0", "mix/fq1"}
    entry = image(1, 3, 16, 16)
    (found,) = lifted.module(torch.from_numpy(entry))
    np.testing.assert_allclose(found.detach().numpy(), answers(model, entry)[0], rtol=1e-4)
    found.sum().backward()
    learned = [*lifted.parameters.values(), *(lifted.step(name) for name in lifted.steps)]
    assert all(one.grad is not None and torch.isfinite(one.grad).all() for one in learned)


def test_nothing_learned_is_nothing_changed() -> None:
    """To the last bit: a quantizer's end that moves by one can take a value to the next level."""
    model = quantized(lift.folded(tiny.classifier()))
    back = lift.lower(model, lift.lift(model).learned())
    kept, was = ([op for op in one.get_ordered_ops() if op.get_type_name() == "Constant"] for one in (back, model))
    for one, other in zip(kept, was, strict=True):
        assert one.get_friendly_name() == other.get_friendly_name()
        np.testing.assert_array_equal(one.get_data(), other.get_data())


def test_what_was_learned_comes_back_and_the_rest_stays() -> None:
    model = quantized(lift.folded(tiny.classifier()))
    lifted = lift.lift(model)
    optimizer = torch.optim.SGD([*lifted.parameters.values(), *map(lifted.step, lifted.steps)], 1e-3)
    entry = image(4, 3, 16, 16)
    for _ in range(2):
        loss = lifted.module(torch.from_numpy(entry))[0].square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    back = lift.lower(model, lifted.learned())
    (wanted,) = lifted.module(torch.from_numpy(entry[:1]))
    np.testing.assert_allclose(answers(back, entry[:1])[0], wanted.detach().numpy(), rtol=1e-4)
    assert not np.allclose(answers(back, entry[:1])[0], answers(model, entry[:1])[0])
    assert back.inputs[0].names == {"image"} and back.outputs[0].names == {"scores"}
    assert back.get_rt_info(["model_info", "labels"]).astype(str) == model.get_rt_info(["model_info", "labels"]).astype(
        str
    )
    assert [op.get_type_name() for op in back.get_ordered_ops()] == [
        op.get_type_name() for op in model.get_ordered_ops()
    ]


def test_dynamic_sizes_come_back() -> None:
    """Lifted with a fixed size, what was learned goes into the model of any size."""
    model = lift.folded(tiny.classifier())
    fixed = model.clone()
    model.reshape([-1, 3, -1, -1])
    learned = lift.lift(fixed).learned()
    back = lift.lower(model, Learned({name: 2 * values for name, values in learned.constants.items()}, {}))
    assert back.inputs[0].partial_shape == model.inputs[0].partial_shape
    entry = image(2, 3, 20, 12)
    np.testing.assert_allclose(answers(back, entry)[0], 4 * answers(model, entry)[0], rtol=1e-4)


def test_model_with_suppression_is_cut_before_it() -> None:
    lifted = lift.lift(lift.folded(scenes.ssd()))
    assert lifted.left[0].type == "MulticlassNms" and lifted.left[0].reason and len(lifted.ends) == 1
    assert len(lifted.parameters) == 2
    (scores,) = lifted.module(torch.from_numpy(image(1, 3, 64, 64)))
    assert scores.shape == (1, 3, 16)


def test_half_precision_is_lifted_in_full(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("half") / "model.xml"
    ov.save_model(tiny.classifier(), path, compress_to_fp16=True)
    model = lift.folded(ov.Core().read_model(path))
    lifted = lift.lift(model)
    assert len(lifted.parameters) == 2 and all(one.dtype == torch.float32 for one in lifted.parameters.values())
    entry = image(1, 3, 16, 16)
    np.testing.assert_allclose(lifted.module(torch.from_numpy(entry))[0].detach(), answers(model, entry)[0], rtol=1e-4)


def test_biases_in_half_precision_learn() -> None:
    entry = ops.parameter([1, 3, 8, 8], np.float32)
    weights, bias = np.full((4, 3, 1, 1), 0.5, np.float16), np.arange(4, dtype=np.float16).reshape(1, 4, 1, 1)
    mixed = ops.convolution(entry, _full(weights), [1, 1], [0, 0], [0, 0], [1, 1])
    model = ov.Model([ops.relu(ops.add(mixed, _full(bias)))], [entry])
    lifted = lift.lift(model)
    assert [tuple(one.shape) for one in lifted.parameters.values()] == [(4, 3, 1, 1), (1, 4, 1, 1)]
    with torch.no_grad():
        for one in lifted.parameters.values():
            one.add_(1)
    made = lift.lower(model, lifted.learned())
    kinds = [str(op.get_element_type()) for op in made.get_ops() if op.get_type_name() == "Constant"]
    assert kinds == ["<Type: 'float16'>"] * 2
    picture = image(1, 3, 8, 8)
    np.testing.assert_allclose(
        answers(made, picture)[0], lifted.module(torch.from_numpy(picture))[0].detach(), rtol=1e-2
    )


def _full(values: np.ndarray) -> ov.Node:
    return ops.convert(ops.constant(values), "f32")


def test_cut_keeps_the_axis_of_images() -> None:
    """Behind it boxes of one image lose it, by which several could not be told apart."""
    entry = ops.parameter([1, 3, 8, 8], np.float32)
    mixed = ops.convolution(entry, np.ones((4, 3, 1, 1), np.float32), [1, 1], [0, 0], [0, 0], [1, 1])
    rows = ops.reshape(mixed, ops.constant([1, 64, 4]), False, name="rows")
    best = ops.topk(ops.squeeze(rows, ops.constant([0])), ops.constant(2), 0, "max", "value")
    lifted = lift.lift(lift.folded(ov.Model([*best.outputs(), rows.output(0)], [entry])))
    assert [end.operation for end in lifted.ends] == ["rows"], "once, though it leaves the model too"
    assert lifted.module(torch.from_numpy(image(2, 3, 8, 8)))[0].shape == (2, 64, 4)


def test_pixels_of_one_byte_with_colours_last_are_taken_as_they_are() -> None:
    entry = ops.parameter([1, 8, 8, 3], np.uint8, name="image")
    turned = ops.transpose(ops.convert(entry, np.float32), ops.constant([0, 3, 1, 2]))
    weight = np.random.default_rng(1).normal(0, 1, (4, 3, 3, 3)).astype(np.float32)
    model = ov.Model([ops.convolution(turned, weight, [1, 1], [0, 0], [0, 0], [1, 1])], [entry])
    lifted = lift.lift(lift.folded(model))
    pixels = image(1, 8, 8, 3).astype(np.uint8)
    (found,) = lifted.module(torch.from_numpy(pixels))
    np.testing.assert_allclose(found.detach().numpy(), answers(model, pixels)[0], rtol=1e-4, atol=1e-2)


def test_model_without_weights_is_refused() -> None:
    entry = ops.parameter([1, 3, 8, 8], np.float32)
    with pytest.raises(UnsupportedModel, match="has no weights") as caught:
        lift.lift(ov.Model([ops.relu(entry)], [entry]))
    assert caught.value.hint


def test_model_whose_weights_are_all_behind_the_cut_is_refused_by_name() -> None:
    entry = ops.parameter([1, 3, 8, 8], np.float32)
    top = ops.topk(entry, ops.constant(2), 1, "max", "value")
    mixed = ops.convolution(top.output(0), np.ones((1, 2, 1, 1), np.float32), [1, 1], [0, 0], [0, 0], [1, 1])
    with pytest.raises(UnsupportedModel, match="Nothing in this model can be trained") as caught:
        lift.lift(ov.Model([mixed], [entry]))
    assert top.get_friendly_name() in caught.value.message and "TopK" in caught.value.message and caught.value.hint


def test_shapes_are_worked_out_where_sizes_are_fixed() -> None:
    """As exports of models of any batch have it: a reshape to what ShapeOf, Gather and Concat say."""
    entry = ops.parameter([-1, 3, 8, 8], np.float32, name="image")
    mixed = ops.convolution(entry, np.ones((4, 3, 1, 1), np.float32), [1, 1], [0, 0], [0, 0], [1, 1], name="mix")
    many = ops.gather(ops.shape_of(mixed), ops.constant([0]), ops.constant(0))
    flat = ops.reshape(mixed, ops.concat([many, ops.constant([-1])], 0), False)
    model = quantized(ov.Model([flat], [entry]))
    fixed = model.clone()
    fixed.reshape([1, 3, 8, 8])
    lifted = lift.lift(fixed)
    assert not lifted.left and len(lifted.parameters) == 1
    for count in (1, 3):
        given = image(count, 3, 8, 8)
        (found,) = lifted.module(torch.from_numpy(given))
        np.testing.assert_allclose(found.detach().numpy(), answers(model, given)[0], rtol=1e-4)
