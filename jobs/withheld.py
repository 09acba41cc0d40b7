"""Images that a training keeps for judging itself, so that no other code guesses how many they are."""

_ONE_OF = 8
"""One image of so many trains nothing."""
_MOST = 256


def count(images: int) -> int:
    """How many of so many train nothing: at least one, unless there is only one."""
    return min(_MOST, max(1, images // _ONE_OF)) if images > 1 else 0
