"""What a check of an upload found: the model, the dataset, the tasks that fit, and every problem."""

from typing import Literal

from pydantic import Field

from jobs.frozen import Frozen
from jobs.report import ConfigKey, Picture, View
from jobs.spec import JobSpec, Limits, Source, TaskName

FILE_NAME = "findings.json"
REQUEST_NAME = "check.json"
EARLY_NAME = "early.json"
"""What is known of a job halfway through its rehearsal, for when that takes too long."""


class CheckRequest(Frozen):
    """What to check: `check.json` in the directory of the check. A job's `source` is its model."""

    version: Literal[1] = 1
    kind: Literal["model", "dataset", "job"]
    source: Source
    job: JobSpec | None = Field(default=None, description="kind job: the job to rehearse on three images")
    task: TaskName | None = Field(default=None, description="when the person has chosen one")
    model_settings: dict[str, str] = Field(default_factory=dict)
    seed: int = 0
    allow_code: bool = False
    limits: Limits = Limits(wall_seconds=300)


class Problem(Frozen):
    """Something wrong, beside the thing it is about. An `error` blocks the start, a `warning` does not."""

    level: Literal["error", "warning", "info"]
    where: Literal["model", "dataset", "settings"]
    message: str
    hint: str = ""
    items: tuple[str, ...] = Field(default=(), description="the files or entries it is about, at most 100")
    kind: str = Field(default="", description="kind of the error, see jobs.errors; empty for a remark")
    settings: dict[str, str] = Field(
        default_factory=dict,
        description="what a person sets who agrees, as --set takes it; mostly empty",
    )
    action: str = Field(default="", description="what to call that, e.g. Use these names")


class Port(Frozen):
    """An input or output. A dimension that is not fixed is -1."""

    name: str
    shape: tuple[int, ...]
    type: str = Field(description="element type, e.g. f32")
    layout: str = Field(default="", description="e.g. NCHW, as declared or found")


class Node(Frozen):
    """An operation of the graph, by the name and type that ignored scopes use."""

    name: str
    type: str


class ModelFindings(Frozen):
    """A model as it was read."""

    format: str = Field(description="e.g. OpenVINO IR, ONNX")
    name: str
    size_bytes: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    precision: str = Field(description="of the weights: FP32, FP16, mixed, INT8")
    parameters: int
    gflops: float
    model_info: dict[str, str] = Field(default_factory=dict, description="rt_info/model_info as text")
    labels: tuple[str, ...] = ()
    supposed: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="by task: Model API's settings that the model does not say, by its looks"
    )
    nodes: tuple[Node, ...] = Field(default=(), description="what an ignored scope can name")
    recipe: dict[str, str] = Field(default_factory=dict, description="rt_info/model_info/optimization_config as text")


class SamplePicture(Frozen):
    """A thumbnail of an image with its label, as a file beside the findings."""

    file: str
    label: str
    view: View = Field(default=View(), description="the annotation, to be drawn over it")


class Split(Frozen):
    """A part of the dataset as it came: images per class."""

    name: str
    images: int
    per_class: dict[str, int] = Field(default_factory=dict)


class DatasetFindings(Frozen):
    """A dataset as it was read."""

    format: str = Field(description="e.g. One folder a class, COCO")
    name: str
    size_bytes: int
    labels: tuple[str, ...]
    labelled: bool = True
    images: int
    splits: tuple[Split, ...]
    calibration: int = Field(description="images that would calibrate")
    validation: int = Field(description="images that would measure accuracy")
    pictures: tuple[SamplePicture, ...] = ()


class Findings(Frozen):
    """The result of a check; either half is there when its file was given and could be read."""

    version: Literal[1] = 1
    model: ModelFindings | None = None
    dataset: DatasetFindings | None = None
    tasks: tuple[str, ...] = Field(default=(), description="tasks that fit, best first")
    task: str = Field(default="", description="kind dataset: the task it was read for, set by who asked")
    problems: tuple[Problem, ...] = ()
    config_keys: tuple[ConfigKey, ...] = Field(
        default=(), description="what became of the keys of a configuration file, set by who asked"
    )
    seconds_estimate: float | None = Field(default=None, description="kind job: of the whole, from three images")
    stage_seconds: dict[str, float] = Field(default_factory=dict, description="kind job: the same, stage by stage")
    memory_estimate_bytes: int | None = Field(default=None, description="kind job: the peak, likewise")
    pictures: tuple[Picture, ...] = Field(
        default=(), description="kind job: what the original says of three images; `after` is empty"
    )

    @property
    def blocked(self) -> bool:
        """Whether a job on this could not start."""
        return any(problem.level == "error" for problem in self.problems)
