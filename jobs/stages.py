"""The stages of a job as its reader sees them: what is being done, how far it is, how long each took."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs import events

_QUIET_SECONDS = 0.1  # between two signs of progress: a reader looks a few times a second

logger = logging.getLogger(__name__)


class Stages:
    """Writes the plan, then a stage after the other, into the events of a job directory."""

    def __init__(self, job_dir: Path, plan: tuple[tuple[str, str], ...]) -> None:
        """`plan` holds (name, title) pairs in their order."""
        self._job_dir = job_dir
        self._titles = dict(plan)
        self._began = time.perf_counter()
        self._spoke = 0.0
        self.seconds: dict[str, float] = {}
        self.current = ""
        """Title of the stage that runs, or in which the job failed."""
        events.append(job_dir, events.Plan(stages=plan))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Do a stage inside; its seconds count when it ends well."""
        self.current = self._titles[name]
        self._spoke = 0.0
        logger.info("%s", self.current)
        events.append(self._job_dir, events.Stage(name=name))
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start
        logger.info("%s took %.2f s", self.current, self.seconds[name])

    def emit(self, event: events.Event) -> None:
        """Write an event; of signs of progress only as many as somebody can see, but always the last."""
        if isinstance(event, events.Progress):
            now = time.perf_counter()
            if now - self._spoke < _QUIET_SECONDS and event.done < event.total:
                return
            self._spoke = now
        if isinstance(event, events.Note):
            logger.info("%s", f"{event.message} {event.hint}".strip())
        events.append(self._job_dir, event)

    def progress(self, done: int, total: int, unit: str = "images") -> None:
        """How far the current stage is."""
        self.emit(events.Progress(done=done, total=total, unit=unit))

    def total(self) -> dict[str, float]:
        """Seconds a stage, and those of the whole under `total`."""
        return {**self.seconds, "total": time.perf_counter() - self._began}
