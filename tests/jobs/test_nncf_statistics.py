import weakref
from collections.abc import Iterator

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as op

from jobs import events, nncf_statistics, templates
from jobs.methods import pot_default
from tests.jobs.methods.nets import Images, attention, branches, constants, convolutions, prepared

NETS = {"convolutions": convolutions, "attention": attention, "branches": branches}


def quantize(model: ov.Model, found: list[events.Event] | None = None, **given: str) -> ov.Model:
    generic = templates.load("classification", "generic")
    options = templates.resolve(
        generic, "pot_default", given={k.replace("__", "."): v for k, v in given.items()}
    ).options
    emit = (lambda event: None) if found is None else found.append
    return pot_default.apply(prepared(model, Images(model, 20)), options, emit).model


@pytest.mark.parametrize(
    ("net", "given"),
    [
        ("convolutions", {}),
        ("convolutions", {"preset": "mixed", "inplace_statistics": "false"}),
        ("convolutions", {"use_fast_bias": "false"}),
        ("convolutions", {"range_estimator__preset": "quantile", "stat_subset_size": "7"}),
        ("convolutions", {"activations__range_estimator__max__aggregator": "median_no_outliers"}),
        ("convolutions", {"activations__range_estimator__max__aggregator": "max"}),
        ("attention", {"model_type": "transformer", "smooth_quant_alpha": "0.5"}),
        ("branches", {}),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else value,
)
def test_together_is_the_same_as_one_by_one(net: str, given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    together = quantize(NETS[net](), **given)
    monkeypatch.setattr(nncf_statistics, "collecting", lambda progress: nncf_statistics._one_by_one)
    one_by_one = quantize(NETS[net](), **given)
    for (name, ours), (_, theirs) in zip(constants(together), constants(one_by_one), strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


def test_images_are_counted_once_over_all_passes() -> None:
    for given in ({}, {"channel_alignment": "false"}, {"stat_subset_size": "7"}):
        found: list[events.Event] = []
        quantize(attention(), found, **given)  # has no pair to align, so that pass is none
        counts = [event.done for event in found if isinstance(event, events.Progress)]
        assert counts == sorted(counts)
        assert counts[-1] == int(given.get("stat_subset_size", 20))


def test_a_model_with_a_memory_sees_one_image_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[ov.Model] = []

    def original(self: object, model: ov.Model, graph: object) -> None:
        asked.append(model)
        one_by_one(self, model, graph)

    one_by_one = nncf_statistics._one_by_one
    monkeypatch.setattr(nncf_statistics, "_one_by_one", original)
    quantize(remembering())
    assert asked


def remembering() -> ov.Model:
    """Adds each image to those before it."""
    x = op.parameter([1, 3, 8, 8], np.float32, name="x")
    x.output(0).get_tensor().set_names({"x"})
    so_far = op.read_value(op.constant(np.zeros((1, 3, 8, 8), np.float32)), "sum")
    total = op.add(so_far, x)
    weights = op.constant(np.random.default_rng(0).normal(0, 1, (4, 3, 3, 3)).astype(np.float32))
    out = op.convolution(total, weights, [1, 1], [1, 1], [1, 1], [1, 1], name="conv")
    out.output(0).get_tensor().set_names({"out"})
    return ov.Model([op.result(out)], [op.assign(total, "sum")], [x], "remembering")


def test_an_image_stays_until_its_answer_was_looked_at() -> None:
    """An output may lie in the memory of the input, and the full bias correction asks for just that."""
    model = convolutions()
    compiled = ov.Core().compile_model(model, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
    name, shape = model.inputs[0].any_name, list(model.inputs[0].shape)
    images: list[weakref.ref[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]] = []

    def fresh() -> Iterator[dict[str, nncf_statistics.Array]]:
        for number in range(20):
            image = np.full(shape, number, dtype=np.float32)
            images.append(weakref.ref(image))
            yield {name: image}
            del image

    seen = []
    for number, _ in nncf_statistics._answers(compiled, fresh()):
        assert images[number]() is not None
        seen.append(number)
    assert sorted(seen) == list(range(20))
