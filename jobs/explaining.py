"""Outputs that models give besides their answer, to explain it: OTX's exports and Geti's have them."""

_NAMES = ("saliency_map", "feature_vector")


def is_one(name: str) -> bool:
    """Whether an output of this name explains only."""
    return any(one in name for one in _NAMES)
