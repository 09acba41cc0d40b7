"""Pruning and sparsity as whole jobs on a model of three classes, and what is refused."""

import zipfile
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from jobs import check, events, findings, run, spec, stopping
from jobs.findings import CheckRequest
from jobs.report import Report
from jobs.spec import AdaptiveCompression, FilterPruning, NncfPruning, Sparsity
from tests.jobs import tiny

OPTIONS = NncfPruning(
    stat_subset_size=12,
    train_images=24,
    epochs=3,
    quantized_epochs=1,
    batch_size=8,
    filter_pruning=FilterPruning(pruning_flops_target=0.3, pruning_steps=2),
    sparsity=Sparsity(sparsity_target_epoch=1, sparsity_freeze_epoch=1),
)


def wide() -> ov.Model:
    """As `tiny.classifier`, with 32 filters of noise beside each colour's own, which nothing needs."""
    rng = np.random.default_rng(0)
    entry = ops.parameter([1, 3, tiny.SIDE, tiny.SIDE], np.float32, name="image")
    node: ov.Node = entry
    for place, width in enumerate((16, 32, 32)):
        before = node.get_output_shape(0)[1]
        kernel = rng.normal(0, 0.01 if place else 0.001, (width, before, 3, 3)).astype(np.float32)
        for colour in range(3):
            kernel[colour] = 0
            kernel[colour, colour, 1, 1] = 1 if place else 1 / 255
        node = ops.relu(ops.convolution(node, kernel, [1, 1], [1, 1], [1, 1], [1, 1], name=f"conv{place}"))
    weights = np.zeros((32, 3), np.float32)
    weights[[2, 1, 0], [0, 1, 2]] = 10
    scores = ops.matmul(ops.reduce_mean(node, ops.constant([2, 3])), weights, False, False, name="classes")
    scores.output(0).set_names({"scores"})
    model = ov.Model([scores], [entry], "wide")
    model.inputs[0].set_names({"image"})
    model.set_rt_info("Classification", ["model_info", "model_type"])
    model.set_rt_info(" ".join(tiny.COLOURS), ["model_info", "labels"])
    return model


def job(folder: Path, **options: object) -> Path:
    chosen = OPTIONS.model_copy(update=options)
    return tiny.job(folder, options=chosen, model=wide())


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    job_dir = job(tmp_path_factory.mktemp("pruned"))
    return job_dir, run.run(job_dir)


def test_filters_are_gone_and_the_rest_is_quantized(pruned: tuple[Path, Report]) -> None:
    job_dir, made = pruned
    assert made.status == "succeeded", made.failure
    assert made.before and made.after and made.speed and made.speed.after.precision == "INT8"
    assert made.before.flops and made.after.flops and made.after.flops <= 0.7 * made.before.flops
    assert made.after.parameters < made.before.parameters
    assert any("of the FLOPs were gone" in note for note in made.notes)
    model = ov.Core().read_model(job_dir / "artifacts/model.xml")
    assert model.inputs[0].names == {"image"} and model.outputs[0].names == {"scores"}
    assert made.after.metrics["accuracy"] == 1.0, "nothing needed what is gone"


def test_all_trainings_are_one_chart_and_one_bar(pruned: tuple[Path, Report]) -> None:
    job_dir, made = pruned
    shares = [one.share for one in events.read_all(job_dir) if isinstance(one, events.Progress) and one.share]
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert [epoch.number for epoch in made.training] == [0, 1, 1, 2, 3, 3, 4]
    begins = [place for place, epoch in enumerate(made.training) if epoch.loss is None]
    assert begins == [0, 2, 5], "before each stage, and before the training in 8 bits"
    assert {epoch.total for epoch in made.training} == {4}
    assert made.applied["algorithm"] == "filter_pruning" and made.applied["epochs_trained"] == "4"
    assert made.applied["filter_pruning.pruning_flops_target"] == "0.3"
    assert not any(name.startswith("sparsity.") for name in made.applied)


@pytest.mark.parametrize("algorithm", ["magnitude_sparsity", "rb_sparsity"])
def test_zeros_are_in_the_quantized_model_too(tmp_path: Path, algorithm: str) -> None:
    made = run.run(job(tmp_path, algorithm=algorithm))
    assert made.status == "succeeded", made.failure
    assert made.before and made.after and made.after.zeros and made.after.flops == made.before.flops
    assert made.after.zeros >= 0.48 and "INT8" in made.after.precision
    assert made.after.metrics["accuracy"] == 1.0
    assert any("Zeros make a model easier to compress" in note for note in made.notes)


def test_pruning_alone_stays_in_float(tmp_path: Path) -> None:
    job_dir = job(tmp_path, enable_quantization=False, filter_pruning=FilterPruning(pruning_flops_target=None))
    made = run.run(job_dir)
    assert made.status == "succeeded", made.failure
    with zipfile.ZipFile(job_dir / "artifacts/model.zip") as packed:
        assert packed.namelist() == ["colours_pruned.xml", "colours_pruned.bin"]
    assert made.after and made.after.precision == "FP32" and made.after.parameters
    assert "quantizers" not in made.applied and made.applied["epochs"] == "3"


@pytest.mark.parametrize(
    ("algorithm", "last", "when"),
    [("filter_pruning", 1, "before its first epoch was done"), ("magnitude_sparsity", 2, "after epoch 2")],
)
def test_accepted_loss_ends_pruning_alone_once_all_is_removed(
    tmp_path: Path, algorithm: str, last: int, when: str
) -> None:
    """Nothing is lost from the start, but the last filters go in epoch 2, and the last zeros come with it."""
    enough = {"enable_quantization": False, "maximal_absolute_accuracy_degradation": 1.0}
    made = run.run(job(tmp_path, algorithm=algorithm, **enough))
    assert made.status == "succeeded", made.failure
    assert made.training[-1].number == last
    assert any(f"Training ended {when}: " in note and "was accepted" in note for note in made.notes)
    assert made.before and made.after and made.before.flops and made.after.flops
    assert made.after.flops <= 0.7 * made.before.flops or (made.after.zeros or 0) >= 0.48


def test_as_much_is_removed_as_accuracy_allows(tmp_path: Path) -> None:
    """Half of what it computes can go without a loss, and more than the target must not."""
    adaptive = AdaptiveCompression(enabled=True, initial_compression_rate_step=0.2, patience_epochs=1)
    filters = FilterPruning(pruning_flops_target=0.5)
    made = run.run(
        job(tmp_path, epochs=4, enable_quantization=False, adaptive_compression_level=adaptive, filter_pruning=filters)
    )
    assert made.status == "succeeded", made.failure
    assert made.before and made.after and made.before.flops and made.after.flops
    assert 0.3 < made.after.flops / made.before.flops <= 0.5
    assert any("50\u00a0% can go while no more than 1.00\u00a0% of accuracy is lost" in note for note in made.notes)


def test_stopped_early_what_is_there_is_kept(tmp_path: Path) -> None:
    job_dir = job(tmp_path, epochs=50)
    stopping.ask(job_dir)
    made = run.run(job_dir)
    assert made.status == "succeeded" and any("It ended before all was removed" in note for note in made.notes)
    assert made.after and made.before and made.after.parameters <= made.before.parameters


def test_too_much_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    made = run.run(job(tmp_path, filter_pruning=FilterPruning(pruning_flops_target=0.99)))
    assert made.failure and made.failure.hint and not made.training
    assert "of the FLOPs can be removed" in made.failure.message and "At most 0\u00a0%" not in made.failure.message


def test_a_model_of_which_nothing_can_go(tmp_path: Path) -> None:
    made = run.run(tiny.job(tmp_path, options=OPTIONS))
    assert made.failure and "No filter of this model can be removed" in made.failure.message


def test_rehearsal_says_what_training_takes(tmp_path: Path) -> None:
    job_dir, directory = job(tmp_path, epochs=1000), tmp_path / "check"
    directory.mkdir()
    request = CheckRequest(kind="job", source=spec.read(job_dir).model, job=spec.read(job_dir))
    (directory / findings.REQUEST_NAME).write_text(request.model_dump_json())
    found = check.check(directory)
    assert not found.blocked and found.stage_seconds["quantize"] > 3 and found.memory_estimate_bytes
