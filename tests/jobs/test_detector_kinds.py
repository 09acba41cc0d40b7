"""Kinds of detectors by the shapes of their outputs."""

from collections.abc import Sequence

import pytest

from jobs import detector_kinds


@pytest.mark.parametrize(
    ("shapes", "name"),
    [
        ([(1, 84, 8400)], "YOLOv8"),
        ([(1, 84, -1)], "YOLOv8"),
        ([(1, 8400, 85)], "YOLOX"),
        ([(1, 25200, 85)], "YOLOv7"),
        ([(1, 300, 6)], "YOLOv10"),
        ([(1, 85, 40, 40)], "FastestDet"),
        ([(1, 255, 80, 80), (1, 255, 40, 40), (1, 255, 20, 20)], "YOLOv4"),
        ([(1, 1, 200, 7)], "SSD"),
        ([(1, 1000)], None),
        ([(1, 21, 640, 640)], None),
    ],
)
def test_kinds_are_told_apart(shapes: Sequence[tuple[int, ...]], name: str | None) -> None:
    found = detector_kinds.guess([(f"output{place}", shape) for place, shape in enumerate(shapes)], (640, 640))
    assert (found.name if found else None) == name
