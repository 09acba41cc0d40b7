"""What can be compared is compared, what is beaten is so beyond the noise, and the rest says why it stands apart."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from jobs.report import Images
from jobs.spec import Source
from otx_web import compare, services
from otx_web.services import Services
from otx_web.settings import Settings
from otx_web.store import Job, State
from tests.otx_web import made

OTHER = Source(name="flowers.zip", digest="cc", path="../../uploads/cc/files")


@pytest.fixture
def house(tmp_path: Path) -> Services:
    return services.build(Settings(data=tmp_path / "data", public=False))


def reported(house: Services, *, fps: float, after: float, **changed: Any) -> Job:
    of_spec = {name: changed.pop(name) for name in ("dataset", "given") if name in changed}
    return made.job(house, made=made.report(after=after, fps=fps, **changed), **of_spec)


def test_jobs_are_lettered_in_the_order_asked_for(house: Services) -> None:
    jobs = [made.job(house, name=name) for name in ("one", "two")]
    assert [(entry.letter, entry.job.name) for entry in compare.compare(jobs).entries] == [("A", "one"), ("B", "two")]
    assert [compare.letter(place) for place in (0, 25, 26)] == ["A", "Z", "A1"]


def test_slower_and_no_better_is_beaten(house: Services) -> None:
    found = compare.compare([reported(house, fps=5000, after=0.804), reported(house, fps=4000, after=0.804)])
    first, second = found.groups[0].standings
    assert first.on_frontier and first.reason == ""
    assert second.beaten_by is first.result
    assert second.reason == "A is faster, and not less accurate: 5,000 against 4,000 images/s, 80.4 against 80.4 %."


def test_slower_but_better_is_not_beaten(house: Services) -> None:
    found = compare.compare([reported(house, fps=5000, after=0.790), reported(house, fps=4000, after=0.804)])
    assert all(standing.on_frontier for standing in found.groups[0].standings)
    assert [result.entry.letter for result in compare.frontier(found.groups[0])] == ["B", "A"]


def test_a_lead_within_the_noise_beats_nobody(house: Services) -> None:
    found = compare.compare([reported(house, fps=5000, after=0.8041), reported(house, fps=4990, after=0.8040)])
    assert all(standing.on_frontier for standing in found.groups[0].standings)
    assert [result.entry.letter for result in compare.frontier(found.groups[0])] == ["A"]


def test_clearly_better_at_the_same_speed_beats(house: Services) -> None:
    found = compare.compare([reported(house, fps=5000, after=0.804), reported(house, fps=4990, after=0.780)])
    assert "more accurate, and not slower" in found.groups[0].standings[1].reason


def test_other_data_stands_apart(house: Services) -> None:
    jobs = [made.job(house), made.job(house, dataset=OTHER), made.job(house)]
    found = compare.compare(jobs)
    assert [len(group.standings) for group in found.groups] == [2, 1]
    assert found.groups[1].apart == "it was measured on another dataset, flowers.zip"
    assert found.apart(found.entries[1]) and not found.apart(found.entries[2])


def test_other_machine_or_images_stand_apart(house: Services) -> None:
    laptop = made.HARDWARE.model_copy(update={"cpu": "Core i5", "cores": 4})
    few = Images(calibration=300, validation=200)
    found = compare.compare(
        [
            made.job(house),
            made.job(house, made=made.report(hardware=laptop)),
            made.job(house, made=made.report(images=few)),
        ]
    )
    assert [group.apart for group in found.groups] == [
        "",
        "it was measured on another machine, Core i5, 4 cores",
        "it was measured on other images of the dataset, 200 of them",
    ]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (State.QUEUED, "it has not begun yet"),
        (State.RUNNING, "it still runs"),
        (State.FAILED, "it failed"),
        (State.CANCELLED, "it was cancelled"),
    ],
)
def test_job_without_numbers_says_why(house: Services, state: State, reason: str) -> None:
    found = compare.compare([made.job(house), made.job(house, state)])
    assert [(out.entry.letter, out.reason) for out in found.left_out] == [("B", reason)]
    assert len(found.groups) == 1


def test_nothing_to_compare(house: Services) -> None:
    found = compare.compare([])
    assert (found.groups, found.entries, found.settings) == ((), (), ())


def test_settings_that_differ_come_first(house: Services) -> None:
    mixed = made.report(applied={"preset": "mixed", "stat_subset_size": "300", "seed": "1"})
    found = compare.compare([made.job(house), made.job(house, made=mixed)])
    differing = {row.name: row.values for row in found.settings if row.differs}
    assert differing == {"preset": ("performance", "mixed"), "seed": ("", "1")}
    assert [row.differs for row in found.settings][:2] == [True, True]


def test_job_that_did_not_come_so_far_differs_in_nothing(house: Services) -> None:
    found = compare.compare([made.job(house), made.job(house, State.FAILED)])
    assert not [row.name for row in found.settings if row.differs]


def test_csv_has_a_line_a_job(house: Services) -> None:
    jobs = [made.job(house, name="one"), made.job(house, State.FAILED, name="two")]
    lines = list(csv.DictReader(io.StringIO(compare.to_csv(jobs))))
    assert [line["name"] for line in lines] == ["one", "two"]
    assert float(lines[0]["after.accuracy"]) == 0.804
    assert float(lines[0]["drop"]) == pytest.approx(0.001)
    assert lines[0]["set.preset"] == "performance" and lines[0]["version.openvino"] == "2026.4.1"
    assert lines[1]["after.accuracy"] == ""


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\t=1"])
def test_csv_runs_no_formula(house: Services, name: str) -> None:
    [line] = csv.DictReader(io.StringIO(compare.to_csv([made.job(house, name=name)])))
    assert line["name"] == f"'{name}"
