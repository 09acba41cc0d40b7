"""A job that runs says where it is, how long it may take, and what it knows so far."""

import pytest

from jobs import events
from otx_web.progress import Progress, Step
from otx_web.ui import parts, running

STEPS = (
    Step("read", "Reading", "done", 1.0),
    Step("quantize", "Calibrating", "now", 3.0),
    Step("save", "Saving", "to_come"),
)


def plain(markup: str) -> str:
    return markup.replace(parts.SPACE, " ")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "How long it will take is not known yet"),
        (0.4, "almost done"),
        (20.2, "about 20 s left"),
        (125.0, "about 2 min 5 s left"),
    ],
)
def test_time_left(seconds: float | None, words: str) -> None:
    assert words in plain(running.running(Progress(steps=STEPS, seconds_left=seconds), owns=True))


def test_stages_are_told_by_sign_and_word() -> None:
    page = running.steps(Progress(steps=STEPS, title="Calibrating", done=1200, total=3000, unit="images"))
    for text in ("✓", "(done)", "●", "(now)", "○", "(to come)", "1,200 of 3,000 images", 'aria-current="step"'):
        assert text in plain(page)


def test_stage_in_which_a_job_ended_is_marked() -> None:
    page = running.ended(Progress(steps=STEPS, title="Calibrating"), "failed")
    assert "✕" in page and "(failed)" in page and "(now)" not in page


def test_job_that_has_not_begun_says_so() -> None:
    assert "Starting" in running.running(Progress(), owns=False)
    assert running.ended(Progress(), "cancelled") == ""


def test_progress_can_be_read_aloud() -> None:
    page = running.running(Progress(steps=STEPS, title="Calibrating", fraction=0.429), owns=True)
    assert 'role="progressbar"' in page and 'aria-valuenow="42"' in page
    assert 'role="status">Calibrating' in page


@pytest.mark.parametrize(
    ("unit", "shown"), [("", "80.5 %"), ("images/s", "0.805 images/s"), ("ms", "0.805 ms"), ("dB", "0.805 dB")]
)
def test_values_have_their_unit(unit: str, shown: str) -> None:
    assert plain(running.value(0.805, unit)) == shown


def test_numbers_stand_side_by_side() -> None:
    found = [
        events.Metric(which=which, name="accuracy", value=value) for which, value in (("before", 0.8), ("after", 0.79))
    ]
    page = plain(running.measured(found))
    assert page.index("80.0 %") < page.index("79.0 %") and page.count("Accuracy") == 1


def test_queue_of_one() -> None:
    assert "1 job is ahead" in plain(running.queued(1, True, False))
    assert "2 jobs are ahead" in plain(running.queued(2, True, False))
    assert "still being loaded" in running.queued(0, False, False)


def test_search_shows_its_drop_and_the_layers_given_back() -> None:
    trials = (
        events.Trial(number=1, what="Quantized", drop=0.04, limit=0.01, kept=True),
        events.Trial(number=2, layers=("conv1", "conv2", "conv3", "<conv4>"), drop=0.05, limit=0.01, kept=False),
        events.Trial(number=3, layers=("conv5",), drop=0.0089, limit=0.01, kept=True),
    )
    page = plain(running.running(Progress(steps=STEPS, trials=trials), owns=True))
    assert "Lost at best: <b>0.89 points</b>. The limit is 1.00 points" in page
    for text in ("Quantized", "conv1, conv2, conv3 and 1 more", "&lt;conv4&gt;", "Taken back", "5.00 points", "Met"):
        assert text in page
    assert page.index("conv5") < page.index("conv1"), "the latest first"


def test_nothing_is_said_of_a_search_that_there_is_none_of() -> None:
    assert "The search" not in running.running(Progress(steps=STEPS), owns=True)


EPOCHS = tuple(
    events.Epoch(number=number, total=9, held_out=1 / (1 + number), metric=0.9, best=True) for number in range(3)
)


def test_training_is_drawn_and_can_be_stopped_by_its_owner() -> None:
    now = Progress(steps=STEPS, epochs=EPOCHS)
    page = running.running(now, owns=True)
    assert "The training" in page and "Epoch 2 of at most 9" in page and 'data-act="stop"' in page
    assert 'data-act="stop"' not in running.running(now, owns=False)


def test_training_that_is_being_stopped_says_so() -> None:
    page = running.running(Progress(steps=STEPS, epochs=EPOCHS, stopping=True), owns=True)
    assert "Stopping, and keeping the best" in page and 'data-act="stop"' not in page


def test_nothing_can_be_stopped_but_training() -> None:
    after = (Step("quantize", "Training", "done", 3.0), Step("save", "Saving", "now"))
    for progress in (Progress(steps=STEPS), Progress(steps=after, epochs=EPOCHS)):
        assert 'data-act="stop"' not in running.running(progress, owns=True)
