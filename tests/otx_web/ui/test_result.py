"""A result claims what was measured, and no more."""

from typing import Any

import pytest

from jobs import tables
from jobs.report import Images, ScoreCounts, ScoreHistogram, View
from jobs.spec import JobSpec, PotDefault, Source
from otx_web.ui import details, parts, result
from otx_web.ui.result import Seen
from tests.otx_web import made

SEEN = Seen("abc", owns=True)


def plain(markup: Any) -> str:
    return str(markup).replace(parts.SPACE, " ").replace(parts.MINUS, "-")


def summary(**changed: Any) -> str:
    return plain(result.summary(made.report(**changed), SEEN))


@pytest.mark.parametrize(
    ("accuracy", "words", "tone"),
    [
        ("held", "Accuracy held", "ow-good"),
        ("lost", "Accuracy lost", "ow-bad"),
        ("cannot_tell", "Cannot tell yet", "ow-unsure"),
    ],
)
def test_verdict_is_a_word_and_a_colour(accuracy: str, words: str, tone: str) -> None:
    page = summary(verdict=made.verdict(accuracy))
    assert words in page and f"ow-verdict {tone}" in page


def test_model_that_grew_is_said_to_be_larger() -> None:
    before = made.report().before
    assert before is not None
    grown = before.model_copy(update={"size_bytes": before.size_bytes * 11 // 10})
    page = plain(result.summary(made.report().model_copy(update={"after": grown}), SEEN))
    assert "1.1× <small>larger" in page
    assert "1.0× <small>the same size" in plain(
        result.summary(made.report().model_copy(update={"after": before}), SEEN)
    )


def test_model_that_is_mostly_float_is_offered_as_optimised() -> None:
    after = made.report().after
    assert after is not None
    for precision, offered in (("mostly FP16", "optimised"), ("mostly INT8", "INT8"), ("INT4", "INT4")):
        report = made.report().model_copy(update={"after": after.model_copy(update={"precision": precision})})
        assert f"Download the {offered} model" in result.summary(report, SEEN)


def test_what_was_removed_has_a_card() -> None:
    page = plain(result.summary(made.pruned(), SEEN))
    assert "1.43× <small>fewer FLOPs" in page and "81.0 M → 56.7 M an image" in page
    assert "0.272 M → 0.191 M parameters" in page and "Zeros" not in page
    page = plain(result.summary(made.pruned(zeros=0.5), SEEN))
    assert "50 % <small>of the weights" in page and "before: 0 %" in page and "FLOPs" not in page
    assert "FLOPs" not in summary() and "Zeros" not in summary()


def test_cannot_tell_says_what_would() -> None:
    page = summary(verdict=made.verdict("cannot_tell", message="About 1,340 more images would tell."))
    assert "About 1,340 more images would tell." in page


@pytest.mark.parametrize(
    ("low", "high", "words"), [(1.2, 1.6, "faster"), (0.5, 0.8, "slower"), (0.9, 1.2, "no clear difference")]
)
def test_only_a_clear_difference_in_speed_is_claimed(low: float, high: float, words: str) -> None:
    page = summary(speed=made.speed(ratio=(low + high) / 2, ratio_low=low, ratio_high=high))
    assert f"<small>{words}</small>" in page


def test_speed_that_was_disturbed_says_so() -> None:
    rough = made.speed(ratio=2.0, ratio_low=1.5, ratio_high=2.5)
    busy = made.HARDWARE.model_copy(update={"load": 6.9})
    assert "since something else disturbed it" in summary(speed=rough)
    assert "since the machine was busy with other work" in summary(speed=rough, hardware=busy)
    assert "known only roughly" not in summary(hardware=busy)


def test_fp32_reference_is_named_where_it_was_measured() -> None:
    fp32 = {"fp32": made.rate(2200), "fp32_ratio": 2.29, "fp32_ratio_low": 2.25, "fp32_ratio_high": 2.33}
    assert "2.29× (2.25 to 2.33) against the original held to FP32" in summary(speed=made.speed(**fp32))
    assert "held to FP32" not in summary()


def test_digits_follow_the_interval() -> None:
    page = summary(before=0.7213, after=0.7199, verdict=made.verdict(drop=0.0014, within=0.0015))
    assert "72.13 %" in page and "71.99 %" in page and "-0.14 points" in page


def test_unlabelled_images_measure_agreement() -> None:
    page = summary(images=Images(calibration=1, validation=200, labelled=False))
    assert "Agreement with the original on 200 images." in page


def test_steps_come_with_reason_time_and_a_button() -> None:
    lost = made.verdict("lost", 0.05, next=(made.STEP, made.STEP.model_copy(update={"seconds": None})))
    page = summary(after=0.755, verdict=lost)
    for text in ("What next", "Use the mixed preset", "Fewer steps are wasted.", "about 42 s", "preset = mixed",
                 'data-number="1"', "as long as this job or longer"):  # fmt: skip
        assert text in page


def test_training_after_pot_is_not_behind_a_click() -> None:
    trains = made.STEP.model_copy(update={"title": "Train it", "method": "nncf_qat"})
    page = summary(after=0.755, verdict=made.verdict("lost", 0.05, next=(made.STEP,) * 4 + (trains,)))
    assert page.index("Train it") < page.index("2 more") and page.count('data-act="step"') == 5


def test_downloads_are_those_of_the_report() -> None:
    page = summary()
    for path in ("artifacts/model.zip", "artifacts/report.html", "artifacts/config.json", "report.json"):
        assert f'href="files/jobs/abc/{path}"' in page
    assert "Download the INT8 model" in page


def test_paths_are_quoted_for_the_address() -> None:
    assert Seen("abc", owns=True).file('a b#"?.png') == "files/jobs/abc/a%20b%23%22%3F.png"


def test_chart_says_in_words_what_it_shows() -> None:
    page = summary()
    assert 'aria-label="Accuracy against throughput. original: Accuracy 80.5 %, 3,600 images/s.' in page
    assert "The limit is 79.5 %." in page


@pytest.mark.parametrize("missing", ["before", "after", "speed", "verdict", "images", "hardware"])
def test_report_with_a_part_missing_is_shown(missing: str) -> None:
    report = made.report().model_copy(update={missing: None})
    page = result.summary(report, SEEN) + details.tabs(report, made_spec(), SEEN, "log")
    assert "Download" in page


def made_spec() -> JobSpec:
    model, dataset = (Source(name=name, digest=name, path=name) for name in ("m.onnx", "d.zip"))
    return JobSpec(
        task="classification", template="generic", options=PotDefault(), model=model, dataset=dataset,
        given={"preset": "mixed"},
    )  # fmt: skip


def tabs(**changed: Any) -> str:
    return plain(details.tabs(made.report(**changed), made_spec(), SEEN, "the log"))


def test_tabs_are_tabs() -> None:
    page = tabs()
    assert page.count('role="tab"') == page.count('role="tabpanel"') == 6
    assert page.count('aria-selected="true"') == 1 and page.count('hidden=""') == 5


def test_tab_without_content_is_left_out() -> None:
    page = tabs(pictures=(), layers=())
    assert "tab-pictures" not in page and "tab-layers" not in page


def test_the_class_that_lost_most_is_first() -> None:
    page = tabs()
    classes = page[page.index("lost most first") :]
    assert classes.index("dog") < classes.index("cat")
    assert "-5.0" in classes


def test_metric_of_classes_is_named_where_it_is_not_accuracy() -> None:
    measure = made.report().before
    assert measure is not None
    found = measure.model_copy(update={"metrics": {"map": 0.4}, "per_class": {"cat": {"map": 0.4}}})
    page = plain(tables.accuracy(made.report().model_copy(update={"metric": "map", "before": found, "after": found})))
    assert "1 class by mAP, the one that lost most first" in page and "<b>0.0</b>" in page


def test_metrics_carry_intervals_where_they_are_known() -> None:
    page = tabs()
    assert '80.5 %<span class="ow-muted"> (78.7 to 82.2)' in page
    assert "-0.6 to +0.4" in page


def test_many_classes_are_folded() -> None:
    many = {f"class {i}": {"accuracy": i / 2000} for i in range(1500)}
    measure = made.report().before
    assert measure is not None
    full = measure.model_copy(update={"per_class": many})
    report = made.report().model_copy(update={"before": full, "after": full})
    page = plain(tables.accuracy(report))
    assert "1,500 classes" in page and "all are in report.json" in page
    assert page.count("<tr>") < 1100


def test_pictures_show_truth_and_both_answers() -> None:
    page = tabs()
    assert 'src="files/jobs/abc/artifacts/pictures/00.png" alt="val/dog/1.png" loading="lazy"' in page
    for text in ("Other answer", "Truth", "61 %", "55 %", 'aria-label="wrong"'):
        assert text in page


def test_pictures_that_are_drawn_on_stand_side_by_side() -> None:
    page = tabs(pictures=(made.drawn_on(),), labels=("cat", "dog"), task="detection")
    order = ["<h4>Before", "2 dogs", "<h4>After", "1 dog", "<h4>Annotation", "1 dog"]
    place = 0
    for text in order:
        place = page.index(text, place)
    assert page.count('src="files/jobs/abc/artifacts/pictures/00.png"') == 3
    assert 'class="ow-layer" src="files/jobs/abc/artifacts/pictures/00-after.png"' in page
    assert 'type="range"' in page and 'value="35"' in page and "the numbers count from 35 %" in page
    assert page.count("ow-unsure-shape") == 2, "what a model is not sure of is hidden until the slider asks for it"
    assert "val/1.png, annotation: dog" in page
    assert "<img src=x" not in page


def test_many_pictures_that_are_drawn_on_are_folded() -> None:
    page = tabs(pictures=tuple(made.drawn_on() for _ in range(details.PICTURES_OPEN + 3)))
    assert "3 more pictures" in page and page.index("3 more pictures") > page.index("<h4>Annotation")
    assert "more picture" not in tabs(pictures=tuple(made.report().pictures) * 20)


def test_slider_is_there_only_where_models_say_how_sure_they_are() -> None:
    heat = View(layer="artifacts/pictures/00-after.png")
    picture = made.drawn_on(before_view=heat, after_view=heat, threshold=None)
    page = tabs(pictures=(picture,), task="anomaly_detection")
    assert 'type="range"' not in page and 'id="ow-overlay"' in page and "ow-heat" in page


def test_picture_without_an_annotation_shows_two() -> None:
    page = tabs(pictures=(made.drawn_on(truth="", truth_view=View()),))
    assert "<h4>After" in page and "<h4>Annotation" not in page


def test_scores_of_anomalies_stand_with_the_accuracy() -> None:
    counts = ScoreCounts(normal=(2, 1), anomalous=(0, 3), threshold=0.5)
    histogram = ScoreHistogram(title="Image scores", edges=(0, 0.5, 1), before=counts, after=counts)
    assert "Image scores" in tabs(histograms=(histogram,)) and "Image scores" not in tabs()


def test_layers_are_counted_by_precision() -> None:
    assert "1 operation: 1 in INT8." in tabs()


def test_settings_mark_what_the_person_changed() -> None:
    page = tabs()
    assert page.count("changed by you") == 1
    assert "300 images to calibrate" in page and "2,000 images to measure accuracy" in page


def test_hardware_and_versions_are_there() -> None:
    page = tabs()
    for text in ("AMD EPYC 9R14", "avx512_vnni", "2026.4.1", "BF16", "3,600"):
        assert text in page
