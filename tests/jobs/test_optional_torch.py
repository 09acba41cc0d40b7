import importlib.util
import sys
from collections.abc import Iterator

import pytest

from jobs import optional_torch


@pytest.fixture
def unimported(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a process that has not imported it yet."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "torch"]:
        monkeypatch.delitem(sys.modules, name)
    yield
    optional_torch.want()


@pytest.mark.usefixtures("unimported")
def test_hidden_package_is_as_if_it_were_not_installed() -> None:
    optional_torch.hide()
    with pytest.raises(ModuleNotFoundError, match="hidden"):
        importlib.import_module("torch")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("torch.nn")
    spec = importlib.util.find_spec("torch")
    assert spec is not None and spec.origin is None  # by which NNCF sees that there is none
    assert "torch" not in sys.modules


@pytest.mark.usefixtures("unimported")
def test_wanted_package_is_found_again() -> None:
    optional_torch.hide()
    optional_torch.want()
    spec = importlib.util.find_spec("torch")
    assert spec is not None and spec.origin is not None


def test_imported_package_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    before = list(sys.meta_path)
    monkeypatch.setitem(sys.modules, "torch", sys)
    optional_torch.hide()
    assert sys.meta_path == before
