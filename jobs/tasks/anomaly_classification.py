"""Anomaly classification: whether an image is normal, and how far from it."""

from jobs import anomaly_task
from jobs.spec import TaskName

TASK = anomaly_task.make(TaskName.ANOMALY_CLASSIFICATION, "Anomaly classification", "image")
