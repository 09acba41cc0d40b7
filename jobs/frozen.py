"""The base of everything that crosses a process, a file or the database."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Immutable, and unknown keys are errors that name themselves."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
