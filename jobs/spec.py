"""What a job is to do: `spec.json` in its directory."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from jobs.frozen import Frozen
from jobs.report import ConfigKey

FILE_NAME = "spec.json"


class TaskName(StrEnum):
    """The tasks of OTX that this house can do. The value is the folder under `configs/`."""

    CLASSIFICATION = "classification"
    DETECTION = "detection"
    SEGMENTATION = "segmentation"
    INSTANCE_SEGMENTATION = "instance_segmentation"
    ANOMALY_CLASSIFICATION = "anomaly_classification"
    ANOMALY_DETECTION = "anomaly_detection"
    ANOMALY_SEGMENTATION = "anomaly_segmentation"


class CalibrateOn(StrEnum):
    """Which images calibrate an anomaly model: normal ones as it was trained on, or anomalous ones as OTX has it."""

    NORMAL = "normal"
    ANOMALOUS = "anomalous"


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


# --- what methods share


class Calibrated(Frozen):
    """A method that looks at images before accuracy is measured."""

    stat_subset_size: int = Field(
        default=300, ge=1, title="Images used to calibrate", description="ranges of activations are measured on them"
    )
    shuffle_data: bool = Field(
        default=True,
        title="Draw them at random",
        description="calibrate on images drawn from every class in turn, not on the first ones",
    )
    seed: int = Field(default=0, ge=0, title="Seed", description="another one draws other images")

    @property
    def calibrates(self) -> bool:
        """Whether images are looked at with these settings."""
        return True

    @property
    def images(self) -> int:
        """How many images are wanted at most."""
        return self.stat_subset_size


# --- POT's quantization, with POT's own names and defaults (openvino-dev 2023.3)


def _lower(value: Any) -> Any:
    """OTX writes `Performance`, POT `performance`."""
    return value.lower() if isinstance(value, str) else value


class Preset(StrEnum):
    """How activations are quantized. POT itself turned accuracy into mixed on every device but GNA."""

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

    type: RangeType | None = Field(default=None, title="Statistic", description="what is taken of each image")
    aggregator: Aggregator | None = Field(
        default=None, title="Over the images", description="how the statistics of single images become one"
    )
    outlier_prob: float = Field(
        default=1e-4, ge=0, lt=0.5, title="Share of outliers", description="share of values left beyond a quantile"
    )
    clipping_value: float | None = Field(
        default=None, title="Clip at", description="the measured end is never taken beyond this value"
    )


class RangeEstimator(Frozen):
    """Both ends of a range."""

    preset: Literal["default", "quantile"] | None = Field(
        default=None, title="Estimator", description="default takes extremes; quantile leaves out the rarest values"
    )
    min: RangeEnd = Field(default=RangeEnd(), title="lower end")
    max: RangeEnd = Field(default=RangeEnd(), title="upper end")


class Quantizers(Frozen):
    """All quantizers of weights, or all of activations. None leaves POT's default."""

    bits: int = Field(default=8, ge=8, le=8, title="Bits", description="what devices compute in")
    mode: Literal["symmetric", "asymmetric"] | None = Field(
        default=None, title="Mode", description="symmetric around zero, or with an offset; the preset says it else"
    )
    granularity: Literal["perchannel", "pertensor"] | None = Field(
        default=None,
        title="Granularity",
        description="a scale for each channel, or one for all; POT: channels for weights, all for activations",
    )
    range_estimator: RangeEstimator = Field(default=RangeEstimator(), title="range")


class IgnoredOperation(Frozen):
    """A type of operation to leave in float, all of it or those with the given attributes."""

    type: str
    attributes: dict[str, Any] | None = None


class Ignored(Frozen):
    """What is left in float."""

    scope: tuple[str, ...] = Field(
        default=(),
        title="Operations left in float, by name",
        description="names as the model's list of operations shows them; {re} before a pattern",
    )
    operations: tuple[IgnoredOperation, ...] = Field(
        default=(), title="Operations left in float, by type", description="types such as Add or Multiply"
    )
    strict: bool = Field(
        default=True, title="All of them must exist", description="a name or type that the model lacks is an error"
    )


class Quantization(Calibrated):
    """What POT's methods share: activation channel alignment, min-max, (fast) bias correction."""

    preset: Annotated[Preset, BeforeValidator(_lower)] = Field(
        default=Preset.PERFORMANCE,
        title="Preset",
        description="performance is symmetric and fastest; mixed gives activations an offset and loses less",
    )
    use_fast_bias: bool = Field(
        default=True,
        title="Fast bias correction",
        description="correct biases from statistics of single layers; without it from what really reaches the layer,"
        " which takes longer and can lose less",
    )
    apply_for_all_nodes: bool = Field(
        default=False,
        title="Correct every bias",
        description="also those of layers whose weights stay in float",
    )
    threshold: float | None = Field(
        default=None,
        gt=0,
        title="Largest bias shift",
        description="a shift larger than so many times the bias is not made; POT: 2, or 1000 without fast correction",
    )
    channel_alignment: bool = Field(
        default=True,
        title="Channel alignment",
        description="even out the ranges of channels between neighbouring layers first",
    )
    saturation_fix: Literal["first_layer", "all", "no"] = Field(
        default="first_layer",
        title="Saturation fix",
        description="half the range for weights, against overflow on CPUs without VNNI",
    )
    range_estimator: RangeEstimator = Field(default=RangeEstimator(), title="Range of all quantizers")
    weights: Quantizers = Field(default=Quantizers(), title="Weights")
    activations: Quantizers = Field(default=Quantizers(), title="Activations")
    ignored: Ignored = Field(default=Ignored(), title="Left in float")
    model_type: Literal["transformer"] | None = Field(
        default=None, title="Model type", description="transformer leaves normalisation and attention sums in float"
    )
    smooth_quant_alpha: float = Field(
        default=-1.0,
        ge=-1,
        le=1,
        title="SmoothQuant",
        description="of a transformer: moves so much of the outliers from activations to weights first; -1 does not,"
        " as POT",
    )
    target_device: Literal["ANY", "CPU", "CPU_SPR", "GPU", "NPU"] = Field(
        default="ANY", title="Target device", description="where the model will run"
    )
    inplace_statistics: bool = Field(
        default=True,
        title="Statistics inside the graph",
        description="measured where the values are; without it they are copied out, which takes longer",
    )


class PotDefault(Quantization):
    """DefaultQuantization: quantizes everything that can be. No labels, no training."""

    method: Literal["pot_default"] = "pot_default"


class DropType(StrEnum):
    """What a drop is measured in."""

    ABSOLUTE = "absolute"
    RELATIVE = "relative"


class PotAccuracyAware(Quantization):
    """AccuracyAwareQuantization: DefaultQuantization, then layers given back to float until little accuracy is lost."""

    method: Literal["pot_accuracy_aware"] = "pot_accuracy_aware"
    maximal_drop: float = Field(
        default=0.01,
        ge=0,
        le=1,
        title="Largest drop",
        description="layers are given back to float until no more than this is lost on the primary metric",
    )
    drop_type: Annotated[DropType, BeforeValidator(_lower)] = Field(
        default=DropType.ABSOLUTE,
        title="The drop is",
        description="absolute, in points of the metric; or relative, as a share of what the original reaches",
    )
    max_iter_num: int = Field(
        default=20,
        ge=1,
        le=1000,
        title="Most steps",
        description="so many times at most a group of layers is given back; POT had no bound and could run for hours",
    )
    ranking_subset_size: int = Field(
        default=300,
        ge=1,
        title="Images that rank layers",
        description="each group of layers is tried on those images on which quantization did most harm",
    )
    metric_subset_ratio: float = Field(
        default=0.5,
        gt=0,
        le=1,
        title="Share of images to choose by",
        description="layers are chosen on this share of the images that measure accuracy; the others stay unseen, and"
        " the report says what is lost on each",
    )
    annotation_free: bool = Field(
        default=False,
        title="Choose without labels",
        description="what the original answers is taken for the truth; always so where images have no labels",
    )
    tune_hyperparams: bool = Field(
        default=False,
        title="Try other ranges first",
        description="also try quantile ranges and the full bias correction before layers are given back; each of the"
        " three attempts quantizes anew",
    )
    convert_to_mixed_preset: bool = Field(
        default=False,
        title="Try the mixed preset first",
        description="and stay with it where it loses less",
    )
    use_prev_if_drop_increase: bool = Field(
        default=True,
        title="Take back what does not help",
        description="a group whose return made the drop larger is quantized again",
    )


# --- weights alone


class WeightsMode(StrEnum):
    """What weights are stored in."""

    INT8_ASYM = "int8_asym"
    INT8_SYM = "int8_sym"
    INT4_ASYM = "int4_asym"
    INT4_SYM = "int4_sym"

    @property
    def bits(self) -> int:
        """Of the smallest weights."""
        return 4 if self.value.startswith("int4") else 8


class Weights(Calibrated):
    """Weights stored in 8 or 4 bits; what flows between layers stays in float. Made for size, not for speed."""

    method: Literal["weights"] = "weights"
    mode: Annotated[WeightsMode, BeforeValidator(_lower)] = Field(
        default=WeightsMode.INT8_ASYM,
        title="Weights in",
        description="8 bits keep accuracy as a rule; 4 bits are for matrix products only, so transformers gain by them"
        " and convolutions stay in 8",
    )
    ratio: float = Field(
        default=1.0,
        gt=0,
        le=1,
        title="Share in 4 bits",
        description="of the weights that could be; the most sensitive others have 8",
    )
    group_size: int = Field(
        default=64,
        ge=-1,
        title="Weights with one scale",
        description="of 4-bit weights: smaller groups lose less and take more room; -1 is one scale a channel",
    )
    awq: bool = Field(
        default=False,
        title="AWQ",
        description="of 4-bit weights: scales those that large activations meet before rounding; looks at images",
    )
    scale_estimation: bool = Field(
        default=False,
        title="Scale estimation",
        description="of 4-bit weights: fits scales to what layers really get; looks at images",
    )
    ignored: Ignored = Field(default=Ignored(), title="Left in float")

    @field_validator("group_size")
    @classmethod
    def _is_a_size(cls, value: int) -> int:
        if value == 0:
            raise ValueError("a group holds at least one weight; -1 is one scale a channel")
        return value

    @property
    def calibrates(self) -> bool:
        """Only what is done to 4-bit weights may look at images."""
        return self.mode.bits == 4 and (self.awq or self.scale_estimation)


# --- NNCF's methods, which train


class Trained(Quantization):
    """Training until the compressed model says what the original says. Needs no labels."""

    train_images: int = Field(
        default=2000,
        ge=2,
        title="Images to train with",
        description="at most so many; they need no labels, and none of them measures accuracy",
    )
    epochs: int = Field(
        default=20, ge=1, le=1000, title="Epochs", description="times that every one of them is trained with, at most"
    )
    batch_size: int = Field(
        default=16, ge=1, le=512, title="Batch", description="images trained with at once; more take more memory"
    )
    learning_rate: float = Field(
        default=1e-4,
        gt=0,
        le=1,
        title="Learning rate",
        description="how far a step goes; it falls to 0 along a cosine, and too far a step loses accuracy",
    )
    learning_rate_warmup_iters: int = Field(
        default=10, ge=0, title="Warm-up", description="steps in which the rate rises to that"
    )
    weight_decay: float = Field(
        default=0.0, ge=0, le=1, title="Weight decay", description="pulls weights towards 0 at each step"
    )
    optimizer: Literal["AdamW", "SGD"] = Field(
        default="AdamW",
        title="Optimizer",
        description="SGD has a momentum of 0.9, wants half the rate or less, and as a rule wins back less",
    )
    label_loss: float = Field(
        default=0.0,
        ge=0,
        le=100,
        title="Loss on labels",
        description="what the labels of images that train count, where these have any, beside 1 of what the original"
        " answers; 0 leaves it at that",
    )
    augmentation: bool = Field(
        default=False,
        title="Augmentation",
        description="each image trains moved, zoomed, lighter or darker, a little otherwise in each epoch: for few"
        " images, but not for anomalies, since a changed image is one",
    )
    early_stop_patience: int = Field(
        default=0, ge=0, title="Patience", description="ends after so many epochs without a gain; 0 goes on to the last"
    )
    maximal_absolute_accuracy_degradation: float | None = Field(
        default=None,
        ge=0,
        le=1,
        title="Loss that ends it",
        description="ends as soon as no more is lost on the primary metric, in points of it; empty goes on to the last",
    )
    maximal_relative_accuracy_degradation: float | None = Field(
        default=None,
        ge=0,
        le=100,
        title="Loss that ends it, in percent",
        description="the same, in percent of what the original reaches",
    )

    @property
    def images(self) -> int:
        return max(self.train_images, self.stat_subset_size)


class NncfQat(Trained):
    """Quantization, and training of the quantized model."""

    method: Literal["nncf_qat"] = "nncf_qat"


class FilterPruning(Frozen):
    """Whole filters removed, and all that depends on them. NNCF's names, and its defaults but for the targets."""

    pruning_flops_target: float | None = Field(
        default=0.3,
        ge=0,
        lt=1,
        title="Share of FLOPs to remove",
        description="filters are removed until the model computes so much less; empty goes by the share of filters",
    )
    pruning_target: float = Field(
        default=0.3, ge=0, lt=1, title="Share of filters to remove", description="of each layer that may be pruned"
    )
    pruning_init: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        title="Share removed at once",
        description="before the first epoch; the schedule goes on",
    )
    schedule: Literal["exponential", "exponential_with_bias", "baseline"] = Field(
        default="exponential",
        title="Schedule",
        description="exponential removes most at first, then less each epoch; baseline removes all before the first",
    )
    num_init_steps: int = Field(
        default=0, ge=0, title="Epochs before", description="so many with the share removed at once, then the schedule"
    )
    pruning_steps: int = Field(
        default=5, ge=1, title="Epochs until the target", description="filters are removed at the start of each of them"
    )
    filter_importance: Literal["L2", "L1", "geometric_median"] = Field(
        default="L2",
        title="What a filter is worth",
        description="its norm, or how far it is from all others of its layer, which could do its work",
    )
    all_weights: bool = Field(
        default=False,
        title="Compare filters of all layers",
        description="the weakest of the whole network go; without it, each layer gives the same share",
    )
    prune_first_conv: bool = Field(
        default=False, title="Prune the first layer", description="which sees the image; it costs accuracy most"
    )
    prune_downsample_convs: bool = Field(
        default=False, title="Prune layers that shrink", description="convolutions with a stride above 1"
    )
    ignored_scopes: tuple[str, ...] = Field(
        default=(), title="Layers not pruned, by name", description="names of convolutions; {re} before a pattern"
    )


class Sparsity(Frozen):
    """Single weights that become 0. NNCF's names; its defaults are for 100 epochs."""

    sparsity_init: float = Field(
        default=0.0, ge=0, lt=1, title="Share of zeros at first", description="before the first epoch"
    )
    sparsity_target: float = Field(
        default=0.5, ge=0, lt=1, title="Share of zeros", description="of the weights of all layers"
    )
    sparsity_target_epoch: int = Field(
        default=8, ge=1, title="Epochs until the target", description="the share rises until this epoch"
    )
    sparsity_freeze_epoch: int = Field(
        default=10, ge=1, title="Zeros stay from epoch", description="which weights are 0 changes no more after it"
    )
    schedule: Literal["polynomial", "exponential", "adaptive", "multistep"] = Field(
        default="polynomial",
        title="Schedule",
        description="how the share rises; adaptive waits for the loss to come down, multistep goes by the steps below",
    )
    power: float = Field(default=0.9, gt=0, title="Power", description="of the polynomial")
    concave: bool = Field(default=True, title="Fast at first", description="the polynomial rises fast, then slowly")
    patience: int = Field(default=1, ge=1, title="Epochs to wait", description="of the adaptive schedule")
    multistep_steps: tuple[int, ...] = Field(default=(), title="Steps", description="epochs at which the share changes")
    multistep_sparsity_levels: tuple[float, ...] = Field(
        default=(), title="Shares at the steps", description="one before the first step, and one after each"
    )
    update_per_optimizer_step: bool = Field(
        default=False, title="At each step", description="the polynomial rises at each step, not at each epoch"
    )
    weight_importance: Literal["normed_abs", "abs"] = Field(
        default="normed_abs",
        title="What a weight is worth",
        description="its size as a share of its layer's norm, or its size alone",
    )
    sparsity_level_setting_mode: Literal["global", "local"] = Field(
        default="global",
        title="Compare weights",
        description="of the whole network, or within each layer, which then all have the same share",
    )
    ignored_scopes: tuple[str, ...] = Field(
        default=(), title="Layers without zeros, by name", description="names of layers; {re} before a pattern"
    )

    @property
    def target(self) -> float:
        """The share of zeros in the end."""
        return self.multistep_sparsity_levels[-1] if self.schedule == "multistep" else self.sparsity_target

    @model_validator(mode="after")
    def _has_a_level_for_each_step(self) -> "Sparsity":
        steps, levels = self.multistep_steps, self.multistep_sparsity_levels
        if self.schedule == "multistep" and len(levels) != len(steps) + 1:
            raise ValueError(f"{len(steps)} steps need {len(steps) + 1} shares of zeros, and there are {len(levels)}")
        if any(not 0 <= level < 1 for level in levels):
            raise ValueError("a share of zeros is from 0 to below 1")
        return self


class AdaptiveCompression(Frozen):
    """How much is removed, found out while training. NNCF's names and defaults."""

    enabled: bool = Field(
        default=False,
        title="Find out how much can go",
        description="filters are removed step by step while no more is lost than is accepted (1 point where nothing"
        " says it); the share to remove is the most",
    )
    initial_compression_rate_step: float = Field(
        default=0.1, gt=0, lt=1, title="First step", description="share that goes at once; it is halved when too much"
    )
    compression_rate_step_reduction_factor: float = Field(
        default=0.5, gt=0, lt=1, title="Smaller step", description="times the step that was too large"
    )
    minimal_compression_rate_step: float = Field(
        default=0.025, gt=0, lt=1, title="Smallest step", description="with a smaller one it ends"
    )
    patience_epochs: int = Field(
        default=3, ge=1, title="Epochs a step", description="so many at most, to come down to what is accepted"
    )


class NncfPruning(Trained):
    """Filters removed or weights set to 0, training of what is left, and quantization where it is wanted."""

    method: Literal["nncf_pruning"] = "nncf_pruning"
    algorithm: Literal["filter_pruning", "magnitude_sparsity", "rb_sparsity"] = Field(
        default="filter_pruning",
        title="What is removed",
        description="filters make the model smaller and faster; zeros (magnitude: the smallest weights, rb: those that"
        " training finds) make it easier to pack, and faster on few devices only",
    )
    enable_quantization: bool = Field(
        default=True, title="Quantize afterwards", description="and train the quantized model as NNCF Quantization does"
    )
    quantized_epochs: int = Field(
        default=10, ge=1, le=1000, title="Epochs quantized", description="of the training after quantization, at most"
    )
    filter_pruning: FilterPruning = Field(default=FilterPruning(), title="Filters")
    adaptive_compression_level: AdaptiveCompression = Field(
        default=AdaptiveCompression(), title="Filters, as far as accuracy allows"
    )
    sparsity: Sparsity = Field(default=Sparsity(), title="Zeros")


# Another method adds its class here.
Options = PotDefault | PotAccuracyAware | Weights | NncfQat | NncfPruning
OPTIONS: Mapping[str, type[Options]] = {
    "pot_default": PotDefault,
    "pot_accuracy_aware": PotAccuracyAware,
    "weights": Weights,
    "nncf_qat": NncfQat,
    "nncf_pruning": NncfPruning,
}
"""Every method's options by its name."""


class JobSpec(Frozen):
    """Everything a worker needs to know."""

    version: Literal[1] = 1
    task: TaskName
    template: str = Field(description="folder under configs/<task>/")
    options: Options = Field(discriminator="method")
    model: Source
    dataset: Source
    model_settings: dict[str, str] = Field(
        default_factory=dict, description="Model API's parameters by name; they win over rt_info"
    )
    config_keys: tuple[ConfigKey, ...] = Field(default=(), description="what became of the configuration files' keys")
    given: dict[str, str] = Field(default_factory=dict, description="settings the person changed, as --set takes them")
    device: str = Field(default="CPU", title="Device", description="where both models run and are measured")
    hint: Literal["throughput", "latency"] = Field(
        default="throughput",
        title="Optimise for",
        description="throughput: many images at a time; latency: one image as soon as possible",
    )
    max_drop: float = Field(
        default=0.01, ge=0, le=1, title="Accepted loss", description="loss on the primary metric that is accepted"
    )
    validation_images: int | None = Field(
        default=None, ge=1, title="Images to measure on", description="at most so many; empty: all of them"
    )
    calibrate_on: CalibrateOn = Field(
        default=CalibrateOn.NORMAL,
        title="Calibrate on",
        description="normal images, as the model was trained on, with what compares them left in float; or anomalous"
        " ones, as OTX does, which then measure nothing. For anomaly tasks",
    )
    speed_seconds: float = Field(
        default=8.0, ge=0.1, title="Seconds for speed", description="at most so long for the speed comparison"
    )
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
