"""Teaching a compressed model what the float one says: what methods that train share around `jobs.training`.

PyTorch takes seconds to import, so that it is imported inside functions: only what trains needs it.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, overload

import openvino as ov

from jobs import events, withheld
from jobs.methods import Array, Cost, Load, Prepared
from jobs.numbers import percent
from jobs.samples import count
from jobs.spec import Trained as Options

if TYPE_CHECKING:
    from jobs import training
    from jobs.label_loss import LabelLoss
    from jobs.lift import Learned, Lifted
    from jobs.training import Epoch, Plan, Trained

_WATCHED = 200
"""Images on which an epoch's accuracy is shown."""
_FORWARD = 0.4
"""Of a step's time, what an image costs that trains nothing."""
_OF_TRAINING = (
    *("train_images", "epochs", "batch_size", "learning_rate", "learning_rate_warmup_iters", "weight_decay"),
    *("optimizer", "label_loss", "augmentation"),
    *("early_stop_patience", "maximal_absolute_accuracy_degradation", "maximal_relative_accuracy_degradation"),
)


# --- what training takes


class Images(Sequence[Array]):
    """The images as the untouched model takes them, one at a time."""

    def __init__(self, prepared: Prepared, most: int) -> None:
        self._prepared = prepared
        self._count = min(most, prepared.calibration_size)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Array: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Array]: ...
    def __getitem__(self, place: int | slice) -> Array | Sequence[Array]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(self._count))]
        (values,) = self._prepared.calibration[place].values()
        return values


def lifted(
    compressed: ov.Model,
    original: ov.Model,
    shape: Sequence[int],
    frozen: Sequence[str] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> "tuple[Lifted, Lifted]":
    """The compressed model and the original in PyTorch, student and teacher, cut at the same places.

    `shape` is that of one image. What is called `frozen` stays as it is: an anomaly model's statistics are no weights.
    Raises UnsupportedModel where nothing can be trained.
    """
    from jobs import lift

    progress(0, 2)
    teacher = lift.lift(lift.folded(fixed(original, shape)))
    progress(1, 2)
    student = lift.lift(fixed(compressed, shape), teacher.ends, frozen=frozen)
    return student, teacher


def fixed(model: ov.Model, shape: Sequence[int]) -> ov.Model:
    """A copy whose input has this shape."""
    copy = model.clone()
    if list(copy.inputs[0].partial_shape) != [ov.Dimension(side) for side in shape]:
        copy.reshape({copy.inputs[0]: list(shape)})
    return copy


def plan(options: Options) -> "Plan":
    """How the options say to train."""
    from jobs import training

    return training.Plan(
        epochs=options.epochs,
        batch=options.batch_size,
        learning_rate=options.learning_rate,
        warm_up=options.learning_rate_warmup_iters,
        weight_decay=options.weight_decay,
        patience=options.early_stop_patience,
        augmentation=options.augmentation,
        optimizer=options.optimizer,
        label_loss=options.label_loss,
        seed=options.seed,
    )


def labels(prepared: Prepared, options: Options, teacher: "Lifted") -> "LabelLoss | None":
    """The loss on what images are labelled with, where the options want it and it can be had."""
    from jobs.label_loss import LabelLoss

    targets = prepared.targets
    place = None if targets is None else teacher.outputs[targets.output]
    return LabelLoss(targets, place) if options.label_loss and targets and targets.known and place is not None else None


def of_labels(prepared: Prepared, options: Options, found: "LabelLoss | None") -> tuple[str, ...]:
    """A note on the labels that were wanted, if any were."""
    if not options.label_loss:
        return ()
    targets = prepared.targets
    if found is not None and targets is not None:
        return (
            f"It was trained to answer as the original does, and by the labels of {count(targets.known, 'image')}.",
        )
    why = "no image that trains has any to be trusted"
    if targets is not None and targets.known:
        why = "the output that labels are about is behind what can be trained"
    return (f"It was trained to answer as the original does, and not by labels: {why}.",)


def share(emit: events.Emit, low: float, high: float) -> events.Emit:
    """Progress as a part of the whole work, from `low` to `high`, for a bar that goes up once."""

    def part(event: events.AnyEvent) -> None:
        if isinstance(event, events.Progress) and not event.aside:
            done = event.share
            if done is None:
                done = min(1.0, event.done / event.total) if event.total else 0.0
            event = event.model_copy(update={"share": low + (high - low) * done})
        emit(event)

    return part


def told(emit: events.Emit) -> Callable[[int, int], None]:
    """The progress of a training as events."""
    return lambda done, total: emit(events.Progress(done=done, total=total))


def aside(emit: events.Emit, unit: str) -> Callable[[int, int], None]:
    """The progress of what is done between, so that nobody wonders whether it goes on."""
    return lambda done, total: emit(events.Progress(done=done, total=total, unit=unit, aside=True))


# --- how it goes


class Watch:
    """Says after each epoch how it went, on images that measure accuracy. They choose no epoch, but may end a training.

    Several trainings in a row are one chart: `on` begins the next of them.
    """

    def __init__(self, prepared: Prepared, epochs: int, emit: events.Emit) -> None:
        """`epochs` are those of all trainings. The model before each is told with the number of the last one."""
        assert prepared.validation is not None
        self.epochs: list[events.Epoch] = []
        self._per_image: dict[int, Array] = {}
        self._validation, self._most, self._emit = prepared.validation, epochs, emit
        self._places = self._validation.part(min(1.0, _WATCHED / self._validation.size), seed=1)
        original = self._validation.original(self._places, labels=True)
        self._original, self._higher_is_better = original.value, original.higher_is_better

    def on(self, model: ov.Model, options: Options | None = None) -> "training.Watch":
        """For a training whose values go into `model`; it ends once no more is lost than the options accept."""
        from jobs import lift

        def told(epoch: "Epoch", learned: "Callable[[], Learned]") -> str:
            measured, total = aside(self._emit, "images measured"), len(self._places)
            measured(0, total)
            evaluation = self._validation.evaluate(
                lift.lower(model, learned()), self._places, labels=True, progress=lambda done: measured(done, total)
            )
            event = events.Epoch(
                number=epoch.number,
                total=self._most,
                loss=_known(epoch.loss),
                held_out=epoch.held_out,
                metric=_known(evaluation.value),
                original=_known(self._original),
                best=epoch.best,
            )
            self.epochs.append(event)
            self._per_image[epoch.number] = evaluation.per_image
            self._emit(event)
            return self._enough(evaluation.value, options) if options is not None and epoch.best else ""

        return told

    def accepted(self, options: Options) -> float | None:
        """The loss on the primary metric that the options accept; None where they say none."""
        absolute = options.maximal_absolute_accuracy_degradation
        percent = options.maximal_relative_accuracy_degradation
        accepted = [] if absolute is None else [absolute]
        accepted += [] if percent is None else [abs(self._original) * percent / 100]
        return min(accepted, default=None)

    def lost(self, trained: "Trained") -> float:
        """What the best of a training loses on the watched images; NaN where that is not known."""
        metric = self._metric(trained.best.number)
        return math.nan if metric is None else self._lost(metric)

    def _lost(self, value: float) -> float:
        return self._original - value if self._higher_is_better else value - self._original

    def _enough(self, value: float, options: Options) -> str:
        """Why that is good enough, in words; empty where it is not, or nothing says what is."""
        accepted, lost = self.accepted(options), self._lost(value)
        if accepted is None or not lost <= accepted:
            return ""
        few = f"{len(self._places)} of the {self._validation.size} images that measure accuracy"
        return (
            f"{percent(max(lost, 0.0), 2)} is lost, and {percent(accepted, 2)} was accepted. That was decided on {few}."
        )

    def harm(self, trained: "Trained") -> str:
        """What a training lost on the watched images from its start to its best, in words; empty where it lost nothing.

        Few images held out can say that the outputs have come nearer while the answers went astray. To be better than
        the original is luck, which is no loss when it goes; nor is what single images make likely by chance.
        """
        start, best = trained.epochs[0].number, trained.best.number
        before, after = self._metric(start), self._metric(best)
        if before is None or after is None:
            return ""
        lost = max(self._lost(after), 0.0) - max(self._lost(before), 0.0)
        if lost <= 0 or lost <= _by_chance(self._per_image[best] - self._per_image[start]):
            return ""
        return f"{percent(before)} before and {percent(after)} after, on {len(self._places)} images"

    def _metric(self, number: int) -> float | None:
        return next((one.metric for one in reversed(self.epochs) if one.number == number), None)


def _by_chance(differences: Array) -> float:
    """[n], of single images: the standard error of their mean, which is as much as one image alone can lose."""
    few = len(differences) < 2
    return 0.0 if few else (1 + 1e-6) * float(differences.std(ddof=1)) / math.sqrt(len(differences))


def _known(value: float) -> float | None:
    """None for what could not be measured: a metric on images that show nothing of what it counts."""
    return value if math.isfinite(value) else None


# --- what came of it


def applied(options: Options) -> dict[str, str]:
    """Settings of the training as they were used."""
    values = {name: getattr(options, name) for name in _OF_TRAINING}
    return {name: _text(value) for name, value in values.items() if value is not None}


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def epochs(trained: "Trained", best: int) -> dict[str, str]:
    """How long it was trained, and which epoch is kept, beside the settings."""
    return {"epochs_trained": str(trained.epochs[-1].number), "best_epoch": str(best)}


def notes(trained: "Trained", harm: str, *, labelled: bool = False) -> tuple[str, ...]:
    """When the training of a quantized model ended, and which of its models is kept."""
    there = "to the original and the labels" if labelled else "to the original"
    first, best = trained.epochs[0], trained.best
    said = [*ended(trained)]
    if harm:
        said.append(
            "Training brought the outputs nearer to the original's, but lost accuracy"
            f" ({harm}), so the model quantized without it is kept. More images to train with would help."
        )
    elif best.number > first.number:
        said.append(
            f"The model of epoch {best.number} is kept: on images that trained nothing, it is nearer {there}"
            f" than the one quantized without training (loss {best.held_out:.3g} instead of {first.held_out:.3g})."
        )
    elif len(trained.epochs) > 1 or not said:
        said.append("Training gained nothing, so the model quantized without it is kept.")
    else:
        said.append("The model quantized without it is kept.")
    return tuple(said)


def ended(trained: "Trained") -> tuple[str, ...]:
    """Notes on a training that went astray, or ended before its time."""
    said = []
    if trained.astray:
        which = f"epoch{'s' if len(trained.astray) > 1 else ''} {', '.join(map(str, trained.astray))}"
        said.append(
            f"The loss grew far above the best in {which}: training went back to the best, and on with a tenth of the"
            " rate. A lower one (learning_rate) may help."
        )
    if trained.ended:
        last = trained.epochs[-1].number
        when = f"after epoch {last}" if len(trained.epochs) > 1 else "before its first epoch was done"
        said.append(f"Training ended {when}: {trained.ended}")
    return tuple(said)


def left(student: "Lifted") -> tuple[str, ...]:
    """A note on what is not trained, if anything."""
    if not student.left:
        return ()
    behind = student.left[0]
    where = f"“{behind.name}” ({behind.type})"
    return (f"What is trained ends at {where}: the {len(student.left)} operations from there on stay as they are.",)


# --- what it asks for


def cost(asked: Load | None, options: Options, *, epochs: int, calibration: int, validation: int) -> Cost:
    """By what a step took in the rehearsal, if none of so many epochs is spared; without what quantizing costs.

    `calibration` and `validation` are how many images there are.
    """
    seconds, memory = 0.0, 0
    if asked is not None:
        images = min(options.images, calibration)
        held = withheld.count(images)
        seconds = asked.seconds * ((images - held) * epochs + _FORWARD * held * (epochs + 1))
        needed = asked.fixed_bytes + asked.image_bytes * min(asked.batch, images)
        memory = max(0, needed - asked.rehearsed_bytes)
    return Cost(
        compiled=epochs + 1,
        evaluated=(epochs + 1) * min(_WATCHED, validation),
        seconds=seconds,
        memory_bytes=memory,
    )
