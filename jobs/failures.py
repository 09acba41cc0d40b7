"""Whatever went wrong, as something a person can act on."""

import errno
import logging

from jobs import formats
from jobs.errors import DiskFull, JobError, OutOfMemory
from jobs.report import Failure

logger = logging.getLogger(__name__)


class Bug(JobError):
    """OTX Web itself failed on this job."""

    hint = "The end of the log says where. Please report it with the log."


def explain(error: BaseException) -> JobError:
    """An error of any kind as a JobError. What is none of the known ones is a bug; its traceback goes to the log."""
    if isinstance(error, JobError):
        logger.info("%s", f"{error.message} {error.hint}".strip())
        return error
    logger.error("The job failed.", exc_info=error)
    if formats.is_out_of_memory(error):
        return OutOfMemory()
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull()
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return JobError("The job would have to write a larger file than it may.", hint="Use fewer images.")
    return Bug(f"OTX Web itself failed on this job: {type(error).__name__}: {formats.sentence(error)}")


def as_failure(error: BaseException, stage: str) -> Failure:
    """For a report; `stage` is the title of the one in which it happened."""
    known = explain(error)
    return Failure(kind=known.kind(), message=known.message, hint=known.hint, stage=stage, where=known.where)
