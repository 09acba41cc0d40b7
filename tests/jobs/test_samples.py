"""Names of splits as people write them, and what else they are."""

from pathlib import PurePosixPath

import pytest

from jobs.samples import left_out, split_above, split_named


@pytest.mark.parametrize(
    ("names", "split"),
    [
        ("train training Train TRAIN trn train_set trainset train-set train2017 train_images images_train", "train"),
        ("val valid validation Validation val_set valset dev eval val2017 instances_val2017 validation_data", "val"),
        ("test testing Test tst test_set testset test-images test2017 instances_test", "test"),
        ("cat training_shoes traindriver contest valley latest dataset images set _ 2017 testify", ""),
    ],
)
def test_split_is_known_by_its_name(names: str, split: str) -> None:
    assert {name: split_named(name) for name in names.split()} == dict.fromkeys(names.split(), split)


def test_split_may_stand_anywhere_above() -> None:
    assert split_above(PurePosixPath("images/train2017/a.png")) == "train"
    assert split_above(PurePosixPath("val/test/a.png")) == "val"
    assert split_above(PurePosixPath("images/train.png")) == ""


def test_what_is_left_out_is_counted_and_listed() -> None:
    one, many = left_out(["a.png"], "broken"), left_out([f"{n}.png" for n in range(1234)], "broken")
    assert one.message == "1 image is left out: broken." and one.items == ("a.png",)
    assert many.message == "1,234 images are left out: broken." and len(many.items) == 100
