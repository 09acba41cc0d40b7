"""What an upload is, what is wrong with it, and what a job on it would cost."""

import resource
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import openvino as ov

from jobs import (
    consistency,
    data,
    failures,
    fields,
    findings,
    formats,
    ignored,
    image_input,
    measure,
    methods,
    numbers,
    pictures,
    plausibility,
    settling,
    tasks,
    templates,
    torch_names,
)
from jobs.division import Division, divide, spread
from jobs.errors import JobError
from jobs.findings import (
    CheckRequest,
    DatasetFindings,
    Findings,
    ModelFindings,
    Problem,
    SamplePicture,
    Split,
)
from jobs.methods import Cost, Load, Optimised, Prepared
from jobs.pair import Pair, may_calibrate, open_pair
from jobs.report import Picture, View
from jobs.samples import Dataset, Sample
from jobs.spec import CalibrateOn, Ignored, JobSpec, TaskName, Trained
from jobs.tasks import Task

T = TypeVar("T")

_PICTURES = 6
_PICTURE_SIDE = 160
_REHEARSED = 3  # images
_ITEMS = 100
_SECONDS_OF_ASKING = 4.0  # about, and at least three images
_SECONDS_OF_SPEED = 4.0  # what a comparison of two models takes as a rule, its compilations included
_NOT_REHEARSED = 64 << 20  # bytes: the comparison of speed, pictures, the report
_DECODED_IN_MEMORY = 256 << 20  # bytes; see data.decode


def check(directory: Path) -> Findings:
    """Answer `check.json` with `findings.json`; whatever is wrong becomes a problem."""
    request = CheckRequest.model_validate_json((directory / findings.REQUEST_NAME).read_bytes())
    scratch = directory / "tmp"
    try:
        found = _CHECKS[request.kind](request, directory, scratch)
    except Exception as error:
        where = "settings" if request.kind == "job" else request.kind
        found = Findings(problems=(_problem(failures.explain(error), where),))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    _write(directory / findings.FILE_NAME, found)
    return found


def _write(path: Path, found: Findings) -> None:
    """The file is whole or absent."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(found.model_dump_json(indent=1), encoding="utf-8")
    part.replace(path)


def _problem(error: JobError, where: str, level: str = "error") -> Problem:
    items = (error.where,) if error.where and error.where not in error.message else ()
    return Problem.model_validate(
        {
            "level": level,
            "where": where,
            "message": error.message,
            "hint": error.hint,
            "items": items,
            "kind": error.kind(),
        }
    )


# --- a model


def _check_model(request: CheckRequest, directory: Path, scratch: Path) -> Findings:
    imported = formats.read(request.source.folder(directory), scratch=scratch, allow_code=request.allow_code)
    found = formats.describe(imported)
    fitting = _fitting(found)
    problems = [*_no_task(found, fitting), *_input_problems(imported, {**found.model_info, **request.model_settings})]
    if not found.model_info:
        problems.append(
            Problem(
                level="info",
                where="model",
                message="The model does not say how images are prepared for it.",
                hint="Check the model's settings below: labels, order of colours, mean and scale.",
            )
        )
    found = found.model_copy(update={"supposed": _supposed(imported, found, fitting)})
    return Findings(model=found, tasks=fitting, problems=tuple(problems))


def _supposed(imported: formats.Imported, found: ModelFindings, fitting: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """What each task takes a model's settings to be where the model says nothing."""
    info = found.model_info
    completed = {name: tasks.by_name(name).prepared(imported.model, info) for name in fitting}
    added = {
        name: {key: value for key, value in settings.items() if key not in info} for name, settings in completed.items()
    }
    return {name: settings for name, settings in added.items() if settings}


def _fitting(found: ModelFindings) -> tuple[str, ...]:
    """Tasks that fit, best first."""
    fits = {task.name: task.fits(found) for task in tasks.all_tasks().values()}
    return tuple(name for name in sorted(fits, key=lambda name: -fits[name]) if fits[name] > 0)


def _no_task(found: ModelFindings, fitting: tuple[str, ...]) -> list[Problem]:
    if fitting:
        return []
    titles = ", ".join(task.title.lower() for task in tasks.all_tasks().values())
    outputs = ", ".join("×".join("?" if side < 0 else str(side) for side in port.shape) for port in found.outputs)
    said = found.model_info.get("task_type") or found.model_info.get("model_type")
    why = f"it says of itself that it is for {said}" if said else f"its output is {outputs or 'a single number'}"
    return [
        Problem(
            level="error",
            where="model",
            message=f"The model fits no task that can be done here ({titles}): {why}.",
            hint="A classifier has one output of shape 1 × classes; a detector boxes and labels, or a YOLO's rows; a"
            " segmenter maps.",
            kind="wrong_task",
        )
    ]


def _input_problems(imported: formats.Imported, settings: Mapping[str, str]) -> list[Problem]:
    try:
        entry = image_input.of(imported.model, settings)
    except JobError as error:
        return [_problem(error, "model")]
    if not entry.guessed:
        return []
    message = f"The model does not say it, so it is assumed: {', '.join(entry.guessed)}."
    return [Problem(level="info", where="model", message=message, hint="Change it in the model's settings.")]


# --- a dataset


def _check_dataset(request: CheckRequest, directory: Path, scratch: Path) -> Findings:
    task = tasks.by_name(request.task or TaskName.CLASSIFICATION)
    dataset = data.open_dataset(request.source.folder(directory), scratch, task)
    generic = templates.resolve(templates.load(task.name, "generic"), "pot_default").options
    division = divide(
        dataset,
        calibration=generic.stat_subset_size,
        seed=request.seed,
        may_calibrate=partial(may_calibrate, task, CalibrateOn.NORMAL),
    )
    found = DatasetFindings(
        format=dataset.format,
        name=request.source.name,
        size_bytes=sum(path.stat().st_size for path in request.source.folder(directory).rglob("*") if path.is_file()),
        labels=dataset.labels,
        labelled=dataset.labelled,
        images=len(dataset.samples),
        splits=_splits(dataset),
        calibration=len(division.calibration),
        validation=len(division.validation),
        pictures=_pictures(dataset, task, directory),
    )
    return Findings(
        dataset=found, tasks=(task.name,), problems=(*dataset.problems, *_few(division, task), *_notes(division))
    )


def _splits(dataset: Dataset) -> tuple[Split, ...]:
    by_split: dict[str, list[Sample]] = {}
    for sample in dataset.samples:
        by_split.setdefault(sample.split, []).append(sample)
    return tuple(
        Split(name=name, images=len(part), per_class=_per_class(dataset, part)) for name, part in by_split.items()
    )


def _per_class(dataset: Dataset, samples: list[Sample]) -> dict[str, int]:
    counts = Counter(label for sample in samples for label in sample.labels or ())
    return {label: counts[number] for number, label in enumerate(dataset.labels)} if dataset.labelled else {}


def _pictures(dataset: Dataset, task: Task, directory: Path) -> tuple[SamplePicture, ...]:
    """Of as many labels as there are pictures."""
    folder = directory / "pictures"
    folder.mkdir(exist_ok=True)
    drawn: list[SamplePicture] = []
    for sample in spread(dataset.samples, _PICTURES * 2):
        if len(drawn) == _PICTURES:
            break
        path = folder / f"{len(drawn)}.png"
        try:
            size = pictures.thumbnail(sample.path, path, _PICTURE_SIDE)
        except (OSError, ValueError):  # its head opens, the rest is damaged
            continue
        names = [dataset.labels[label] for label in sample.labels or ()]
        view = View()
        if sample.target is not None:
            marks = task.target_marks(sample.target, dataset.labels, size)
            view = pictures.view(marks, path.with_name(f"{path.stem}-truth.png"), directory)
        drawn.append(SamplePicture(file=f"pictures/{path.name}", label=", ".join(names) or sample.name, view=view))
    return tuple(drawn)


def _few(division: Division, task: Task) -> list[Problem]:
    measured = len(division.validation)
    if measured >= 100:
        return []
    points = numbers.significant(300 * task.unseen_change / measured, 2)
    return [
        Problem(
            level="warning",
            where="dataset",
            message=f"Accuracy is measured on {measured} images only: a loss under {points} points cannot be seen.",
            hint="A few hundred images with labels make a verdict.",
        )
    ]


def _notes(division: Division) -> list[Problem]:
    return [Problem(level="info", where="dataset", message=note) for note in division.notes]


# --- a job, rehearsed


def _check_job(request: CheckRequest, directory: Path, scratch: Path) -> Findings:
    """Every stage of the job on three images: what fails there would have failed after minutes."""
    assert request.job is not None
    wanted = request.job
    start = time.perf_counter()
    pair = open_pair(wanted, directory, scratch)
    opened = time.perf_counter() - start
    settled = settling.original(pair, wanted.device, scratch, most=_REHEARSED)
    pair = replace(pair, bound=settled.bound)
    problems = [Problem(level="info", where="settings", message=note) for note in pair.notes]
    if missing := methods.by_name(wanted.method).unmatched(pair.imported.model, wanted.options):
        problems.append(
            Problem(
                level="error",
                where="settings",
                message="Nothing in the model has these names, so leaving them in float would do nothing.",
                hint="Take the names from the list of the model's operations, or remove them.",
                items=missing,
                kind="bad_option",
            )
        )
        return Findings(problems=tuple(problems))
    problems += _by_old_names(pair, wanted)
    problems += _elsewhere(pair, wanted)
    rehearsed, seen, optimised = _rehearse(pair, wanted, directory, scratch, problems)
    seconds = {"read": opened, **rehearsed}
    problems += plausibility.doubts(pair, wanted.device, scratch)
    problems += _at_most(wanted)
    problems += [Problem(level="info", where="settings", message=note) for note in optimised.notes]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    cost = _cost(pair, wanted, optimised)
    if optimised.load is not None:
        taken = optimised.load.rehearsed_bytes
        problems += _too_large(optimised.load, cost.memory_bytes + taken, wanted.limits.memory_bytes - peak + taken)
    entry = pair.entry
    images = len(pair.division.calibration) + len(pair.division.validation)
    cache = min(_DECODED_IN_MEMORY, images * entry.height * entry.width * entry.channels)
    return Findings(
        problems=tuple(problems),
        seconds_estimate=sum(seconds.values()),
        stage_seconds=seconds,
        memory_estimate_bytes=peak + cache + cost.memory_bytes + _NOT_REHEARSED,
        pictures=seen,
    )


def _elsewhere(pair: Pair, wanted: JobSpec) -> list[Problem]:
    """Names that need not exist, and do not: those of a template for another network."""
    scope = Ignored(scope=wanted.options.ignored.scope)
    lost = () if wanted.options.ignored.strict else ignored.lost(pair.imported.model, scope)
    if not lost:
        return []
    return [
        Problem(
            level="info",
            where="settings",
            message=f"Of {len(scope.scope)} operations to leave in float, {len(lost)} are not in this model.",
            hint="The template or the file may be for another network, or for another version of this one.",
            items=lost,
        )
    ]


def _by_old_names(pair: Pair, wanted: JobSpec) -> list[Problem]:
    """Operations that are meant by names of NNCF 2, for a person to confirm."""
    model, found = pair.imported.model, []
    for one in consistency.scopes(wanted.options):
        scope = fields.names(wanted.options, one.name)
        old = ignored.by_old_names(model, scope)
        if not old:
            continue
        gone = [name for name in ignored.lost(model, Ignored(scope=scope)) if torch_names.is_old(name)]
        items = [*(f"{name} → {', '.join(own)}" for name, own in old.items()), *(f"{name} → nothing" for name in gone)]
        file = next((key.source for key in wanted.config_keys if key.parameter == one.name), "")
        names = f"{numbers.count(len(items), 'name')} {f'of “{file}”' if file else 'that you gave'}"
        are = "is" if len(items) == 1 else "are"
        found.append(
            Problem(
                level="warning",
                where="settings",
                message=f"{names} {are} not the model's own. By modules, functions and order, this is what they mean in"
                " it.",
                hint=f"If that is right, take its names over; if not, say others: “{one.header}” ({one.name}).",
                items=tuple(items[:_ITEMS]),
                settings={one.name: fields.text(ignored.todays(model, scope))},
                action="Use the model's names",
            )
        )
    return found


def _cost(pair: Pair, wanted: JobSpec, optimised: Optimised) -> Cost:
    calibration, validation = len(pair.division.calibration), len(pair.division.validation)
    return methods.by_name(wanted.method).cost(
        optimised, wanted.options, calibration=calibration, validation=validation
    )


def _too_large(load: Load, needed: int, room: int) -> list[Problem]:
    """A batch that would not fit into the memory that a job may use, which it would notice after minutes."""
    if needed <= room:
        return []
    most = (room - load.fixed_bytes) // max(1, load.image_bytes)
    message = (
        f"Training with {numbers.count(load.batch, 'image')} at once takes about {numbers.size(needed)} of memory; a"
        f" job here may use {numbers.size(max(0, room))} for it."
    )
    hint = f"Set the batch (batch_size) to {numbers.count(most)}, or less." if most > 0 else "Use a smaller model."
    return [Problem(level="error", where="settings", message=message, hint=hint, kind="bad_option")]


def _may_end(options: Trained) -> bool:
    """Whether something but the last epoch ends a training."""
    losses = (options.maximal_absolute_accuracy_degradation, options.maximal_relative_accuracy_degradation)
    return options.early_stop_patience > 0 or any(loss is not None for loss in losses)


def _at_most(wanted: JobSpec) -> list[Problem]:
    if isinstance(wanted.options, Trained):
        early = "it may end earlier" if _may_end(wanted.options) else "you can end it, and keep the best so far"
        message = f"The time is the most that training can take; {early}."
        hint = "Fewer epochs and fewer images to train with (train_images) make it shorter."
        return [Problem(level="info", where="settings", message=message, hint=hint)]
    if wanted.method != "pot_accuracy_aware":
        return []
    message = "The time is the most that the search can take; where little accuracy is lost at once, it ends at once."
    hint = "Fewer steps (max_iter_num) and fewer images that rank layers (ranking_subset_size) make it shorter."
    return [Problem(level="info", where="settings", message=message, hint=hint)]


def _rehearse(
    pair: Pair, wanted: JobSpec, directory: Path, scratch: Path, known: Sequence[Problem]
) -> tuple[dict[str, float], tuple[Picture, ...], Optimised]:
    """Seconds that each stage after reading will take, by what it takes on a few images; what the original sees; what
    the method made. What is known until then is left for when the rest takes too long."""
    few = (pair.division.calibration or pair.division.validation)[:_REHEARSED]
    decode, decoded = _timed(lambda: data.decode(few, pair.entry.resize, scratch))
    model = pair.entry.embed(pair.imported.model)
    compile_before, compiled = _timed(lambda: measure.compile_for(model, wanted.device, "throughput"))
    # The first images are slower than all others; of a large model, they are told from few more.
    first, _ = _timed(lambda: measure.predictions(compiled, decoded, pair.bound, scratch))
    seen = _seen(pair, compiled, directory, scratch)
    _write(directory / findings.EARLY_NAME, Findings(pictures=seen, problems=tuple(known)))
    times = min(8, max(1, int(_SECONDS_OF_ASKING / first)))
    ask, _ = _timed(lambda: measure.predictions(compiled, _repeated(decoded, times), pair.bound, scratch))
    prepared = Prepared(
        model=pair.float_model,
        calibration=data.Calibration(decoded.pixels, pair.entry.name, pair.entry.tensor),
        calibration_size=len(decoded.pixels),
    )
    options = wanted.options.model_copy(update={"stat_subset_size": len(decoded.pixels)})
    method = methods.by_name(wanted.method)
    quantize, optimised = _timed(lambda: method.apply(prepared, options, lambda event: None))
    ready = pair.entry.embed(optimised.model)
    compile_after, after = _timed(lambda: measure.compile_for(ready, wanted.device, "throughput"))
    measure.predictions(after, decoded, pair.bound, scratch)
    ask_after, _ = _timed(lambda: measure.predictions(after, _repeated(decoded, times), pair.bound, scratch))
    calibration, validation = len(pair.division.calibration), len(pair.division.validation)
    asked = times * len(decoded.pixels)
    an_image, an_answer = ask / asked, ask_after / asked
    cost = _cost(pair, wanted, optimised)
    search = compile_after * cost.compiled + an_answer * cost.evaluated
    seconds = {
        "decode": decode / len(few) * (calibration + validation),
        "before": compile_before + an_image * validation,
        "quantize": quantize + an_image * cost.calibrated + search + cost.seconds,
        "after": compile_after + an_answer * validation,
        "speed": min(wanted.speed_seconds, _SECONDS_OF_SPEED),
    }
    return seconds, seen, optimised


def _seen(pair: Pair, compiled: ov.CompiledModel, directory: Path, scratch: Path) -> tuple[Picture, ...]:
    """What the original says of a few images of as many labels, for a person to see whether that is right."""
    decoded = data.decode(spread(pair.division.validation, _REHEARSED), pair.entry.resize, scratch)
    said = measure.predictions(compiled, decoded, pair.bound, scratch)
    real = pair.task.truth(decoded.samples, pair.bound) if pair.labelled else None
    drawn = pictures.draw(
        directory, pair.task, pair.bound, decoded, before=said, after=said, real=real, folder="pictures"
    )
    return tuple(one.model_copy(update={"after": "", "after_view": View()}) for one in drawn)


def _repeated(decoded: data.Decoded, times: int) -> data.Decoded:
    return data.Decoded(np.repeat(decoded.pixels, times, axis=0), (), tuple(np.repeat(decoded.sizes, times, axis=0)))


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


_CHECKS: Mapping[str, Callable[[CheckRequest, Path, Path], Findings]] = {
    "model": _check_model,
    "dataset": _check_dataset,
    "job": _check_job,
}
