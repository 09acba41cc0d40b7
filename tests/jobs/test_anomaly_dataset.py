from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobs import layouts, tasks
from jobs.anomaly_dataset import NORMAL
from jobs.errors import BadDataset
from jobs.samples import Dataset
from jobs.spec import TaskName
from tests.jobs import anomalies, datasets

CLASSIFICATION = TaskName.ANOMALY_CLASSIFICATION
SEGMENTATION = TaskName.ANOMALY_SEGMENTATION


def read(root: Path, name: TaskName = SEGMENTATION) -> Dataset:
    return layouts.read(root, tasks.by_name(name))


def splits(dataset: Dataset) -> dict[tuple[str, str], int]:
    """How many images of each split and label."""
    return dict(Counter((one.split, dataset.labels[one.target.kind]) for one in dataset.samples))


def test_mvtec_is_read_with_a_label_for_each_kind_of_defect(tmp_path: Path) -> None:
    found = read(anomalies.dataset(tmp_path))
    assert found.format == "MVTec AD" and found.labels == (NORMAL, "scratch", "spot") and not found.problems
    assert splits(found) == {("train", NORMAL): 12, ("test", NORMAL): 6, ("test", "scratch"): 4, ("test", "spot"): 4}
    by_name = {sample.name: sample.target for sample in found.samples}
    assert [path.name for path in by_name["test/spot/001.png"].masks] == ["001_mask.png"]
    assert by_name["test/good/001.png"].masks == ()


def test_folder_around_and_files_beside_do_not_matter(tmp_path: Path) -> None:
    anomalies.dataset(tmp_path / "wrapped" / "hazelnut")
    datasets.text(tmp_path / "wrapped" / "hazelnut" / "license.txt", "CC")
    datasets.text(tmp_path / "wrapped" / "readme.txt", "hello")
    assert len(read(tmp_path).samples) == 26


@pytest.mark.parametrize(
    "masks", ["ground_truth/{kind}/{name}.png", "masks/{kind}/{name}_mask.bmp", "ground_truth/{kind}/{name}/000.png"]
)
def test_masks_are_found_whatever_they_are_called(tmp_path: Path, masks: str) -> None:
    found = read(anomalies.dataset(tmp_path, masks=masks))
    assert all(one.target.masks for one in found.samples if one.target.kind) and not found.problems


def test_masks_inside_a_split_and_a_public_test_split(tmp_path: Path) -> None:
    content = {"train/good": 6, "validation/good": 2, "test_public/good": 4, "test_public/spot": 4}
    found = read(anomalies.dataset(tmp_path, content, masks="test_public/ground_truth/{kind}/{name}_mask.png"))
    assert splits(found) == {("train", NORMAL): 8, ("test", NORMAL): 4, ("test", "spot"): 4}
    assert all(one.target.masks for one in found.samples if one.target.kind)


def test_plain_folders_need_no_splits(tmp_path: Path) -> None:
    found = read(anomalies.dataset(tmp_path, {"Normal": 9, "spot": 5}, masks=""), CLASSIFICATION)
    assert splits(found) == {("", NORMAL): 9, ("", "spot"): 5} and not found.problems


def test_without_masks_images_can_be_told_apart_and_the_rest_says_what_is_missing(tmp_path: Path) -> None:
    root = anomalies.dataset(tmp_path, masks="")
    assert len(read(root, CLASSIFICATION).samples) == 26
    with pytest.raises(BadDataset, match=r"No anomalous image has a mask") as caught:
        read(root, SEGMENTATION)
    assert "ground_truth" in caught.value.hint and caught.value.where == "test/scratch/000.png"


def test_some_missing_masks_are_told(tmp_path: Path) -> None:
    root = anomalies.dataset(tmp_path)
    (root / "ground_truth/spot/002_mask.png").unlink()
    (problem,) = read(root).problems
    assert "1 anomalous image has no mask" in problem.message and problem.items == ("test/spot/002.png",)


def test_mask_of_another_size_is_told(tmp_path: Path) -> None:
    root = anomalies.dataset(tmp_path)
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(root / "ground_truth/spot/002_mask.png")
    (problem,) = read(root).problems
    assert "another size" in problem.message and problem.items == ("test/spot/002.png",)


def test_broken_mask_is_refused(tmp_path: Path) -> None:
    root = anomalies.dataset(tmp_path)
    (root / "ground_truth/spot/002_mask.png").write_bytes(b"no image")
    with pytest.raises(BadDataset, match=r"1 mask cannot be read: that of test/spot/002.png"):
        read(root)


def test_without_normal_images_says_what_to_do(tmp_path: Path) -> None:
    root = anomalies.dataset(tmp_path, {"test/scratch": 3, "test/spot": 3})
    with pytest.raises(BadDataset, match="no folder of normal images") as caught:
        read(root)
    assert "train/good" in caught.value.hint


def test_several_categories_are_refused(tmp_path: Path) -> None:
    for name in ("bottle", "cable"):
        anomalies.dataset(tmp_path / name)
    with pytest.raises(BadDataset, match=r"several categories \(bottle, cable\)"):
        read(tmp_path)


def test_only_normal_images_have_no_labels(tmp_path: Path) -> None:
    found = read(anomalies.dataset(tmp_path, {"train/good": 6, "test/good": 3}))
    assert not found.labelled and len(found.samples) == 9
    assert "All images are normal" in found.problems[0].message


def test_normal_images_are_held_out_where_only_training_has_some(tmp_path: Path) -> None:
    found = read(anomalies.dataset(tmp_path, {"train/good": 12, "test/spot": 3}))
    assert splits(found) == {("train", NORMAL): 9, ("test", NORMAL): 3, ("test", "spot"): 3}
    assert "3 normal images are held out" in found.problems[0].message


def test_images_alone_have_no_labels(tmp_path: Path) -> None:
    datasets.folders(tmp_path, {"pictures": 4})
    assert not read(tmp_path).labelled
