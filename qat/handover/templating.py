"""Templates of text files: nothing is escaped, and every name must be known."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def filled(template: str, /, **values: Any) -> str:
    """The text of a template in this room's folder templates/."""
    environment = Environment(
        loader=PackageLoader("qat.handover"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**values)
