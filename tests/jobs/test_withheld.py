"""How many images train nothing."""

import pytest

from jobs import withheld


@pytest.mark.parametrize(("images", "held"), [(0, 0), (1, 0), (2, 1), (24, 3), (5000, 256)])
def test_an_eighth_judges_but_at_least_one_and_never_very_many(images: int, held: int) -> None:
    assert withheld.count(images) == held
