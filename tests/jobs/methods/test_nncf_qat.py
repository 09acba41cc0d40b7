"""Quantization-aware training as whole jobs on a model of three classes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from jobs import check, distillation, events, findings, run, spec, stopping
from jobs.findings import CheckRequest, Findings
from jobs.methods import Evaluation, Prepared, nncf_qat, pot_default
from jobs.report import Report
from jobs.spec import Ignored, Limits, NncfQat, Options, PotDefault
from tests.jobs import tiny
from tests.jobs.methods.nets import attention, prepared, swishing

OPTIONS = NncfQat(stat_subset_size=12, train_images=24, epochs=2, batch_size=8)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    job_dir = tiny.job(tmp_path_factory.mktemp("done"), options=OPTIONS)
    return job_dir, run.run(job_dir)


def test_job_trains_and_its_model_is_int8(done: tuple[Path, Report]) -> None:
    job_dir, made = done
    assert made.status == "succeeded", made.failure
    assert made.after and made.speed and made.speed.after.precision == "INT8"
    assert made.after.precision == "mostly INT8", "biases are not"
    assert made.applied["epochs"] == "2" and made.applied["epochs_trained"] == "2" and made.applied["batch_size"] == "8"
    assert any("Training gained nothing" in note or "is kept" in note for note in made.notes)
    model = ov.Core().read_model(job_dir / "artifacts/model.xml")
    assert model.inputs[0].names == {"image"} and model.outputs[0].names == {"scores"}


def test_each_epoch_is_told_and_reported(done: tuple[Path, Report]) -> None:
    job_dir, made = done
    told = [event for event in events.read_all(job_dir) if isinstance(event, events.Epoch)]
    assert [epoch.number for epoch in told] == [0, 1, 2] and made.training == tuple(told)
    assert told[0].best and told[0].loss is None and told[0].metric == 1.0 == told[0].original
    shares = [event.share for event in events.read_all(job_dir) if isinstance(event, events.Progress) and event.share]
    assert shares == sorted(shares) and shares[-1] == 1.0, "a bar that goes up once"
    page = (job_dir / "artifacts/report.html").read_text(encoding="utf-8")
    assert "How the training went" in page and "Epoch 2 of at most 2" in page


def test_labels_train_too_where_that_is_wanted(tmp_path: Path) -> None:
    options = OPTIONS.model_copy(update={"label_loss": 0.5, "epochs": 1, "augmentation": True})
    made = run.run(tiny.job(tmp_path, options=options))
    assert made.status == "succeeded" and made.applied["label_loss"] == "0.5", made.failure
    assert any("by the labels of 24 images" in note for note in made.notes)
    plain = tiny.pictures(tmp_path / "plain", labelled=False)
    unlabelled = run.run(tiny.job(tmp_path, options=options, dataset=plain, name="unlabelled"))
    assert any("not by labels" in note for note in unlabelled.notes), unlabelled.notes
    swapped = {"labels": "green,blue,red"}
    guessing = run.run(tiny.job(tmp_path, options=options, name="guessing", model_settings=swapped))
    assert any("not by labels" in note for note in guessing.notes), "what the original knows nothing of"


def test_stop_keeps_the_best(tmp_path: Path) -> None:
    job_dir = tiny.job(tmp_path, options=OPTIONS.model_copy(update={"epochs": 50}))
    stopping.ask(job_dir)
    made = run.run(job_dir)
    assert made.status == "succeeded" and made.applied["epochs_trained"] == "1"
    assert any("It was stopped" in note for note in made.notes)


def test_half_precision_comes_back_as_pot_leaves_it(tmp_path: Path) -> None:
    def constants(options: Options, name: str) -> list[str]:
        job_dir = tiny.job(tmp_path, options=options, name=name)
        folder = tmp_path / f"{name}-model"
        ov.save_model(tiny.classifier(), folder / "half.xml", compress_to_fp16=True)
        for suffix in ("xml", "bin"):
            (folder / f"half.{suffix}").replace(folder / f"colours.{suffix}")
        made = run.run(job_dir)
        assert made.status == "succeeded" and made.before and made.before.precision == "FP16", made.failure
        model = ov.Core().read_model(job_dir / "artifacts/model.xml")
        return sorted(str(op.get_element_type()) for op in model.get_ops() if op.get_type_name() == "Constant")

    trained = constants(OPTIONS.model_copy(update={"epochs": 1}), "trained")
    assert trained == constants(PotDefault(stat_subset_size=12), "quantized")


def test_sizes_that_may_change_may_change_afterwards() -> None:
    model = tiny.classifier()
    model.reshape([-1, 3, -1, -1])
    images = [np.random.default_rng(place).uniform(0, 255, (1, 3, 16, 16)).astype(np.float32) for place in range(4)]
    given = [{"image": image} for image in images]
    made = nncf_qat.apply(Prepared(model, given, 4), OPTIONS, lambda event: None)
    assert made.model.inputs[0].partial_shape == model.inputs[0].partial_shape


def test_attention_is_trained() -> None:
    made = nncf_qat.apply(prepared(attention()), OPTIONS, lambda event: None)
    assert made.load and made.load.seconds > 0 and not [note for note in made.notes if "ends at" in note]


def test_what_is_left_in_float_by_name_is_not_trained() -> None:
    model = tiny.classifier()
    free, frozen = (distillation.lifted(model, model, [1, 3, 16, 16], names)[0].parameters for names in ((), ("mix",)))
    assert len(free) == 2 and len(frozen) == 1


def test_quantizer_behind_swish_uses_all_its_levels() -> None:
    """After training too, and the rest of the model is POT's."""
    model = swishing()
    given = [
        {"x": 200 * np.random.default_rng(one).normal(0, 1, (1, 3, 16, 16)).astype(np.float32)} for one in range(8)
    ]
    ready = Prepared(model, given, 8)
    start = nncf_qat.quantize(ready, OPTIONS, lambda event: None)
    assert "Half of the levels of 1 quantizer" in start.notes[-1]
    made = nncf_qat.apply(replace(ready, validation=Falling()), OPTIONS, lambda event: None)
    behind = [op for op in made.model.get_ops() if op.get_type_name() == "FakeQuantize"]
    lows = [float(np.min(op.input_value(1).get_node().get_data())) for op in behind]
    assert lows.count(0.0) == 1 and len(lows) > 1
    plain = pot_default.apply(ready, PotDefault(), lambda event: None)
    assert [op.get_type_name() for op in plain.model.get_ops()] == [op.get_type_name() for op in made.model.get_ops()]


# --- rehearsed


def rehearse(tmp_path: Path, **more: object) -> Findings:
    job_dir = tiny.job(tmp_path, **more)
    wanted = spec.read(job_dir)
    directory = tmp_path / "check"
    directory.mkdir()
    request = CheckRequest(kind="job", source=wanted.model, job=wanted)
    (directory / findings.REQUEST_NAME).write_text(request.model_dump_json())
    return check.check(directory)


def test_rehearsal_knows_time_and_memory(tmp_path: Path) -> None:
    found = rehearse(tmp_path, options=OPTIONS.model_copy(update={"epochs": 1000}))
    assert not found.blocked and found.stage_seconds["quantize"] > 3
    assert found.memory_estimate_bytes and any("you can end it" in one.message for one in found.problems)


def test_batch_that_does_not_fit_is_said_before_the_start(tmp_path: Path) -> None:
    big = OPTIONS.model_copy(update={"batch_size": 512, "train_images": 4096})
    found = rehearse(tmp_path, options=big, limits=Limits(memory_bytes=256 << 20))
    problem = next(one for one in found.problems if one.level == "error")
    assert "at once" in problem.message and problem.hint


def test_names_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    found = rehearse(tmp_path, options=OPTIONS.model_copy(update={"ignored": Ignored(scope=("nowhere",))}))
    assert found.blocked and found.problems[-1].items == ("nowhere",)


class Falling:
    """Images on which every model is worse than the one before."""

    size = 10

    def __init__(self) -> None:
        self.value = 1.0

    def part(self, share: float, seed: int) -> tuple[int, ...]:
        return tuple(range(self.size))

    def original(self, places: Sequence[int], *, labels: bool) -> Evaluation:
        return Evaluation(1.0, np.ones(self.size), np.zeros(self.size))

    def evaluate(
        self,
        model: ov.Model,
        places: Sequence[int],
        *,
        labels: bool,
        progress: Callable[[int], None] = lambda done: None,
    ) -> Evaluation:
        return self.worth()

    def worth(self) -> Evaluation:
        """Of the next model."""
        self.value -= 0.1
        return Evaluation(self.value, np.full(self.size, self.value), np.ones(self.size))


def test_training_that_loses_accuracy_is_not_kept() -> None:
    """Though the outputs come nearer: on few images that says little."""
    given = [
        {"image": np.random.default_rng(place).uniform(0, 255, (1, 3, 16, 16)).astype(np.float32)} for place in range(8)
    ]
    plain = pot_default.apply(Prepared(tiny.classifier(), given, 8), PotDefault(), lambda event: None)
    made = nncf_qat.apply(
        Prepared(tiny.classifier(), given, 8, validation=Falling()),
        OPTIONS.model_copy(update={"learning_rate": 1e-4, "early_stop_patience": 0}),
        lambda event: None,
    )
    assert made.applied["best_epoch"] == "0"
    image = given[0]["image"]
    answers = [ov.compile_model(model, "CPU")(image)[0] for model in (plain.model, made.model)]
    np.testing.assert_allclose(*answers, rtol=1e-3)


def test_what_is_done_before_the_first_epoch_is_told() -> None:
    """A large model takes minutes there."""
    given = [{"image": np.full((1, 3, 16, 16), 100 + place, np.float32)} for place in range(8)]
    told: list[events.AnyEvent] = []
    nncf_qat.apply(Prepared(tiny.classifier(), given, 8, validation=Falling()), OPTIONS, told.append)
    before = told[: next(place for place, event in enumerate(told) if isinstance(event, events.Epoch))]
    asides = [event.unit for event in before if isinstance(event, events.Progress) and event.aside]
    assert list(dict.fromkeys(asides)) == ["models made ready to train", "images compared", "images measured"]
    counted = [event.share for event in told if isinstance(event, events.Progress) and not event.aside]
    assert counted == sorted(counted), "the bar goes up once"


class Told(Falling):
    """Images on which models are worth what is said; what they lose lies in as many of them as `few`."""

    def __init__(self, *values: float, few: int) -> None:
        self.values, self.few = iter(values), few

    def worth(self) -> Evaluation:
        value = next(self.values)
        each = np.ones(self.size)
        each[: self.few] -= (1 - value) * self.size / self.few
        return Evaluation(value, each, np.zeros(self.size))


@pytest.mark.parametrize(
    ("validation", "kept"),
    [
        (Told(1.2, 1.1, few=10), "1"),
        (Told(0.9, 0.85, few=1), "1"),
        (Told(0.9, 0.85, few=10), "0"),
    ],
    ids=["better than the original by luck", "one image that fell out otherwise", "every image lost"],
)
def test_harm_is_what_is_lost_and_not_by_chance(validation: Told, kept: str) -> None:
    given = [
        {"image": np.random.default_rng(place).uniform(0, 255, (1, 3, 16, 16)).astype(np.float32)} for place in range(8)
    ]
    options = OPTIONS.model_copy(update={"learning_rate": 1e-4, "epochs": 1})
    made = nncf_qat.apply(Prepared(tiny.classifier(), given, 8, validation=validation), options, lambda event: None)
    assert made.training[-1].best, "its outputs came nearer"
    assert made.applied["best_epoch"] == kept


def watched(**accepted: float) -> tuple[str, list[str]]:
    """Which epoch is kept, and notes, where every epoch loses a tenth more: 0.1 before the first."""
    given = [{"image": np.random.default_rng(one).uniform(0, 255, (1, 3, 16, 16)).astype(np.float32)} for one in (0, 1)]
    options = NncfQat.model_validate({**OPTIONS.model_dump(), **accepted})
    made = nncf_qat.apply(Prepared(tiny.classifier(), given, 2, validation=Falling()), options, lambda event: None)
    return made.applied["epochs_trained"], list(made.notes)


def test_training_ends_when_little_enough_is_lost() -> None:
    trained, notes = watched(maximal_absolute_accuracy_degradation=0.11)
    assert trained == "0" and any("10.00\u00a0% is lost, and 11.00\u00a0% was accepted" in note for note in notes)
    assert any("decided on 10 of the 10 images that measure" in note for note in notes)
    assert watched(maximal_relative_accuracy_degradation=10.5)[0] == "0"
    assert watched(maximal_absolute_accuracy_degradation=0.05)[0] == "2" == watched()[0]
