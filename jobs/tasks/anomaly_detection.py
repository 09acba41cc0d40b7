"""Anomaly detection: whether an image is normal, and boxes around what is not."""

from jobs import anomaly_task
from jobs.spec import TaskName

TASK = anomaly_task.make(TaskName.ANOMALY_DETECTION, "Anomaly detection", "boxes")
