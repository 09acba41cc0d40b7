"""The three anomaly tasks, which differ in whether an anomaly is looked for in images, boxes or pixels."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from jobs import anomaly, anomaly_head, anomaly_histograms, anomaly_scores, anomaly_thresholds, separable
from jobs.anomaly_dataset import Defect
from jobs.anomaly_scores import How
from jobs.spec import CalibrateOn, TaskName
from jobs.tasks import Task, Thresholds

_MEANT: Mapping[How, str] = {"image": "classification", "boxes": "detection", "pixels": "segmentation"}
"""What OTX's exports call it."""


def make(name: TaskName, title: str, how: How) -> Task:
    """The task of this name."""
    localises = how != "image"
    return Task(
        name=name,
        title=title,
        formats=("mvtec",),
        metrics=anomaly_scores.metrics(how),
        fits=partial(anomaly.fits, task=_MEANT[how]),
        target=lambda item: None,
        bind=partial(anomaly.bind, localises=localises),
        truth=partial(anomaly.truth, localises=localises),
        agreement=partial(anomaly.agreement, how=how),
        score=partial(anomaly_scores.score, how=how),
        compare=anomaly_scores.compare,
        describe=anomaly.describe,
        describe_truth=anomaly.describe_truth,
        marks=partial(anomaly.marks, how=how),
        truth_marks=partial(anomaly.truth_marks, how=how),
        target_marks=partial(anomaly.target_marks, how=how),
        chance=lambda bound: anomaly_scores.CHANCE[how],
        difference=anomaly.difference,
        prepared=anomaly.prepared,
        may_calibrate=_may_calibrate,
        thresholds=Thresholds(
            settle=anomaly_thresholds.settle,
            refit=anomaly_thresholds.refit,
            matched=anomaly_thresholds.matched,
            compared=anomaly_thresholds.compared,
            histograms=partial(anomaly_histograms.histograms, how=how),
            head=anomaly_head.names,
            lighten=separable.lighten,
        ),
    )


def _may_calibrate(target: Any, wanted: CalibrateOn) -> bool:
    """An image of which nothing is known may."""
    return not isinstance(target, Defect) or target.normal == (wanted == CalibrateOn.NORMAL)
