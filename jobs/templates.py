"""`configs/` as typed models: OTX's own files, the parameters they offer, and the options they come to."""

from dataclasses import dataclass
from typing import Literal

from jobs.report import ConfigKey
from jobs.spec import Options

Kind = Literal["integer", "float", "boolean", "choice", "text", "names"]


@dataclass(frozen=True)
class Parameter:
    """A setting as forms and `--set` know it, with the value it has when nobody changes it."""

    name: str
    """Flat and dotted, e.g. `activations.range_estimator.max.type`."""
    kind: Kind
    header: str = ""
    description: str = ""
    default: str = ""
    value: str = ""
    """The effective one, as text the way `--set` takes it."""
    minimum: float | None = None
    maximum: float | None = None
    options: tuple[str, ...] = ()
    editable: bool = True
    visible: bool = True
    advanced: bool = False
    group: str = ""
    source: str = ""
    """The file that `value` comes from, e.g. configuration.yaml; POT where none says it."""
    warning: str = ""


@dataclass(frozen=True)
class Resolved:
    """What files and given settings come to."""

    options: Options
    config_keys: tuple[ConfigKey, ...] = ()
    warnings: tuple[str, ...] = ()
