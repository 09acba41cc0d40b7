"""NNCF's filter pruning and sparsity, for any model: filters removed or weights set to 0, and training of what is left.

The model gets smaller (`jobs.pruning`) or its weights sparse (`jobs.sparsity`) while it is trained to say what the
original says. Where that is wanted, it is then quantized, and trained once more as `nncf_qat` does.

Known to be otherwise than in NNCF 2: filters are gone at once, where they were set to 0 and could come back until the
end; and no labels are needed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import openvino as ov

from jobs import complexity, distillation, events, filter_removal, ignored, nncf_groups, numbers, optional_torch
from jobs.distillation import Images, Watch
from jobs.methods import Cost, Load, Method, Optimised, Prepared, nncf_qat
from jobs.spec import Ignored, NncfPruning

_FLOAT = 0.7
"""Of the work, the training before quantization."""


def apply(prepared: Prepared, options: NncfPruning, emit: events.Emit) -> Optimised:
    """Prune and train, then quantize and train where that is wanted.

    Raises UnsupportedModel where nothing can be removed or trained, BadOption where too much is to be removed, and what
    `pot_default` raises.
    """
    ignored.require(prepared.model, options.ignored)
    optional_torch.want()
    images = Images(prepared, options.images)
    if prepared.validation is None:
        return _rehearsed(prepared, options, images, emit)
    watch = Watch(prepared, options.epochs + (options.quantized_epochs if options.enable_quantization else 0), emit)
    part = distillation.share(emit, 0.0, _FLOAT if options.enable_quantization else 1.0)
    if options.algorithm == "filter_pruning":
        made = filter_removal.remove(prepared, options, images, watch, part)
    else:
        made = _with_zeros(prepared, options, images, watch, part)
    made = replace(
        made,
        applied={**_applied(options), **distillation.applied(options), **made.applied},
        notes=(*made.notes, *_removed(prepared, made.model, images[0].shape, options)),
    )
    if options.enable_quantization:
        made = _quantized(prepared, options, images, made, watch, distillation.share(emit, _FLOAT, 1.0))
    return replace(
        made,
        config_keys=ignored.keys(prepared.model, options.ignored),
        training=tuple(watch.epochs),
    )


def _stages(options: NncfPruning) -> int:
    """How many trainings there are before quantization, at most; zeros come and go within one."""
    return len(filter_removal.stages(options)) if options.algorithm == "filter_pruning" else 1


# --- zeros


def _with_zeros(prepared: Prepared, options: NncfPruning, images: Images, watch: Watch, emit: events.Emit) -> Optimised:
    """A model whose weights become 0 while it is trained."""
    from jobs import lift, sparsity, training

    model, plan = lift.folded(prepared.model), distillation.plan(options)
    student, teacher = distillation.lifted(model, prepared.model, images[0].shape, options.ignored.scope)
    names = _sparse_names(prepared, options, model)
    sparse = sparsity.Sparse(student, names, options.sparsity, options.epochs, found=options.algorithm == "rb_sparsity")
    told = watch.on(model, None if options.enable_quantization else options)
    labels = distillation.labels(prepared, options, teacher)

    def choose(epoch: training.Epoch, learned: Callable[[], lift.Learned]) -> str:
        said = told(epoch, learned)
        sparse.after_epoch(epoch, epoch.number)
        return said if epoch.number >= sparse.ready else ""  # before, zeros are missing

    trained = training.train(
        sparse.student,
        teacher,
        images,
        plan,
        progress=distillation.told(emit),
        comparing=distillation.aside(emit, "images compared"),
        watch=choose,
        stop=prepared.stop,
        after_step=sparse.after_step(training.steps(len(images), plan)),
        extra=sparse.extra if options.algorithm == "rb_sparsity" else None,
        labels=labels,
        ready=sparse.ready,
    )
    ended = distillation.ended(trained)
    if trained.epochs[-1].number < sparse.ready:
        ended = (f"It ended before all zeros were there: {trained.ended}",)
    return Optimised(
        model=lift.lower(model, trained.learned),
        applied=distillation.epochs(trained, trained.best.number),
        notes=(*ended, *distillation.of_labels(prepared, options, labels), *distillation.left(student)),
    )


def _sparse_names(prepared: Prepared, options: NncfPruning, model: ov.Model) -> tuple[str, ...]:
    """Names of the weights that may become 0."""
    from jobs import sparsity

    spared = {*ignored.named(prepared.model, options.sparsity.ignored_scopes), *options.ignored.scope}
    return sparsity.weights(model, spared)


# --- quantized


def _quantized(
    prepared: Prepared, options: NncfPruning, images: Images, made: Optimised, watch: Watch, emit: events.Emit
) -> Optimised:
    """What was made in 8 bits, trained once more; its zeros stay."""
    now = replace(prepared, model=made.model)
    quantized = nncf_qat.quantize(now, options, lambda event: None)
    taught = nncf_qat.teach(
        quantized,
        prepared,
        options,
        images,
        watch,
        replace(distillation.plan(options), epochs=options.quantized_epochs),
        emit,
        zeros=() if options.algorithm == "filter_pruning" else _sparse_names(prepared, options, made.model),
        first=watch.epochs[-1].number,
    )
    return replace(
        made,
        model=taught.model,
        applied={
            **_without_others(quantized.applied),
            **made.applied,
            **distillation.epochs(taught.trained, taught.kept),
            "quantizers": str(quantized.quantizers),
        },
        notes=(*dict.fromkeys((*made.notes, *quantized.notes, *taught.notes)),),
    )


# --- what is said of it


def _applied(options: NncfPruning) -> dict[str, str]:
    """Settings as they were used."""
    group = "filter_pruning" if options.algorithm == "filter_pruning" else "sparsity"
    own = getattr(options, group).model_dump(mode="json", exclude_none=True)
    said = {f"{group}.{name}": _text(value) for name, value in own.items() if value not in ([], ())}
    return {"algorithm": options.algorithm, **said, "enable_quantization": _text(options.enable_quantization)}


def _without_others(applied: Mapping[str, str]) -> dict[str, str]:
    """Without the settings of algorithms, of which those that are used are told by this method."""
    return {name: value for name, value in applied.items() if not name.startswith(("filter_pruning.", "sparsity."))}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _removed(prepared: Prepared, model: ov.Model, shape: Sequence[int], options: NncfPruning) -> tuple[str, ...]:
    """How much is gone of the filters, in a sentence."""
    if options.algorithm != "filter_pruning":
        return ()
    flops, less = (complexity.total(distillation.fixed(one, shape)) for one in (prepared.model, model))
    gone = f"Filters were removed until {numbers.percent(1 - less / flops, 0)} of the FLOPs were gone"
    return (f"{gone}: {numbers.flops(flops)} before, {numbers.flops(less)} after.",)


# --- what it asks for


def _rehearsed(prepared: Prepared, options: NncfPruning, images: Images, emit: events.Emit) -> Optimised:
    """Nothing is learned of three images; what a step asks for is measured on the model while it is whole."""
    from jobs import lift, training

    model, shape, plan = lift.folded(prepared.model), images[0].shape, distillation.plan(options)
    student, teacher = distillation.lifted(model, prepared.model, shape, options.ignored.scope)
    load, notes = training.load(student, teacher, images, plan), distillation.left(student)
    if options.algorithm == "filter_pruning":
        model = filter_removal.smaller(prepared, options, model, shape, filter_removal.rehearsed_share(options))
    made = Optimised(model=model, applied=_applied(options), notes=notes, load=load)
    if not options.enable_quantization:
        return made
    quantized = nncf_qat.quantize(replace(prepared, model=model), options, emit)
    student, teacher = distillation.lifted(quantized.model, prepared.model, shape, options.ignored.scope)
    load = _larger(load, training.load(student, teacher, images, plan))
    nncf_groups.store_weights(quantized.model)
    return replace(made, model=quantized.model, load=load)


def _larger(one: Load, other: Load) -> Load:
    return Load(
        max(one.seconds, other.seconds),
        max(one.image_bytes, other.image_bytes),
        max(one.fixed_bytes, other.fixed_bytes),
        min(one.batch, other.batch),
        max(one.rehearsed_bytes, other.rehearsed_bytes),
    )


def cost(optimised: Optimised, options: NncfPruning, *, calibration: int, validation: int) -> Cost:
    """By what a step took in the rehearsal, if no epoch is spared."""
    again = options.quantized_epochs + 1 if options.enable_quantization else 0  # and the model before is measured
    epochs = options.epochs + _stages(options) - 1 + again
    found = distillation.cost(optimised.load, options, epochs=epochs, calibration=calibration, validation=validation)
    images = min(options.stat_subset_size, calibration) if options.enable_quantization else 0
    return replace(found, calibrated=2 * images)


def unmatched(model: ov.Model, options: NncfPruning) -> tuple[str, ...]:
    """Names, patterns and types of what is to be left alone that nothing in the model has."""
    chosen = options.filter_pruning if options.algorithm == "filter_pruning" else options.sparsity
    return (
        *ignored.unmatched(model, options.ignored),
        *ignored.unmatched(model, Ignored(scope=chosen.ignored_scopes, strict=options.ignored.strict)),
    )


METHOD = Method(
    name="nncf_pruning",
    title="Pruning",
    family="NNCF",
    apply=apply,
    unmatched=unmatched,
    cost=cost,
)
