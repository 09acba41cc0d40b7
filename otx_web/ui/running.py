"""A job that is not done: its place in the queue, its stages with their seconds, the first numbers, what to know."""

from collections.abc import Sequence

from markupsafe import Markup

from jobs import events, tables, titles, training_chart
from otx_web.progress import Progress, Step
from otx_web.ui import parts
from otx_web.ui.parts import Text, element

SIGNS = {"done": "✓", "now": "●", "to_come": "○"}
WORDS = {"done": "done", "now": "now", "to_come": "to come"}
LEVELS: dict[str, parts.Tone] = {"info": "plain", "warning": "unsure", "error": "bad"}
MOST_NOTES = 20
MOST_TRIALS = 25


def queued(ahead: int, workers_ready: bool, owns: bool) -> Markup:
    """Waiting. Only who `owns` the job gets the button that cancels it."""
    if ahead:
        where = f"Waiting. {parts.count(ahead, 'job')} {'is' if ahead == 1 else 'are'} ahead of this one."
    else:
        where = "Next in the queue: it begins when a place is free."
    hint = "" if workers_ready else "The engines are still being loaded, which takes a few seconds after the start."
    return element("div", parts.working(where), _hint(hint), *cancel(owns), classes="ow-card ow-stack")


def running(progress: Progress, owns: bool) -> Markup:
    """Where it is, and what it has measured so far."""
    head = element(
        "div",
        element("p", f"{progress.percent}{parts.SPACE}%", classes="ow-big"),
        element("p", _left(progress), classes="ow-muted"),
        *_stop(progress, owns),
        *cancel(owns),
        classes="ow-run-head",
    )
    share = f"width:{100 * progress.fraction:.1f}%"
    bar = element(
        "span",
        element("span", style=share),
        classes="ow-bar ow-thick",
        role="progressbar",
        aria_label="The whole job",
        aria_valuenow=str(progress.percent),
        aria_valuemin="0",
        aria_valuemax="100",
    )
    # Read aloud when it changes, which is once a stage and not every second.
    stage = element("p", progress.title, classes="ow-unseen", role="status")
    begun = [steps(progress)] if progress.steps else [parts.working("Starting")]
    left = element("section", head, stage, bar, *begun, classes="ow-card ow-stack")
    return element("div", left, element("div", *_beside(progress), classes="ow-stack"), classes="ow-two")


def _left(progress: Progress) -> str:
    if progress.seconds_left is None:
        return "How long it will take is not known yet"
    if progress.seconds_left < 1.5:
        return "almost done"
    return f"about {parts.duration(max(2.0, round(progress.seconds_left)))} left"


def _hint(text: str) -> Text:
    return element("p", text, classes="ow-hint") if text else ""


def cancel(owns: bool) -> list[Markup]:
    """The button, for the owner."""
    if not owns:
        return []
    return [element("button", "Cancel", type="button", classes="ow-button ow-danger", data_act="cancel")]


def _stop(progress: Progress, owns: bool) -> list[Markup]:
    """The button that ends a training and goes on with the best model so far, for the owner."""
    if not (owns and progress.trains):
        return []
    if progress.stopping:
        return [element("p", "Stopping, and keeping the best", classes="ow-muted", role="status")]
    return [element("button", "Stop and keep the best", type="button", classes="ow-button", data_act="stop")]


def ended(progress: Progress, state: str) -> Markup:
    """How far a job came that failed or was cancelled, and what it had measured by then."""
    if not progress.steps:
        return Markup()
    far = parts.card("How far it came", steps(progress, state))
    found = [parts.card("Measured by then", measured(progress.metrics))] if progress.metrics else []
    found += [*search(progress.trials), *training(progress)]
    beside = [element("div", *found, *notes(progress.notes), classes="ow-stack")] if found or progress.notes else []
    return element("div", far, *beside, classes="ow-two")


def steps(progress: Progress, state: str = "running") -> Markup:
    """All stages in their order."""
    return element("ol", *(_step(step, progress, state) for step in progress.steps), classes="ow-steps")


def _step(step: Step, progress: Progress, state: str) -> Markup:
    stopped = step.state == "now" and state != "running"
    sign = element("i", "✕" if stopped else SIGNS[step.state], aria_hidden="true")
    word = f" ({state})" if stopped else f" ({WORDS[step.state]})"
    title = element("span", step.title, element("span", word, classes="ow-unseen"))
    far = ""
    if step.state == "now" and progress.total:
        far = f"{parts.number(progress.done)} of {parts.count(progress.total)} {progress.unit}"
    seconds = parts.duration(step.seconds) if step.seconds is not None else ""
    return element(
        "li",
        sign,
        title,
        element("span", far, classes="ow-muted ow-far"),
        element("span", seconds, classes="ow-muted ow-seconds"),
        classes="ow-step-stopped" if stopped else f"ow-step-{step.state.replace('_', '-')}",
        aria_current="step" if step.state == "now" else None,
    )


def _beside(progress: Progress) -> list[Markup]:
    first = parts.card("Measured so far", measured(progress.metrics))
    return [first, *search(progress.trials), *training(progress), *notes(progress.notes)]


def search(found: Sequence[events.Trial]) -> list[Markup]:
    """What a search has tried, the latest first, and how far it is from where it wants to be."""
    if not found:
        return []
    best = min((trial.drop for trial in found if trial.kept), default=found[0].drop)
    last = found[-1]
    far = element(
        "p",
        "Lost at best: ",
        element("b", titles.drop(best, relative=last.relative)),
        f". The limit is {titles.drop(last.limit, relative=last.relative)}",
        role="status",
    )
    return [parts.card("The search", far, tables.search(found[: -MOST_TRIALS - 1 : -1]))]


def training(progress: Progress) -> list[Markup]:
    """How a training goes, epoch by epoch."""
    if not progress.epochs:
        return []
    metric = progress.metrics[0].name if progress.metrics else ""
    return [parts.card("The training", training_chart.chart(progress.epochs, metric))]


def measured(found: Sequence[events.Metric]) -> Markup:
    """The first numbers, each as it comes."""
    if not found:
        return element("p", "The first numbers appear here as soon as they are measured.", classes="ow-muted")
    table: dict[str, dict[str, events.Metric]] = {}
    for metric in found:
        table.setdefault(metric.name, {})[metric.which] = metric
    rows = [
        [titles.metric(name), *(_value(which.get(when)) for when in ("before", "after"))]
        for name, which in table.items()
    ]
    return parts.table(["", "Original", "Optimised"], rows, classes="ow-compact")


def _value(metric: events.Metric | None) -> Text:
    if metric is None:
        return parts.NOTHING
    return value(metric.value, metric.unit)


def value(number: float, unit: str) -> str:
    """A number by its unit; without one it is a fraction."""
    match unit:
        case "":
            return parts.percent(number)
        case "images/s":
            return parts.throughput(number)
        case "ms":
            return parts.milliseconds(number)
        case "bytes":
            return parts.size(number)
    return f"{parts.significant(number)}{parts.SPACE}{unit}"


def notes(found: Sequence[events.Note]) -> list[Markup]:
    """What a person should know, the last ones."""
    return [parts.notice(note.message, LEVELS[note.level], note.hint) for note in found[-MOST_NOTES:]]
