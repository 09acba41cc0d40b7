"""Settings of a method that cannot be had at the same time, or say nothing beside others."""

from collections.abc import Iterable

from jobs import fields, numbers
from jobs.errors import BadOption
from jobs.fields import Parameter
from jobs.spec import FilterPruning, NncfPruning, Options, Quantization, Sparsity, Weights

_FILTERS, _ZEROS, _LEVEL = "filter_pruning.", "sparsity.", "adaptive_compression_level."
SCOPES = ("ignored.scope", f"{_FILTERS}ignored_scopes", f"{_ZEROS}ignored_scopes")
"""Settings that name operations of the model."""
_OF_IMAGES = ("shuffle_data", "seed", "ignored.")
"""What also counts where nothing is quantized."""


def settled(options: Options, warnings: list[str]) -> Options:
    """Options that can be had together; what had to give way is added to the warnings. Raises BadOption."""
    if isinstance(options, Weights):
        if options.mode.bits != 4 and (options.awq or options.scale_estimation):
            warnings.append("AWQ and scale estimation are for 4-bit weights only, so they are left out.")
            return options.model_copy(update={"awq": False, "scale_estimation": False})
        return options
    if isinstance(options, NncfPruning):
        options = _in_time(options, warnings)
    if options.weights.mode == "asymmetric" and options.saturation_fix != "no":
        warnings.append("The saturation fix is for symmetric weights only, so it is left out.")
        return options.model_copy(update={"saturation_fix": "no"})
    return options


# --- what is removed while training must be so before its end


def _in_time(options: NncfPruning, warnings: list[str]) -> NncfPruning:
    if options.algorithm == "filter_pruning":
        if options.adaptive_compression_level.enabled:
            return options
        return options.model_copy(
            update={"filter_pruning": _filters_in_time(options.filter_pruning, options.epochs, warnings)}
        )
    return options.model_copy(update={"sparsity": _zeros_in_time(options.sparsity, options.epochs, warnings)})


def _filters_in_time(filters: FilterPruning, epochs: int, warnings: list[str]) -> FilterPruning:
    at_once = filters.schedule == "baseline"
    before = min(filters.num_init_steps, epochs - 1)
    steps = filters.pruning_steps if at_once else min(filters.pruning_steps, epochs - before)
    shorter = filters.model_copy(update={"num_init_steps": before, "pruning_steps": steps})
    if shorter != filters:
        last = before + (1 if at_once else steps)
        warnings.append(f"Training has {numbers.count(epochs, 'epoch')}: the last filters are removed in epoch {last}.")
    return shorter


def _zeros_in_time(zeros: Sparsity, epochs: int, warnings: list[str]) -> Sparsity:
    if zeros.schedule == "multistep":
        _require_steps(zeros, epochs)
    target, freeze = min(zeros.sparsity_target_epoch, max(1, epochs - 1)), min(zeros.sparsity_freeze_epoch, epochs)
    if target < zeros.sparsity_target_epoch and zeros.schedule in ("polynomial", "exponential"):
        warnings.append(f"Training has {numbers.count(epochs, 'epoch')}: all zeros are there after epoch {target}.")
    return zeros.model_copy(update={"sparsity_target_epoch": target, "sparsity_freeze_epoch": freeze})


def _require_steps(zeros: Sparsity, epochs: int) -> None:
    steps = zeros.multistep_steps
    if not steps or list(steps) != sorted(set(steps)) or not 1 <= steps[0] <= steps[-1] <= epochs:
        raise BadOption(
            f"The schedule multistep needs steps: epochs from 1 to {epochs}, each later than the one before.",
            where=f"{_ZEROS}multistep_steps",
        )


# --- what counts for nothing


def meaningless(options: Options) -> frozenset[str]:
    """Settings that say nothing beside the others, as a form need not show them."""
    if not isinstance(options, NncfPruning):
        return frozenset()
    names = {one.name for one in fields.describe(NncfPruning)}
    prunes = options.algorithm == "filter_pruning"
    idle = {name for name in names if name.startswith(_ZEROS if prunes else (_FILTERS, _LEVEL))}
    if options.adaptive_compression_level.enabled:  # it has a schedule of its own
        idle |= {f"{_FILTERS}{name}" for name in ("pruning_init", "schedule", "num_init_steps", "pruning_steps")}
    else:
        idle |= {name for name in names if name.startswith(_LEVEL) and name != f"{_LEVEL}enabled"}
    if options.filter_pruning.pruning_flops_target is not None:
        idle.add(f"{_FILTERS}pruning_target")
    if not options.enable_quantization:
        of_quantization = {one.name for one in fields.describe(Quantization)}
        idle |= {name for name in of_quantization if not name.startswith(_OF_IMAGES)} | {"quantized_epochs"}
    if not prunes:
        by_schedule = {
            "polynomial": ("power", "concave", "update_per_optimizer_step"),
            "adaptive": ("patience",),
            "multistep": ("multistep_steps", "multistep_sparsity_levels"),
        }
        others = (own for schedule, own in by_schedule.items() if schedule != options.sparsity.schedule)
        idle |= {f"{_ZEROS}{name}" for own in others for name in own}
        if options.algorithm == "rb_sparsity":
            idle.add(f"{_ZEROS}weight_importance")
    return frozenset(idle)


def scopes(options: Options) -> tuple[Parameter, ...]:
    """The settings that name operations of the model, but for those that say nothing beside the others."""
    names = set(SCOPES) - meaningless(options)
    return tuple(one for one in fields.describe(type(options)) if one.name in names)


def idle(options: Options, given: Iterable[str]) -> list[str]:
    """Of settings that a person gave those that say nothing, in words."""
    names = sorted(meaningless(options) & set(given))
    if not names:
        return []
    return [f"As the other settings are, {', '.join(names)} {'is' if len(names) == 1 else 'are'} without effect."]
