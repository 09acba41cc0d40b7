"""What came of a job, on one screen: the verdict, before and after, a picture of both, the files, what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup

from jobs import figures, titles
from jobs.report import Artifact, NextStep, Report
from jobs.spec import OPTIONS, Trained
from otx_web.ui import parts
from otx_web.ui.parts import element, join

STEPS_OPEN = 3
NOTES_OPEN = 3


@dataclass(frozen=True)
class Seen:
    """Who looks, and at which job."""

    job_id: str
    owns: bool
    """Whether the visitor may change the job and start others like it."""
    files: bool = True
    """Whether its files are still there."""

    def file(self, path: str) -> str:
        """Address of a file of the job."""
        return f"files/jobs/{self.job_id}/{quote(path)}"


def summary(report: Report, seen: Seen) -> Markup:
    """The first screenful."""
    picture, files = figures.picture(report), downloads(report, seen)
    pair = element("div", *([picture] if picture else []), files, classes="ow-picture-and-files" if picture else None)
    blocks = [figures.figures(report), notes(report), next_steps(report, seen), pair]
    return element("div", *(block for block in blocks if block), classes="ow-stack")


def notes(report: Report) -> Markup:
    """What a person should know before believing the numbers."""
    lines = [element("li", note) for note in figures.notes(report)]
    if not lines:
        return Markup()
    rest = [parts.more(f"{parts.count(len(lines) - NOTES_OPEN)} more", _notes(lines[NOTES_OPEN:]))]
    return element(
        "div",
        element("p", element("b", "Good to know")),
        _notes(lines[:NOTES_OPEN]),
        *(rest if len(lines) > NOTES_OPEN else []),
        classes="ow-notice ow-notes",
    )


def _notes(lines: Sequence[Markup]) -> Markup:
    return element("ul", *lines, classes="ow-list")


# --- the files


def downloads(report: Report, seen: Seen) -> Markup:
    """The model first, then the report, then everything else; each with its size."""
    if not seen.files:
        return parts.notice("The files of this job have been deleted to make room; its numbers are kept.")
    model = next((one for one in report.artifacts if one.path.endswith(".zip")), None)
    page = next((one for one in report.artifacts if one.path.endswith(".html")), None)
    rest = [one for one in report.artifacts if one not in (model, page)]
    buttons = [
        *([_download(model, seen, f"Download the {_precision(report)} model", primary=True)] if model else []),
        *([_download(page, seen, "Download the report")] if page else []),
    ]
    links = [
        *(element("li", _file(seen.file(one.path), one.name), _size_of(one)) for one in rest),
        element("li", _file(seen.file("report.json"), "All numbers (report.json)")),
    ]
    return element(
        "section",
        element("h2", "Take it with you"),
        *buttons,
        element("ul", *links, classes="ow-list ow-files"),
        classes="ow-card ow-downloads",
    )


def _file(address: str, name: str) -> Markup:
    return parts.link(address, name, download="")


def _size_of(one: Artifact) -> Markup:
    return element("span", f" {parts.size(one.size_bytes)}", classes="ow-muted ow-small")


def _precision(report: Report) -> str:
    """INT8 also where some weights stayed in float: what kind of model it is, not what each weight is."""
    told = report.after.precision.removeprefix("mostly ") if report.after else ""
    return told if told.startswith("INT") else "optimised"


def _download(one: Artifact, seen: Seen, word: str, *, primary: bool = False) -> Markup:
    text = join([word, element("span", f" {parts.size(one.size_bytes)}", classes="ow-size")])
    return parts.button_link(seen.file(one.path), text, primary=primary, download="")


# --- what next


def next_steps(report: Report, seen: Seen) -> Markup:
    """The cheapest runs that may win accuracy back or tell whether it held, each with a button that starts it."""
    verdict = report.verdict
    if verdict is None or verdict.accuracy == "held" or not verdict.next:
        return Markup()
    steps = [_step(number, step, seen) for number, step in enumerate(verdict.next)]
    shown = _shown(report.method, verdict.next)
    rest = [step for number, step in enumerate(steps) if number not in shown]
    return element(
        "section",
        element("h2", "What next"),
        _list([steps[number] for number in shown]),
        *([parts.more(f"{len(rest)} more", _list(rest))] if rest else []),
        classes="ow-card ow-next ow-stack",
    )


def _shown(method: str, steps: Sequence[NextStep]) -> list[int]:
    """Places of the first few, and of the training that POT's losses are for: few would look for it behind a click."""
    first = list(range(min(STEPS_OPEN, len(steps))))
    trains = [place for place, step in enumerate(steps) if issubclass(OPTIONS[step.method], Trained)]
    if not trains or trains[0] in first or issubclass(OPTIONS[method], Trained):
        return first
    return [*first[:-1], trains[0]]


def _list(steps: list[Markup]) -> Markup:
    return element("ul", *steps, classes="ow-list ow-steps-next")


def _step(number: int, step: NextStep, seen: Seen) -> Markup:
    seconds = f"about {parts.duration(step.seconds)}" if step.seconds is not None else "as long as this job or longer"
    settings = ", ".join(f"{name} = {value}" for name, value in step.set.items())
    button = element(
        "button",
        "Start",
        type="button",
        classes="ow-button ow-go",
        data_act="step",
        data_number=str(number),
        aria_label=f"Start: {step.title}",
    )
    return element(
        "li",
        element(
            "div",
            element("b", step.title),
            element("p", step.reason),
            element(
                "p",
                join([f"{seconds} · {titles.method(step.method)}", settings], " · " if settings else ""),
                classes="ow-muted ow-small",
            ),
        ),
        *([button] if seen.owns else []),
    )
