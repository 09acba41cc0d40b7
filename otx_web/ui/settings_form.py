"""The part of the Optimise page that says what is to be done: task, template, method and all their settings."""

import json
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from jobs import templates, titles
from jobs.findings import ModelFindings
from jobs.report import ConfigKey
from jobs.spec import TaskName
from otx_web.forms import Form
from otx_web.ui import fields, parts
from otx_web.ui.draft import Draft

METHODS: Mapping[str, tuple[str, str, str]] = {
    "pot_default": (
        "POT",
        "Default",
        "No labels, no training, about a minute. Start here: most models keep their accuracy.",
    ),
    "pot_accuracy_aware": (
        "POT",
        "Accuracy-aware",
        "The layers that cost most accuracy are given back to float, until little is lost. Minutes; you watch it.",
    ),
    "weights": (
        "Weights only",
        "INT8 or INT4 weights",
        "A quarter of the size or less with hardly any loss, but no faster. No images calibrate.",
    ),
}
"""Family, name and advice of each method, in the order in which they are offered."""
TASKS: Mapping[TaskName, str] = {
    TaskName.CLASSIFICATION: "Which class an image is of, or which classes.",
    TaskName.DETECTION: "Where objects are: a box each.",
    TaskName.SEGMENTATION: "Which class each pixel is of.",
    TaskName.INSTANCE_SEGMENTATION: "Where objects are: an outline each.",
    TaskName.ANOMALY_CLASSIFICATION: "Whether an image is out of the ordinary.",
    TaskName.ANOMALY_DETECTION: "Where it is out of the ordinary: boxes.",
    TaskName.ANOMALY_SEGMENTATION: "Where it is out of the ordinary: pixels.",
}
"""What a model of each answers."""
FIRST = ("maximal_drop", "mode", "preset", "stat_subset_size", "max_drop", "validation_images", "max_iter_num")
