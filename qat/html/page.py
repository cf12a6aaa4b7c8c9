"""The one way in which pages and pictures are filled in."""

from __future__ import annotations

from functools import lru_cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

SHARED = "qat.html"


@lru_cache
def templates(package: str) -> Environment:
    """The templates in `package`'s folder templates/, beside those that all pages share: escaped, every name known."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(SHARED)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    return environment
