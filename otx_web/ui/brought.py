"""The cards of the two uploads on the Optimise page: what is chosen, what was found in it, what else could be."""

from collections.abc import Mapping

from markupsafe import Markup

from jobs import titles
from jobs.errors import JobError
from jobs.findings import Findings
from jobs.spec import TaskName
from otx_web.services import Services
from otx_web.settings import Settings
from otx_web.store import Kind, Upload
from otx_web.ui import cards, parts
from otx_web.ui.look import NAMES, Look

LAYOUTS: Mapping[TaskName, str] = {
    TaskName.CLASSIFICATION: "one folder a class, ImageNet, COCO, Datumaro, Roboflow; or images without labels",
    TaskName.DETECTION: "COCO, Pascal VOC, YOLO, Roboflow, CVAT, Datumaro; or images without annotations",
    TaskName.SEGMENTATION: "images with masks of the same names, Common Semantic Segmentation, Pascal VOC, Cityscapes,"
    " CamVid, Roboflow; or images without masks",
    TaskName.INSTANCE_SEGMENTATION: "COCO, CVAT, Datumaro, with polygons or masks; or images without annotations",
    TaskName.ANOMALY_CLASSIFICATION: "MVTec: train/good, test/good and test/<defect>",
    TaskName.ANOMALY_DETECTION: "MVTec: train/good, test/good, test/<defect> and ground_truth/<defect>",
    TaskName.ANOMALY_SEGMENTATION: "MVTec: train/good, test/good, test/<defect> and ground_truth/<defect>",
}
"""How datasets of a task may be laid out."""


def heading(number: int, kind: Kind) -> Markup:
    """The title of a card."""
    sign = parts.element("span", str(number), classes="ow-number", aria_hidden="true")
    return parts.element("h2", sign, NAMES[kind].capitalize())


def taken(kind: Kind, task: TaskName, settings: Settings) -> Markup:
    """Which files are understood, in a line below the title."""
    if kind == "dataset":
        return parts.element("p", f"Images in a zip or a folder: {LAYOUTS[task]}.", classes="ow-help")
    code = ", PyTorch exported programs (.pt2)" if settings.code_allowed else ""
    formats = f"OpenVINO IR (.xml with .bin), ONNX, TensorFlow, TensorFlow Lite, PaddlePaddle{code}; also as a zip."
    return parts.element("p", formats, classes="ow-help")


def folder(kind: Kind) -> Markup:
    """A folder instead of files. folder.js sends what is chosen."""
    button = parts.element("button", "Choose a folder instead", type="button", classes="ow-quiet")
    chooser = Markup('<input type="file" webkitdirectory hidden aria-label="Folder with the {}">').format(NAMES[kind])
    return parts.element("p", button, chooser, parts.element("span", role="status"), classes="ow-folder ow-small")


def working(services: Services, what: str) -> Markup:
    """A sign of life until an upload has been looked into."""
    return parts.working(f"{what}…" if services.workers.ready else "Starting the engine, once…", counts=True)


def of_look(services: Services, look: Look, kind: Kind, owner: str) -> Markup:
    """As it stands: seen, or being looked into."""
    upload = look.uploads[kind]
    if upload is None or look.is_seen(kind):
        return card(services, owner, kind, upload)
    task = f" for {titles.task(look.task).lower()}" if kind == "dataset" else ""
    return card(services, owner, kind, upload, busy=working(services, f"Looking into it{task}"))


def card(
    services: Services,
    owner: str,
    kind: Kind,
    upload: Upload | None,
    *,
    busy: Markup | None = None,
    refusal: JobError | None = None,
) -> Markup:
    """What is chosen, what a check found in it, and what else could be chosen."""
    body: list[Markup] = []
    if upload is not None:
        name = parts.element("b", upload.name)
        mark = Markup() if busy is not None else _mark(upload)
        body.append(parts.element("p", mark, name, f" · {parts.size(upload.size_bytes)}", classes="ow-chosen"))
    if busy is not None:
        body.append(busy)
    if refusal is not None:
        body.append(parts.notice(refusal.message, "bad", refusal.hint))
    if upload is not None and upload.findings is not None and busy is None:
        body += _findings(upload, upload.findings)
    found = parts.element("div", *body, classes="ow-found") if body else Markup()
    return parts.join([found, _earlier(services, owner, kind, upload)])


def _mark(upload: Upload) -> Markup:
    if upload.findings is None:
        return Markup()
    if upload.findings.blocked:
        return parts.join([parts.badge("Cannot be used", "bad"), " "])
    return parts.element("span", "✓ ", classes="ow-text-good", title="Read and understood")


def _findings(upload: Upload, found: Findings) -> list[Markup]:
    body = [parts.problems(found.problems)]
    if found.model:
        body.append(cards.model(found.model, ", ".join(titles.task(task).lower() for task in found.tasks)))
    if found.dataset:
        body.append(cards.dataset(found.dataset, cards.thumbnails(upload)))
    return body


def _earlier(services: Services, owner: str, kind: Kind, upload: Upload | None) -> Markup:
    """A list of what was uploaded earlier and can be used; nothing when there is nothing else."""
    usable = [one for one in services.store.uploads(owner, kind) if kind == "dataset" or not _blocked(one)]
    others = [one for one in usable if upload is None or one.digest != upload.digest]
    if not others:
        return Markup()
    options = (
        parts.element("option", f"{one.name} · {parts.size(one.size_bytes)}", value=one.digest) for one in others
    )
    label = "Or take one you uploaded earlier" if upload is None else "Or take another you uploaded earlier"
    return parts.element(
        "div",
        parts.element("label", label, for_=f"ow-pick-{kind}"),
        parts.element(
            "select", parts.element("option", "Choose…", value=""), *options, id=f"ow-pick-{kind}", data_pick=kind
        ),
        classes="ow-field ow-earlier",
    )


def _blocked(upload: Upload) -> bool:
    return upload.findings is not None and upload.findings.blocked
