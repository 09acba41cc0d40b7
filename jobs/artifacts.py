"""What a job leaves for a person to take away, in `artifacts/` of its directory."""

import csv
import hashlib
import json
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import openvino as ov

from jobs import compression_writing, formats, report_page
from jobs.report import Artifact
from jobs.spec import JobSpec, NncfPruning, Options, PotAccuracyAware, Quantization, Trained

FOLDER = "artifacts"
PACKED = "model.zip"
CONFIG = "pot_optimization_config.json"
NNCF_CONFIG = "compression_config.json"
_TITLES = {
    PACKED: "Optimised model (zip)",
    "model.xml": "Optimised model, graph",
    "model.bin": "Optimised model, weights",
    report_page.FILE_NAME: "Report",
    CONFIG: "Settings as POT's configuration",
    NNCF_CONFIG: "Settings as NNCF's configuration",
    "predictions.csv": "Answers of both models",
}
_CHUNK = 1 << 20

Row = tuple[str, str, float, str, float]
"""Name of an image, and before and after: the answer and its confidence."""


def save_model(job_dir: Path, model: ov.Model, wanted: JobSpec, said: Mapping[str, str], *, half: bool) -> int:
    """Write the IR and a zip of it, and give the IR's size in bytes.

    What is `said` of the model, by the person or by what was measured, goes into `rt_info/model_info`, so that Model
    API needs no settings any more.
    """
    folder = job_dir / FOLDER
    folder.mkdir(exist_ok=True)
    for name, value in said.items():
        model.set_rt_info(value, ["model_info", name])
    graph = folder / "model.xml"
    formats.save(model, graph, half=half)
    stem = re.sub(r"[^\w.-]+", "_", Path(wanted.model.name).stem)[:80].strip("._") or "model"
    bits = "int4" if "INT4" in formats.precision(model) else "int8" if _quantizes(wanted.options) else "pruned"
    with zipfile.ZipFile(folder / PACKED, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in (graph, graph.with_suffix(".bin")):
            packed.write(path, f"{stem}_{bits}{path.suffix}")
    return graph.stat().st_size + graph.with_suffix(".bin").stat().st_size


def _quantizes(options: Options) -> bool:
    return not isinstance(options, NncfPruning) or options.enable_quantization


_ALGORITHMS = {"pot_default": "DefaultQuantization", "pot_accuracy_aware": "AccuracyAwareQuantization"}


def save_config(job_dir: Path, options: Options) -> None:
    """The settings as a file for another job: POT's own, or OTX's for NNCF. Neither knew weights alone."""
    if isinstance(options, Trained):
        (job_dir / FOLDER / NNCF_CONFIG).write_text(compression_writing.write(options), encoding="utf-8")
        return
    if not isinstance(options, Quantization) or options.method not in _ALGORITHMS:
        return
    params = options.model_dump(mode="json", exclude_defaults=True, exclude={"method", "target_device", "model_type"})
    compression: dict[str, Any] = {"target_device": options.target_device}
    if options.model_type:
        compression["model_type"] = options.model_type
    first: dict[str, Any] = {"preset": options.preset.value, "stat_subset_size": options.stat_subset_size}
    if isinstance(options, PotAccuracyAware):
        first |= {"maximal_drop": options.maximal_drop, "max_iter_num": options.max_iter_num}
    compression["algorithms"] = [{"name": _ALGORITHMS[options.method], "params": {**first, **params}}]
    text = json.dumps({"compression": compression}, indent=2)
    (job_dir / FOLDER / CONFIG).write_text(text + "\n", encoding="utf-8")


def save_predictions(job_dir: Path, rows: Iterable[Row]) -> None:
    """What each model said to each image, with its confidence."""
    with (job_dir / FOLDER / "predictions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "before", "confidence_before", "after", "confidence_after"))
        for name, before, score_before, after, score_after in rows:
            cells = (name, before, f"{score_before:.4f}", after, f"{score_after:.4f}")
            writer.writerow([_inert(cell) for cell in cells])


def _inert(cell: str) -> str:
    """A name that begins like a formula must not become one in a spreadsheet."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def listed(job_dir: Path) -> tuple[Artifact, ...]:
    """Everything there is to take away, with its digest."""
    folder = job_dir / FOLDER
    found = [(folder / name, title) for name, title in _TITLES.items()]
    return tuple(
        Artifact(
            name=title,
            path=str(path.relative_to(job_dir)),
            size_bytes=path.stat().st_size,
            sha256=_digest(path),
        )
        for path, title in found
        if path.is_file()
    )


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()
