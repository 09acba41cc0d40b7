"""Whose configuration file one is, by what it holds: POT's or NNCF's."""

from collections.abc import Mapping

from pydantic import JsonValue

_NNCF_ROOT = frozenset(
    {"order_of_parts", "base", "nncf_config", "accuracy_aware_training", "input_info", "bootstrapNAS"}
)


def is_nncf(data: Mapping[str, JsonValue]) -> bool:
    """NNCF's own, or OTX's `compression_config.json` around it."""
    compression = data.get("compression")
    algorithms = compression if isinstance(compression, list) else [compression]
    return (
        bool(_NNCF_ROOT & data.keys())
        or any(key.startswith("nncf_") for key in data)
        or any(isinstance(one, dict) and "algorithm" in one for one in algorithms)
    )


def is_pot(data: Mapping[str, JsonValue]) -> bool:
    """POT's own, or OTX's `pot_optimization_config.json`."""
    compression = data.get("compression")
    return "algorithms" in data or (isinstance(compression, dict) and "algorithms" in compression)
