"""What a job is to do: `spec.json` in its directory."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from jobs.frozen import Frozen
from jobs.report import ConfigKey

FILE_NAME = "spec.json"


class TaskName(StrEnum):
    """The tasks of OTX that this house can do. The value is the folder under `configs/`."""

    CLASSIFICATION = "classification"


class Source(Frozen):
    """An uploaded model or dataset: a folder named by the digest of what is in it."""

    name: str = Field(description="as the person calls it; never used as a path")
    digest: str = Field(description="sha256 over the names and bytes of the files")
    path: str = Field(description="the folder, absolute or relative to the job directory")

    def folder(self, job_dir: Path) -> Path:
        """Where the files are."""
        return (job_dir / self.path).resolve()


class Limits(Frozen):
    """What a worker process may use."""

    memory_bytes: int = Field(default=8 << 30, ge=256 << 20, description="RLIMIT_DATA")
    wall_seconds: float = Field(default=3600, gt=0)
    cpu_seconds: int = Field(default=4 * 3600, gt=0)
    file_bytes: int = Field(default=8 << 30, gt=0, description="largest single file it may write")


# --- POT DefaultQuantization, with POT's own names and defaults (openvino-dev 2023.3)


def _lower(value: Any) -> Any:
    """OTX writes `Performance`, POT `performance`."""
    return value.lower() if isinstance(value, str) else value


class Preset(StrEnum):
    """How activations are quantized."""

    PERFORMANCE = "performance"
    MIXED = "mixed"
    ACCURACY = "accuracy"


class RangeType(StrEnum):
    """The statistic that becomes the end of a range."""

    MIN = "min"
    MAX = "max"
    ABS_MAX = "abs_max"
    QUANTILE = "quantile"
    ABS_QUANTILE = "abs_quantile"


class Aggregator(StrEnum):
    """How the statistics of single images become one."""

    MEAN = "mean"
    MAX = "max"
    MIN = "min"
    MEDIAN = "median"
    MEAN_NO_OUTLIERS = "mean_no_outliers"
    MEDIAN_NO_OUTLIERS = "median_no_outliers"


class RangeEnd(Frozen):
    """One end of the range of a quantizer. None leaves POT's default for the quantizer's kind."""

    type: RangeType | None = Field(default=None, description="statistic of one image")
    aggregator: Aggregator | None = Field(default=None, description="how the images' statistics become one")
    outlier_prob: float = Field(default=1e-4, ge=0, lt=0.5, description="share of values beyond a quantile")
    clipping_value: float | None = Field(default=None, description="the range never goes beyond this value")


class RangeEstimator(Frozen):
    """Both ends of a range."""

    preset: Literal["default", "quantile"] | None = None
    min: RangeEnd = RangeEnd()
    max: RangeEnd = RangeEnd()


class Quantizers(Frozen):
    """All quantizers of weights, or all of activations. None leaves POT's default."""

    bits: int = Field(default=8, ge=2, le=8)
    mode: Literal["symmetric", "asymmetric"] | None = None
    granularity: Literal["perchannel", "pertensor"] | None = None
    range_estimator: RangeEstimator = RangeEstimator()


class IgnoredOperation(Frozen):
    """A type of operation to leave in float."""

    type: str
    attributes: dict[str, Any] | None = None


class Ignored(Frozen):
    """What is left in float."""

    scope: tuple[str, ...] = Field(default=(), description="names of operations; {re} before a pattern")
    operations: tuple[IgnoredOperation, ...] = Field(default=(), description="types of operations")


class PotDefault(Frozen):
    """DefaultQuantization: activation channel alignment, min-max, (fast) bias correction. No labels, no training."""

    method: Literal["pot_default"] = "pot_default"
    preset: Annotated[Preset, BeforeValidator(_lower)] = Preset.PERFORMANCE
    stat_subset_size: int = Field(default=300, ge=1, description="images used to calibrate")
    stat_batch_size: int = Field(default=1, ge=1, description="images in one statistic")
    shuffle_data: bool = Field(default=True, description="draw the calibration images at random")
    seed: int = Field(default=0, ge=0, description="of that draw")
    use_fast_bias: bool = Field(default=True, description="correct biases layer by layer from single statistics")
    apply_for_all_nodes: bool = Field(default=False, description="correct biases also where there is none yet")
    threshold: float | None = Field(default=None, gt=0, description="largest bias shift accepted; none: 2, or 1000")
    channel_alignment: bool = Field(default=True, description="even out the ranges of channels first")
    saturation_fix: Literal["first_layer", "all", "no"] = Field(
        default="first_layer", description="half-range weights, against overflow on CPUs without VNNI"
    )
    range_estimator: RangeEstimator = RangeEstimator()
    weights: Quantizers = Quantizers()
    activations: Quantizers = Quantizers()
    ignored: Ignored = Ignored()
    model_type: Literal["transformer"] | None = Field(default=None, description="transformer: keep its patterns exact")
    target_device: Literal["ANY", "CPU", "CPU_SPR", "GPU", "NPU"] = "ANY"
    inplace_statistics: bool = Field(default=True, description="collect statistics inside the graph")


# Another method adds its class here, discriminated by `method`.
Options = PotDefault


class JobSpec(Frozen):
    """Everything a worker needs to know."""

    version: Literal[1] = 1
    task: TaskName
    template: str = Field(description="folder under configs/<task>/")
    options: Options
    model: Source
    dataset: Source
    model_settings: dict[str, str] = Field(
        default_factory=dict, description="Model API's parameters by name; they win over rt_info"
    )
    config_keys: tuple[ConfigKey, ...] = Field(default=(), description="what became of the configuration files' keys")
    given: dict[str, str] = Field(default_factory=dict, description="settings the person changed, as --set takes them")
    device: str = "CPU"
    hint: Literal["throughput", "latency"] = "throughput"
    max_drop: float = Field(default=0.01, ge=0, le=1, description="loss on the primary metric that is accepted")
    validation_images: int | None = Field(default=None, ge=1, description="at most so many; none: all of them")
    speed_seconds: float = Field(default=8.0, gt=0, description="at most so long for the speed comparison")
    allow_code: bool = Field(default=False, description="whether .pt2, which can run code, may be loaded (sandboxed)")
    limits: Limits = Limits()
    baselines: str = Field(
        default="",
        description="folder of earlier measurements of this model and dataset, relative to the job directory",
    )

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.options.method

    @model_validator(mode="before")
    @classmethod
    def _no_empty_names(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("template"):
            raise ValueError("a template is needed; 'generic' fits any model")
        return data


def write(job_dir: Path, spec: JobSpec) -> None:
    """Write `spec.json` into a new job directory."""
    (job_dir / FILE_NAME).write_text(spec.model_dump_json(indent=1), encoding="utf-8")


def read(job_dir: Path) -> JobSpec:
    """Read it back. Raises `pydantic.ValidationError` when it is not a spec."""
    return JobSpec.model_validate_json((job_dir / FILE_NAME).read_bytes())
