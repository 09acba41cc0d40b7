"""How far a job is, read from its events: what is done, what is being done, how much is left."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from jobs import events, stopping

SHARE_UNKNOWN = 1.0  # every stage weighs the same while no job of this kind has been timed


@dataclass(frozen=True)
class Step:
    """One stage. `seconds` is how long it took, or has taken so far; None when it has not begun."""

    name: str
    title: str
    state: Literal["done", "now", "to_come"]
    seconds: float | None = None


@dataclass(frozen=True)
class Progress:
    """A running (or ended) job. Fractions are 0 to 1; `seconds_left` is None when it cannot be told."""

    steps: tuple[Step, ...] = ()
    title: str = ""
    """Of the current stage."""
    done: int = 0
    total: int = 0
    """In the current stage; 0 when it cannot be known."""
    unit: str = ""
    fraction: float = 0.0
    seconds_left: float | None = None
    metrics: tuple[events.Metric, ...] = ()
    notes: tuple[events.Note, ...] = field(default=())
    trials: tuple[events.Trial, ...] = ()
    """Of a search, in their order."""
    epochs: tuple[events.Epoch, ...] = ()
    """Of a training, the model before it first."""
    stopping: bool = False
    """Whether a person has asked to end the training with the best so far."""

    @property
    def trains(self) -> bool:
        """Whether it trains now, so that it can be ended with the best so far."""
        return bool(self.epochs) and any(step.name == "quantize" and step.state == "now" for step in self.steps)

    @property
    def percent(self) -> int:
        """Of the whole job."""
        return int(self.fraction * 100)

    @property
    def stage(self) -> str:
        """Title of the current stage, else of the last one."""
        return self.title


def read(job_dir: Path, *, earlier: Sequence[dict[str, float]] = (), now: float | None = None) -> Progress:
    """Read all events. `earlier` are the seconds a stage of previous jobs of the same kind."""
    found = events.read_all(job_dir)
    progress = of(found, earlier=earlier, now=time.time() if now is None else now)
    return replace(progress, stopping=stopping.asked(job_dir))


def of(found: Sequence[events.Event], *, earlier: Sequence[dict[str, float]], now: float) -> Progress:
    """The events, told as a page needs them."""
    plan = next((event for event in found if isinstance(event, events.Plan)), None)
    if plan is None:
        return Progress(notes=tuple(event for event in found if isinstance(event, events.Note)))
    steps = _steps(plan, [event for event in found if isinstance(event, events.Stage)], now)
    current = next((step for step in steps if step.state == "now"), None)
    last = _last_progress(found)
    counted = _last_progress([event for event in found if not (isinstance(event, events.Progress) and event.aside)])
    share = _share(counted) if counted else 0.0
    usual = _usual([step.name for step in steps], earlier)
    fraction, left = _left(steps, share, usual)
    return Progress(
        steps=steps,
        title=current.title if current else "",
        done=last.done if last else 0,
        total=last.total if last else 0,
        unit=last.unit if last else "",
        fraction=fraction,
        seconds_left=left,
        metrics=tuple(event for event in found if isinstance(event, events.Metric)),
        notes=tuple(event for event in found if isinstance(event, events.Note)),
        trials=tuple(event for event in found if isinstance(event, events.Trial)),
        epochs=tuple(event for event in found if isinstance(event, events.Epoch)),
    )


def _share(last: events.Progress) -> float:
    """How much of the stage is done: what it says itself, where it counts only a part."""
    if last.share is not None:
        return last.share
    return min(1.0, last.done / last.total) if last.total else 0.0


def _steps(plan: events.Plan, begun: Sequence[events.Stage], now: float) -> tuple[Step, ...]:
    """A stage ends where the next one begins. Stages that were skipped are done, without seconds."""
    ends = [*(stage.at for stage in begun[1:]), now]
    seconds: dict[str, float] = {}
    for stage, end in zip(begun, ends, strict=False):
        seconds[stage.name] = seconds.get(stage.name, 0.0) + max(0.0, end - stage.at)
    current = begun[-1].name if begun else None
    names = [name for name, _ in plan.stages]
    reached = max((names.index(name) for name in seconds if name in names), default=-1)
    steps = []
    for place, (name, title) in enumerate(plan.stages):
        done = name in seconds or place < reached
        steps.append(Step(name, title, "now" if name == current else "done" if done else "to_come", seconds.get(name)))
    return tuple(steps)


def _last_progress(found: Sequence[events.Event]) -> events.Progress | None:
    """The latest of the current stage."""
    for event in reversed(found):
        if isinstance(event, events.Progress):
            return event
        if isinstance(event, events.Stage):
            return None
    return None


def _usual(names: Sequence[str], earlier: Sequence[dict[str, float]]) -> dict[str, float]:
    """Seconds each stage usually takes: the mean of previous jobs; empty when none was timed."""
    timed = [seconds for seconds in earlier if any(name in seconds for name in names)]
    return {name: sum(max(0.0, one.get(name, 0.0)) for one in timed) / len(timed) for name in names} if timed else {}


def _left(steps: Sequence[Step], share: float, usual: dict[str, float]) -> tuple[float, float | None]:
    """The fraction done, and the seconds left: by the current stage's own rate, and previous jobs for the rest."""
    weights = {step.name: usual.get(step.name, SHARE_UNKNOWN) for step in steps}
    whole = sum(weights.values()) or 1.0
    current = next((step for step in steps if step.state == "now"), None)
    done = sum(weights[step.name] for step in steps if step.state == "done")
    if current is None:
        return min(1.0, done / whole), None
    spent = current.seconds or 0.0
    expected = weights[current.name]
    inside = share or (min(0.95, spent / expected) if usual and expected else 0.0)
    fraction = min(0.99, (done + inside * expected) / whole)
    here = spent / share - spent if share else max(0.0, expected - spent)
    rest = sum(weights[step.name] for step in steps if step.state == "to_come")
    if usual:
        return fraction, here + rest
    return fraction, here if share and not rest else None
