"""Filters removed from a model stage by stage, with training in each: by a schedule, or as far as accuracy allows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import openvino as ov

from jobs import complexity, compression_schedule, distillation, events, ignored
from jobs.compression_schedule import Stage
from jobs.distillation import Images, Watch
from jobs.errors import BadOption
from jobs.methods import Optimised, Prepared
from jobs.numbers import percent
from jobs.spec import NncfPruning

if TYPE_CHECKING:
    from jobs.pruning import Pruning, Sizes
    from jobs.training import Trained

_ACCEPTED = 0.01
"""What may be lost on the primary metric where a search must know it and nothing says so."""


def stages(options: NncfPruning) -> tuple[Stage, ...]:
    """Trainings with less and less of the filters, at most."""
    if options.adaptive_compression_level.enabled:  # at most so many
        return (Stage(1.0, 1),) * options.epochs
    return compression_schedule.pruning(options.filter_pruning, target(options), options.epochs)


def target(options: NncfPruning) -> float:
    """The share that is to go in the end: of the FLOPs, or of the filters."""
    chosen = options.filter_pruning
    return chosen.pruning_target if chosen.pruning_flops_target is None else chosen.pruning_flops_target


@dataclass
class _Course:
    """A model that loses filters stage by stage, and is trained in each."""

    prepared: Prepared
    options: NncfPruning
    images: Images
    watch: Watch
    emit: events.Emit
    model: ov.Model
    sizes: "Sizes"
    """Of its groups of filters while it was whole."""
    gone: float = 0.0
    """Share of the filters or FLOPs that it lacks."""
    done: int = 0
    """Epochs."""

    def stage(
        self, share: float, epochs: int, *, accepting: NncfPruning | None = None, falls: bool = True
    ) -> "_Staged":
        """Train without a share of the filters or FLOPs; it ends early at a loss that `accepting` accepts.

        Nothing is kept of it yet.
        """
        from jobs import lift, training

        options, shape = self.options, self.images[0].shape
        less = smaller(self.prepared, options, self.model, shape, share, self.sizes)
        student, teacher = distillation.lifted(less, self.prepared.model, shape, options.ignored.scope)
        plan, labels = distillation.plan(options), distillation.labels(self.prepared, options, teacher)
        report = distillation.share(
            self.emit, self.done / options.epochs, min(1.0, (self.done + epochs) / options.epochs)
        )
        trained = training.train(
            student,
            teacher,
            self.images,
            replace(plan, epochs=epochs, warm_up=0 if self.done else plan.warm_up, falls=falls),
            progress=distillation.told(report),
            comparing=distillation.aside(report, "images compared"),
            watch=self.watch.on(less, accepting),
            stop=self.prepared.stop,
            labels=labels,
            first=self.done,
        )
        self.done = trained.epochs[-1].number
        notes = (*distillation.of_labels(self.prepared, options, labels), *distillation.left(student))
        return _Staged(lift.lower(less, trained.learned), share, trained, notes)

    def keep(self, staged: "_Staged") -> None:
        """Go on from there."""
        self.model, self.gone = staged.model, staged.share


@dataclass(frozen=True)
class _Staged:
    """What came of a stage."""

    model: ov.Model
    share: float
    trained: "Trained"
    notes: tuple[str, ...]


def remove(prepared: Prepared, options: NncfPruning, images: Images, watch: Watch, emit: events.Emit) -> Optimised:
    """A smaller model, trained. Raises BadOption where too much is to go, UnsupportedModel where nothing can."""
    from jobs import lift

    whole = lift.folded(prepared.model)
    sizes = _filters(prepared, options, whole, images[0].shape).sizes
    course = _Course(prepared, options, images, watch, emit, whole, sizes)
    return (_as_far_as_it_goes if options.adaptive_compression_level.enabled else _by_schedule)(course)


def _by_schedule(course: _Course) -> Optimised:
    """Less and less, as the schedule has it."""
    notes, planned = list[str](), stages(course.options)
    whole, shape = course.model, course.images[0].shape
    smaller(course.prepared, course.options, whole, shape, target(course.options))  # refused now, not after epochs
    for place, stage in enumerate(planned):
        last = place == len(planned) - 1
        # Where it is quantized after that, only the training then is the end.
        accepting = course.options if last and not course.options.enable_quantization else None
        made = course.stage(stage.level * target(course.options), stage.epochs, accepting=accepting, falls=last)
        course.keep(made)
        if made.trained.ended and not last:
            notes.append(f"It ended before all was removed: {made.trained.ended}")
            break
        notes += distillation.ended(made.trained)
    applied = distillation.epochs(made.trained, made.trained.best.number)
    return Optimised(model=course.model, applied=applied, notes=(*notes, *made.notes))


def _accepting(options: NncfPruning) -> NncfPruning:
    """With a loss that is accepted: a point, where nothing says it."""
    if (options.maximal_absolute_accuracy_degradation, options.maximal_relative_accuracy_degradation) == (None, None):
        return options.model_copy(update={"maximal_absolute_accuracy_degradation": _ACCEPTED})
    return options


def _as_far_as_it_goes(course: _Course) -> Optimised:
    """A step further each time that what is lost came down to what is accepted, and smaller steps where it did not."""
    options, adaptive = course.options, course.options.adaptive_compression_level
    accepted = course.watch.accepted(_accepting(options)) or 0.0
    step, most, ended, notes = adaptive.initial_compression_rate_step, target(options), "", tuple[str, ...]()
    best = 0
    while step >= adaptive.minimal_compression_rate_step and course.gone < most and course.done < options.epochs:
        epochs = min(adaptive.patience_epochs, options.epochs - course.done)
        try:
            made = course.stage(min(most, course.gone + step), epochs, accepting=_accepting(options))
        except BadOption:  # no filters are left to go so far
            step *= adaptive.compression_rate_step_reduction_factor
            continue
        notes = made.notes
        if course.watch.lost(made.trained) <= accepted:
            course.keep(made)
            best = made.trained.best.number
        else:
            step *= adaptive.compression_rate_step_reduction_factor
        if course.prepared.stop():
            ended = " It was stopped before it was sure of that."
            break
    loss = percent(accepted, 2)
    found = f"{percent(course.gone, 0)} can go while no more than {loss} of accuracy is lost.{ended}"
    if not course.gone:
        found = f"No step came down to a loss of {loss}, so all filters are kept.{ended}"
    applied = {"epochs_trained": str(course.done), "best_epoch": str(best)}
    return Optimised(model=course.model, applied=applied, notes=(found, *notes))


def smaller(
    prepared: Prepared,
    options: NncfPruning,
    model: ov.Model,
    shape: Sequence[int],
    share: float,
    sizes: "Sizes | None" = None,
) -> ov.Model:
    """A copy without a share of the filters or FLOPs of the whole model, which had groups of `sizes`, else this one's.

    Raises BadOption where so many cannot go, UnsupportedModel where none can.
    """
    found = _filters(prepared, options, model, shape)
    if options.filter_pruning.pruning_flops_target is None:
        return found.by_filters(share, sizes)
    return found.by_flops(complexity.total(distillation.fixed(prepared.model, shape)) * (1 - share))


def _filters(prepared: Prepared, options: NncfPruning, model: ov.Model, shape: Sequence[int]) -> "Pruning":
    from jobs import lift, pruning

    teacher = lift.lift(lift.folded(distillation.fixed(prepared.model, shape)))
    return pruning.Pruning(
        model,
        lift.folded(distillation.fixed(model, shape)),
        options.filter_pruning,
        ends=[(end.operation, end.port) for end in teacher.ends],
        whole=prepared.head,
        unpruned=ignored.named(prepared.model, options.filter_pruning.ignored_scopes),
    )


def rehearsed_share(options: NncfPruning) -> float:
    """All of it, or the first step where the rest is found out."""
    adaptive = options.adaptive_compression_level
    return min(target(options), adaptive.initial_compression_rate_step) if adaptive.enabled else target(options)
