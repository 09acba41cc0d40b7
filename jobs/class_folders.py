"""A dataset as one folder a class, split or not; also ImageNet's layout."""

from pathlib import Path

from jobs import annotated, tree
from jobs.errors import BadDataset
from jobs.samples import Dataset, Sample, left_out, natural, split_above, split_named

_NO_CLASSES = frozenset(("images", "image", "img", "imgs", "masks", "mask", "labels", "annotations", "gt"))


def read(root: Path) -> Dataset | None:
    """None when the folders are no classes. A class may be called like a split. Raises BadDataset."""
    folders = tree.folders(root)
    splits = [folder for folder in folders if split_named(folder.name) and _has_classes(folder)]
    if splits:
        classes = {child.name for split in splits for child in tree.folders(split)}
        plain = [folder for folder in folders if folder.name in classes and folder not in splits]  # in no split
    else:
        plain = [folder for folder in folders if tree.images_under(folder) or not tree.saying_files(folder)]
        if all(split_named(folder.name) for folder in plain if tree.images_under(folder)):
            return None  # images without labels, in splits
        if len(plain) == 1 and tree.saying_files(root):
            return None  # images, and annotations that nobody knows
    places = [(split_named(split.name), child) for split in splits for child in tree.folders(split)]
    places += [("", folder) for folder in plain]
    found = [
        (split or split_above(image.relative_to(folder)), folder.name, image)
        for split, folder in places
        for image in tree.images_under(folder)
    ]
    if not found:
        return None
    # An empty class still counts: its name is in the dataset.
    labels = tuple(sorted({folder.name for _, folder in places}, key=natural))
    if {label.lower() for label in labels} <= _NO_CLASSES:
        raise BadDataset(
            f"The folders are called {' and '.join(labels)}, which are no classes: this is a dataset for another task.",
            hint="For classification, put the images of each class in a folder named after it.",
        )
    index = {label: number for number, label in enumerate(labels)}
    samples = tuple(
        Sample(tree.relative(path, root), path, split, (index[label],)) for split, label, path in sorted(found)
    )
    used = {sample.path for sample in samples}
    outside = [tree.relative(path, root) for path in tree.images_under(root) if path not in used]
    problems = [left_out(outside, "not in the folder of a class")] if outside else []
    split = any(sample.split for sample in samples)
    title = "One folder a class" + (", split" if split else "")
    return annotated.checked(Dataset(title, labels, samples, tuple(problems)))


def _has_classes(folder: Path) -> bool:
    return any(tree.images_under(child) for child in tree.folders(folder))
