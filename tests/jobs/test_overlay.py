"""What is drawn over an image stands where it should, is told in words, and is text."""

import re

from markupsafe import Markup

from jobs import overlay
from jobs.report import Shape, View
from tests.otx_web.made import EVIL

IMAGE = Markup('<img src="a.png" alt="a">')
BOX = Shape(label="cat", score=0.87, box=(0.1, 0.2, 0.5, 1.2))
OUTLINE = Shape(label="dog", outline=((0, 0, 1, 0, 0.5, 0.5), (0.2, 0.2, 0.3, 0.3, 0.2, 0.3)))
COLOURS = {"cat": 0, "dog": 8}


def drawn(*shapes: Shape, **how: object) -> str:
    return overlay.drawn(IMAGE, View(shapes=shapes), COLOURS, **how)  # type: ignore[arg-type]


def test_box_and_outline_are_lines_in_shares_of_the_image() -> None:
    page = drawn(BOX, OUTLINE)
    assert 'viewBox="0 0 1 1"' in page
    assert page.count('d="M0.1 0.2H0.5V1H0.1Z"') == 2, "the line, and the dark one below it; never beyond the image"
    assert 'd="M0 0L1 0L0.5 0.5Z M0.2 0.2L0.3 0.3L0.2 0.3Z"' in page
    assert "--ow-colour:#d55e00" in page
    assert "ow-turn-1 ow-filled" in page, "a class beyond the seventh has dashes as well"


def test_shapes_have_their_words() -> None:
    page = drawn(BOX, OUTLINE).replace("\u00a0", " ")
    assert "<title>cat 87 %</title>" in page and ">cat 87 %</span>" in page and ">dog</span>" in page
    assert "</span>" not in drawn(BOX, words=False)


def test_unsure_shapes_are_there_and_hidden() -> None:
    page = drawn(BOX, OUTLINE, least=0.9)
    assert page.count("ow-unsure-shape") == 2, "lines and words of the cat"
    assert page.count('data-score="0.8700"') == 2
    assert "ow-unsure-shape" not in drawn(BOX, least=0.87)


def test_only_the_surest_of_very_many_are_drawn_and_named() -> None:
    many = tuple(Shape(label="cat", score=n / 200, box=(n % 5 / 5, n % 11 / 11, 1, 1)) for n in range(200))
    page = drawn(*many)
    assert page.count("<g ") == overlay.MOST and page.count("</span>") == overlay.NAMED
    assert 'data-score="0.9950"' in page and 'data-score="0.0050"' not in page


def test_words_do_not_lie_on_those_of_surer_shapes() -> None:
    near = Shape(label="dog", score=0.5, box=(0.12, 0.21, 0.5, 0.5))
    page = drawn(near, BOX).replace("\u00a0", " ")
    assert page.count("</span>") == 1 and ">cat 87 %</span>" in page


def test_words_stay_on_the_image() -> None:
    for box in ((0, 0, 1, 1), (0.9, 0.9, 1, 1), (0.5, 0, 0.6, 0.1), (-2, -2, 3, 3)):
        style = re.search(r'<span[^>]* style="([^"]*)"', drawn(Shape(label="x", box=box)))
        assert style
        places = [float(found) for found in re.findall(r"(?:left|right|top|bottom|max-width):([\d.-]+)%", style[1])]
        assert len(places) == 3 and all(0 <= place <= 100 for place in places)


def test_shape_of_nothing_draws_nothing_wrong() -> None:
    assert 'd=""' in drawn(Shape(label="x")) and 'd=""' in drawn(Shape(label="x", outline=((),)))


def test_layer_lies_over_the_image() -> None:
    page = overlay.drawn(IMAGE, View(layer="a/b.png"), {}, layer="files/a/b.png")
    assert page.index("a.png") < page.index('class="ow-layer" src="files/a/b.png" alt=""')


def test_labels_are_text() -> None:
    evil = Shape(label=EVIL, score=0.5, box=(0, 0, 1, 1))
    page = overlay.drawn(IMAGE, View(shapes=(evil,)), {EVIL: 0}, layer=f'"{EVIL}')
    assert "<img src=x" not in page + overlay.legend({EVIL: 0}, [EVIL])


def test_legend_names_what_is_used_in_the_order_of_the_labels() -> None:
    found = overlay.legend({"cat": 0, "dog": 1, "owl": 2}, ["owl", "cat", "unknown"])
    assert found.index("cat") < found.index("owl") and "dog" not in found and "unknown" not in found
    masks = overlay.legend({"Background": 0, "dog": 1}, ["Background", "dog"], filled=True)
    assert "dog" in masks and "Background" not in masks, "masks leave it clear"
    many = {f"class {number}": number for number in range(40)}
    assert "and 16 more" in overlay.legend(many, many) and overlay.legend(many, many).count("<i ") == overlay.IN_LEGEND
    assert not overlay.legend({"cat": 0}, [])


def test_view_in_words() -> None:
    said = overlay.in_words(View(shapes=(OUTLINE, BOX)), 0.0).replace("\u00a0", " ")
    assert said == "dog, cat 87 %"
    assert overlay.in_words(View(shapes=(OUTLINE, BOX)), 0.9) == "dog"
    assert overlay.in_words(View(shapes=(BOX,) * 12), 0.0).endswith("and 2 more")
