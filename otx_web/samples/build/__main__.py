"""`python -m otx_web.samples.build`: see the package."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from otx_web import samples
from otx_web.samples import build
from otx_web.samples.build import anomaly, classification, detection, instance_segmentation, segmentation

BUILDERS: dict[str, Callable[[Path], str]] = {
    "classification": classification.build,
    "detection": detection.build,
    "segmentation": segmentation.build,
    "instance_segmentation": instance_segmentation.build,
    **{f"anomaly_{task}": partial(anomaly.build, task) for task in ("classification", "detection", "segmentation")},
}


def main() -> None:
    """One after another."""
    parser = argparse.ArgumentParser(description=build.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", nargs="*", choices=[*BUILDERS], help="without one, all")
    parser.add_argument("--into", type=Path, default=samples.FOLDER, help="a folder a task is made in it")
    given = parser.parse_args()
    for task in given.task or BUILDERS:
        folder = given.into / task
        folder.mkdir(parents=True, exist_ok=True)
        print(f"{task}: {BUILDERS[task](folder)}, written to {folder}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
