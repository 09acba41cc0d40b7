"""Numbers as people read them, and nothing from a file becomes markup."""

import html
import json
import re
from datetime import UTC, datetime, timedelta
from inspect import signature
from typing import get_type_hints

import gradio as gr
import pytest

from jobs.errors import BadOption
from jobs.findings import Problem
from otx_web.ui import parts

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (parts.percent(0.8049), "80.5 %"),
        (parts.points(-0.001), "\u22120.1 points"),
        (parts.points(0.0), "0.0 points"),
        (parts.points(-0.0001), "0.0 points"),
        (parts.points(0.004), "+0.4 points"),
        (parts.times(1.4), "1.40×"),
        (parts.throughput(5043.2), "5,043 images/s"),
        (parts.throughput(98.71), "98.7 images/s"),
        (parts.milliseconds(0.2781), "0.278 ms"),
        (parts.size(999), "999 bytes"),
        (parts.size(999_600), "1.00 MB"),
        (parts.size(1_074_000), "1.07 MB"),
        (parts.size(3_200_000_000_000), "3,200 GB"),
        (parts.count(1, "image"), "1 image"),
        (parts.count(2000, "image"), "2,000 images"),
        (parts.count(0, "class", "classes"), "0 classes"),
        (parts.millions(272_474), "0.272 M"),
        (parts.millions(640), "640"),
        (parts.duration(0.42), "0.4 s"),
        (parts.duration(59.7), "1 min"),
        (parts.duration(125), "2 min 5 s"),
        (parts.duration(3780), "1 h 3 min"),
    ],
)
def test_number_has_its_unit_and_fitting_digits(shown: str, wanted: str) -> None:
    assert shown.replace(parts.SPACE, " ") == wanted


@pytest.mark.parametrize(("half_width", "digits"), [(3.0, 0), (0.4, 1), (0.05, 2), (0.0, 1), (float("nan"), 1)])
def test_digits_follow_the_interval(half_width: float, digits: int) -> None:
    assert parts.digits_for(half_width) == digits


@pytest.mark.parametrize(
    ("back", "wanted"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(minutes=5), "5 min ago"),
        (timedelta(hours=7), "7 h ago"),
        (timedelta(days=3), "3 days ago"),
        (timedelta(days=-3), "in 3 days"),
        (timedelta(days=60), "2025-11-03"),
    ],
)
def test_ago(back: timedelta, wanted: str) -> None:
    assert f">{wanted}</time>" in parts.ago(NOW - back, NOW).replace(parts.SPACE, " ")


def test_ago_takes_a_moment_without_a_zone_as_utc() -> None:
    assert "5 min ago" in parts.ago(datetime(2026, 1, 2, 11, 55), NOW).replace(parts.SPACE, " ")


def test_everything_from_outside_is_text() -> None:
    evil = "<img src=x onerror=alert(1)>"
    found = [Problem(level="error", where="dataset", message=evil, hint=evil, items=(evil,))]
    page = parts.join(
        [
            parts.card(evil, evil),
            parts.facts([(evil, evil)]),
            parts.table([evil], [[evil]], caption=evil),
            parts.problems(found),
            parts.notice(evil, "bad", evil),
            parts.link(f'"{evil}', evil),
            parts.state(evil),
            parts.empty(evil),
        ]
    )
    assert "<img" not in page
    assert page.count("&lt;img") >= 12


def test_problems_put_what_blocks_first() -> None:
    listed = parts.problems(
        [
            Problem(level="info", where="model", message="third"),
            Problem(level="warning", where="model", message="second"),
            Problem(level="error", where="model", message="first"),
        ]
    )
    assert listed.index("first") < listed.index("second") < listed.index("third")
    assert parts.problems([]) == ""


def test_a_problem_can_bring_settings_to_agree_to() -> None:
    settings = {"ignored.scope": '"a"\n<b>'}
    listed = parts.problems(
        [Problem(level="warning", where="settings", message="Old names.", settings=settings, action="Use these")]
    )
    button = re.search(r'<button[^>]* data-settings="([^"]*)"[^>]*>Use these</button>', listed)
    assert button and json.loads(html.unescape(button[1])) == settings
    assert "<button" not in parts.problems([Problem(level="warning", where="settings", message="None.")])


def test_handler_shows_what_a_person_can_act_on() -> None:
    @parts.handler
    def refuse() -> None:
        raise BadOption("preset <b> is not known.", hint="Use mixed.")

    with pytest.raises(gr.Error) as caught:
        refuse()
    assert caught.value.message == "preset &lt;b&gt; is not known. Use mixed."


@pytest.mark.anyio
async def test_handler_hides_a_bug_and_logs_it(caplog: pytest.LogCaptureFixture) -> None:
    @parts.handler
    async def broken() -> None:
        raise KeyError("/secret/path")

    with pytest.raises(gr.Error) as caught:
        await broken()
    assert "secret" not in caught.value.message
    assert "secret" in caplog.text


def test_handler_leaves_the_request_where_gradio_looks_for_it() -> None:
    def page(services: str, value: int, request: gr.Request) -> None: ...

    bound = parts.handler(page, "services")
    assert list(signature(bound).parameters) == ["value", "request"]
    assert get_type_hints(bound)["request"] is gr.Request
