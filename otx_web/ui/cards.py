"""What a check found of a model or a dataset, as cards: shown on Optimise and in the Library."""

from collections.abc import Callable, Iterable, Mapping

from markupsafe import Markup

from jobs import overlay, palette
from jobs.findings import DatasetFindings, ModelFindings, Port, Problem, SamplePicture, Split
from otx_web.store import Upload
from otx_web.ui import parts
from otx_web.ui.parts import Text

SPLITS = {"train": "training", "val": "validation", "test": "test"}


def thumbnails(upload: Upload) -> Callable[[str], str]:
    """Addresses of the pictures that the check of an upload left.

    They name the task, since a check for another one puts others in their place, and browsers keep what they have.
    """
    task = upload.findings.task if upload.findings else ""
    return lambda file: f"files/uploads/{upload.digest}/{file}{f'?task={task}' if task else ''}"


def model(found: ModelFindings, fits: str = "") -> Markup:
    """Format, inputs and outputs, precision, size of the network, labels; `fits` names the tasks it is good for."""
    rows: list[tuple[Text, Text]] = [
        ("Format", f"{found.format}, {parts.size(found.size_bytes)}"),
        ("Input" if len(found.inputs) == 1 else "Inputs", _ports(found.inputs)),
        ("Output" if len(found.outputs) == 1 else "Outputs", _ports(found.outputs)),
        ("Weights", f"{found.precision}, {parts.millions(found.parameters)} parameters"),
        ("Work", f"{parts.significant(found.gflops)} GFLOPs an image" if found.gflops else "depends on the image"),
        ("Labels", _labels(found.labels) if found.labels else "not in the file; taken in order from the dataset"),
    ]
    if fits:
        rows.append(("Fits", fits))
    return parts.facts(rows)


def _ports(ports: Iterable[Port]) -> Markup:
    return parts.join((_port(port) for port in ports), Markup("<br>"))


def _port(port: Port) -> Markup:
    shape = "×".join("?" if size < 0 else str(size) for size in port.shape)
    layout = f" {port.layout}" if port.layout else ""
    return parts.join(
        [f"{shape or 'one number'} {port.type}{layout} ", parts.element("span", port.name, classes="ow-muted")]
    )


def _labels(labels: tuple[str, ...]) -> Markup:
    if len(labels) <= 8:
        return parts.join([", ".join(labels)])
    all_ = parts.element("p", ", ".join(labels), classes="ow-small ow-muted")
    return parts.more(f"{', '.join(labels[:4])} and {len(labels) - 4} more", all_)


def dataset(found: DatasetFindings, address: Callable[[str], str]) -> Markup:
    """Layout, classes, images per class and split, and six pictures; `address` tells where a file is."""
    classes = parts.count(len(found.labels), "class", "classes") if found.labelled else "no labels"
    rows: list[tuple[Text, Text]] = [
        ("Layout", f"{found.format}, {parts.size(found.size_bytes)}"),
        ("Images", f"{parts.count(found.images)}, {classes}"),
        ("Used to", f"calibrate {parts.count(found.calibration)}, measure accuracy {parts.count(found.validation)}"),
    ]
    if not found.labelled:
        rows.append(("Accuracy", "is the agreement with the original model, since the images carry no labels"))
    pictures: list[Markup] = [_pictures(found, address)] if found.pictures else []
    return parts.join([parts.facts(rows), *pictures, _per_class(found)])


def _pictures(found: DatasetFindings, address: Callable[[str], str]) -> Markup:
    shown = found.pictures[:6]
    views = [picture.view for picture in shown]
    colours = palette.numbers(found.labels, overlay.labels(views))
    figures = (parts.element("figure", _drawn(one, address, colours), _caption(one)) for one in shown)
    layered = any(view.layer for view in views)
    legend = overlay.legend(colours, colours if layered else overlay.labels(views), filled=layered)
    return parts.join([parts.element("div", *figures, classes="ow-pictures"), legend])


def _drawn(picture: SamplePicture, address: Callable[[str], str], colours: Mapping[str, int]) -> Markup:
    image = Markup('<img src="{}" alt="{}" loading="lazy">').format(address(picture.file), picture.label)
    if picture.view.empty:
        return image
    layer = address(picture.view.layer) if picture.view.layer else ""
    return overlay.drawn(image, picture.view, colours, layer=layer, words=False)


def _caption(picture: SamplePicture) -> Markup:
    return parts.element("figcaption", picture.label, title=picture.label)


def _per_class(found: DatasetFindings) -> Markup:
    splits = [split for split in found.splits if split.per_class]
    if not splits:
        return Markup()
    head = ["Class", *(_split_name(split) for split in splits)]
    rows = [[label, *(parts.count(split.per_class.get(label, 0)) for split in splits)] for label in found.labels[:200]]
    return parts.more("Images per class", parts.table(head, rows, classes="ow-compact"))


def _split_name(split: Split) -> str:
    return SPLITS.get(split.name, split.name).capitalize() if split.name else "Images"


def problems(found: Iterable[Problem], where: str) -> Markup:
    """The problems of one side, beside it."""
    return parts.problems(problem for problem in found if problem.where == where)
