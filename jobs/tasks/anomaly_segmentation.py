"""Anomaly segmentation: whether an image is normal, and which of its pixels are not."""

from jobs import anomaly_task
from jobs.spec import TaskName

TASK = anomaly_task.make(TaskName.ANOMALY_SEGMENTATION, "Anomaly segmentation", "pixels")
