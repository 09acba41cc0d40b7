"""What a job came to: `report.json`, written last and by rename. Scripts rely on the names here.

Fractions stay fractions (accuracy 0.963), times are milliseconds or seconds, sizes are bytes.
"""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field

from jobs.events import Epoch, Trial
from jobs.frozen import Frozen

FILE_NAME = "report.json"
_MOST = 1 << 53  # bytes and the like; readers reckon with floats, and the history holds 64 bits


class Measure(Frozen):
    """A model, measured."""

    metrics: dict[str, float] = Field(description="by name; fractions")
    per_class: dict[str, dict[str, float]] = Field(default_factory=dict, description="label to its metrics")
    size_bytes: int = Field(ge=0, le=_MOST, description="of the weights and the graph on disk")
    parameters: int = Field(ge=0, le=_MOST)
    flops: int | None = Field(
        default=None,
        ge=0,
        le=_MOST,
        description="of convolutions and matrix products, for one image; a multiply-add counts as 2",
    )
    zeros: float | None = Field(default=None, ge=0, le=1, description="share of their weights that are 0")
    precision: str = Field(description="of the weights, e.g. FP32, INT8")


class Rate(Frozen):
    """How fast a model ran, each with its 95 % interval."""

    throughput_fps: float = Field(description="images a second with the throughput hint")
    throughput_low: float
    throughput_high: float
    latency_ms: float = Field(description="median of one image with the latency hint")
    latency_low: float
    latency_high: float
    precision: str = Field(description="what really ran, from the runtime graph, e.g. BF16")


class Speed(Frozen):
    """Before and after in alternating blocks of one process. Ratios are after over before: above 1 is faster."""

    hint: Literal["throughput", "latency"] = "throughput"
    before: Rate
    after: Rate
    ratio: float
    ratio_low: float
    ratio_high: float
    latency_ratio: float = Field(description="latency before over after: above 1 is faster")
    latency_ratio_low: float
    latency_ratio_high: float
    reference: str = Field(
        description="what `ratio` compares with, e.g. the float model as it runs by default, in BF16"
    )
    fp32: Rate | None = Field(default=None, description="the float model held to FP32, where the default is not FP32")
    fp32_ratio: float | None = None
    fp32_ratio_low: float | None = None
    fp32_ratio_high: float | None = None


class NextStep(Frozen):
    """A run that may win accuracy back, cheapest first."""

    title: str
    reason: str
    seconds: float | None = Field(default=None, description="expected, where it can be known")
    method: str
    set: dict[str, str] = Field(default_factory=dict, description="settings to change, as --set takes them")


class Verdict(Frozen):
    """Whether accuracy held. `drop` is before minus after on the primary metric: above 0 is a loss."""

    accuracy: Literal["held", "lost", "cannot_tell"]
    drop: float
    drop_low: float
    drop_high: float
    limit: float
    message: str
    more_images: int | None = Field(default=None, description="about how many more images would tell")
    next: tuple[NextStep, ...] = ()


class ConfigKey(Frozen):
    """What became of one key of a configuration file."""

    key: str
    value: str
    fate: Literal["kept", "changed", "refused"]
    note: str = ""
    source: str = Field(default="", description="the file or place it comes from")
    parameter: str = Field(default="", description="the setting whose value comes from it; mostly empty")


class Artifact(Frozen):
    """A file in `artifacts/` of the job directory."""

    name: str
    path: str = Field(description="relative to the job directory")
    size_bytes: int = Field(ge=0, le=_MOST)
    sha256: str


class Shape(Frozen):
    """A thing marked in an image. Coordinates are shares of the upright image: 0 is left or top, 1 right or bottom."""

    label: str
    score: float | None = Field(default=None, description="how sure the model is, 0 to 1; none for an annotation")
    box: tuple[float, float, float, float] | None = Field(default=None, description="left, top, right, bottom")
    outline: tuple[tuple[float, ...], ...] = Field(default=(), description="polygons, each x, y, x, y, …")


class View(Frozen):
    """What is drawn over an image: what a model says of it, or its annotation."""

    shapes: tuple[Shape, ...] = ()
    layer: str = Field(
        default="",
        description="a PNG of masks or heat, named like the picture's own file; pages lay it over half-transparent, in"
        " the colours of jobs.palette",
    )

    @property
    def empty(self) -> bool:
        """Whether nothing is drawn."""
        return not self.shapes and not self.layer


class Picture(Frozen):
    """An image on which to see both models; where they differ most comes first."""

    file: str = Field(description="relative to the job directory")
    name: str
    truth: str
    before: str
    after: str
    score_before: float
    score_after: float
    differs: bool
    before_view: View = View()
    after_view: View = View()
    truth_view: View = View()
    threshold: float | None = Field(default=None, description="how sure a model must be for its shapes to count")


class ScoreCounts(Frozen):
    """How many normal and anomalous images, or pixels, a model gave a score in each step of a histogram."""

    normal: tuple[int, ...] = Field(description="one a step: one fewer than edges")
    anomalous: tuple[int, ...]
    threshold: float = Field(description="the score from which on the model says anomalous")


class ScoreHistogram(Frozen):
    """Anomaly scores of both models on one axis."""

    title: str = Field(description="what is scored, e.g. Image scores")
    edges: tuple[float, ...] = Field(description="of the steps, rising")
    before: ScoreCounts
    after: ScoreCounts


class Layer(Frozen):
    """An operation as it ran in the optimised model."""

    name: str
    type: str
    precision: str


class Hardware(Frozen):
    """The machine that measured."""

    cpu: str
    instruction_sets: tuple[str, ...] = Field(description="those that matter for INT8 and BF16")
    cores: int = Field(description="that the process may use")
    memory_bytes: int
    device: str
    load: float = Field(description="one-minute load average before the job began")
    int8_fast: bool = Field(description="whether the CPU multiplies INT8 faster than float")


class Images(Frozen):
    """Which images served for what; the two never overlap."""

    calibration: int
    validation: int
    calibration_names: tuple[str, ...] = ()
    validation_names: tuple[str, ...] = ()
    digest: str = Field(default="", description="sha256 of both lists")
    labelled: bool = True


class Failure(Frozen):
    """Why a job failed, for a person."""

    kind: str
    message: str
    hint: str = ""
    stage: str = ""
    where: str = ""


class Report(Frozen):
    """The whole of it."""

    version: Literal[1] = 1
    status: Literal["succeeded", "failed"]
    task: str
    template: str
    method: str
    metric: str = Field(default="", description="name of the primary metric")
    higher_is_better: bool = True
    before: Measure | None = None
    after: Measure | None = None
    speed: Speed | None = None
    verdict: Verdict | None = None
    applied: dict[str, str] = Field(default_factory=dict, description="the settings really used")
    config_keys: tuple[ConfigKey, ...] = ()
    search: tuple[Trial, ...] = Field(default=(), description="models that the method tried, in their order")
    training: tuple[Epoch, ...] = Field(default=(), description="what came of each epoch, before the first one too")
    seconds: dict[str, float] = Field(default_factory=dict, description="one entry a stage, and total")
    hardware: Hardware | None = None
    packages: dict[str, str] = Field(default_factory=dict)
    images: Images | None = None
    artifacts: tuple[Artifact, ...] = ()
    labels: tuple[str, ...] = Field(
        default=(), description="of the dataset, or the model's where that has none; their order gives their colours"
    )
    pictures: tuple[Picture, ...] = ()
    histograms: tuple[ScoreHistogram, ...] = Field(default=(), description="of anomaly scores")
    layers: tuple[Layer, ...] = ()
    notes: tuple[str, ...] = ()
    failure: Failure | None = None

    @property
    def size_ratio(self) -> float | None:
        """Size before over after: above 1 is smaller."""
        if self.before is None or self.after is None or not self.after.size_bytes:
            return None
        return self.before.size_bytes / self.after.size_bytes


def write(job_dir: Path, report: Report) -> None:
    """Write atomically: the file is whole or absent, also after a power cut."""
    part = job_dir / f".{FILE_NAME}.part"
    with part.open("w", encoding="utf-8") as file:
        file.write(report.model_dump_json(indent=1))
        file.flush()
        os.fsync(file.fileno())
    part.replace(job_dir / FILE_NAME)


def read(job_dir: Path) -> Report | None:
    """The report, or None while there is none. Raises `pydantic.ValidationError` on one that is not ours."""
    path = job_dir / FILE_NAME
    if not path.exists():
        return None
    return Report.model_validate_json(path.read_bytes())
