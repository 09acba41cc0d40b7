"""What a person can act on. Everything else that is raised is a bug, and is shown as one.

The docstring of a class is its default message; `hint` says what to do next. Errors cross processes as
`jobs.report.Failure`, never as exceptions.
"""

import re


class JobError(Exception):
    """The job could not be done."""

    hint = ""

    def __init__(self, message: str | None = None, *, hint: str | None = None, where: str = "") -> None:
        """`where` is the file, entry, layer or option that is wrong, as the person knows it."""
        self.message = message or (type(self).__doc__ or "").strip()
        self.hint = type(self).hint if hint is None else hint
        self.where = where
        super().__init__(self.message)

    @classmethod
    def kind(cls) -> str:
        """The class name in snake_case: how this error is called in reports."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


# --- the model


class UnknownFormat(JobError):
    """This file is not a model in a format that can be read here."""

    hint = "Upload OpenVINO IR (.xml and .bin), ONNX, TensorFlow, TensorFlow Lite or PaddlePaddle."


class BrokenModel(JobError):
    """The model cannot be read: the file is damaged or incomplete."""

    hint = "Export the model again and upload the new file."


class UnsupportedModel(JobError):
    """The model uses something that cannot be optimised here."""

    hint = "Export the model without that part, or in another format."


class AlreadyQuantized(JobError):
    """This model is already quantized."""

    hint = "Upload the float model it was made from."


class CodeInFile(JobError):
    """This file can run code when it is loaded, so it is not opened here."""


class BadOutputs(JobError):
    """The model's outputs are not numbers (NaN or infinite)."""

    hint = "Check the model and its preprocessing on one image before optimising it."


# --- the dataset


class BadArchive(JobError):
    """The archive is unsafe or damaged, so nothing was unpacked."""

    hint = "Make a plain zip of the files and upload it again."


class UnknownDataset(JobError):
    """No known dataset layout was found in the archive."""

    hint = "The simplest layout is one folder a class, with that class's images inside."


class BadDataset(JobError):
    """The dataset cannot be used as it is."""


class NotEnoughImages(JobError):
    """There are too few usable images."""


class LabelMismatch(JobError):
    """The labels of the dataset do not fit the outputs of the model."""


# --- the request


class WrongTask(JobError):
    """The model does not fit this task."""


class BadOption(JobError):
    """A setting has a value that cannot be used."""


class BadConfig(JobError):
    """The configuration file cannot be read."""


# --- the machine


class OutOfMemory(JobError):
    """The job needs more memory than its limit."""

    hint = "Use fewer calibration images or a smaller input, or raise the memory limit."


class OutOfTime(JobError):
    """The job ran past its time limit and was stopped."""

    hint = "Use fewer images, or raise the time limit."


class DiskFull(JobError):
    """The disk is full."""

    hint = "Delete old jobs or uploads, then run the job again."


class Crashed(JobError):
    """The worker process crashed."""

    hint = "The log below may say more. Other jobs are not affected."


class DeviceUnavailable(JobError):
    """The device is not available on this machine."""
