"""Whether accuracy held, and what to try next when it did not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from jobs import fields, stats
from jobs.intervals import Interval
from jobs.report import NextStep, Verdict
from jobs.spec import JobSpec, NncfPruning, NncfQat, PotAccuracyAware, Preset, Quantization, Trained, Weights

_ATTENTION = frozenset({"MatMul", "Softmax"})


def judge(drop: Interval, limit: float, images: int) -> Verdict:
    """`drop` is before minus after: held below the limit with its whole interval, lost above, else not told yet."""
    if drop.high <= limit:
        return _verdict("held", drop, limit, f"Accuracy held: the loss is under {_points(limit)}, surely.")
    if drop.low > limit:
        return _verdict("lost", drop, limit, f"Accuracy lost: the loss is over {_points(limit)}, surely.")
    more = stats.images_to_tell(drop, limit, images)
    wish = f"About {more:,} more images would tell." if more else "It lies so near the limit that more would not help."
    return _verdict(
        "cannot_tell",
        drop,
        limit,
        f"{images:,} images cannot tell yet whether the loss is over {_points(limit)}. {wish}",
        more_images=more,
    )


def _verdict(accuracy: str, drop: Interval, limit: float, message: str, more_images: int | None = None) -> Verdict:
    return Verdict.model_validate(
        {
            "accuracy": accuracy,
            "drop": drop.value,
            "drop_low": drop.low,
            "drop_high": drop.high,
            "limit": limit,
            "message": message,
            "more_images": more_images,
        }
    )


def _points(fraction: float) -> str:
    points = f"{fraction * 100:g}"
    return f"{points} point" if points == "1" else f"{points} points"


@dataclass(frozen=True)
class Circumstances:
    """What a job left behind that its next steps go by."""

    seconds: Mapping[str, float]
    """Of its stages."""
    types: frozenset[str]
    """Kinds of operations in the model."""
    quantizers: int
    """In the optimised model."""
    calibrated: int
    """Images that calibrated."""
    spare: int
    """Images that could calibrate besides those that did."""
    measured: int
    """Images that measured accuracy."""
    unmeasured: int
    """Images that could measure accuracy besides."""

    @property
    def again(self) -> float:
        """Seconds of such a job once more: the original's accuracy is known then."""
        return sum(value for name, value in self.seconds.items() if name not in ("before", "total"))


def advise(verdict: Verdict, spec: JobSpec, job: Circumstances) -> tuple[NextStep, ...]:
    """What may win accuracy back, cheapest first, and the last resort last; nothing where it held."""
    if verdict.accuracy == "held":
        return ()
    if verdict.accuracy == "cannot_tell":
        return (*_measure_more(spec, job), *_search_further(spec, job))
    if isinstance(spec.options, Weights):
        return _for_weights(spec, spec.options, job)
    if isinstance(spec.options, NncfPruning):
        return (*_for_pruning(spec, spec.options, job), _weights_only(job))
    steps = [
        *_for_quantization(spec, spec.options, job),
        *_for_search(spec, spec.options, job),
        *_for_training(spec, spec.options, job),
    ]
    return (*sorted(steps, key=lambda step: step.seconds or 0.0), _weights_only(job))


def _for_quantization(spec: JobSpec, options: Quantization, job: Circumstances) -> Iterator[NextStep]:
    """Other settings of what quantizes."""
    quantize = job.seconds.get("quantize", 0.0)

    def step(title: str, reason: str, extra: float = 0.0, **change: str) -> NextStep:
        changes = {name.replace("__", "."): value for name, value in change.items()}
        return NextStep(title=title, reason=reason, seconds=job.again + extra, method=spec.method, set=changes)

    if job.types >= _ATTENTION and options.model_type != "transformer":
        yield step(
            "Treat it as a transformer",
            "The model has attention; POT's transformer mode keeps its sensitive operations exact.",
            model_type="transformer",
        )
    if options.preset is Preset.PERFORMANCE:
        yield step(
            "Use the mixed preset",
            "Activations get ranges that need not be symmetric around zero, which wastes fewer of the 256 steps.",
            preset="mixed",
        )
    if options.use_fast_bias:
        yield step(
            "Correct biases layer by layer",
            "The full bias correction looks at what each layer really gets from the quantized layers before it.",
            extra=2 * quantize,
            use_fast_bias="false",
            preset="mixed",
        )
    if options.range_estimator.preset != "quantile":
        yield step(
            "Leave outliers out of the ranges",
            "A few extreme values can take most of the range; the quantile preset cuts them off.",
            range_estimator__preset="quantile",
            preset="mixed",
        )
    if job.spare > options.stat_subset_size // 2:
        yield step(
            "Calibrate on more images",
            f"{job.spare:,} more images could calibrate.",
            extra=quantize,
            stat_subset_size=str(options.stat_subset_size + job.spare),
            preset="mixed",
        )


def _for_search(spec: JobSpec, options: Quantization, job: Circumstances) -> Iterator[NextStep]:
    """Layers given back to float, or more of them."""
    if isinstance(options, PotAccuracyAware):
        yield from _search_further(spec, job)
        return
    search = PotAccuracyAware()
    evaluate = job.seconds.get("after", 0.0) * search.metric_subset_ratio
    share = min(1.0, search.ranking_subset_size / max(1.0, search.metric_subset_ratio * job.measured))
    yield NextStep(
        title="Give the most sensitive layers back to float",
        reason="Accuracy-aware quantization finds the layers that cost most accuracy, and keeps these exact. It aims at"
        " half of the accepted loss, so that the rest is surely under it. The time is the most it can take.",
        seconds=job.again + evaluate * (search.max_iter_num + job.quantizers * share),
        method="pot_accuracy_aware",
        set={"preset": "mixed", "maximal_drop": fields.text(spec.max_drop / 2)},
    )


_STEP = 20.0
"""A training step costs about so many answers of the quantized model, an image."""


def _for_training(spec: JobSpec, options: Quantization, job: Circumstances) -> Iterator[NextStep]:
    """What wins back when POT loses too much, or more of it."""
    if isinstance(options, NncfQat):
        yield _train_longer(spec, options, job)
        return
    yield NextStep(
        title="Train it with NNCF",
        reason="The quantized model learns to answer as the original does, which wins back most of what POT lost. It"
        " needs no labels. The time is the most it can take.",
        seconds=_seconds_of_training(job),
        method="nncf_qat",
    )


def _train_longer(spec: JobSpec, options: Trained, job: Circumstances) -> NextStep:
    return NextStep(
        title="Train longer",
        reason="Twice the epochs; the best of them is kept.",
        seconds=job.again + job.seconds.get("quantize", 0.0),
        method=spec.method,
        set={"epochs": str(min(1000, 2 * options.epochs))},
    )


def _seconds_of_training(job: Circumstances) -> float:
    """Of a job that quantizes and trains."""
    training = NncfQat()
    images = min(training.train_images, job.calibrated + job.spare)
    step = _STEP * job.seconds.get("after", 0.0) / max(1, job.measured)
    return job.again + step * images * training.epochs


def _for_pruning(spec: JobSpec, options: NncfPruning, job: Circumstances) -> Iterator[NextStep]:
    """Less of it, more training, or none of it."""
    title, reason, name, target = _target(options)
    if target > 0:
        changes = {name: fields.text(target / 2)}
        yield NextStep(title=title, reason=reason, seconds=job.again, method=spec.method, set=changes)
    yield _train_longer(spec, options, job)
    if options.algorithm == "filter_pruning" and not options.adaptive_compression_level.enabled:
        yield NextStep(
            title="Find out how much can go",
            reason="Filters are removed step by step, while no more accuracy is lost than is accepted.",
            method=spec.method,
            set={"adaptive_compression_level.enabled": "true"},
        )
    if options.enable_quantization:
        yield NextStep(
            title="Quantize it without pruning",
            reason="INT8 alone makes a model smaller and faster, and costs less accuracy.",
            seconds=_seconds_of_training(job),
            method="nncf_qat",
        )


def _target(options: NncfPruning) -> tuple[str, str, str, float]:
    """What was removed: title and reason of removing less, and the setting with its value."""
    if options.algorithm != "filter_pruning":
        reason = "Half as many: the first weights to go cost hardly any accuracy, and the last cost most."
        by_steps = options.sparsity.schedule == "multistep"  # has a list of shares, and no target
        target = 0.0 if by_steps else options.sparsity.sparsity_target
        return "Make fewer zeros", reason, "sparsity.sparsity_target", target
    reason = "Half as many: the first to go cost hardly any accuracy, and the last cost most."
    filters = options.filter_pruning
    if filters.pruning_flops_target is not None:
        return "Remove fewer FLOPs", reason, "filter_pruning.pruning_flops_target", filters.pruning_flops_target
    return "Remove fewer filters", reason, "filter_pruning.pruning_target", filters.pruning_target


def _search_further(spec: JobSpec, job: Circumstances) -> Iterator[NextStep]:
    """For a search that ended too early, or near the limit. One that wanted no loss at all can want no less."""
    if isinstance(spec.options, PotAccuracyAware) and spec.options.maximal_drop > 0:
        steps = min(1000, 2 * spec.options.max_iter_num)
        yield NextStep(
            title="Give more layers back",
            reason="The search then aims at half the drop, and may take twice as many steps.",
            seconds=job.again + job.seconds.get("quantize", 0.0),
            method=spec.method,
            set={"maximal_drop": fields.text(spec.options.maximal_drop / 2), "max_iter_num": str(steps)},
        )


def _weights_only(job: Circumstances) -> NextStep:
    return NextStep(
        title="Compress the weights only",
        reason="The last resort: half of an FP16 model, a quarter of an FP32 one, with hardly any loss, but no faster.",
        seconds=max(0.0, job.again - job.seconds.get("quantize", 0.0)),
        method="weights",
    )


def _for_weights(spec: JobSpec, options: Weights, job: Circumstances) -> tuple[NextStep, ...]:
    """Of 4 bits: better scales, then 8 bits. Of 8 bits there is nothing better."""
    if options.mode.bits == 8:
        return ()
    changes = {"mode": "int8_asym"}
    eight = NextStep(
        title="Use 8 bits", reason="They lose hardly anything.", seconds=job.again, method=spec.method, set=changes
    )
    if options.scale_estimation:
        return (eight,)
    better = NextStep(
        title="Estimate better scales",
        reason="Scales that fit what the layers really get lose less, at the same size.",
        seconds=job.again + job.seconds.get("after", 0.0),
        method=spec.method,
        set={"scale_estimation": "true"},
    )
    return (eight, better)


def _measure_more(spec: JobSpec, job: Circumstances) -> tuple[NextStep, ...]:
    if not job.unmeasured:
        return ()
    return (
        NextStep(
            title="Measure on all images",
            reason=f"{job.unmeasured:,} more images of the dataset can measure accuracy.",
            seconds=job.again,
            method=spec.method,
            set={"validation_images": str(job.measured + job.unmeasured)},
        ),
    )
