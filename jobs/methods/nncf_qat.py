"""NNCF's quantization-aware training, for any model: no source code and no labels.

The model is quantized as POT does it, and that is where training begins and what is kept when it gains nothing. Its
graph is lifted into PyTorch with a learned step in every quantizer, and trained to say what the float model says. What
was learned goes back into the quantized model, which therefore keeps its operations, its names and its speed.

Known to be otherwise than in NNCF 2: quantizers lie where OpenVINO's backend puts them; batch normalisation has become
part of the weights before, so there is nothing to adapt; and what trains is the loss to the float model.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from jobs import distillation, events, ignored, nncf_groups, optional_torch
from jobs.distillation import Images, Watch
from jobs.methods import Array, Cost, Method, Optimised, Prepared, pot_default
from jobs.methods.pot_default import Quantized
from jobs.spec import NncfQat

if TYPE_CHECKING:
    from jobs.lift import Lifted

_CALIBRATING = 0.05
"""Of the work, for a bar that goes up once."""


def apply(prepared: Prepared, options: NncfQat, emit: events.Emit) -> Optimised:
    """Quantize, then train. Raises what `pot_default` raises, and UnsupportedModel where nothing can be trained."""
    ignored.require(prepared.model, options.ignored)
    calibrating = distillation.share(emit, 0.0, _CALIBRATING)
    quantized = pot_default.quantize(prepared, options, calibrating, float_weights=True)
    optional_torch.want()
    from jobs import lift, training  # PyTorch takes seconds to import, and only what trains needs it

    images = Images(prepared, options.images)
    student, teacher = distillation.lifted(
        quantized.model, prepared.model, images[0].shape, frozen=options.ignored.scope
    )
    if prepared.validation is None:
        return _rehearsed(prepared, options, quantized, student, teacher, images)
    watch = Watch(prepared, options.epochs, emit)
    report = distillation.share(emit, _CALIBRATING, 1.0)
    trained = training.train(
        student,
        teacher,
        images,
        distillation.plan(options),
        progress=lambda done, total: report(events.Progress(done=done, total=total)),
        watch=watch.on(quantized.model, options),
        stop=prepared.stop,
    )
    harm = watch.harm(trained)
    model = quantized.model.clone() if harm else lift.lower(quantized.model, trained.learned)
    nncf_groups.store_weights(model)
    return Optimised(
        model=model,
        applied={
            **quantized.applied,
            **distillation.applied(options, trained, 0 if harm else trained.best.number),
            "quantizers": str(quantized.quantizers),
        },
        config_keys=ignored.keys(prepared.model, options.ignored),
        notes=(*quantized.notes, *distillation.notes(trained, harm), *distillation.left(student)),
        training=tuple(watch.epochs),
    )


def _rehearsed(
    prepared: Prepared,
    options: NncfQat,
    quantized: Quantized,
    student: "Lifted",
    teacher: "Lifted",
    images: Sequence[Array],
) -> Optimised:
    """Nothing is learned of three images; what a step asks for is measured."""
    from jobs import lift, training

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
