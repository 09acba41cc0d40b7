"""Beside Start: what is missing or wrong, what a trial on three images told, and what the original says of them."""

from collections.abc import Sequence

from markupsafe import Markup

from jobs import gallery, overlay, palette
from jobs.findings import Findings
from jobs.report import Picture, View
from otx_web.services import Services
from otx_web.ui import fields, parts
from otx_web.ui.look import NAMES, Look

ESTIMATE = "estimated from three images"


def note(look: Look) -> Markup:
    """What is missing or stops it; while nothing does, that it is about to be tried."""
    missing = [NAMES[kind] for kind, upload in look.uploads.items() if upload is None]
    if missing:
        return parts.element("p", f"Choose a {' and a '.join(missing)} first.", classes="ow-muted")
    if look.blocking:
        named = [parts.element("li", problem.message) for problem in look.blocking]
        return parts.notice("It cannot start like this; above stands what to do.", "bad", parts.element("ul", *named))
    if look.messages:
        said = parts.element("ul", *(_mistake(name, look) for name in look.messages))
        return parts.notice("Change this first:", "bad", said)
    if not look.ready:
        return parts.element("p", "Wait until both have been looked into.", classes="ow-muted")
    return parts.working("Trying it on three images…", counts=True)


def _mistake(name: str, look: Look) -> Markup:
    """What is wrong with a setting, as a way to it."""
    known = (*look.form.of_method, *look.form.of_model, *look.form.of_job)
    one = next((one for one in known if one.name == name), None)
    text = fields.message(one, look.messages) if one else look.messages[name]
    button = parts.element("button", text, type="button", classes="ow-quiet", data_field=fields.control_id(name))
    return parts.element("li", button)


def tried(services: Services, found: Findings) -> Markup:
    """What the trial told: problems, or time and memory."""
    if found.blocked:
        return parts.join(
            [parts.element("p", "It would fail, as it did on three images:"), parts.problems(found.problems)]
        )
    costs = []
    if found.seconds_estimate is not None:
        costs.append(f"About {_roughly(found.seconds_estimate)}")
    if found.memory_estimate_bytes is not None:
        costs.append(f"{parts.size(float(f'{found.memory_estimate_bytes:.1e}'))} of memory")
    line = parts.element("p", ", ".join([*costs, ESTIMATE]) + "." + _queue(services)) if costs else Markup()
    notes = [problem for problem in found.problems if problem.level == "info"]
    folded = [parts.more(f"{parts.count(len(notes), 'note')} on it", parts.problems(notes))] if notes else []
    warnings = parts.problems(problem for problem in found.problems if problem.level == "warning")
    return parts.join([line, warnings, *folded])


def _roughly(seconds: float) -> str:
    """As exact as an estimate is: "7 s", "45 s", "2 min 10 s"."""
    step = 1 if seconds < 20 else 5 if seconds < 60 else 10 if seconds < 600 else 60
    whole = max(1, round(seconds / step) * step)
    return parts.duration(whole) if whole >= 10 else f"{whole}{parts.SPACE}s"


def _queue(services: Services) -> str:
    running, queued = services.store.count_active()
    ahead = running + queued
    return f" {parts.count(ahead, 'job')} before it." if ahead >= services.settings.workers else ""


# --- what the original says


def pictures(drawn: Sequence[Picture], look: Look, folder: str) -> Markup:
    """Three images with what the original sees on them, so that a wrong setting is seen before the run.

    `folder` is the address of the trial's files.
    """
    if not drawn:
        return Markup()
    views = [one.before_view for one in drawn]
    colours = palette.numbers(look.labels, overlay.labels(views))
    least = gallery.least(drawn)
    return parts.element(
        "section",
        parts.element("h2", "What the original sees on three images"),
        parts.element(
            "p",
            "Is that right? If not, change how the model is read and fed, in its settings above.",
            classes="ow-help",
        ),
        parts.element("div", *(_picture(one, colours, least, folder) for one in drawn), classes="ow-panes ow-tried"),
        gallery.legend(look.task, views, colours, look.labels) if any(view.layer for view in views) else "",
        classes="ow-card",
    )


def _picture(one: Picture, colours: dict[str, int], least: float, folder: str) -> Markup:
    view: View = one.before_view
    image = Markup('<img src="{}" alt="{}">').format(f"{folder}/{one.file}", one.name)
    layer = f"{folder}/{view.layer}" if view.layer else ""
    truth = [parts.element("p", f"Annotation: {one.truth}", classes="ow-small ow-muted")] if one.truth else []
    return parts.element(
        "div",
        overlay.drawn(image, view, colours, layer=layer, least=least),
        parts.element("p", one.before, classes="ow-small"),
        *truth,
    )
