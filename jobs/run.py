"""A job from its spec to its report: read, measure, optimise, measure again, compare, save."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import openvino as ov

from jobs import (
    artifacts,
    baselines,
    complexity,
    data,
    events,
    failures,
    formats,
    gains,
    hardware,
    measure,
    methods,
    numbers,
    pictures,
    plausibility,
    report,
    report_page,
    settling,
    spec,
    stopping,
    titles,
    verdict,
)
from jobs.data import Decoded
from jobs.errors import DeviceUnavailable
from jobs.methods import Prepared
from jobs.pair import Pair, open_pair
from jobs.pair_validation import PairValidation
from jobs.predictions import Predictions
from jobs.report import Images, Measure, Report
from jobs.spec import JobSpec, Options, Trained
from jobs.stages import Stages
from jobs.targets import Targets
from jobs.tasks import Bound, Scores

STAGES = ("read", "decode", "before", "quantize", "after", "speed", "save")


def plan(method: str) -> tuple[tuple[str, str], ...]:
    """Names and titles of all stages of a job, in order."""
    return tuple((name, titles.WORK[method] if name == "quantize" else titles.stage(name)) for name in STAGES)


@dataclass(frozen=True)
class Answers:
    """What a model said to every image, and what that is worth."""

    predictions: Predictions
    scores: Scores


def run(job_dir: Path) -> Report:
    """Do what `spec.json` says. Whatever happens ends in `report.json`."""
    wanted = spec.read(job_dir)
    stages = Stages(job_dir, plan(wanted.method))
    draft: dict[str, Any] = {
        "task": wanted.task,
        "template": wanted.template,
        "method": wanted.method,
        "config_keys": wanted.config_keys,
        "packages": hardware.packages(),
    }
    scratch = job_dir / "tmp"
    try:
        _work(job_dir, scratch, wanted, stages, draft)
        made = Report(status="succeeded", seconds=stages.total(), **draft)
        report_page.write(job_dir, made)
        made = made.model_copy(update={"artifacts": artifacts.listed(job_dir)})
    except Exception as error:
        failure = failures.as_failure(error, stages.current)
        made = Report(status="failed", seconds=stages.total(), failure=failure, **draft)
        with suppress(OSError):  # the disk may be full, and what went wrong is in the report anyway
            report_page.write(job_dir, made)
            made = made.model_copy(update={"artifacts": artifacts.listed(job_dir)})
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    report.write(job_dir, made)
    return made


def _work(job_dir: Path, scratch: Path, wanted: JobSpec, stages: Stages, draft: dict[str, Any]) -> None:
    """All stages in turn. What is known goes into `draft` at once, so that a failure later loses none of it."""
    draft["hardware"] = hardware.describe(wanted.device)
    with stages.stage("read"):
        _require_device(wanted.device)
        pair = open_pair(wanted, job_dir, scratch)
        task, bound = pair.task, pair.bound
        draft |= {"metric": task.metrics[0].name, "higher_is_better": task.metrics[0].higher_is_better}
        draft["labels"] = pair.dataset.labels or bound.labels
    with stages.stage("decode"):
        calibration, validation = _decode(pair, scratch, stages)
        draft["images"] = _images(pair, calibration, validation)
        draft["notes"] = (*pair.notes, *_broken(calibration, validation))
    real = task.truth(validation.samples, bound) if pair.labelled else None

    with stages.stage("before"):
        settled = settling.original(pair, wanted.device, scratch)
        pair, bound = replace(pair, bound=settled.bound), settled.bound
        draft["notes"] = (*draft["notes"], *settled.notes)
        predictions = _baseline(pair, wanted, validation, job_dir, scratch, stages, cpu=draft["hardware"].cpu)
        expected = task.agreement(predictions, bound) if real is None else real
        before = Answers(predictions, task.score(predictions, expected, bound))
        draft["before"] = _measured(pair, pair.imported.model, before, pair.imported.size_bytes)
        _tell(stages, "before", before.scores)
        if doubt := _doubt(pair, before.scores):
            draft["notes"] = (*draft["notes"], doubt)
            stages.emit(events.Note(level="warning", message=doubt))

    with stages.stage("quantize"):
        method = methods.by_name(wanted.method)
        prepared = _prepared(pair, calibration)
        if not doubt:  # labels that the original knows nothing of would teach it something else
            prepared = replace(prepared, targets=_targets(pair, calibration, wanted.options))
        known = PairValidation(pair, validation, before.predictions, wanted.device, scratch)
        head = settling.left_in_float(pair, wanted.options, wanted.calibrate_on, prepared.model)
        options, exact = _with_head(wanted.options, head)
        stop = partial(stopping.asked, job_dir)
        prepared = replace(prepared, validation=known, head=head, stop=stop)
        optimised = method.apply(prepared, options, stages.emit)
        draft["applied"] = dict(optimised.applied)
        draft["config_keys"] = (*draft["config_keys"], *optimised.config_keys)
        lighter = task.thresholds.lighten(optimised.model) if task.thresholds else ()
        draft["notes"] = (*draft["notes"], *exact, *lighter, *optimised.notes)
        draft["search"] = optimised.search
        draft["training"] = optimised.training

    with stages.stage("after"):
        refitted = settling.optimised(pair, optimised.model, wanted.device, scratch)
        compiled = measure.compile_for(pair.entry.embed(optimised.model), wanted.device, "throughput")
        predictions = _ask(compiled, pair, validation, scratch, stages)
        after = Answers(predictions, task.score(predictions, expected, refitted.bound))
        _tell(stages, "after", after.scores)
        draft["notes"] = (*draft["notes"], *refitted.notes)
        if task.thresholds and refitted.model_info:
            copied = task.score(predictions, expected, bound)
            draft["notes"] = (*draft["notes"], *task.thresholds.compared(copied, after.scores))

    with stages.stage("speed"):
        draft["speed"] = measure.speed(
            pair.entry.fix_shape(pair.imported.model),
            pair.entry.fix_shape(optimised.model),
            device=wanted.device,
            hint=wanted.hint,
            seconds=wanted.speed_seconds,
            progress=partial(stages.progress, unit="blocks"),
        )
        draft["layers"] = measure.layers(compiled)

    with stages.stage("save"):
        half = formats.precision(pair.imported.model) == "FP16"
        said = {**wanted.model_settings, **settled.model_info, **refitted.model_info}
        size_bytes = artifacts.save_model(job_dir, optimised.model, wanted, said, half=half)
        artifacts.save_config(job_dir, options)
        artifacts.save_predictions(job_dir, _rows(pair, before, after, refitted.bound, validation))
        draft["after"] = _measured(pair, optimised.model, after, size_bytes)
        packed_bytes = (job_dir / artifacts.FOLDER / artifacts.PACKED).stat().st_size
        won = gains.notes(options, draft["before"], draft["after"], draft["speed"], packed_bytes)
        draft["notes"] = (*won, *draft["notes"])
        draft["pictures"] = pictures.draw(
            job_dir,
            task,
            bound,
            validation,
            before=before.predictions,
            after=after.predictions,
            after_bound=refitted.bound,
            real=real,
        )
        if task.thresholds and real is not None:
            draft["histograms"] = task.thresholds.histograms(
                before.predictions, after.predictions, real, bound, refitted.bound
            )
        drop = task.compare(before.scores, after.scores)
        judged = verdict.judge(drop, wanted.max_drop, len(validation.samples))
        steps = verdict.advise(
            judged,
            wanted,
            verdict.Circumstances(
                seconds=stages.seconds,
                types=frozenset(op.get_type_name() for op in pair.imported.model.get_ops()),
                quantizers=int(optimised.applied.get("quantizers", 0)),
                spare=pair.division.spare,
                calibrated=len(calibration.samples),
                measured=len(validation.samples),
                unmeasured=pair.division.unmeasured,
            ),
        )
        draft["verdict"] = judged.model_copy(update={"next": steps})


def _require_device(device: str) -> None:
    found = ov.Core().available_devices
    if device not in found and device.split(".")[0] not in found:
        raise DeviceUnavailable(
            f"The device {device} is not available on this machine; there is {', '.join(found)}.", where=device
        )


# --- images


def _decode(pair: Pair, scratch: Path, stages: Stages) -> tuple[Decoded, Decoded]:
    calibrating, measuring = pair.division.calibration, pair.division.validation
    total = len(calibrating) + len(measuring)
    resize = pair.entry.resize
    first = data.decode(calibrating, resize, scratch, lambda done: stages.progress(done, total))
    second = data.decode(measuring, resize, scratch, lambda done: stages.progress(len(calibrating) + done, total))
    return first, second


def _images(pair: Pair, calibration: Decoded, validation: Decoded) -> Images:
    return Images(
        calibration=len(calibration.samples),
        validation=len(validation.samples),
        calibration_names=tuple(sample.name for sample in calibration.samples),
        validation_names=tuple(sample.name for sample in validation.samples),
        digest=pair.division.digest,
        labelled=pair.labelled,
    )


def _broken(calibration: Decoded, validation: Decoded) -> tuple[str, ...]:
    names = (*calibration.broken, *validation.broken)
    if not names:
        return ()
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return (f"{len(names)} of the images cannot be read and were left out: {shown}.",)


def _prepared(pair: Pair, calibration: Decoded) -> Prepared:
    images = data.Calibration(calibration.pixels, pair.entry.name, pair.entry.tensor)
    return Prepared(
        model=pair.float_model,
        calibration=images,
        calibration_size=len(images),
        names=tuple(sample.name for sample in calibration.samples),
    )


def _targets(pair: Pair, calibration: Decoded, options: Options) -> Targets | None:
    learned = isinstance(options, Trained) and options.label_loss > 0 and pair.labelled
    if not learned or pair.task.targets is None:
        return None
    return pair.task.targets(pair.imported.model, calibration.samples, pair.bound, pair.entry)


def _with_head(options: Options, head: Sequence[str]) -> tuple[Options, tuple[str, ...]]:
    """The options, with what calibration images tell nothing of left in float; and a note on that."""
    more = [name for name in head if name not in options.ignored.scope]
    if not more:
        return options, ()
    ignored = options.ignored.model_copy(update={"scope": (*options.ignored.scope, *more)})
    note = (
        f"{len(more)} operations after the last layer, which compare features and make scores of them, are left in"
        " float: images that calibrate are normal, and say nothing of how far an anomaly can be from them."
    )
    return options.model_copy(update={"ignored": ignored}), (note,)


# --- answers


def _baseline(
    pair: Pair, wanted: JobSpec, validation: Decoded, job_dir: Path, scratch: Path, stages: Stages, *, cpu: str
) -> Predictions:
    """What the original says: an earlier job's where nothing changed, else asked for now.

    In FP32, also where the machine prefers BF16: what the upload is worth must not hang on who measures it.
    """
    folder = (job_dir / wanted.baselines).resolve() if wanted.baselines else None
    names = tuple(sample.name for sample in validation.samples)
    key = baselines.key(pair, names, device=wanted.device, cpu=cpu)
    known = baselines.recall(folder, key, scratch)
    if known is not None and len(known) == len(names):
        stages.progress(len(names), len(names))
        return known
    model = pair.entry.embed(pair.imported.model)
    compiled = measure.compile_for(model, wanted.device, "throughput", INFERENCE_PRECISION_HINT="f32")
    found = _ask(compiled, pair, validation, scratch, stages)
    baselines.remember(folder, key, found)
    return found


def _ask(compiled: ov.CompiledModel, pair: Pair, validation: Decoded, scratch: Path, stages: Stages) -> Predictions:
    total = len(validation.samples)
    return measure.predictions(compiled, validation, pair.bound, scratch, lambda done: stages.progress(done, total))


def _tell(stages: Stages, which: Any, scores: Scores) -> None:
    for name, value in scores.metrics.items():
        stages.emit(events.Metric(which=which, name=name, value=value))


def _doubt(pair: Pair, scores: Scores) -> str:
    """A sentence where the original itself is no better than guessing: then its preparation is wrong, not INT8."""
    value = scores.metrics[pair.task.metrics[0].name]
    if not pair.labelled or not plausibility.is_guessing(pair, value):
        return ""
    return (
        f"The original model itself reaches only {numbers.percent(value)}, hardly more than guessing. Check the order"
        " of labels and of colours, mean and scale before you trust anything below."
    )


def _measured(pair: Pair, model: ov.Model, answers: Answers, size_bytes: int) -> Measure:
    fixed = pair.entry.fix_shape(model)
    return Measure(
        metrics=dict(answers.scores.metrics),
        per_class={label: dict(values) for label, values in answers.scores.per_class.items()},
        size_bytes=size_bytes,
        parameters=formats.parameters(model),
        flops=complexity.total(fixed) or None,
        zeros=complexity.zeros(fixed),
        precision=formats.precision(model),
    )


def _rows(pair: Pair, before: Answers, after: Answers, after_bound: Bound, images: Decoded) -> Iterator[artifacts.Row]:
    """What each model said to each image."""
    describe, bound = pair.task.describe, pair.bound
    for sample, one, other in zip(images.samples, before.predictions, after.predictions, strict=True):
        yield sample.name, *describe(one, bound), *describe(other, after_bound)
