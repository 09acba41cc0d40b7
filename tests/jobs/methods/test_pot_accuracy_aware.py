"""A search for the layers that cost accuracy: on real jobs with a model in which it is known which ones do."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from jobs import artifacts, data, events, measure, run, spec
from jobs.methods import Evaluation, Optimised, Prepared, pot_accuracy_aware
from jobs.pair import open_pair
from jobs.pair_validation import PairValidation
from jobs.report import Report
from jobs.spec import DropType, PotAccuracyAware
from tests.jobs import tiny
from tests.jobs.methods.nets import branches, convolutions, prepared

OPTIONS = {"stat_subset_size": 12}


def search(
    tmp_path: Path, model: ov.Model, *, labelled: bool = True, **options: object
) -> tuple[Optimised, list[events.Trial], list[events.Progress]]:
    """The method alone, on the pair that a job would open."""
    chosen = PotAccuracyAware.model_validate({**OPTIONS, **options})
    dataset = tiny.pictures(tmp_path / "pictures", labelled=labelled)
    job_dir = tiny.job(tmp_path, model=model, dataset=dataset, options=chosen)
    pair = open_pair(spec.read(job_dir), job_dir, tmp_path / "scratch")
    calibration, validation = (
        data.decode(part, pair.entry.resize, tmp_path / "scratch")
        for part in (pair.division.calibration, pair.division.validation)
    )
    compiled = measure.compile_for(pair.entry.embed(pair.imported.model), "CPU", "throughput")
    before = measure.predictions(compiled, validation, pair.bound, tmp_path / "scratch")
    images = data.Calibration(calibration.pixels, pair.entry.name, pair.entry.tensor)
    known = PairValidation(pair, validation, before, "CPU", tmp_path / "scratch")
    told: list[events.Event] = []
    optimised = pot_accuracy_aware.apply(
        Prepared(pair.float_model, images, len(images), validation=known), chosen, told.append
    )
    trials = [event for event in told if isinstance(event, events.Trial)]
    return optimised, trials, [event for event in told if isinstance(event, events.Progress)]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    options = PotAccuracyAware(stat_subset_size=12)
    job_dir = tiny.job(tmp_path_factory.mktemp("done"), model=tiny.sensitive("hurt"), options=options)
    return job_dir, run.run(job_dir)


# --- a job


def test_exactly_the_layer_that_hurts_is_given_back(done: tuple[Path, Report]) -> None:
    job_dir, made = done
    assert made.status == "succeeded" and made.failure is None
    assert made.applied["given_back"] == "hurt" and int(made.applied["quantizers"]) > 0
    assert made.before and made.after
    assert (made.before.metrics["accuracy"], made.after.metrics["accuracy"]) == (1.0, 1.0)
    model = ov.Core().read_model(job_dir / "artifacts/model.xml")
    weights = {
        op.friendly_name: op.input_value(1).get_node() for op in model.get_ops() if op.get_type_name() == "Convolution"
    }
    assert weights["hurt"].get_element_type().is_real() and weights["hurt"].get_type_name() == "Constant"
    assert weights["scale"].get_type_name() != "Constant", "unpacked from 8 bits"


def test_search_is_told_while_it_goes_on(done: tuple[Path, Report]) -> None:
    trials = [event for event in events.read_all(done[0]) if isinstance(event, events.Trial)]
    assert [(trial.number, trial.what, trial.layers, trial.kept) for trial in trials] == [
        (1, "Quantized", (), True),
        (2, "", ("hurt",), True),
    ]
    assert trials[0].drop > 0.5 and trials[1].drop == 0 and trials[0].limit == 0.01
    assert done[1].search == tuple(trials)
    page = (done[0] / "artifacts/report.html").read_text(encoding="utf-8")
    assert "What the search tried" in page and "Given back to float: hurt" in page
    plan = next(event for event in events.read_all(done[0]) if isinstance(event, events.Plan))
    assert "giving layers back" in dict(plan.stages)["quantize"]


def test_report_says_what_was_used_for_what(done: tuple[Path, Report]) -> None:
    notes = "\n".join(done[1].notes)
    assert "1\N{NO-BREAK SPACE}layer given back to float: hurt." in notes
    assert "18\N{NO-BREAK SPACE}images that the layers were chosen by" in notes
    assert "18\N{NO-BREAK SPACE}others, which chose nothing" in notes


def test_saved_settings_are_pots_other_algorithm(done: tuple[Path, Report]) -> None:
    said = json.loads((done[0] / "artifacts" / artifacts.CONFIG).read_text())
    (algorithm,) = said["compression"]["algorithms"]
    assert algorithm["name"] == "AccuracyAwareQuantization"
    assert (algorithm["params"]["maximal_drop"], algorithm["params"]["max_iter_num"]) == (0.01, 20)


# --- the rules


def test_nothing_is_given_back_where_little_is_lost(tmp_path: Path) -> None:
    optimised, trials, progress = search(tmp_path, tiny.classifier())
    assert len(trials) == 1 and optimised.applied["given_back"] == "none"
    assert "at once" in optimised.notes[0] and "no layer was given back" in optimised.notes[0]
    assert any(op.get_type_name() == "FakeQuantize" for op in optimised.model.get_ops())
    assert progress[-1].share == 1


def test_all_that_hurts_is_given_back(tmp_path: Path) -> None:
    optimised, trials, progress = search(tmp_path, tiny.sensitive("one", "two"))
    assert set(optimised.applied["given_back"].split(", ")) == {"one", "two"}
    again = [trial for trial in trials if trial.what == "Quantized again"]
    assert any(trial.kept for trial in again), "what was given back before them won nothing"
    assert {trial.layers for trial in again if not trial.kept} <= {("one",), ("two",)}
    assert trials[-1].drop <= 0.01
    shares = [event.share for event in progress if event.share is not None]
    assert shares == sorted(shares) and shares[-1] == 1, "the bar never goes back"
    assert {event.unit for event in progress} >= {"images", "groups of layers ranked", "steps"}


def test_steps_are_bounded(tmp_path: Path) -> None:
    optimised, trials, _ = search(tmp_path, tiny.sensitive("one", "two"), max_iter_num=1)
    assert len(trials) == 2
    assert any("could not be brought down to 1.00" in note for note in optimised.notes)


def test_best_model_is_kept_and_not_the_last(tmp_path: Path) -> None:
    """While two layers hurt, the return of one wins nothing, and a layer in float for nothing only costs speed."""
    optimised, trials, _ = search(tmp_path, tiny.sensitive("one", "two"), max_iter_num=1)
    assert trials[1].drop == trials[0].drop and optimised.applied["given_back"] == "none"


def test_images_without_labels_are_held_to_what_the_original_says(tmp_path: Path) -> None:
    optimised, trials, _ = search(tmp_path, tiny.sensitive("hurt"), labelled=False)
    assert optimised.applied["given_back"] == "hurt" and trials[0].drop > 0.5


def test_labels_may_be_left_alone(tmp_path: Path) -> None:
    optimised, _, _ = search(tmp_path, tiny.sensitive("hurt"), annotation_free=True)
    assert optimised.applied["given_back"] == "hurt"


def test_other_quantizations_are_tried_first_where_asked(tmp_path: Path) -> None:
    given = {"convert_to_mixed_preset": True, "tune_hyperparams": True, "drop_type": "relative"}
    optimised, trials, _ = search(tmp_path, tiny.sensitive("hurt"), **given)
    assert [trial.what for trial in trials[:5]] == [
        "Quantized",
        "With the mixed preset",
        "With quantile ranges",
        "With the full bias correction",
        "With both",
    ]
    assert optimised.applied["given_back"] == "hurt" and trials[-1].relative


def test_chosen_on_all_images_is_said(tmp_path: Path) -> None:
    optimised, _, _ = search(tmp_path, tiny.sensitive("hurt"), metric_subset_ratio=1)
    assert any("flatters" in note for note in optimised.notes)


def test_branches_stay_quantized() -> None:
    """A rehearsal, which measures nothing: but the groups are found, so that a job will not fail on them."""
    optimised = pot_accuracy_aware.apply(prepared(branches()), PotAccuracyAware(), lambda event: None)
    assert int(optimised.applied["groups"]) >= 1


# --- what it costs


def test_cost_is_bounded_and_grows_with_what_is_asked_for() -> None:
    optimised = pot_accuracy_aware.apply(prepared(convolutions()), PotAccuracyAware(), lambda event: None)
    groups = int(optimised.applied["groups"])
    plain = cost(optimised, max_iter_num=4)
    assert (plain.calibrated, plain.compiled) == (200, 1 + groups + 8 + 1)
    assert plain.evaluated == 100 + 8 * 100 + groups * 50 + 100
    more = cost(optimised, max_iter_num=4, tune_hyperparams=True, convert_to_mixed_preset=True)
    assert more.calibrated == 5 * plain.calibrated and more.compiled == plain.compiled + 4


def test_many_groups_are_first_ranked_on_few_images() -> None:
    optimised = Optimised(convolutions(), {"groups": "100"})
    once = pot_accuracy_aware.cost(optimised, PotAccuracyAware(max_iter_num=50), calibration=0, validation=600)
    twice = pot_accuracy_aware.cost(optimised, PotAccuracyAware(max_iter_num=10), calibration=0, validation=600)
    assert once.evaluated == (1 + 100) * 300 + 100 * 300 + 300
    assert twice.evaluated == (1 + 20) * 300 + 100 * 50 + 20 * 300 + 300
    assert twice.compiled == 1 + 100 + 20 + 20 + 1


def test_what_is_ranked_twice_is_found_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pot_accuracy_aware, "_FIRST_LOOK", 6)
    optimised, trials, _ = search(tmp_path, tiny.sensitive("hurt"), max_iter_num=1)
    assert optimised.applied["given_back"] == "hurt" and len(trials) == 2


def cost(optimised: Optimised, **options: object) -> pot_accuracy_aware.Cost:
    chosen = PotAccuracyAware.model_validate({"ranking_subset_size": 50, **options})
    return pot_accuracy_aware.cost(optimised, chosen, calibration=100, validation=200)


# --- drops


@pytest.mark.parametrize(
    ("before", "after", "higher", "kind", "drop"),
    [
        (0.8, 0.6, True, DropType.ABSOLUTE, 0.2),
        (0.8, 0.6, True, DropType.RELATIVE, 0.25),
        (0.8, 0.9, True, DropType.ABSOLUTE, -0.1),
        (0.2, 0.3, False, DropType.ABSOLUTE, 0.1),
        (0.0, 0.0, True, DropType.RELATIVE, 0.0),
    ],
)
def test_drop(before: float, after: float, higher: bool, kind: DropType, drop: float) -> None:
    found = evaluation(after, higher).drop_from(evaluation(before, higher), relative=kind is DropType.RELATIVE)
    assert found == pytest.approx(drop)


def evaluation(value: float, higher: bool, images: Sequence[float] = (0.0,)) -> Evaluation:
    return Evaluation(value, np.array(images), np.array(images), higher)
