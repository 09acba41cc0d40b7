"""Doubts about a model before it is quantized."""

from pathlib import Path

from jobs import plausibility, spec
from jobs.findings import Problem
from jobs.pair import open_pair
from tests.jobs import scenes, tiny


def doubts(tmp_path: Path, **more: object) -> list[Problem]:
    job_dir = tiny.job(tmp_path, **more)  # type: ignore[arg-type]
    pair = open_pair(spec.read(job_dir), job_dir, tmp_path / "scratch")
    return plausibility.doubts(pair, "CPU", tmp_path / "scratch")


def test_model_that_makes_sense_raises_no_doubt(tmp_path: Path) -> None:
    assert doubts(tmp_path) == []


def test_colours_the_wrong_way_are_noticed(tmp_path: Path) -> None:
    (doubt,) = doubts(tmp_path, model_settings={"reverse_input_channels": "true"})
    assert "red and blue swapped" in doubt.message and "100\u00a0%" in doubt.message
    assert "reverse_input_channels" in doubt.hint and "off" in doubt.hint


def test_labels_in_the_wrong_order_are_guessing(tmp_path: Path) -> None:
    (doubt,) = doubts(tmp_path, model_settings={"labels": "green,blue,red"})
    assert "guessing" in doubt.message and doubt.level == "warning"


def test_images_without_labels_cannot_raise_doubt(tmp_path: Path) -> None:
    dataset = tiny.pictures(tmp_path / "loose", labelled=False)
    assert doubts(tmp_path, dataset=dataset, model_settings={"reverse_input_channels": "true"}) == []


def test_detector_of_other_labels_is_guessing(tmp_path: Path) -> None:
    model = scenes.ssd(labels="red blue green")
    (doubt,) = doubts(tmp_path, model=model, dataset=scenes.dataset(tmp_path / "scenes"), task="detection")
    assert "mAP" in doubt.message and "guessing" in doubt.message


def test_detector_with_colours_the_wrong_way_is_noticed(tmp_path: Path) -> None:
    model, dataset = scenes.ssd(reverse_input_channels="True"), scenes.dataset(tmp_path / "scenes", each=24)
    (doubt,) = doubts(tmp_path, model=model, dataset=dataset, task="detection")
    assert "red and blue swapped" in doubt.message and "mAP" in doubt.message
