"""What a running job says of itself: one JSON line an event in `events.jsonl`, append only."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from jobs.frozen import Frozen

FILE_NAME = "events.jsonl"
MAX_LINE = 64 * 1024  # bytes; a longer line is not ours
MAX_READ = 4 * 1024 * 1024  # bytes at once; hours of events, and no more than a reader can bear
MAX_LAYERS = 100
"""Of one trial."""
MAX_ALL = 32 * 1024 * 1024  # bytes of one job
_MOST = 1 << 53  # larger whole numbers are no floats any more, with which readers reckon


class _Event(Frozen):
    at: float = Field(default_factory=time.time, description="seconds since the epoch")


class Stage(_Event):
    """A new piece of work begins; the one before it is done."""

    type: Literal["stage"] = "stage"
    name: str = Field(description="one of the names of the Plan, e.g. calibrate")


class Plan(_Event):
    """All stages to come, in order: the first event of a job."""

    type: Literal["plan"] = "plan"
    stages: tuple[tuple[str, str], ...] = Field(description="(name, title) pairs, e.g. (calibrate, Calibrating)")


class Progress(_Event):
    """How far the current stage is."""

    type: Literal["progress"] = "progress"
    done: int = Field(ge=0, le=_MOST)
    total: int = Field(ge=0, le=_MOST, description="0 when it cannot be known")
    unit: str = "images"
    share: float | None = Field(
        default=None, ge=0, le=1, description="of the whole stage, where only a part of it is counted"
    )
    aside: bool = Field(default=False, description="counts work in between, which is no share of the stage")


class Metric(_Event):
    """A number as soon as it is measured, shown before the report exists."""

    type: Literal["metric"] = "metric"
    which: Literal["before", "after"]
    name: str
    value: float
    unit: str = ""


class Trial(_Event):
    """A model that a search made, and what is lost with it."""

    type: Literal["trial"] = "trial"
    number: int = Field(ge=1, le=_MOST)
    what: str = Field(default="", description="what was done, where no layers were given back")
    layers: tuple[str, ...] = Field(default=(), max_length=MAX_LAYERS, description="given back to float in this step")
    drop: float = Field(
        allow_inf_nan=False, description="of the primary metric: a fraction, below 0 when there is a gain"
    )
    limit: float = Field(allow_inf_nan=False, description="the drop that the search wants to come down to")
    relative: bool = Field(default=False, description="whether both are shares of what the original reaches")
    kept: bool = Field(description="whether the search went on from this model")


class Epoch(_Event):
    """What came of an epoch of training. Number 0 is the model before it.

    Without a loss, it is the model before another training: made smaller or quantized since the epoch of that number.
    """

    type: Literal["epoch"] = "epoch"
    number: int = Field(ge=0, le=_MOST)
    total: int = Field(ge=1, le=_MOST, description="epochs at most")
    loss: float | None = Field(default=None, allow_inf_nan=False, description="on the images that train")
    held_out: float = Field(allow_inf_nan=False, description="the same on images that train nothing")
    metric: float | None = Field(default=None, allow_inf_nan=False, description="the primary one, on some images")
    original: float | None = Field(default=None, allow_inf_nan=False, description="what the original reaches on them")
    best: bool = Field(description="whether it is the best so far, by the loss held out")


class Note(_Event):
    """Something a person should know."""

    type: Literal["note"] = "note"
    level: Literal["info", "warning", "error"] = "info"
    message: str
    hint: str = ""


AnyEvent = Plan | Stage | Progress | Metric | Trial | Epoch | Note
Event = Annotated[AnyEvent, Field(discriminator="type")]
Emit = Callable[[AnyEvent], None]

_adapter: TypeAdapter[AnyEvent] = TypeAdapter(Event)


def append(job_dir: Path, event: AnyEvent) -> None:
    """Add one line. Lines under 4 KB written with O_APPEND do not mix with another writer's."""
    with (job_dir / FILE_NAME).open("ab", buffering=0) as file:
        file.write(event.model_dump_json().encode() + b"\n")


def read(job_dir: Path, offset: int = 0) -> tuple[list[AnyEvent], int]:
    """Events from byte `offset` on, and the offset to go on from.

    A line still being written is left for the next call; a line that does not fit the schema, or is longer than all
    that is read at once, is dropped, since a worker is not trusted.
    """
    path = job_dir / FILE_NAME
    if path.is_symlink() or not path.is_file():  # a link or a pipe is not ours either
        return [], 0
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(MAX_READ)
    whole, _, _ = data.rpartition(b"\n")
    if not whole and len(data) == MAX_READ:
        return [], offset + len(data)
    events = []
    for line in whole.splitlines():
        if len(line) > MAX_LINE:
            continue
        try:
            events.append(_adapter.validate_python(json.loads(line)))
        except (ValidationError, ValueError, RecursionError):
            continue
    return events, offset + len(whole) + bool(whole)


def read_all(job_dir: Path) -> list[AnyEvent]:
    """All events so far, up to a size that no honest job reaches."""
    found, offset, end = [], 0, -1
    while offset != end and offset < MAX_ALL:
        end = offset
        more, offset = read(job_dir, offset)
        found += more
    return found
