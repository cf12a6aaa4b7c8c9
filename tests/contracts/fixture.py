"""Puts the stand-in where the plugin would be, for one test."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

PLUGIN = Path(__file__).resolve().parent / "plugin"
_loaded: dict[str, ModuleType] = {}  # its operations can be registered once a process


def _names() -> list[str]:
    return [name for name in sys.modules if name.split(".")[0].startswith("horizon_plugin")]


@contextmanager
def plugged() -> Iterator[ModuleType]:
    """`horizon_plugin_pytorch` imports, and no march is set; afterwards it doesn't import any more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PLUGIN))
        sys.modules.update(_loaded)
        plugin = importlib.import_module("horizon_plugin_pytorch")
        plugin.march.forget()
        try:
            yield plugin
        finally:
            _loaded.update({name: sys.modules.pop(name) for name in _names()})


@pytest.fixture
def stand_in() -> Iterator[ModuleType]:
    """`plugged`, for one test."""
    with plugged() as plugin:
        yield plugin
