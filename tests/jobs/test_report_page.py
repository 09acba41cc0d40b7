"""The report of a job, as a file that needs nothing else."""

import base64
import io
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from jobs import numbers, report_page, spec
from jobs.report import ConfigKey, Failure, Images, NextStep, Picture, Report
from jobs.spec import JobSpec, PotDefault, Source
from tests.otx_web import made

NOW = datetime(2026, 11, 24, 10, 20, tzinfo=UTC)
EVIL = "<img src=x onerror=alert(1)>&\"'</style><script>"


class Elements(HTMLParser):
    """Every element of a page, with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.found}

    def images(self) -> list[str]:
        return [str(attributes["src"]) for tag, attributes in self.found if tag == "img"]


def wanted(**changed: Any) -> JobSpec:
    known: dict[str, Any] = {
        "task": "classification",
        "template": "generic",
        "options": PotDefault(),
        "model": Source(name="resnet20.onnx", digest="a" * 64, path="."),
        "dataset": Source(name="digits.zip", digest="b" * 64, path="."),
    }
    return JobSpec.model_validate(known | changed)


def picture(job_dir: Path, number: int = 0, *, side: int = 64, **changed: Any) -> Picture:
    folder = job_dir / "artifacts" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, side), (number * 9 % 256, 80, 80)).save(folder / f"{number:02}.png")
    known: dict[str, Any] = {
        "file": f"artifacts/pictures/{number:02}.png",
        "name": f"val/dog/{number}.png",
        "truth": "dog",
        "before": "dog",
        "after": "cat",
        "score_before": 0.61,
        "score_after": 0.55,
        "differs": True,
    }
    return Picture.model_validate(known | changed)


def write(job_dir: Path, report: Report, job: JobSpec | None = None) -> str:
    """The page's text, with plain spaces and signs."""
    spec.write(job_dir, job or wanted())
    path = report_page.write(job_dir, report, now=NOW)
    assert path == job_dir / "artifacts" / "report.html"
    text = path.read_text(encoding="utf-8")
    return text.replace(numbers.SPACE, " ").replace(numbers.MINUS, "-")


def words(page: str) -> str:
    body = page[page.index("<body>") :]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_page_answers_the_questions_in_their_order(tmp_path: Path) -> None:
    said = words(write(tmp_path, made.report(pictures=(picture(tmp_path),))))
    order = [
        *("resnet20.onnx", "24 November 2026", "Accuracy held", "80.5 %", "80.4 %", "-0.1 points", "1.40×", "faster"),
        *(
            "3.8×",
            "smaller",
            "Before and after",
            "Throughput",
            "5,040 images/s",
            "Accuracy against throughput",
            "limit",
        ),
        *("Classes", "dog", "70.0 %", "65.0 %", "Pictures", "Other answer", "Measured on", "AMD EPYC 9R14"),
        *("Applied by the method", "stat_subset_size", "2,000 images to measure accuracy", "b.png", "In all"),
        *("openvino", "2026.4.1", "otx-web optimize --model resnet20.onnx"),
    ]
    place = 0
    for text in order:
        place = said.index(text, place)


def test_page_needs_nothing_else_and_runs_nothing(tmp_path: Path) -> None:
    page = write(tmp_path, made.report(pictures=(picture(tmp_path),)))
    elements = Elements(page)
    assert not elements.tags() & {"script", "link", "iframe", "object", "a", "form"}
    assert all(source.startswith("data:image/jpeg;base64,") for source in elements.images())
    assert "http://" not in page and "https://" not in page and "url(" not in page and "@import" not in page
    assert "default-src 'none'" in page


def test_page_is_made_for_light_dark_phone_and_paper(tmp_path: Path) -> None:
    page = write(tmp_path, made.report())
    for text in ("prefers-color-scheme: dark", "max-width: 640px", "@media print", 'name="viewport"'):
        assert text in page


def test_text_from_files_and_people_is_never_markup(tmp_path: Path) -> None:
    before = made.report().before
    assert before is not None
    measure = before.model_copy(update={"per_class": {EVIL: {"accuracy": 0.5}}})
    report = made.report(
        notes=(EVIL,),
        applied={EVIL: EVIL},
        packages={EVIL: EVIL},
        config_keys=(ConfigKey(key=EVIL, value=EVIL, fate="refused", note=EVIL, source=EVIL),),
        images=Images(calibration=1, validation=1, calibration_names=(EVIL,), validation_names=(EVIL,)),
        pictures=(picture(tmp_path, name=EVIL, truth=EVIL, before=EVIL, after=EVIL),),
        hardware=made.HARDWARE.model_copy(update={"cpu": EVIL}),
        verdict=made.verdict("lost", next=(NextStep(title=EVIL, reason=EVIL, method="pot_default", set={EVIL: EVIL}),)),
    ).model_copy(update={"before": measure, "after": measure})
    job = wanted(
        model=Source(name=EVIL, digest=EVIL, path="."),
        dataset=Source(name=EVIL, digest=EVIL, path="."),
        given={EVIL: EVIL},
        model_settings={EVIL: EVIL},
    )
    page = write(tmp_path, report, job)
    elements = Elements(page)
    assert "script" not in elements.tags()
    assert page.count("</style>") == 1
    assert len(elements.images()) == 1
    assert not any("onerror" in attributes for _, attributes in elements.found)
    assert "<img src=x" not in page


def test_pictures_are_few_small_and_inside(tmp_path: Path) -> None:
    shots = tuple(picture(tmp_path, number, side=900 if number else 8) for number in range(20))
    page = write(tmp_path, made.report(pictures=shots))
    sources = Elements(page).images()
    assert len(sources) == report_page.PICTURES
    sizes = [Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))).size for source in sources]
    assert set(sizes) == {(32, 32), (report_page.SIDE, report_page.SIDE)}
    assert "different answers on all of these" in words(page)


def test_pictures_that_are_drawn_on_hold_their_image_once(tmp_path: Path) -> None:
    picture(tmp_path)
    Image.new("RGBA", (64, 64), (213, 94, 0, 255)).save(tmp_path / "artifacts/pictures/00-after.png")
    page = write(tmp_path, made.report(pictures=(made.drawn_on(),), labels=("dog",), task="detection"))
    elements = Elements(page)
    assert [tag for tag, _ in elements.found if tag in ("image", "use")] == ["image", "use", "use"]
    assert len(elements.images()) == 1 and elements.images()[0].startswith("data:image/png;base64,")
    assert "sure of from 35 % on" in words(page)
    assert "90 %" in page and "20 %" not in words(page), "what nobody could bring to sight is left out"
    assert "script" not in elements.tags() and "<img src=x" not in page


def test_picture_with_nothing_to_draw_is_shown_as_the_others_are(tmp_path: Path) -> None:
    nothing = picture(tmp_path, 1, before="no objects", after="no objects")
    picture(tmp_path)
    page = write(tmp_path, made.report(pictures=(made.drawn_on(), nothing), task="detection"))
    assert [tag for tag, _ in Elements(page).found if tag in ("image", "use")] == ["image", "use", "use"] * 2


def test_layer_that_is_gone_costs_only_itself(tmp_path: Path) -> None:
    picture(tmp_path)
    page = write(tmp_path, made.report(pictures=(made.drawn_on(),), task="detection"))
    assert not Elements(page).images() and "<image" in page


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"no picture")])
def test_picture_that_is_gone_costs_only_itself(tmp_path: Path, spoil: Any) -> None:
    shots = (picture(tmp_path, 0), picture(tmp_path, 1, differs=False, after="dog"))
    spoil(tmp_path / shots[0].file)
    page = write(tmp_path, made.report(pictures=shots))
    assert len(Elements(page).images()) == 1
    assert "val/dog/1.png" in page and "val/dog/0.png" not in page


def test_lost_accuracy_comes_with_what_to_try(tmp_path: Path) -> None:
    said = words(write(tmp_path, made.report(after=0.7, verdict=made.verdict("lost", 0.105, next=(made.STEP,)))))
    assert "✕ Accuracy lost" in said
    assert "Use the mixed preset . Fewer steps are wasted. --set preset=mixed" in said


def test_slower_and_larger_is_said_so(tmp_path: Path) -> None:
    before = made.report().before
    assert before is not None
    after = before.model_copy(update={"size_bytes": before.size_bytes * 2})
    report = made.report(fps=2000).model_copy(update={"after": after})
    said = words(write(tmp_path, report))
    assert "0.55× slower" in said and "2.0× larger" in said


def test_what_was_removed_is_in_the_table(tmp_path: Path) -> None:
    said = words(write(tmp_path, made.pruned()))
    assert "FLOPs an image 81.0 M 56.7 M 1.43× fewer" in said and "Parameters 0.272 M 0.191 M 1.43× fewer" in said
    assert "Weights that are 0 0 % 50 % +50 points" in words(write(tmp_path, made.pruned(zeros=0.5)))
    assert "FLOPs" not in words(write(tmp_path, made.report()))


def test_images_without_labels_are_said_so(tmp_path: Path) -> None:
    said = words(write(tmp_path, made.report(images=Images(calibration=3, validation=9, labelled=False))))
    assert "Agreement with the original" in said
    assert "The images carry no labels" in said


def test_failed_job_says_why_and_what_to_do(tmp_path: Path) -> None:
    failure = Failure(kind="not_enough_images", message="There are 3 images.", hint="Add some.", stage="Reading")
    failed = Report(
        status="failed", task="classification", template="generic", method="pot_default", failure=failure,
        packages={"openvino": "2026.4.1"},
    )  # fmt: skip
    page = write(tmp_path, failed)
    said = words(page)
    for text in (
        "The job failed",
        "There are 3 images.",
        "Add some.",
        "While: Reading",
        "otx-web optimize",
        "2026.4.1",
    ):
        assert text in said
    assert "resnet20.onnx: optimisation failed" in page


def test_page_without_a_readable_spec_is_written_all_the_same(tmp_path: Path) -> None:
    (tmp_path / spec.FILE_NAME).write_text("{")
    page = report_page.write(tmp_path, made.report(), now=NOW).read_text()
    assert "Accuracy held" in page and "otx-web optimize" not in page


def test_command_can_be_pasted_into_a_shell() -> None:
    job = wanted(
        model=Source(name="my model.xml", digest="", path="."),
        given={"preset": "mixed", "labels": "a b;rm -rf /"},
    )
    line = report_page.command(job)
    assert "--model 'my model.xml' 'my model.bin'" in line
    assert "--set preset=mixed" in line
    assert "--set 'labels=a b;rm -rf /'" in line
    assert "--task classification --template generic --method pot_default" in line
