"""NNCF's quantization-aware training, for any model: no source code and no labels.

The model is quantized as POT does it, and that is where training begins and what is kept when it gains nothing. Its
graph is lifted into PyTorch with a learned step in every quantizer, and trained to say what the float model says. What
was learned goes back into the quantized model, which therefore keeps its operations, its names and its speed.

Known to be otherwise than in NNCF 2: quantizers lie where OpenVINO's backend puts them; batch normalisation has become
part of the weights before, so there is nothing to adapt; and what trains is the loss to the float model. Otherwise than
POT's, a quantizer has no levels below zero where next to nothing is there (`jobs.unsigned`).
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import openvino as ov

from jobs import distillation, events, ignored, nncf_groups, optional_torch, unsigned
from jobs.distillation import Images, Watch
from jobs.methods import Cost, Method, Optimised, Prepared, pot_default
from jobs.methods.pot_default import Quantized
from jobs.samples import count
from jobs.spec import NncfQat
from jobs.spec import Trained as Options

if TYPE_CHECKING:
    from jobs.training import Plan, Trained

_CALIBRATING = 0.05
"""Of the work, for a bar that goes up once."""


def apply(prepared: Prepared, options: NncfQat, emit: events.Emit) -> Optimised:
    """Quantize, then train. Raises what `pot_default` raises, and UnsupportedModel where nothing can be trained."""
    ignored.require(prepared.model, options.ignored)
    calibrating = distillation.share(emit, 0.0, _CALIBRATING)
    quantized = quantize(prepared, options, calibrating)
    optional_torch.want()  # PyTorch takes seconds to import, and only what trains needs it
    images = Images(prepared, options.images)
    if prepared.validation is None:
        return _rehearsed(prepared, options, quantized, images)
    watch = Watch(prepared, options.epochs, emit)
    taught = teach(
        quantized,
        prepared,
        options,
        images,
        watch,
        distillation.plan(options),
        distillation.share(emit, _CALIBRATING, 1.0),
    )
    return Optimised(
        model=taught.model,
        applied={
            **quantized.applied,
            **distillation.applied(options),
            **distillation.epochs(taught.trained, taught.kept),
            "quantizers": str(quantized.quantizers),
        },
        config_keys=ignored.keys(prepared.model, options.ignored),
        notes=(*quantized.notes, *taught.notes),
        training=tuple(watch.epochs),
    )


def quantize(prepared: Prepared, options: Options, emit: events.Emit) -> Quantized:
    """Where training begins: as POT does it, but for signs that quantizers do not need. Weights are not stored yet."""
    quantized = pot_default.quantize(prepared, options, emit, float_weights=True)
    model, unsigned_ones = unsigned.without_sign(quantized.model)
    if not unsigned_ones:
        return quantized
    note = (
        f"Half of the levels of {count(unsigned_ones, 'quantizer')} were for values below zero, where next to nothing"
        " is: all of them are for those above now."
    )
    return replace(quantized, model=model, notes=(*quantized.notes, note))


@dataclass(frozen=True)
class Taught:
    """A quantized model that was trained."""

    model: ov.Model
    """With weights in 8 bits; the one before where training did harm."""
    trained: "Trained"
    kept: int
    """Number of the epoch that it is of."""
    notes: tuple[str, ...]


def teach(
    quantized: Quantized,
    prepared: Prepared,
    options: Options,
    images: Images,
    watch: Watch,
    plan: "Plan",
    emit: events.Emit,
    *,
    zeros: Collection[str] = (),
    first: int = 0,
) -> Taught:
    """Train a quantized model to say what the original says; the zeros of weights called `zeros` stay.

    Epochs are numbered from `first` on. Raises UnsupportedModel where nothing can be trained.
    """
    from jobs import lift, sparsity, training

    student, teacher = distillation.lifted(
        quantized.model,
        prepared.model,
        images[0].shape,
        frozen=options.ignored.scope,
        progress=distillation.aside(emit, "models made ready to train"),
    )
    labels = distillation.labels(prepared, options, teacher)
    trained = training.train(
        student,
        teacher,
        images,
        plan,
        progress=distillation.told(emit),
        comparing=distillation.aside(emit, "images compared"),
        watch=watch.on(quantized.model, options),
        stop=prepared.stop,
        after_step=sparsity.hold(student, zeros),
        labels=labels,
        first=first,
    )
    harm = watch.harm(trained)
    model = quantized.model.clone() if harm else lift.lower(quantized.model, trained.learned)
    nncf_groups.store_weights(model)
    kept = trained.epochs[0].number if harm else trained.best.number
    notes = (
        *distillation.notes(trained, harm, labelled=labels is not None),
        *distillation.of_labels(prepared, options, labels),
        *distillation.left(student),
    )
    return Taught(model, trained, kept, notes)


def _rehearsed(prepared: Prepared, options: NncfQat, quantized: Quantized, images: Images) -> Optimised:
    """Nothing is learned of three images; what a step asks for is measured."""
    from jobs import lift, training

    student, teacher = distillation.lifted(
        quantized.model, prepared.model, images[0].shape, frozen=options.ignored.scope
    )
    asked = training.load(student, teacher, images, distillation.plan(options))
    model = lift.lower(quantized.model, student.learned())
    nncf_groups.store_weights(model)
    return Optimised(
        model=model,
        applied={**quantized.applied, "quantizers": str(quantized.quantizers)},
        config_keys=ignored.keys(prepared.model, options.ignored),
        notes=(*quantized.notes, *distillation.left(student)),
        load=asked,
    )


def cost(optimised: Optimised, options: NncfQat, *, calibration: int, validation: int) -> Cost:
    """By what a step took in the rehearsal, if no epoch is spared."""
    training = distillation.cost(
        optimised.load, options, epochs=options.epochs, calibration=calibration, validation=validation
    )
    return replace(training, calibrated=2 * min(options.stat_subset_size, calibration))


METHOD = Method(
    name="nncf_qat",
    title="Quantization-aware training",
    family="NNCF",
    apply=apply,
    unmatched=pot_default.unmatched,
    cost=cost,
)
