"""Images on which to see models, those where two differ most first."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from jobs import images
from jobs.data import Decoded
from jobs.report import Picture, View
from jobs.tasks import Array, Bound, Marks, Prediction, Task

_SIDE = 320  # pixels of the longer side
_COUNT = 24
_FOLDER = "artifacts/pictures"


def thumbnail(source: Path, target: Path, side: int = _SIDE) -> tuple[int, int]:
    """Write a PNG of at most `side` pixels a side; small images stay as they are. Raises OSError, ValueError.

    Gives height and width of the whole image.
    """
    image = Image.fromarray(images.load(source))
    size = (image.height, image.width)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    image.save(target, optimize=True)
    return size


def view(marks: Marks, path: Path, root: Path) -> View:
    """What is drawn over an image; a layer is written to `path`, which the view names relative to `root`."""
    if marks.layer is None:
        return View(shapes=marks.shapes)
    layer = Image.fromarray(marks.layer)
    layer.thumbnail((_SIDE, _SIDE), Image.Resampling.NEAREST)
    layer.save(path, optimize=True)
    return View(shapes=marks.shapes, layer=str(path.relative_to(root)))


def choose(difference: Array, most: int = _COUNT) -> list[int]:
    """Places of the images to show: where the answers differ most, in falling order."""
    return [int(place) for place in np.argsort(-difference, kind="stable")[:most]]


def draw(
    job_dir: Path,
    task: Task,
    bound: Bound,
    decoded: Decoded,
    *,
    before: Sequence[Prediction],
    after: Sequence[Prediction],
    after_bound: Bound | None = None,
    real: object = None,
    folder: str = _FOLDER,
    most: int = _COUNT,
) -> tuple[Picture, ...]:
    """Thumbnails in `folder` of the job's directory, with what each model says. `real` is None without a truth.

    `after_bound` is that of the optimised model, where it has thresholds of its own.
    """
    other = after_bound or bound
    difference = task.difference(before, after, other)
    place_of = job_dir / folder
    place_of.mkdir(parents=True, exist_ok=True)
    drawn = []
    for number, place in enumerate(choose(difference, most)):
        path = place_of / f"{number:02}.png"
        size = decoded.sizes[place]
        try:
            thumbnail(decoded.samples[place].path, path)
        except (OSError, ValueError):  # it could be decoded a minute ago; a picture is not worth the job
            continue

        def shown(marks: Marks, name: str, number: int = number) -> View:
            return view(marks, place_of / f"{number:02}-{name}.png", job_dir)

        words_before, score_before = task.describe(before[place], bound)
        words_after, score_after = task.describe(after[place], other)
        truth = "" if real is None else task.describe_truth(real, place, bound)
        drawn.append(
            Picture(
                file=str(path.relative_to(job_dir)),
                name=decoded.samples[place].name,
                truth=truth,
                before=words_before,
                after=words_after,
                score_before=score_before,
                score_after=score_after,
                differs=bool(difference[place] >= 1),
                before_view=shown(task.marks(before[place], bound, size), "before"),
                after_view=shown(task.marks(after[place], other, size), "after"),
                truth_view=View() if real is None else shown(task.truth_marks(real, place, bound, size), "truth"),
                threshold=bound.threshold,
            )
        )
    return tuple(drawn)
