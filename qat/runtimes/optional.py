"""Which of the optional packages are here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec

from qat.errors import UserError

EXTRA = 'pip install "rtseg-qat[runtimes]"'


def is_installed(module: str) -> bool:
    """Whether `module` can be imported."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def require(module: str, install: str = EXTRA) -> None:
    """Raise UserError, naming what to install, if `module` isn't installed."""
    if not is_installed(module):
        raise UserError(f"{module} is not installed; {install}")


def version_of(module: str) -> str:
    """The version of the package that brings `module`; UserError if it isn't installed."""
    require(module)
    return version(_packages()[module][0])


@lru_cache
def _packages() -> Mapping[str, list[str]]:
    """The packages that bring each module, looked up once since it takes a while."""
    return packages_distributions()
