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


def _sample(task: str, title: str, name: str, dataset_of: str = "") -> Sample:
    """Files in the folder of a task; samples on the same pictures share the dataset of one of them."""
    model, dataset = FOLDER / task / name, FOLDER / (dataset_of or task) / name
    return Sample(task, title, (model.with_suffix(".xml"), model.with_suffix(".bin")), dataset.with_suffix(".zip"))


_ALL = (
    _sample("classification", "Handwritten digits", "digits"),
    _sample("detection", "Numbered pebbles", "pebbles"),
    _sample("segmentation", "Numbered pebbles, pixel by pixel", "pebbles"),
    _sample("instance_segmentation", "Numbered pebbles and their outlines", "pebbles", "detection"),
    _sample("anomaly_classification", "Keypads, good and faulty", "keypads"),
    _sample("anomaly_detection", "Keypads and where they are faulty", "keypads", "anomaly_classification"),
    _sample("anomaly_segmentation", "Keypads and the shape of their faults", "keypads", "anomaly_classification"),
)
_SAMPLES = {sample.task: sample for sample in _ALL}


def tasks() -> tuple[str, ...]:
    """The tasks that have one."""
    return tuple(_SAMPLES)


def paths(task: str) -> Sample:
    """The sample of a task. Raises `NoSample`."""
    if task not in _SAMPLES:
        raise NoSample(f"There is no sample for {task!r}.", hint=f"There is one for {', '.join(_SAMPLES)}.")
    return _SAMPLES[task]
