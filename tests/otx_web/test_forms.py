"""What a person asks for becomes a job, or one sentence for each thing that is wrong."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from jobs.findings import Findings, ModelFindings
from jobs.spec import JobSpec, Preset
from jobs.templates import ConfigFile
from otx_web import forms
from otx_web.forms import FormError, Order
from otx_web.services import Services
from tests.otx_web.conftest import put_upload

FULL_POT = """{
  "compression": {"algorithms": [{"name": "DefaultQuantization", "params": {
    "preset": "mixed", "use_fast_bias": false, "use_layerwise_tuning": true,
    "ignored": {"scope": ["conv1"]}}}]}
}"""


@pytest.fixture
def order(parts: Services) -> Order:
    model, dataset = put_upload(parts, "aa", "model"), put_upload(parts, "bb", "dataset")
    return Order("classification", "generic", "pot_default", model, dataset)


@pytest.fixture
def build(parts: Services, order: Order) -> Callable[..., JobSpec]:
    def make(given: dict[str, str] | None = None, **changed: object) -> JobSpec:
        return forms.build_spec(parts, replace(order, given=given or {}, **changed))

    return make


def wrong(build: Callable[..., JobSpec], given: dict[str, str], **changed: object) -> dict[str, str]:
    with pytest.raises(FormError) as caught:
        build(given, **changed)
    return dict(caught.value.messages)


def test_nothing_given_is_the_default_of_everything(parts: Services, build: Callable[..., JobSpec]) -> None:
    spec = build()
    assert spec.options.preset is Preset.PERFORMANCE
    assert spec.options.stat_subset_size == 300
    assert (spec.max_drop, spec.hint, spec.validation_images, spec.given) == (0.01, "throughput", None, {})
    assert spec.limits == parts.settings.limits
    assert spec.allow_code
    assert spec.model.path == "../../uploads/aa/files"


def test_given_settings_go_where_they_belong(build: Callable[..., JobSpec]) -> None:
    given = {
        "preset": "Mixed",
        "stat_subset_size": " 50 ",
        "use_fast_bias": "no",
        "ignored.scope": "conv1, {re}.*add.*",
        "activations.range_estimator.max.type": "quantile",
        "mean_values": "1, 2, 3",
        "reverse_input_channels": "Yes",
        "max_drop": "0.02",
        "validation_images": "100",
        "hint": "latency",
    }
    spec = build(given)
    assert spec.options.preset is Preset.MIXED
    assert spec.options.stat_subset_size == 50
    assert not spec.options.use_fast_bias
    assert spec.options.ignored.scope == ("conv1", "{re}.*add.*")
    assert spec.options.activations.range_estimator.max.type == "quantile"
    assert spec.model_settings == {"mean_values": "1, 2, 3", "reverse_input_channels": "true"}
    assert (spec.max_drop, spec.validation_images, spec.hint) == (0.02, 100, "latency")
    assert spec.given.keys() == given.keys()


def test_empty_texts_leave_it_to_the_method(build: Callable[..., JobSpec]) -> None:
    spec = build({"stat_subset_size": "", "validation_images": "", "threshold": "", "max_drop": ""})
    assert spec.options.stat_subset_size == 300
    assert spec.validation_images is None
    assert spec.max_drop == 0.01


def test_all_that_is_wrong_is_said_at_once(build: Callable[..., JobSpec]) -> None:
    messages = wrong(
        build,
        {
            "stat_subset_size": "0",
            "preset": "fastest",
            "use_fast_bias": "perhaps",
            "threshold": "0",
            "max_drop": "2",
            "resize_type": "squeeze",
            "speed_seconds": "0",
            "seed": "1.5",
        },
    )
    assert messages.keys() == {
        "stat_subset_size",
        "preset",
        "use_fast_bias",
        "threshold",
        "max_drop",
        "resize_type",
        "speed_seconds",
        "seed",
    }
    assert messages["stat_subset_size"] == "Images used to calibrate must be a whole number of at least 1, not “0”."
    assert messages["preset"] == "Preset must be one of performance, mixed, not “fastest”."
    assert messages["max_drop"] == "Accepted loss must be a number from 0 to 1, not “2”."
    assert all(text.endswith(".") for text in messages.values())


def test_old_names_of_values_that_the_method_knows_are_fine(build: Callable[..., JobSpec]) -> None:
    assert build({"preset": "accuracy"}).options.preset is Preset.MIXED


def test_unknown_setting_names_the_nearest(build: Callable[..., JobSpec]) -> None:
    messages = wrong(build, {"stat_subset_sise": "3", "mean": "1", "qqq": "1"})
    assert "train classifiers" in wrong(build, {"label_loss": "1"})["label_loss"], "which POT does not"
    assert messages["stat_subset_sise"] == "There is no setting “stat_subset_sise”. Did you mean stat_subset_size?"
    assert messages["qqq"] == "There is no setting “qqq”."


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"task": "clasification"}, "There is no task “clasification”. Did you mean classification?"),
        ({"template": "efficientnetb0"}, "There is no template “efficientnetb0”. Did you mean efficientnet_b0?"),
        (
            {"method": "pot"},
            "There is no method “pot”. There is pot_default, pot_accuracy_aware, weights, nncf_qat, nncf_pruning.",
        ),
    ],
)
def test_what_does_not_exist_is_said(build: Callable[..., JobSpec], changed: dict[str, str], message: str) -> None:
    (name,) = changed
    assert wrong(build, {}, **changed) == {name: message}


def test_dataset_in_the_place_of_the_model(build: Callable[..., JobSpec], order: Order) -> None:
    assert wrong(build, {}, model=order.dataset) == {"model": "bb.onnx is a dataset, not a model."}


def test_configuration_file_is_translated_and_its_keys_are_told(build: Callable[..., JobSpec]) -> None:
    spec = build({"stat_subset_size": "40"}, config=ConfigFile(name="pot.json", text=FULL_POT))
    assert spec.options.preset is Preset.MIXED
    assert not spec.options.use_fast_bias
    assert spec.options.stat_subset_size == 40
    assert spec.options.ignored.scope == ("conv1",)
    fates = {key.key.rpartition(".")[2]: key.fate for key in spec.config_keys}
    assert fates["use_layerwise_tuning"] == "refused"
    assert fates["use_fast_bias"] == "kept"


@pytest.mark.parametrize("text", ["", "{", "[]", "not json", '{"algorithms": 3}', '{"stat_subset_sise": 4}'])
def test_configuration_file_that_is_none_is_said_beside_it(build: Callable[..., JobSpec], text: str) -> None:
    messages = wrong(build, {"stat_subset_size": "0"}, config=ConfigFile(name="mine.json", text=text))
    assert messages.keys() == {"config", "stat_subset_size"}
    assert "mine.json" in messages["config"]


def test_error_joins_its_sentences(build: Callable[..., JobSpec]) -> None:
    with pytest.raises(FormError) as caught:
        build({"stat_subset_size": "0", "max_drop": "2"})
    assert str(caught.value).count("must be") == 2


def test_model_says_some_of_its_settings_itself(order: Order) -> None:
    model = ModelFindings(
        format="OpenVINO IR",
        name="net",
        size_bytes=1,
        inputs=(),
        outputs=(),
        precision="FP32",
        parameters=1,
        gflops=1,
        model_info={"mean_values": "1 2 3"},
    )
    form = forms.look(task="classification", template="generic", method="pot_default", given={}, model=model)
    mean = next(one for one in form.of_model if one.name == "mean_values")
    assert (mean.value, mean.source) == ("1 2 3", "the model")


def test_job_with_a_configuration_file_can_be_asked_for_again_without_it(build: Callable[..., JobSpec]) -> None:
    given = {"stat_subset_size": "40", "mean_values": "1, 2, 3", "max_drop": "0.05"}
    first = build(given, config=ConfigFile(name="pot.json", text=FULL_POT))
    plain = forms.look(task=first.task, template=first.template, method=first.method, given={})
    again = build(forms.given_by(first, plain))
    assert again.options == first.options
    assert again.model_settings == first.model_settings
    assert again.max_drop == first.max_drop


def test_code_is_allowed_as_the_operator_says(parts: Services, order: Order) -> None:
    public = replace(parts, settings=parts.settings.model_copy(update={"public": True}))
    assert not forms.build_spec(public, order).allow_code


def test_findings_without_a_model_are_no_findings(parts: Services, order: Order) -> None:
    unread = order.model.model_copy(update={"findings": Findings()})
    assert forms.build_spec(parts, replace(order, model=unread)).model.digest == "aa"


def test_another_method_takes_over_what_both_have(parts: Services, build: Callable[..., JobSpec]) -> None:
    spec = build({"preset": "mixed", "use_fast_bias": "no", "stat_subset_size": "50", "max_drop": "0.02"})
    for method, expected in (
        ("pot_accuracy_aware", {"preset", "use_fast_bias", "stat_subset_size", "max_drop"}),
        ("weights", {"stat_subset_size", "max_drop"}),
    ):
        form = forms.look(task="classification", template="generic", method=method, given={})
        given = forms.given_by(spec, form)
        assert given.keys() == expected
        assert build(given, method=method).options.stat_subset_size == 50


def test_what_counts_for_nothing_is_not_shown() -> None:
    def hidden(given: dict[str, str]) -> set[str]:
        form = forms.look(task="classification", template="generic", method="nncf_pruning", given=given)
        assert not form.messages
        return {one.name for one in form.of_method if not one.visible}

    assert "sparsity.sparsity_target" in hidden({})
    assert "filter_pruning.pruning_flops_target" not in hidden({})
    zeros = hidden({"algorithm": "magnitude_sparsity", "sparsity.sparsity_target": "0.6"})
    assert "filter_pruning.pruning_flops_target" in zeros
    assert "sparsity.sparsity_target" not in zeros
    assert "preset" in hidden({"enable_quantization": "false"})
