"""What a job tells of itself while it runs."""

from pathlib import Path

import pytest

from jobs import events
from jobs.stages import Stages

PLAN = (("read", "Reading"), ("save", "Saving"))


def test_stages_are_told_and_timed(tmp_path: Path) -> None:
    stages = Stages(tmp_path, PLAN)
    with stages.stage("read"):
        assert stages.current == "Reading"
    with stages.stage("save"):
        pass
    found, _ = events.read(tmp_path)
    assert [type(event).__name__ for event in found] == ["Plan", "Stage", "Stage"]
    assert stages.total().keys() == {"read", "save", "total"}


def test_stage_that_fails_is_the_current_one(tmp_path: Path) -> None:
    stages = Stages(tmp_path, PLAN)
    with pytest.raises(ValueError), stages.stage("save"):
        raise ValueError
    assert stages.current == "Saving" and stages.seconds == {}


def test_progress_is_told_now_and_then_and_at_the_end(tmp_path: Path) -> None:
    stages = Stages(tmp_path, PLAN)
    for done in range(1, 1001):
        stages.progress(done, 1000)
    told = [event.done for event in events.read(tmp_path)[0] if isinstance(event, events.Progress)]
    assert told[0] == 1 and told[-1] == 1000 and len(told) < 50
