"""Which images serve for what: the two never overlap, and no label is forgotten."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from jobs.division import Division, divide, spread
from jobs.errors import NotEnoughImages
from jobs.samples import Dataset, Sample


@pytest.fixture
def make(tmp_path: Path) -> "Make":
    return Make(tmp_path)


class Make:
    """Datasets of files whose content is their number, or what is given for it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def __call__(self, content: Mapping[tuple[str, object], int], *, same: str = "") -> Dataset:
        """So many samples of each split and target; with `same` all files hold that."""
        samples = []
        for (split, target), count in content.items():
            for _ in range(count):
                self._count += 1
                path = self._folder / f"{self._count:05}.png"
                path.write_text(same or f"{self._count:05}")
                samples.append(Sample(path.name, path, split, target))
        return Dataset("folders", ("a", "b", "c"), tuple(samples))


def targets(samples: tuple[Sample, ...]) -> dict[object, int]:
    return dict(Counter(sample.target for sample in samples))


def fair(division: Division) -> None:
    """Never the same image on both sides, by name or by content."""
    names = [sample.name for sample in (*division.calibration, *division.validation)]
    assert len(set(names)) == len(names) and division.calibration and division.validation
    contents = [{sample.path.read_bytes() for sample in part} for part in (division.calibration, division.validation)]
    assert not contents[0] & contents[1]


A, B, C = (0,), (1,), (2,)


@pytest.mark.parametrize(
    ("content", "calibrate", "measure"),
    [
        ({("train", A): 5, ("train", B): 5, ("val", A): 4, ("test", B): 3}, {"train"}, {"val"}),
        ({("train", A): 5, ("train", B): 5, ("test", A): 4, ("test", B): 3}, {"train"}, {"test"}),
        ({("", A): 5, ("", B): 5, ("test", A): 4}, {""}, {"test"}),
        ({("train", A): 5, ("train", B): 5}, {"train"}, {"train"}),
        ({("val", A): 5, ("val", B): 5}, {"val"}, {"val"}),
        ({("", A): 5, ("", B): 5}, {""}, {""}),
        ({("train", None): 5, ("val", None): 5}, {"train"}, {"val"}),
        ({("", None): 9}, {""}, {""}),
    ],
)
def test_own_splits_are_followed(
    make: Make, content: Mapping[tuple[str, object], int], calibrate: set[str], measure: set[str]
) -> None:
    found = divide(make(content), calibration=4)
    fair(found)
    assert {sample.split for sample in found.calibration} == calibrate
    assert {sample.split for sample in found.validation} == measure


def test_what_is_held_out_is_said(make: Make) -> None:
    found = divide(make({("", A): 30, ("", B): 30}), calibration=300)
    assert (len(found.calibration), len(found.validation)) == (20, 40)
    assert found.notes == (
        "The dataset has no separate split to measure with: 20 images are held out to calibrate.",
        "20 images calibrate; 300 were asked for.",
    )


def test_rare_class_is_not_used_up_by_calibration(make: Make) -> None:
    """Taken in turns, all three of the rare ones would calibrate and none be left to measure."""
    found = divide(make({("", A): 500, ("", B): 497, ("", C): 3}), calibration=300)
    assert 1 <= targets(found.validation)[C] <= 3
    assert targets(found.calibration)[A] == pytest.approx(150, abs=2)


def test_fewer_to_measure_keep_their_proportions(make: Make) -> None:
    dataset = make({("train", A): 9, ("val", A): 900, ("val", B): 100})
    found = divide(dataset, calibration=5, validation=200)
    assert targets(found.validation) == {A: pytest.approx(180, abs=1), B: pytest.approx(20, abs=1)}
    assert found.unmeasured == 800 and found.spare == 4
    names = [sample.name for sample in found.validation]
    assert names == sorted(names)


def test_calibration_draws_from_every_label(make: Make) -> None:
    found = divide(make({("train", A): 100, ("train", B): 5, ("val", A): 9}), calibration=10)
    assert targets(found.calibration) == {A: 5, B: 5}


def test_draw_depends_on_the_seed_alone(make: Make) -> None:
    dataset = make({("", A): 50, ("", B): 50})
    first, again, other = (divide(dataset, calibration=10, seed=seed, validation=20) for seed in (1, 1, 2))
    assert first.digest == again.digest != other.digest


def test_without_shuffling_the_first_ones_calibrate(make: Make) -> None:
    dataset = make({("train", A): 5, ("train", B): 5, ("val", A): 5})
    found = divide(dataset, calibration=3, shuffle=False)
    assert found.calibration == dataset.samples[:3]


def test_images_without_label_calibrate_but_do_not_measure(make: Make) -> None:
    found = divide(make({("val", A): 5, ("val", B): 5, ("val", None): 4}), calibration=300)
    fair(found)
    assert targets(found.calibration) == {None: 4} and targets(found.validation) == {A: 5, B: 5}


def test_no_label_at_all_is_a_label_where_there_can_be_several(make: Make) -> None:
    found = divide(make({("train", (0, 1)): 5, ("val", (0, 1)): 5, ("val", ()): 4}), calibration=300)
    assert targets(found.validation) == {(0, 1): 5, (): 4}


def test_copies_do_not_calibrate(make: Make) -> None:
    dataset = make({("train", A): 10, ("val", A): 10})
    for sample in dataset.samples[:2]:
        sample.path.write_bytes(dataset.samples[15].path.read_bytes())
    found = divide(dataset, calibration=8)
    fair(found)
    assert len(found.calibration) == 8, "others take their place"
    asked = divide(dataset, calibration=300)
    fair(asked)
    assert "2 images are not used to calibrate, since the same picture measures accuracy." in asked.notes


def test_two_splits_of_the_same_images_are_divided_anew(make: Make) -> None:
    dataset = make({("train", A): 9, ("val", A): 9})
    for train, val in zip(dataset.samples[:9], dataset.samples[9:], strict=True):
        train.path.write_bytes(val.path.read_bytes())
    found = divide(dataset, calibration=300)
    fair(found)
    assert (len(found.calibration), len(found.validation)) == (3, 6)
    assert "3 images of these are held out to calibrate" in found.notes[0]


@pytest.mark.parametrize("content", [{("", A): 1}, {("val", A): 1}, {("", None): 1}])
def test_one_image_is_too_few(make: Make, content: Mapping[tuple[str, object], int]) -> None:
    with pytest.raises(NotEnoughImages, match="two different images") as caught:
        divide(make(content), calibration=300)
    assert caught.value.hint


@pytest.mark.parametrize("content", [{("", A): 5}, {("train", A): 5, ("val", A): 5}])
def test_copies_of_one_image_are_too_few(make: Make, content: Mapping[tuple[str, object], int]) -> None:
    with pytest.raises(NotEnoughImages, match="two different images"):
        divide(make(content, same="x"), calibration=300)


def test_two_images_are_enough(make: Make) -> None:
    found = divide(make({("", A): 1, ("", B): 1}), calibration=300)
    fair(found)
    assert "1 image calibrates; 300 were asked for." in found.notes


def test_spread_shows_every_label_first(make: Make) -> None:
    dataset = make({("", A): 50, ("", B): 2, ("", C): 1})
    assert targets(tuple(spread(dataset.samples, 4))) == {A: 2, B: 1, C: 1}
    assert spread(dataset.samples, 4) == spread(dataset.samples, 4)


def test_only_images_that_may_calibrate_do(make: "Make") -> None:
    unsplit = make({("", A): 30, ("", B): 30})
    division = divide(unsplit, calibration=300, may_calibrate=lambda target: target == A)
    fair(division)
    assert targets(division.calibration) == {A: 10} and targets(division.validation) == {A: 20, B: 30}


def test_those_that_may_are_held_out_where_training_has_none(make: "Make") -> None:
    dataset = make({("train", A): 20, ("test", A): 9, ("test", B): 12, ("test", C): 6})
    division = divide(dataset, calibration=300, may_calibrate=lambda target: target != A)
    fair(division)
    assert targets(division.calibration) == {B: 4, C: 2} and targets(division.validation) == {A: 9, B: 8, C: 4}
    assert division.notes[0] == "Of the images to measure with, 6 images are held out to calibrate."


def test_images_none_of_which_may_calibrate_are_refused(make: "Make") -> None:
    with pytest.raises(NotEnoughImages):
        divide(make({("train", A): 9, ("test", A): 9}), calibration=9, may_calibrate=lambda target: target == B)


def test_images_to_train_with_may_be_as_few_as_there_are(make: Make) -> None:
    content = {("train", A): 20, ("val", A): 5}
    assert not divide(make(content), calibration=2000, enough=20).notes
    assert "20 images calibrate; 30 were asked for." in divide(make(content), calibration=2000, enough=30).notes
