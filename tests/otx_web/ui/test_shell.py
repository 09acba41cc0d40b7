"""All pages stand in one frame."""

import pytest

from otx_web.services import Services
from otx_web.ui import shell, theme


@pytest.mark.anyio  # Gradio makes a loop of its own, and leaves it open, where none runs
async def test_every_page_has_its_address(house: Services) -> None:
    demo = shell.build(house)
    assert {path for path, _, _ in demo.pages} == {"", *(page.path for page in shell.PAGES)}


@pytest.mark.anyio
async def test_no_handler_is_public(house: Services) -> None:
    demo = shell.build(house)
    assert {function.api_visibility for function in demo.fns.values()} == {"private"}


def test_status_says_what_runs(house: Services) -> None:
    assert "Nothing running" in shell.status_line(house)


def test_navigation_marks_where_one_is(house: Services) -> None:
    here = next(page for page in shell.PAGES if page.path == "library")
    marked = shell._navigation(here)
    assert marked.count("aria-current") == 1
    assert 'href="library" aria-current="page"' in marked


def test_look_needs_no_other_host() -> None:
    style = theme.STYLE.read_text(encoding="utf-8") + theme.theme()._get_theme_css()
    for loads in ("@import", "@font-face", "url('http", 'url("http', "url(http", "url(//"):
        assert loads not in style
