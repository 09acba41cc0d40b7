"""The layouts a dataset can have, each read into samples: one folder a class, annotations, or images alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from jobs import anomaly_dataset, class_folders, coco, cvat, images, imported, label_codes, mask_files, tree, voc, yolo
from jobs.errors import UnknownDataset
from jobs.findings import Problem
from jobs.samples import Dataset, Sample, are, count, split_above
from jobs.tasks import Task

_FOLDERS = "class_folders"


@dataclass(frozen=True)
class Format:
    """A way to write annotations down."""

    title: str
    sign: Callable[[Path], bool]
    """Whether a dataset has what one of this format always has. Nothing may be run or unpickled."""
    read: Callable[[Path, Task], Dataset]
    """Raises BadDataset."""


def _of_datumaro(title: str, name: str, sign: Callable[[Path], bool]) -> Format:
    return Format(title, sign, partial(imported.read, name=name, title=title))


def _with_masks(title: str, sign: Callable[[Path], bool], **more: Any) -> Format:
    return Format(title, sign, partial(mask_files.read, title=title, **more))


FORMATS: Mapping[str, Format] = {
    "mvtec": Format("MVTec AD", anomaly_dataset.sign, anomaly_dataset.read),
    "datumaro": _of_datumaro("Datumaro", "datumaro", imported.has_datumaro),
    "coco_labels": Format("COCO", coco.has_labels, coco.read_labels),
    "coco_instances": Format("COCO", coco.has_objects, coco.read_objects),
    "voc_instances": _of_datumaro("Pascal VOC", "voc_instance_segmentation", imported.has_voc_instances),
    "voc_detection": Format("Pascal VOC", voc.has_objects, voc.read),
    "cvat": Format("CVAT", cvat.has_objects, cvat.read),
    "yolo": Format("YOLO", yolo.has_labels, yolo.read),
    "imagenet_txt": _of_datumaro("ImageNet with a text file", "imagenet_txt", imported.has_imagenet_txt),
    "roboflow_multiclass": _of_datumaro("Roboflow multi-class", "roboflow_multiclass", imported.has_roboflow_table),
    "cityscapes": _with_masks("Cityscapes", mask_files.is_cityscapes, codes=label_codes.CITYSCAPES),
    "voc_segmentation": _with_masks("Pascal VOC", mask_files.is_voc, codes=label_codes.VOC, whole_pictures=True),
    "common_semantic_segmentation": _with_masks(
        "Common Semantic Segmentation", partial(mask_files.has_file, name="dataset_meta.json")
    ),
    "roboflow_masks": _with_masks("Roboflow masks", partial(mask_files.has_file, name="_classes.csv")),
    "camvid": _with_masks("CamVid", mask_files.is_camvid),
    "masks": _with_masks("Images and masks", mask_files.has_masks),
    "voc_classification": _of_datumaro("Pascal VOC", "voc_classification", imported.has_voc_classes),
}
"""By the names that tasks use. The allow-list: some of Datumaro's importers unpickle."""


def read(root: Path, task: Task) -> Dataset:
    """The dataset in `root`, by the first of the task's formats that fits. Raises UnknownDataset and BadDataset."""
    root = tree.inner(root)
    for name in task.formats:
        if name in FORMATS and FORMATS[name].sign(root):
            return FORMATS[name].read(root, task)
    inner = tree.inner(root, whatever_else=True)
    if _FOLDERS in task.formats and (found := class_folders.read(inner)) is not None:
        return found
    if (found := _loose_images(inner, task)) is not None:
        return found
    raise UnknownDataset(
        f"No known dataset layout was found, and no images ({_seen(root)}).",
        hint=f"{_simplest(task)} A folder of images alone works too. Images may be {images.KINDS} files.",
    )


def _seen(root: Path) -> str:
    """What there is instead."""
    files = tree.files_under(root)
    endings = sorted({path.suffix.lower() or path.name for path in files})
    return f"{count(len(files), 'file')}: {', '.join(endings[:5])}" if files else "it is empty"


def _simplest(task: Task) -> str:
    """What to upload, in a sentence."""
    if _FOLDERS in task.formats:
        return "The simplest layout is one folder a class with its images inside."
    return f"Upload images with their annotations as {_titles(task)}."


def _titles(task: Task) -> str:
    """The formats of a task, as a list in words."""
    *most, last = dict.fromkeys(FORMATS[name].title for name in task.formats if name in FORMATS)
    return f"{', '.join(most)} or {last}" if most else last


def _loose_images(root: Path, task: Task) -> Dataset | None:
    """Images without labels, split or not."""
    found = tree.images_under(root)
    if not found:
        return None
    folders = "put the images of each class in a folder named after it, two classes or more"
    problem = Problem(
        level="info",
        where="dataset",
        message="The images have no labels, so accuracy is how often the optimised model agrees with the original.",
        hint=f"For real accuracy, {folders if _FOLDERS in task.formats else f'add annotations as {_titles(task)}'}.",
    )
    problems = [problem]
    if others := tree.saying_files(root):
        unknown = Problem(
            level="warning",
            where="dataset",
            message=f"{count(len(others), 'file')} beside the images {are(len(others))} in no annotation format that is"
            " known here, and not used.",
            hint=f"Known for {task.title.lower()} are {_titles(task)}.",
            items=tuple(tree.relative(path, root) for path in others[:100]),
        )
        problems.append(unknown)
    samples = tuple(Sample(tree.relative(path, root), path, split_above(path.relative_to(root))) for path in found)
    return Dataset("Images without labels", (), samples, tuple(problems))
