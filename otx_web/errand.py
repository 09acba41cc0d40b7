"""What the command line is asked to check or to optimise, read from its arguments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jobs.errors import JobError
from jobs.spec import TaskName
from jobs.templates import ConfigFile
from otx_web import files

MAX_CONFIG = 1 << 20  # bytes


class WrongArgument(JobError):
    """An argument cannot be used."""


@dataclass(frozen=True)
class Errand:
    """Without task or template, those that the model tells."""

    model: tuple[Path, ...] = ()
    dataset: Path | None = None
    task: TaskName | None = None
    template: str = ""
    method: str = "pot_default"
    given: Mapping[str, str] = field(default_factory=dict)
    """Settings as `--set` takes them."""
    config: ConfigFile | None = None
    name: str = ""
    accept_scopes: bool = False
    """Whether operations may be meant by old names as they are found."""


def task(text: str) -> TaskName | None:
    """A task by its name."""
    if text and text not in list(TaskName):
        raise WrongArgument(f"There is no task “{text}”. There is {', '.join(TaskName)}.")
    return TaskName(text) if text else None


def model(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The files, and the weights that lie beside a lone graph."""
    found = [there(path) for path in paths]
    if len(found) == 1 and found[0].suffix == ".xml" and (weights := found[0].with_suffix(".bin")).is_file():
        found.append(weights)
    return tuple(found)


def there(path: Path) -> Path:
    """The same, when there is something."""
    if not path.exists():
        raise WrongArgument(f"{path} is not there.", hint="Check the spelling, and the folder you are in.")
    return path


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """Settings given as NAME=VALUE; the last one counts."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise WrongArgument(f"--set takes NAME=VALUE, such as preset=mixed; it was given “{text}”.")
        found[name.strip()] = value
    return found


def config(path: Path) -> ConfigFile:
    """A configuration file; what stands in it is looked at later."""
    try:
        return ConfigFile(name=path.name, text=files.read_plain(there(path), MAX_CONFIG).decode())
    except (OSError, UnicodeDecodeError) as error:
        raise WrongArgument(f"{path} cannot be read.", hint="Give a JSON file of POT or OTX.") from error


def out(path: Path) -> Path:
    """A folder to write into, made when it is not there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongArgument(f"{path} is no folder that can be written to: {error.strerror}.") from error
    return path
