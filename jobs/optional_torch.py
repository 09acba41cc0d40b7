"""PyTorch, where it is wanted and not before: it takes as long to import as a small job takes to calibrate.

NNCF imports it wherever it is installed, and quantizes a model of OpenVINO's to the same bits without it.
"""

import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import NoReturn

NAME = "torch"


class _Hidden(MetaPathFinder, Loader):
    """Finds a package that comes from nowhere, and refuses to load it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(NAME, self) if fullname == NAME else None

    def exec_module(self, module: ModuleType) -> NoReturn:
        raise ModuleNotFoundError(f"{NAME} is hidden in this process until it is wanted", name=NAME)


def hide() -> None:
    """Whoever imports it from now on does without, unless it has been imported already."""
    if NAME not in sys.modules:
        sys.meta_path.insert(0, _Hidden())


def want() -> None:
    """Call before importing it. NNCF, if it has been imported meanwhile, goes on without."""
    # Its threads wait for each other thousands of times a second. Where they spin meanwhile, and other work wants the
    # cores too, a step takes four times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Hidden)]
