"""What is around every page: the header with its navigation and status, the footer, the addresses."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import gradio as gr
from markupsafe import Markup

from otx_web.services import Services
from otx_web.ui import compare, job, jobs, library, machine, optimise, parts

STATUS_SECONDS = 4.0


@dataclass(frozen=True)
class Page:
    """A page: its name, its address, what fills it, and whether the navigation shows it."""

    title: str
    path: str
    build: Callable[[Services], None]
    in_navigation: bool = True


PAGES = (
    Page("Optimise", "", optimise.build),
    Page("Jobs", "jobs", jobs.build),
    Page("Compare", "compare", compare.build),
    Page("Library", "library", library.build),
    Page("Job", "job", job.build, in_navigation=False),
)


def build(services: Services) -> gr.Blocks:
    """All pages. Mount them with `theme.appearance()`."""
    demo = gr.Blocks(title="OTX Web", analytics_enabled=False, fill_width=True)
    for page in PAGES:
        with demo.route(page.title, page.path, show_in_navbar=False) if page.path else demo:
            _page(services, page)
    return demo


def _page(services: Services, page: Page) -> None:
    title = f"OTX Web: {page.title}" if page.path else "OTX Web"
    gr.on(fn=None, js=f"() => {{ document.title = '{title}'; }}", **parts.LIGHT)
    with gr.Row(elem_classes="ow-header", equal_height=True):
        gr.HTML(_navigation(page), elem_classes="ow-brand-box")
        status = gr.HTML(status_line(services), elem_classes="ow-status-box")
    with gr.Column(elem_classes=f"ow-page ow-page-{page.title.lower()}"):
        page.build(services)
    gr.HTML(_footer(services), elem_classes="ow-footer-box")
    timer = gr.Timer(STATUS_SECONDS)
    refresh = parts.handler(_refresh, services)
    gr.on(fn=refresh, inputs=status, outputs=status, **parts.LIGHT)  # what stands there is from when the app started
    timer.tick(refresh, inputs=status, outputs=status, **parts.LIGHT)


def _navigation(page: Page) -> Markup:
    links = [
        parts.link(
            other.path or "./",
            other.title,
            classes="ow-here" if other is page else "",
            aria_current="page" if other is page else None,
        )
        for other in PAGES
        if other.in_navigation
    ]
    brand = parts.link("./", parts.join(["OTX", parts.element("b", "Web")], " "), classes="ow-brand")
    return brand + parts.element("nav", *links, aria_label="Pages")


def _refresh(services: Services, shown: str) -> Any:
    line = status_line(services)
    return gr.skip() if line == shown else line


def status_line(services: Services) -> Markup:
    """What runs and waits, and what this machine can do with INT8."""
    here = machine.this()
    running, queued = services.store.count_active()
    busy = f"{running} running · {queued} queued" if running or queued else "Nothing running"
    int8 = f"INT8 ✓ {here.int8}" if here.int8 else "no fast INT8"
    hint = (
        "This CPU multiplies INT8 faster than float."
        if here.int8
        else "This CPU has no INT8 dot-product instructions: expect a smaller model, but little speed-up."
    )
    return parts.element(
        "p",
        parts.element("span", busy, classes="ow-busy"),
        parts.element("span", f"{here.cpu}, {parts.count(here.cores, 'core')}"),
        parts.element("span", int8, classes="" if here.int8 else "ow-unsure-text", title=hint),
        classes="ow-status",
    )


def _footer(services: Services) -> Markup:
    return parts.element("footer", f"OTX Web {_version()}", classes="ow-footer")


def _version() -> str:
    try:
        return version("otx-web")
    except PackageNotFoundError:
        return ""
