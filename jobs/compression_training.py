"""What NNCF's configuration files say of training, translated: rate, schedule and when it ends."""

from pydantic import JsonValue

from jobs import fields
from jobs.translation import Reader, Rule, change, keep, refuse, section, walk

_SGD = 1e-3
"""A rate above it is one for plain gradient descent."""
_TOO_FAST = (
    "That is a rate for SGD. AdamW trains, as the file does not say otherwise, and so large steps would lead away from"
    " the model, so its own rate is used; set learning_rate to have another."
)


def rate(reader: Reader, path: str, value: JsonValue) -> None:
    if isinstance(value, int | float) and not isinstance(value, bool) and value > _SGD:
        reader.add(path, value, "changed", _TOO_FAST)
        return
    reader.set(path, value, "learning_rate", value)


def optimizer(reader: Reader, path: str, value: JsonValue) -> None:
    """The rate of the optimizer that trains here is kept, however fast."""
    named = value.get("type") if isinstance(value, dict) else None
    pace = keep("learning_rate") if isinstance(named, str) and named.lower() in _ADAMS else rate
    used = "AdamW trains, with moments of its own."
    rules: dict[str, Rule] = {
        "type": _type,
        "lr": pace,
        "base_lr": pace,
        "weight_decay": keep("weight_decay"),
        **dict.fromkeys(("momentum", "betas", "eps", "nesterov", "amsgrad", "paramwise_cfg"), change(used)),
        **dict.fromkeys(("optimizer_params", "schedule_type", "schedule_params", "steps", "gamma"), change(SCHEDULE)),
    }
    walk(reader, path, value, rules)


_ADAMS = ("adamw", "adam")


def _type(reader: Reader, path: str, value: JsonValue) -> None:
    if isinstance(value, str) and value.lower() == "adamw":
        reader.set(path, value, "optimizer", "AdamW")
        return
    note = "AdamW trains, whose steps are alike for weights and quantizers."
    sgd = " Set optimizer to SGD to have that." if isinstance(value, str) and value.lower() == "sgd" else ""
    reader.add(path, value, "changed", note + sgd)


SCHEDULE = "The rate rises in the warm-up and falls to 0 along a cosine."
LR_CONFIG: dict[str, Rule] = {
    "warmup_iters": keep("learning_rate_warmup_iters"),
    **dict.fromkeys(
        (
            *("_delete_", "policy", "fixed", "fixed_iters", "fixed_ratio", "warmup", "warmup_ratio", "step", "gamma"),
            *(
                "by_epoch",
                "min_lr",
                "min_lr_ratio",
                "periods",
                "restart_weights",
                "metric",
                "patience",
                "iteration_patience",
            ),
        ),
        change(SCHEDULE),
    ),
}
BEST = "The best epoch is kept, by the loss on images that train nothing."
MULTIPLIER = "Steps of quantizers learn at a rate of their own, 3 times that of the weights."


ADAPTATION = section(
    dict.fromkeys(
        ("num_bn_adaptation_samples", "num_bn_forget_samples"),
        refuse(
            "Batch normalisation is part of the weights before it in the uploaded model, so there is nothing to adapt."
        ),
    )
)
"""Of statistics of batch normalisation."""


# --- training by accuracy

_ABSOLUTE, _RELATIVE = "maximal_absolute_accuracy_degradation", "maximal_relative_accuracy_degradation"


def aware(*, points: float | None, shipped: bool, prunes: bool = False) -> Rule:
    """accuracy_aware_training, whose accepted loss OTX overwrites, and whose epochs are a bound hardly ever met."""

    def degradation(reader: Reader, path: str, value: JsonValue) -> None:
        if points is not None and value != points / 100:
            says = f"OTX's maximal_accuracy_degradation, {points:g} %, overwrites it with {points / 100:g}."
            reader.set(path, value, _ABSOLUTE, points / 100, "changed", says)
        elif isinstance(value, int | float) and not isinstance(value, bool) and value >= 1:
            note = "Metrics are fractions here, so it is taken for percent."
            reader.set(path, value, _ABSOLUTE, value / 100, "changed", note)
        else:
            reader.set(path, value, _ABSOLUTE, value)

    def epochs(reader: Reader, path: str, value: JsonValue) -> None:
        if shipped:
            note = "NNCF ended when little enough was lost, long before. Set epochs to train as long as that."
            reader.add(path, value, "changed", note)
            return
        reader.set(path, value, "epochs", value)

    rules: dict[str, Rule] = {
        _ABSOLUTE: degradation,
        _RELATIVE: keep(_RELATIVE),
        "maximal_total_epochs": epochs,
        **(_adaptive(shipped=shipped) if prunes else dict.fromkeys(_OF_ADAPTIVE, refuse(_NOTHING_TO_ADAPT))),
    }

    def mode(reader: Reader, path: str, value: JsonValue) -> None:
        if value not in ("early_exit", "adaptive_compression_level"):
            raise reader.bad(
                path, f"is {fields.shown(value)}; it must be one of early_exit, adaptive_compression_level"
            )
        if value == "early_exit":
            reader.add(path, value, "kept")
        elif prunes:
            note = "More and more filters are removed while no more is lost than is accepted."
            reader.set(path, value, f"{_LEVEL}enabled", True, "kept", note)
        else:
            reader.add(path, value, "refused", _NOTHING_TO_ADAPT)

    return section({"mode": mode, "params": section(rules)})


# --- how much is removed, found out

_LEVEL = "adaptive_compression_level."
_NOTHING_TO_ADAPT = "There is no rate of compression to adapt: 8 bits are 8 bits."
_OF_ADAPTIVE = (
    *("initial_training_phase_epochs", "initial_compression_rate_step", "patience_epochs"),
    *("compression_rate_step_reduction_factor", "lr_reduction_factor", "minimal_compression_rate_step"),
)


def _adaptive(*, shipped: bool) -> dict[str, Rule]:
    """What a template's own file says of epochs was for trainings of hundreds of them."""
    named = ("initial_compression_rate_step", "compression_rate_step_reduction_factor", "minimal_compression_rate_step")
    longer = "Training here is shorter. Set adaptive_compression_level.patience_epochs to wait as long as that."
    return {
        **{name: keep(f"{_LEVEL}{name}") for name in named},
        "patience_epochs": change(longer) if shipped else keep(f"{_LEVEL}patience_epochs"),
        "initial_training_phase_epochs": change("The first step is trained as long as each other."),
        "lr_reduction_factor": change(SCHEDULE),
    }
