"""Small real models with their datasets, one a task: something to press the button on."""

from dataclasses import dataclass
from pathlib import Path

from jobs.errors import JobError

FOLDER = Path(__file__).parent


class NoSample(JobError):
    """There is no sample for this task."""


@dataclass(frozen=True)
class Sample:
    """Files as a person would upload them."""

    task: str
    title: str
    model: tuple[Path, ...]
    """Graph and weights."""
    dataset: Path


def _sample(task: str, title: str, name: str) -> Sample:
    folder = FOLDER / task
    return Sample(task, title, (folder / f"{name}.xml", folder / f"{name}.bin"), folder / f"{name}.zip")


_SAMPLES = {sample.task: sample for sample in (_sample("classification", "Handwritten digits", "digits"),)}


def tasks() -> tuple[str, ...]:
    """The tasks that have one."""
    return tuple(_SAMPLES)


def paths(task: str) -> Sample:
    """The sample of a task. Raises `NoSample`."""
    if task not in _SAMPLES:
        raise NoSample(f"There is no sample for {task!r}.", hint=f"There is one for {', '.join(_SAMPLES)}.")
    return _SAMPLES[task]
