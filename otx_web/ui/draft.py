"""What stands on the Optimise page, as its address: a reload, the back button and a link bring it all back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from jobs.templates import ConfigFile

MAX_CONFIG = 1 << 20
"""Characters of a configuration file; OTX's have a few thousand."""


@dataclass(frozen=True)
class Draft:
    """A job not sent yet. An empty field is not chosen: the page then proposes one."""

    model: str = ""
    """Digest of an upload."""
    dataset: str = ""
    task: str = ""
    template: str = ""
    method: str = ""
    given: Mapping[str, str] = field(default_factory=dict)
    config: ConfigFile | None = None
    config_name: str = ""
    """Of a configuration file: its text is too long for an address, and stays with the browser."""

    def address(self) -> str:
        """As the query of an address, without the question mark."""
        plain = [(name, getattr(self, name)) for name in ("model", "dataset", "task", "template", "method")]
        name = self.config.name if self.config else self.config_name
        settings = [("set", f"{name}={text}") for name, text in self.given.items()]
        return urlencode([pair for pair in (*plain, ("config", name), *settings) if pair[1]])


def read(address: str, config: str = "") -> Draft:
    """An address, and the configuration file that the browser kept as JSON (name and text)."""
    pairs = parse_qsl(address.lstrip("?"), keep_blank_values=True)
    plain = {name: text for name, text in pairs if name in ("model", "dataset", "task", "template", "method")}
    settings = dict(text.partition("=")[::2] for name, text in pairs if name == "set")
    name = next((text for name, text in pairs if name == "config"), "")
    return Draft(**plain, given=settings, config=_config(config) if name else None, config_name=name)


def _config(text: str) -> ConfigFile | None:
    try:
        found = json.loads(text) if text else None
        return ConfigFile(name=str(found["name"]), text=str(found["text"])[:MAX_CONFIG]) if found else None
    except (ValueError, KeyError, TypeError):
        return None
