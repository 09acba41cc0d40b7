"""What a check found is shown in words, and as text."""

from jobs.findings import DatasetFindings, Findings, ModelFindings, Port, Problem, SamplePicture, Split
from jobs.report import Shape, View
from otx_web.store import Upload
from otx_web.ui import cards, parts

ADDRESS = "files/uploads/a/{}".format
EVIL = "<img src=x onerror=alert(1)>"


def model(**changed: object) -> ModelFindings:
    known: dict[str, object] = {
        "format": "ONNX",
        "name": "net",
        "size_bytes": 1_070_000,
        "inputs": (Port(name="x", shape=(-1, 3, 32, 32), type="f32", layout="NCHW"),),
        "outputs": (Port(name="y", shape=(-1, 10), type="f32"),),
        "precision": "FP32",
        "parameters": 272_474,
        "gflops": 0.0405,
    }
    return ModelFindings.model_validate(known | changed)


def dataset(**changed: object) -> DatasetFindings:
    known: dict[str, object] = {
        "format": "One folder a class",
        "name": "digits",
        "size_bytes": 3_000_000,
        "labels": ("cat", "dog"),
        "images": 2512,
        "splits": (Split(name="train", images=12, per_class={"cat": 5, "dog": 7}), Split(name="val", images=2500)),
        "calibration": 500,
        "validation": 2000,
    }
    return DatasetFindings.model_validate(known | changed)


def plain(markup: str) -> str:
    return markup.replace(parts.SPACE, " ")


def test_model_card_says_what_it_is() -> None:
    card = plain(cards.model(model()))
    for text in ("ONNX, 1.07 MB", "?×3×32×32 f32 NCHW", "?×10 f32", "FP32, 0.272 M parameters", "0.0405 GFLOPs"):
        assert text in card
    assert "taken in order from the dataset" in card


def test_model_card_knows_no_work_where_it_depends_on_the_image() -> None:
    """As in a Mask R-CNN, which looks closer at as many places as it finds."""
    assert "depends on the image" in plain(cards.model(model(gflops=0)))


def test_model_card_folds_many_labels() -> None:
    card = cards.model(model(labels=tuple(f"label{i}" for i in range(1000))))
    assert "and 996 more" in card
    assert "<details" in card


def test_dataset_card_counts_images_per_class_and_split() -> None:
    card = plain(cards.dataset(dataset(), ADDRESS))
    assert "2,512, 2 classes" in card
    assert "calibrate 500, measure accuracy 2,000" in card
    assert '<td data-name="Training">7</td>' in card
    assert "Validation" not in card


def test_dataset_without_labels_says_what_accuracy_is() -> None:
    assert "agreement with the original model" in cards.dataset(dataset(labels=(), labelled=False), ADDRESS)


def test_pictures_come_with_their_labels() -> None:
    pictures = tuple(SamplePicture(file=f"t{i}.png", label=f"l{i}") for i in range(9))
    found = Findings(task="detection")
    upload = Upload(digest="abc", owner="local", kind="dataset", name="a", size_bytes=1, findings=found)
    card = cards.dataset(dataset(pictures=pictures), cards.thumbnails(upload))
    assert card.count("<img") == 6
    assert 'src="files/uploads/abc/t0.png?task=detection" alt="l0"' in card


def test_annotations_are_drawn_on_pictures() -> None:
    box = View(shapes=(Shape(label="dog", box=(0, 0, 0.5, 0.5)),))
    pictures = (SamplePicture(file="0.png", label="dog", view=box), SamplePicture(file="1.png", label="empty"))
    card = cards.dataset(dataset(pictures=pictures), ADDRESS)
    assert card.count("<svg") == 1
    assert "<title>dog</title>" in card
    assert "ow-swatch" in card, "colours have their names"
    mask = SamplePicture(file="0.png", label="cat", view=View(layer="0-truth.png"))
    card = cards.dataset(dataset(pictures=(mask,)), ADDRESS)
    assert 'class="ow-layer" src="files/uploads/a/0-truth.png"' in card
    assert card.count("ow-swatch") == 2


def test_names_from_files_are_text() -> None:
    evil = dataset(
        labels=(EVIL,),
        format=EVIL,
        splits=(Split(name=EVIL, images=1, per_class={EVIL: 1}),),
        pictures=(SamplePicture(file=f'"{EVIL}', label=f'"{EVIL}'),),
    )
    card = cards.dataset(evil, ADDRESS)
    assert card.count("<img") == 1
    assert "onerror=alert(1)>" not in card
    assert "<img" not in cards.model(model(format=EVIL, labels=(EVIL,), inputs=(Port(name=EVIL, shape=(), type=EVIL),)))


def test_problems_stand_beside_what_they_are_about() -> None:
    found = [
        Problem(level="warning", where="model", message="of the model"),
        Problem(level="warning", where="dataset", message="of the dataset"),
    ]
    assert "of the dataset" in cards.problems(found, "dataset")
    assert "of the model" not in cards.problems(found, "dataset")
