"""Whether accuracy held, and what to try next when it did not."""

from collections.abc import Mapping

from jobs import stats
from jobs.intervals import Interval
from jobs.report import NextStep, Verdict
from jobs.spec import JobSpec, Preset

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


def advise(
    verdict: Verdict,
    spec: JobSpec,
    *,
    seconds: Mapping[str, float],
    types: frozenset[str],
    spare: int,
    measured: int,
    unmeasured: int,
) -> tuple[NextStep, ...]:
    """What may win accuracy back, cheapest first; nothing where it held.

    `seconds` are those of this job's stages, `types` the kinds of operations in the model, `spare` how many images
    could calibrate besides those that did, `unmeasured` how many could measure accuracy besides the `measured` ones.
    """
    if verdict.accuracy == "held":
        return ()
    again = sum(value for name, value in seconds.items() if name not in ("before", "total"))
    quantize = seconds.get("quantize", 0.0)
    if verdict.accuracy == "cannot_tell":
        return _measure_more(spec, again, measured, unmeasured)
    options = spec.options
    steps: list[NextStep] = []

    def add(title: str, reason: str, extra: float = 0.0, **change: str) -> None:
        changes = {name.replace("__", "."): value for name, value in change.items()}
        steps.append(NextStep(title=title, reason=reason, seconds=again + extra, method=spec.method, set=changes))

    if types >= _ATTENTION and options.model_type != "transformer":
        add(
            "Treat it as a transformer",
            "The model has attention; POT's transformer mode keeps its sensitive operations exact.",
            model_type="transformer",
        )
    if options.preset is Preset.PERFORMANCE:
        add(
            "Use the mixed preset",
            "Activations get ranges that need not be symmetric around zero, which wastes fewer of the 256 steps.",
            preset="mixed",
        )
    if options.use_fast_bias:
        add(
            "Correct biases layer by layer",
            "The full bias correction looks at what each layer really gets from the quantized layers before it.",
            extra=2 * quantize,
            use_fast_bias="false",
            preset="mixed",
        )
    if options.range_estimator.preset != "quantile":
        add(
            "Leave outliers out of the ranges",
            "A few extreme values can take most of the range; the quantile preset cuts them off.",
            range_estimator__preset="quantile",
            preset="mixed",
        )
    if spare > options.stat_subset_size // 2:
        add(
            "Calibrate on more images",
            f"{spare:,} more images could calibrate.",
            extra=quantize,
            stat_subset_size=str(options.stat_subset_size + spare),
            preset="mixed",
        )
    return tuple(sorted(steps, key=lambda step: step.seconds or 0.0))


def _measure_more(spec: JobSpec, again: float, measured: int, unmeasured: int) -> tuple[NextStep, ...]:
    if not unmeasured:
        return ()
    return (
        NextStep(
            title="Measure on all images",
            reason=f"{unmeasured:,} more images of the dataset can measure accuracy.",
            seconds=again,
            method=spec.method,
            set={"validation_images": str(measured + unmeasured)},
        ),
    )
