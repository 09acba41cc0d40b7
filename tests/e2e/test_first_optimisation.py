"""From upload to download in a real browser, against the real server and its real workers."""

import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from otx_web import samples
from tests.e2e.conftest import SCREENSHOTS

pytestmark = pytest.mark.e2e
MODEL, DATASET = 0, 1
WHOLE_JOB_MS = 180_000


def bring(page: Page, place: int, files: list[Path]) -> None:
    """Drop files on the model's or the dataset's card."""
    page.locator(".ow-drop input[type=file]").nth(place).set_input_files(files)


def keep(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def start(page: Page) -> None:
    button = page.get_by_role("button", name="Start", exact=True)
    expect(button).to_be_enabled()
    button.click()
    page.wait_for_url(re.compile(r"/job\?id=\w+"))


def fits(page: Page) -> bool:
    """Whether nothing needs sideways scrolling."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def download(page: Page, name: str) -> bytes:
    with page.expect_download() as begun:
        page.get_by_role("link", name=name).first.click()
    return begun.value.path().read_bytes()


def test_upload_becomes_a_smaller_model_to_download(server: str, page: Page) -> None:
    mistakes: list[str] = []
    page.on("pageerror", lambda error: mistakes.append(str(error)))
    sample = samples.paths("classification")
    page.goto(server)
    bring(page, MODEL, list(sample.model))
    expect(page.get_by_text("1×3×64×64 f32")).to_be_visible()
    bring(page, DATASET, [sample.dataset])
    expect(page.get_by_text("10 classes")).to_be_visible()
    expect(page.get_by_text("estimated from three images")).to_be_visible()
    keep(page, "optimise")
    start(page)
    expect(page.get_by_text("Reading model and dataset").first).to_be_visible()
    expect(page.get_by_text("Accuracy lost")).to_be_visible(timeout=WHOLE_JOB_MS)
    keep(page, "job")

    with zipfile.ZipFile(io.BytesIO(download(page, "Download the INT8 model"))) as packed:
        assert packed.namelist() == ["digits_int8.xml", "digits_int8.bin"]
    assert b"<svg" in download(page, "Download the report")
    report = json.loads(download(page, "All numbers"))
    assert report["status"] == "succeeded" and report["before"]["metrics"]["accuracy"] > 0.95
    assert report["speed"]["ratio"] > 1

    page.set_viewport_size({"width": 390, "height": 844})
    assert fits(page)
    keep(page, "job-phone")
    page.reload()
    expect(page.get_by_text("Accuracy lost")).to_be_visible()
    assert mistakes == []


def test_recommended_step_is_compared_with_the_first_run(server: str, page: Page) -> None:
    """After the test before: its job stands in the history."""
    page.goto(f"{server}/jobs")
    page.get_by_role("link", name="digits.xml").first.click()
    step = page.get_by_role("button", name="Start").first
    step.click()
    page.wait_for_function("!document.title.startsWith('digits.xml ·')")
    expect(page.get_by_text("Download the INT8 model")).to_be_visible(timeout=WHOLE_JOB_MS)
    page.goto(f"{server}/jobs")
    for name in ("Select digits.xml", "Select digits.xml · Use the mixed preset"):
        page.get_by_role("checkbox", name=name, exact=True).check()
    keep(page, "jobs")
    page.get_by_role("link", name="Compare").last.click()
    page.wait_for_url(re.compile(r"/compare\?ids="))
    expect(page.get_by_role("heading", name="Compare")).to_be_visible()
    expect(page.get_by_role("img").first).to_be_visible()
    keep(page, "compare")


def test_sample_can_be_cancelled(server: str, page: Page) -> None:
    page.goto(server)
    page.get_by_role("button", name="Try it with the sample").click()
    start(page)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", name="Cancelled")).to_be_visible()
    page.goto(f"{server}/jobs")
    expect(page.locator(".ow-state-cancelled").first).to_be_visible()


def test_anomalies_are_seen_before_and_after(server: str, page: Page) -> None:
    mistakes: list[str] = []
    page.on("pageerror", lambda error: mistakes.append(str(error)))
    page.goto(server)
    page.get_by_label("Task of the sample").select_option("anomaly_detection")
    page.get_by_role("button", name="Try it with the sample").click()
    expect(page.get_by_text("What the original sees on three images")).to_be_visible()
    keep(page, "optimise-anomaly")
    start(page)
    page.get_by_role("tab", name="Pictures").click(timeout=WHOLE_JOB_MS)
    found = page.locator(".ow-gallery g.ow-shape[data-score]:not(.ow-unsure-shape)")
    expect(found).not_to_have_count(0)
    keep(page, "pictures-anomaly")
    page.get_by_label("Show what the models are sure of from").press("End")
    expect(found).to_have_count(0)
    page.get_by_role("tab", name="Accuracy").click()
    expect(page.get_by_role("heading", name="Image scores")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    assert fits(page)
    assert mistakes == []


def test_what_is_no_model_is_refused_with_a_sentence(server: str, page: Page, tmp_path: Path) -> None:
    wrong = tmp_path / "model.onnx"
    wrong.write_text("<html>404 not found</html>")
    page.goto(server)
    bring(page, MODEL, [wrong])
    expect(page.get_by_text("model.onnx").first).to_be_visible()
    expect(page.get_by_text("Blocks the start")).to_be_visible()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_disabled()
    assert "Traceback" not in page.content()
