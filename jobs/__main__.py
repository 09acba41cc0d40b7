"""`python -m jobs run DIR` and `python -m jobs check DIR`: what a worker does, repeated in a shell."""

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import Literal

Command = Literal["run", "check"]


def work(command: Command, directory: Path) -> int:
    """Do what the directory's `spec.json` or `check.json` says. 0 succeeded, 1 failed; why is in the result."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s  %(message)s", datefmt="%H:%M:%S")
    if command == "check":
        from jobs import check

        return int(check.check(directory).blocked)
    from jobs import run

    return int(run.run(directory).status == "failed")


def main() -> int:
    """Read the arguments, and work."""
    parser = argparse.ArgumentParser(prog="python -m jobs", description=__doc__)
    parser.add_argument("command", choices=("run", "check"))
    parser.add_argument("directory", type=Path, help="with spec.json, or check.json, in it")
    given = parser.parse_args()
    if not given.directory.is_dir():
        parser.error(f"{given.directory} is no folder")
    os.environ.setdefault("CI", "true")  # OpenVINO's converter then reports to nobody, as in a worker
    return work(given.command, given.directory)


if __name__ == "__main__":
    sys.exit(main())
