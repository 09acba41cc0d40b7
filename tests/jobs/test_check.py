"""What a check finds: a model, a dataset, a job to be."""

from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from jobs import check, findings, spec
from jobs.findings import CheckRequest, Findings
from jobs.report import ConfigKey
from jobs.spec import PotAccuracyAware, PotDefault, Source, Weights, WeightsMode
from tests.jobs import scenes, tiny


def ask(directory: Path, folder: Path, kind: str, **more: object) -> Findings:
    directory.mkdir(exist_ok=True)
    source = Source(name="upload", digest="aa", path=str(folder))
    request = CheckRequest.model_validate({"kind": kind, "source": source, **more})
    (directory / findings.REQUEST_NAME).write_text(request.model_dump_json())
    found = check.check(directory)
    assert Findings.model_validate_json((directory / findings.FILE_NAME).read_bytes()) == found
    assert not (directory / "tmp").exists()
    return found


def rehearse(tmp_path: Path, job_dir: Path) -> Findings:
    wanted = spec.read(job_dir)
    return ask(tmp_path / "check", wanted.model.folder(job_dir), "job", job=wanted)


def test_model_is_described(tmp_path: Path) -> None:
    found = ask(tmp_path / "check", tiny.save(tiny.classifier(), tmp_path / "model"), "model")
    assert found.model and found.tasks == ("classification",) and not found.problems
    assert found.model.format == "OpenVINO IR" and found.model.labels == tuple(tiny.COLOURS)
    assert found.model.gflops > 0 and "mix" in {node.name for node in found.model.nodes}


def test_model_that_says_nothing_is_asked_about(tmp_path: Path) -> None:
    entry = ops.parameter([1, 3, 8, 8], np.float32)
    model = ov.Model([ops.reduce_mean(entry, ops.constant([2, 3]), keep_dims=False)], [entry])
    found = ask(tmp_path / "check", tiny.save(model, tmp_path / "model"), "model")
    assert found.tasks and [problem.level for problem in found.problems] == ["info"] and not found.blocked


def test_what_a_detector_looks_like_is_supposed(tmp_path: Path) -> None:
    model = tiny.save(scenes.yolov8("", labels=""), tmp_path / "silent")
    found = ask(tmp_path / "check", model, "model")
    assert found.model and found.tasks[0] == "detection"
    supposed = found.model.supposed["detection"]
    assert (supposed["model_type"], supposed["resize_type"]) == ("YOLOv8", "fit_to_window_letterbox")
    said = ask(tmp_path / "check2", tiny.save(scenes.ssd(), tmp_path / "telling"), "model")
    assert said.model and not said.model.supposed


def test_model_of_no_task_is_told_so(tmp_path: Path) -> None:
    entry = ops.parameter([1, 3, 8, 8], np.float32)
    folded = ops.reshape(ops.relu(entry), ops.constant([1, 3, 2, 4, 8]), False)
    found = ask(tmp_path / "check", tiny.save(ov.Model([folded], [entry]), tmp_path / "model"), "model")
    assert found.blocked and found.model and not found.tasks
    assert any(problem.kind == "wrong_task" and "1×3×2×4×8" in problem.message for problem in found.problems)


def test_broken_model_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.onnx").write_text("<html>not found</html>")
    found = ask(tmp_path / "check", tmp_path / "model", "model")
    assert found.blocked and found.problems[0].where == "model" and found.problems[0].hint


def test_dataset_is_described(tmp_path: Path) -> None:
    found = ask(tmp_path / "check", tiny.pictures(tmp_path / "pictures"), "dataset").dataset
    assert found and found.labels == tuple(tiny.COLOURS) and found.images == 72
    assert {split.name: split.per_class["red"] for split in found.splits} == {"train": 12, "val": 12}
    assert (found.calibration, found.validation) == (36, 36)
    assert len(found.pictures) == 6 and {picture.label for picture in found.pictures} == set(tiny.COLOURS)
    assert all((tmp_path / "check" / picture.file).is_file() for picture in found.pictures)


def test_small_dataset_is_warned_about(tmp_path: Path) -> None:
    found = ask(tmp_path / "check", tiny.pictures(tmp_path / "pictures"), "dataset")
    assert any("36 images only" in problem.message for problem in found.problems)


def test_empty_dataset_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    found = ask(tmp_path / "check", tmp_path / "empty", "dataset")
    assert found.blocked and found.problems[0].where == "dataset"


def test_job_is_rehearsed(tmp_path: Path) -> None:
    found = rehearse(tmp_path, tiny.job(tmp_path))
    assert not found.problems
    assert found.seconds_estimate and 0 < found.seconds_estimate < 60
    assert found.memory_estimate_bytes and found.memory_estimate_bytes > 10 << 20


def test_rehearsal_shows_what_the_original_says(tmp_path: Path) -> None:
    seen = rehearse(tmp_path, tiny.job(tmp_path)).pictures
    assert len(seen) == 3 and {picture.truth for picture in seen} == set(tiny.COLOURS)
    assert all(picture.before == picture.truth and not picture.after for picture in seen)
    assert all((tmp_path / "check" / picture.file).is_file() for picture in seen)


@pytest.mark.parametrize("name", ["no_such_layer", "{re}.*nothing.*"])
def test_ignored_name_that_matches_nothing_is_found_before_the_run(tmp_path: Path, name: str) -> None:
    options = PotDefault.model_validate({"stat_subset_size": 4, "ignored": {"scope": ["mix", name]}})
    found = rehearse(tmp_path, tiny.job(tmp_path, options=options))
    assert found.blocked and found.problems[-1].items == (name,)


def test_names_of_a_template_for_another_network_are_told_and_stop_nothing(tmp_path: Path) -> None:
    ignored = {"scope": ["mix", "/neck/Mul", "/neck/Add"], "operations": [{"type": "Sqrt"}], "strict": False}
    options = PotDefault.model_validate({"stat_subset_size": 4, "ignored": ignored})
    found = rehearse(tmp_path, tiny.job(tmp_path, options=options))
    (told,) = found.problems
    assert not found.blocked and found.seconds_estimate
    assert (told.level, told.items) == ("info", ("/neck/Mul", "/neck/Add"))
    assert "Of 3 operations to leave in float, 2 are not" in told.message


def test_names_of_nncf_2_are_to_be_confirmed_before_the_run(tmp_path: Path) -> None:
    scope = ["Net/conv2d_0", "Net/relu_0", "Net/sqrt_0", "ReduceMean_7"]
    model = tiny.classifier()
    names = {op.get_type_name(): op.get_friendly_name() for op in model.get_ops()}
    scope[-1] = names["ReduceMean"]
    options = PotDefault.model_validate({"stat_subset_size": 4, "ignored": {"scope": scope, "strict": False}})
    key = ConfigKey(key="ignored_scopes", value="", fate="changed", source="mine.json", parameter="ignored.scope")
    found = rehearse(tmp_path, tiny.job(tmp_path, model=model, options=options, config_keys=(key,)))
    old, gone = (one for one in found.problems if one.where == "settings")
    assert not found.blocked and "names of “mine.json” are not the model's own" in old.message
    assert (old.level, old.items) == (
        "warning",
        ("Net/conv2d_0 → mix", f"Net/relu_0 → {names['Relu']}", "Net/sqrt_0 → nothing"),
    )
    assert old.settings == {"ignored.scope": f"mix\n{names['Relu']}\n{names['ReduceMean']}"}
    assert gone.items == ("Net/sqrt_0",)
    confirmed = PotDefault.model_validate(
        {"stat_subset_size": 4, "ignored": {"scope": old.settings["ignored.scope"].split("\n")}}
    )
    (tmp_path / "again").mkdir()
    again = rehearse(tmp_path, tiny.job(tmp_path / "again", model=model, options=confirmed))
    assert not any(one.where == "settings" for one in again.problems)


def test_labels_that_do_not_fit_are_found_before_the_run(tmp_path: Path) -> None:
    found = rehearse(tmp_path, tiny.job(tmp_path, model=tiny.classifier(("red", "green"))))
    assert found.blocked and found.problems[0].kind == "label_mismatch"


def test_outputs_that_are_no_numbers_are_found_before_the_run(tmp_path: Path) -> None:
    found = rehearse(tmp_path, tiny.job(tmp_path, model=tiny.classifier(factor=float("nan"))))
    assert found.blocked and found.problems[0].kind == "bad_outputs"


def test_search_is_estimated_at_its_longest(tmp_path: Path) -> None:
    """Ranking every group and taking every step, though in this job neither may happen."""
    plain = rehearse(tmp_path, tiny.job(tmp_path))
    options = PotAccuracyAware(stat_subset_size=12, max_iter_num=1000)
    (tmp_path / "second").mkdir()
    found = rehearse(tmp_path / "second", tiny.job(tmp_path / "second", options=options))
    assert not found.blocked and any("is the most" in problem.message for problem in found.problems)
    assert found.stage_seconds["quantize"] > plain.stage_seconds["after"]


def test_four_bits_that_no_layer_can_have_are_told_before_the_run(tmp_path: Path) -> None:
    found = rehearse(tmp_path, tiny.job(tmp_path, options=Weights(mode=WeightsMode.INT4_SYM)))
    assert not found.blocked and any("No layer could have 4 bits" in problem.message for problem in found.problems)
