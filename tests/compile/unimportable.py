"""A package that can't be imported."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from types import ModuleType
from unittest import mock


class _Finder(MetaPathFinder):
    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        if name.split(".")[0] == self.name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@contextmanager
def without(name: str) -> Iterator[None]:
    """In the block, `name` isn't installed."""
    loaded = {module: sys.modules[module] for module in sys.modules if module.split(".")[0] == name}
    for module in loaded:
        del sys.modules[module]
    with mock.patch.object(sys, "meta_path", [_Finder(name), *sys.meta_path]):
        try:
            yield
        finally:
            sys.modules.update(loaded)
