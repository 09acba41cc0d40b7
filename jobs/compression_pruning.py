"""The algorithms of NNCF's configuration files that remove filters or set weights to 0, translated key by key.

Where a file says no target it means NNCF's, which is not the one here. Lengths in epochs are for trainings of a hundred
of them and more; where they are longer than the training they are scaled to half of it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import JsonValue

from jobs import fields
from jobs.compression_scopes import scopes, targets
from jobs.compression_training import ADAPTATION, MULTIPLIER
from jobs.spec import NncfPruning
from jobs.translation import Reader, Row, Rule, change, keep, only, refuse, section, walk

NAMES = ("filter_pruning", "magnitude_sparsity", "rb_sparsity")
"""What can run, one at a time."""
CONST = (
    "Weights that are 0 may become others while training. To keep the zeros of a sparse model, choose the method NNCF"
    " Pruning with magnitude_sparsity, whose sparsity_init and sparsity_target are both the share of zeros that the"
    " model has: its smallest weights then stay 0."
)
"""What is said of const_sparsity."""
_FILTERS, _ZEROS = "filter_pruning.", "sparsity."
_FLOPS, _SHARE = f"{_FILTERS}pruning_flops_target", f"{_FILTERS}pruning_target"
_TARGET_EPOCH, _FREEZE_EPOCH = f"{_ZEROS}sparsity_target_epoch", f"{_ZEROS}sparsity_freeze_epoch"
_STEPS, _LEVELS = f"{_ZEROS}multistep_steps", f"{_ZEROS}multistep_sparsity_levels"
_OF_FILTERS = (f"{_FILTERS}num_init_steps", f"{_FILTERS}pruning_steps")
"""Lengths in epochs, one after the other."""
_RISING = (_TARGET_EPOCH, _STEPS)
_OF_ZEROS = (*_RISING, _FREEZE_EPOCH)
"""Lengths in epochs, each from the start: until the share is reached, and from when on zeros stay."""
_EPOCHS = NncfPruning.model_fields["epochs"].default
_FROZEN_AFTER = 0.9
"""In NNCF, the share of zeros is reached in epoch 90, and they are frozen in epoch 100."""
_NOTHING: Mapping[str, Any] = {}
_RANKING = "Filters are compared as they are; how much each layer's count for is not learned."


def _share_of_filters(reader: Reader, path: str, value: JsonValue) -> None:
    """Alone, it is the target: none of FLOPs is one then."""
    reader.set(path, value, _SHARE, value, also={_FLOPS: None})


def _numbers(name: str) -> Rule:
    """A list of numbers, which settings hold as texts."""

    def rule(reader: Reader, path: str, value: JsonValue) -> None:
        found = value if isinstance(value, list) else None
        if found is None or not all(isinstance(one, int | float) and not isinstance(one, bool) for one in found):
            raise reader.bad(path, f"is {fields.shown(value)}; it must be a list of numbers")
        reader.set(path, value, name, [str(one) for one in found])

    return rule


def _common(group: str, left: str) -> dict[str, Rule]:
    """What all of them have."""
    return {
        "ignored_scopes": scopes(f"{group}ignored_scopes", "ignored.strict"),
        "target_scopes": targets(f"{group}ignored_scopes", left, "ignored.strict"),
        "validate_scopes": keep("ignored.strict"),
        "compression_lr_multiplier": change(MULTIPLIER),
    }


_PRUNING: dict[str, Rule] = {
    **_common(_FILTERS, "No filter is removed from what is called otherwise."),
    "initializer": section({"batchnorm_adaptation": ADAPTATION}),
    "pruning_init": keep(f"{_FILTERS}pruning_init"),
    "params": section(
        {
            "pruning_target": _share_of_filters,
            **{
                name: keep(f"{_FILTERS}{name}")
                for name in (
                    *("pruning_flops_target", "pruning_init", "schedule", "num_init_steps", "pruning_steps"),
                    *("filter_importance", "all_weights", "prune_first_conv", "prune_downsample_convs"),
                )
            },
            "interlayer_ranking_type": only("unweighted_ranking", _RANKING),
            "legr_params": refuse(_RANKING),
            **dict.fromkeys(
                ("save_ranking_coeffs_path", "load_ranking_coeffs_path"),
                refuse(f"{_RANKING} So there are no coefficients."),
            ),
            "prune_batch_norms": only(
                True, "Batch normalisation goes with the filters before it, of which it is part."
            ),
        }
    ),
}


def _sparsity(importance: Rule) -> dict[str, Rule]:
    kept = (
        *("sparsity_init", "sparsity_target", "sparsity_target_epoch", "sparsity_freeze_epoch", "schedule"),
        *("update_per_optimizer_step", "patience", "power", "concave", "sparsity_level_setting_mode"),
    )
    return {
        **_common(_ZEROS, "No weight becomes 0 in what is called otherwise."),
        "initializer": section({"batchnorm_adaptation": ADAPTATION}),
        "sparsity_init": keep(f"{_ZEROS}sparsity_init"),
        "params": section(
            {
                **{name: keep(f"{_ZEROS}{name}") for name in kept},
                "multistep_steps": _numbers(_STEPS),
                "multistep_sparsity_levels": _numbers(_LEVELS),
                "steps_per_epoch": change("The steps of an epoch are counted."),
                "weight_importance": importance,
            }
        ),
    }


_RULES: Mapping[str, dict[str, Rule]] = {
    "filter_pruning": _PRUNING,
    "magnitude_sparsity": _sparsity(keep(f"{_ZEROS}weight_importance")),
    "rb_sparsity": _sparsity(refuse("Training finds out which weights count.")),
}


def algorithm(reader: Reader, path: str, value: dict[str, JsonValue], *, quantized: bool) -> None:
    """One of them. `quantized` says whether the file quantizes, too. Raises BadConfig and BadOption."""
    name = str(value["algorithm"])

    def chosen(reader: Reader, path: str, value: JsonValue) -> None:
        note = "" if quantized else "The file asks for no quantization, so none follows."
        reader.set(path, value, "algorithm", value, note=note, also={"enable_quantization": quantized})

    walk(reader, path, value, _RULES[name] | {"algorithm": chosen})
    _unsaid(reader, f"{path}.params", name, value)


def _unsaid(reader: Reader, path: str, name: str, algorithm: Mapping[str, JsonValue]) -> None:
    """What NNCF did where a file did not say."""
    inner = algorithm.get("params")
    params = inner if isinstance(inner, dict) else {}

    def default(key: str, parameter: str, used: Any, also: Mapping[str, Any] = _NOTHING) -> None:
        note = "Not said; this is NNCF's default."
        if params.get(key) is None:
            reader.set(f"{path}.{key}", None, parameter, used, "changed", note, also)

    if name == "filter_pruning":
        if params.get("pruning_target") and params.get("pruning_flops_target"):
            hint = "Keep pruning_flops_target for a share of the computation, or pruning_target for one of the filters."
            raise reader.bad(path, "has two targets, pruning_target and pruning_flops_target", hint)
        if not params.get("pruning_flops_target"):
            default("pruning_target", _SHARE, 0.5, {_FLOPS: None})
        return
    if name == "rb_sparsity":
        default("schedule", f"{_ZEROS}schedule", "exponential")
    if params.get("schedule") == "multistep":
        default("multistep_steps", _STEPS, ["90"])
        default("multistep_sparsity_levels", _LEVELS, ["0.1", "0.5"])


# --- lengths in epochs


def fit(reader: Reader, without: str) -> None:
    """Scale what is longer than the training to half of it. Rows of the section `without` stay as they are."""
    _end(reader, _rows(reader, without))
    rows = _rows(reader, without)
    epochs = next((row.used for row in reversed(reader.rows) if row.parameter == "epochs"), _EPOCHS)
    at_once = any(row.parameter == f"{_FILTERS}schedule" and row.used == "baseline" for row in rows)
    of_filters = _OF_FILTERS[:1] if at_once else _OF_FILTERS
    lengths = {row.parameter: _last(row.used) for row in rows if row.parameter in (*of_filters, *_OF_ZEROS)}
    longest = max(sum(lengths.get(one, 0) for one in of_filters), *(lengths.get(one, 0) for one in _RISING))
    share = epochs / 2 / longest if longest > epochs else 1.0
    reader.rows = [
        _scaled(row, share, epochs) if row in rows and row.parameter in lengths else row for row in reader.rows
    ]


def _rows(reader: Reader, without: str) -> list[Row]:
    return [row for row in reader.rows if row.path.split(".")[0] != without]


def _end(reader: Reader, rows: list[Row]) -> None:
    """Of two spans of which one is said, the other: in NNCF's proportion."""
    said = {row.parameter: row for row in rows}
    rises, frozen = said.get(_STEPS) or said.get(_TARGET_EPOCH), said.get(_FREEZE_EPOCH)
    one = rises or frozen
    if one is None or (rises and frozen):
        return
    parameter, share = (_FREEZE_EPOCH, 1 / _FROZEN_AFTER) if rises else (_TARGET_EPOCH, _FROZEN_AFTER)
    path = f"{one.path.rpartition('.')[0]}.{parameter.removeprefix(_ZEROS)}"
    note = "Not said; in the proportion of NNCF's defaults, 90 and 100."
    reader.set(path, None, parameter, max(1, round(_last(one.used) * share)), "changed", note)


def _last(used: Any) -> int:
    return max((int(float(one)) for one in used), default=0) if isinstance(used, tuple) else int(used)


def _scaled(row: Row, share: float, epochs: int) -> Row:
    used = _times(row, share, epochs)
    if used == row.used:
        return row
    shown = ", ".join(used) if isinstance(used, tuple) else used
    note = f"Training has {epochs} epochs, so this comes to {shown}"
    note += ": half of them are left for what remains to recover." if share < 1 else "."
    return replace(row, fate="changed", used=used, note=note)


def _times(row: Row, share: float, epochs: int) -> Any:
    """What it sets, for a training of so many epochs."""
    if isinstance(row.used, tuple):
        if share == 1:
            return row.used
        steps = tuple(str(max(1, round(float(one) * share))) for one in row.used)
        # Steps that have come too near to each other follow one another instead.
        return steps if len({*steps}) == len(steps) else tuple(str(number) for number in range(1, len(steps) + 1))
    least = 0 if row.parameter == _OF_FILTERS[0] else 1
    return min(epochs, max(least, round(row.used * share)))
