"""The folder `configs/`: OTX's templates, each with its own files, read into one value."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from jobs import configuration, fields
from jobs.configuration import Group
from jobs.errors import BadConfig
from jobs.frozen import Frozen

GENERIC = "generic"
"""The template that fits any model, and assumes nothing."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same in C, ten times as fast, where it was built

_METHODS = {"openvino": ("pot_default", "pot_accuracy_aware", "weights", "nncf_qat", "nncf_pruning")}
"""What a template can do, by the entry points it has. Training needs none of OTX's (`nncf`): any graph is lifted, and
any can be pruned."""


class ConfigFile(Frozen):
    """A configuration file of POT or NNCF, OTX's or their own."""

    name: str
    text: str


@dataclass(frozen=True)
class Template:
    """A template of OTX, or the generic one."""

    task: str
    name: str
    """Its folder."""
    title: str
    id: str
    summary: str
    gflops: float | None
    """None where it depends on the model."""
    size_mb: float | None
    methods: tuple[str, ...]
    model_settings: Mapping[str, str]
    """Model API's parameters for a model that carries none."""
    configuration: Group = field(repr=False)
    pot: ConfigFile | None = field(default=None, repr=False)
    """Its pot_optimization_config.json."""
    nncf: ConfigFile | None = field(default=None, repr=False)
    """Its compression_config.json, where OTX could train with it."""
    is_default: bool = False


def root() -> Path:
    """The folder of the templates: a setting, else beside the source, else inside the wheel."""
    if said := os.environ.get("OTX_WEB_CONFIGS"):
        return Path(said)
    beside = Path(__file__).resolve().parent.parent / "configs"
    return beside if beside.is_dir() else Path(__file__).resolve().parent / "configs"


def names(task: str) -> tuple[str, ...]:
    """Templates of a task: the default first, the generic one last."""
    return _names(root(), task)


@cache
def _names(folder: Path, task: str) -> tuple[str, ...]:
    found = (path.parent.name for path in (folder / task).glob("*/template.yaml"))

    def place(name: str) -> tuple[bool, bool, str]:
        return name == GENERIC, not _load(folder, task, name).is_default, name

    return tuple(sorted(found, key=place))


def load(task: str, name: str) -> Template:
    """A template with all of its files. Raises BadConfig."""
    if name not in names(task):
        near = get_close_matches(name, names(task), 1) or names(task)
        raise BadConfig(
            f"There is no template “{name}” for {task}.", hint=f"Try {near[0]}." if near else "", where="template"
        )
    return _load(root(), task, name)


class _Entrypoints(Frozen):
    base: str = ""
    openvino: str = ""
    nncf: str = ""


class _HyperParameters(Frozen):
    base_path: str
    parameter_overrides: dict[str, Any] = Field(default_factory=dict)


class _File(Frozen):
    """`template.yaml` as OTX 1.x writes it, with the settings of Model API added."""

    model_template_id: str
    name: str
    task_type: str
    task_family: Literal["VISION"]
    instantiation: Literal["CLASS", "GRPC", "NONE"]
    summary: str = ""
    application: str | None = None
    framework: str
    entrypoints: _Entrypoints
    base_model_path: str = ""
    data_pipeline_path: str = ""
    capabilities: tuple[str, ...] = ()
    hyper_parameters: _HyperParameters
    max_nodes: int = 1
    training_targets: tuple[str, ...] = ()
    gigaflops: float | None = None
    size: float | None = None
    model_category: Literal["SPEED", "BALANCE", "ACCURACY", "OTHER"] | None = None
    is_default_for_task: bool = False
    model_api: dict[str, str | int | float | bool] = Field(default_factory=dict)


@cache
def _load(folder: Path, task: str, name: str) -> Template:
    path = folder / task / name / "template.yaml"
    shown = f"{task}/{name}/template.yaml"
    try:
        file = _File.model_validate(_yaml(path, shown))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadConfig(f"“{shown}”: {place}: {first['msg']}.", where=shown) from error
    base = (path.parent / file.hyper_parameters.base_path).resolve()
    if not base.is_relative_to(folder.resolve()):
        raise BadConfig(f"“{shown}”: base_path leads out of the folder of the templates.", where=shown)
    group = configuration.read(
        _yaml(base, base.name),
        overrides=file.hyper_parameters.parameter_overrides,
        file=base.name,
        overriding=shown,
    )
    return Template(
        task=task,
        name=name,
        title=file.name,
        id=file.model_template_id,
        summary=file.summary,
        gflops=file.gigaflops,
        size_mb=file.size,
        methods=tuple(one for entry, has in file.entrypoints for one in _METHODS.get(entry, ()) if has),
        model_settings={key: fields.text(value) for key, value in file.model_api.items()},
        configuration=group,
        pot=_config(path.with_name("pot_optimization_config.json")),
        nncf=_config(path.with_name("compression_config.json")) if file.entrypoints.nncf else None,
        is_default=file.is_default_for_task,
    )


def _config(path: Path) -> ConfigFile | None:
    return ConfigFile(name=path.name, text=path.read_text(encoding="utf-8")) if path.exists() else None


def _yaml(path: Path, shown: str) -> object:
    try:
        loaded: object = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except OSError as error:
        raise BadConfig(f"“{shown}” cannot be read: {error.strerror}.", where=shown) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", "") or "it is not YAML"
        raise BadConfig(f"“{shown}” is damaged{line}: {problem}.", where=shown) from error
    return loaded
