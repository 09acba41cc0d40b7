"""Takes the pictures of README.md and of the tutorials anew, of real jobs on the sample: a quarter of an hour.

python -m docs.screenshots
"""

import io
import re
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image
from playwright.sync_api import Locator, Page, sync_playwright

from benchmarks.server import serving

_IMAGES = Path(__file__).parent / "images"
_WIDTH, _HEIGHT, _MARGIN = 1280, 900, 16  # pixels
_LOOK_MS, _JOB_MS = 60_000, 1_800_000
_CARD = ".ow-card"


def main() -> None:
    browser_path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with (
        tempfile.TemporaryDirectory() as data,
        serving(Path(data)) as (url, _, _),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT})
        page.set_default_timeout(_LOOK_MS)
        lost = pot(page, url)
        mixed = step(page, lost, "Use the mixed preset")
        aware = step(page, lost, "Give the most sensitive layers back to float")
        take(page, "pot-held", first=page.get_by_role("heading").first, last=page.locator(".ow-notes"))
        compare(page, "pot-compare", lost, mixed, aware)
        trained = nncf(page, url, lost)
        compare(page, "nncf-compare", lost, aware, trained)
        pruned(page, url)
        browser.close()


def pot(page: Page, url: str) -> str:
    """From upload to a verdict; gives the job's address."""
    page.goto(url)
    page.get_by_role("button", name="Try it with the sample").click()
    page.get_by_text("estimated from three images").wait_for()
    top = page.get_by_role("navigation").first
    take(page, "pot-files", first=top, last=card(page, "Sample dataset"))
    take(page, "pot-method", first=card(page, "Method"), last=page.get_by_role("button", name="Start", exact=True))
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_text("Accuracy lost").wait_for(timeout=_JOB_MS)
    take(page, "job", first=top, last=card(page, "Accuracy against throughput"))
    return page.url


def nncf(page: Page, url: str, lost: str) -> str:
    """The advice, the form, the training and its verdict; gives the job's address."""
    page.goto(lost)
    advice = card(page, "What next")
    take(page, "nncf-advice", first=advice, last=advice)
    page.goto(url)
    page.get_by_role("button", name="Try it with the sample").click()
    page.locator("input[value=nncf_qat]").check()
    page.get_by_text(re.compile(r"About \d+\smin")).first.wait_for()
    take(page, "nncf-method", first=card(page, "Method"), last=card(page, "Method"))
    page.goto(lost)
    advise(page, "Train it with NNCF")
    page.get_by_text("Epoch 8").first.wait_for(timeout=_JOB_MS)
    take(page, "nncf-training", first=page.get_by_role("heading").first, last=card(page, "The training"))
    page.get_by_text("Download the INT8 model").wait_for(timeout=_JOB_MS)
    take(page, "nncf-held", first=page.get_by_role("heading").first, last=page.locator(".ow-notes"))
    return page.url


def pruned(page: Page, url: str) -> None:
    """A shorter training, and two fifths of the FLOPs to remove."""
    page.goto(url)
    page.get_by_role("button", name="Try it with the sample").click()
    page.get_by_text("estimated from three images").wait_for()
    given = ("filter_pruning.pruning_flops_target=0.4", "train_images=400", "epochs=10", "quantized_epochs=5")
    settings = urlencode([("method", "nncf_pruning"), *(("set", one) for one in given)])
    page.goto(f"{page.url}&{settings}")
    page.get_by_text("estimated from three images").wait_for()
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_text("Download the INT8 model").wait_for(timeout=_JOB_MS)
    take(page, "nncf-pruned", first=page.get_by_role("heading").first, last=page.locator(".ow-notes"))


def step(page: Page, job: str, title: str) -> str:
    """Follow an advice to its end; gives the new job's address."""
    page.goto(job)
    advise(page, title)
    page.get_by_text("Download the INT8 model").wait_for(timeout=_JOB_MS)
    return page.url


def advise(page: Page, title: str) -> None:
    """Press the button beside it, and wait for the new job's page."""
    before = page.url
    button = page.get_by_role("button", name=f"Start: {title}")
    if not button.is_visible():
        card(page, "What next").locator("summary").click()
    button.click()
    page.wait_for_url(lambda address: address != before)


def compare(page: Page, name: str, *jobs: str) -> None:
    """Jobs side by side."""
    ids = ",".join(job.partition("id=")[2] for job in jobs)
    page.goto(f"{jobs[0].partition('/job')[0]}/compare?ids={ids}")
    chart = page.locator(".ow-pareto").first
    take(page, name, first=page.get_by_role("heading", name="Compare"), last=chart)


def card(page: Page, title: str) -> Locator:
    """The card with this title."""
    return page.locator(_CARD).filter(has=page.get_by_role("heading", name=title)).first


def take(page: Page, name: str, *, first: Locator, last: Locator) -> None:
    """A picture of what lies between two things, as wide as the page."""
    last.wait_for()
    page.set_viewport_size({"width": _WIDTH, "height": page.evaluate("document.documentElement.scrollHeight")})
    top, bottom = first.bounding_box(), last.bounding_box()
    assert top and bottom, f"{name}: what is to be seen is not on the page"
    y = max(0.0, top["y"] - _MARGIN)
    clip = {"x": 0.0, "y": y, "width": float(_WIDTH), "height": bottom["y"] + bottom["height"] + _MARGIN - y}
    picture = Image.open(io.BytesIO(page.screenshot(clip=clip, full_page=True, animations="disabled")))
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(_IMAGES / f"{name}.png", optimize=True)
    page.set_viewport_size({"width": _WIDTH, "height": _HEIGHT})


if __name__ == "__main__":
    main()
