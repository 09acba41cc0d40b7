"""POT's AccuracyAwareQuantization: quantize, then give layers back to float until little enough accuracy is lost.

The rules are POT's: quantize and evaluate; try the mixed preset and other ranges where that is asked for; rank the
groups of layers by what the return of each alone wins; then give them back one after the other, the most harmful
first, until the drop is met.

Known to be otherwise than in POT: there is a bound on the steps; groups are ranked once, so that the time is known
before (POT ranked again whenever the drop grew), and many of them on few images first; groups that win equally much are
ranked by how near the answers come to the original's; what won nothing is quantized again at the end; and the model
that lost least is the one kept, not the last one.

Layers that were chosen on the images that measure the result would flatter it. So they are chosen on a part of these
images, and what is lost on the others, which chose nothing, is said beside.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import openvino as ov

from jobs import events, ignored, nncf_engine, nncf_groups, numbers, titles
from jobs.errors import UnsupportedModel
from jobs.methods import Cost, Evaluation, Method, Optimised, Prepared, Validation, pot_default
from jobs.methods.pot_default import Quantized
from jobs.nncf_groups import Group, Groups
from jobs.spec import DropType, PotAccuracyAware, Preset

_VARIANTS = 3
"""Attempts of `tune_hyperparams`: POT's grid of range estimators and bias corrections, without what is tried anyway."""
_FIRST_LOOK = 50
"""Images on which many groups are ranked before the best of them are on more."""
_NAMED = 12
"""So many layers are named in a note; all of them stand among the settings."""


def apply(prepared: Prepared, options: PotAccuracyAware, emit: events.Emit) -> Optimised:
    """Quantize, and give back what costs too much. Raises what `pot_default` raises."""
    ignored.require(prepared.model, options.ignored)
    if prepared.validation is None:
        quantized = pot_default.quantize(prepared, options, emit, float_weights=True)
        groups = Groups(quantized.model, quantized.aligned)
        return _optimised(quantized, quantized.model, {"groups": str(len(groups))})
    return _Search(prepared, prepared.validation, options, emit).run()


@dataclass(frozen=True)
class Candidate:
    """A model that the search may end with."""

    quantized: Quantized
    model: ov.Model
    """That one, or with layers in float again."""
    evaluation: Evaluation
    drop: float
    given_back: tuple[Group, ...] = ()

    @property
    def layers(self) -> tuple[str, ...]:
        """In float again."""
        return tuple(layer for group in self.given_back for layer in group.layers)

    @property
    def rank(self) -> tuple[float, float]:
        """Less is better: the drop, and where it is the same how far the answers are from the original's."""
        return self.drop, float(self.evaluation.difference.mean())


class _Search:
    """One search: what it measures on, and what it knows so far."""

    def __init__(
        self, prepared: Prepared, validation: Validation, options: PotAccuracyAware, emit: events.Emit
    ) -> None:
        self._prepared, self._validation, self._options = prepared, validation, options
        self._places = validation.part(options.metric_subset_ratio, options.seed)
        self._before = validation.original(self._places, labels=not options.annotation_free)
        if not math.isfinite(self._before.value):  # so few images that none shows what the metric counts
            self._places = tuple(range(validation.size))
            self._before = validation.original(self._places, labels=not options.annotation_free)
        self._trials: list[events.Trial] = []
        self._emit = emit
        self._clock = _Clock(emit)

    def run(self) -> Optimised:
        """Steps as POT takes them, each only as long as the drop is not met."""
        best = self._quantized("Quantized", self._options)
        if not self._met(best) and self._options.convert_to_mixed_preset:
            best = self._mixed(best)
        if not self._met(best) and self._options.tune_hyperparams:
            best = self._tuned(best)
        if not self._met(best):
            groups = Groups(best.model, best.quantized.aligned)
            best = self._without_idle(best, *self._returned(best, groups), groups)
        self._clock.end()
        applied = {
            "given_back": ", ".join(best.layers) or "none",
            "attempts": str(len(self._trials)),
        }
        keys = ignored.keys(self._prepared.model, self._options.ignored)
        made = _optimised(best.quantized, best.model, applied)
        notes = (*made.notes, *self._notes(best))
        return replace(made, config_keys=keys, notes=notes, search=tuple(self._trials))

    def _met(self, candidate: Candidate) -> bool:
        return candidate.drop <= self._options.maximal_drop

    # --- quantizing

    def _quantized(self, what: str, options: PotAccuracyAware) -> Candidate:
        quantized = pot_default.quantize(self._prepared, options, self._clock.calibrating, float_weights=True)
        candidate = self._judged(quantized, quantized.model)
        self._tell(what, candidate, kept=True)
        return candidate

    def _mixed(self, best: Candidate) -> Candidate:
        if self._options.preset is not Preset.PERFORMANCE:
            return best
        mixed = self._options.model_copy(update={"preset": Preset.MIXED})
        return self._better(best, "With the mixed preset", mixed)

    def _tuned(self, best: Candidate) -> Candidate:
        """The attempts build on the better preset, not on one another."""
        base = self._options.model_copy(update={"preset": Preset(best.quantized.applied["preset"])})
        ranges = base.range_estimator.model_copy(update={"preset": "quantile"})
        quantile = base.model_copy(update={"range_estimator": ranges})
        attempts = (
            ("With quantile ranges", quantile),
            ("With the full bias correction", base.model_copy(update={"use_fast_bias": False})),
            ("With both", quantile.model_copy(update={"use_fast_bias": False})),
        )
        for what, options in attempts:
            if options == base or self._met(best):
                continue
            try:
                best = self._better(best, what, options)
            except UnsupportedModel:  # the full bias correction cannot go into branches
                continue
        return best

    def _better(self, best: Candidate, what: str, options: PotAccuracyAware) -> Candidate:
        quantized = pot_default.quantize(self._prepared, options, self._clock.calibrating, float_weights=True)
        candidate = self._judged(quantized, quantized.model)
        kept = candidate.rank < best.rank
        self._tell(what, candidate, kept=kept)
        return candidate if kept else best

    # --- giving back

    def _returned(self, start: Candidate, groups: Groups) -> tuple[Candidate, tuple[Group, ...]]:
        """Groups in turn, those first whose return wins most. Of the models that lose least the one that gives back
        least, and its groups whose return won nothing at the time."""
        steps = min(self._options.max_iter_num, len(groups))
        ranked = self._ranked(start, groups, steps)
        best = current = start
        idle: list[Group] = []
        for step, group in enumerate(ranked[:steps]):
            if self._met(best):
                break
            self._clock.counting("steps", step, steps, each=self._clock.evaluation, then=0)
            model = groups.give_back(current.model, group)
            candidate = self._judged(current.quantized, model, (*current.given_back, group))
            kept = candidate.rank <= current.rank or not self._options.use_prev_if_drop_increase
            self._tell("", candidate, kept=kept, layers=group.layers)
            if kept and candidate.drop >= current.drop:
                idle.append(group)
            current = candidate if kept else current
            best = current if current.drop < best.drop else best
        return best, tuple(group for group in idle if group in best.given_back)

    def _without_idle(self, start: Candidate, best: Candidate, idle: tuple[Group, ...], groups: Groups) -> Candidate:
        """Quantize again what has won nothing, as long as no more is lost: each layer in float costs speed."""
        enough = max(best.drop, self._options.maximal_drop)
        for number, group in enumerate(idle):
            self._clock.counting("groups looked at again", number, len(idle), each=self._clock.evaluation, then=0)
            fewer = tuple(one for one in best.given_back if one is not group)
            model = start.model
            for one in fewer:
                model = groups.give_back(model, one)
            candidate = self._judged(start.quantized, model, fewer)
            kept = candidate.drop <= enough
            self._tell("Quantized again", candidate, kept=kept, layers=group.layers)
            best = candidate if kept else best
        return best

    def _ranked(self, current: Candidate, groups: Groups, steps: int) -> list[Group]:
        """The group first whose return alone makes the model best, on the images that quantization harmed most.

        Of many groups only the best on a few images are looked at on more: the others would never be given back.
        """
        most, then = self._options.ranking_subset_size, steps * self._clock.evaluation
        promising = list(groups)
        if _looks_twice(len(promising), steps, min(most, len(self._places))):
            second = 2 * steps * self._clock.evaluation * min(1.0, most / len(self._places))
            first = self._in_order(promising, current, groups, self._harmed(current, _FIRST_LOOK), then=second + then)
            promising = first[: 2 * steps]
        return self._in_order(promising, current, groups, self._harmed(current, most), then=then)

    def _in_order(
        self, some: Sequence[Group], current: Candidate, groups: Groups, places: Sequence[int], *, then: float
    ) -> list[Group]:
        """By what the return of each makes of the model on these images, the best first."""
        scores: list[tuple[float, float]] = []
        took, begun = self._clock.evaluation * len(places) / len(self._places), time.perf_counter()
        for number, group in enumerate(some):
            self._clock.counting("groups of layers ranked", number, len(some), each=took, then=then)
            model = groups.give_back(current.model, group)
            found = self._validation.evaluate(model, places, labels=not self._options.annotation_free)
            worth = found.value if found.higher_is_better else -found.value
            scores.append((worth, -float(found.difference.mean())))
            took = (time.perf_counter() - begun) / (number + 1)
        order = sorted(range(len(some)), key=lambda number: scores[number], reverse=True)
        return [some[number] for number in order]

    def _harmed(self, current: Candidate, most: int) -> tuple[int, ...]:
        """Places of at most so many images, those that lost most, in order."""
        before, after = self._before.per_image, current.evaluation.per_image
        lost = before - after if self._before.higher_is_better else after - before
        worst = np.lexsort((current.evaluation.difference, lost))[::-1][:most]
        return tuple(self._places[place] for place in sorted(worst.tolist()))

    # --- measuring and telling

    def _judged(self, quantized: Quantized, model: ov.Model, given_back: tuple[Group, ...] = ()) -> Candidate:
        begun = time.perf_counter()
        found = self._validation.evaluate(model, self._places, labels=not self._options.annotation_free)
        self._clock.evaluation = time.perf_counter() - begun
        return Candidate(quantized, model, found, self._drop(self._before, found), given_back)

    def _drop(self, before: Evaluation, after: Evaluation) -> float:
        return after.drop_from(before, relative=self._options.drop_type is DropType.RELATIVE)

    def _tell(self, what: str, candidate: Candidate, *, kept: bool, layers: Sequence[str] = ()) -> None:
        trial = events.Trial(
            number=len(self._trials) + 1,
            what=what,
            layers=tuple(layers)[: events.MAX_LAYERS],
            drop=candidate.drop,
            limit=self._options.maximal_drop,
            relative=self._options.drop_type is DropType.RELATIVE,
            kept=kept,
        )
        self._trials.append(trial)
        self._emit(trial)

    def _notes(self, best: Candidate) -> tuple[str, ...]:
        if self._met(best) and len(self._trials) == 1:
            lost = f"{self._shown(best.drop)} on {numbers.count(len(self._places), 'image')}"
            return (f"Little enough was lost at once ({lost}), so no layer was given back to float.",)
        layers = best.layers
        names = ", ".join(layers[:_NAMED]) + (" and others" if len(layers) > _NAMED else "")
        given_back = f"{numbers.count(len(layers), 'layer')} given back to float: {names}."
        returned = given_back if layers else "No layer was given back to float."
        return (returned, *self._limit(best), self._on_others(best), *self._branches())

    def _limit(self, best: Candidate) -> tuple[str, ...]:
        if self._met(best):
            return ()
        limit = self._shown(self._options.maximal_drop)
        tried = numbers.count(len(self._trials), "attempt")
        return (f"The drop could not be brought down to {limit} in {tried}: the model that lost least is kept.",)

    def _on_others(self, best: Candidate) -> str:
        """What was used for what."""
        chosen = set(self._places)
        others = [place for place in range(self._validation.size) if place not in chosen]
        here = f"{self._shown(best.drop)} on the {numbers.count(len(chosen), 'image')} that the layers were chosen by"
        if not others:
            return f"Lost: {here}. These also measure the result, which flatters it a little."
        labels = not self._options.annotation_free
        before = self._validation.original(others, labels=labels)
        after = self._validation.evaluate(best.model, others, labels=labels)
        drop = self._drop(before, after)
        lost = self._shown(drop) if math.isfinite(drop) else "what cannot be told"
        there = f"{lost} on the {numbers.count(len(others), 'other')}"
        return f"Lost: {here}, {there}, which chose nothing. The result is measured on all of them."

    def _branches(self) -> tuple[str, ...]:
        if not nncf_engine.branching(self._prepared.model):
            return ()
        return ("Layers inside the branches of an If stay quantized: they cannot be given back.",)

    def _shown(self, drop: float) -> str:
        return titles.drop(drop, relative=self._options.drop_type is DropType.RELATIVE)


class _Clock:
    """How far the search is, in time: it counts different things one after the other, of which some may not come."""

    _CALIBRATING = 0.3
    """Of the whole while nothing is known of the rest: a guess that a bar can live with."""

    def __init__(self, emit: events.Emit) -> None:
        self._emit = emit
        self._begun = time.perf_counter()
        self._share = 0.0
        self.evaluation = 0.0
        """Seconds that the last one took."""

    def calibrating(self, event: events.Event) -> None:
        """What quantizing says, as a part of the whole."""
        if isinstance(event, events.Progress):
            inside = event.done / event.total if event.total else 0.0
            event = self._of_all(event, self._CALIBRATING * inside)
        self._emit(event)

    def counting(self, unit: str, done: int, total: int, *, each: float, then: float) -> None:
        """Seconds that each of these takes, and what comes afterwards."""
        spent = time.perf_counter() - self._begun
        left = (total - done) * each + then
        event = events.Progress(done=done, total=total, unit=unit)
        self._emit(self._of_all(event, spent / (spent + left) if left else 1.0))

    def end(self) -> None:
        """Done, whatever was still to come."""
        self._emit(events.Progress(done=1, total=1, unit="search", share=1.0))

    def _of_all(self, event: events.Progress, share: float) -> events.Progress:
        self._share = max(self._share, min(1.0, share))
        return event.model_copy(update={"share": self._share})


def _optimised(quantized: Quantized, model: ov.Model, found: dict[str, str]) -> Optimised:
    model = model.clone()
    nncf_groups.store_weights(model)
    quantizers = sum(op.get_type_name() == "FakeQuantize" for op in ignored.operations(model))
    return Optimised(model, {**quantized.applied, **found, "quantizers": str(quantizers)}, notes=quantized.notes)


def _looks_twice(groups: int, steps: int, images: int) -> bool:
    """Whether most groups are ranked on few images only."""
    return groups > 2 * steps and images > _FIRST_LOOK


def cost(optimised: Optimised, options: PotAccuracyAware, *, calibration: int, validation: int) -> Cost:
    """All that may be tried. A search that meets its limit at once takes the least of it."""
    attempts = 1 + _VARIANTS * options.tune_hyperparams
    attempts += options.convert_to_mixed_preset and options.preset is Preset.PERFORMANCE
    groups = int(optimised.applied["groups"])
    steps = min(options.max_iter_num, groups)
    chosen = max(1, round(options.metric_subset_ratio * validation))
    ranking = min(options.ranking_subset_size, chosen)
    twice = _looks_twice(groups, steps, ranking)
    ranked = groups * _FIRST_LOOK + 2 * steps * ranking if twice else groups * ranking
    return Cost(
        calibrated=2 * calibration * attempts,
        compiled=attempts + groups + 2 * steps * twice + 2 * steps + 1,
        evaluated=(attempts + 2 * steps) * chosen + ranked + validation - chosen,
    )


METHOD = Method(
    name="pot_accuracy_aware",
    title="Accuracy-aware quantization",
    family="POT",
    apply=apply,
    unmatched=pot_default.unmatched,
    cost=cost,
)
