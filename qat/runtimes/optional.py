"""Which of the optional packages are here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec

from qat.errors import UserError

EXTRA = 'pip install "rtseg-qat[runtimes]"'


def need(module: str) -> None:
    """Raise UserError, naming what to install, if `module` isn't installed."""
    if find_spec(module) is None:
        raise UserError(f"{module} is not installed; {EXTRA}")


def version_of(module: str) -> str:
    """The version of the package that brings `module`; UserError if it isn't installed."""
    need(module)
    return version(_packages()[module][0])


@lru_cache
def _packages() -> Mapping[str, list[str]]:
    """Which packages bring a module; looking takes a while."""
    return packages_distributions()
