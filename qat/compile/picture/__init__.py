"""Pictures of a program: graph.svg to hang up, graph.html to look into."""

from __future__ import annotations

from pathlib import Path

from qat.compile.picture.html import html_of
from qat.compile.picture.layout import Layout, layout
from qat.compile.picture.svg import Errors, svg_of
from qat.files import write_text
from qat.program.steps import Program

__all__ = ["Errors", "Layout", "html_of", "layout", "svg_of", "write_picture"]


def write_picture(program: Program, folder: Path, title: str, errors: Errors | None = None) -> None:
    """Write graph.svg and graph.html into `folder`, each whole or not at all.

    `errors`: step name -> measure -> value, such as {"conv1_0": {"sqnr_db": 31.2}}; for the steps that were measured.
    UserError when the folder can't be written.
    """
    write_text(folder / "graph.svg", svg_of(program, title, errors))
    write_text(folder / "graph.html", html_of(program, title, errors))
