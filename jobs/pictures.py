"""Images on which to see the two models, those where they differ most first."""

from pathlib import Path

import numpy as np
from PIL import Image

from jobs import images
from jobs.report import Picture
from jobs.samples import Sample
from jobs.tasks import Array, Bound, Task

_SIDE = 320  # pixels of the longer side
_COUNT = 24


def thumbnail(source: Path, target: Path, side: int = _SIDE) -> None:
    """Write a PNG of at most `side` pixels a side; small images stay as they are. Raises OSError, ValueError."""
    image = Image.fromarray(images.load(source))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    image.save(target, optimize=True)


def choose(difference: Array, most: int = _COUNT) -> list[int]:
    """Places of the images to show: where the answers differ most, in falling order."""
    return [int(place) for place in np.argsort(-difference, kind="stable")[:most]]


def draw(
    job_dir: Path, task: Task, bound: Bound, samples: tuple[Sample, ...], before: Array, after: Array, real: object
) -> tuple[Picture, ...]:
    """Thumbnails in `artifacts/pictures/`, with what each model says. `real` is None where there is no truth."""
    difference = task.difference(before, after, bound)
    folder = job_dir / "artifacts" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for number, place in enumerate(choose(difference)):
        path = folder / f"{number:02}.png"
        try:
            thumbnail(samples[place].path, path)
        except (OSError, ValueError):  # it could be decoded a minute ago; a picture is not worth the job
            continue
        words_before, score_before = task.describe(before, place, bound)
        words_after, score_after = task.describe(after, place, bound)
        drawn.append(
            Picture(
                file=str(path.relative_to(job_dir)),
                name=samples[place].name,
                truth="" if real is None else task.describe_truth(real, place, bound),
                before=words_before,
                after=words_after,
                score_before=score_before,
                score_after=score_after,
                differs=bool(difference[place] >= 1),
            )
        )
    return tuple(drawn)
