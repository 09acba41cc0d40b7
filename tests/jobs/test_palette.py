"""Colours of classes: the same everywhere, and told apart."""

from jobs import palette


def test_label_has_one_colour_by_its_place() -> None:
    found = palette.numbers(("cat", "dog", "cat"), ("zebra", "dog", "ant"))
    assert found == {"cat": 0, "dog": 1, "ant": 2, "zebra": 3}


def test_three_times_seven_colours_are_all_different() -> None:
    count = 3 * len(palette.COLOURS)
    assert len({palette.colour(number) for number in range(count)}) == count
    assert [palette.turn(number) for number in (0, 6, 7, 14, 21)] == [0, 0, 1, 2, 0]
    assert palette.colour(21) == palette.colour(0)
    assert palette.hexadecimal(palette.colour(0)) == "#d55e00"


def test_heat_begins_with_nothing_and_darkens() -> None:
    steps = palette.heat()
    assert len(steps) == 256 and steps[0][3] == 0 and steps[-1][3] == 255
    light = [0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue, _ in steps]
    assert light == sorted(light, reverse=True)
    assert all(0 <= value <= 255 for step in steps for value in step)
