"""What models said is kept, in memory or in a file."""

from pathlib import Path

import numpy as np
import pytest

from jobs.predictions import Prediction, Predictions


def made(number: int) -> Prediction:
    """A list of boxes as long as its number, and a score."""
    return np.full((number, 4), number, np.float32), np.array([number], np.int64)


@pytest.mark.parametrize("room", [0, 200, 1 << 20])
def test_all_come_back_wherever_they_lie(tmp_path: Path, room: int) -> None:
    kept = Predictions(tmp_path / "scratch", room)
    for number in range(10):
        kept.append(made(number))
    assert len(kept) == 10 and kept.nbytes == sum(16 * number + 8 for number in range(10))
    assert (tmp_path / "scratch").exists() == (room < kept.nbytes)
    for found in (list(kept), kept[:], [kept[place] for place in range(10)]):
        assert [[array.tolist() for array in one] for one in found] == [
            [a.tolist() for a in made(n)] for n in range(10)
        ]
    assert kept[-1][1] == 9 and [one[1][0] for one in kept[2:5]] == [2, 3, 4]
    assert kept[3][0].dtype == np.float32 and kept[0][0].shape == (0, 4)


def test_two_of_a_job_do_not_share_a_file(tmp_path: Path) -> None:
    one, other = Predictions(tmp_path, 0), Predictions(tmp_path, 0)
    one.append(made(1))
    other.append(made(2))
    assert one[0][1] == 1 and other[0][1] == 2
