"""How far a job is, told from its events, whatever they say."""

from pathlib import Path

import pytest

from jobs import events
from jobs.events import Event, Metric, Note, Plan, Stage
from otx_web import progress
from otx_web.progress import Progress

PLAN = Plan(at=0, stages=(("read", "Reading"), ("measure", "Measuring"), ("save", "Saving")))
EARLIER = ({"read": 1.0, "measure": 8.0, "save": 1.0, "total": 10.0},)


def at(seconds: float, name: str) -> Stage:
    return Stage(at=seconds, name=name)


def done(seconds: float, count: int, total: int, unit: str = "images") -> events.Progress:
    return events.Progress(at=seconds, done=count, total=total, unit=unit)


def of(*found: Event, now: float, earlier: tuple[dict[str, float], ...] = ()) -> Progress:
    return progress.of(found, earlier=earlier, now=now)


def states(found: Progress) -> list[tuple[str, float | None]]:
    return [(step.state, step.seconds) for step in found.steps]


def test_stages_are_done_now_and_to_come() -> None:
    found = of(PLAN, at(0, "read"), at(2, "measure"), done(3, 30, 120), now=5)
    assert states(found) == [("done", 2), ("now", 3), ("to_come", None)]
    assert (found.title, found.stage, found.done, found.total, found.unit) == (
        "Measuring",
        "Measuring",
        30,
        120,
        "images",
    )


def test_fraction_grows_with_the_stage() -> None:
    found = [of(PLAN, at(0, "read"), at(1, "measure"), done(2, count, 100), now=3) for count in (0, 50, 100)]
    assert found[0].fraction == pytest.approx(1 / 3) and found[1].fraction == pytest.approx(1 / 2)
    assert found[0].percent == 33 and found[2].percent == 66


def test_time_left_is_told_from_jobs_like_it() -> None:
    found = of(PLAN, at(0, "read"), at(1, "measure"), done(3, 25, 100), now=3, earlier=EARLIER)
    assert found.seconds_left == pytest.approx(2 / 0.25 - 2 + 1), "its own pace, then what saving usually takes"
    assert found.fraction == pytest.approx((1 + 0.25 * 8) / 10)
    silent = of(PLAN, at(0, "read"), at(1, "measure"), now=3, earlier=EARLIER)
    assert silent.seconds_left == pytest.approx(6 + 1) and silent.fraction == pytest.approx((1 + 2) / 10)


def test_time_left_is_not_guessed() -> None:
    assert of(PLAN, at(0, "read"), now=1).seconds_left is None
    last = of(PLAN, at(0, "read"), at(1, "measure"), at(2, "save"), done(3, 1, 2), now=4)
    assert last.seconds_left == pytest.approx(2), "of the last stage its own pace tells"


def test_stage_that_takes_longer_than_usual_is_not_done() -> None:
    found = of(PLAN, at(0, "read"), at(1, "measure"), now=1000, earlier=EARLIER)
    assert found.fraction < 0.99 and found.seconds_left == pytest.approx(1)


def test_progress_of_an_earlier_stage_does_not_count() -> None:
    found = of(PLAN, at(0, "read"), done(0.5, 9, 9, "files"), at(1, "measure"), now=2)
    assert (found.done, found.total, found.unit) == (0, 0, "")


def test_skipped_stage_is_done() -> None:
    assert states(of(PLAN, at(0, "read"), at(1, "save"), now=2)) == [("done", 1), ("done", None), ("now", 1)]


def test_two_stages_at_the_same_moment() -> None:
    """A clock has steps, and stages can be shorter."""
    found = of(PLAN, at(5, "read"), at(5, "measure"), now=5)
    assert states(found) == [("done", 0), ("now", 0), ("to_come", None)]


def test_clock_that_is_set_back() -> None:
    found = of(PLAN, at(3600, "read"), at(10, "measure"), now=12)
    assert states(found) == [("done", 0), ("now", 2), ("to_come", None)] and 0 <= found.fraction <= 1
    assert states(of(PLAN, at(3600, "read"), now=0))[0] == ("now", 0)


def test_stage_that_begins_again_is_counted_together() -> None:
    found = of(PLAN, at(0, "read"), at(1, "measure"), at(3, "read"), now=4)
    assert states(found) == [("now", 2), ("done", 2), ("to_come", None)]


def test_nothing_yet() -> None:
    assert of(now=1) == Progress() and of(at(0, "read"), now=1).steps == ()
    assert of(Note(at=0, message="hello"), now=1).notes[0].message == "hello"
    waiting = of(PLAN, now=1)
    assert [step.state for step in waiting.steps] == ["to_come"] * 3 and waiting.fraction == 0


@pytest.mark.parametrize(
    "found",
    [
        [PLAN, at(0, "no such stage"), done(1, 1, 2)],
        [PLAN, PLAN.model_copy(update={"stages": ()}), at(0, "read")],
        [Plan(at=0, stages=()), at(0, "read")],
        [Plan(at=0, stages=(("read", "a"), ("read", "b"))), at(0, "read")],
        [PLAN, at(0, "read"), done(1, 2**53, 1)],
        [PLAN, at(0, "read"), done(1, 5, 0)],
        [PLAN, at(-1e300, "read"), at(1e300, "measure")],
    ],
)
@pytest.mark.parametrize(
    "earlier", [(), EARLIER, ({"read": -5.0, "measure": 1.0},), ({"read": 0.0},), ({"other": 1.0},)]
)
def test_worker_that_talks_nonsense_breaks_no_page(found: list[Event], earlier: tuple[dict[str, float], ...]) -> None:
    told = of(*found, now=2, earlier=earlier)
    assert 0 <= told.fraction <= 1 and 0 <= told.percent <= 100
    assert told.seconds_left is None or told.seconds_left >= 0


def test_numbers_and_notes_are_passed_on(tmp_path: Path) -> None:
    for event in (PLAN, at(0, "read"), Metric(which="before", name="accuracy", value=0.9), Note(message="hello")):
        events.append(tmp_path, event)
    found = progress.read(tmp_path, now=1)
    assert [metric.value for metric in found.metrics] == [0.9] and found.notes[0].message == "hello"
    assert progress.read(tmp_path / "nowhere") == Progress()


def test_stage_that_counts_only_a_part_says_how_far_it_is() -> None:
    part = events.Progress(at=3, done=10, total=10, unit="steps", share=0.5)
    found = of(PLAN, at(0, "read"), at(1, "measure"), part, now=3, earlier=EARLIER)
    assert found.fraction == pytest.approx((1 + 0.5 * 8) / 10)
    assert (found.done, found.total) == (10, 10)


def test_what_is_counted_aside_is_shown_and_moves_no_bar() -> None:
    part = events.Progress(at=2, done=10, total=10, share=0.5)
    aside = events.Progress(at=3, done=3, total=16, unit="images measured", aside=True)
    found = of(PLAN, at(0, "read"), at(1, "measure"), part, aside, now=3, earlier=EARLIER)
    assert found.fraction == pytest.approx((1 + 0.5 * 8) / 10)
    assert (found.done, found.total, found.unit) == (3, 16, "images measured")


def test_trials_of_a_search_are_kept_in_order() -> None:
    trials = [events.Trial(number=number, drop=0.1, limit=0.01, kept=True) for number in (1, 2)]
    assert of(PLAN, at(0, "read"), *trials, now=1).trials == tuple(trials)
