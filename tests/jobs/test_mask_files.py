"""Masks as people have them: in which folders, under which names, with which values or colours."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from jobs import label_codes, layouts, mask_files
from jobs.errors import BadDataset, UnknownDataset
from jobs.label_codes import VOID
from jobs.samples import Dataset
from jobs.tasks import segmentation
from tests.jobs import datasets, streets

Values = NDArray[np.generic]
ROAD = np.array([[0, 0, 1], [1, 2, 255]], np.uint8)
COLOURS = {0: (0, 0, 0), 1: (128, 64, 128), 2: (0, 0, 142), 255: (255, 255, 255)}


def read(root: Path) -> Dataset:
    return layouts.read(root, segmentation.TASK)


def picture(path: Path, size: tuple[int, int] = (2, 3)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(len(str(path))).integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
    return path


def mask(path: Path, values: Values = ROAD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def coloured(values: Values = ROAD) -> NDArray[np.uint8]:
    return np.array([[COLOURS[int(value)] for value in row] for row in values], np.uint8)


def palette(path: Path, values: Values, colours: dict[int, tuple[int, int, int]] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values, mode="P")
    table = [(colours or {}).get(place, (place, place, place)) for place in range(256)]
    image.putpalette([channel for colour in table for channel in colour])
    image.save(path)
    return path


def pair(root: Path, name: str = "a", values: Values = ROAD) -> None:
    picture(root / "images" / f"{name}.jpg")
    mask(root / "masks" / f"{name}.png", values)


def maps(dataset: Dataset) -> list[list[list[int]]]:
    return [sample.target.read().tolist() for sample in dataset.samples if sample.target is not None]


# --- layouts


def test_otx_layout_has_a_file_of_classes_in_each_split(tmp_path: Path) -> None:
    found = read(streets.dataset(tmp_path, each=3))
    assert (found.format, found.labels) == ("Common Semantic Segmentation", streets.CLASSES)
    assert [sample.split for sample in found.samples] == ["train"] * 3 + ["val"] * 3
    assert found.samples[0].labels == (0, 1, 2) and not found.problems


def test_zero_is_background_where_only_others_have_names(tmp_path: Path) -> None:
    pair(tmp_path, values=np.array([[0, 1], [1, 0]], np.uint8).repeat(3, 1)[:, :3])
    datasets.text(tmp_path / "dataset_meta.json", json.dumps({"label_map": {"1": "road"}}))
    assert read(tmp_path).labels == ("background", "road")


def test_splits_that_name_other_classes_are_refused(tmp_path: Path) -> None:
    for split, name in (("train", "road"), ("val", "car")):
        pair(tmp_path / split, values=ROAD % 2)
        datasets.text(tmp_path / split / "dataset_meta.json", json.dumps({"labels": ["sky", name]}))
    with pytest.raises(BadDataset, match="other classes"):
        read(tmp_path)


def test_pascal_voc_has_a_palette_that_everybody_knows(tmp_path: Path) -> None:
    for name in ("2007_000032", "2007_000039", "2008_1"):
        picture(tmp_path / "VOC2012" / "JPEGImages" / f"{name}.jpg")
    for name in ("2007_000032", "2007_000039"):
        palette(tmp_path / "VOC2012" / "SegmentationClass" / f"{name}.png", ROAD)
        palette(tmp_path / "VOC2012" / "SegmentationObject" / f"{name}.png", ROAD)
    lists = tmp_path / "VOC2012" / "ImageSets" / "Segmentation"
    datasets.text(lists / "train.txt", "2007_000032\n")
    datasets.text(lists / "val.txt", "2007_000039\n")
    found = read(tmp_path)
    assert found.format == "Pascal VOC" and found.labels[:3] == ("background", "aeroplane", "bicycle")
    assert [(sample.path.stem, sample.split) for sample in found.samples] == [
        ("2007_000032", "train"),
        ("2007_000039", "val"),
    ], "the third is for detection"
    assert maps(found)[0] == ROAD.tolist() and not found.problems


def test_voc_of_a_labelling_tool_has_colours_of_its_own(tmp_path: Path) -> None:
    picture(tmp_path / "JPEGImages" / "a.jpg")
    mask(tmp_path / "SegmentationClass" / "a.png", coloured())
    lines = (
        "# label:color_rgb:parts:actions\ncar:0,0,142::\nbackground:0,0,0::\nroad:128,64,128::\nvoid:255,255,255::\n"
    )
    datasets.text(tmp_path / "labelmap.txt", lines)
    found = read(tmp_path)
    assert found.labels == ("car", "background", "road")
    assert maps(found) == [[[1, 1, 2], [2, 0, VOID]]]


def city(root: Path, kind: str, values: Values, split: str = "train") -> None:
    picture(root / "leftImg8bit" / split / "ulm" / "ulm_000001_000019_leftImg8bit.png")
    mask(root / "gtFine" / split / "ulm" / f"ulm_000001_000019_gtFine_{kind}.png", values)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("labelIds", np.array([[7, 7, 26], [26, 3, 0]], np.uint8)),
        ("labelTrainIds", np.array([[0, 0, 13], [13, 255, 255]], np.uint8)),
        (
            "color",
            np.array([[(128, 64, 128)] * 2 + [(0, 0, 142)], [(0, 0, 142), (0, 0, 0), (111, 74, 0)]], np.uint8),
        ),
    ],
)
def test_cityscapes_by_each_of_its_files(tmp_path: Path, kind: str, values: Values) -> None:
    city(tmp_path, kind, values)
    city(tmp_path, "instanceIds", np.array([[7, 7, 26001], [26002, 3, 0]], np.uint16))
    city(tmp_path, kind, values, split="val")
    found = read(tmp_path)
    assert (found.format, len(found.labels), len(found.samples)) == ("Cityscapes", 19, 2)
    assert maps(found)[0] == [[0, 0, 13], [13, VOID, VOID]]
    assert [sample.split for sample in found.samples] == ["train", "val"] and not found.problems


def test_camvid_with_folders_named_annot(tmp_path: Path) -> None:
    for split in ("train", "val"):
        picture(tmp_path / split / "0001TP.png")
        mask(tmp_path / f"{split}annot" / "0001TP.png", coloured())
    datasets.text(tmp_path / "label_colors.txt", "0 0 0 Void\n128 64 128 Road\n0 0 142 Car\n255 255 255 Lane\n")
    found = read(tmp_path)
    assert (found.format, found.labels) == ("CamVid", ("Road", "Car", "Lane"))
    assert maps(found) == [[[VOID, VOID, 0], [0, 1, 2]]] * 2
    assert [sample.name for sample in found.samples] == ["train/0001TP.png", "val/0001TP.png"]


def test_camvid_as_it_was_first_published(tmp_path: Path) -> None:
    picture(tmp_path / "701_StillsRaw_full" / "0001TP.png")
    mask(tmp_path / "LabeledApproved_full" / "0001TP_L.png", coloured(np.ones((2, 3), np.uint8)))
    found = read(tmp_path)
    assert len(found.labels) == 31 and found.labels[found.samples[0].target.classes[0]] == "Road"


def test_roboflow_puts_masks_beside_images(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        picture(tmp_path / split / "street_jpg.rf.0a.jpg")
        mask(tmp_path / split / "street_jpg.rf.0a_mask.png", ROAD % 3)
        datasets.text(tmp_path / split / "_classes.csv", "Pixel Value, Class\n0, unlabeled\n1, road\n2, car\n")
    found = read(tmp_path)
    assert (found.format, found.labels) == ("Roboflow masks", ("background", "road", "car"))
    assert [sample.split for sample in found.samples] == ["train", "val"]


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("images/a b é.jpg", "masks/a b é.png"),
        ("images/train/a.jpg", "labels/train/a.png"),
        ("train_images/a.jpg", "train_masks/a_mask.png"),
        ("img/a.jpg", "ground-truth/a_gt.png"),
        ("images/training/a.jpg", "annotations/training/a.png"),
        ("JPEGImages/A.JPG", "SegmentationLabels/a.png"),
        ("a.jpg", "a_mask.png"),
    ],
)
def test_mask_is_found_by_its_folder_or_name(tmp_path: Path, image: str, label: str) -> None:
    picture(tmp_path / "data" / image)
    mask(tmp_path / "data" / label)
    found = read(tmp_path)
    assert [sample.name for sample in found.samples if sample.target is not None] == [image]
    assert found.labels == ("0", "1", "2") and maps(found) == [ROAD.tolist()]


def test_of_two_images_of_a_name_the_one_in_the_same_split_is_meant(tmp_path: Path) -> None:
    for split, value in (("train", 0), ("val", 1)):
        picture(tmp_path / "images" / split / "1.png")
        mask(tmp_path / "masks" / split / "1.png", np.full((2, 3), value, np.uint8))
    assert [sample.labels for sample in read(tmp_path).samples] == [(0,), (1,)]


def test_a_list_of_names_says_the_split(tmp_path: Path) -> None:
    for name in ("1", "2", "3"):
        pair(tmp_path, name)
    datasets.text(tmp_path / "valid.txt", "images/2.jpg\n3.jpg masks/3.png\n")
    assert [sample.split for sample in read(tmp_path).samples] == ["", "val", "val"]


@pytest.mark.filterwarnings("ignore:Saving I mode")  # by Datumaro
@pytest.mark.parametrize("name", ["camvid", "cityscapes", "voc_segmentation"])
def test_what_datumaro_writes_is_read_back(tmp_path: Path, name: str) -> None:
    from datumaro.components.annotation import AnnotationType, LabelCategories, Mask, MaskCategories
    from datumaro.components.dataset import Dataset as DatumaroDataset
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Image as Media

    labels = ("background", "road", "car")
    rng = np.random.default_rng(0)
    real = {f"{split}-{number}": rng.integers(0, 3, (6, 8)) for split in ("train", "val") for number in range(2)}
    items = [
        DatasetItem(
            key,
            subset=key.partition("-")[0],
            media=Media.from_numpy(rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)),
            annotations=[Mask(numbers == label, label=label, id=label, group=label) for label in range(3)],
        )
        for key, numbers in real.items()
    ]
    categories = {
        AnnotationType.label: LabelCategories.from_iterable(labels),
        AnnotationType.mask: MaskCategories({0: (0, 0, 0), 1: (128, 64, 128), 2: (0, 0, 142)}),
    }
    DatumaroDataset.from_iterable(items, categories=categories).export(str(tmp_path / "data"), name, save_media=True)
    found = read(tmp_path / "data")
    assert found.labels == labels and not found.problems
    assert [sample.split for sample in found.samples] == ["train", "train", "val", "val"]
    assert maps(found) == [numbers.tolist() for numbers in real.values()]


def test_images_alone_are_images_without_labels(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.jpg")
    assert read(tmp_path).format == "Images without labels"


def test_nothing_is_nothing(tmp_path: Path) -> None:
    datasets.text(tmp_path / "a.txt", "a")
    with pytest.raises(UnknownDataset, match="No known"):
        read(tmp_path)


# --- what masks hold


@pytest.mark.parametrize(
    "values",
    [
        ROAD,
        ROAD.astype(np.uint16),
        np.repeat(ROAD[..., None], 3, 2),
        np.dstack([ROAD, ROAD, ROAD, np.full_like(ROAD, 255)]),
    ],
    ids=["grey", "16 bits", "three equal channels", "with opacity"],
)
def test_values_are_places_in_the_list_of_classes(tmp_path: Path, values: Values) -> None:
    pair(tmp_path, values=values)
    datasets.text(tmp_path / "classes.txt", "sky\nroad\nparked car\n")
    found = read(tmp_path)
    assert found.labels == ("sky", "road", "parked car") and maps(found) == [ROAD.tolist()]
    assert found.samples[0].target.pixels == ((0, 2), (1, 2), (2, 1))


@pytest.mark.parametrize(
    "lines",
    [
        "0 0 0 sky\n128 64 128 road\n0 0 142 car\n255 255 255 void",
        "sky,0,0,0\nroad,128,64,128\ncar,0,0,142\nvoid,255,255,255",
        "sky (0, 0, 0)\nroad (128, 64, 128)\ncar (0, 0, 142)\nvoid (255, 255, 255)",
    ],
)
def test_colours_are_looked_up(tmp_path: Path, lines: str) -> None:
    pair(tmp_path, values=coloured())
    datasets.text(tmp_path / "classes.txt", lines)
    found = read(tmp_path)
    assert found.labels == ("sky", "road", "car") and maps(found) == [ROAD.tolist()]


def test_table_of_colours_has_a_heading(tmp_path: Path) -> None:
    pair(tmp_path, values=coloured(ROAD % 2))
    datasets.text(tmp_path / "class_dict.csv", "name,r,g,b\nsky,0,0,0\nroad,128,64,128\n")
    assert read(tmp_path).labels == ("sky", "road")


def test_palette_of_the_classes_colours_in_another_order(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.jpg")
    palette(
        tmp_path / "masks" / "a.png",
        np.array([[2, 2, 1], [1, 0, 9]], np.uint8),
        {2: (0, 0, 0), **{1: (128, 64, 128), 0: (0, 0, 142), 9: (255, 255, 255)}},
    )
    datasets.text(tmp_path / "classes.txt", "0 0 0 sky\n128 64 128 road\n0 0 142 car\n255 255 255 void")
    found = read(tmp_path)
    assert maps(found) == [ROAD.tolist()] and found.samples[0].labels == (0, 1, 2)


def test_palette_of_other_colours_holds_places(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.jpg")
    palette(tmp_path / "masks" / "a.png", ROAD)
    datasets.text(tmp_path / "classes.txt", "0 0 0 sky\n128 64 128 road\n0 0 142 car")
    assert maps(read(tmp_path)) == [ROAD.tolist()]


def test_black_and_white_are_two_classes(tmp_path: Path) -> None:
    pair(tmp_path, values=np.array([[0, 255, 255], [0, 0, 0]], np.uint8))
    pair(tmp_path, "b", np.zeros((2, 3), np.uint8))
    assert read(tmp_path).labels == ("0", "1")
    datasets.text(tmp_path / "classes.txt", "background\nroad")
    found = read(tmp_path)
    assert found.labels == ("background", "road") and maps(found)[0] == [[0, 1, 1], [0, 0, 0]]


def test_one_bit_is_two_classes(tmp_path: Path) -> None:
    pair(tmp_path, values=np.array([[False, True, True], [False] * 3]))
    assert maps(read(tmp_path)) == [[[0, 1, 1], [0, 0, 0]]]


def test_numbered_names_may_leave_some_out(tmp_path: Path) -> None:
    pair(tmp_path, values=np.array([[1, 1, 7], [7, 9, 255]], np.uint8))
    datasets.text(tmp_path / "classes.txt", "1: road\n7: car\n9: ignore")
    found = read(tmp_path)
    assert found.labels == ("road", "car") and maps(found) == [[[0, 0, 1], [1, VOID, VOID]]]
    assert not found.problems, "both are void by their names"


def test_values_without_a_name_do_not_count_and_are_told(tmp_path: Path) -> None:
    pair(tmp_path, values=np.array([[0, 1, 7], [7, 7, 255]], np.uint8))
    datasets.text(tmp_path / "classes.txt", "sky\nroad")
    found = read(tmp_path)
    assert maps(found) == [[[0, 1, VOID], [VOID, VOID, VOID]]]
    (problem,) = found.problems
    assert problem.level == "warning" and problem.items == ("value 7: 50.0\u00a0% of the pixels",)


def test_value_after_the_last_name_is_a_common_void(tmp_path: Path) -> None:
    pair(tmp_path, values=ROAD)
    datasets.text(tmp_path / "classes.txt", "sky\nroad")
    assert [problem.level for problem in read(tmp_path).problems] == ["info"]


def test_nothing_but_strange_values_is_refused(tmp_path: Path) -> None:
    pair(tmp_path, values=ROAD[:1] + 100)
    picture(tmp_path / "images" / "a.jpg", (1, 3))
    datasets.text(tmp_path / "classes.txt", "sky\nroad")
    with pytest.raises(BadDataset, match="No pixel of the masks has a class: value 100"):
        read(tmp_path)


def test_colours_that_nobody_names_are_refused(tmp_path: Path) -> None:
    pair(tmp_path, values=coloured() // 2 + 3)
    with pytest.raises(BadDataset, match="nothing says which colour") as caught:
        read(tmp_path)
    assert "classes.txt" in caught.value.hint


def test_shades_of_a_photo_are_no_classes(tmp_path: Path) -> None:
    shades = np.arange(400).reshape(20, 20).astype(np.uint16)
    picture(tmp_path / "images" / "a.jpg", (20, 20))
    mask(tmp_path / "masks" / "a.png", shades)
    with pytest.raises(BadDataset, match="399 values"):
        read(tmp_path)


def test_damaged_list_of_classes_is_named(tmp_path: Path) -> None:
    pair(tmp_path)
    datasets.text(tmp_path / "dataset_meta.json", "[1, 2")
    with pytest.raises(BadDataset, match=r"“dataset_meta.json” cannot be read"):
        read(tmp_path)


# --- what does not fit


def test_mask_of_another_shape_is_left_out_with_its_name(tmp_path: Path) -> None:
    pair(tmp_path)
    picture(tmp_path / "images" / "wide.jpg", (2, 5))
    mask(tmp_path / "masks" / "wide.png")
    found = read(tmp_path)
    assert [sample.name for sample in found.samples] == ["images/a.jpg"]
    assert found.problems[0].items == ("masks/wide.png (3 × 2, the image 5 × 2)",)


def test_mask_of_half_the_size_keeps_its_size(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.jpg", (5, 7))
    mask(tmp_path / "masks" / "a.png", np.zeros((3, 4), np.uint8))
    assert read(tmp_path).samples[0].target.read().shape == (3, 4)


def test_nothing_that_fits_is_an_error(tmp_path: Path) -> None:
    pair(tmp_path)
    picture(tmp_path / "images" / "a.jpg", (2, 5))
    with pytest.raises(BadDataset, match=r"None of the masks fits its image: masks/a\.png"):
        read(tmp_path)


def test_mask_lies_as_its_image_does(tmp_path: Path) -> None:
    """Most tools draw on the upright image; some on the one in the file."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by a quarter
    for name, values in (("upright", np.arange(6).reshape(3, 2)), ("stored", np.arange(6).reshape(2, 3))):
        picture(tmp_path / "images" / f"{name}.jpg", (2, 3))
        Image.open(tmp_path / "images" / f"{name}.jpg").save(tmp_path / "images" / f"{name}.jpg", exif=exif)
        mask(tmp_path / "masks" / f"{name}.png", values.astype(np.uint8))
    stored, upright = maps(read(tmp_path))
    assert upright == [[0, 1], [2, 3], [4, 5]]
    assert stored == [[3, 0], [4, 1], [5, 2]]


def test_images_without_masks_calibrate_and_masks_without_images_are_told(tmp_path: Path) -> None:
    pair(tmp_path)
    picture(tmp_path / "images" / "bare.jpg")
    mask(tmp_path / "masks" / "lost.png")
    found = read(tmp_path)
    assert [(sample.name, sample.target is None) for sample in found.samples] == [
        ("images/a.jpg", False),
        ("images/bare.jpg", True),
    ]
    assert {problem.items for problem in found.problems} == {("images/bare.jpg",), ("masks/lost.png",)}


def test_damaged_mask_is_left_out(tmp_path: Path) -> None:
    pair(tmp_path)
    pair(tmp_path, "torn", np.random.default_rng(0).integers(0, 2, (64, 96), dtype=np.uint8))
    picture(tmp_path / "images" / "torn.jpg", (64, 96))
    torn = tmp_path / "masks" / "torn.png"
    torn.write_bytes(torn.read_bytes()[:200])
    found = read(tmp_path)
    assert [sample.name for sample in found.samples] == ["images/a.jpg"]
    assert found.problems[0].items == ("masks/torn.png",)


def test_names_that_do_not_meet_are_an_error(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.jpg")
    mask(tmp_path / "masks" / "z.png")
    with pytest.raises(BadDataset, match=r"“masks/z\.png” has none of its name, “images/a\.jpg” has no mask"):
        read(tmp_path)


def test_masks_in_jpeg_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    mask(tmp_path / "masks" / "a.jpg")
    with pytest.raises(BadDataset, match="blurs"):
        read(tmp_path)


def test_of_many_masks_some_are_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(8):
        pair(tmp_path, str(number))
    monkeypatch.setattr(mask_files, "_LOOKED_PIXELS", 24)
    found = read(tmp_path)
    assert [sample.labels for sample in found.samples] == [(0, 1, 2), ()] * 4
    assert maps(found) == [ROAD.tolist()] * 8
    assert found.problems[0].message.startswith("4 of 8 masks")


def test_known_colours_are_those_of_the_formats() -> None:
    assert label_codes.VOC.colours[0x80_00_00] == 1 and label_codes.VOC.colours[0x00_40_80] == 20
    assert len(label_codes.CITYSCAPES.names) == 19 and len(label_codes.CAMVID.names) == 31
