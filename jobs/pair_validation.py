"""The images that measure accuracy, for a method that must know what a model is worth while it makes one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openvino as ov

from jobs import measure
from jobs.data import Decoded
from jobs.division import in_proportion
from jobs.methods import Evaluation
from jobs.pair import Pair
from jobs.predictions import Chosen, Prediction
from jobs.tasks import Bound, Scores


@dataclass(frozen=True)
class PairValidation:
    """`jobs.methods.Validation` for any task: built on how the task scores predictions."""

    pair: Pair
    images: Decoded
    before: Sequence[Prediction]
    """What the original says of them."""
    device: str
    scratch: Path
    _truths: dict[tuple[tuple[int, ...], bool], Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def size(self) -> int:
        """How many images there are."""
        return len(self.images.samples)

    def part(self, share: float, seed: int) -> tuple[int, ...]:
        """Places of a share of them, of every label its part; at least one, in order."""
        most = max(1, round(share * self.size))
        names = {sample.name for sample in in_proportion(self.images.samples, most, seed)}
        return tuple(place for place, sample in enumerate(self.images.samples) if sample.name in names)

    def original(self, places: Sequence[int], *, labels: bool) -> Evaluation:
        """What the float model is worth. Asks it nothing: that is known."""
        return self._evaluation(Chosen(self.before, places), places, labels, self.pair.bound)

    def evaluate(
        self,
        model: ov.Model,
        places: Sequence[int],
        *,
        labels: bool,
        progress: Callable[[int], None] = lambda done: None,
    ) -> Evaluation:
        """What a model is worth that a method made of the float model, as it runs on the job's device."""
        compiled = measure.compile_for(self.pair.entry.embed(model), self.device, "throughput")
        found = measure.predictions(compiled, self.images, self.pair.bound, self.scratch, progress, places=places)
        thresholds, bound = self.pair.task.thresholds, self.pair.bound
        if thresholds is not None:  # those of the original would judge where scores moved to, not what they tell apart
            bound = thresholds.matched(bound, Chosen(self.before, places), found)
        return self._evaluation(found, places, labels, bound)

    def _evaluation(self, found: Sequence[Prediction], places: Sequence[int], labels: bool, bound: Bound) -> Evaluation:
        task = self.pair.task
        scores: Scores = task.score(found, self._truth(tuple(places), labels and self.pair.labelled), bound)
        primary = task.metrics[0]
        return Evaluation(
            value=scores.metrics[primary.name],
            per_image=scores.per_image,
            difference=task.difference(Chosen(self.before, places), found, bound),
            higher_is_better=primary.higher_is_better,
        )

    def _truth(self, places: tuple[int, ...], labels: bool) -> Any:
        """Of the labels or of the original's answers: the same for every model that is evaluated."""
        task, bound = self.pair.task, self.pair.bound
        if (places, labels) not in self._truths:
            samples = [self.images.samples[place] for place in places]
            known = task.truth(samples, bound) if labels else task.agreement(Chosen(self.before, places), bound)
            self._truths[places, labels] = known
        return self._truths[places, labels]
