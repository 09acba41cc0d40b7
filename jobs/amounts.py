"""What a model has and computes, before and after, in words: parameters, FLOPs, and weights that are 0."""

from dataclasses import dataclass

from jobs import numbers
from jobs.report import Report

_REMOVES = "nncf_pruning"
"""The method that takes filters away. What others win by writing an operation otherwise has a note of its own."""
_LESS = 1.02
"""Before over after from which on there is less: quantizers bring a few parameters of their own."""
_ZEROS = 0.1
"""Share of the weights by which zeros grow where they are made. Rounding to INT8 makes a few hundredths."""


@dataclass(frozen=True)
class Amount:
    """A row of a table: something before, after, and how they differ."""

    name: str
    before: str
    after: str
    change: str = ""
    """Empty where it hardly differs."""

    @property
    def said(self) -> str:
        """ "1.18 G → 0.83 G" """
        return f"{self.before} → {self.after}"


def changed(report: Report) -> tuple[Amount, ...]:
    """Those that differ."""
    found = (parameters(report), flops(report), zeros(report))
    return tuple(one for one in found if one is not None and one.change)


def parameters(report: Report) -> Amount | None:
    """Numbers that the model holds."""
    if report.before is None or report.after is None:
        return None
    before, after = report.before.parameters, report.after.parameters
    return Amount("Parameters", numbers.millions(before), numbers.millions(after), _change(report, before, after))


def flops(report: Report) -> Amount | None:
    """Operations for one image; None where they are not known."""
    if report.before is None or report.after is None or not report.before.flops or not report.after.flops:
        return None
    before, after = report.before.flops, report.after.flops
    return Amount("FLOPs an image", numbers.flops(before), numbers.flops(after), _change(report, before, after))


def zeros(report: Report) -> Amount | None:
    """Share of the weights that are 0; None where it is not known."""
    before, after = (one.zeros if one else None for one in (report.before, report.after))
    if before is None or after is None:
        return None
    change = numbers.points(after - before, 0) if after - before >= _ZEROS else ""
    return Amount("Weights that are 0", numbers.percent(before, 0), numbers.percent(after, 0), change)


def _change(report: Report, before: int, after: int) -> str:
    return fewer(before, after) if report.method == _REMOVES else ""


def fewer(before: int, after: int) -> str:
    """ "1.43× fewer"; empty where it is hardly so."""
    return f"{numbers.times(before / after)} fewer" if after and before / after >= _LESS else ""
