"""The model and the dataset of a job, read and bound to each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import openvino as ov
from openvino.passes import ConstantFolding, Manager

from jobs import data, formats, image_input, tasks, templates
from jobs.division import Division, divide
from jobs.formats import Imported
from jobs.image_input import ImageInput
from jobs.samples import Dataset
from jobs.spec import CalibrateOn, JobSpec
from jobs.tasks import Bound, Task


@dataclass(frozen=True)
class Pair:
    """What every stage of a job works on."""

    task: Task
    imported: Imported
    settings: Mapping[str, str]
    """Model API's parameters, merged: the person's over the model's over the template's."""
    entry: ImageInput
    dataset: Dataset
    bound: Bound
    division: Division

    @property
    def labelled(self) -> bool:
        """Whether accuracy is measured against the truth, or as agreement with the original model."""
        return self.dataset.labelled

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know before believing the numbers."""
        guessed = (f"The model does not say it, so it was assumed: {', '.join(self.entry.guessed)}.",)
        return (*(guessed if self.entry.guessed else ()), *self.bound.notes, *self.division.notes)

    @property
    def float_model(self) -> ov.Model:
        """What a method works on: the upload for one image at a time, with everything constant worked out.

        A weight that is reshaped or transposed on its way is no weight to NNCF, which then looks for an activation's
        axes in it. Models that keep weights in FP16 have been through OpenVINO's converter, which works all out; they
        are left alone, since their weights would become FP32 for good.
        """
        model = self.imported.model
        batch = model.inputs[self.entry.index].partial_shape[self.entry.layout.index("N")]
        single = batch.is_dynamic or batch.get_length() == 1
        copy = model.clone() if single else self.entry.fix_shape(model)
        if formats.precision(model) == "FP32":
            passes = Manager()
            passes.register_pass(ConstantFolding())
            passes.run_passes(copy)
        return copy


def open_pair(spec: JobSpec, job_dir: Path, scratch: Path) -> Pair:
    """Read both, and fit the model's outputs to the dataset's labels. Raises the JobErrors of all who take part."""
    task = tasks.by_name(spec.task)
    imported = formats.read(spec.model.folder(job_dir), scratch=scratch, allow_code=spec.allow_code)
    settings = task.prepared(imported.model, merged_settings(spec, formats.model_info(imported.model)))
    entry = image_input.of(imported.model, settings)
    dataset = data.open_dataset(spec.dataset.folder(job_dir), scratch, task)
    bound = task.bind(imported.model, settings, dataset)
    division = divide(
        dataset,
        calibration=spec.options.images,
        seed=spec.options.seed,
        shuffle=spec.options.shuffle_data,
        validation=spec.validation_images,
        calibrates=spec.options.calibrates,
        enough=spec.options.stat_subset_size,
        may_calibrate=partial(may_calibrate, task, spec.calibrate_on),
    )
    return Pair(task, imported, settings, entry, dataset, bound, division)


def may_calibrate(task: Task, wanted: CalibrateOn, target: Any) -> bool:
    """Whether an image with this target is of the kind that calibrates."""
    return task.may_calibrate is None or task.may_calibrate(target, wanted)


def merged_settings(spec: JobSpec, carried: Mapping[str, str]) -> dict[str, str]:
    """Given settings win over what the model carries; the template speaks only for a model that says nothing."""
    known = carried or templates.load(spec.task, spec.template).model_settings
    given = spec.model_settings
    return {**known, **given, **({"labels_given": "true"} if "labels" in given else {})}
