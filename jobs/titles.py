"""What people call the things that files and addresses call by short names."""

from collections.abc import Mapping

from jobs import numbers
from jobs.events import Trial

TASKS: Mapping[str, str] = {
    "classification": "Classification",
    "detection": "Detection",
    "segmentation": "Semantic segmentation",
    "instance_segmentation": "Instance segmentation",
    "anomaly_classification": "Anomaly classification",
    "anomaly_detection": "Anomaly detection",
    "anomaly_segmentation": "Anomaly segmentation",
}
METHODS: Mapping[str, str] = {
    "pot_default": "POT Default",
    "pot_accuracy_aware": "POT Accuracy-aware",
    "weights": "Weights only",
    "nncf_qat": "NNCF Quantization",
    "nncf_pruning": "NNCF Pruning",
}
WORK: Mapping[str, str] = {
    "pot_default": "Calibrating",
    "pot_accuracy_aware": "Calibrating, and giving layers back",
    "weights": "Compressing weights",
    "nncf_qat": "Training",
    "nncf_pruning": "Pruning and training",
}
"""What a method does, as a stage of its job."""
METRICS: Mapping[str, str] = {
    "accuracy": "Accuracy",
    "top5": "Top-5 accuracy",
    "f1_macro": "Macro F1",
    "auroc": "AUROC",
    "map": "mAP",
    "map50": "mAP at 0.5 IoU",
    "mask_map": "Mask mAP",
    "mask_map50": "Mask mAP at 0.5 IoU",
    "f_measure": "F-measure",
    "miou": "mIoU",
    "iou": "IoU",
    "dice": "Dice",
    "pixel_accuracy": "Pixel accuracy",
    "image_auroc": "Image AUROC",
    "image_f1": "Image F1",
    "pixel_auroc": "Pixel AUROC",
    "pixel_f1": "Pixel F1",
    "box_f1": "Box F1",
    "box_f_measure": "Box F-measure",
    "recall": "Recall",
    "throughput": "Throughput",
    "latency": "Latency",
    "size": "Size",
}
STAGES: Mapping[str, str] = {
    "read": "Reading model and dataset",
    "decode": "Decoding images",
    "before": "Measuring the original",
    "quantize": "Calibrating",
    "after": "Measuring the optimised model",
    "speed": "Comparing speed",
    "save": "Saving",
}
AGREEMENT = "Agreement with the original"
"""What every metric is where the images carry no labels: the original's answers are the truth."""

UNLABELLED = "The images carry no labels: what the original says of them is taken for the truth."


def task(name: str) -> str:
    """Title of a task."""
    return TASKS.get(name) or _plain(name)


def method(name: str) -> str:
    """Title of a method."""
    return METHODS.get(name) or _plain(name)


def metric(name: str, *, labelled: bool = True) -> str:
    """Title of a metric."""
    title = METRICS.get(name) or _plain(name)
    if labelled:
        return title
    return AGREEMENT if name == "accuracy" else f"{AGREEMENT}, {title}"


def stage(name: str) -> str:
    """Title of a stage, where its job's own plan is not at hand."""
    return STAGES.get(name) or _plain(name)


def drop(value: float, *, relative: bool = False) -> str:
    """What a search lost: "1.25 points", or of a relative drop "1.25 %"."""
    return numbers.percent(value, 2) if relative else f"{numbers.number(value * 100, 2)}{numbers.SPACE}points"


def trial(event: Trial, most: int = 12) -> str:
    """What a search tried: its name, or the layers that it gave back."""
    if not event.layers:
        return event.what or "Nothing"
    more = len(event.layers) - most
    names = ", ".join(event.layers[:most]) + (f" and {numbers.count(more)} more" if more > 0 else "")
    return f"{event.what}: {names}" if event.what else f"Given back to float: {names}"


def _plain(name: str) -> str:
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
