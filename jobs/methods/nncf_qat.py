"""NNCF's quantization-aware training, for any model: no source code and no labels.

The model is quantized as POT does it, and that is where training begins and what is kept when it gains nothing. Its
graph is lifted into PyTorch with a learned step in every quantizer, and trained to say what the float model says. What
was learned goes back into the quantized model, which therefore keeps its operations, its names and its speed.

Known to be otherwise than in NNCF 2: quantizers lie where OpenVINO's backend puts them; batch normalisation has become
part of the weights before, so there is nothing to adapt; and what trains is the loss to the float model.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, overload

import openvino as ov

from jobs import events, ignored, nncf_groups, optional_torch
from jobs.methods import Array, Cost, Method, Optimised, Prepared, pot_default
from jobs.methods.pot_default import Quantized
from jobs.spec import NncfQat

if TYPE_CHECKING:
    from jobs.lift import Learned, Lifted
    from jobs.training import Epoch, Plan, Trained

_WATCHED = 200
"""Images on which an epoch's accuracy is shown; they decide nothing."""
_CALIBRATING = 0.05
"""Of the work, for a bar that goes up once."""
_HELD_OUT, _HELD_OUT_MOST = 8, 256
_FORWARD = 0.4
"""Of a step's time, what an image costs that trains nothing."""
_OF_TRAINING = (
    *("train_images", "epochs", "batch_size", "learning_rate", "learning_rate_warmup_iters", "weight_decay"),
    "early_stop_patience",
)


def apply(prepared: Prepared, options: NncfQat, emit: events.Emit) -> Optimised:
    """Quantize, then train. Raises what `pot_default` raises, and UnsupportedModel where nothing can be trained."""
    ignored.require(prepared.model, options.ignored)
    quantized = pot_default.quantize(prepared, options, _share(emit, 0.0, _CALIBRATING), float_weights=True)
    optional_torch.want()
    from jobs import lift, training  # PyTorch takes seconds to import, and only what trains needs it

    images = _Images(prepared, options.images)
    student, teacher = _lifted(quantized.model, prepared.model, images[0].shape, options.ignored.scope)
    plan = training.Plan(
        epochs=options.epochs,
        batch=options.batch_size,
        learning_rate=options.learning_rate,
        warm_up=options.learning_rate_warmup_iters,
        weight_decay=options.weight_decay,
        patience=options.early_stop_patience,
        seed=options.seed,
    )
    if prepared.validation is None:
        return _rehearsed(prepared, options, quantized, student, teacher, images, plan)
    watch = _Watch(prepared, quantized.model, plan.epochs, emit)
    report = _share(emit, _CALIBRATING, 1.0)
    trained = training.train(
        student,
        teacher,
        images,
        plan,
        progress=lambda done, total: report(events.Progress(done=done, total=total)),
        watch=watch,
        stop=prepared.stop,
    )
    harm = watch.harm(trained.best.number)
    model = quantized.model.clone() if harm else lift.lower(quantized.model, trained.learned)
    nncf_groups.store_weights(model)
    return Optimised(
        model=model,
        applied={
            **quantized.applied,
            **_applied(options, trained, 0 if harm else trained.best.number),
            "quantizers": str(quantized.quantizers),
        },
        config_keys=ignored.keys(prepared.model, options.ignored),
        notes=(*quantized.notes, *_notes(trained, harm), *_left(student)),
        training=tuple(watch.epochs),
    )


def _rehearsed(
    prepared: Prepared,
    options: NncfQat,
    quantized: Quantized,
    student: "Lifted",
    teacher: "Lifted",
    images: Sequence[Array],
    plan: "Plan",
) -> Optimised:
    """Nothing is learned of three images; what a step asks for is measured."""
    from jobs import lift, training

    asked = training.load(student, teacher, images, plan)
    model = lift.lower(quantized.model, student.learned())
    nncf_groups.store_weights(model)
    return Optimised(
        model=model,
        applied={**quantized.applied, "quantizers": str(quantized.quantizers)},
        config_keys=ignored.keys(prepared.model, options.ignored),
        notes=(*quantized.notes, *_left(student)),
        load=asked,
    )


def _share(emit: events.Emit, low: float, high: float) -> events.Emit:
    """Progress as a part of the whole work."""

    def part(event: events.AnyEvent) -> None:
        if isinstance(event, events.Progress):
            done = min(1.0, event.done / event.total) if event.total else 0.0
            event = event.model_copy(update={"share": low + (high - low) * done})
        emit(event)

    return part


class _Images(Sequence[Array]):
    """The images as the untouched model takes them."""

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


def _lifted(
    quantized: ov.Model, original: ov.Model, shape: Sequence[int], frozen: Sequence[str] = ()
) -> "tuple[Lifted, Lifted]":
    """The quantized model and the original in PyTorch, cut at the same places.

    What was left in float by name stays as it is: an anomaly model's statistics are no weights.
    """
    from jobs import lift

    teacher = lift.lift(lift.folded(_fixed(original, shape)))
    student = lift.lift(_fixed(quantized, shape), teacher.ends, frozen=frozen)
    return student, teacher


def _fixed(model: ov.Model, shape: Sequence[int]) -> ov.Model:
    copy = model.clone()
    if list(copy.inputs[0].partial_shape) != [ov.Dimension(side) for side in shape]:
        copy.reshape({copy.inputs[0]: list(shape)})
    return copy


class _Watch:
    """Says after each epoch how it went."""

    def __init__(self, prepared: Prepared, quantized: ov.Model, epochs: int, emit: events.Emit) -> None:
        assert prepared.validation is not None
        self.epochs: list[events.Epoch] = []
        self._validation, self._quantized, self._most, self._emit = prepared.validation, quantized, epochs, emit
        self._places = self._validation.part(min(1.0, _WATCHED / self._validation.size), seed=1)
        original = self._validation.original(self._places, labels=True)
        self._original, self._higher_is_better = original.value, original.higher_is_better

    def __call__(self, epoch: "Epoch", learned: "Callable[[], Learned]") -> str:
        from jobs import lift

        model = lift.lower(self._quantized, learned())
        event = events.Epoch(
            number=epoch.number,
            total=self._most,
            loss=_known(epoch.loss),
            held_out=epoch.held_out,
            metric=_known(self._validation.evaluate(model, self._places, labels=True).value),
            original=_known(self._original),
            best=epoch.best,
        )
        self.epochs.append(event)
        self._emit(event)
        return ""

    def harm(self, number: int) -> str:
        """What an epoch lost on the watched images since before the training, in words; empty where it lost nothing.

        Few images held out can say that the outputs have come nearer while the answers went astray.
        """
        before, after = self.epochs[0].metric, self.epochs[number].metric
        if before is None or after is None or (after >= before if self._higher_is_better else after <= before):
            return ""
        return f"{before:.1%} before and {after:.1%} after, on {len(self._places)} images"


def _known(value: float) -> float | None:
    """None for what could not be measured: a metric on images that show nothing of what it counts."""
    return value if math.isfinite(value) else None


def _applied(options: NncfQat, trained: "Trained", best: int) -> dict[str, str]:
    said = {name: f"{getattr(options, name):g}" for name in _OF_TRAINING}
    return {**said, "epochs_trained": str(trained.epochs[-1].number), "best_epoch": str(best)}


def _notes(trained: "Trained", harm: str) -> tuple[str, ...]:
    first, best = trained.epochs[0].held_out, trained.best
    notes = [f"Training ended in epoch {trained.epochs[-1].number}: {trained.ended}"] if trained.ended else []
    if harm:
        notes.append(
            "Training brought the outputs nearer to the original's, but lost accuracy"
            f" ({harm}), so the model quantized without it is kept. More images to train with would help."
        )
    elif best.number:
        notes.append(
            f"The model of epoch {best.number} is kept: on images that trained nothing, it is nearer to the original"
            f" than the one quantized without training (loss {best.held_out:.3g} instead of {first:.3g})."
        )
    else:
        notes.append("Training gained nothing, so the model quantized without it is kept.")
    return tuple(notes)


def _left(student: "Lifted") -> tuple[str, ...]:
    if not student.left:
        return ()
    behind = student.left[0]
    where = f"“{behind.name}” ({behind.type})"
    return (f"What is trained ends at {where}: the {len(student.left)} operations from there on stay as they are.",)


def cost(optimised: Optimised, options: NncfQat, *, calibration: int, validation: int) -> Cost:
    """By what a step took in the rehearsal, if no epoch is spared."""
    asked, epochs = optimised.load, options.epochs + 1
    seconds, memory = 0.0, 0
    if asked is not None:
        images = min(options.images, calibration)
        held = min(_HELD_OUT_MOST, images // _HELD_OUT)
        seconds = asked.seconds * ((images - held) * options.epochs + _FORWARD * held * epochs)
        memory = asked.fixed_bytes + asked.image_bytes * min(asked.batch, images)
    return Cost(
        calibrated=2 * min(options.stat_subset_size, calibration),
        compiled=epochs,
        evaluated=epochs * min(_WATCHED, validation),
        seconds=seconds,
        memory_bytes=memory,
    )


METHOD = Method(
    name="nncf_qat",
    title="Quantization-aware training",
    family="NNCF",
    apply=apply,
    unmatched=pot_default.unmatched,
    cost=cost,
)
